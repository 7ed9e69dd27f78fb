package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// grace is how long a program may take to end by itself after SIGTERM: a lane waits
// for who is on the way, and a busy machine is slow.
const grace = 30 * time.Second

// Process is one of the product's programs with its log in a file: running as a
// child that does not outlive its parent, or played by goroutines of this process.
type Process struct {
	Name string
	Log  string             // path of its standard error
	cmd  *exec.Cmd          // nil if played
	end  context.CancelFunc // of a played one
	done chan struct{}
	err  error // why it ended, readable after done
}

// start runs program with args; its log is appended to logs/<name>.log.
func start(program, name, logs string, env []string, args ...string) (*Process, error) {
	log := filepath.Join(logs, name+".log")
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	defer f.Close() // the child has its own descriptor
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{Name: name, Log: log, cmd: cmd, done: make(chan struct{})}
	go func() { p.err = cmd.Wait(); close(p.done) }()
	return p, nil
}

// patience is how long a played program may take to end: a lane waits for who is on
// the way, and nothing can kill a goroutine.
const patience = 45 * time.Second

// play runs what a program does in this process, under its name; its log is
// appended to logs/<name>.log.
func play(name, logs string, run func(context.Context, *slog.Logger) error) (*Process, error) {
	log := filepath.Join(logs, name+".log")
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Process{Name: name, Log: log, end: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer cancel()
		p.err = errors.Join(run(ctx, slog.New(slog.NewTextHandler(f, nil))), f.Close())
	}()
	return p, nil
}

// Played reports that the program runs within this process: it cannot be frozen,
// limited or killed without its own help.
func (p *Process) Played() bool { return p.cmd == nil }

// PID returns the process id, 0 of a played one.
func (p *Process) PID() int {
	if p.Played() {
		return 0
	}
	return p.cmd.Process.Pid
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends the process as a power cut would, and waits. A played one ends in order.
func (p *Process) Kill() {
	if p.Played() {
		p.end()
		<-p.done
		return
	}
	p.cmd.Process.Kill() // an ended process has nothing left to kill
	<-p.done
}

// Stop asks the process to end, kills it if it does not within its grace, and
// returns an error if it did not end by itself with exit code 0.
func (p *Process) Stop() error {
	if p.Played() {
		return p.stopPlayed()
	}
	p.cmd.Process.Signal(syscall.SIGTERM) // an ended process needs none
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
		return fmt.Errorf("%s did not end within %v", p.Name, grace)
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w; its log is %s", p.Name, p.err, p.Log)
	}
	return nil
}

func (p *Process) stopPlayed() error {
	p.end()
	select {
	case <-p.done:
	case <-time.After(patience):
		return fmt.Errorf("%s did not end within %v", p.Name, patience)
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w; its log is %s", p.Name, p.err, p.Log)
	}
	return nil
}

// await polls until ready returns true. It fails when the process ends first or
// the time is over, with the end of the log.
func (p *Process) await(what string, limit time.Duration, ready func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.NewTimer(limit)
	defer over.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended before %s (%v):\n%s", p.Name, what, p.err, tail(p.Log))
		case <-over.C:
			return fmt.Errorf("%s: no %s within %v:\n%s", p.Name, what, limit, tail(p.Log))
		}
	}
	return nil
}

// tail returns the last lines of a log.
func tail(path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-8):], []byte("\n"))
}

// run executes a program to its end and returns its standard output.
func run(program string, env []string, input string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = bytes.NewBufferString(input)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out, fmt.Errorf("%s %s: %w: %s", filepath.Base(program), args[0], err, bytes.TrimSpace(exit.Stderr))
	}
	if err != nil {
		return out, fmt.Errorf("run %s: %w", filepath.Base(program), err)
	}
	return out, nil
}
