// Package retention erases personal data from central's database when it was
// kept long enough.
//
// Passages go with the chain value behind them, so that the ledger that remains
// can still be verified; passes go with the names in them, photos with the eCard
// and the last pass of their holder. What people asked for and nobody decided is
// closed. Numbers stay: how many passes were issued, and how many passages there were
// each hour.
package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"turnstile/central/database"
	"turnstile/central/pass"
)

// MaxDays bounds what a policy can ask for, in days.
const MaxDays = 3650

// Policy is for how many whole days after its own something is kept, 1 to MaxDays.
type Policy struct {
	Passages int `yaml:"passages" json:"passages"` // from when central received them; and who opened lanes from afar, and why
	Passes   int `yaml:"passes" json:"passes"`     // from the day that they were for; names, purposes and codes with them
	Photos   int `yaml:"photos" json:"photos"`     // of people with neither an eCard nor a pass; and what people asked for, from the decision
}

// DefaultPolicy keeps everything for a month.
func DefaultPolicy() Policy { return Policy{31, 31, 31} }

// Check returns ErrPolicy if a number is out of bounds.
func (p Policy) Check() error {
	for _, days := range []int{p.Passages, p.Passes, p.Photos} {
		if days < 1 || days > MaxDays {
			return fmt.Errorf("%w: %d", ErrPolicy, days)
		}
	}
	return nil
}

// ErrPolicy is what Check refuses.
var ErrPolicy = errors.New("a time to keep is 1 to 3650 days")

// Config of an Eraser.
type Config struct {
	DB       *database.DB
	Default  Policy // in force until one was set
	Location *time.Location
	Now      func() time.Time
	Log      *slog.Logger
	// Expire closes what people asked for before a time and nobody decided, photos
	// included, and returns how many that were; nil: nobody asks for anything.
	Expire func(ctx context.Context, before time.Time) (int, error)
}

// Eraser erases by a policy. Its methods are safe for concurrent use.
type Eraser struct{ config Config }

// New returns an Eraser that Run lets work.
func New(c Config) *Eraser { return &Eraser{c} }

// Document is what the policy is stored as, in versions.
const Document = "retention"

// Policy returns the policy in force and its version, 0 for the default.
func (e *Eraser) Policy(ctx context.Context) (p Policy, version uint64, err error) {
	version, body, err := e.config.DB.Document(ctx, Document)
	if errors.Is(err, database.ErrNotFound) {
		return e.config.Default, 0, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &p)
	}
	if err != nil {
		return p, 0, fmt.Errorf("read retention policy: %w", err)
	}
	return p, version, p.Check()
}

// eraseEvery is how often what is over is looked for.
const eraseEvery = time.Hour

// Run erases at once and then every hour until ctx ends. A failure is logged and
// tried again with the next hour.
func (e *Eraser) Run(ctx context.Context) error {
	tick := time.NewTicker(eraseEvery)
	defer tick.Stop()
	for {
		if _, err := e.Erase(ctx); err != nil && ctx.Err() == nil {
			e.config.Log.Error("erase what was kept long enough", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Counts are what was erased.
type Counts struct{ Passages, Passes, Photos, Commands int }

// together is how many rows go in one transaction: lanes and office wait for
// none longer than a moment.
const together = 1000

// answersKept is how long the API gives an answer again for an Idempotency-Key, which
// holds names and codes.
const answersKept = 24 * time.Hour

// Before returns the campus midnight before which is over what is kept for so many
// whole days.
func (e *Eraser) Before(days int) time.Time {
	today := e.config.Now().In(e.config.Location)
	return time.Date(today.Year(), today.Month(), today.Day()-days, 0, 0, 0, 0, e.config.Location)
}

// Erase erases what is over by now. What one part cannot erase does not keep the
// others.
func (e *Eraser) Erase(ctx context.Context) (n Counts, err error) {
	p, _, err := e.Policy(ctx)
	if err != nil {
		return n, err
	}
	var errs [6]error
	n.Passages, errs[0] = e.passages(ctx, e.Before(p.Passages).UnixMilli())
	n.Passes, errs[1] = parts(func() (int, error) {
		return e.config.DB.ErasePasses(ctx, pass.DayOf(e.Before(p.Passes)), together)
	})
	n.Photos, errs[2] = parts(func() (int, error) {
		return e.config.DB.ErasePhotos(ctx, e.Before(p.Photos).UnixMilli(), together)
	})
	if e.config.Expire != nil {
		var expired int
		expired, errs[5] = e.config.Expire(ctx, e.Before(p.Photos))
		n.Photos += expired
	}
	n.Commands, errs[3] = parts(func() (int, error) {
		return e.config.DB.EraseCommands(ctx, e.Before(p.Passages).UnixMilli(), together)
	})
	_, errs[4] = parts(func() (int, error) {
		return e.config.DB.EraseRequests(ctx, e.config.Now().Add(-answersKept).UnixMilli(), together)
	})
	err = errors.Join(errs[:]...)
	if n == (Counts{}) {
		return n, err
	}
	said := fmt.Sprintf("%d passages, %d passes, %d photos and requests, texts of %d commands", n.Passages, n.Passes, n.Photos, n.Commands)
	e.config.Log.Info("erased what was kept long enough", "passages", n.Passages, "passes", n.Passes, "photos", n.Photos, "commands", n.Commands)
	return n, errors.Join(err, e.config.DB.Audit(ctx, e.config.Now().UnixMilli(), "retention", "erase", Document, said), e.config.DB.Overwrite(ctx))
}

// passages erases the old entries of all journals.
func (e *Eraser) passages(ctx context.Context, before int64) (n int, err error) {
	journals, err := e.config.DB.Journals(ctx)
	if err != nil {
		return 0, fmt.Errorf("list journals: %w", err)
	}
	var errs []error
	for _, j := range journals {
		erased, err := parts(func() (int, error) {
			return e.config.DB.EraseEntries(ctx, j, before, together, e.config.Now().UnixMilli())
		})
		n += erased
		if err != nil {
			errs = append(errs, fmt.Errorf("erase entries of journal %x of lane %s (central verify --ledger says more): %w", j.ID[:4], j.Lane, err))
		}
	}
	return n, errors.Join(errs...)
}

// parts erases until a part is not full.
func parts(erase func() (int, error)) (n int, err error) {
	for {
		k, err := erase()
		n += k
		if err != nil || k < together {
			return n, err
		}
	}
}
