package gpioline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// tick is how long a wait goes without a look whether the chip is still there:
	// a kernel of 6.1 does not wake a wait whose chip is pulled.
	tick = 100 * time.Millisecond
	// batch is how many edges one read takes at most.
	batch = 64
)

// Output is one line that is driven. Use OpenOutput. Its methods may be called
// from any goroutine; after Close they answer os.ErrClosed.
type Output struct {
	name   string
	file   *os.File
	closed atomic.Bool
}

// OpenOutput claims a line and drives it from the start at the level that c asks
// for. The errors are those above.
func OpenOutput(c OutputConfig) (*Output, error) {
	config := lineConfig{flags: flagOutput, attrNum: 1}
	if c.ActiveLow {
		config.flags |= flagActiveLow
	}
	if c.OpenDrain {
		config.flags |= flagOpenDrain
	}
	a := &config.attrs[0]
	a.id, a.mask = attrValues, 1
	binary.NativeEndian.PutUint64(a.value[:], bit(c.On))
	f, _, err := request([]string{c.Line}, c.Consumer, config)
	if err != nil {
		return nil, fmt.Errorf("open output %q: %w", c.Line, err)
	}
	return &Output{name: c.Line, file: f}, nil
}

// Set drives the line. It returns ErrChip when the chip is gone.
func (o *Output) Set(on bool) error {
	if _, err := values(o.file, setValues, 1, bit(on)); err != nil {
		return fmt.Errorf("set output %q: %w", o.name, orClosed(err, &o.closed))
	}
	return nil
}

// Close gives the line back; it does not change its level first.
func (o *Output) Close() error {
	if o.closed.Swap(true) {
		return os.ErrClosed
	}
	return o.file.Close()
}

// orClosed is os.ErrClosed instead of err after Close: the runtime has several
// errors for that, and not all of them wrap it.
func orClosed(err error, closed *atomic.Bool) error {
	if closed.Load() {
		return os.ErrClosed
	}
	return explain(err)
}

// Inputs are lines of one chip that are read together. Use OpenInputs. Read is
// for one goroutine; Active and Close may be called from others.
type Inputs struct {
	config InputConfig
	file   *os.File
	closed atomic.Bool
	lines  []Info
	seen   sequence
	buffer [batch * eventSize]byte
}

// OpenInputs claims lines as inputs that report edges. Those from before are not
// delivered; ask Active for the levels to begin with.
func OpenInputs(c InputConfig) (*Inputs, error) {
	if n := len(c.Lines); n == 0 || n > maxLines {
		return nil, fmt.Errorf("%w: %d lines asked for; 1 to %d can be read together", ErrNoLine, n, maxLines)
	}
	config := lineConfig{flags: flagInput | flagToActive}
	if !c.ToActive {
		config.flags |= flagFromActive
	}
	if c.ActiveLow {
		config.flags |= flagActiveLow
	}
	config.flags |= map[Bias]uint64{PullUp: flagPullUp, PullDown: flagPullDown, NoPull: flagNoPull}[c.Bias]
	if c.Debounce > 0 {
		a := &config.attrs[0]
		a.id, a.mask, config.attrNum = attrDebounce, ^uint64(0)>>(maxLines-len(c.Lines)), 1
		binary.NativeEndian.PutUint32(a.value[:], uint32(min(c.Debounce, time.Minute).Microseconds()))
	}
	f, infos, err := request(c.Lines, c.Consumer, config)
	if err != nil {
		return nil, fmt.Errorf("open inputs %q: %w", c.Lines, err)
	}
	c.Lines = slices.Clone(c.Lines)
	return &Inputs{config: c, file: f, lines: infos}, nil
}

// Read fills edges with what happened, oldest first, and returns how many. It
// waits for the first one; 0 and nil mean that none came within wait, and a
// wait of 0 or less looks once. It returns ErrChip, within 100 ms, when the chip
// is gone, and os.ErrClosed when Close is called.
//
// An Edge's Active is the level that the kernel found when it looked, which on a
// busy computer is milliseconds after the edge: both edges of a short pulse then
// show the level after it. With ToActive each pulse is one edge, always active.
func (i *Inputs) Read(edges []Edge, wait time.Duration) (int, error) {
	if len(edges) == 0 {
		return 0, nil
	}
	deadline := time.Now().Add(max(wait, 0))
	for {
		n, err := i.read(min(time.Until(deadline), tick), min(len(edges), batch))
		if err != nil {
			return 0, fmt.Errorf("read inputs %q: %w", i.config.Lines, orClosed(err, &i.closed))
		}
		if n > 0 {
			when, err := clock()
			if err != nil {
				return 0, err
			}
			return len(decode(edges[:0:len(edges)], i.buffer[:n], i.lines, when, &i.seen)), nil
		}
		if !time.Now().Before(deadline) {
			return 0, nil
		}
	}
}

// read returns how many bytes of at most events came within wait. It asks the
// kernel at least once, which is how a chip that is gone is noticed.
func (i *Inputs) read(wait time.Duration, events int) (int, error) {
	if err := i.file.SetReadDeadline(time.Now().Add(max(wait, time.Millisecond))); err != nil {
		return 0, err
	}
	n, err := i.file.Read(i.buffer[:events*eventSize])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, nil
	}
	return n, err
}

// Active returns which lines are at their active level now.
func (i *Inputs) Active() ([]bool, error) {
	bits, err := values(i.file, getValues, len(i.lines), 0)
	if err != nil {
		return nil, fmt.Errorf("read levels of %q: %w", i.config.Lines, orClosed(err, &i.closed))
	}
	active := make([]bool, len(i.lines))
	for n := range active {
		active[n] = bits>>n&1 == 1
	}
	return active, nil
}

// Close gives the lines back. A Read that waits returns.
func (i *Inputs) Close() error {
	if i.closed.Swap(true) {
		return os.ErrClosed
	}
	return i.file.Close()
}
