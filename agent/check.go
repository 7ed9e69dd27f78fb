package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"turnstile/agent/cache"
	"turnstile/agent/daemon"
)

// check decides one code as a lane would. While the agent runs it is asked,
// because it alone has the cache and knows the clock and who is inside.
func (p *program) check(args []string) (int, error) {
	f := p.flags("check")
	number := f.Int("lane", 0, "lane `number` (default: the first)")
	asJSON := f.Bool("json", false, "print JSON")
	rest, err := f.parse(args, 1)
	if err != nil {
		return 0, err
	}
	c, err := daemon.Load(*f.config)
	if err != nil {
		return 0, err
	}
	if !hasLane(c, *number) {
		fmt.Fprintf(p.err, "agent check: there is no lane %d in %s\n", *number, *f.config)
		return 0, errUsage
	}
	text, err := p.codeText(rest[0])
	if err != nil {
		return 0, err
	}
	result, how, err := decide(c, *number, text)
	if err != nil {
		return 0, err
	}
	if *asJSON {
		err = printJSON(p.out, result)
	} else {
		printCheck(p.out, result, how)
	}
	if err == nil && !result.Granted {
		return exitRefused, nil
	}
	return exitOK, err
}

// codeText is the argument, or one line of standard input.
func (p *program) codeText(arg string) ([]byte, error) {
	if arg != "-" {
		return []byte(arg), nil
	}
	text, err := io.ReadAll(io.LimitReader(p.in, daemon.MaxCheck+2))
	if err != nil {
		return nil, fmt.Errorf("read code: %w", err)
	}
	return bytes.TrimRight(text, "\r\n"), nil
}

func hasLane(c daemon.Config, number int) bool {
	for _, l := range c.Lanes {
		if l.Number == number {
			return true
		}
	}
	return number == 0
}

// decide asks the running agent, or else the cache; how says which.
func decide(c daemon.Config, number int, text []byte) (r daemon.CheckResult, how string, err error) {
	base, err := running(c)
	if err == nil {
		err = post(fmt.Sprintf("%s/check?lane=%d", base, number), text, &r)
		return r, "decided by the running agent", err
	}
	if !errors.Is(err, errNotRunning) {
		return r, "", err
	}
	r, err = daemon.CheckOffline(c, number, text, time.Now())
	return r, "decided from the cache, by this computer's clock; the agent is not running", err
}

func post(url string, body []byte, to any) error {
	resp, err := client.Post(url, "text/plain", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask agent: %w", err)
	}
	return readAnswer(resp, to)
}

// maxAnswer bounds what the agent can answer, in bytes.
const maxAnswer = 1 << 20

func readAnswer(resp *http.Response, to any) error {
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask agent: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask agent: %s: %s", resp.Status, strings.TrimSpace(string(data)))
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fmt.Errorf("ask agent: %w", err)
	}
	return nil
}

// errNotRunning says that no agent answers for the configuration.
var errNotRunning = errors.New("the agent is not running")

// client talks to this computer only.
var client = &http.Client{Timeout: 5 * time.Second}

// running returns the address of the agent's pages.
func running(c daemon.Config) (string, error) {
	s, err := readStatus(c)
	if errors.Is(err, fs.ErrNotExist) {
		return "", errNotRunning
	}
	if err != nil {
		return "", err
	}
	resp, err := client.Get(s.HTTP + "/status")
	if err != nil {
		return "", errNotRunning
	}
	var now daemon.Status
	if err := readAnswer(resp, &now); err != nil || now.PID != s.PID {
		return "", errNotRunning // somebody else has taken the port
	}
	return s.HTTP, nil
}

// readStatus reads the status file.
func readStatus(c daemon.Config) (s daemon.Status, err error) {
	data, err := os.ReadFile(filepath.Join(c.Data, daemon.StatusFile))
	if err != nil {
		return s, fmt.Errorf("read status: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read status: %w", err)
	}
	return s, nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func printCheck(w io.Writer, r daemon.CheckResult, how string) {
	verdict := "REFUSED  " + r.Reason
	if r.Granted {
		verdict = "GRANTED"
	}
	fmt.Fprintf(w, "%s\n  lane %d, zone %d: %q %q\n", verdict, r.Lane, r.Zone, r.What, r.Next)
	if len(r.Flags) > 0 {
		fmt.Fprintf(w, "  marked %s\n", strings.Join(r.Flags, ", "))
	}
	if c := r.Code; c != nil {
		proof := "not proved by a signature: this may be anything"
		if c.Signed {
			proof = "signed"
		}
		fmt.Fprintf(w, "  pass %s, %s, key %d, generation %d (%s)\n", c.Pass, c.Kind, c.KeyID, c.Generation, proof)
		fmt.Fprintf(w, "  valid %s to %s, zones %v, entries %s\n",
			c.From.Format(time.DateTime), c.Until.Format(time.DateTime+" MST"), c.Zones, entriesText(c.Entries))
		if len(c.Needs) > 0 {
			fmt.Fprintf(w, "  needs %s\n", strings.Join(c.Needs, ", "))
		}
	}
	fmt.Fprintf(w, "  %s, at %s\n", how, r.At.Format(time.DateTime+" MST"))
}

func entriesText(n uint8) string {
	if n == 0 {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

// checkDB reads a cache file whole; the agent runs it in a child process,
// because a damaged file can end the process that opens it.
func (p *program) checkDB(args []string) (int, error) {
	rest, err := p.flags("check-db").parse(args, 1)
	if err != nil {
		return 0, err
	}
	switch err := cache.CheckFile(rest[0]); {
	case errors.Is(err, cache.ErrLocked):
		return cache.CheckLocked, err
	case err != nil:
		return exitFailed, err
	}
	fmt.Fprintln(p.out, "sound")
	return exitOK, nil
}
