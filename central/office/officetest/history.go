package officetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/preview"
)

// history is the fake's office.History: it keeps each version that was in force,
// and its ledger has nothing to decide again.
type history struct{ f *Fake }

// keep remembers the rules that are in force; mu is held.
func (f *Fake) keep(by string) {
	f.versions = append(f.versions, office.RulesVersion{Rules: f.rules, At: f.Now(), By: by})
}

func (s history) Versions(_ context.Context, before uint64, limit int) (list []office.RulesVersion, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, v := range slices.Backward(s.f.versions) {
		if (before == 0 || v.Version < before) && len(list) < limit {
			list = append(list, v)
		}
	}
	return list, nil
}

func (s history) Version(ctx context.Context, number uint64) (office.RulesVersion, error) {
	list, err := s.Versions(ctx, number+1, 1)
	if err != nil || len(list) == 0 || list[0].Version != number {
		return office.RulesVersion{}, office.Refuse(office.ErrNotFound, "There is no version %d of the rules.", number)
	}
	return list[0], nil
}

func (s history) Preview(_ context.Context, proposed link.Rules, _ time.Time, _ func(float64)) (preview.Report, error) {
	if err := proposed.Check(); err != nil || len(proposed.Zones) == 0 {
		return preview.Report{}, office.Refuse(office.ErrInvalid, "These rules contradict themselves: %v.", err)
	}
	return preview.Report{}, nil
}

func (s history) RollBack(ctx context.Context, by string, number uint64) (link.Rules, error) {
	old, err := s.Version(ctx, number)
	if err != nil {
		return link.Rules{}, err
	}
	now, err := rules(s).Rules(ctx)
	if err != nil {
		return link.Rules{}, err
	}
	r := old.Rules
	r.Version, r.Zones = now.Version, slices.Clone(r.Zones)
	for i := range r.Zones {
		r.Zones[i].Mode = link.Normal
		if z := now.Zone(r.Zones[i].ID); z != nil {
			r.Zones[i].Mode = z.Mode
		}
	}
	return rules(s).SetRules(ctx, by, r)
}

// suiteHistory changes the rules, locks a zone down and rolls back.
func suiteHistory(t *testing.T, s office.Services, now time.Time) {
	ctx := t.Context()
	first := must[link.Rules](t)(s.Rules.Rules(ctx))
	changed := first
	changed.EscortSec = 77
	second := must[link.Rules](t)(s.Rules.SetRules(ctx, "desk", changed))
	must[link.Rules](t)(s.Modes.SetModes(ctx, "desk", []uint8{first.Zones[0].ID}, link.Lockdown, "drill"))
	list := must[[]office.RulesVersion](t)(s.History.Versions(ctx, 0, 2))
	if len(list) != 2 || list[0].Version != second.Version+1 || list[1].By != "desk" || list[1].EscortSec != 77 {
		t.Errorf("versions: %+v", list)
	}
	if older := must[[]office.RulesVersion](t)(s.History.Versions(ctx, second.Version, 1)); len(older) != 1 || older[0].Version != first.Version {
		t.Errorf("below %d: %+v", second.Version, older)
	}
	_, err := s.History.Version(ctx, second.Version+100)
	wants(t, "history", err, office.ErrNotFound)
	_, err = s.History.Preview(ctx, link.Rules{}, now.Add(-time.Hour), nil)
	wants(t, "history", err, office.ErrInvalid)
	must[preview.Report](t)(s.History.Preview(ctx, changed, now.Add(-time.Hour), nil))
	_, err = s.History.RollBack(ctx, "desk", second.Version+100)
	wants(t, "history", err, office.ErrNotFound)
	back := must[link.Rules](t)(s.History.RollBack(ctx, "desk", first.Version))
	if back.Version != second.Version+2 || back.EscortSec != first.EscortSec || back.Zones[0].Mode != link.Lockdown {
		t.Errorf("rolled back to %+v", back)
	}
	must[link.Rules](t)(s.Modes.SetModes(ctx, "desk", []uint8{first.Zones[0].ID}, link.Normal, "over"))
}
