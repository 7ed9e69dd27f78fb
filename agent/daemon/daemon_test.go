package daemon

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnstile/agent/cache"
	"turnstile/agent/daemon/daemontest"
	"turnstile/agent/enrol"
	"turnstile/agent/journal"
	"turnstile/agent/lane"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner/scannertest"
)

var signingKey = ed25519.NewKeyFromSeed([]byte("the keyset's key for these tests"))

// today is the campus day of now; the campus of these tests lives in UTC.
// began is when the tests did. All passes and lists are of its UTC day, so that
// midnight may come while they run.
var began = time.Now().UTC()

func today() pass.Day { return pass.DayOf(began) }

// anHourAgo is when the tests' passes began to be valid, in minutes of today.
func anHourAgo() int16 { return int16(began.Hour()*60 + began.Minute() - 60) }

// feedInto fills the cache of a data folder, as a session with central would have.
func feedInto(t *testing.T, dir string) {
	t.Helper()
	c, _, err := cache.Open(filepath.Join(dir, cacheFile), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	state, err := link.NewState(1).Apply([]link.Event{{Type: link.OpenDay, Day: today(), Value: 1 << 13}, {Type: link.Revoke, Day: today(), Value: 9}})
	if err != nil {
		t.Fatal(err)
	}
	key := link.PassKey{ID: 7, Public: signingKey.Public().(ed25519.PublicKey), Kinds: 0xffff, From: today() - 1, To: today() + 1}
	u := cache.Update{
		State: state, Keys: &link.Keyset{Version: 3, Keys: []link.PassKey{key}},
		Rules: &link.Rules{Version: 2, Offsets: []link.Offset{{}}, Zones: []link.Zone{{ID: 0}}, Policies: link.DefaultPolicies(), RepeatMS: 3000},
		Head:  &link.Head{Epoch: 1, Seq: 2, Issued: time.Now().UnixMilli(), Next: 5000}, HeadAt: time.Now(),
	}
	if err := errors.Join(c.Apply(u), c.Close()); err != nil {
		t.Fatal(err)
	}
}

func codeOf(index uint32, change func(p *pass.Pass)) string {
	p := pass.Pass{Kind: pass.ECard, KeyID: 7, Day: today(), Index: index, Start: anHourAgo(), Length: 18, Zones: 1}
	if change != nil {
		change(&p)
	}
	return p.Text(ed25519.Sign(signingKey, p.Message()))
}

func single(p *pass.Pass) { p.Kind, p.Entries = pass.Guest, 1 }

// box is a lane controller with two lanes of fakes.
type box struct {
	*testing.T
	dir      string
	gates    map[int]*gatetest.Fake
	scanners map[int]*scannertest.Fake
	http     string
	stop     context.CancelFunc
	done     chan error

	mu       sync.Mutex // guards the following
	notified []string
}

func (b *box) devices(l Lane) (gate.Gate, []lane.Reader, error) {
	b.gates[l.Number], b.scanners[l.Number] = gatetest.New(), scannertest.New()
	return b.gates[l.Number], []lane.Reader{{Name: "fake", Scanner: b.scanners[l.Number], Direction: gate.In}}, nil
}

// slow is a gate that waits for whom a busy computer moves late.
var slow = Gate{Window: Duration(gate.MaxWindow)}

func (b *box) config() Config {
	return Config{Data: b.dir, HTTP: "127.0.0.1:0", Clock: Clock{TrustSystem: true}, Lanes: []Lane{{Number: 1, Name: "North 1", Gate: slow}, {Number: 2, Name: "North 2", Gate: slow}}}
}

// boot starts an agent on a data folder.
func boot(t *testing.T, dir string) *box {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, enrol.FileName)); err != nil {
		daemontest.Enrol(t, dir)
	}
	b := &box{T: t, dir: dir, gates: map[int]*gatetest.Fake{}, scanners: map[int]*scannertest.Fake{}, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	ready := make(chan string, 1)
	go func() {
		b.done <- Run(ctx, b.config(), Options{Version: "test", Exe: os.Args[0], Devices: b.devices, Ready: func(http string) { ready <- http },
			Notify: func(s string) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.notified = append(b.notified, s)
				return nil
			}})
	}()
	select {
	case b.http = <-ready:
	case err := <-b.done:
		t.Fatalf("Run ended with %v", err)
	}
	b.until("the lanes are ready", func() bool { return b.status().Lanes[0].Gate.Connected && b.status().Lanes[1].Gate.Connected })
	return b
}

