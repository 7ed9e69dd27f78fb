package wallclock

import (
	"errors"
	"testing"
	"time"

	"turnstile/central/link"
)

// machine is a lane's computer: what its kernel says, and how its clocks stand.
type machine struct {
	synchronised bool
	bound        time.Duration
	err          error
	mono         time.Duration
	wrong        time.Duration // how far its wall clock is off
}

var start = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

func (m *machine) ask() (bool, time.Duration, error) { return m.synchronised, m.bound, m.err }
func (m *machine) truth() time.Time                  { return start.Add(m.mono) }
func (m *machine) now() time.Time                    { return m.truth().Add(m.wrong) }

func (m *machine) clock(o Options) *Clock {
	o.Source, o.Mono = m.ask, func() time.Duration { return m.mono }
	return New(o)
}

func (m *machine) check(t *testing.T, c *Clock, want link.ClockState, bound uint16) {
	t.Helper()
	if s, b := c.State(m.now()); s != want || b != bound {
		t.Fatalf("%s, bound %d; want %s, %d", s, b, want, bound)
	}
}

func TestStates(t *testing.T) {
	m := &machine{}
	c := m.clock(Options{})
	m.check(t, c, link.ClockUntrusted, Unknown)
	m.synchronised, m.bound = true, 1500*time.Millisecond
	m.check(t, c, link.ClockTrusted, 2)
	m.synchronised = false
	m.mono += 24 * time.Hour
	m.check(t, c, link.ClockHoldover, 11)
	m.mono += 7 * 24 * time.Hour
	m.check(t, c, link.ClockUntrusted, Unknown)
	m.synchronised, m.bound = true, 2*time.Minute
	m.check(t, c, link.ClockUntrusted, Unknown)
	m.bound, m.err = 0, errors.New("no such call")
	m.check(t, c, link.ClockUntrusted, Unknown)
	if c.Trusted(m.now()) {
		t.Fatal("untrusted is trusted")
	}
}

func TestHeadsAreAWitness(t *testing.T) {
	m := &machine{}
	c := m.clock(Options{})
	next := 5 * time.Second
	c.Observe(m.truth().Add(-time.Minute), m.now(), next) // held back: proves little
	m.check(t, c, link.ClockUntrusted, Unknown)
	c.Observe(m.truth().Add(-500*time.Millisecond), m.now(), next)
	m.check(t, c, link.ClockHoldover, 3)
	m.mono += 3 * time.Hour
	m.check(t, c, link.ClockHoldover, 4)
	c.Observe(m.truth(), m.now(), next)
	m.check(t, c, link.ClockHoldover, 2)
}

func TestClockBehindCentral(t *testing.T) {
	m := &machine{synchronised: true, wrong: -time.Hour}
	c := m.clock(Options{TrustSystem: true})
	m.check(t, c, link.ClockTrusted, 0) // as far as anybody can tell
	c.Observe(m.truth(), m.now(), time.Second)
	m.check(t, c, link.ClockUntrusted, Unknown)
	if got := c.Time(m.now()); !got.Equal(m.truth()) {
		t.Fatalf("certificates are checked at %v", got)
	}
	m.mono += 10 * time.Minute
	m.check(t, c, link.ClockUntrusted, Unknown)
	if got := c.Time(m.now()); !got.Equal(m.truth()) {
		t.Fatal("the lower bound does not go on with the time")
	}
	m.wrong = 0
	m.check(t, c, link.ClockTrusted, 0)
}

func TestFloorOutlivesARestart(t *testing.T) {
	m := &machine{synchronised: true, wrong: -20000 * 24 * time.Hour} // a board without a clock: 1972
	c := m.clock(Options{Floor: start.Add(-time.Hour)})
	m.check(t, c, link.ClockUntrusted, Unknown)
	if !c.Time(m.now()).Equal(start.Add(-time.Hour)) {
		t.Fatal("certificates are checked in 1972")
	}
	m.wrong = 0
	m.check(t, c, link.ClockTrusted, 0)
}

func TestJumpWithoutSynchronisation(t *testing.T) {
	for _, d := range []time.Duration{-24 * time.Hour, -time.Minute, time.Minute, 24 * time.Hour} {
		m := &machine{synchronised: true, bound: time.Second}
		c := m.clock(Options{})
		m.check(t, c, link.ClockTrusted, 1)
		m.synchronised = false
		m.check(t, c, link.ClockHoldover, 1)
		m.wrong = d
		m.check(t, c, link.ClockUntrusted, Unknown)
		m.wrong = 0 // back again: who moved it twice is not believed either
		m.check(t, c, link.ClockUntrusted, Unknown)
		m.synchronised, m.wrong = true, 0
		m.check(t, c, link.ClockTrusted, 1)
	}
}

func TestSmallSlewIsHoldover(t *testing.T) {
	m := &machine{synchronised: true, bound: time.Second}
	c := m.clock(Options{})
	m.check(t, c, link.ClockTrusted, 1)
	m.synchronised, m.wrong = false, 1500*time.Millisecond // a leap second and a step of a daemon that then died
	m.check(t, c, link.ClockHoldover, 1)
}

func TestTrustSystem(t *testing.T) {
	m := &machine{}
	m.check(t, m.clock(Options{TrustSystem: true}), link.ClockTrusted, 2)
}

func TestKernelAnswers(t *testing.T) {
	if _, bound, err := Kernel(); err != nil || bound < 0 {
		t.Fatalf("%v %v", bound, err)
	}
	if s, _ := New(Options{TrustSystem: true}).State(time.Now()); s != link.ClockTrusted {
		t.Fatal(s)
	}
}
