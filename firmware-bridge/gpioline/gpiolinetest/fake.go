// Package gpiolinetest has a GPIO chip without a kernel, the kernel's simulated one, and the suite that both pass.
package gpiolinetest

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"turnstile/firmware-bridge/gpioline"
)

// Chips opens lines: those of the kernel or of a Fake.
type Chips interface {
	OpenOutput(c gpioline.OutputConfig) (Output, error)
	OpenInputs(c gpioline.InputConfig) (Inputs, error)
	List() ([]gpioline.Info, error)
}

// Output is a line that is driven: a *gpioline.Output or a fake one.
type Output interface {
	Set(on bool) error
	Close() error
}

// Inputs are lines that are read together: a *gpioline.Inputs or fake ones.
type Inputs interface {
	Read(edges []gpioline.Edge, wait time.Duration) (int, error)
	Active() ([]bool, error)
	Close() error
}

// Kernel is this computer's GPIO, as Chips.
type Kernel struct{}

// OpenOutput implements Chips.
func (Kernel) OpenOutput(c gpioline.OutputConfig) (Output, error) {
	o, err := gpioline.OpenOutput(c)
	if err != nil {
		return nil, err // not a nil *gpioline.Output in an interface
	}
	return o, nil
}

// OpenInputs implements Chips.
func (Kernel) OpenInputs(c gpioline.InputConfig) (Inputs, error) {
	i, err := gpioline.OpenInputs(c)
	if err != nil {
		return nil, err
	}
	return i, nil
}

// List implements Chips.
func (Kernel) List() ([]gpioline.Info, error) { return gpioline.List() }

// room is how many edges are held for a reader; the oldest are dropped.
const room = 1024

// Fake is one chip whose outside is the test's. Its times work in a
// testing/synctest bubble too.
type Fake struct {
	mu      sync.Mutex // guards the following and all wires and inputs
	number  int        // of the chip; rises when it comes back
	plugged bool
	wires   []*wire
}

// wire is one line of a Fake.
type wire struct {
	name     string
	outside  bool // the level that the world gives it
	holder   any  // *output or *inputs; nil if free
	consumer string
	driven   bool   // as output, at level
	level    bool   //
	levels   []bool // everything it was driven at
	rises    int    // how often the wire went high, whoever drove it
}

// New makes a chip with lines of these names, all low.
func New(lines ...string) *Fake {
	f := &Fake{plugged: true}
	for _, name := range lines {
		f.wires = append(f.wires, &wire{name: name})
	}
	return f
}

// now is the level of the wire.
func (w *wire) now() bool {
	if w.driven {
		return w.level
	}
	return w.outside
}

// change does f to the wire and tells its reader if the level changed; mu is held.
func (w *wire) change(f func()) {
	before := w.now()
	f()
	if w.now() == before {
		return
	}
	if !before {
		w.rises++
	}
	if in, ok := w.holder.(*inputs); ok {
		in.moved(w)
	}
}

// must returns the wire of that name; a test that names another is wrong.
func (f *Fake) must(name string) *wire {
	for _, w := range f.wires {
		if w.name == name {
			return w
		}
	}
	panic(fmt.Sprintf("the fake chip has no line %q", name))
}

// Drive gives the line a level from outside; an output that drives wins.
func (f *Fake) Drive(line string, high bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.must(line)
	w.change(func() { w.outside = high })
}

// Wire is the line's level.
func (f *Fake) Wire(line string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.must(line).now()
}

// Levels returns every level that the line was driven at as output, in order.
func (f *Fake) Levels(line string) []bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.must(line).levels)
}

// Rises is how often the line went from low to high.
func (f *Fake) Rises(line string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.must(line).rises
}

// Held reports whether somebody has the line.
func (f *Fake) Held(line string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.must(line).holder != nil
}

// Unplug takes the chip away under its users; Plug brings it back with a new number.
func (f *Fake) Unplug() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plugged = false
	for _, w := range f.wires {
		if in, ok := w.holder.(*inputs); ok {
			in.lose()
		}
		w.holder, w.driven = nil, false
	}
}

// Plug implements what Unplug says.
func (f *Fake) Plug() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plugged = true
	f.number++
}

// List implements Chips.
func (f *Fake) List() ([]gpioline.Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.infos(), nil
}

// infos lists the lines; mu is held.
func (f *Fake) infos() (all []gpioline.Info) {
	if !f.plugged {
		return nil
	}
	for i, w := range f.wires {
		_, output := w.holder.(*output)
		info := gpioline.Info{Name: w.name, Chip: fmt.Sprintf("gpiochip%d", f.number), Offset: i, Output: output}
		if w.holder != nil {
			info.Consumer = w.consumer
		}
		all = append(all, info)
	}
	return all
}

// find returns the free lines of these names; mu is held.
func (f *Fake) find(names []string, consumer string) ([]*wire, error) {
	var found []*wire
	for _, name := range names {
		if err := gpioline.Check(name); err != nil {
			return nil, err
		}
		if !f.plugged {
			return nil, fmt.Errorf("find line %q: %w", name, gpioline.ErrChip)
		}
		i := slices.IndexFunc(f.infos(), func(i gpioline.Info) bool { return i.Name == name || i.Where() == name })
		if i < 0 {
			return nil, fmt.Errorf("%w: %q", gpioline.ErrNoLine, name)
		}
		if f.wires[i].holder != nil || slices.Contains(found, f.wires[i]) {
			return nil, fmt.Errorf("%w: %q", gpioline.ErrBusy, name)
		}
		found = append(found, f.wires[i])
	}
	for _, w := range found {
		if w.consumer = consumer; consumer == "" {
			w.consumer = "turnstile"
		}
	}
	return found, nil
}

// output is a line of a Fake that is driven.
type output struct {
	chip   *Fake
	wire   *wire
	config gpioline.OutputConfig
	closed bool // guarded by chip.mu
}

// OpenOutput implements Chips.
func (f *Fake) OpenOutput(c gpioline.OutputConfig) (Output, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, err := f.find([]string{c.Line}, c.Consumer)
	if err != nil {
		return nil, fmt.Errorf("open output: %w", err)
	}
	o := &output{chip: f, wire: found[0], config: c}
	o.wire.holder = o
	o.drive(c.On)
	return o, nil
}

// drive puts the line at its level for on; the chip's mu is held.
func (o *output) drive(on bool) {
	high := on != o.config.ActiveLow
	o.wire.change(func() {
		o.wire.level, o.wire.driven = high, !high || !o.config.OpenDrain
		if o.wire.driven {
			o.wire.levels = append(o.wire.levels, high)
		}
	})
}

// Set implements Output.
func (o *output) Set(on bool) error {
	o.chip.mu.Lock()
	defer o.chip.mu.Unlock()
	switch {
	case o.closed:
		return fmt.Errorf("set output: %w", os.ErrClosed)
	case o.wire.holder != any(o):
		return fmt.Errorf("set output: %w", gpioline.ErrChip)
	}
	o.drive(on)
	return nil
}

// Close implements Output. The line falls back to what the world gives it.
func (o *output) Close() error {
	o.chip.mu.Lock()
	defer o.chip.mu.Unlock()
	if o.closed {
		return os.ErrClosed
	}
	o.closed = true
	if o.wire.holder == any(o) {
		o.wire.change(func() { o.wire.holder, o.wire.driven = nil, false })
	}
	return nil
}
