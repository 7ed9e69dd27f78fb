package gpio

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"turnstile/firmware-bridge/gpioline"
)

// source is the line of one contact, whoever reads it. One goroutine uses it at a time.
type source interface {
	// arm claims the line and returns its level.
	arm() (high bool, err error)
	// wait waits for an edge, at most for d, and returns what the line was like
	// since the last wait, at least its level now, valid until the next one.
	wait(d time.Duration) ([]reading, error)
	// confirm reports whether the levels last returned can be believed.
	confirm() error
	close()
}

// reading is a line's level at one time, and whether an edge came just before.
type reading struct {
	high, edge bool
	at         time.Time
}

// armed returns the named line ready to be read, and its level: by periph, and by
// the kernel itself if periph does not have it or has lost its chip.
func armed(lines Lines, name string, low bool) (source, bool, error) {
	pull, bias := gpio.PullDown, gpioline.PullDown
	if low {
		pull, bias = gpio.PullUp, gpioline.PullUp
	}
	line, err := lines.Input(name)
	if err == nil {
		s := &periphSource{line: line, pull: pull}
		high, err := s.arm()
		if err == nil {
			return s, high, nil
		}
		s.close()
		if !errors.Is(err, unix.ENODEV) {
			return nil, false, err
		}
	} else if !errors.Is(err, ErrNoLine) {
		return nil, false, err
	}
	s := &kernelSource{lines: lines, config: gpioline.InputConfig{Lines: []string{name}, Bias: bias}}
	high, err := s.arm()
	if err != nil {
		s.close()
		return nil, false, err
	}
	return s, high, nil
}

const (
	// hasty is how many waits in a row may end at once for no reason. A chip that
	// vanished does it thousands of times a second.
	hasty = 20
	// stale is how many edges from before In are thrown away at most.
	stale = 64
)

// periphSource reads a line by periph, around its faults.
type periphSource struct {
	line     Input
	pull     gpio.Pull
	failures int // waits in a row that ended at once
	now      [1]reading
}

func (p *periphSource) arm() (bool, error) {
	if err := p.line.In(p.pull, gpio.BothEdges); err != nil {
		return false, err
	}
	for range stale { // edges from before
		if !p.line.WaitForEdge(time.Millisecond) {
			break
		}
	}
	return bool(p.line.Read()), nil
}

func (p *periphSource) wait(d time.Duration) ([]reading, error) {
	began := time.Now()
	edge := p.line.WaitForEdge(d)
	now := time.Now()
	if p.failures++; edge || now.Sub(began) >= d/2 {
		p.failures = 0
	}
	if p.failures >= hasty {
		return nil, ErrChip
	}
	p.now[0] = reading{bool(p.line.Read()), edge, now}
	return p.now[:], nil
}

// confirm asks with In, which can fail: Read cannot, and says Low for a chip
// that is gone.
func (p *periphSource) confirm() error { return p.line.In(p.pull, gpio.BothEdges) }

func (p *periphSource) close() {
	if c, ok := p.line.(interface{ Close() }); ok {
		c.Close()
	}
}

// batch is how many edges are taken at a time.
const batch = 16

// kernelSource reads a line by the kernel's own interface, whose errors are
// errors, and whose time stamps tell of a pulse that was over before this
// program had its turn.
type kernelSource struct {
	lines    Lines
	config   gpioline.InputConfig
	inputs   Inputs // nil before arm
	last     bool   // the level after the last edge
	edges    [batch]gpioline.Edge
	readings [2*batch + 1]reading
}

func (k *kernelSource) arm() (bool, error) {
	inputs, err := k.lines.Inputs(k.config)
	if err != nil {
		return false, err
	}
	k.inputs = inputs
	k.last, err = k.level()
	return k.last, err
}

// level is the line's level now.
func (k *kernelSource) level() (bool, error) {
	active, err := k.inputs.Active()
	if err != nil {
		return false, err
	}
	if len(active) != 1 {
		return false, fmt.Errorf("read level of %q: %d levels", k.config.Lines, len(active))
	}
	return active[0], nil
}

// wait returns for each edge the level that lasted until it and the one after it.
func (k *kernelSource) wait(d time.Duration) ([]reading, error) {
	n, err := k.inputs.Read(k.edges[:], d)
	if err != nil {
		return nil, err
	}
	all := k.readings[:0]
	for _, e := range k.edges[:n] {
		// Of a level that edges were lost in nobody knows how long it lasted.
		all = append(all, reading{k.last, e.Lost > 0, e.At}, reading{e.Active, true, e.At})
		k.last = e.Active
	}
	if n == batch {
		return all, nil // there is more to come, and the level now is after that
	}
	high, err := k.level()
	if err != nil {
		return nil, err
	}
	all = append(all, reading{high, high != k.last, time.Now()})
	k.last = high
	return all, nil
}

func (k *kernelSource) confirm() error { return nil }

func (k *kernelSource) close() {
	if k.inputs != nil {
		_ = k.inputs.Close() // it was only read
	}
}