func (b *box) shut() {
	b.Helper()
	b.stop()
	select {
	case err := <-b.done:
		if err != nil {
			b.Errorf("Run: %v", err)
		}
	case <-time.After(time.Minute):
		b.Fatal("Run does not end")
	}
}

func (b *box) status() (s Status) {
	b.Helper()
	code, body := do(b.T, "GET", b.http+"/status", "")
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != 200 {
		b.Fatalf("status: %d %s %v", code, body, err)
	}
	return s
}

func (b *box) until(what string, ok func() bool) {
	b.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			b.Fatalf("waited in vain until %s: %+v", what, b.status().Lanes)
		}
	}
}

// scan shows a code at a lane and waits for the decision.
func (b *box) scan(n int, code, want string) {
	b.Helper()
	decisions := func() (sum uint64) {
		l := b.status().Lanes[n-1]
		for _, d := range l.Denied {
			sum += d
		}
		return sum + l.Granted
	}
	before := decisions()
	b.scanners[n].Scan(code)
	b.until("the scan is decided", func() bool { return decisions() > before })
	if got := b.status().Lanes[n-1].Last.Reason; got != want {
		b.Errorf("lane %d says %s, want %s", n, got, want)
	}
}

func (b *box) walk(n int) {
	b.Helper()
	before := b.status().Lanes[n-1].Passed
	b.until("the gate is open", func() bool { return b.gates[n].State().Busy != 0 }) // it is told after the decision
	b.gates[n].Walk(gate.In)
	b.until("the person has passed", func() bool { return b.status().Lanes[n-1].Passed > before })
}

func TestRunWithoutANetwork(t *testing.T) {
	dir := t.TempDir()
	daemontest.Enrol(t, dir)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	feedInto(t, dir)
	b := boot(t, dir)
	b.scan(1, codeOf(1, single), "GRANTED")
	b.walk(1)
	b.scan(2, codeOf(1, single), "ALREADY_USED")
	b.scan(2, codeOf(9, nil), "REVOKED")
	b.scan(2, codeOf(2, nil), "GRANTED")
	b.until("lane 2 shows it", func() bool {
		_, page := do(t, "GET", b.http+"/lane/2/state", "")
		return strings.Contains(page, `"signal":"granted"`)
	})
	if _, r := do(t, "POST", b.http+"/check?lane=2", codeOf(1, single)); !strings.Contains(r, `"ALREADY_USED"`) {
		t.Errorf("check: %s", r)
	}
	b.walk(2)
	s := b.status()
	if s.Presence.Inside != 2 || !s.Feed.Has || s.Feed.Seq != 2 || s.Feed.Refused != 1 || s.Journal.Waiting < 6 || s.Boot != 1 {
		t.Errorf("status %+v", s)
	}
	b.shut()
	b.mu.Lock()
	told := strings.Join(b.notified, " ")
	b.mu.Unlock()
	if !strings.HasPrefix(told, "READY=1") && !strings.Contains(told, " READY=1") || !strings.Contains(told, "WATCHDOG=1") || !strings.HasSuffix(told, "STOPPING=1") && !strings.Contains(told, "STOPPING=1") {
		t.Errorf("systemd was told %s", told)
	}

	b = boot(t, dir)
	b.scan(1, codeOf(1, single), "ALREADY_USED")
	if s := b.status(); s.Presence.Inside != 2 || s.Boot != 2 {
		t.Errorf("after a restart: %+v", s)
	}
	b.shut()
}

func TestRunWithoutAFeed(t *testing.T) {
	b := boot(t, t.TempDir())
	b.scan(1, codeOf(1, nil), "NO_FEED")
	b.until("the display says so", func() bool {
		_, page := do(t, "GET", b.http+"/lane/2/state", "")
		return strings.Contains(page, "not ready yet")
	})
	if s := b.status(); s.Feed.Has || s.Feed.AgeSec != -1 {
		t.Errorf("feed %+v", s.Feed)
	}
	b.shut()
}

