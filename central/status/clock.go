package status

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ErrUnsynchronised tells that nobody keeps this machine's clock.
var ErrUnsynchronised = errors.New("this machine's clock is not synchronised, and the campus goes by it: set up NTP (chrony or systemd-timesyncd) on central's machine")

// mostError is the largest error of central's clock that is not worth a warning:
// lanes take a second for a leap second, and phones are no better.
const mostError = time.Second

// ClockKept asks the kernel whether a time daemon keeps the clock that heads,
// answers and passes are dated by. ErrUnsynchronised, or an error above a
// second, is for whoever runs central: lanes go by this clock all the same, for
// it is the one that all of them share.
func ClockKept() error {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return fmt.Errorf("ask the kernel for its clock: %w", err)
	}
	return judgeClock(state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, time.Duration(t.Maxerror)*time.Microsecond)
}

func judgeClock(synchronised bool, bound time.Duration) error {
	switch {
	case !synchronised:
		return ErrUnsynchronised
	case bound > mostError:
		return fmt.Errorf("%w: it may be wrong by %v", ErrUnsynchronised, bound)
	}
	return nil
}
