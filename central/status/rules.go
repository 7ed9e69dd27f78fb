package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
)

// RulesDocument is the name under which the database keeps the versions of the rules.
const RulesDocument = "rules"

// DefaultRules are the rules of a first start: one zone that is always open,
// the default policies.
func DefaultRules() link.Rules {
	return link.Rules{
		Zones:    []link.Zone{{ID: 0, Name: "Main", NameZH: "主入口"}},
		Policies: link.DefaultPolicies(), EscortSec: 30, RepeatMS: 3000,
	}
}

// loadRules reads the rules in force, or stores the seed as version 1, and makes
// a new version if the campus clock's offsets have changed since.
func (f *Feed) loadRules(ctx context.Context) error {
	version, body, err := f.config.DB.Document(ctx, RulesDocument)
	if errors.Is(err, database.ErrNotFound) {
		return f.ownRules(ctx, f.config.Seed)
	}
	if err != nil {
		return err
	}
	if err := f.readRules(version, body); err != nil {
		return err
	}
	if !slices.Equal(f.rules.Offsets, offsets(f.config.Location, f.config.Now())) {
		return f.ownRules(ctx, f.rules)
	}
	return nil
}

// ownRules stores rules that central makes by itself. Another central that starts
// at the same moment makes the same.
func (f *Feed) ownRules(ctx context.Context, r link.Rules) error {
	err := f.storeRules(ctx, "central", r)
	if !errors.Is(err, database.ErrConflict) {
		return err
	}
	version, body, err := f.config.DB.Document(ctx, RulesDocument)
	if err != nil {
		return err
	}
	return f.readRules(version, body)
}

func (f *Feed) readRules(version uint64, body string) error {
	var r link.Rules
	if err := json.Unmarshal([]byte(body), &r); err != nil || r.Version != version {
		return fmt.Errorf("%w: rules version %d: %w", ErrDamaged, version, err)
	}
	f.rules = r
	return nil
}

// followRules takes in the rules that another central stored, and reports whether
// there were any.
func (f *Feed) followRules(ctx context.Context) (bool, error) {
	version, body, err := f.config.DB.Document(ctx, RulesDocument)
	if err != nil || version == f.rules.Version {
		return false, err
	}
	return true, f.readRules(version, body)
}

// storeRules is keepRules for rules that somebody put together.
func (f *Feed) storeRules(ctx context.Context, by string, r link.Rules) error {
	return f.keepRules(ctx, r, database.Deed{By: by, Action: "rules", Subject: fmt.Sprintf("version %d", f.rules.Version+1)})
}

// keepRules stores r as the next version, with lines in the audit; ErrRules if
// lanes would refuse it, database.ErrConflict if another central was first.
func (f *Feed) keepRules(ctx context.Context, r link.Rules, why ...database.Deed) error {
	now := f.config.Now()
	r.Version, r.Issued = f.rules.Version+1, now.UnixMilli()
	r.Offsets = offsets(f.config.Location, now)
	if err := f.checkRules(r); err != nil {
		return err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode rules: %w", err)
	}
	if err := f.config.DB.ChangeDocument(ctx, RulesDocument, r.Version, string(body), now.UnixMilli(), why...); err != nil {
		return err
	}
	f.rules = r
	return nil
}

func (f *Feed) checkRules(r link.Rules) error {
	if err := r.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrRules, err)
	}
	if len(r.Zones) == 0 {
		return fmt.Errorf("%w: at least one zone is needed", ErrRules)
	}
	for i, p := range r.Policies {
		for _, q := range r.Policies[:i] {
			if p.Kind == q.Kind {
				return fmt.Errorf("%w: two policies for %s", ErrRules, p.Kind)
			}
		}
	}
	data, err := f.seal(link.TypeRules, r)
	if err != nil || len(data) > link.MaxDocument {
		return fmt.Errorf("%w: %d bytes, at most %d: %w", ErrRules, len(data), link.MaxDocument, err)
	}
	return nil
}

// SetRules makes r the rules and publishes them. ErrVersion if r was not made
// from the version in force, ErrRules if it makes no sense.
func (f *Feed) SetRules(ctx context.Context, by string, r link.Rules) (link.Rules, error) {
	var stored link.Rules
	var err error
	called := f.call(ctx, func(ctx context.Context) {
		f.look(ctx)
		if r.Version != f.rules.Version {
			err = fmt.Errorf("%w: made from version %d, in force is %d", ErrVersion, r.Version, f.rules.Version)
			return
		}
		if err = f.storeRules(ctx, by, r); errors.Is(err, database.ErrConflict) {
			err = fmt.Errorf("%w: %w", ErrVersion, err)
		}
		if err != nil {
			return
		}
		stored = f.rules
		f.publishRules(ctx)
		f.daily(ctx) // test passes that were just allowed need a key
		f.publishHead(ctx)
	})
	return stored, errors.Join(called, err)
}

// offsets lists the campus zone's distances from UTC from the begin of this
// year on, for two years beyond it.
func offsets(l *time.Location, now time.Time) []link.Offset {
	at := time.Date(now.Add(-48*time.Hour).In(l).Year(), 1, 1, 0, 0, 0, 0, l)
	end := at.AddDate(3, 0, 0)
	list := []link.Offset{{From: 0, Minutes: minutesEast(at)}}
	for !at.After(end) {
		_, next := at.ZoneBounds()
		if next.IsZero() || next.After(end) {
			break
		}
		at = next
		list = append(list, link.Offset{From: at.Unix(), Minutes: minutesEast(at)})
	}
	return list
}

func minutesEast(t time.Time) int16 {
	_, seconds := t.Zone()
	return int16(seconds / 60)
}
