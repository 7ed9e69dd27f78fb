package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/firmware-bridge/commission"
	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gpio"
	"turnstile/firmware-bridge/scanner/engine/dialect"
)

// try runs the tool in this process.
func try(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = tool{in: strings.NewReader(""), out: &o, errs: &e, hostErr: gpio.ErrNoChip}.run(t.Context(), args)
	return code, o.String(), e.String()
}

func TestExitCodes(t *testing.T) {
	folder := t.TempDir()
	key := filepath.Join(folder, "key.pem")
	if code, out, errs := try(t, "key", "new", "--out", key); code != exitGood || !strings.Contains(out, "fingerprint") {
		t.Fatal(code, out, errs)
	}
	cases := []struct {
		args string
		want int
		errs bool // something is said on standard error
	}{
		{"help", exitGood, false},
		{"version", exitGood, false},
		{"find", exitGood, false},
		{"udev", exitGood, false},
		{"listen --help", exitGood, false},
		{"commission --help", exitGood, false},
		{"key show --key " + key, exitGood, false},
		{"", exitUsage, true},
		{"open", exitUsage, true},
		{"version now", exitUsage, true},
		{"listen", exitUsage, true},
		{"listen --port /dev/null --baud 250000", exitUsage, true},
		{"listen --prot /dev/null", exitUsage, true},
		{"listen /dev/null", exitUsage, true},
		{"listen --port /dev/null --driver telepathy", exitUsage, true},
		{"listen --driver osdp --port /dev/null", exitUsage, true},
		{"listen --driver osdp --port /dev/null --baud 9600 --key-file " + folder + "/none", exitBad, true},
		{"listen --driver wiegand", exitUsage, true},
		{"pulse --port /dev/null --direction up", exitUsage, true},
		{"pulse --port /dev/null --window 20s", exitUsage, true},
		{"pulse --port /dev/null --pulse 2s", exitUsage, true},
		{"pulse --driver modbus --port /dev/null", exitUsage, true},
		{"pulse --driver modbus --port /dev/null --relay-in one --passed-in 1", exitUsage, true},
		{"pulse", exitUsage, true},
		{"pulse --driver gpio", exitUsage, true},
		{"pulse --driver gpio --relay-in A --passed-in A", exitUsage, true},
		{"pulse --driver gpio --relay-in A --passed-in B", exitBad, true}, // no GPIO here
		{"watch", exitUsage, true},
		{"watch --driver piston --port /dev/null", exitUsage, true},
		{"play", exitUsage, true},
		{"play x", exitUsage, true},
		{"play x y --port /dev/null", exitUsage, true},
		{"play " + folder + "/none --port /dev/null", exitBad, true},
		{"camera", exitUsage, true},
		{"camera --device /dev/video0", exitUsage, true},
		{"sheet", exitUsage, true},
		{"key", exitUsage, true},
		{"key new", exitUsage, true},
		{"key new --out " + key, exitBad, true}, // it is there
		{"key show --key " + folder + "/none", exitBad, true},
		{"verify", exitUsage, true},
		{"verify " + key, exitBad, true},
		{"verify " + key + " --key FINGERPRINT", exitUsage, true},
		{"verify " + folder + "/none", exitBad, true},
		{"page x", exitUsage, true},
		{"page " + key + " --out " + folder + "/page.html", exitBad, true},
		{"commission", exitUsage, true},
		{"commission --lane a", exitUsage, true},
		{"commission --lane a --key " + key, exitUsage, true},
		{"commission --lane a --key " + folder + "/none --gate-port /dev/null", exitBad, true},
		{"commission --lane a --key " + key + " --gate-port /dev/null --report " + folder + "/no/where", exitUsage, true},
		{"commission --lane a --key " + key + " --scanner /dev/a --scanner /dev/b", exitUsage, true},
		{"commission --lane a --key " + key + " --scanner a=/dev/a --scanner b=/dev/b --scanner c=/dev/c", exitUsage, true},
		{"commission --lane a --key " + key + " --scanner /dev/a --baud 1", exitUsage, true},
		{"commission --lane a --key " + key + " --gate-port /dev/a --window 1ms", exitUsage, true},
		{"commission --lane a --key " + key + " --scanner /dev/a --driver telepathy", exitUsage, true},
		{"commission --lane a --key " + key + " --scanner /dev/a --driver wiegand", exitUsage, true},
		{"commission --lane a --key " + key + " --scanner /dev/input/event0", exitBad, true}, // a keyboard
		{"commission --lane a --key " + key + " --gate-port /dev/a --gate-driver piston", exitUsage, true},
	}
	for _, c := range cases {
		code, out, errs := try(t, strings.Fields(c.args)...)
		if code != c.want {
			t.Errorf("%q: exit code %d, want %d: %s", c.args, code, c.want, errs)
		}
		if c.errs != (errs != "") || c.want == exitGood && !c.errs && out == "" {
			t.Errorf("%q said %q and %q", c.args, out, errs)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("a wrong command line left files: %v, %v", left, err)
	}
}

// Every command is in the usage, and the other way round.
func TestUsageNamesEveryCommand(t *testing.T) {
	named := 0
	for _, line := range strings.Split(usage, "\n") {
		if !strings.HasPrefix(line, "  ") {
			continue
		}
		named++
		if word := strings.Fields(line)[0]; (tool{}).commands()[word] == nil {
			t.Errorf("usage names %q, which is no command", word)
		}
	}
	if named != len((tool{}).commands()) {
		t.Errorf("%d lines of usage, %d commands", named, len((tool{}).commands()))
	}
}

// TestDriverAfterMeeting: auto is asked once; what it found goes on.
func TestDriverAfterMeeting(t *testing.T) {
	gm65 := dialect.Identity{Family: "gm65"}
	for _, c := range []struct {
		driver string
		id     dialect.Identity
		err    error
		want   string
	}{
		{"auto", gm65, nil, "gm65"},
		{"auto", dialect.Identity{}, dialect.ErrSilent, "line"},
		{"auto", dialect.Identity{}, context.Canceled, "auto"},
		{"ssi", dialect.Identity{}, dialect.ErrSilent, "ssi"},
	} {
		if got := met(c.driver, c.id, c.err); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestReportsAreKept finds a new name beside a report, and refuses to write over one.
func TestReportsAreKept(t *testing.T) {
	t.Chdir(t.TempDir())
	if got := unused("commission-north-1"); got != "commission-north-1" {
		t.Errorf("%q", got)
	}
	for _, name := range []string{"commission-north-1.json", "commission-north-1-2.json"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := unused("commission-north-1"); got != "commission-north-1-3" {
		t.Errorf("%q", got)
	}
	code, _, errs := try(t, "commission", "--lane", "a", "--key", "none", "--gate-port", "/dev/null", "--report", "commission-north-1")
	if code != exitUsage || !strings.Contains(errs, "already") {
		t.Errorf("%d: %s", code, errs)
	}
}

// TestHelp has each command tell its own line of the usage and each of its flags,
// where a pager finds it.
func TestHelp(t *testing.T) {
	for word := range (tool{}).commands() {
		if code, out, errs := try(t, word, "--help"); code != exitGood || !strings.HasPrefix(out, "firmware-bridge "+word) || errs != "" {
			t.Errorf("%s: %d: %q, %q", word, code, out, errs)
		}
	}
	_, out, _ := try(t, "pulse", "--help")
	for _, want := range []string{"  --relay-in LINE\n", "  --window duration\n", "(5s if not given)", "LINE is, with gpio"} {
		if strings.Count(out, want) != 1 {
			t.Errorf("no %q, or more than one, in\n%s", want, out)
		}
	}
	if _, _, errs := try(t, "listen", "--prot", "/dev/null"); strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "-prot") || !strings.Contains(errs, "listen --help") {
		t.Errorf("a wrong flag drowns: %q", errs)
	}
}

func TestPictureSaysWhatIs(t *testing.T) {
	s := gate.State{Connected: true, Device: "a gate\x1b[2J", LastGrant: 7, Busy: 7, Relay: true, Contact: true, Fire: true, Tamper: true, Garbled: 3}
	events := []gate.Event{{Kind: gate.Passed, Direction: gate.In, Grant: 7, At: time.Unix(0, 0), Detail: "\x1b]0;"}}
	got := picture(s, events, "/dev/x")
	for _, want := range []string{"relay      [X] on", "lock       [X] open", "grant 7 is under way", "[X] ALARM", "[X] CASE OPEN", "garbled 3", "passed in, grant 7"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "\x1b") {
		t.Error("a device moves the terminal")
	}
	if got := picture(gate.State{Err: gate.ErrLost}, nil, "/dev/x"); !strings.Contains(got, "[ ] "+gate.ErrLost.Error()) {
		t.Error(got)
	}
}

func TestTrafficCounts(t *testing.T) {
	passed := newTraffic()
	now := time.Now()
	send := func(m frame.Message) { passed.Sent(now, frame.Encode(nil, 1, m)) }
	hear := func(m frame.Message) { passed.Received(now, frame.Encode(nil, 1, m)) }
	send(frame.Hello{Session: 1})
	send(frame.Hello{Session: 1}) // the first was not answered
	hear(frame.Welcome{Session: 1, Capabilities: frame.CanIn | frame.HasFire, Model: "m"})
	send(frame.Beat{})
	hear(frame.State{})
	send(frame.Seen{Event: 1}) // has no answer
	send(frame.Seen{Event: 2})
	passed.Received(now, []byte{0, 1, 2, 3, 0})
	if got, want := passed.frames(), (commission.Frames{Sent: 5, Received: 2, Garbled: 1, Unanswered: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := passed.has(), (commission.Can{In: true, Fire: true}); got != want {
		t.Errorf("%+v", got)
	}
}

// TestTrafficForgivesAnswersThatAreHeardFirst: reader and writer of a port are
// two goroutines, and a busy computer lets either tell of its bytes first.
func TestTrafficForgivesAnswersThatAreHeardFirst(t *testing.T) {
	passed := newTraffic()
	now := time.Now()
	send := func() { passed.Sent(now, frame.Encode(nil, 1, frame.Beat{})) }
	hear := func() { passed.Received(now, frame.Encode(nil, 1, frame.State{})) }
	for range 5 {
		hear() // before its request
		send()
		send()
		hear()
	}
	if got, want := passed.frames(), (commission.Frames{Sent: 10, Received: 10}); got != want {
		t.Errorf("all was answered: %+v, want %+v", got, want)
	}
	for range 3 {
		send()
	}
	hear()
	send()
	if got := passed.frames().Unanswered; got != 2 {
		t.Errorf("%d unanswered, want 2", got)
	}
}

func TestPersonAnswers(t *testing.T) {
	for typed, want := range map[string]struct {
		answer commission.Answer
		err    error
	}{"\n": {commission.Ready, nil}, "S\n": {commission.Skip, nil}, "q\n": {commission.Skip, commission.ErrStop}, "": {commission.Skip, commission.ErrStop}} {
		var out bytes.Buffer
		p := &person{out: &out, lines: tool{in: strings.NewReader(typed)}.lines(t.Context())}
		if got, err := p.Ask(t.Context(), "Walk."); got != want.answer || err != want.err || !strings.Contains(out.String(), ">> Walk.") {
			t.Errorf("%q: %v, %v: %s", typed, got, err, out.String())
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := (&person{out: &bytes.Buffer{}, lines: make(chan string)}).Ask(ctx, "Walk."); err != context.Canceled {
		t.Errorf("%v", err)
	}
}

func TestCodesOnTheTerminalOnce(t *testing.T) {
	var out bytes.Buffer
	p := &person{out: &out, onTerm: true}
	code, err := commission.TestText(141)
	if err != nil {
		t.Fatal(err)
	}
	p.Show(code)
	first := out.Len()
	if p.Show(code); out.Len() != first || !strings.Contains(out.String(), "141 characters") {
		t.Errorf("drawn twice, or not at all: %d and %d bytes", first, out.Len())
	}
}
