package ledger

import (
	"context"
	"sync"
	"time"

	"turnstile/central/database"
)

// Alarms writes alarms down, the same one at most once in quiet time: what a
// sender can cause a hundred times a second must not write a hundred rows.
type Alarms struct {
	DB  *database.DB
	Now func() time.Time

	mu   sync.Mutex // guards last
	last map[database.Alarm]time.Time
}

const (
	quietTime = 10 * time.Second
	maxKeys   = 4096 // kept apart; beyond it the memory of all is dropped
)

// Raise stores an alarm of a lane ("" for none) about a subject.
func (a *Alarms) Raise(ctx context.Context, code, lane, subject, detail, next string) error {
	now := a.Now()
	if !a.due(database.Alarm{Code: code, Lane: lane, Subject: subject}, now) {
		return nil
	}
	return a.DB.Raise(ctx, database.Alarm{Code: code, Lane: lane, Subject: subject, Latest: now.UnixMilli(), Detail: detail, Next: next})
}

func (a *Alarms) due(key database.Alarm, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t, ok := a.last[key]; ok && now.Sub(t) < quietTime {
		return false
	}
	if a.last == nil || len(a.last) >= maxKeys {
		a.last = map[database.Alarm]time.Time{}
	}
	a.last[key] = now
	return true
}
