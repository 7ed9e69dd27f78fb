package campus

import (
	"testing"
	"time"

	"turnstile/agent/daemon"
)

// TestLateAnswer: an answer that comes behind a newer one changes nothing, also if all
// clocks were moved meanwhile; one of a clock that was set back or of another start does.
func TestLateAnswer(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, zone)
	c, k := &Campus{changed: make(chan struct{})}, &controller{}
	for i, s := range []struct {
		at, asked, started time.Time
		taken              bool
	}{
		{now, now, now, true},
		{now.Add(time.Second), now, now, true},
		{now.Add(900 * time.Millisecond), now, now, false},
		{now.Add(time.Hour), now.Add(2 * time.Second), now, true},
		{now.Add(time.Second), now.Add(time.Second), now, false},
		{now.Add(-time.Hour), now.Add(2 * time.Second), now, true},
		{now.Add(-time.Hour - time.Second/2), now.Add(time.Second), now.Add(1), true},
	} {
		c.take(k, &daemon.Status{At: s.at, Started: s.started, Feed: daemon.FeedStatus{Seq: uint64(i) + 1}}, s.asked)
		if (k.feed == uint64(i)+1) != s.taken {
			t.Errorf("answer %d: taken %t, want %t", i, !s.taken, s.taken)
		}
	}
}
