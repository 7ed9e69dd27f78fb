package gpiolinetest

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"turnstile/firmware-bridge/gpioline"
)

// Patience bounds every wait of the suite. It is a deadline, not a measurement.
const Patience = 20 * time.Second

// Bench is a chip with the lines OUT, IN_A and IN_B, all low, and the hands at
// its outside.
type Bench struct {
	Chips  Chips
	Drive  func(line string, high bool)
	Wire   func(line string) bool
	Levels func(line string) []bool // what an output was driven at since the bench was made
	Unplug func()
	Plug   func()
}

// Lines are those that a Bench needs.
var Lines = []string{"OUT", "IN_A", "IN_B"}

// Conform runs the whole suite; setup makes a fresh bench for each test.
func Conform(t *testing.T, setup func(t *testing.T) Bench) {
	tests := []struct {
		name string
		run  func(*testing.T, Bench)
	}{
		{"FirstLevel", firstLevel}, {"OpenDrain", openDrain}, {"Busy", busy}, {"Names", names}, {"List", list},
		{"Edges", edges}, {"ActiveLow", activeLow}, {"ToActive", toActive}, {"Debounce", debounce}, {"LostEdges", lostEdges},
		{"NothingHappens", nothingHappens}, {"Close", closed}, {"Unplugged", unplugged},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) { c.run(t, setup(t)) })
	}
}

