package wallclock

import (
	"time"

	"turnstile/central/link"
)

// span is what is known of the time: by elapsed it lay between lo and hi.
type span struct {
	lo, hi  time.Time
	elapsed time.Duration
}

// grown returns the span at a later moment.
func (s *span) grown(elapsed time.Duration) span {
	d := max(elapsed-s.elapsed, 0)
	wide := drift(d)
	return span{s.lo.Add(d - wide), s.hi.Add(d + wide), elapsed}
}

// drift is what a crystal can go wrong by.
func drift(d time.Duration) time.Duration { return time.Duration(float64(d)*Drift) + 1 }

func (s span) width() time.Duration { return s.hi.Sub(s.lo) }

// contains reports whether t lies in the span.
func (s span) contains(t time.Time) bool { return !t.Before(s.lo) && !t.After(s.hi) }

// overlaps reports whether one time lies in both.
func (s span) overlaps(o span) bool { return !s.hi.Before(o.lo) && !o.hi.Before(s.lo) }

// best returns the time to go by, and its greatest error: what the machine's
// clock shows if the span allows it, else the middle.
func (s span) best(wall time.Time) (time.Time, time.Duration) {
	if far := max(wall.Sub(s.lo), s.hi.Sub(wall)); s.contains(wall) && far <= MaxBound {
		return wall, far
	}
	half := s.width()/2 + 1
	return s.lo.Add(half), half
}

// word is what the machine says of its clock.
type word struct {
	span
	by Witness // ByNobody: it says nothing
}

// word returns the machine's word. mu is held.
func (c *Clock) word(m moment, synchronised bool, bound time.Duration) word {
	by := ByKernel
	if !synchronised || bound > MaxBound {
		if !c.o.TrustSystem {
			return word{}
		}
		by, bound = ByConfiguration, vouched
	}
	return word{span{m.wall.Add(-bound), m.wall.Add(bound), m.Elapsed}, by}
}

// look reads the monotonic clock. A sleep, or a step of the machine's clock to
// where no witness sees it, may mean that the monotonic clock stood still: what
// rests on it is then doubted. A step back cannot mean that. mu is held.
func (c *Clock) look(now time.Time) moment {
	m := moment{now.Round(0), c.o.Ticks()}
	if l := c.last; l != nil {
		slept := m.Suspended-l.Suspended >= sleep
		stepped := m.wall.Sub(l.wall)-(m.Elapsed-l.Elapsed) > jump
		if slept || stepped {
			c.stirred = m.Elapsed
		}
		if slept || stepped && (ahead(m, c.signed) || ahead(m, c.kept)) {
			c.kept, c.doubted = nil, c.signed != nil
		}
	}
	c.last = &m
	return m
}

// ahead reports whether the machine's clock is later than a span allows.
func ahead(m moment, s *span) bool { return s != nil && m.wall.After(s.grown(m.Elapsed).hi) }

// atLeast is the earliest that it can be by what central signed. Sleep, which
// may be counted too long, does not make it later. mu is held.
func (c *Clock) atLeast(m moment) time.Time {
	d := max(m.awake()-c.least.awake(), 0)
	return c.least.wall.Add(d - drift(d))
}

// raise notes that it was at least t. mu is held.
func (c *Clock) raise(m moment, t time.Time) {
	if t.After(c.atLeast(m)) {
		c.least = moment{t, m.Ticks}
	}
}

// Observe takes a head of central, signed at issued, that was taken at now. It
// proves that it is at least so late and nothing else, however it fits: who holds
// heads back can make them fit a clock that was set back by as much.
func (c *Clock) Observe(issued, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.look(now)
	c.raise(m, issued.Add(-slack))
	if issued.After(c.floor) {
		c.floor = issued
	}
}

// Answer takes central's signed answer to a nonce that was sent when Elapsed was
// asked: it is now between at and at plus the round trip. The caller has checked
// that the nonce was its own and is used once. ErrLate if it came after
// AnswerLife or the machine slept in between, ErrBehind if central signed a time more than MaxBound later before.
func (c *Clock) Answer(at time.Time, asked time.Duration, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.look(now)
	took := m.Elapsed - asked
	if took < 0 || took > AnswerLife || asked <= c.stirred { // its round trip may have been longer than it seems
		return ErrLate
	}
	s := span{at.Add(-slack), at.Add(took + drift(took) + slack + time.Millisecond), m.Elapsed}
	if s.hi.Before(c.floor.Add(-MaxBound)) {
		return ErrBehind
	}
	if s.hi.Before(c.atLeast(m)) { // central's clock was set back: a fresh word is its word now
		c.least = moment{s.lo, m.Ticks}
	}
	c.raise(m, s.lo)
	if at.After(c.floor) {
		c.floor = at
	}
	c.confirm(s)
	return nil
}

// confirm takes a new answer's span, unless the earlier one says more. mu is held.
func (c *Clock) confirm(s span) {
	if old := c.signed; old == nil || c.doubted || !old.grown(s.elapsed).overlaps(s) || s.width() < old.grown(s.elapsed).width() {
		c.signed = &s
	}
	c.confirmed, c.doubted = s.elapsed, false
}

// bySigned judges by the newest answer; false if there is none that says enough.
// mu is held.
func (c *Clock) bySigned(m moment, w word) (r Reading, known bool) {
	if c.signed == nil {
		return r, false
	}
	s := c.signed.grown(m.Elapsed)
	if low := c.atLeast(m); s.lo.Before(low) {
		s.lo = low
	}
	if s.hi.Before(s.lo) || s.width()/2 >= MaxBound { // the monotonic clock stood still unnoticed; or it is too long ago
		c.signed, c.doubted = nil, false
		return r, false
	}
	if c.doubted {
		return c.nothing(m), true
	}
	agrees := w.by != ByNobody && w.overlaps(s)
	r = Reading{State: link.ClockHoldover, By: ByCentral, Disputed: w.by != ByNobody && !agrees}
	r.Time, r.Bound = s.best(m.wall)
	if agrees && w.width() <= 2*Close || r.Bound <= Close && m.Elapsed-c.confirmed <= AnswerStands {
		r.State = link.ClockTrusted
	}
	return r, true
}

// byMachine judges by the machine's word, now or earlier. mu is held.
func (c *Clock) byMachine(m moment, w word) Reading {
	low := c.atLeast(m)
	r := Reading{State: link.ClockHoldover, By: ByKernel}
	if w.by != ByNobody {
		c.kept = &w.span
		if w.hi.Before(low) {
			c.kept = nil
			return c.nothing(m)
		}
		r.Time, r.Bound, r.By = m.wall, w.width()/2, w.by
		if r.Bound <= Close {
			r.State = link.ClockTrusted
		}
		return r
	}
	if c.kept == nil {
		return c.nothing(m)
	}
	s := c.kept.grown(m.Elapsed)
	if s.lo.Before(low) {
		s.lo = low
	}
	if s.hi.Before(s.lo) || s.width()/2 >= MaxBound {
		c.kept = nil
		return c.nothing(m)
	}
	r.Time, r.Bound = s.best(m.wall)
	return r
}

// nothing is the reading of a clock that nobody vouches for. mu is held.
func (c *Clock) nothing(m moment) Reading {
	r := Reading{Time: m.wall, State: link.ClockUntrusted}
	if low := c.atLeast(m); r.Time.Before(low) {
		r.Time = low
	}
	return r
}
