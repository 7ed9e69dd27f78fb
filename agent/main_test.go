package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/agent/cache"
	"turnstile/agent/daemon"
	"turnstile/agent/daemon/daemontest"
	"turnstile/agent/lane"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner/scannertest"
)

// began is when the tests did. Passes are of its UTC day and valid from an hour
// before it, so that midnight may come while they run.
var began = time.Now().UTC()

// world is a folder with a configuration, and the command run in it.
type world struct {
	*testing.T
	dir, config string
}

const configText = `data: %s/data
http: 127.0.0.1:0
clock: {trust_system: true}
lanes:
  - number: 4
    scanners: [{port: /dev/none-scanner}]
    gate: {driver: controller, port: /dev/none-gate}
`

func newWorld(t *testing.T) *world {
	dir := t.TempDir()
	w := &world{t, dir, filepath.Join(dir, "agent.yaml")}
	w.write("agent.yaml", fmt.Sprintf(configText, dir))
	return w
}

func (w *world) write(name, text string) string {
	w.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
	return path
}

// agent runs the command and returns its exit code and both outputs.
func (w *world) agent(in string, args ...string) (code int, out, err string) {
	var o, e bytes.Buffer
	p := &program{in: strings.NewReader(in), out: &o, err: &e, log: slog.New(slog.DiscardHandler)}
	code = p.main(args)
	return code, o.String(), e.String()
}

// want runs the command and checks exit code and what it says on either output.
func (w *world) want(code int, says string, in string, args ...string) {
	w.Helper()
	got, out, err := w.agent(in, args...)
	if got != code || !strings.Contains(out+err, says) {
		w.Errorf("agent %.60q: exit %d, want %d and %q\n%s%s", args, got, code, says, out, err)
	}
}

var signingKey = ed25519.NewKeyFromSeed([]byte("the keyset's key for these tests"))

func codeOf(index uint32) string {
	p := pass.Pass{Kind: pass.ECard, KeyID: 7, Day: pass.DayOf(began), Index: index, Start: int16(began.Hour()*60 + began.Minute() - 60), Length: 18, Zones: 1}
	return p.Text(ed25519.Sign(signingKey, p.Message()))
}

// feed fills the cache, as a session with central would have.
func (w *world) feed() {
	w.Helper()
	today := pass.DayOf(began)
	if err := os.MkdirAll(filepath.Join(w.dir, "data"), 0o700); err != nil {
		w.Fatal(err)
	}
	c, _, err := cache.Open(filepath.Join(w.dir, "data", "cache.bolt"), cache.Options{})
	if err != nil {
		w.Fatal(err)
	}
	state, err := link.NewState(1).Apply([]link.Event{{Type: link.OpenDay, Day: today, Value: 1 << 13}, {Type: link.Revoke, Day: today, Value: 9}})
	if err != nil {
		w.Fatal(err)
	}
	key := link.PassKey{ID: 7, Public: signingKey.Public().(ed25519.PublicKey), Kinds: 0xffff, From: today - 1, To: today + 1}
	err = c.Apply(cache.Update{
		State: state, Keys: &link.Keyset{Version: 3, Keys: []link.PassKey{key}},
		Rules: &link.Rules{Version: 2, Offsets: []link.Offset{{}}, Zones: []link.Zone{{ID: 0}}, Policies: link.DefaultPolicies()},
		Head:  &link.Head{Epoch: 1, Seq: 2, Issued: time.Now().UnixMilli(), Next: 5000}, HeadAt: time.Now(),
	})
	if err := errors.Join(err, c.Close()); err != nil {
		w.Fatal(err)
	}
}

func TestUsage(t *testing.T) {
	w := newWorld(t)
	w.want(2, "agent enroll", "")
	w.want(2, "no command", "", "fly")
	w.want(0, "Exit codes", "", "help")
	w.want(0, "agent dev", "", "version")
	w.want(0, "", "", "run", "--help")
	w.want(2, "flag provided but not defined", "", "run", "--fast")
	w.want(2, "arguments", "", "run", "now")
	w.want(2, "arguments", "", "check", "--config", w.config)
	w.want(2, "--token-file are needed", "", "enroll", "--config", w.config)
}

