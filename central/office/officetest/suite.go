package officetest

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// Suite checks what the comments of office.Services promise. Services must be
// fresh, have zone 0 and no zone 9, and be open for the campus day that now is in.
func Suite(t *testing.T, s office.Services, now time.Time) {
	today := pass.DayOf(now)
	t.Run("passes", func(t *testing.T) { suitePasses(t, s, today) })
	t.Run("codes", func(t *testing.T) { suiteCodes(t, s, today) })
	t.Run("short codes", func(t *testing.T) { suiteShort(t, s, today) })
	t.Run("pages", func(t *testing.T) { suitePages(t, s, today) })
	t.Run("rules", func(t *testing.T) { suiteRules(t, s) })
	t.Run("history", func(t *testing.T) { suiteHistory(t, s, now) })
	t.Run("guest rules", func(t *testing.T) { suiteGuests(t, s, today, now) })
	t.Run("retention", func(t *testing.T) { suiteRetention(t, s) })
	t.Run("tokens", func(t *testing.T) { suiteTokens(t, s, now) })
	t.Run("requests", func(t *testing.T) { suiteRequests(t, s, today, now) })
	t.Run("webhooks", func(t *testing.T) { suiteWebhooks(t, s) })
	t.Run("keys", func(t *testing.T) { suiteKeys(t, s, today) })
	t.Run("supervisor codes", func(t *testing.T) { suiteSupervisor(t, s) })
	t.Run("lanes", func(t *testing.T) { suiteLanes(t, s) })
	t.Run("eCards", func(t *testing.T) { suiteCards(t, s, today, portrait(t)) })
	t.Run("register", func(t *testing.T) { suiteRegister(t, s) })
}

