package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/office/officetest"
	"turnstile/central/pass"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"central": main})
}

// minScripts is how many scripts there are at least: a check on nothing passes.
const minScripts = 23

// TestScripts runs the commands of testdata/*.txtar as processes of this program
// against the API in this one. The API's clock stands at 2026-11-21 09:00 in
// Hong Kong; its first pass is 2026-11-21/000211.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(scripts) < minScripts {
		t.Fatalf("%d scripts, %v; want %d", len(scripts), err, minScripts)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "await": await, "busy": busy, "forge": forge},
		Setup: func(e *testscript.Env) error {
			url := startFake(e)
			e.Vars = append(e.Vars, "TURNSTILE_URL="+url, "TURNSTILE_TOKEN=admin-secret")
			return nil
		},
	})
}

// startFake serves the API on a fake with two lane controllers and a short ledger.
func startFake(e *testscript.Env) (url string) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, officetest.HongKong)
	fake := officetest.New(func() time.Time { return now })
	fake.AddLane(office.Lane{ID: "north", Enrolled: now, Alive: true, Since: now, UpToDate: true, Durable: 9, State: &link.LaneState{
		Last: 12, Clock: link.ClockTrusted, Warnings: []string{"scanner_lost"}, Lanes: []link.LaneInfo{{Number: 1, Name: "North 1", State: "idle"}},
	}})
	fake.AddLane(office.Lane{ID: "south", Enrolled: now, Since: now.Add(-time.Hour)})
	for i, row := range []link.Entry{
		{Type: link.EntryGranted, Reason: pass.Granted, Kind: pass.ECard}, {Type: link.EntryPassed, Kind: pass.ECard}, {Type: link.EntryDenied, Reason: pass.Expired, Kind: pass.Guest},
	} {
		row.Lane, row.Direction, row.Wall, row.Pass, row.Seq = 1, 1, now.UnixMilli(), pass.ID{Day: 2516, Index: 211}, uint64(i+1)
		fake.AddPassage(office.Passage{Lane: "north", Received: now, Entry: row, HolderName: "A1", GuestName: "陳大文"})
	}
	fake.AddAlarm(office.Alarm{At: now, Lane: "north", Code: "journal_gap", Detail: "3 entries are missing", Next: "look at the lane's disk"})
	h := office.New(fake.Services(), office.Options{Zone: officetest.HongKong, Now: fake.Now, Log: slog.New(slog.DiscardHandler)})
	s := httptest.NewServer(h)
	e.Defer(s.Close)
	return s.URL
}

// exits runs a program that has to end with the exit code: exits 3 central verify X.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// await waits for a file that a program in the background makes.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 6000 { // two minutes
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		<-tick.C
	}
	ts.Fatalf("%s did not come", args[0])
}

// busy writes a configuration whose http.listen is taken.
func busy(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	text := fmt.Sprintf("data: busy-data\nhttp: {listen: %q}\nenrol: {listen: '127.0.0.1:0'}\nbroker: {listen: '127.0.0.1:0'}\n", l.Addr())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// forge changes one character of the signature of the code in a file.
func forge(ts *testscript.TestScript, neg bool, args []string) {
	code := []byte(ts.ReadFile(args[0]))
	code[60] = 'A' + (code[60]-'A'+1)%26
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), code, 0o600))
}

// TestExplainEveryReason: each form problem has words and a next step, and none
// of the words is the fallback.
func TestExplainEveryReason(t *testing.T) {
	p := pass.Pass{Kind: pass.Guest, KeyID: 1, Day: 2516, Index: 211, Start: -480, Length: 144, Zones: 1}
	good := p.Text(make([]byte, 64))
	spoil := func(change func(*pass.Pass)) string {
		q := p
		change(&q)
		return q.Text(make([]byte, 64))
	}
	cases := map[string]struct {
		text string
		want pass.Reason
	}{
		"empty":       {"", pass.Foreign},
		"web address": {"https://campus.example/", pass.Foreign},
		"short":       {good[:140], pass.Malformed},
		"lower case":  {good[:140] + "a", pass.Malformed},
		"spare bits":  {good[:140] + "B", pass.Malformed},
		"digit 1":     {good[:100] + "1" + good[101:], pass.Malformed},
		"kind":        {spoil(func(p *pass.Pass) { p.Kind = 9 }), pass.KindUnknown},
		"flags":       {spoil(func(p *pass.Pass) { p.Flags = 0x80 }), pass.FlagsUnknown},
		"start":       {spoil(func(p *pass.Pass) { p.Start = 3000 }), pass.Malformed},
		"length":      {spoil(func(p *pass.Pass) { p.Length = 0 }), pass.Malformed},
		"zones":       {spoil(func(p *pass.Pass) { p.Zones = 0 }), pass.Malformed},
		"tail":        {p.LiveText(make([]byte, 64), pass.LiveKey{}, 7), pass.Malformed},
	}
	for name, c := range cases {
		e := explain([]byte(c.text))
		if e.reason != c.want || e.why == "" || remedies[e.reason] == "" || e.why == fieldProblem([]byte(good), &pass.Code{Pass: p}) {
			t.Errorf("%s: %s, %q, want %s", name, e.reason, e.why, c.want)
		}
	}
	if e := explain([]byte(good)); e.reason != pass.Granted {
		t.Errorf("the good one: %s %s", e.reason, e.why)
	}
}

// FuzzExplain: what verify reads of a form is what lanes read.
func FuzzExplain(f *testing.F) {
	p := pass.Pass{Kind: pass.ECard, Flags: pass.LiveRequired, KeyID: 1, Day: 2516, Start: -480, Length: 144, Zones: 1}
	f.Add([]byte(p.Text(make([]byte, 64))))
	f.Add([]byte(p.LiveText(make([]byte, 64), pass.LiveKey{}, 7)))
	f.Add([]byte("\x1b[2J\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		e := explain(text)
		e.zone, e.unasked = time.UTC, "fuzz"
		_, want := pass.Parse(text)
		e.judge(time.Unix(1_800_000_000, 0))
		if r := e.report(time.Unix(1_800_000_000, 0)); r.Accepted && want != pass.Granted || want != pass.Granted && r.Reason != want.String() {
			t.Errorf("%q: reported %+v, lanes say %s", text, r, want)
		}
	})
}

// TestInterrupted: an interrupt ends a request, not with a lecture.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs writer
	c := console{in: os.Stdin, out: &out, err: &errs, env: func(string) string { return "x" }}
	if code := run(ctx, c, []string{"lanes", "--url", "http://127.0.0.1:1"}); code != exitFailed || len(errs) != 0 {
		t.Errorf("exit code %d, printed %q", code, errs)
	}
}

type writer []byte

func (w *writer) Write(b []byte) (int, error) { *w = append(*w, b...); return len(b), nil }