func TestWrongConfiguration(t *testing.T) {
	w := newWorld(t)
	bad := w.write("bad.yaml", "data: d\ncolour: red\nlanes: []\n")
	for _, command := range [][]string{{"run"}, {"status"}, {"check", "X"}, {"enroll", "--central", "https://x", "--token-file", "-"}} {
		w.want(2, "line 2: unknown key colour", "", append(command, "--config", bad)...)
		w.want(2, "line 3: lanes", "", append(command, "--config", bad)...)
		w.want(2, "cannot be read", "", append(command, "--config", bad+".none")...)
	}
	if _, err := os.Stat("d"); err == nil {
		t.Error("something was started")
	}
}

func TestEnroll(t *testing.T) {
	w := newWorld(t)
	c := daemontest.Start(t)
	w.want(1, "not enrolled", "", "run", "--config", w.config)
	w.want(1, "enrolment token", "not a token", "enroll", "--central", c.URL, "--token-file", "-", "--config", w.config)
	w.want(1, "no such file", "", "enroll", "--central", c.URL, "--token-file", "none", "--config", w.config)
	w.want(1, "does not know the token", link.NewEnrolToken(c.Token.Authority).Text(), "enroll", "--central", c.URL, "--token-file", "-", "--config", w.config)
	w.want(1, "not the central", link.NewEnrolToken(link.Hash{}).Text(), "enroll", "--central", c.URL, "--token-file", "-", "--config", w.config)
	w.want(0, "enrolled as lane-1 at campus", "", "enroll", "--central", c.URL, "--token-file", w.write("token", c.Token.Text()+"\n"), "--config", w.config)
}

func TestCheckWithoutTheAgent(t *testing.T) {
	w := newWorld(t)
	w.want(3, "NO_FEED", "", "check", codeOf(1), "--config", w.config)
	w.feed()
	w.want(0, "GRANTED", "", "check", codeOf(1), "--config", w.config)
	w.want(3, "REVOKED", codeOf(9)+"\r\n", "check", "--config", w.config, "-")
	w.want(3, "FOREIGN", "", "check", "hello", "--lane", "4", "--config", w.config)
	w.want(3, `"reason": "REVOKED"`, "", "check", codeOf(9), "--json", "--config", w.config)
	w.want(2, "no lane 5", "", "check", "hello", "--lane", "5", "--config", w.config)
	w.want(1, "no agent has run", "", "status", "--config", w.config)
}

// TestCommandsOfARunningAgent asks an agent that runs in this process.
func TestCommandsOfARunningAgent(t *testing.T) {
	w := newWorld(t)
	daemontest.Enrol(t, filepath.Join(w.dir, "data"))
	w.feed()
	c, err := daemon.Load(w.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan string, 1), make(chan error, 1)
	g, s := gatetest.New(), scannertest.New()
	go func() {
		done <- daemon.Run(ctx, c, daemon.Options{Version: "test", Ready: func(a string) { ready <- a },
			Devices: func(daemon.Lane) (gate.Gate, []lane.Reader, error) {
				return g, []lane.Reader{{Name: "fake", Scanner: s, Direction: gate.In}}, nil
			}})
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	w.until("the status file is there", func() bool {
		code, _, _ := w.agent("", "status", "--config", w.config)
		return code == 0
	})
	w.want(0, "lane-1 at campus", "", "status", "--config", w.config)
	w.want(0, "decided by the running agent", "", "check", codeOf(1), "--config", w.config)
	w.want(3, "REVOKED", "", "check", codeOf(9), "--config", w.config)
	_, out, _ := w.agent("", "status", "--json", "--config", w.config)
	var st daemon.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil || len(st.Lanes) != 1 || st.Lanes[0].Number != 4 || st.Feed.Seq != 2 {
		t.Errorf("%v in %s", err, out)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.want(1, "NOT RUNNING", "", "status", "--config", w.config)
	w.want(0, "the agent is not running", "", "check", codeOf(1), "--config", w.config)
}

func (w *world) until(what string, ok func() bool) {
	w.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			w.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestCheckDB(t *testing.T) {
	w := newWorld(t)
	w.feed()
	path := filepath.Join(w.dir, "data", "cache.bolt")
	w.want(0, "sound", "", "check-db", path)
	w.want(1, "agent:", "", "check-db", w.write("bad", strings.Repeat("x", 5000)))
	c, _, err := cache.Open(path, cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w.want(cache.CheckLocked, "in use", "", "check-db", path)
}