// order is a whole day's eCard order.
func order(d pass.Day, holder string) office.Order {
	return office.Order{Kind: pass.ECard, Holder: holder, Day: d, Zones: 1, Length: 24 * time.Hour}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wants(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func suitePasses(t *testing.T, s office.Services, d pass.Day) {
	ctx := context.Background()
	p := must[office.Pass](t)(s.Passes.Issue(ctx, "suite", order(d, "A1")))
	if p.Day != d || p.HolderName != "A1" || p.IssuedBy != "suite" || p.Status != link.Good || p.Issued.IsZero() || p.Check() != pass.Granted {
		t.Errorf("issued %+v", p)
	}
	from, until := p.Window()
	if got := pass.DayOf(time.Unix(from, 0).In(HongKong)); got != d || until-from != 24*3600 {
		t.Errorf("valid from %s for %d s", got, until-from)
	}
	bad := order(d, "A1")
	bad.Zones = 1 << 9
	_, err := s.Passes.Issue(ctx, "suite", bad)
	wants(t, "a zone that does not exist", err, office.ErrInvalid)
	_, err = s.Passes.Issue(ctx, "suite", order(d-2, "A1"))
	wants(t, "a day that is over", err, office.ErrInvalid)
	_, err = s.Passes.Find(ctx, pass.ID{Day: d, Index: pass.MaxIndex})
	wants(t, "an unknown pass", err, office.ErrNotFound)
	_, err = s.Passes.SetStatus(ctx, "suite", pass.ID{Day: d, Index: pass.MaxIndex}, link.Revoked, "")
	wants(t, "revoke an unknown pass", err, office.ErrNotFound)

	for _, status := range []link.Status{link.Held, link.Held, link.Good, link.Revoked} {
		p = must[office.Pass](t)(s.Passes.SetStatus(ctx, "guard", p.ID(), status, "why"))
		found := must[office.Pass](t)(s.Passes.Find(ctx, p.ID()))
		if p.Status != status || found.Status != status || p.ChangedBy != "guard" || p.Reason != "why" || (found.RefusedBy != nil) != (status != link.Good) {
			t.Errorf("set to %d: %+v, found %+v", status, p, found)
		}
	}
	_, err = s.Passes.Code(ctx, p.ID())
	wants(t, "the code of a revoked pass", err, office.ErrConflict)
}

func suiteCodes(t *testing.T, s office.Services, d pass.Day) {
	ctx := context.Background()
	state := must[office.FeedState](t)(s.Feed.State(ctx))
	for _, flags := range []pass.Flags{0, pass.LiveRequired, pass.Escort, pass.PassbackExempt} {
		o := order(d, "B1")
		o.Flags, o.Entries, o.Kind, o.GuestName = flags, 1, pass.Guest, "a guest"
		p := must[office.Pass](t)(s.Passes.Issue(ctx, "suite", o))
		text := must[office.Code](t)(s.Passes.Code(ctx, p.ID()))
		c, reason := pass.Parse([]byte(text.Text))
		key, ok := (&link.Keyset{Keys: state.Keys}).Find(c.KeyID)
		if reason != pass.Granted || c.Pass != p.Pass || !ok || !key.Signs(c.Kind, d) || !c.Verify(key.Public) {
			t.Errorf("code of %s with flags %d: %s, key %v", p.ID(), flags, reason, ok)
		}
		if live := flags == pass.LiveRequired; c.Live != live || text.Until.IsZero() == live {
			t.Errorf("code of %s with flags %d: live %v until %v", p.ID(), flags, c.Live, text.Until)
		}
	}
}

// suiteShort asks for short codes before the rules admit them and after, and
// leaves the rules as they were.
func suiteShort(t *testing.T, s office.Services, d pass.Day) {
	ctx := context.Background()
	p := must[office.Pass](t)(s.Passes.Issue(ctx, "suite", order(d, "S1")))
	if c := must[office.Code](t)(s.Passes.Code(ctx, p.ID())); c.Short != "" || c.NoShort == "" {
		t.Errorf("without rules for it: %+v", c)
	}
	before := must[link.Rules](t)(s.Rules.Rules(ctx))
	rules := before
	rules.Short = p.Zones
	rules = must[link.Rules](t)(s.Rules.SetRules(ctx, "suite", rules))
	defer func() {
		before.Version = rules.Version
		_ = must[link.Rules](t)(s.Rules.SetRules(ctx, "suite", before))
	}()
	c := must[office.Code](t)(s.Passes.Code(ctx, p.ID()))
	short, reason := pass.ParseShort(pass.ShortBits, []byte(c.Short))
	if reason != pass.Granted || short.Index != p.Index || short.Kind != p.Kind || c.NoShort != "" {
		t.Errorf("short code %+v of %+v: %v", short, p.ID(), reason)
	}
	for name, spoil := range map[string]func(*office.Order){
		"live": func(o *office.Order) { o.Flags = pass.LiveRequired }, "escort": func(o *office.Order) { o.Flags = pass.Escort },
		"staff": func(o *office.Order) { o.Kind = pass.Staff }, "half a day": func(o *office.Order) { o.Length = 12 * time.Hour },
	} {
		o := order(d, "S2")
		spoil(&o)
		p := must[office.Pass](t)(s.Passes.Issue(ctx, "suite", o))
		if c := must[office.Code](t)(s.Passes.Code(ctx, p.ID())); c.Short != "" || c.NoShort == "" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func suitePages(t *testing.T, s office.Services, d pass.Day) {
	ctx := context.Background()
	want := map[pass.ID]bool{}
	for range 7 {
		p := must[office.Pass](t)(s.Passes.Issue(ctx, "suite", order(d, "C1")))
		want[p.ID()] = true
	}
	f := office.PassFilter{Holder: "C1", Limit: 3}
	seen := map[pass.ID]bool{}
	for pages := 1; ; pages++ {
		page := must[office.PassPage](t)(s.Passes.List(ctx, f))
		for _, p := range page.Passes {
			if seen[p.ID()] || !want[p.ID()] {
				t.Errorf("%s twice, or not asked for", p.ID())
			}
			seen[p.ID()] = true
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			if pages != 3 {
				t.Errorf("%d pages, want 3", pages)
			}
			break
		}
	}
	if len(seen) != 7 {
		t.Errorf("%d passes listed, want 7", len(seen))
	}
	_, err := s.Passes.List(ctx, office.PassFilter{Limit: 3, Cursor: "nonsense"})
	wants(t, "a foreign cursor", err, office.ErrInvalid)
}

func suiteRules(t *testing.T, s office.Services) {
	ctx := context.Background()
	r := must[link.Rules](t)(s.Rules.Rules(ctx))
	first := r.Version
	r.Zones[0].Mode = link.Lockdown
	r = must[link.Rules](t)(s.Rules.SetRules(ctx, "suite", r))
	if r.Version <= first || r.Zones[0].Mode != link.Lockdown {
		t.Errorf("set to %+v", r)
	}
	stale := r
	stale.Version = first
	_, err := s.Rules.SetRules(ctx, "suite", stale)
	wants(t, "rules made from an old version", err, office.ErrConflict)
	r.Zones[0].Mode = link.Normal
	must[link.Rules](t)(s.Rules.SetRules(ctx, "suite", r))
}

func suiteLanes(t *testing.T, s office.Services) {
	ctx := context.Background()
	i := must[office.Invitation](t)(s.Lanes.Invite(ctx, "suite", "north-1"))
	if _, err := link.ParseEnrolToken(i.Token); err != nil || i.Expires.IsZero() {
		t.Errorf("invitation until %v: %v", i.Expires, err)
	}
	_, err := s.Lanes.Invite(ctx, "suite", "north/1")
	wants(t, "a bad id", err, office.ErrInvalid)
	list := must[[]office.Lane](t)(s.Lanes.List(ctx))
	if len(list) != 1 || list[0].ID != "north-1" || !list[0].Enrolled.IsZero() {
		t.Errorf("lanes %+v", list)
	}
	if err := s.Lanes.Remove(ctx, "suite", "north-1"); err != nil {
		t.Error(err)
	}
	wants(t, "remove an unknown lane", s.Lanes.Remove(ctx, "suite", "north-2"), office.ErrNotFound)
}

// portrait is a picture that is taken as a photo.
func portrait(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 150, 200))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
