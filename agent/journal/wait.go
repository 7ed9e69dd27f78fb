package journal

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// retryOpen is how long OpenOrWait leaves a disk alone.
const retryOpen = 5 * time.Second

// passing are the errors of a disk that may come back: pulled out, remounted
// read-only by the kernel, full, or out of handles for the moment.
var passing = []error{ErrFull, unix.EIO, unix.EROFS, unix.ENXIO, unix.ENODEV, unix.EUCLEAN, unix.EBADMSG,
	unix.ESTALE, unix.ETIMEDOUT, unix.ENOMEM, unix.EMFILE, unix.ENFILE}

// MayPass reports whether an error of Open is the disk's and may go away while
// the agent waits. ErrNewer, ErrLocked and a folder of another user do not.
func MayPass(err error) bool {
	return slices.ContainsFunc(passing, func(p error) bool { return errors.Is(err, p) })
}

// OpenOrWait opens the journal; while the disk is to blame it tries again every
// five seconds, until ctx ends. tell is called with each failure, for the
// warning. Without a journal no gate may be opened: whoever waits here has no
// lanes yet, and shows why.
func OpenOrWait(ctx context.Context, dir string, o Options, tell func(error)) (*Journal, Report, error) {
	return wait(ctx, func() (*Journal, Report, error) { return Open(dir, o) }, tell)
}

func wait(ctx context.Context, open func() (*Journal, Report, error), tell func(error)) (*Journal, Report, error) {
	for {
		j, r, err := open()
		if err == nil || !MayPass(err) {
			return j, r, err
		}
		tell(err)
		again := time.NewTimer(retryOpen)
		select {
		case <-ctx.Done():
			again.Stop()
			return nil, r, errors.Join(ctx.Err(), err)
		case <-again.C:
		}
	}
}
