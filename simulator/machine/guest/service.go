package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Service does in the guest what a Client asks for. Its methods are called by
// net/rpc, each in a goroutine of its own. Use Serve.
type Service struct {
	console *console

	mu      sync.Mutex // guards the following
	started map[int]*process
}

// process is a started program; code is readable after ended is closed.
type process struct {
	ended chan struct{}
	code  int
}

// Serve answers on c until the other side is gone. Programs print to out.
func Serve(c io.ReadWriteCloser, out io.Writer) error {
	server := rpc.NewServer()
	if err := server.Register(&Service{console: &console{out: out}, started: map[int]*process{}}); err != nil {
		return fmt.Errorf("offer service: %w", err)
	}
	server.ServeCodec(jsonrpc.NewServerCodec(c))
	return nil
}

func (c Command) cmd() (*exec.Cmd, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("no program named")
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env = append([]string{"PATH=/bin", "HOME=/tmp", "TMPDIR=/tmp"}, c.Env...)
	cmd.Dir = "/tmp"
	return cmd, nil
}

// codeOf returns the exit code that cmd.Wait or cmd.Run ended with.
func codeOf(cmd *exec.Cmd, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

// Run runs a program to its end.
func (s *Service) Run(c Command, r *Result) error {
	cmd, err := c.cmd()
	if err != nil {
		return err
	}
	var out bounded
	cmd.Stdout, cmd.Stderr = &out, &out
	r.Code, err = codeOf(cmd, cmd.Run())
	r.Output = out.kept
	return err
}

// Start starts a program.
func (s *Service) Start(c Command, pid *int) error {
	cmd, err := c.cmd()
	if err != nil {
		return err
	}
	out := &named{console: s.console, name: filepath.Base(c.Args[0])}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.Args[0], err)
	}
	*pid = cmd.Process.Pid
	p := &process{ended: make(chan struct{})}
	s.mu.Lock()
	s.started[*pid] = p
	s.mu.Unlock()
	go func() {
		defer close(p.ended)
		if p.code, err = codeOf(cmd, cmd.Wait()); err != nil {
			s.console.line("pid1", []byte(err.Error()))
		}
	}()
	return nil
}

// Wait waits for the end of a started program.
func (s *Service) Wait(pid int, r *Result) error {
	s.mu.Lock()
	p := s.started[pid]
	s.mu.Unlock()
	if p == nil {
		return fmt.Errorf("process %d was not started here", pid)
	}
	<-p.ended
	r.Code = p.code
	return nil
}

// Kill sends a signal.
func (s *Service) Kill(k Signal, _ *struct{}) error {
	if err := syscall.Kill(k.PID, syscall.Signal(k.Number)); err != nil {
		return fmt.Errorf("signal process %d: %w", k.PID, err)
	}
	return nil
}

// Read reads a file.
func (s *Service) Read(path string, b *[]byte) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer f.Close()
	if *b, err = io.ReadAll(io.LimitReader(f, MaxOutput)); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// browser asks servers in the guest.
var browser = http.Client{Timeout: 5 * time.Second}

// Get asks a server in the guest.
func (s *Service) Get(url string, body *[]byte) error {
	answer, err := browser.Get(url)
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	defer answer.Body.Close()
	if *body, err = io.ReadAll(io.LimitReader(answer.Body, MaxOutput)); err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", url, answer.Status)
	}
	return nil
}

// Write writes a file.
func (s *Service) Write(c Content, _ *struct{}) error {
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o755); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := os.WriteFile(c.Path, c.Data, 0o600); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// List finds files.
func (s *Service) List(pattern string, paths *[]string) error {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("list %s: %w", pattern, err)
	}
	*paths = append([]string{}, found...) // net/rpc takes null for no answer
	return nil
}

// Now tells the time.
func (s *Service) Now(_ struct{}, t *time.Time) error {
	*t = time.Now()
	return nil
}

// bounded keeps what is written to it, up to MaxOutput.
type bounded struct{ kept []byte }

func (b *bounded) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), MaxOutput-len(b.kept))]...)
	return len(p), nil
}

// console puts whole lines on one writer.
type console struct {
	mu  sync.Mutex // held while out is written
	out io.Writer
}

func (c *console) line(name string, text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, "%s: %s\n", name, text)
}

// named puts the lines of one program on the console behind its name.
type named struct {
	console *console
	name    string
	rest    []byte // of a line that is not whole yet; owned by the program's one copier
}

// maxLine bounds a line without an end, in bytes.
const maxLine = 16 << 10

func (n *named) Write(p []byte) (int, error) {
	n.rest = append(n.rest, p...)
	for {
		line, rest, whole := bytes.Cut(n.rest, []byte("\n"))
		if !whole && len(n.rest) < maxLine {
			return len(p), nil
		}
		n.console.line(n.name, line)
		n.rest = rest
	}
}
