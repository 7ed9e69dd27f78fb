package guest

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const limit = time.Minute

// screen is a guest's console that a test may read.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// pair is both ends of the protocol, in this process.
func pair(t *testing.T) (*Client, *screen) {
	near, far := net.Pipe()
	out := &screen{}
	done := make(chan error, 1)
	go func() { done <- Serve(far, out) }()
	c := NewClient(near)
	t.Cleanup(func() {
		c.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c, out
}

func TestRun(t *testing.T) {
	c, _ := pair(t)
	for _, test := range []struct {
		script string
		code   int
		output string
	}{{"echo $WHAT; echo more >&2", 0, "this\nmore\n"}, {"exit 3", 3, ""}, {"kill -9 $$", 137, ""}, {"pwd; echo $HOME", 0, "/tmp\n/tmp\n"}} {
		r, err := c.Run(limit, Command{Args: []string{"/bin/sh", "-c", test.script}, Env: []string{"WHAT=this"}})
		if err != nil || r.Code != test.code || string(r.Output) != test.output {
			t.Errorf("%s: %d %q, %v", test.script, r.Code, r.Output, err)
		}
	}
	if _, err := c.Run(limit, Command{Args: []string{"/no/such/program"}}); err == nil {
		t.Error("a program that is not there ran")
	}
	if _, err := c.Run(limit, Command{}); err == nil {
		t.Error("no program ran")
	}
}

func TestOutputIsBounded(t *testing.T) {
	c, _ := pair(t)
	r, err := c.Run(limit, Command{Args: []string{"/bin/sh", "-c", "head -c 9000000 /dev/zero"}})
	if err != nil || len(r.Output) != MaxOutput || r.Code != 0 {
		t.Errorf("%d bytes, code %d, %v", len(r.Output), r.Code, err)
	}
}

func TestStartKillWait(t *testing.T) {
	c, out := pair(t)
	pid, err := c.Start(Command{Args: []string{"/bin/sh", "-c", "echo ready; exec sleep 100"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(time.Millisecond, pid); !errors.Is(err, ErrLate) {
		t.Errorf("Wait for a program that runs: %v, want ErrLate", err)
	}
	for end := time.Now().Add(limit); out.String() != "sh: ready\n"; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("the console shows %q", out)
		}
	}
	pid2, err := c.Start(Command{Args: []string{"/bin/sh", "-c", "printf 'no end'; kill -9 $$"}})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := c.Wait(limit, pid2); err != nil || r.Code != 137 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := c.Kill(Signal{pid, int(syscall.SIGTERM)}); err != nil {
		t.Error(err)
	}
	if r, err := c.Wait(limit, pid); err != nil || r.Code != 143 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := c.Kill(Signal{pid2, int(syscall.SIGKILL)}); err == nil {
		t.Error("killed a process that has ended")
	}
	if _, err := c.Wait(limit, 1); err == nil {
		t.Error("waited for a process of somebody else")
	}
}

func TestFiles(t *testing.T) {
	c, _ := pair(t)
	file := filepath.Join(t.TempDir(), "deep", "file")
	for _, content := range []string{"content", ""} { // an empty answer is one as well
		if err := c.Write(file, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if b, err := c.Read(file); err != nil || string(b) != content {
			t.Errorf("%q, %v", b, err)
		}
	}
	if found, err := c.List(filepath.Dir(file) + "/*"); err != nil || len(found) != 1 || found[0] != file {
		t.Errorf("%v, %v", found, err)
	}
	if found, err := c.List("/no/such/*"); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
	if _, err := c.Read("/no/such/file"); err == nil {
		t.Error("read a file that is not there")
	}
	if err := c.Write(os.TempDir(), nil); err == nil {
		t.Error("wrote a folder")
	}
	if err := c.Mount(Mount{Device: "/no/such/disk", Kind: "ext4", At: t.TempDir()}); err == nil {
		t.Error("mounted a disk that is not there")
	}
	if err := c.Sync(); err != nil {
		t.Error(err)
	}
	if now, err := c.Now(); err != nil || time.Since(now) > limit {
		t.Errorf("%v, %v", now, err)
	}
}

func TestGet(t *testing.T) {
	c, _ := pair(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	if b, err := c.Get(server.URL + "/status"); err != nil || len(b) != 0 {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := c.Get(server.URL + "/other"); err == nil {
		t.Error("got a page that is not there")
	}
}

// A guest that is gone ends what is asked of it.
func TestGone(t *testing.T) {
	near, far := net.Pipe()
	c := NewClient(near)
	far.Close()
	if _, err := c.Now(); err == nil {
		t.Error("an answer from nobody")
	}
}

func TestLongLines(t *testing.T) {
	out := &screen{}
	n := &named{console: &console{out: out}, name: "p"}
	for _, part := range []string{"one\ntw", "o\n\n", strings.Repeat("x", maxLine)} {
		if _, err := n.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if want := "p: one\np: two\np: \np: " + strings.Repeat("x", maxLine) + "\n"; out.String() != want {
		t.Errorf("%.100q", out)
	}
}
