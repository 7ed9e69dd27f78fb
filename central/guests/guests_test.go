package guests

import (
	"errors"
	"testing"
	"time"

	"turnstile/central/pass"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestLead looks at the minutes around each boundary, in campus time: also where
// the clock is changed in between, and where UTC has another day.
func TestLead(t *testing.T) {
	rules := Rules{Ahead: 14, Notice: 1, Until: "17:00"}
	for _, x := range []struct {
		zone, now, day string
		want           Rule
		when           string
	}{
		{"Asia/Hong_Kong", "2026-11-22 16:59", "2026-11-23", 0, ""},
		{"Asia/Hong_Kong", "2026-11-22 17:00", "2026-11-23", Notice, "2026-11-22 17:00"},
		{"Asia/Hong_Kong", "2026-11-22 00:00", "2026-11-22", Notice, "2026-11-21 17:00"},
		{"Asia/Hong_Kong", "2026-11-22 23:59", "2026-11-24", 0, ""},
		{"Asia/Hong_Kong", "2026-11-22 00:00", "2026-12-06", 0, ""}, // in UTC it is the 21st
		{"Asia/Hong_Kong", "2026-11-22 00:00", "2026-12-07", Ahead, "2026-11-23"},
		{"Asia/Hong_Kong", "2026-11-21 23:59", "2026-12-06", Ahead, "2026-11-22"},
		{"Asia/Hong_Kong", "2026-11-22 12:00", "2026-11-20", Notice, "2026-11-19 17:00"},
		{"Europe/Berlin", "2026-03-28 16:59", "2026-03-29", 0, ""}, // a day of 23 hours
		{"Europe/Berlin", "2026-03-28 17:00", "2026-03-29", Notice, "2026-03-28 17:00"},
		{"Europe/Berlin", "2026-03-29 17:00", "2026-03-30", Notice, "2026-03-29 17:00"},
		{"Europe/Berlin", "2026-10-25 16:59", "2026-10-26", 0, ""}, // a day of 25 hours
		{"Europe/Berlin", "2026-10-25 23:59", "2026-11-08", 0, ""},
		{"America/Los_Angeles", "2026-11-22 23:59", "2026-12-06", 0, ""}, // in UTC it is the 23rd
		{"America/Los_Angeles", "2026-11-22 23:59", "2026-12-07", Ahead, "2026-11-23"},
	} {
		now, err := time.ParseInLocation("2006-01-02 15:04", x.now, zone(t, x.zone))
		if err != nil {
			t.Fatal(err)
		}
		day, err := pass.ParseDay(x.day)
		if err != nil {
			t.Fatal(err)
		}
		if v := rules.Decide(now, Ask{Day: day, Guests: 1}, Use{}); v.Rule != x.want || v.When != x.when {
			t.Errorf("%s at %s for %s: %s %q, want %s %q", x.zone, x.now, x.day, v.Rule, v.When, x.want, x.when)
		}
	}
	now := time.Date(2026, 11, 22, 23, 59, 59, 0, zone(t, "Asia/Hong_Kong"))
	if v := Default().Decide(now, Ask{Day: pass.DayOf(now), Guests: 20, Request: true}, Use{1000, 1000, 1000}); v.Rule != 0 {
		t.Errorf("without limits: %+v", v)
	}
}

func TestQuotas(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	rules := Default()
	rules.PerDay, rules.Upcoming, rules.Waiting = 5, 8, 2
	for name, x := range map[string]struct {
		ask  Ask
		use  Use
		want Verdict
	}{
		"the last place":              {Ask{Guests: 1}, Use{4, 7, 9}, Verdict{}},
		"all at once":                 {Ask{Guests: 5, Request: true}, Use{}, Verdict{}},
		"one too many":                {Ask{Guests: 6}, Use{}, Verdict{Rule: PerDay, Limit: 5}},
		"the day is full":             {Ask{Guests: 1}, Use{5, 5, 0}, Verdict{Rule: PerDay, Limit: 5, Has: 5}},
		"over all days":               {Ask{Guests: 2}, Use{0, 7, 0}, Verdict{Rule: Upcoming, Limit: 8, Has: 7}},
		"two requests wait":           {Ask{Guests: 1, Request: true}, Use{0, 0, 2}, Verdict{Rule: Waiting, Limit: 2, Has: 2}},
		"a pass does not wait":        {Ask{Guests: 1}, Use{0, 0, 2}, Verdict{}},
		"more than is allowed by now": {Ask{Guests: 1}, Use{9, 9, 9}, Verdict{Rule: PerDay, Limit: 5, Has: 9}},
	} {
		x.ask.Day = pass.DayOf(now)
		if got := rules.Decide(now, x.ask, x.use); got != x.want {
			t.Errorf("%s: %+v, want %+v", name, got, x.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, good := range []Rules{Default(), {Until: "00:00"}, {PerDay: MaxGuests, Ahead: 3, Notice: 3, Until: "09:05"}} {
		if err := good.Check(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for field, bad := range map[string]Rules{
		"per_day": {PerDay: -1, Until: "24:00"}, "upcoming": {Upcoming: MaxGuests + 1, Until: "24:00"}, "waiting": {Waiting: -1, Until: "24:00"},
		"ahead": {Ahead: MaxDays + 1, Until: "24:00"}, "notice": {Ahead: 2, Notice: 3, Until: "24:00"}, "until": {Until: "24:01"},
	} {
		var f *Fault
		if err := bad.Check(); !errors.As(err, &f) || f.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, text := range []string{"", "7:00", "25:00", "12:60", "12", "12:00:00", "１２:00", " 12:00"} {
		if _, ok := minuteOf(text); ok {
			t.Errorf("%q is a time", text)
		}
	}
	seen := map[string]bool{}
	for _, r := range All() {
		seen[r.String()] = true
	}
	if len(seen) != 5 || seen["none"] || Rule(0).String() != "none" {
		t.Error(seen)
	}
}

// TestReplay follows two hosts: what would have been refused takes no place, what
// was revoked or rejected frees one, and a pass of a request is not asked for twice.
func TestReplay(t *testing.T) {
	z := zone(t, "Asia/Hong_Kong")
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, z)
	day := pass.DayOf(noon) + 5
	at := func(hours int) int64 { return noon.Add(time.Duration(hours) * time.Hour).UnixMilli() }
	id := func(n uint32) pass.ID { return pass.ID{Day: day, Index: n} }
	strict := Default()
	strict.PerDay, strict.Waiting = 2, 1
	r := NewReplay(Default(), strict, noon, z)
	for _, a := range []Asked{
		{At: at(-1), Host: "A", Day: day, Count: 1, Pass: id(1), Ended: at(6)}, // before the time that is asked about
		{At: at(1), Host: "A", Day: day, Count: 1, Application: 1, Ended: at(2)},
		{At: at(2), Host: "A", Day: day, Count: 1, Application: 1, Pass: id(2)},
		{At: at(3), Host: "A", Day: day, Count: 1, Pass: id(3)},                  // full
		{At: at(3), Host: "B", Day: day, Count: 3, Application: 2, Ended: at(4)}, // too many
		{At: at(4), Host: "B", Day: day, Count: 1, Application: 2, Pass: id(4)},  // and so there would be no such pass
		{At: at(5), Host: "B", Day: day, Count: 2, Application: 3, Ended: at(9)}, // room: that one took no place
		{At: at(6), Host: "B", Day: day + 1, Count: 1, Application: 4},           // one waits
		{At: at(7), Host: "A", Day: day, Count: 1, Pass: id(5)},                  // room: the first was revoked
		{At: at(9), Host: "B", Day: day, Count: 2, Application: 5},               // rejected is not waiting any more
	} {
		r.Take(a)
	}
	r.Erased()
	got := r.Report()
	if got.Asks != 7 || got.Guests != 11 || got.Erased != 1 || len(got.InForce) != 0 || got.Refused[PerDay] != 2 || got.Refused[Waiting] != 1 || len(got.Rows) != 3 {
		t.Fatalf("%+v", got)
	}
	if got.Rows[0].Pass != id(3) || got.Rows[1].Application != 2 || got.Rows[2].Application != 4 {
		t.Errorf("refused %+v", got.Rows)
	}
	r.Cut()
	if !r.Report().Cut {
		t.Error("cut is not said")
	}
}
