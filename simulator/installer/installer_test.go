// Package installer runs the installer's tool as a process against a lane without steel.
package installer

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner/engine/enginetest"
	"turnstile/simulator/device"
)

// program is the tool's path; set by TestMain.
var program string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "installer")
	if err == nil {
		err = os.Chmod(folder, 0o755) // also for a user without rights
	}
	program = filepath.Join(folder, "firmware-bridge")
	if err == nil {
		build := exec.Command("go", "build", "-o", program, "turnstile/firmware-bridge")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		var out []byte
		if out, err = build.CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the tool:", err)
		os.Exit(1)
	}
	// The tests wait for processes and people most of the time: more of them
	// at once than there are processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// run is one run of the tool.
type run struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // of standard output, and of standard error behind "! "
	said  []string
}

// start runs the tool and follows what it says.
func start(t *testing.T, args ...string) *run {
	t.Helper()
	return follow(t, exec.Command(program, args...))
}

// startAsNobody runs it as a user whom file modes keep out. Root they do not; any
// other user is kept out of a node of mode 0 as well.
func startAsNobody(t *testing.T, args ...string) *run {
	t.Helper()
	cmd := exec.Command(program, args...)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return follow(t, cmd)
}

// follow starts cmd.
func follow(t *testing.T, cmd *exec.Cmd) *run {
	t.Helper()
	r := &run{t: t, cmd: cmd, lines: make(chan string, 1000)}
	out, err := r.cmd.StdoutPipe()
	errs, errErr := r.cmd.StderrPipe()
	in, inErr := r.cmd.StdinPipe()
	if err := errors.Join(err, errErr, inErr, r.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	r.stdin = in
	ended := make(chan struct{}, 2)
	for pipe, mark := range map[io.Reader]string{out: "", errs: "! "} {
		go func() {
			for s := bufio.NewScanner(pipe); s.Scan(); {
				r.lines <- mark + s.Text()
			}
			ended <- struct{}{}
		}()
	}
	go func() {
		<-ended
		<-ended
		close(r.lines)
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // if it still runs, the test failed before its end
		for range r.lines {
		}
		_ = r.cmd.Wait()
		if t.Failed() {
			t.Logf("%q said:\n%s", cmd.Args[1:], strings.Join(r.said, "\n"))
		}
	})
	return r
}

// expect waits for a line that matches and returns its groups.
func (r *run) expect(pattern string) []string {
	r.t.Helper()
	want := regexp.MustCompile(pattern)
	late := time.After(3 * gatetest.Patience)
	for {
		select {
		case l, open := <-r.lines:
			if !open {
				r.t.Fatalf("ended without a line that matches %q", pattern)
			}
			r.said = append(r.said, l)
			if m := want.FindStringSubmatch(l); m != nil {
				return m
			}
		case <-late:
			r.t.Fatalf("no line matches %q", pattern)
		}
	}
}

// enter answers a request.
func (r *run) enter(text string) {
	r.t.Helper()
	if _, err := io.WriteString(r.stdin, text+"\n"); err != nil {
		r.t.Fatal(err)
	}
}

// end waits for the tool's own end and returns its exit code.
func (r *run) end() int {
	r.t.Helper()
	late := time.AfterFunc(3*gatetest.Patience, func() { _ = r.cmd.Process.Kill() })
	defer late.Stop()
	for l := range r.lines {
		r.said = append(r.said, l)
	}
	_ = r.cmd.Wait() // the exit code says it
	return r.cmd.ProcessState.ExitCode()
}

// interrupt is Ctrl-C; it returns the exit code.
func (r *run) interrupt() int {
	r.t.Helper()
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		r.t.Fatal(err)
	}
	return r.end()
}

// once runs the tool to its end and returns all that it said.
func once(t *testing.T, args ...string) (said string, code int) {
	t.Helper()
	r := start(t, args...)
	code = r.end()
	return strings.Join(r.said, "\n"), code
}

// lane is a virtual controller at a link.
func lane(t *testing.T, walkAfter time.Duration) (*device.Controller, string) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "controller")
	v := device.NewController(device.ControllerConfig{Link: link, AutoWalk: walkAfter})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	v.State()
	return v, link
}

// scanner is a virtual scanner at a link. What is before it is read again and
// again, as a code that somebody holds there.
type scanner struct {
	*enginetest.Device
	before chan []string // codes that are held before it from now on
}

// hang puts a scan engine on a line.
func hang(t *testing.T, p enginetest.Personality) *scanner {
	t.Helper()
	s := &scanner{enginetest.NewDevice(filepath.Join(t.TempDir(), "scanner"), p), make(chan []string)}
	if err := s.Plug(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	hearing, reading := make(chan struct{}), make(chan struct{})
	go func() { defer close(hearing); _ = s.Run(ctx) }()
	go func() { defer close(reading); s.read(ctx) }()
	t.Cleanup(func() {
		stop()
		s.Unplug()
		<-hearing
		<-reading
	})
	return s
}

// read sends what is before the scanner, five times a second.
func (s *scanner) read(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var codes []string
	for i := 0; ; i++ {
		select {
		case codes = <-s.before:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if len(codes) > 0 {
			_ = s.Scan(codes[i%len(codes)]) // nobody reads the port between two steps
		}
	}
}
