package board

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Core is the firmware's portable core as a process of this machine, with a
// clock and wires that are the test's. firmware/native/native.c lists its
// commands. It is for one goroutine.
type Core struct {
	in  *bufio.Writer
	out *bufio.Scanner
	bad strings.Builder // what the sanitizers say
}

// StartCore builds and starts a core, until the test ends.
func StartCore(t testing.TB) *Core {
	t.Helper()
	cmd := exec.Command(filepath.Join(Build(t), native))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &Core{in: bufio.NewWriter(in), out: bufio.NewScanner(out)}
	cmd.Stderr = &c.bad
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the core: %v\n%s", err, c.bad.String())
		}
	})
	return c
}

// Do gives one command and returns the lines that it causes.
func (c *Core) Do(t testing.TB, format string, args ...any) []string {
	t.Helper()
	fmt.Fprintf(c.in, format+"\n", args...)
	if err := c.in.Flush(); err != nil {
		t.Fatalf("the core is gone: %v\n%s", err, c.bad.String())
	}
	var lines []string
	for c.out.Scan() {
		if c.out.Text() == "." {
			return lines
		}
		lines = append(lines, c.out.Text())
	}
	t.Fatalf("the core is gone after "+format+"\n%s", append(args, c.bad.String())...)
	return nil
}
