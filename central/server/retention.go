package server

import (
	"context"
	"fmt"
	"time"

	"turnstile/central/lease"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/retention"
)

// Retention is for how many whole days things are kept, 1 to 3650, until the
// office sets it otherwise under Rules. Default 31 each.
type Retention struct {
	Passages int `yaml:"passages"` // from when central received them; and who opened lanes from afar, and why
	Passes   int `yaml:"passes"`   // from the day that they were for
	Photos   int `yaml:"photos"`   // of people with neither an eCard nor a pass, and what people asked for
}

func (r *Retention) problems(wrong func(bad bool, key, format string, args ...any)) {
	err := retention.Policy(*r).Check()
	wrong(err != nil, "retention", "want 1 to %d days of passages, passes and photos", retention.MaxDays)
}

func (s *central) openRetention(context.Context) error {
	s.eraser = retention.New(retention.Config{DB: s.db, Default: retention.Policy(s.config.Retention), Location: s.location, Now: s.config.Now, Log: s.config.Log,
		Expire: approvals{s}.expire})
	return nil
}

// erase lets one of several centrals erase what was kept long enough: the one
// that signs.
func (s *central) erase(ctx context.Context) error {
	return s.leases.Job(lease.Signer).While(ctx, s.eraser.Run)
}

// keeping is the API's office.Retention.
type keeping struct{ standing[office.Keep] }

func newKeeping(c *central) keeping {
	return keeping{standing[office.Keep]{c, retention.Document, office.Keep(c.config.Retention), checkKeep}}
}

func checkKeep(k office.Keep) error {
	if retention.Policy(k).Check() != nil {
		return office.Refuse(office.ErrInvalid, "A time to keep is 1 to %d days.", office.MaxKeep)
	}
	return nil
}

func (s keeping) PreviewRetention(ctx context.Context, k office.Keep) (office.Erasure, error) {
	if err := checkKeep(k); err != nil {
		return office.Erasure{}, err
	}
	before := func(days int) time.Time { return s.eraser.Before(days) }
	e := office.Erasure{PassagesBefore: before(k.Passages), PassesBefore: pass.DayOf(before(k.Passes)), PhotosBefore: before(k.Photos)}
	n, err := s.db.CountErasable(ctx, e.PassagesBefore.UnixMilli(), e.PassesBefore, e.PhotosBefore.UnixMilli())
	if err != nil {
		return e, fmt.Errorf("count what would be erased: %w", err)
	}
	e.Passages, e.Passes, e.Photos, e.Requests, e.Commands, e.FirstPass = n.Passages, n.Passes, n.Photos+n.Undecided, n.Requests, n.Commands, n.FirstPass
	if n.FirstPassage != 0 {
		e.FirstPassage = time.UnixMilli(n.FirstPassage)
	}
	return e, nil
}
