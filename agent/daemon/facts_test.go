package daemon

import (
	"testing"
	"time"

	"turnstile/agent/cache"
	"turnstile/central/link"
)

func TestAgeOfTheFeed(t *testing.T) {
	now := time.Now()
	stored := func(d time.Duration) time.Time { return now.Add(-d).Round(0) }
	for name, c := range map[string]struct {
		headAt time.Time
		issued time.Duration // before now
		usable bool
		want   time.Duration
	}{
		"just came":                                {now.Add(-time.Second), time.Second, true, time.Second},
		"was held back for an hour":                {now.Add(-time.Second), time.Hour, true, time.Hour},
		"was held back, by a clock of 1970":        {now.Add(-time.Second), -50 * 365 * 24 * time.Hour, false, time.Second},
		"stored":                                   {stored(time.Minute), time.Minute, true, time.Minute},
		"stored, and nobody knows what time it is": {stored(time.Minute), time.Minute, false, unknownAge},
		"stored in the future":                     {stored(-time.Hour), -time.Hour, true, unknownAge},
		"central's clock is ahead":                 {now.Add(-time.Second), -time.Minute, true, time.Second},
	} {
		issued := now.Add(-c.issued).UnixMilli()
		v := &cache.View{HeadAt: c.headAt, Head: link.Head{Issued: issued}, LevelAt: c.headAt, LevelIssued: issued}
		if got := ageOf(v, now, now, c.usable); got.Round(10*time.Millisecond) != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	ahead := &cache.View{HeadAt: now, Head: link.Head{Issued: now.UnixMilli()}, LevelAt: now.Add(-time.Hour), LevelIssued: now.Add(-time.Hour).UnixMilli()}
	if got := ageOf(ahead, now, now, true); got.Round(10*time.Millisecond) != time.Hour {
		t.Errorf("heads come, what they announce does not: %v", got)
	}
	if got := ageOf(&cache.View{}, now, now, true); got != unknownAge {
		t.Errorf("never: %v", got)
	}
}
