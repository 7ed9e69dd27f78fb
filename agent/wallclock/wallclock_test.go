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
	ticks        Ticks
	paused       time.Duration // time that its monotonic clock does not know of
	wrong        time.Duration // how far its wall clock is off
}

var start = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// boot1970 is how wrong a board without a clock is that begins in 1970.
var boot1970 = time.Unix(0, 0).Sub(start)

func (m *machine) ask() (bool, time.Duration, error) { return m.synchronised, m.bound, m.err }
func (m *machine) truth() time.Time                  { return start.Add(m.ticks.Elapsed + m.paused) }
func (m *machine) now() time.Time                    { return m.truth().Add(m.wrong) }
func (m *machine) pass(d time.Duration)              { m.ticks.Elapsed += d }

func (m *machine) clock(o Options) *Clock {
	o.Source, o.Ticks = m.ask, func() Ticks { return m.ticks }
	return New(o)
}

func (m *machine) check(t *testing.T, c *Clock, want link.ClockState, bound uint16) {
	t.Helper()
	if s, b := c.State(m.now()); s != want || b != bound {
		t.Fatalf("%s, bound %d; want %s, %d", s, b, want, bound)
	}
}

// right checks that the clock claims something, and that it is so.
func (m *machine) right(t *testing.T, c *Clock, want link.ClockState) Reading {
	t.Helper()
	r := c.Read(m.now())
	if r.State != want {
		t.Fatalf("%s by %s, want %s", r.State, r.By, want)
	}
	if wrong := r.Time.Sub(m.truth()).Abs(); wrong > r.Bound {
		t.Fatalf("%s is wrong by %v, beyond its bound of %v", r.Time, wrong, r.Bound)
	}
	if got := m.now().Add(r.Offset); !got.Equal(r.Time) {
		t.Fatalf("offset %v does not lead to %v", r.Offset, r.Time)
	}
	return r
}

// answer lets central answer at once; the answer is under way for d.
func (m *machine) answer(t *testing.T, c *Clock, d time.Duration) {
	t.Helper()
	m.pass(time.Microsecond)
	asked := c.Elapsed()
	m.pass(d / 2)
	at := m.truth()
	m.pass(d / 2)
	if err := c.Answer(at, asked, m.now()); err != nil {
		t.Fatal(err)
	}
}

func TestByTheKernel(t *testing.T) {
	m := &machine{}
	c := m.clock(Options{})
	m.check(t, c, link.ClockUntrusted, Unknown)
	m.synchronised, m.bound = true, 1500*time.Millisecond
	m.check(t, c, link.ClockTrusted, 2)
	m.synchronised = false
	m.pass(24 * time.Hour)
	m.check(t, c, link.ClockHoldover, 11)
	m.pass(7 * 24 * time.Hour)
	m.check(t, c, link.ClockUntrusted, Unknown)
	m.synchronised, m.bound = true, 30*time.Second
	m.check(t, c, link.ClockHoldover, 30)
	m.bound = 2 * time.Minute
	m.check(t, c, link.ClockHoldover, 31)
	m.bound, m.err = 0, errors.New("no such call")
	m.pass(7 * 24 * time.Hour)
	m.check(t, c, link.ClockUntrusted, Unknown)
	if c.Trusted(m.now()) {
		t.Fatal("untrusted is trusted")
	}
}

// TestHeadsAreALowerBoundAlone: a head that fits the clock proves nothing, for
// who holds heads back could have made it fit.
func TestHeadsAreALowerBoundAlone(t *testing.T) {
	m := &machine{wrong: -time.Hour}
	c := m.clock(Options{})
	c.Observe(m.now(), m.now())
	m.check(t, c, link.ClockUntrusted, Unknown)
	if r := c.Read(m.now()); !r.Time.Equal(m.now()) || r.Offset != 0 {
		t.Fatalf("%+v", r)
	}
	c.Observe(m.truth(), m.now())
	if low := c.Time(m.now()); low.After(m.truth()) || m.truth().Sub(low) > slack+1 {
		t.Fatalf("after a head of %v it is at least %v", m.truth(), low)
	}
	m.pass(time.Hour)
	if low := c.Time(m.now()); low.After(m.truth()) || m.truth().Sub(low) > 2*slack {
		t.Fatal("the lower bound does not go on with the time")
	}
}

