package server

import (
	"context"

	"turnstile/central/lease"
	"turnstile/central/retention"
)

// Retention is for how many whole days things are kept, 1 to 3650, until the
// office sets it otherwise. Default 31 each.
type Retention struct {
	Passages int `yaml:"passages"` // from when central received them; and who opened lanes from afar, and why
	Passes   int `yaml:"passes"`   // from the day that they were for
	Photos   int `yaml:"photos"`   // of people without a pass, and what people asked for
}

func (r *Retention) problems(wrong func(bad bool, key, format string, args ...any)) {
	err := retention.Policy(*r).Check()
	wrong(err != nil, "retention", "want 1 to %d days of passages, passes and photos", retention.MaxDays)
}

func (s *central) openRetention(context.Context) error {
	s.eraser = retention.New(retention.Config{DB: s.db, Default: retention.Policy(s.config.Retention), Location: s.location, Now: s.config.Now, Log: s.config.Log})
	return nil
}

// erase lets one of several centrals erase what was kept long enough: the one
// that signs.
func (s *central) erase(ctx context.Context) error {
	return s.leases.Job(lease.Signer).While(ctx, s.eraser.Run)
}
