package installer

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"turnstile/firmware-bridge/capture"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/gate/modbus/modbustest"
	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/osdp/osdptest"
	"turnstile/firmware-bridge/scanner/engine/enginetest"
	"turnstile/firmware-bridge/serialport"
	"turnstile/firmware-bridge/serialport/serialtest"
)

func TestFind(t *testing.T) {
	t.Parallel()
	said, code := once(t, "find")
	for _, want := range []string{"serial ports:", "scanners in keyboard mode:", "GPIO:", "cameras:"} {
		if code != 0 || !strings.Contains(said, want) {
			t.Errorf("%d: no %q in %s", code, want, said)
		}
	}
	if strings.Contains(said, "SENDS BYTES") || strings.Contains(said, "probing") {
		t.Errorf("it probes unasked: %s", said)
	}
}

func TestFindAsksWhoIsThere(t *testing.T) {
	t.Parallel()
	_, controller := lane(t, 0)
	scanner := hang(t, enginetest.NewGM65(9600))
	silent := hang(t, enginetest.NewPlain(9600))
	held := hang(t, enginetest.NewPlain(9600))
	p, err := serialport.Open(serialport.Config{Path: held.Link(), Baud: 9600})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for link, want := range map[string]string{
		controller:     "lane controller: virtual lane",
		scanner.Link(): "scan engine: gm65",
		held.Link():    "in use",
		"/dev/null":    "not a serial port",
		"/dev/none":    "not there: check the plug",
	} {
		said, code := once(t, "find", "--probe", "--port", link)
		if code != 0 || !strings.Contains(said, want) || !strings.Contains(said, "probing sends bytes") {
			t.Errorf("%s: %d: no %q in %s", link, code, want, said)
		}
	}
	if n := held.Heard(); n != 0 {
		t.Errorf("%d bytes were sent to a port that is held", n)
	}
	if said, _ := once(t, "find", "--port", silent.Link()); silent.Heard() != 0 || strings.Contains(said, "answers") {
		t.Errorf("it probes unasked: %d bytes: %s", silent.Heard(), said)
	}
}

// reader puts an OSDP reader on a line and returns its port and key file.
func reader(t *testing.T) (r *osdptest.Reader, port, keyFile string) {
	t.Helper()
	key, err := osdp.ParseKey([]byte("0f1e2d3c4b5a69788796a5b4c3d2e1f7"))
	if err != nil {
		t.Fatal(err)
	}
	r, err = osdptest.NewReader(osdptest.Config(0, key))
	if err != nil {
		t.Fatal(err)
	}
	l := serialtest.New(filepath.Join(t.TempDir(), "reader"))
	if err := l.Plug(); err != nil {
		t.Fatal(err)
	}
	far, err := l.Far()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- osdptest.Play(far, r) }()
	t.Cleanup(func() { l.Unplug(); <-done })
	keyFile = filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte("0f1e2d3c4b5a69788796a5b4c3d2e1f7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return r, l.Link(), keyFile
}

func TestOSDPReader(t *testing.T) {
	t.Parallel()
	r, port, keyFile := reader(t)
	if said, code := once(t, "find", "--probe", "--port", port); code != 0 || !strings.Contains(said, "OSDP reader, address 0: vendor FCFF00, model 1") {
		t.Errorf("%d: %s", code, said)
	}
	l := start(t, "listen", "--driver", "osdp", "--port", port, "--key-file", keyFile, "--count", "1")
	l.expect(`! +OSDP reader 0: secure channel is up; vendor FCFF00`)
	if !r.Scan(strings.Repeat("CODE", 36)) {
		t.Error("the reader takes no code")
	}
	l.expect(`144 bytes +"CODECODE`)
	if code := l.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestModbusBoard opens a gate on a relay board.
func TestModbusBoard(t *testing.T) {
	t.Parallel()
	l := serialtest.New(filepath.Join(t.TempDir(), "board"))
	if err := l.Plug(); err != nil {
		t.Fatal(err)
	}
	board := modbustest.New(l, 1)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- board.Run(ctx) }()
	t.Cleanup(func() { stop(); l.Unplug(); <-done })
	if said, code := once(t, "find", "--probe", "--port", l.Link()); code != 0 || !strings.Contains(said, "Modbus RTU board, unit 1, 9600 baud") {
		t.Errorf("%d: %s", code, said)
	}
	r := start(t, "pulse", "--driver", "modbus", "--port", l.Link(), "--relay-in", "1", "--passed-in", "2", "--window", "10s")
	r.expect(`walk now`)
	board.Input(2, true)
	r.expect(`passed in, grant 1`)
	if code := r.end(); code != 0 || board.Rises(1) != 1 {
		t.Errorf("exit code %d, the relay rose %d times", code, board.Rises(1))
	}
}

