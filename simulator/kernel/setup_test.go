// Package kernel tests what runs on a lane on real kernels: the agent's binary, USB serial drivers, GPIO.
package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/simulator/machine"
)

// kernels is where the kernels are kept from one run to the next, and logs is
// where the consoles' logs of the last run are.
const (
	kernels = "../../.bench-cache"
	logs    = "../../.bench-cache/logs"
)

// archs are the processors that are tested.
var archs = []machine.Arch{machine.AMD64, machine.ARM64, machine.ARMHF}

// programs is the folder of what was built from this checkout: ARCH/NAME.
var programs string

func TestMain(m *testing.M) { os.Exit(prepareAndRun(m)) }

func prepareAndRun(m *testing.M) int {
	folder, err := os.MkdirTemp("", "turnstile-kernel-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	programs = folder
	fetched := make(chan error, 1)
	go func() {
		fetched <- machine.Kernels{Folder: kernels, Progress: os.Stderr}.Prepare(context.Background(), archs...)
	}()
	err = build()
	if err == nil {
		err = makeCampus(context.Background(), filepath.Join(folder, "campus"))
	}
	if err := errors.Join(err, <-fetched, os.MkdirAll(logs, 0o755)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build builds what runs here and in the guests.
func build() error {
	errs := []error{compile(nil, "host", "build", "-o", "./", "./agent", "./central")}
	for _, a := range archs {
		errs = append(errs, compile(a.Go(), string(a), "build", "-o", "./", "./agent", "./simulator/machine/pid1", "./simulator/kernel/echo"))
	}
	for _, s := range suites {
		errs = append(errs, compile(machine.AMD64.Go(), string(machine.AMD64), "test", "-c", "-o", filepath.Base(s), s))
	}
	return errors.Join(errs...)
}

// compile runs go with what stands behind -o put into a folder of programs.
func compile(env []string, folder, verb string, args ...string) error {
	out := slices.Index(args, "-o") + 1
	args[out] = filepath.Join(programs, folder) + "/" + strings.TrimPrefix(args[out], "./")
	if err := os.MkdirAll(filepath.Dir(args[out]), 0o755); err != nil {
		return err
	}
	cmd := exec.Command("go", append([]string{verb, "-ldflags=-s -w"}, args...)...)
	cmd.Dir, cmd.Env = "../..", append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build programs for %s: %w\n%s", folder, err, text)
	}
	return nil
}

// patience is how long anything may take; a busy machine is slow, not wrong.
const patience = 120 * time.Second

// soon is a context for one thing that is waited for.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// until waits for a condition and fails the test if it does not come true. Asking
// keeps an emulated processor busy, so it is not asked all the time.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	over := time.NewTimer(patience)
	defer over.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-over.C:
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// computer starts a computer that ends with the test. Its console's log stays if
// the test fails.
func computer(t *testing.T, c machine.Config) *machine.Machine {
	t.Helper()
	c.Kernels, c.PID1 = kernels, filepath.Join(programs, string(c.Arch), "pid1")
	c.Log = filepath.Join(logs, filepath.Base(t.Name())+"-"+string(c.Arch)+".log")
	began := time.Now()
	m, err := machine.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the %s computer started in %v", c.Arch, time.Since(began).Round(10*time.Millisecond))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console (whole in %s):\n%s", c.Log, m.Console.Tail(60))
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}
