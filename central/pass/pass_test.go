package pass_test

import (
	"slices"
	"testing"
	"time"

	"turnstile/central/pass"
)

// TestReasonsAreAppendOnly is a golden list: a number or a name that changes
// gives another meaning to entries written years ago. Append to it only.
func TestReasonsAreAppendOnly(t *testing.T) {
	golden := []string{
		"GRANTED", "UNREADABLE", "FOREIGN", "MALFORMED", "VERSION_UNKNOWN", "KIND_UNKNOWN", "FLAGS_UNKNOWN", "TEST_PASS",
		"KEY_UNKNOWN", "KEY_REVOKED", "FORGED", "CLOCK_UNTRUSTED", "TOO_EARLY", "EXPIRED", "REVOKED", "HELD",
		"STATUS_UNKNOWN", "HOLDER_BLOCKED", "SUPERSEDED", "WRONG_ZONE", "CLOSED", "LOCKDOWN", "LIVE_REQUIRED", "LIVE_FORGED",
		"LIVE_STALE", "LIVE_REPLAYED", "ESCORT_NEEDED", "ALREADY_INSIDE", "ALREADY_USED", "GATE_FAULT", "JOURNAL_FAULT", "NO_FEED",
		"NOT_INSIDE", "HOME_LANE", "WRONG_LANE",
	}
	all := pass.Reasons()
	if len(all) != len(golden) {
		t.Fatalf("%d reasons, the golden list has %d", len(all), len(golden))
	}
	for i, r := range all {
		if int(r) != i || r.String() != golden[i] {
			t.Errorf("reason %d is %s, want %s", r, r, golden[i])
		}
		if back, ok := pass.ParseReason(golden[i]); !ok || back != r {
			t.Errorf("ParseReason(%s) = %v, %v", golden[i], back, ok)
		}
	}
	constants := []pass.Reason{
		pass.Granted, pass.Unreadable, pass.Foreign, pass.Malformed, pass.VersionUnknown, pass.KindUnknown, pass.FlagsUnknown, pass.TestPass,
		pass.KeyUnknown, pass.KeyRevoked, pass.Forged, pass.ClockUntrusted, pass.TooEarly, pass.Expired, pass.Revoked, pass.Held,
		pass.StatusUnknown, pass.HolderBlocked, pass.Superseded, pass.WrongZone, pass.Closed, pass.Lockdown, pass.LiveMissing, pass.LiveForged,
		pass.LiveStale, pass.LiveReplayed, pass.EscortNeeded, pass.AlreadyInside, pass.AlreadyUsed, pass.GateFault, pass.JournalFault, pass.NoFeed,
		pass.NotInside, pass.HomeLane, pass.WrongLane,
	}
	if !slices.Equal(constants, all) {
		t.Errorf("the constants are %d, want 0..%d in order", constants, len(all)-1)
	}
	if pass.Reason(200).String() != "REASON_200" {
		t.Errorf("an unknown reason is called %s", pass.Reason(200))
	}
	if _, ok := pass.ParseReason("REASON_200"); ok {
		t.Error("ParseReason takes a number without a name")
	}
}

// TestAuthentic lists the refusals that say nothing of who signed.
func TestAuthentic(t *testing.T) {
	for _, r := range pass.Reasons() {
		want := r > pass.Forged && r != pass.GateFault && r != pass.JournalFault && r != pass.NoFeed
		if r.Authentic() != want {
			t.Errorf("%s: %v", r, !want)
		}
	}
}

func TestKinds(t *testing.T) {
	for n, name := range map[pass.Kind]string{1: "ecard", 2: "guest", 3: "staff", 15: "test"} {
		if k, ok := pass.ParseKind(name); !ok || k != n || n.String() != name {
			t.Errorf("kind %d: %s, %v", n, n, ok)
		}
	}
	if _, ok := pass.ParseKind("supervisor"); ok || pass.Supervisor.String() != "supervisor" {
		t.Error("a supervisor code is a pass")
	}
	if _, ok := pass.ParseKind("command"); ok || pass.Command.String() != "command" {
		t.Error("a command is a pass")
	}
	if _, ok := pass.ParseKind("kind(6)"); ok || pass.Kind(6).String() != "kind(6)" {
		t.Error("an unknown kind has a name")
	}
}

