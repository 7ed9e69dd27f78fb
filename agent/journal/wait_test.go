package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// TestOpenWaitsForTheDisk: a disk that comes back is waited for, and why is told
// each time; what no waiting mends is returned at once.
func TestOpenWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMemory()
		errs := []error{unix.EIO, unix.EROFS, unix.ENOSPC}
		tries, told := 0, 0
		open := func() (*Journal, Report, error) {
			if tries++; tries <= len(errs) {
				return nil, Report{}, fmt.Errorf("open journal: %w", full(errs[tries-1]))
			}
			return d.on(t, Options{})
		}
		began := time.Now()
		j, r, err := wait(t.Context(), open, func(err error) {
			if !errors.Is(err, errs[told]) {
				t.Errorf("told %v, want %v", err, errs[told])
			}
			told++
		})
		if err != nil || !r.New || told != 3 || time.Since(began) != 3*retryOpen {
			t.Fatalf("%v after %v, told %d times", err, time.Since(began), told)
		}
		j.Close()
		for _, lasting := range []error{ErrNewer, ErrLocked, fs.ErrPermission} {
			_, _, err := wait(t.Context(), func() (*Journal, Report, error) { return nil, Report{}, lasting }, func(error) { t.Error("waits") })
			if !errors.Is(err, lasting) {
				t.Errorf("%v became %v", lasting, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, _, err = wait(ctx, func() (*Journal, Report, error) { return nil, Report{}, unix.EIO }, func(error) { cancel() })
		if !errors.Is(err, context.Canceled) || !errors.Is(err, unix.EIO) {
			t.Errorf("ended with %v", err)
		}
	})
}
