package wallclock

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Source asks the kernel: whether the clock is synchronised, and its largest
// error.
type Source func() (synchronised bool, bound time.Duration, err error)

// Kernel is the Source on Linux: adjtimex.
func Kernel() (synchronised bool, bound time.Duration, err error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return false, 0, fmt.Errorf("ask the kernel for its clock: %w", err)
	}
	bound = time.Duration(t.Maxerror) * time.Microsecond
	return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, bound, nil
}

// Ticks is a look at the monotonic clock, from any start.
type Ticks struct {
	Elapsed   time.Duration // sleep counted
	Suspended time.Duration // the sleep in it
}

// settled bounds how far apart the two clocks of one look may be read.
const settled = 10 * time.Millisecond

// Monotonic reads the kernel's clocks. CLOCK_MONOTONIC alone, which Go's
// time.Since goes by, stands still in sleep, and a time daemon steers its speed by
// 500 ppm and more: a liar's lever on everything that is measured with it. So
// the raw clock counts, and the difference of the two others is the sleep.
func Monotonic() Ticks {
	var suspended time.Duration
	for range 4 { // a look that was interrupted is taken again
		before, boot, after := clock(unix.CLOCK_MONOTONIC), clock(unix.CLOCK_BOOTTIME), clock(unix.CLOCK_MONOTONIC)
		suspended = boot - before
		if after-before < settled {
			break
		}
	}
	return Ticks{clock(unix.CLOCK_MONOTONIC_RAW) + suspended, suspended}
}

func clock(id int32) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		panic(err) // no Linux since 2.6.39 lacks one of them
	}
	return time.Duration(t.Nano())
}
