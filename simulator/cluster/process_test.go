package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"turnstile/simulator/site"
)

// patience bounds each wait of a test.
const patience = 60 * time.Second

// process is a child that is killed and started again with the same command.
type process struct {
	name    string
	program string
	args    []string
	role    string // of this test program; "": another program
	log     string
	ready   func() bool

	cmd   *exec.Cmd // nil: not running
	ended chan struct{}
	err   error // why it ended, readable after ended
	gone  bool  // ended by us
}

// child returns a process of this test program.
func (c *campus) child(name, role, config string, ready func() bool) *process {
	program, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	return &process{name: name, program: program, args: []string{config}, role: role, log: filepath.Join(c.folder, name+".log"), ready: ready}
}

// start starts it and waits until it is ready.
func (p *process) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the child has its own descriptor
	cmd := exec.Command(p.program, p.args...)
	cmd.Env = append(os.Environ(), "TURNSTILE_PASSPHRASE=correct horse battery", roleVariable+"="+p.role)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	p.cmd, p.ended, p.gone = cmd, make(chan struct{}), false
	go func() { p.err = cmd.Wait(); close(p.ended) }()
	until(t, p.name+" is ready", func() bool {
		p.alive(t)
		return p.ready()
	})
}

// alive fails if it ended by itself.
func (p *process) alive(t testing.TB) {
	t.Helper()
	select {
	case <-p.ended:
		t.Fatalf("%s ended by itself (%v):\n%s", p.name, p.err, tail(p.log))
	default:
	}
}

// kill ends it as a power cut would.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Kill() // an ended process has nothing left to kill
	<-p.ended
	p.cmd = nil
}

// pause stops it in the middle of what it does; resume lets it go on.
func (p *process) pause() error  { return p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *process) resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

func tail(path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-12):], []byte("\n"))
}

// until waits for something that the peers promise.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick, over := time.NewTicker(50*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// freePorts returns the first of n ports that follow each other and that nobody is
// given while one of the processes is away.
func freePorts(t testing.TB, n int) int {
	t.Helper()
	first, err := site.FreePorts(n)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// listens reports whether somebody listens on a port.
func listens(port int) func() bool {
	return func() bool {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err != nil {
			return false
		}
		return errors.Is(conn.Close(), nil)
	}
}
