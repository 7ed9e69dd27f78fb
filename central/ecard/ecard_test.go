package ecard

import (
	"errors"
	"testing"
	"time"
)

// change returns the default rules with a change.
func change(f func(*CodeRules)) CodeRules {
	r := Default()
	f(&r)
	return r
}

func TestCheck(t *testing.T) {
	const known = 0b1011
	for name, x := range map[string]struct {
		rules CodeRules
		field string
	}{
		"default":         {Default(), ""},
		"some zones":      {change(func(r *CodeRules) { r.Zones, r.GuestZones = []int{0, 3}, []int{1} }), ""},
		"no such zone":    {change(func(r *CodeRules) { r.Zones = []int{2} }), "zones"},
		"a zone too high": {change(func(r *CodeRules) { r.GuestZones = []int{99} }), "guest_zones"},
		"below zero":      {change(func(r *CodeRules) { r.Zones = []int{-1} }), "zones"},
		"no time":         {change(func(r *CodeRules) { r.From = "7" }), "from"},
		"odd minute":      {change(func(r *CodeRules) { r.From = "07:05" }), "from"},
		"begins at end":   {change(func(r *CodeRules) { r.From = "24:00" }), "from"},
		"backwards":       {change(func(r *CodeRules) { r.From, r.Until = "18:00", "07:00" }), "until"},
		"empty":           {change(func(r *CodeRules) { r.Until = "00:00" }), "until"},
		"no hour":         {change(func(r *CodeRules) { r.Prefetch = "25:00" }), "prefetch"},
		"never":           {change(func(r *CodeRules) { r.Prefetch = "24:00" }), ""},
	} {
		err := x.rules.Check(known)
		f, wrong := errors.AsType[*Fault](err)
		if x.field == "" != (err == nil) || wrong && f.Field != x.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	if (CodeRules{}).Check(known) == nil {
		t.Error("empty rules are kept")
	}
}

func TestZones(t *testing.T) {
	const known = 0b1011
	for name, x := range map[string]struct {
		rules      CodeRules
		own, guest uint16
	}{
		"all":              {Default(), 0b1011, 0b1011},
		"some":             {change(func(r *CodeRules) { r.Zones = []int{0, 1} }), 0b0011, 0b0011},
		"guests elsewhere": {change(func(r *CodeRules) { r.GuestZones = []int{3} }), 0b1011, 0b1000},
		"one is gone":      {change(func(r *CodeRules) { r.Zones = []int{1, 2} }), 0b0010, 0b0010},
	} {
		if own, guest := x.rules.Mask(known), x.rules.GuestMask(known); own != x.own || guest != x.guest {
			t.Errorf("%s: %04b and %04b", name, own, guest)
		}
	}
}

// TestWindow: the wall clock decides, on days of 23 and 25 hours too.
func TestWindow(t *testing.T) {
	for _, x := range []struct {
		zone, day    string
		rules        CodeRules
		start, valid time.Duration
	}{
		{"Asia/Hong_Kong", "2026-11-22", Default(), 0, 24 * time.Hour},
		{"Asia/Hong_Kong", "2026-11-22", change(func(r *CodeRules) { r.From, r.Until = "07:30", "23:00" }), 7*time.Hour + 30*time.Minute, 15*time.Hour + 30*time.Minute},
		{"Europe/Berlin", "2026-03-29", Default(), 0, 23 * time.Hour},
		{"Europe/Berlin", "2026-10-25", Default(), 0, 25 * time.Hour},
		{"Europe/Berlin", "2026-10-25", change(func(r *CodeRules) { r.From, r.Until = "01:00", "05:00" }), time.Hour, 5 * time.Hour},
	} {
		zone, err := time.LoadLocation(x.zone)
		if err != nil {
			t.Fatal(err)
		}
		begin, err := time.ParseInLocation(time.DateOnly, x.day, zone)
		if err != nil {
			t.Fatal(err)
		}
		if start, valid := x.rules.Window(begin, begin.AddDate(0, 0, 1)); start != x.start || valid != x.valid {
			t.Errorf("%s %s: %s for %s, want %s for %s", x.zone, x.day, start, valid, x.start, x.valid)
		}
	}
}

func TestAhead(t *testing.T) {
	at := func(clock string) time.Time {
		v, err := time.Parse("15:04", clock)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	r := Default()
	never := change(func(r *CodeRules) { r.Prefetch = "24:00" })
	if r.Ahead(at("17:59")) || !r.Ahead(at("18:00")) || !r.Ahead(at("23:59")) || never.Ahead(at("23:59")) {
		t.Error("the hour is not kept")
	}
}
