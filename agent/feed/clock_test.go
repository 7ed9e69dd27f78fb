package feed

import (
	"errors"
	"testing"
	"time"
)

// TestMachineClockIsNotTheCampuss: what expires does so by the campus's time, with
// a machine's clock of 1970 or of 2038.
func TestMachineClockIsNotTheCampuss(t *testing.T) {
	for _, wrong := range []time.Duration{0, -56 * 365 * 24 * time.Hour, 12 * 365 * 24 * time.Hour} {
		s := newSender(t)
		s.start()
		r := s.receiver(nil)
		r.o.Trusted = func(time.Time) bool { return true }
		r.o.Campus = func(now time.Time) time.Time { return now.Add(-wrong) }
		at := func(d time.Duration) time.Time { return r.now().Add(d + wrong) }
		for topic, b := range s.snapshots() {
			if _, err := r.Handle(topic, b, at(0)); !errors.Is(err, ErrNoKeys) {
				t.Fatal(err)
			}
		}
		if _, err := r.Handle(topics.Keys(), s.keys(0, 2), at(50*365*24*time.Hour)); !errors.Is(err, ErrExpired) {
			t.Errorf("a clock wrong by %v: keys of an expired delegation: %v", wrong, err)
		}
		if _, err := r.Handle(topics.Keys(), s.keys(0, 2), at(0)); err != nil {
			t.Errorf("a clock wrong by %v: keys: %v", wrong, err)
		}
		if _, err := r.Handle(topics.Rules(), s.rules(), at(0)); err != nil {
			t.Fatal(err)
		}
		head := s.sealedHead()
		for _, x := range []struct {
			after time.Duration
			fresh bool
		}{{0, true}, {time.Hour, false}} {
			if _, err := r.Handle(topics.Head(), head, at(x.after)); err != nil {
				t.Fatal(err)
			}
			if got := r.c.View().HeadAt.Equal(at(x.after)); got != x.fresh {
				t.Errorf("a clock wrong by %v, a head %v old: heard at %v", wrong, x.after, r.c.View().HeadAt)
			}
			if r.Stale(at(x.after)) == x.fresh {
				t.Errorf("a clock wrong by %v, a head %v old: stale %v", wrong, x.after, x.fresh)
			}
			s.issued += 5000
			head = s.sealedHead()
		}
	}
}