func TestKernelBehindCentral(t *testing.T) {
	m := &machine{synchronised: true, wrong: -time.Hour}
	c := m.clock(Options{TrustSystem: true})
	m.check(t, c, link.ClockTrusted, 0) // as far as anybody can tell
	c.Observe(m.truth(), m.now())
	m.check(t, c, link.ClockUntrusted, Unknown)
	m.pass(10 * time.Minute)
	m.check(t, c, link.ClockUntrusted, Unknown)
	m.wrong = 0
	m.check(t, c, link.ClockTrusted, 0)
}

// TestBoardWithoutAClock: 1970 at each start. The floor outlives the restart, one
// answer is enough to decide by, and nobody sets the machine's clock.
func TestBoardWithoutAClock(t *testing.T) {
	m := &machine{wrong: boot1970}
	floor := start.Add(-time.Hour)
	c := m.clock(Options{Floor: floor})
	m.check(t, c, link.ClockUntrusted, Unknown)
	if got := c.Time(m.now()); got.Before(floor.Add(-2*slack)) || got.After(m.truth()) {
		t.Fatalf("the time after the start is %v", got)
	}
	m.answer(t, c, 80*time.Millisecond)
	r := m.right(t, c, link.ClockTrusted)
	if r.By != ByCentral || r.Bound > 2*time.Second || r.Offset < 50*365*24*time.Hour {
		t.Fatalf("%+v", r)
	}
	m.pass(12 * time.Hour) // central is gone
	m.right(t, c, link.ClockHoldover)
	m.synchronised, m.wrong = true, 0 // a time server is found, and the daemon steps the clock
	if r := m.right(t, c, link.ClockTrusted); r.Offset != 0 || r.Disputed {
		t.Fatalf("%+v", r)
	}
}

// TestJumpsWhileRunning: a day and a minute both ways, without and with an
// answer, and back again.
func TestJumpsWhileRunning(t *testing.T) {
	for _, d := range []time.Duration{-24 * time.Hour, -time.Minute, -3 * time.Second, 3 * time.Second, time.Minute, 24 * time.Hour} {
		for _, answered := range []bool{false, true} {
			m := &machine{synchronised: true, bound: 500 * time.Millisecond}
			c := m.clock(Options{})
			if answered {
				m.answer(t, c, 10*time.Millisecond)
			}
			m.right(t, c, link.ClockTrusted)
			m.synchronised = false // as the kernel does when the clock is set
			m.wrong = d
			if d < 0 { // the monotonic clock cannot have run ahead: it goes on by that
				want := link.ClockHoldover
				if answered {
					want = link.ClockTrusted
				}
				m.right(t, c, want)
				continue
			}
			m.check(t, c, link.ClockUntrusted, Unknown) // a sleep that nobody counted looks the same
			m.wrong = 0
			m.check(t, c, link.ClockUntrusted, Unknown) // who moved it twice is not believed either
			m.wrong = d
			if !c.Wants(m.now()) {
				t.Fatal("does not ask")
			}
			m.answer(t, c, 10*time.Millisecond)
			m.right(t, c, link.ClockTrusted)
		}
	}
}

// TestJumpsAcrossARestart: the process is new, the clock was set meanwhile.
func TestJumpsAcrossARestart(t *testing.T) {
	floor := start.Add(-10 * time.Second) // the newest signed head before it
	for _, d := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		m := &machine{wrong: d}
		c := m.clock(Options{Floor: floor})
		m.check(t, c, link.ClockUntrusted, Unknown)
		if got := c.Time(m.now()); got.Before(floor.Add(-2 * slack)) {
			t.Fatal("behind the floor")
		}
		m.answer(t, c, time.Second)
		m.right(t, c, link.ClockTrusted)
	}
	m := &machine{wrong: -24 * time.Hour, synchronised: true} // and a time server that lies about it
	c := m.clock(Options{Floor: floor})
	m.check(t, c, link.ClockUntrusted, Unknown)
}

func TestSmallStepsAndLeapSeconds(t *testing.T) {
	for _, d := range []time.Duration{-time.Second, -500 * time.Millisecond, 500 * time.Millisecond, time.Second} {
		m := &machine{synchronised: true, bound: 20 * time.Millisecond}
		c := m.clock(Options{})
		m.answer(t, c, 10*time.Millisecond)
		m.wrong = d // this machine repeats the second, or central does, or one of them smears it
		r := c.Read(m.now())
		if r.State != link.ClockTrusted || r.Disputed || r.Bound > 3*time.Second {
			t.Fatalf("%v: %+v", d, r)
		}
		m.right(t, c, link.ClockTrusted)
		if err := c.Answer(m.truth().Add(d), c.Elapsed(), m.now()); err != nil {
			t.Fatal(err)
		}
		m.right(t, c, link.ClockTrusted)
	}
	m := &machine{synchronised: true, bound: time.Second}
	c := m.clock(Options{})
	m.check(t, c, link.ClockTrusted, 1)
	m.synchronised, m.wrong = false, -1500*time.Millisecond
	m.right(t, c, link.ClockHoldover)
}

