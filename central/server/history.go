package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"turnstile/central/console"
	rulespages "turnstile/central/console/rules"
	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/preview"
	"turnstile/central/status"
)

// history is the API's office.History.
type history struct{ *central }

func (s history) Versions(ctx context.Context, before uint64, limit int) ([]office.RulesVersion, error) {
	rows, err := s.db.DocumentVersions(ctx, status.RulesDocument, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	out := make([]office.RulesVersion, 0, len(rows))
	for _, row := range rows {
		v, err := rulesVersion(row)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func rulesVersion(row database.DocumentVersion) (v office.RulesVersion, err error) {
	v.At, v.By = time.UnixMilli(row.At), row.By
	if err := json.Unmarshal([]byte(row.Body), &v.Rules); err != nil {
		return v, fmt.Errorf("read rules version %d: %w", row.Version, err)
	}
	return v, nil
}

func (s history) Version(ctx context.Context, number uint64) (office.RulesVersion, error) {
	list, err := s.Versions(ctx, number+1, 1)
	if err != nil {
		return office.RulesVersion{}, err
	}
	if len(list) == 0 || list[0].Version != number {
		return office.RulesVersion{}, office.Refuse(office.ErrNotFound, "There is no version %d of the rules.", number)
	}
	return list[0], nil
}

func (s history) RollBack(ctx context.Context, by string, number uint64) (link.Rules, error) {
	old, err := s.Version(ctx, number)
	if err != nil {
		return link.Rules{}, err
	}
	now := s.feed.View().Rules
	r := old.Rules
	r.Version = now.Version
	// Who locked a zone down did not mean to open it by a change of opening hours; and
	// a zone that comes back does not come back with the gates open.
	for i := range r.Zones {
		r.Zones[i].Mode = link.Normal
		if z := now.Zone(r.Zones[i].ID); z != nil {
			r.Zones[i].Mode = z.Mode
		}
	}
	return rules(s).SetRules(ctx, by, r)
}

// Of one step of a preview: the scans of an hour, in pages.
const (
	previewStep = time.Hour
	previewPage = 500
)

func (s history) Preview(ctx context.Context, proposed link.Rules, since time.Time, progress func(float64)) (preview.Report, error) {
	v := s.feed.View()
	proposed.Offsets = v.Rules.Offsets
	if err := proposed.Check(); err != nil || len(proposed.Zones) == 0 {
		return preview.Report{}, office.Refuse(office.ErrInvalid, "These rules contradict themselves: %v.", err)
	}
	w := &rerun{central: s.central, replay: preview.New(v.Keys.Keys, v.Rules, proposed), codes: map[pass.ID]string{}}
	now := s.config.Now()
	for at := since.Truncate(previewStep); at.Before(now); at = at.Add(previewStep) {
		if err := w.step(ctx, at); err != nil {
			return preview.Report{}, err
		}
		if progress != nil {
			progress(min(1, float64(at.Sub(since))/float64(now.Sub(since))))
		}
		if r := w.replay.Report(); r.Scans+r.Erased >= office.MaxPreview {
			break
		}
	}
	return w.replay.Report(), nil
}

// rerun feeds a replay from the ledger.
type rerun struct {
	*central
	replay *preview.Replay
	codes  map[pass.ID]string // as issued; of the day that is being replayed
	day    int
}

// step takes the scans of one hour in the order of their time.
func (w *rerun) step(ctx context.Context, from time.Time) error {
	f := database.PassageFilter{
		From: from.UnixMilli(), Until: from.Add(previewStep).UnixMilli(), Limit: previewPage,
		Types: []link.EntryType{link.EntryGranted, link.EntryDenied, link.EntryPassed, link.EntryUnknown},
	}
	if d := from.In(w.location).YearDay(); d != w.day {
		w.day, w.codes = d, map[pass.ID]string{}
	}
	var hour []database.Passage
	for len(hour) < office.MaxPreview {
		page, err := w.db.Search(ctx, f)
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		hour = append(hour, page...)
		if len(page) < f.Limit {
			break
		}
		f.Before = page[len(page)-1].Cursor()
	}
	for _, row := range slices.Backward(hour) {
		if err := w.take(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

func (w *rerun) take(ctx context.Context, row database.Passage) error {
	e, _, err := link.ParseEntry(row.Entry)
	if err != nil {
		return nil // erased
	}
	code, known := w.codes[e.Pass]
	if !known && e.Pass != (pass.ID{}) {
		p, err := w.db.Pass(ctx, e.Pass)
		switch {
		case errors.Is(err, database.ErrNotFound), errors.Is(err, database.ErrDamaged): // of another database, or erased
		case err != nil:
			return fmt.Errorf("find pass: %w", err)
		default:
			code = p.Text(p.Signature)
		}
		w.codes[e.Pass] = code
	}
	w.replay.Take(preview.Scan{Number: uint64(row.Number), Lane: row.Lane, Entry: e, Code: code})
	return nil
}

// rulesPages are the console's pages of the rules.
func (s *central) rulesPages() []console.Route {
	return rulespages.Routes(rulespages.Services{Rules: rules{s}, History: history{s}, Policies: approvals{s}, Guests: newGuestRules(s), Retention: newKeeping(s), ECards: ecardRules(s)})
}