func TestCutOffPassageIsUnknownAfterARestart(t *testing.T) {
	dir := t.TempDir()
	feedInto(t, dir)
	j, _, err := journal.Open(filepath.Join(dir, journalFolder), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = j.Append(link.Entry{Type: link.EntryGranted, Lane: 1, Direction: 1, Kind: pass.Guest, Pass: pass.ID{Day: today(), Index: 1}})
	if err := errors.Join(err, j.Close()); err != nil {
		t.Fatal(err)
	}
	b := boot(t, dir)
	b.scan(1, codeOf(1, single), "ALREADY_USED")
	if s := b.status(); s.Presence.Pending != 0 || s.Presence.Inside != 0 {
		t.Errorf("%+v", s.Presence)
	}
	b.shut()
}

func TestLaneWhoseGateIsMissing(t *testing.T) {
	dir := t.TempDir()
	feedInto(t, dir)
	b := boot(t, dir)
	b.gates[1].Lose()
	b.until("the gate is missed", func() bool { return b.status().Lanes[0].State == "down" })
	b.scan(1, codeOf(1, nil), "GATE_FAULT")
	b.scan(2, codeOf(1, nil), "GRANTED")
	b.walk(2)
	b.shut()
}

func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	feedInto(t, dir)
	b := boot(t, dir)
	standing := func(code, subject string) func() bool {
		return func() bool {
			for _, w := range b.status().Warnings {
				if w.Code == code && w.Subject == subject && w.NextStep != "" {
					return true
				}
			}
			return false
		}
	}
	gone := func(code, subject string) func() bool {
		return func() bool { return !standing(code, subject)() }
	}
	b.until("the certificate of one day is called short", standing("certificate.expiring", ""))
	b.gates[1].Lose()
	b.gates[2].Walk(gate.Out)
	b.gates[2].Emit(gate.Event{Kind: gate.Tamper})
	b.scanners[1].Lose(errors.New("pulled"))
	b.until("the gate is missed", standing("gate.lost", "lane 1"))
	b.until("the scanner is missed", standing("scanner.lost", "lane 1, fake"))
	b.until("the case is open", standing("gate.tamper", "lane 2"))
	b.until("the forced passage is told", standing("gate.forced", "lane 2"))
	b.gates[1].Find()
	b.scanners[1].Find()
	b.gates[2].Emit(gate.Event{Kind: gate.TamperOver})
	b.until("the gate is back", gone("gate.lost", "lane 1"))
	b.until("the scanner is back", gone("scanner.lost", "lane 1, fake"))
	b.until("the case is closed", gone("gate.tamper", "lane 2"))
	b.shut()
}

// TestDamagedCache checks it in a child process, as the program does.
func TestDamagedCache(t *testing.T) {
	dir := t.TempDir()
	feedInto(t, dir)
	path := filepath.Join(dir, cacheFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data[4096:] {
		data[4096+i] ^= 0x5a
	}
	if err := os.WriteFile(path, data[:len(data)-1000], 0o600); err != nil {
		t.Fatal(err)
	}
	b := boot(t, dir)
	b.scan(1, codeOf(1, nil), "NO_FEED")
	if set, err := filepath.Glob(path + ".bad*"); err != nil || len(set) != 1 {
		t.Errorf("set aside: %v, %v", set, err)
	}
	found := false
	for _, w := range b.status().Warnings {
		found = found || w.Code == "cache.damaged"
	}
	if !found {
		t.Errorf("warnings %+v", b.status().Warnings)
	}
	b.shut()
}

// TestMain is also the child that checks a cache file.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "check-db" {
		if cache.CheckFile(os.Args[2]) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestCannotStart(t *testing.T) {
	b := boot(t, t.TempDir())
	defer b.shut()
	address := strings.TrimPrefix(b.http, "http://")
	for name, c := range map[string]struct {
		change func(c *Config)
		want   error
	}{
		"port in use":  {func(c *Config) { c.HTTP = address }, ErrListen},
		"data in use":  {func(c *Config) { c.Data = b.dir }, journal.ErrLocked},
		"not enrolled": {func(c *Config) { c.Data = t.TempDir() }, enrol.ErrNone},
		"not a folder": {func(c *Config) { c.Data = filepath.Join(b.dir, StatusFile) }, os.ErrExist},
	} {
		config := b.config()
		config.Data = t.TempDir()
		daemontest.Enrol(t, config.Data)
		c.change(&config)
		err := Run(context.Background(), config, Options{Devices: b.devices})
		if err == nil || c.want != os.ErrExist && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