// TestALyingTimeServer: an answer is believed against it, and without one it is
// believed itself, which is the stated limit.
func TestALyingTimeServer(t *testing.T) {
	m := &machine{synchronised: true, bound: time.Millisecond, wrong: -24 * time.Hour}
	c := m.clock(Options{})
	m.check(t, c, link.ClockTrusted, 1)
	m.answer(t, c, 100*time.Millisecond)
	r := m.right(t, c, link.ClockTrusted)
	if !r.Disputed || r.By != ByCentral {
		t.Fatalf("%+v", r)
	}
	m.wrong = 24 * time.Hour // now it lies the other way
	m.check(t, c, link.ClockUntrusted, Unknown)
	m.answer(t, c, 100*time.Millisecond)
	if r := m.right(t, c, link.ClockTrusted); !r.Disputed {
		t.Fatalf("%+v", r)
	}
}

// TestSlewingTimeServer: one that pulls the clock slowly is found out as soon as
// an answer's span is left; nobody is shaken by it.
func TestSlewingTimeServer(t *testing.T) {
	m := &machine{synchronised: true, bound: time.Millisecond}
	c := m.clock(Options{})
	m.answer(t, c, 100*time.Millisecond)
	for range 3600 {
		m.pass(time.Second)
		m.wrong += 500 * time.Microsecond
		m.right(t, c, link.ClockTrusted)
	}
	m.pass(3 * time.Hour)
	m.wrong = time.Minute // in steps below jump that this test does not take one by one
	c.last = nil
	if r := m.right(t, c, link.ClockHoldover); !r.Disputed {
		t.Fatalf("%+v", r)
	}
}

func TestSuspended(t *testing.T) {
	for _, answered := range []bool{true, false} {
		m := &machine{synchronised: true, bound: 500 * time.Millisecond}
		c := m.clock(Options{})
		if answered {
			m.answer(t, c, 10*time.Millisecond)
		}
		m.right(t, c, link.ClockTrusted)
		m.synchronised = false
		m.ticks.Suspended += time.Hour
		m.pass(time.Hour)
		m.check(t, c, link.ClockUntrusted, Unknown)
		if !c.Wants(m.now()) {
			t.Fatal("does not ask")
		}
		m.answer(t, c, 10*time.Millisecond)
		m.right(t, c, link.ClockTrusted)
	}
}

// TestPausedUnnoticed: a frozen virtual machine. Nothing in it knows, until its
// clock is set or central speaks.
func TestPausedUnnoticed(t *testing.T) {
	m := &machine{synchronised: true, bound: 500 * time.Millisecond}
	c := m.clock(Options{})
	m.answer(t, c, 10*time.Millisecond)
	m.right(t, c, link.ClockTrusted)
	m.synchronised, m.paused = false, time.Hour // and the host sets its clock
	m.check(t, c, link.ClockUntrusted, Unknown)
	m.answer(t, c, 10*time.Millisecond)
	m.right(t, c, link.ClockTrusted)
	m.paused, m.wrong = 2*time.Hour, -time.Hour // now it does not
	c.Observe(m.truth(), m.now())
	m.check(t, c, link.ClockUntrusted, Unknown)
	if !c.Wants(m.now()) {
		t.Fatal("does not ask")
	}
	m.answer(t, c, 10*time.Millisecond)
	m.right(t, c, link.ClockTrusted)
}