func TestDayOf(t *testing.T) {
	hongKong := time.FixedZone("", 8*3600)
	for _, c := range []struct {
		at   time.Time
		want pass.Day
	}{
		{time.Date(2020, 1, 1, 0, 0, 0, 0, hongKong), 0},
		{time.Date(2026, 11, 21, 0, 0, 0, 0, hongKong), today}, // still 2026-11-20 in UTC
		{time.Date(2026, 11, 21, 23, 59, 59, 0, hongKong), today},
		{time.Date(2026, 11, 22, 0, 0, 0, 0, hongKong), today + 1},
		{time.Date(2199, 6, 6, 0, 0, 0, 0, time.UTC), 65535},
		{time.Date(2199, 6, 7, 0, 0, 0, 0, time.UTC), 65535}, // not day 0
		{time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), 0},     // not day 47274
		{time.Date(2019, 12, 31, 23, 0, 0, 0, time.UTC), 0},
	} {
		if d := pass.DayOf(c.at); d != c.want {
			t.Errorf("%v is day %d, want %d", c.at, d, c.want)
		}
	}
}

func TestDayText(t *testing.T) {
	for _, d := range []pass.Day{0, 58, 59, 60, today, 65535} {
		if back, err := pass.ParseDay(d.String()); err != nil || back != d {
			t.Errorf("day %d is %s, which is %d, %v", d, d, back, err)
		}
	}
	if today.String() != "2026-11-21" || pass.Day(65535).String() != "2199-06-06" {
		t.Errorf("%s, %s", today, pass.Day(65535))
	}
	for _, s := range []string{"", "2019-12-31", "2199-06-07", "2026-02-29", "2026-1-01", "2026-11-21 ", "21.11.2026", "+026-11-21"} {
		if d, err := pass.ParseDay(s); err == nil {
			t.Errorf("%q is day %d", s, d)
		}
	}
}

func TestIDText(t *testing.T) {
	for _, id := range []pass.ID{{}, {today, 4711}, {today, 999999}, {today, 1000000}, {65535, pass.MaxIndex}} {
		if back, err := pass.ParseID(id.String()); err != nil || back != id {
			t.Errorf("%v is %s, which is %v, %v", id.Index, id, back, err)
		}
	}
	if s := (pass.ID{Day: today, Index: 4711}).String(); s != "2026-11-21/004711" {
		t.Error(s)
	}
	for _, s := range []string{
		"", "2026-11-21", "2026-11-21/", "2026-11-21/x", "2026-11-21/-1", "2026-11-21/16777216", "2026-11-21/99999999",
		"2026-11-21/000004711", "2026-11-21 004711", "2026-13-21/004711", "2026-11-21/00471\u0661", "2026-11-21/4294967297",
	} {
		if id, err := pass.ParseID(s); err == nil {
			t.Errorf("%q is %s", s, id)
		}
	}
}

func TestWindow(t *testing.T) {
	p := basic()
	from, until := p.Window()
	hongKong := time.FixedZone("", 8*3600)
	if f := time.Date(2026, 11, 21, 0, 0, 0, 0, hongKong).Unix(); from != f || until != f+86400 {
		t.Errorf("%d..%d, want %d and a day", from, until, f)
	}
	last := with(func(p *pass.Pass) { p.Day, p.Start, p.Length = 65535, pass.MaxStart, pass.MaxLength })
	if _, until := last.Window(); until != pass.Day(65535).UTC()+pass.MaxStart*60+pass.MaxLength*600 {
		t.Errorf("the last window ends at %d", until)
	}
}

func TestPermits(t *testing.T) {
	p := with(func(p *pass.Pass) { p.Zones = 1<<0 | 1<<15 })
	for zone := range 256 {
		if want := zone == 0 || zone == 15; p.Permits(uint8(zone)) != want {
			t.Errorf("zone %d: %v", zone, !want)
		}
	}
}

// TestCheckCutsNothing has the fields that 24 bytes cannot hold.
func TestCheckCutsNothing(t *testing.T) {
	for name, p := range map[string]pass.Pass{
		"index":    with(func(p *pass.Pass) { p.Index = pass.MaxIndex + 1 }),
		"entries":  with(func(p *pass.Pass) { p.Entries = 16 }),
		"passback": with(func(p *pass.Pass) { p.Passback = 16 }),
	} {
		if r := p.Check(); r != pass.Malformed {
			t.Errorf("%s: %s", name, r)
		}
	}
	if p := with(func(p *pass.Pass) { p.Kind = 17 }); p.Check() != pass.KindUnknown {
		t.Error("kind 17 is known")
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("2026-11-21/004711")
	f.Add("2026-11-21/16777215")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := pass.ParseID(s)
		if err != nil {
			return
		}
		if back, err := pass.ParseID(id.String()); err != nil || back != id || id.Index > pass.MaxIndex {
			t.Fatalf("%q is %s, which is %s, %v", s, id, back, err)
		}
	})
}
