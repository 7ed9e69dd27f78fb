package netid

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/central/database"
	"turnstile/central/letters"
)

// How often reminders are looked for, and how many at once.
const (
	round = 10 * time.Minute
	batch = 200
)

// quarter is the moment n quarters after a password was changed, by the calendar.
func (d *Directory) quarter(changed time.Time, n int) time.Time {
	c := changed.In(d.config.Location)
	t := c.AddDate(0, 3*n, 0)
	if t.Day() != c.Day() { // there is no 31st: the last of the month
		t = t.AddDate(0, 0, -t.Day())
	}
	return t
}

// quarters returns how many whole quarters old a password is.
func (d *Directory) quarters(changed, now time.Time) (n int) {
	for !d.quarter(changed, n+1).After(now) {
		n++
	}
	return n
}

// Remind writes an advice to who has had a NetPassword for a quarter, and a reminder
// to who has had it for half a year, and so on: one letter for each quarter at most,
// whatever stood still meanwhile, and none at night. It returns how many it wrote.
// Two centrals that do this at once write none twice.
func (d *Directory) Remind(ctx context.Context) (written int, err error) {
	for {
		now := d.config.Now().In(d.config.Location)
		if letters.Night(now) {
			return written, nil
		}
		list, err := d.config.DB.DueNetIDs(ctx, now.UnixMilli(), batch)
		if err != nil {
			return written, fmt.Errorf("look for reminders: %w", err)
		}
		for _, n := range list {
			more, err := d.remind(ctx, n, now)
			if err != nil && !errors.Is(err, database.ErrConflict) {
				return written, err
			}
			written += more
		}
		if written > 0 {
			d.posted()
		}
		if len(list) < batch {
			return written, nil
		}
	}
}

// remind writes one letter, or none to who has no address.
func (d *Directory) remind(ctx context.Context, n database.NetID, now time.Time) (written int, err error) {
	changed := time.UnixMilli(n.Changed)
	age := d.quarters(changed, now)
	write := letters.Advice
	if age >= 2 && age%2 == 0 {
		write = letters.Reminder
	}
	var mails []database.Letter
	if n.Email != "" {
		l, err := d.letter(write(letters.Language(n.Lang), changed.In(d.config.Location), d.page("/netid/password")), n.Email)
		if err != nil {
			return 0, err
		}
		mails = append(mails, l)
	}
	if err := d.config.DB.Reminded(ctx, n, d.quarter(changed, age+1).UnixMilli(), mails...); err != nil {
		return 0, fmt.Errorf("write a reminder: %w", err)
	}
	return len(mails), nil
}

// Run reminds, and erases what has expired, until ctx ends. One central does it for
// all: run it under a lease.
func (d *Directory) Run(ctx context.Context) error {
	t := time.NewTicker(round)
	defer t.Stop()
	for {
		n, err := d.Remind(ctx)
		if n > 0 {
			d.config.Log.Info("reminded of NetPasswords", "letters", n)
		}
		err = errors.Join(err, d.config.DB.PruneNetID(ctx, d.now()))
		if err != nil && ctx.Err() == nil {
			d.config.Log.Warn("remind of NetPasswords; it is tried again", "cause", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}
