package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	bolt "go.etcd.io/bbolt"
)

// CheckFile reads the whole file as Open does, and returns ErrDamaged if it is
// not sound. On a damaged file it may panic, or the kernel may end the process:
// run it in a process of its own, see CheckInChild.
func CheckFile(path string) error {
	db, err := openBolt(path, true)
	if err != nil {
		return fmt.Errorf("check cache: %w", err)
	}
	defer db.Close()
	if err := db.View(checkPages); err != nil {
		return err
	}
	// The check of pages does not look at the lengths inside of them: a wrong
	// one faults only when the value is read.
	c := &Cache{db: db}
	if _, _, _, err := c.LoadCheckpoint(); err != nil {
		return err
	}
	if err := c.load(); err != nil && !errors.Is(err, ErrNewer) {
		return fmt.Errorf("check cache: %w", err)
	}
	return nil
}

func checkPages(tx *bolt.Tx) error {
	var first error
	for err := range tx.Check() { // read to its end: the sender waits otherwise
		if first == nil {
			first = fmt.Errorf("check cache: %w: %w", ErrDamaged, err)
		}
	}
	return first
}

// CheckLocked is the exit code by which a child tells that the file is in use.
const CheckLocked = 4

// checkTime bounds the child: a sound file of the largest size takes well below.
const checkTime = 30 * time.Second

// CheckInChild runs `exe check-db path`, which is to call CheckFile and exit
// with 0, with CheckLocked for ErrLocked, or with anything else. However the
// child ends, this process goes on: ErrDamaged, ErrLocked, or nil.
func CheckInChild(exe, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), checkTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, exe, "check-db", path).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return fmt.Errorf("run %s check-db: %w", exe, err)
	case exit.ExitCode() == CheckLocked:
		return ErrLocked
	}
	first, _, _ := bytes.Cut(out, []byte("\n")) // behind it come the stacks of a process that was ended
	return fmt.Errorf("%w: the check ended with %v: %.300q", ErrDamaged, exit, first)
}
