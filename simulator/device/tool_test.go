package device

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
)

// tool builds the installer's tool.
func tool(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "firmware-bridge")
	build := exec.Command("go", "build", "-o", path, "turnstile/firmware-bridge")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return path
}

// follow starts the tool and delivers its output line by line; wait ends it.
func follow(t *testing.T, path string, args ...string) (lines <-chan string, end func() error) {
	t.Helper()
	cmd := exec.Command(path, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	go func() {
		defer close(said)
		for s := bufio.NewScanner(out); s.Scan(); {
			said <- s.Text()
		}
	}()
	return said, func() error {
		_ = cmd.Process.Signal(os.Interrupt)
		for range said {
		}
		return cmd.Wait()
	}
}

// expect waits for a line that matches.
func expect(t *testing.T, lines <-chan string, pattern string) {
	t.Helper()
	want := regexp.MustCompile(pattern)
	late := time.After(gatetest.Patience)
	for {
		select {
		case l, open := <-lines:
			if !open {
				t.Fatalf("ended without a line that matches %q", pattern)
			}
			if want.MatchString(l) {
				return
			}
		case <-late:
			t.Fatalf("no line matches %q", pattern)
		}
	}
}

func TestTool(t *testing.T) {
	path := tool(t)
	t.Run("listen", func(t *testing.T) {
		v := NewScanner(filepath.Join(t.TempDir(), "scanner"), 115200)
		if err := v.Plug(); err != nil {
			t.Fatal(err)
		}
		defer v.Unplug()
		lines, end := follow(t, path, "listen", "--port", v.line.Link(), "--count", "1")
		heard := make(chan struct{})
		go func() { // the tool throws away what came before it was ready
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-heard:
					return
				case <-tick.C:
					_ = v.Scan(t.Context(), "TURNSTILE")
				}
			}
		}()
		expect(t, lines, `Q1 +9 bytes +"TURNSTILE"`)
		close(heard)
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	t.Run("pulse", func(t *testing.T) {
		v := power(t, ControllerConfig{AutoWalk: 20 * time.Millisecond})
		out, err := exec.Command(path, "pulse", "--port", v.config.Link, "--direction", "out").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "passed out, grant 1") {
			t.Errorf("%v: %s", err, out)
		}
		if s := v.State(); s.Openings != 1 || s.Relay || !s.Locked {
			t.Errorf("after pulse: %+v", s)
		}
	})
	t.Run("watch", func(t *testing.T) {
		v := power(t, ControllerConfig{})
		lines, end := follow(t, path, "watch", "--port", v.config.Link)
		expect(t, lines, `found: virtual lane 1\.0\.0`)
		v.Walk(gate.In, 0)
		expect(t, lines, `forced in`)
		v.Tamper(true)
		expect(t, lines, `tamper`)
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}