func TestNoPermission(t *testing.T) {
	t.Parallel()
	v := hang(t, enginetest.NewPlain(9600))
	node, err := filepath.EvalSymlinks(v.Link())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(node, 0); err != nil {
		t.Fatal(err)
	}
	r := startAsNobody(t, "listen", "--port", node)
	r.expect(`! .*no permission.* group dialout`)
	if code := r.interrupt(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	find := startAsNobody(t, "find", "--port", node)
	find.expect(`no permission`)
	if code := find.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestCaptureIsPlayed records a scanner, plays the file into a new line and
// hears the same.
func TestCaptureIsPlayed(t *testing.T) {
	t.Parallel()
	v := hang(t, enginetest.NewPlain(115200))
	file := filepath.Join(t.TempDir(), "scanner.osdpcap")
	r := start(t, "listen", "--port", v.Link(), "--count", "2", "--capture", file)
	r.expect(`! recording to .* codes of people.* delete it by 20`)
	r.expect(`! +scans 0`)
	v.before <- []string{"FIRST", "SECOND"}
	r.expect(`"FIRST"|"SECOND"`)
	if code := r.end(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if s, err := os.Stat(file); err != nil || s.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", s, err)
	}
	if said, code := once(t, "listen", "--port", v.Link(), "--capture", file); code != 1 || !strings.Contains(said, "file exists") {
		t.Errorf("written over: %d: %s", code, said)
	}

	link := filepath.Join(t.TempDir(), "played")
	play := start(t, "play", file, "--link", link)
	play.expect(`is there; press Enter`)
	again := start(t, "listen", "--port", link, "--count", "2")
	again.expect(`! +scans 0`)
	play.enter("")
	again.expect(`"FIRST"|"SECOND"`)
	if code := again.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	play.expect(`bytes sent`)
	if code := play.interrupt(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestExpiredCaptureIsRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "old.osdpcap")
	w, f, err := capture.Create(file, "a test")
	if err != nil {
		t.Fatal(err)
	}
	w.Received(time.Now().Add(-capture.Keep-time.Hour), []byte("OLD\r\n"))
	if err := w.Flush(); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	v := hang(t, enginetest.NewPlain(9600))
	if said, code := once(t, "play", file, "--port", v.Link()); code != 1 || !strings.Contains(said, "was to be deleted") {
		t.Errorf("%d: %s", code, said)
	}
	if said, code := once(t, "play", file, "--port", v.Link(), "--expired"); code != 0 || !strings.Contains(said, "5 bytes sent") {
		t.Errorf("%d: %s", code, said)
	}
}

func TestListenToAnEngine(t *testing.T) {
	t.Parallel()
	v := hang(t, enginetest.NewGM65(9600))
	r := start(t, "listen", "--driver", "auto", "--port", v.Link(), "--count", "1")
	r.expect(`! +gm65 .*9600 baud; scans 0`)
	v.before <- []string{"TURNSTILE"}
	r.expect(`9 bytes +"TURNSTILE"`)
	if code := r.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestListenAtAnotherRate says what to try.
func TestListenAtAnotherRate(t *testing.T) {
	t.Parallel()
	v := hang(t, enginetest.NewPlain(9600))
	r := start(t, "listen", "--port", v.Link())
	r.expect(`! +scans 0, oversized 0, noise 0`)
	v.before <- []string{"GARBLED AT ANOTHER RATE"}
	r.expect(`! +noise and no scan: try another --baud`)
	if code := r.interrupt(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestListenSurvivesThePlug(t *testing.T) {
	t.Parallel()
	v := hang(t, enginetest.NewPlain(9600))
	r := start(t, "listen", "--port", v.Link(), "--baud", "9600")
	r.expect(`! +scans 0`)
	v.Unplug()
	r.expect(`! .*(gone|plug it in)`)
	if err := v.Plug(); err != nil {
		t.Fatal(err)
	}
	r.expect(`! +scans 0.*reopened 1`)
	v.before <- []string{"AFTER"}
	r.expect(`"AFTER"`)
	if code := r.interrupt(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestPulse(t *testing.T) {
	t.Parallel()
	v, link := lane(t, 20*time.Millisecond)
	said, code := once(t, "pulse", "--port", link, "--direction", "out")
	if code != 0 || !strings.Contains(said, "passed out, grant 1") {
		t.Errorf("%d: %s", code, said)
	}
	if s := v.State(); s.Openings != 1 || s.Relay || !s.Locked {
		t.Errorf("after pulse: %+v", s)
	}
	v.Fire(true)
	if said, code := once(t, "pulse", "--port", link); code != 1 || !strings.Contains(said, "refused") {
		t.Errorf("during a fire: %d: %s", code, said)
	}
	if v.State().Openings != 1 {
		t.Error("it opened during a fire")
	}
}

func TestPulseUnpluggedInTheMiddle(t *testing.T) {
	t.Parallel()
	v, link := lane(t, 0)
	r := start(t, "pulse", "--port", link, "--window", "10s")
	r.expect(`walk now`)
	v.Unplug()
	r.expect(`lost, grant 1`)
	if code := r.end(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}

// TestPulseInterrupted presses Ctrl-C while the gate is open.
func TestPulseInterrupted(t *testing.T) {
	t.Parallel()
	_, link := lane(t, 0)
	r := start(t, "pulse", "--port", link, "--window", "15s")
	r.expect(`walk now`)
	if code := r.interrupt(); code != 1 || !strings.Contains(strings.Join(r.said, "\n"), "see that the gate is shut") {
		t.Errorf("exit code %d", code)
	}
}

func TestPulseAtTheWrongPort(t *testing.T) {
	t.Parallel()
	v := hang(t, enginetest.NewPlain(115200))
	said, code := once(t, "pulse", "--port", v.Link())
	if code != 1 || !strings.Contains(said, "no lane controller answers") || !strings.Contains(said, "find --probe") {
		t.Errorf("%d: %s", code, said)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	v, link := lane(t, 0)
	r := start(t, "watch", "--port", link)
	r.expect(`found: virtual lane`)
	v.Walk(gate.In, 0)
	r.expect(`forced in`)
	v.Tamper(true)
	r.expect(`tamper`)
	v.Unplug()
	r.expect(`lost`)
	if err := v.Plug(); err != nil {
		t.Fatal(err)
	}
	r.expect(`found`)
	if code := r.interrupt(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestWatchDrawsInATerminal gives the tool a terminal.
func TestWatchDrawsInATerminal(t *testing.T) {
	t.Parallel()
	v, link := lane(t, 0)
	cmd := exec.Command(program, "watch", "--port", link)
	screen, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 120})
	if err != nil {
		t.Fatal(err)
	}
	pictures := make(chan string, 1000)
	go func() {
		defer close(pictures)
		b := make([]byte, 64<<10)
		for {
			n, err := screen.Read(b)
			if err != nil {
				return
			}
			pictures <- string(b[:n])
		}
	}()
	see := func(want ...string) {
		t.Helper()
		late := time.After(gatetest.Patience)
		for last := ""; ; {
			select {
			case last = <-pictures:
			case <-late:
				t.Fatalf("never on the screen: %q; last %q", want, last)
			}
			found := 0
			for _, w := range want {
				if strings.Contains(last, w) {
					found++
				}
			}
			if found == len(want) {
				return
			}
		}
	}
	see("\x1b[H", "connected  [X]", "fire       [ ] no alarm")
	v.Fire(true)
	see("fire       [X] ALARM", "lock       [X] open")
	v.Fire(false)
	v.Tamper(true)
	see("tamper     [X] CASE OPEN", "fire over")
	v.Unplug()
	see("connected  [ ]")
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for range pictures { // until it has ended
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	_ = screen.Close()
}
