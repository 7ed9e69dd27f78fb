package uplink

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"turnstile/agent/feed"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
)

// timing is one session's question for the time. Its clock is the monotonic one
// that no time server steers.
type timing struct {
	open  bool // nonce waits for its answer
	nonce link.Nonce
	asked time.Duration // Elapsed when nonce was sent
	next  time.Duration // Elapsed of the earliest next question
	gap   time.Duration
}

// askTime asks for the time when the clock wants it. A new question ends the one
// before: an answer to that is too slow to be of use.
func (s *session) askTime() error {
	u, t := s.u, &s.timing
	elapsed := u.c.Clock.Elapsed()
	if elapsed < t.next || !u.c.Clock.Wants(u.c.Now()) || u.c.Feed.Delegation() == nil {
		return nil // without the delegation nobody could tell whose answer it is
	}
	rand.Read(t.nonce[:]) // never fails (crypto/rand)
	t.gap = min(max(2*t.gap, askFirst), askLongest)
	t.open, t.asked, t.next = true, elapsed, elapsed+t.gap
	return s.publishAsk(link.Ask{Lane: u.c.Identity.Lane, Want: link.WantTime, Nonce: t.nonce[:]})
}

// ofTime reports whether a message answers a question for the time.
func (s *session) ofTime(m message) bool { return m.topic == s.u.topics.Time(s.u.c.Identity.Lane) }

// takeTime takes an answer. What does not fit the open question is refused, be it
// a repeat or meant for another lane: each nonce is good once, and only until the
// next is made.
func (s *session) takeTime(payload []byte, now time.Time) {
	u := s.u
	err := s.answer(payload, now)
	switch {
	case err == nil:
		u.c.Log.Debug("central told the time", "clock", u.c.Clock.Read(now))
	case errors.Is(err, wallclock.ErrLate):
		u.c.Log.Info("central's answer about the time came too late", "error", err)
	default:
		u.refuse(&feed.Refused{Type: link.TypeTime, Err: err})
	}
}

func (s *session) answer(payload []byte, now time.Time) error {
	u, t := s.u, &s.timing
	d := u.c.Feed.Delegation()
	if d == nil {
		return feed.ErrNoKeys
	}
	a, err := link.Open[link.Time](payload, link.TypeTime, u.c.Identity.Site, link.KeysOf(d.Status...), link.MaxState)
	switch {
	case err != nil:
		return err
	case a.Lane != u.c.Identity.Lane:
		return feed.ErrOther
	case !t.open || a.Nonce != t.nonce:
		return fmt.Errorf("%w: no question waits for this time", feed.ErrOld)
	}
	t.open = false
	err = u.c.Clock.Answer(time.UnixMilli(a.At), t.asked, now)
	switch {
	case errors.Is(err, wallclock.ErrBehind):
		return fmt.Errorf("%w: %w", feed.ErrRollback, err)
	case err == nil:
		t.next, t.gap = 0, 0 // the clock says when it wants the next
	}
	return err
}