func TestAnswersThatProveNothing(t *testing.T) {
	m := &machine{wrong: boot1970}
	c := m.clock(Options{Floor: start.Add(-time.Hour)})
	asked := c.Elapsed()
	at := m.truth()
	m.pass(AnswerLife + 1)
	if err := c.Answer(at, asked, m.now()); !errors.Is(err, ErrLate) {
		t.Fatal(err)
	}
	if err := c.Answer(at, c.Elapsed()+1, m.now()); !errors.Is(err, ErrLate) {
		t.Fatal("an answer before its question", err)
	}
	if err := c.Answer(start.Add(-62*time.Minute), c.Elapsed(), m.now()); !errors.Is(err, ErrBehind) {
		t.Fatal(err)
	}
	m.check(t, c, link.ClockUntrusted, Unknown)
	m.pass(time.Minute)
	m.answer(t, c, AnswerLife) // the last that counts
	if r := m.right(t, c, link.ClockHoldover); r.Bound < AnswerLife/2 || r.Bound > AnswerLife/2+2*slack {
		t.Fatalf("%+v", r)
	}
	m.answer(t, c, time.Second) // a better one
	r := m.right(t, c, link.ClockTrusted)
	m.answer(t, c, AnswerLife) // a worse one takes nothing away
	if after := m.right(t, c, link.ClockTrusted); after.Bound > r.Bound+time.Millisecond*10 {
		t.Fatalf("%v, then %v", r.Bound, after.Bound)
	}
}

// TestCentralSetBack: a minute is healed by the next answer.
func TestCentralSetBack(t *testing.T) {
	m := &machine{}
	c := m.clock(Options{})
	if err := c.Answer(m.truth().Add(50*time.Second), c.Elapsed(), m.now()); err != nil {
		t.Fatal(err)
	}
	c.Observe(m.truth().Add(50*time.Second), m.now())
	m.pass(time.Minute)
	m.answer(t, c, 10*time.Millisecond)
	m.right(t, c, link.ClockTrusted)
}

func TestWants(t *testing.T) {
	m := &machine{synchronised: true}
	c := m.clock(Options{})
	if !c.Wants(m.now()) {
		t.Fatal("a lane that was never answered does not ask")
	}
	m.answer(t, c, time.Millisecond)
	if c.Wants(m.now()) {
		t.Fatal("asks again at once")
	}
	m.pass(AnswerEvery)
	if !c.Wants(m.now()) {
		t.Fatal("does not ask again")
	}
}

func TestCheckAt(t *testing.T) {
	from, until := start.Add(-24*time.Hour), start.Add(24*time.Hour)
	in := func(at time.Time) bool { return at.After(from) && at.Before(until) }
	for name, x := range map[string]struct {
		wrong time.Duration
		floor time.Time
		want  bool
	}{
		"1970, new":                 {boot1970, time.Time{}, true},
		"1970, floor":               {boot1970, start, true},
		"ten years ahead":           {10 * 365 * 24 * time.Hour, start, true},
		"expired, as central shows": {0, until.Add(time.Minute), false},
		"expired, and 1970":         {boot1970, until.Add(time.Minute), false},
		"begins after the floor":    {0, from.Add(-time.Hour), true},
	} {
		m := &machine{wrong: x.wrong, synchronised: true}
		c := m.clock(Options{Floor: x.floor})
		if got := c.CheckAt(m.now(), from, until); in(got) != x.want {
			t.Errorf("%s: checked at %v", name, got)
		}
	}
	m := &machine{wrong: boot1970}
	c := m.clock(Options{})
	m.answer(t, c, time.Second)
	m.pass(25 * time.Hour)
	if got := c.CheckAt(m.now(), from, until); in(got) {
		t.Errorf("with an answer checked at %v", got)
	}
}

func TestTrustSystem(t *testing.T) {
	m := &machine{}
	c := m.clock(Options{TrustSystem: true})
	m.check(t, c, link.ClockTrusted, 2)
	if r := c.Read(m.now()); r.By != ByConfiguration {
		t.Fatal(r.By)
	}
	m.wrong = -time.Hour
	m.answer(t, c, time.Second)
	if r := m.right(t, c, link.ClockTrusted); !r.Disputed {
		t.Fatal("who vouches for a wrong clock is not contradicted")
	}
}

func TestKernelAnswers(t *testing.T) {
	if _, bound, err := Kernel(); err != nil || bound < 0 {
		t.Fatalf("%v %v", bound, err)
	}
	before := Monotonic()
	if after := Monotonic(); after.Elapsed < before.Elapsed-settled || after.Elapsed <= 0 {
		t.Fatalf("%v, then %v", before, after)
	}
	now := time.Now()
	r := New(Options{TrustSystem: true}).Read(now)
	if r.State != link.ClockTrusted || r.Time != now {
		t.Fatalf("%+v", r)
	}
	for w, name := range []string{"nobody", "kernel", "configuration", "central", "central"} {
		if Witness(w).String() != name {
			t.Fatal(w, Witness(w))
		}
	}
}
