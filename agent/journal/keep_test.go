package journal

import (
	"testing"
	"time"
)

// TestAJumpingClockDropsNothing: files from 1970 and from the future age from when
// they are seen first, and nothing ages while the clock is not to be trusted.
func TestAJumpingClockDropsNothing(t *testing.T) {
	for name, written := range map[string]time.Time{
		"now": time.Now(), "no battery": time.Unix(3, 0), "future": time.Now().Add(1e4 * time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			d := newMemory()
			now, trusted := time.Now(), false
			j, _ := open(t, d, Options{Budget: 100 * minSegment})
			appendN(t, j, 1, 600)
			if err := j.Ack(600, j.Chain(), 0); err != nil {
				t.Fatal(err)
			}
			j.Close()
			for _, f := range d.files {
				f.changed = written
			}
			j, _ = open(t, d, Options{Keep: time.Hour, Budget: 100 * minSegment})
			j.AgeBy(func() (time.Time, bool) { return now, trusted })
			look := func(what string, kept bool) {
				t.Helper()
				if j.housekeep(); (j.First() == 1) != kept {
					t.Fatalf("%s: the oldest is %d", what, j.First())
				}
			}
			now = now.Add(31 * 24 * time.Hour)
			look("an untrusted clock a month ahead", true)
			now, trusted = now.Add(-31*24*time.Hour), true
			look("the right time", true)
			now = now.Add(30 * time.Minute)
			look("half of the time", true)
			now = now.Add(time.Hour)
			look("its time is over", false)
		})
	}
}
