package board

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// What the Makefile builds for tests.
const (
	Product   = "controller.elf" // what is flashed
	Hang      = "hang.elf"       // its main loop hangs when the relay goes on
	Fault     = "fault.elf"      // it comes upon what is no instruction when the relay goes on
	DeafTimer = "deaf-timer.elf" // nothing is done about the timer that ends a pulse
	Alone     = "alone.elf"      // when the relay goes on its main loop hangs, and only the timer ends the pulse
	native    = "core-native"    // the core for this machine, under sanitizers
)

var errMissing = errors.New("a program is missing")

// Build builds what has changed, once a process, and returns the folder of what
// Product, Hang, Fault, DeafTimer and Alone name. Processes that build at the same time wait
// for each other.
func Build(t testing.TB) string {
	t.Helper()
	dir, err := build()
	if err != nil {
		t.Fatal("build the firmware: ", err)
	}
	return dir
}

var build = sync.OnceValues(func() (string, error) {
	for program, pkg := range map[string]string{"make": "make", "arm-none-eabi-gcc": "gcc-arm-none-eabi", "gcc": "gcc libc6-dev"} {
		if err := need(program, pkg); err != nil {
			return "", err
		}
	}
	source, err := Source()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(source, "build")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	return dir, Make(source, "tests")
})

// Make runs the firmware's Makefile in the folder source.
func Make(source string, args ...string) error {
	if out, err := exec.Command("make", append([]string{"-s", "-C", source}, args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("make -C %s: %w\n%s", source, err, out)
	}
	return nil
}

// Source is the folder of the firmware's sources, found from the working
// directory of a test of this module.
func Source() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "firmware-bridge", "firmware"), nil
		}
	}
	return "", fmt.Errorf("find the firmware's sources: %w: run inside of the checkout", os.ErrNotExist)
}

// need reports a program that is not installed, with the command that installs it.
func need(program, pkg string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("%w: %s; run: sudo apt-get install -y --no-install-recommends %s", errMissing, program, pkg)
	}
	return nil
}
