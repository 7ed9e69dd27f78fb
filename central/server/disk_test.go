package server

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDiskTakesWrites: a full disk and a missing folder are named, and a probe
// leaves nothing behind.
func TestDiskTakesWrites(t *testing.T) {
	data := t.TempDir()
	if err := takesWrites(data); err != nil {
		t.Errorf("a good disk: %v", err)
	}
	if err := takesWrites(data + "/gone"); !errors.Is(err, ErrDisk) {
		t.Errorf("no folder: %v", err)
	}
	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 0, Max: unix.RLIM_INFINITY}, &old); err != nil {
		t.Fatal(err)
	}
	full := takesWrites(data)
	if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, &old, nil); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(full, ErrDisk) {
		t.Errorf("a full disk: %v", full)
	}
	if files, err := os.ReadDir(data); err != nil || len(files) > 0 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
}
