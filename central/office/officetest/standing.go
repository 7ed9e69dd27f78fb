package officetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/guests"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// keeper is what the fake keeps of rules that central alone goes by.
type keeper[T any] struct {
	first T
	list  []office.Standing[T]
}

// keepers is the fake's office.Keeper.
type keepers[T any] struct {
	f     *Fake
	kept  *keeper[T]
	check func(T) error
}

func keeping[T any](f *Fake, k *keeper[T], check func(T) error) keepers[T] {
	return keepers[T]{f, k, check}
}

func (s keepers[T]) Current(context.Context) (office.Standing[T], error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return s.kept.current(), nil
}

func (k *keeper[T]) current() office.Standing[T] {
	if n := len(k.list); n > 0 {
		return k.list[n-1]
	}
	return office.Standing[T]{Rules: k.first}
}

func (s keepers[T]) Versions(_ context.Context, before uint64, limit int) (list []office.Standing[T], err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, v := range slices.Backward(s.kept.list) {
		if (before == 0 || v.Version < before) && len(list) < limit {
			list = append(list, v)
		}
	}
	return list, nil
}

func (s keepers[T]) Set(_ context.Context, c office.Change[T]) (out office.Standing[T], err error) {
	if strings.TrimSpace(c.Reason) == "" {
		return out, office.Refuse(office.ErrInvalid, "Give a reason.")
	}
	if err := s.check(c.Rules); err != nil {
		return out, office.Refuse(office.ErrInvalid, "Nobody can keep these rules: %s.", err)
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if now := s.kept.current(); now.Version != c.Version {
		return out, office.Refuse(office.ErrConflict, "Version %d is in force, not %d.", now.Version, c.Version)
	}
	out = office.Standing[T]{Version: c.Version + 1, Rules: c.Rules, At: s.f.Now(), By: c.By, Reason: c.Reason}
	s.kept.list = append(s.kept.list, out)
	return out, nil
}

type guestRules struct{ keepers[guests.Rules] }

func checkGuests(r guests.Rules) error { return r.Check() }

func (s guestRules) PreviewGuests(_ context.Context, proposed guests.Rules, since time.Time, _ func(float64)) (guests.Report, error) {
	if err := proposed.Check(); err != nil {
		return guests.Report{}, office.Refuse(office.ErrInvalid, "Nobody can keep these rules: %s.", err)
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	r := guests.NewReplay(s.kept.current().Rules, proposed, since, HongKong)
	for _, p := range s.f.passes {
		if p.Kind == pass.Guest {
			r.Take(guests.Asked{At: p.Issued.UnixMilli(), Host: p.HolderName, Day: p.Day, Count: 1, Pass: p.ID()})
		}
	}
	return r.Report(), nil
}

// room asks the rules for guests; mu is held.
func (f *Fake) room(host string, ask guests.Ask, instead int64) error {
	now := f.Now().In(HongKong)
	var use guests.Use
	var ends []pass.ID
	for _, a := range f.desk.applications {
		if a.Number == instead {
			ends = a.Passes
		}
	}
	for _, p := range f.passes {
		if slices.Contains(ends, p.ID()) {
			continue
		}
		if p.Kind == pass.Guest && p.HolderName == host && p.Status != link.Revoked && p.Day >= pass.DayOf(now) {
			use.Upcoming++
			if p.Day == ask.Day {
				use.OnDay++
			}
		}
	}
	for _, a := range f.desk.applications {
		if a.Number != instead && a.Kind == office.ApplyGuests && a.State == office.ApplicationOpen && a.Holder == host && a.Order.Day >= pass.DayOf(now) {
			use.Waiting++
			use.Upcoming += len(a.Guests)
			if a.Order.Day == ask.Day {
				use.OnDay += len(a.Guests)
			}
		}
	}
	return office.RefuseGuest(f.desk.guests.current().Rules.Decide(now, ask, use), ask.Day.String())
}

type retention struct{ keepers[office.Keep] }

func checkKeep(k office.Keep) error {
	for _, days := range []int{k.Passages, k.Passes, k.Photos} {
		if days < 1 || days > office.MaxKeep {
			return office.ErrInvalid
		}
	}
	return nil
}

func (s retention) PreviewRetention(_ context.Context, k office.Keep) (e office.Erasure, err error) {
	if checkKeep(k) != nil {
		return e, office.Refuse(office.ErrInvalid, "A time to keep is 1 to %d days.", office.MaxKeep)
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	before := func(days int) time.Time {
		y, m, d := s.f.Now().In(HongKong).Date()
		return time.Date(y, m, d-days, 0, 0, 0, 0, HongKong)
	}
	e.PassagesBefore, e.PassesBefore, e.PhotosBefore = before(k.Passages), pass.DayOf(before(k.Passes)), before(k.Photos)
	for _, p := range s.f.passages {
		if p.Received.Before(e.PassagesBefore) {
			e.Passages++
		}
	}
	return e, nil
}

// suiteStanding sets rules from the version in force, from an older one, without a
// reason, and rules that cannot be.
func suiteStanding[T comparable](t *testing.T, k office.Keeper[T], good, bad T) {
	t.Helper()
	ctx := t.Context()
	now := must[office.Standing[T]](t)(k.Current(ctx))
	change := office.Change[T]{Version: now.Version, Rules: good, By: "suite", Reason: "a try"}
	first := must[office.Standing[T]](t)(k.Set(ctx, change))
	if first.Version != now.Version+1 || first.Rules != good || first.By != "suite" || first.Reason != "a try" || first.At.IsZero() {
		t.Errorf("set %+v", first)
	}
	_, err := k.Set(ctx, change)
	wants(t, "made from an old version", err, office.ErrConflict)
	change.Version = first.Version + 7
	_, err = k.Set(ctx, change)
	wants(t, "made from a version that will be", err, office.ErrConflict)
	change.Version = first.Version
	for _, reason := range []string{"", "  "} {
		change.Reason = reason
		_, err = k.Set(ctx, change)
		wants(t, "without a reason", err, office.ErrInvalid)
	}
	change.Reason, change.Rules = "worse", bad
	_, err = k.Set(ctx, change)
	wants(t, "rules that cannot be", err, office.ErrInvalid)
	change.Reason, change.Rules = "back", now.Rules
	must[office.Standing[T]](t)(k.Set(ctx, change))
	list := must[[]office.Standing[T]](t)(k.Versions(ctx, 0, 2))
	if len(list) != 2 || list[0].Reason != "back" || list[1].Version != first.Version {
		t.Errorf("versions %+v", list)
	}
	if older := must[office.Standing[T]](t)(office.FindVersion(ctx, k, first.Version)); older.Rules != good || older.By != "suite" {
		t.Errorf("found %+v", older)
	}
	_, err = office.FindVersion(ctx, k, first.Version+100)
	wants(t, "a version that there is not", err, office.ErrNotFound)
}

// suiteGuests gives a host room for two guests a day.
func suiteGuests(t *testing.T, s office.Services, today pass.Day, now time.Time) {
	ctx := t.Context()
	few := guests.Default()
	few.PerDay = 2
	suiteStanding[guests.Rules](t, s.Guests, few, guests.Rules{Until: "25:00"})
	stands := must[office.Standing[guests.Rules]](t)(s.Guests.Current(ctx))
	stands = must[office.Standing[guests.Rules]](t)(s.Guests.Set(ctx, office.Change[guests.Rules]{Version: stands.Version, Rules: few, By: "suite", Reason: "few"}))
	o := order(today, "HOST")
	o.Kind, o.GuestName = pass.Guest, "One"
	must[office.Pass](t)(s.Passes.Issue(ctx, "suite", o))
	one := must[office.Pass](t)(s.Passes.Issue(ctx, "suite", o))
	_, err := s.Passes.Issue(ctx, "suite", o)
	wants(t, "a third guest", err, office.ErrConflict)
	_, err = s.Approvals.HandIn(ctx, "portal", office.Submission{Kind: office.ApplyGuests, Holder: "HOST", Name: "Host", Guests: []string{"Two"}, Order: order(today, "HOST")})
	wants(t, "a request for a third", err, office.ErrConflict)
	suiteInstead(t, s, today)
	o.Exception = "the rector's guest"
	must[office.Pass](t)(s.Passes.Issue(ctx, "suite", o))
	if r := must[guests.Report](t)(s.Guests.PreviewGuests(ctx, few, now.Add(-time.Hour), nil)); r.Refused[guests.PerDay] == 0 || r.InForce[guests.PerDay] != r.Refused[guests.PerDay] || len(r.Rows) == 0 || r.Rows[len(r.Rows)-1].Host != "HOST" {
		t.Errorf("preview %+v", r)
	}
	must[office.Pass](t)(s.Passes.SetStatus(ctx, "suite", one.ID(), link.Revoked, "not coming"))
	o.Exception, o.Holder = "", "ANOTHER"
	must[office.Pass](t)(s.Passes.Issue(ctx, "suite", o))
	must[office.Standing[guests.Rules]](t)(s.Guests.Set(ctx, office.Change[guests.Rules]{Version: stands.Version, Rules: guests.Default(), By: "suite", Reason: "over"}))
}

// suiteInstead changes a request of a host who has all guests that a day can have: the
// other one gets the places of the first, and none beyond them.
func suiteInstead(t *testing.T, s office.Services, today pass.Day) {
	ctx := t.Context()
	ask := office.Submission{Kind: office.ApplyGuests, Holder: "CHANGES", Name: "Host", Guests: []string{"One", "Two"}, Order: order(today, "CHANGES")}
	first := must[office.Application](t)(s.Approvals.HandIn(ctx, "holder:CHANGES", ask))
	ask.Guests[1] = "Three"
	_, err := s.Approvals.HandIn(ctx, "holder:CHANGES", ask)
	wants(t, "beside the first", err, office.ErrConflict)
	ask.Instead = first.Number
	second := must[office.Application](t)(s.Approvals.HandIn(ctx, "holder:CHANGES", ask))
	if a := must[office.Application](t)(s.Approvals.Find(ctx, first.Number)); a.State != office.ApplicationRejected || a.DecidedBy != "holder:CHANGES" {
		t.Errorf("the first one: %+v", a)
	}
	second = must[office.Application](t)(s.Approvals.Decide(ctx, "suite", office.Decision{Number: second.Number, Approve: true}))
	ask.Instead, ask.Guests = second.Number, []string{"One", "Two", "Three"}
	_, err = s.Approvals.HandIn(ctx, "holder:CHANGES", ask)
	wants(t, "more than its places", err, office.ErrConflict)
	for _, id := range second.Passes {
		if p := must[office.Pass](t)(s.Passes.Find(ctx, id)); p.Status != link.Good {
			t.Errorf("a change that was refused ended %s", id)
		}
	}
	ask.Guests = ask.Guests[:2]
	must[office.Application](t)(s.Approvals.HandIn(ctx, "holder:CHANGES", ask))
	for _, id := range second.Passes {
		if p := must[office.Pass](t)(s.Passes.Find(ctx, id)); p.Status != link.Revoked {
			t.Errorf("%s is %v beside what took its place", id, p.Status)
		}
	}
}

func suiteRetention(t *testing.T, s office.Services) {
	suiteStanding[office.Keep](t, s.Retention, office.Keep{Passages: 7, Passes: 8, Photos: 9}, office.Keep{Passages: 7, Passes: 0, Photos: 9})
	_, err := s.Retention.PreviewRetention(t.Context(), office.Keep{})
	wants(t, "a preview of no time at all", err, office.ErrInvalid)
	if e := must[office.Erasure](t)(s.Retention.PreviewRetention(t.Context(), office.Keep{Passages: 1, Passes: 1, Photos: 1})); e.PassagesBefore.IsZero() || e.PassesBefore == 0 {
		t.Errorf("preview %+v", e)
	}
}