// openOutput opens OUT and closes it at the test's end.
func openOutput(t *testing.T, b Bench, c gpioline.OutputConfig) Output {
	t.Helper()
	c.Line = "OUT"
	o, err := b.Chips.OpenOutput(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// openInputs opens IN_A and IN_B and closes them at the test's end.
func openInputs(t *testing.T, b Bench, c gpioline.InputConfig) Inputs {
	t.Helper()
	c.Lines = []string{"IN_A", "IN_B"}
	i, err := b.Chips.OpenInputs(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Close() })
	return i
}

// next returns the next edge.
func next(t *testing.T, i Inputs) gpioline.Edge {
	t.Helper()
	var one [1]gpioline.Edge
	n, err := i.Read(one[:], Patience)
	if err != nil || n != 1 {
		t.Fatalf("Read: %d, %v", n, err)
	}
	return one[0]
}

// An output is at the level asked for from its first moment, and nowhere else before.
func firstLevel(t *testing.T, b Bench) {
	var want []bool
	for _, low := range []bool{false, true} {
		for _, on := range []bool{true, false} {
			o := openOutput(t, b, gpioline.OutputConfig{ActiveLow: low, On: on})
			for _, on := range []bool{on, !on, on} {
				if err := o.Set(on); err != nil {
					t.Fatal(err)
				}
				if b.Wire("OUT") != (on != low) {
					t.Errorf("active low %t, on %t: wire %t", low, on, b.Wire("OUT"))
				}
			}
			first := on != low
			want = append(want, first, first, !first, first)
			if err := o.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if got := b.Levels("OUT"); !slices.Equal(got, want) {
		t.Errorf("driven at %v, want %v", got, want)
	}
}

// An open drain drives low or not at all.
func openDrain(t *testing.T, b Bench) {
	b.Drive("OUT", true) // the resistor
	o := openOutput(t, b, gpioline.OutputConfig{ActiveLow: true, OpenDrain: true})
	for _, on := range []bool{true, false, true} {
		if err := o.Set(on); err != nil {
			t.Fatal(err)
		}
		if on && b.Wire("OUT") {
			t.Error("on, and the wire is high")
		}
	}
	if got := b.Levels("OUT"); len(got) < 2 || slices.Contains(got, true) {
		t.Errorf("driven at %v, want twice low or more, and never high", got)
	}
}

func busy(t *testing.T, b Bench) {
	o := openOutput(t, b, gpioline.OutputConfig{})
	if _, err := b.Chips.OpenOutput(gpioline.OutputConfig{Line: "OUT"}); !errors.Is(err, gpioline.ErrBusy) {
		t.Errorf("a second output: %v", err)
	}
	if _, err := b.Chips.OpenInputs(gpioline.InputConfig{Lines: []string{"IN_A", "OUT"}}); !errors.Is(err, gpioline.ErrBusy) {
		t.Errorf("an input of it: %v", err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	openOutput(t, b, gpioline.OutputConfig{})
	openInputs(t, b, gpioline.InputConfig{}) // not held by the attempt that failed
}

func names(t *testing.T, b Bench) {
	for _, name := range []string{"", "NOT_THERE", "OUT ", "out", where(t, b, "OUT") + "000", "a name that is longer than the kernel has"} {
		if _, err := b.Chips.OpenOutput(gpioline.OutputConfig{Line: name}); !errors.Is(err, gpioline.ErrNoLine) {
			t.Errorf("output %q: %v", name, err)
		}
		if _, err := b.Chips.OpenInputs(gpioline.InputConfig{Lines: []string{"IN_A", name}}); !errors.Is(err, gpioline.ErrNoLine) {
			t.Errorf("input %q: %v", name, err)
		}
	}
	if _, err := b.Chips.OpenInputs(gpioline.InputConfig{}); !errors.Is(err, gpioline.ErrNoLine) {
		t.Errorf("no lines at all: %v", err)
	}
	if _, err := b.Chips.OpenOutput(gpioline.OutputConfig{Line: "gpiochip987:0"}); !errors.Is(err, gpioline.ErrChip) && !errors.Is(err, gpioline.ErrNoLine) {
		t.Errorf("a chip that is not there: %v", err)
	}
	o, err := b.Chips.OpenOutput(gpioline.OutputConfig{Line: where(t, b, "OUT"), On: true})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if !b.Wire("OUT") {
		t.Error("opened by number: the wire is low")
	}
}

// where returns the number of a line.
func where(t *testing.T, b Bench, name string) string {
	t.Helper()
	infos, err := b.Chips.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		if i.Name == name {
			return i.Where()
		}
	}
	t.Fatalf("no line %q in %+v", name, infos)
	return ""
}

func list(t *testing.T, b Bench) {
	openOutput(t, b, gpioline.OutputConfig{Consumer: "a consumer whose name is longer than it may be"})
	openInputs(t, b, gpioline.InputConfig{})
	infos, err := b.Chips.List()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, i := range infos {
		if slices.Contains(Lines, i.Name) {
			seen++
			if i.Consumer == "" || i.Output != (i.Name == "OUT") {
				t.Errorf("%+v", i)
			}
		}
	}
	if seen != len(Lines) {
		t.Errorf("%d lines of %d in %+v", seen, len(Lines), infos)
	}
}

// Edges come in order, each with its line, its level and a time in between.
func edges(t *testing.T, b Bench) {
	b.Drive("IN_B", true)
	in := openInputs(t, b, gpioline.InputConfig{})
	if got, err := in.Active(); err != nil || !slices.Equal(got, []bool{false, true}) {
		t.Fatalf("levels %v, %v", got, err)
	}
	last := time.Now()
	steps := []struct {
		line string
		high bool
	}{{"IN_A", true}, {"IN_B", false}, {"IN_A", false}, {"IN_B", true}}
	for range 10 {
		for _, s := range steps {
			b.Drive(s.line, s.high)
			e, now := next(t, in), time.Now()
			if Lines[e.Line+1] != s.line || e.Active != s.high || e.Lost != 0 {
				t.Fatalf("%+v, want %+v", e, s)
			}
			if e.At.Before(last) || e.At.After(now) {
				t.Fatalf("at %v, not between %v and %v", e.At, last, now)
			}
			last = e.At
		}
	}
	if got, err := in.Active(); err != nil || !slices.Equal(got, []bool{false, true}) {
		t.Errorf("levels %v, %v", got, err)
	}
}

func activeLow(t *testing.T, b Bench) {
	in := openInputs(t, b, gpioline.InputConfig{ActiveLow: true})
	if got, err := in.Active(); err != nil || !slices.Equal(got, []bool{true, true}) {
		t.Fatalf("levels %v, %v", got, err)
	}
	b.Drive("IN_A", true)
	if e := next(t, in); e.Line != 0 || e.Active {
		t.Errorf("%+v", e)
	}
	b.Drive("IN_A", false)
	if e := next(t, in); e.Line != 0 || !e.Active {
		t.Errorf("%+v", e)
	}
}

// Each pulse is one edge, to the active level.
func toActive(t *testing.T, b Bench) {
	for _, low := range []bool{false, true} {
		b.Drive("IN_A", low)
		in := openInputs(t, b, gpioline.InputConfig{ToActive: true, ActiveLow: low})
		const pulses = 20
		for range pulses {
			b.Drive("IN_A", !low)
			b.Drive("IN_A", low)
		}
		for n := range pulses {
			if e := next(t, in); e.Line != 0 || !e.Active || e.Lost != 0 {
				t.Fatalf("pulse %d: %+v", n, e)
			}
		}
		var more [2]gpioline.Edge
		if n, err := in.Read(more[:], 0); n != 0 || err != nil {
			t.Errorf("%d more edges, %v", n, err)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Of a burst only the level that lasts is reported.
func debounce(t *testing.T, b Bench) {
	in := openInputs(t, b, gpioline.InputConfig{Debounce: 200 * time.Millisecond})
	for range 5 {
		b.Drive("IN_B", true)
		b.Drive("IN_B", false)
	}
	b.Drive("IN_B", true)
	if e := next(t, in); e.Line != 1 || !e.Active {
		t.Errorf("%+v", e)
	}
	var more [4]gpioline.Edge
	if n, err := in.Read(more[:], time.Second); n != 0 || err != nil {
		t.Errorf("%d more edges: %+v, %v", n, more[:n], err)
	}
}

// What the kernel dropped is known by its count.
func lostEdges(t *testing.T, b Bench) {
	in := openInputs(t, b, gpioline.InputConfig{})
	const driven = room + 100
	for n := range driven {
		b.Drive("IN_A", n%2 == 0)
	}
	var some [100]gpioline.Edge
	read, lost := 0, 0
	for {
		n, err := in.Read(some[:], 100*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		read += n
		for _, e := range some[:n] {
			lost += int(e.Lost)
		}
	}
	if read != room || lost == 0 || read+lost > driven {
		t.Errorf("%d edges: %d read, %d known lost", driven, read, lost)
	}
}

func nothingHappens(t *testing.T, b Bench) {
	in := openInputs(t, b, gpioline.InputConfig{})
	var some [2]gpioline.Edge
	for _, wait := range []time.Duration{-1, 0, time.Millisecond, 150 * time.Millisecond} {
		if n, err := in.Read(some[:], wait); n != 0 || err != nil {
			t.Errorf("Read for %v: %d, %v", wait, n, err)
		}
	}
	if n, err := in.Read(nil, time.Hour); n != 0 || err != nil {
		t.Errorf("Read into nothing: %d, %v", n, err)
	}
}

// Close ends a Read, and everything after it is refused.
func closed(t *testing.T, b Bench) {
	in, out := openInputs(t, b, gpioline.InputConfig{}), openOutput(t, b, gpioline.OutputConfig{})
	ended := make(chan error, 1)
	go func() {
		var one [1]gpioline.Edge
		_, err := in.Read(one[:], Patience)
		ended <- err
	}()
	if err := errors.Join(in.Close(), out.Close()); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("the Read that waited: %v", err)
	}
	_, err := in.Active()
	for _, err := range []error{err, out.Set(true), in.Close(), out.Close()} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// A chip that is gone is said to be, and its lines are found by name when it is back.
func unplugged(t *testing.T, b Bench) {
	in, out := openInputs(t, b, gpioline.InputConfig{}), openOutput(t, b, gpioline.OutputConfig{On: true})
	before := where(t, b, "OUT")
	b.Unplug()
	var one [1]gpioline.Edge
	_, readErr := in.Read(one[:], Patience)
	_, activeErr := in.Active()
	_, openErr := b.Chips.OpenOutput(gpioline.OutputConfig{Line: before})
	for what, err := range map[string]error{"Read": readErr, "Active": activeErr, "Set": out.Set(false), "OpenOutput": openErr} {
		if !errors.Is(err, gpioline.ErrChip) {
			t.Errorf("%s without the chip: %v", what, err)
		}
	}
	b.Plug()
	if after := where(t, b, "OUT"); after == before {
		t.Errorf("the chip came back as %s although it was held", after)
	}
	if err := out.Set(true); !errors.Is(err, gpioline.ErrChip) {
		t.Errorf("Set on the old chip: %v", err)
	}
	if err := errors.Join(in.Close(), out.Close()); err != nil {
		t.Error(err)
	}
	in = openInputs(t, b, gpioline.InputConfig{})
	openOutput(t, b, gpioline.OutputConfig{On: true})
	b.Drive("IN_B", true)
	if e := next(t, in); e.Line != 1 || !e.Active || !b.Wire("OUT") {
		t.Errorf("on the chip that is back: %+v, OUT %t", e, b.Wire("OUT"))
	}
}
