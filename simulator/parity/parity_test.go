package parity

import (
	"encoding/json"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// TestDay is the campaign: a whole day, decided twice.
func TestDay(t *testing.T) {
	r, err := Run(t.Context(), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + r.Text())
	if r.Failed() {
		t.Error("the two lanes differ where no policy says so")
	}
	if r.Passes != 10000 || r.Scans < 14000 || r.Equal < 9000 || r.Policed < 1000 || r.Changed < 200 || r.Clock < 50 || r.Changes < 500 {
		t.Errorf("a thin day: %d scans, %d equal, %d by policy, %d changed, %d in holdover", r.Scans, r.Equal, r.Policed, r.Changed, r.Clock)
	}
	cells := map[[2]string]int{}
	for _, c := range r.Cells {
		cells[[2]string{c.Kind, c.Age}] += c.Scans
	}
	for _, kind := range []pass.Kind{pass.ECard, pass.Guest, pass.Staff} {
		for _, age := range bands {
			if n := cells[[2]string{kind.String(), age}]; n < 5 {
				t.Errorf("%d scans of %s passes at a feed age of %s", n, kind, age)
			}
		}
	}
	var again Report
	b, err := r.JSON()
	if err != nil || json.Unmarshal(b, &again) != nil || again.Scans != r.Scans {
		t.Errorf("the JSON says %d scans, %v", again.Scans, err)
	}
}

// TestOtherPolicy compares the lanes with a policy that they do not follow: the
// campaign must notice, in the right cell, and come to the same result again.
func TestOtherPolicy(t *testing.T) {
	stated := link.DefaultPolicies()
	stated[1].Ages[2] = link.Stamped // guests by the rules for a day
	first, err := Run(t.Context(), Options{Seed: 2, Passes: 600, Stated: stated})
	if err != nil {
		t.Fatal(err)
	}
	if !first.Failed() || len(first.Shown) == 0 {
		t.Fatal("lanes that follow another policy were not noticed")
	}
	for _, c := range first.Cells {
		wrong := c.Kind == "guest" && c.Age == "< 24 h" && c.Form == formStill
		if wrong != (c.Unknown > 0) {
			t.Errorf("%s %s at %s: %d unexplained", c.Kind, c.Form, c.Age, c.Unknown)
		}
	}
	second, err := Run(t.Context(), Options{Seed: 2, Passes: 600, Stated: stated})
	if err != nil {
		t.Fatal(err)
	}
	if second.Unexplained != first.Unexplained || second.Scans != first.Scans || second.Equal != first.Equal {
		t.Errorf("the same seed gave %d unexplained of %d scans, then %d of %d", first.Unexplained, first.Scans, second.Unexplained, second.Scans)
	}
}

// TestUnexplained gives the judge pairs of decisions that no policy allows, and
// for each the nearest one that it does.
func TestUnexplained(t *testing.T) {
	cut := time.Date(2026, 11, 20, 20, 0, 0, 0, time.UTC)
	at := func(d time.Duration, k pass.Kind, change ...change) *visit {
		return &visit{at: cut.Add(d), holder: &holder{row: database.Pass{Pass: pass.Pass{Kind: k}}, changes: change}}
	}
	revoked := func(d time.Duration) change { return change{cut.Add(d), link.Revoked} }
	live := at(time.Hour, pass.ECard)
	live.holder.live, live.skew = true, 3
	ok, stamped := verdict{}, verdict{flags: link.FlagStamped}
	is := func(r pass.Reason) verdict { return verdict{reason: r} }
	cases := map[string]struct {
		visit   *visit
		on, off verdict
		good    bool
	}{
		"an old feed, stamped":                       {at(time.Hour, pass.ECard), ok, stamped, true},
		"an old feed, not stamped":                   {at(time.Hour, pass.ECard), ok, ok, false},
		"a fresh feed, stamped":                      {at(time.Hour, pass.ECard), stamped, stamped, false},
		"a guest, refused by policy":                 {at(time.Hour, pass.Guest), ok, is(pass.StatusUnknown), true},
		"an eCard, refused without a policy":         {at(time.Hour, pass.ECard), ok, is(pass.StatusUnknown), false},
		"a guest, refused too early":                 {at(time.Minute, pass.Guest), ok, is(pass.StatusUnknown), false},
		"a guest, admitted on a list too old":        {at(25*time.Hour, pass.Guest), ok, stamped, false},
		"revoked after the cut":                      {at(time.Hour, pass.ECard, revoked(time.Minute)), is(pass.Revoked), stamped, true},
		"revoked before the cut":                     {at(time.Hour, pass.ECard, revoked(-time.Minute)), is(pass.Revoked), stamped, false},
		"revoked after the scan":                     {at(time.Hour, pass.ECard, revoked(2*time.Hour)), is(pass.Revoked), stamped, false},
		"refused for a revocation it cannot know of": {at(time.Hour, pass.ECard, revoked(time.Minute)), ok, is(pass.Revoked), false},
		"inside on one lane only":                    {at(time.Hour, pass.ECard), is(pass.AlreadyInside), stamped, false},
		"forged on one lane only":                    {at(time.Hour, pass.ECard), is(pass.Forged), stamped, false},
		"expired on one lane only":                   {at(time.Hour, pass.ECard), ok, is(pass.Expired), false},
		"a slow phone, in holdover":                  {live, is(pass.LiveStale), stamped, true},
		"a slow phone, the other way round":          {live, ok, is(pass.LiveStale), false},
		"staff on an old list, alarmed":              {at(25*time.Hour, pass.Staff), ok, verdict{flags: link.FlagStamped | link.FlagAlarm}, true},
		"staff on an old list, without alarm":        {at(25*time.Hour, pass.Staff), ok, stamped, false},
	}
	for name, c := range cases {
		why := newJudge(link.DefaultPolicies(), cut).compare(c.visit, c.on, c.off)
		if (why == "") != c.good {
			t.Errorf("%s: %q", name, why)
		}
	}
}
