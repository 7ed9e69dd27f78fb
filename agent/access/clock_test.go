package access

import (
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// clockScenes are decisions that hang on the time, each at its own moment.
var clockScenes = map[string]struct {
	change func(*scene)
	at     time.Duration // from noon
	want   pass.Reason
}{
	"noon":              {func(*scene) {}, 0, pass.Granted},
	"too early":         {func(s *scene) { s.pass.Start = 600 }, 0, pass.TooEarly},
	"expired":           {func(s *scene) { s.pass.Length = 6 }, 0, pass.Expired},
	"before opening":    {func(*scene) {}, -6 * time.Hour, pass.Closed},
	"after closing":     {func(*scene) {}, 11 * time.Hour, pass.Closed},
	"live code":         {func(s *scene) { s.liveCode(0) }, 0, pass.Granted},
	"live code of then": {func(s *scene) { s.liveCode(-40) }, 0, pass.LiveStale},
	"guest":             {func(s *scene) { s.pass.Kind = pass.Guest }, 0, pass.Granted},
	"staff":             {func(s *scene) { s.pass.Kind = pass.Staff }, 0, pass.Granted},
}

func (s *scene) move(d time.Duration) { s.now, s.shown = s.now.Add(d), s.shown.Add(d) }

// TestOffset: a machine's clock may show anything, if the lane knows by how much
// it is wrong.
func TestOffset(t *testing.T) {
	for name, c := range clockScenes {
		for _, wrong := range []time.Duration{0, time.Second, -24 * time.Hour, 24 * time.Hour, time.Unix(0, 0).Sub(noon), 12 * 365 * 24 * time.Hour} {
			for _, state := range []link.ClockState{link.ClockTrusted, link.ClockHoldover} {
				s := newScene()
				c.change(s)
				s.move(c.at)
				s.now = s.now.Add(wrong)
				s.facts.Clock, s.facts.Offset = state, -wrong
				if got := s.decide(t).Reason; got != c.want {
					t.Errorf("%s by a clock that is wrong by %v: %v, want %v", name, wrong, got, c.want)
				}
			}
		}
	}
}

// TestOffsetOfAnUntrustedClock: what a lane only knows as the earliest decides
// nothing.
func TestOffsetOfAnUntrustedClock(t *testing.T) {
	for _, offset := range []time.Duration{0, time.Hour, 50 * 365 * 24 * time.Hour} {
		s := newScene()
		s.facts.Clock, s.facts.Offset = link.ClockUntrusted, offset
		if d := s.decide(t); d.Reason != pass.Granted || d.Flags != link.FlagStamped {
			t.Errorf("offset %v: %v %05b", offset, d.Reason, d.Flags)
		}
	}
}

// withLocal runs f as if the machine's zone were l.
func withLocal(l *time.Location, f func()) {
	before := time.Local
	time.Local = l
	defer func() { time.Local = before }()
	f()
}

// TestZoneOfTheMachine changes nothing: TZ set to anything, a wrong clock beside
// it, and times given in it.
func TestZoneOfTheMachine(t *testing.T) {
	zones := []*time.Location{time.UTC, time.FixedZone("east", 14*3600), time.FixedZone("west", -12*3600), zone(t, "America/St_Johns"), zone(t, "Asia/Hong_Kong")}
	for name, c := range clockScenes {
		for _, l := range zones {
			withLocal(l, func() {
				s := newScene()
				c.change(s)
				s.move(c.at)
				s.now = s.now.In(l)
				if got := s.decide(t).Reason; got != c.want {
					t.Errorf("%s on a machine in %v: %v, want %v", name, l, got, c.want)
				}
			})
		}
	}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// shortAndLong are days of 23 and of 25 hours, and one whose clock changes by
// half an hour, against Go's own calendar.
var shortAndLong = []struct {
	place string
	day   time.Time // any moment of it
	hours float64
}{
	{"Europe/Berlin", time.Date(2026, 10, 25, 12, 0, 0, 0, time.UTC), 25},
	{"Europe/Berlin", time.Date(2027, 3, 28, 12, 0, 0, 0, time.UTC), 23},
	{"America/New_York", time.Date(2026, 11, 1, 17, 0, 0, 0, time.UTC), 25},
	{"America/New_York", time.Date(2027, 3, 14, 17, 0, 0, 0, time.UTC), 23},
	{"Australia/Lord_Howe", time.Date(2027, 4, 4, 3, 0, 0, 0, time.UTC), 24.5},
	{"Asia/Hong_Kong", time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC), 24},
}

// offsetsAround lists a place's distances from UTC for some days around a moment,
// found by looking at every minute.
func offsetsAround(l *time.Location, at time.Time) []link.Offset {
	var list []link.Offset
	for u := at.Add(-96 * time.Hour).Truncate(time.Minute); u.Before(at.Add(96 * time.Hour)); u = u.Add(time.Minute) {
		_, seconds := u.In(l).Zone()
		if n := len(list); n == 0 || int(list[n-1].Minutes)*60 != seconds {
			list = append(list, link.Offset{From: u.Unix(), Minutes: int16(seconds / 60)})
		}
	}
	return list
}

// TestShortAndLongDays: a pass that is good for its whole service day is good from
// campus midnight to campus midnight and not a minute more, and doors open and
// close by the clock on the wall, on each day around a change of the clock.
func TestShortAndLongDays(t *testing.T) {
	for _, x := range shortAndLong {
		l := zone(t, x.place)
		local := x.day.In(l)
		midnight := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, l)
		next := time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, l)
		if got := next.Sub(midnight).Hours(); got != x.hours {
			t.Fatalf("%s has %v hours", local.Format(time.DateOnly), got)
		}
		day := pass.DayOf(local)
		rules := newScene().rules()
		rules.Offsets = offsetsAround(l, x.day)
		s := newScene()
		s.pass.Day = day
		s.pass.Start = int16(midnight.Unix()/60 - day.UTC()/60)
		s.pass.Length = uint8((next.Sub(midnight) + 9*time.Minute) / (10 * time.Minute))
		s.events = []link.Event{{Type: link.OpenDay, Day: day, Value: 1 << 13}}
		s.facts.Keys[testKey] = link.PassKey{ID: testKey, Public: s.facts.Keys[testKey].Public, Kinds: 0xffff, From: day, To: day}
		s.facts.Rules = rules
		if s.pass.Length > pass.MaxLength || x.hours == 25 && s.pass.Length != pass.MaxLength {
			t.Fatalf("a day of %v hours needs %d units", x.hours, s.pass.Length)
		}
		const step = 5 * time.Minute // every change of the answer is at one
		granted := 0
		for at := midnight.Add(-26 * time.Hour); at.Before(next.Add(26 * time.Hour)); at = at.Add(step) {
			if got, want := s.reasonAt(t, at), expectAt(at.In(l), midnight, next); got != want {
				t.Fatalf("%s: %v, want %v", at.In(l), got, want)
			} else if got == pass.Granted {
				granted++
			}
		}
		if granted != 15*12 { // no clock changes between 7 and 22
			t.Errorf("%s: open at %d moments", x.place, granted)
		}
	}
}

func (s *scene) reasonAt(t *testing.T, at time.Time) pass.Reason {
	t.Helper()
	s.now, s.facts.Head = at, at.UnixMilli()
	return s.decide(t).Reason
}

// expectAt judges by Go's calendar.
func expectAt(local, midnight, next time.Time) pass.Reason {
	switch minute := local.Hour()*60 + local.Minute(); {
	case local.Before(midnight):
		return pass.TooEarly
	case !local.Before(next):
		return pass.Expired
	case minute < 7*60 || minute >= 22*60:
		return pass.Closed
	}
	return pass.Granted
}

// TestNightsOfTheChange: a zone that is open through the hour that comes twice,
// and through the one that does not come.
func TestNightsOfTheChange(t *testing.T) {
	for _, x := range shortAndLong[:2] {
		l := zone(t, x.place)
		rules := link.Rules{Offsets: offsetsAround(l, x.day)}
		z := link.Zone{Hours: []link.Hours{{Weekdays: 1, Open: 120, Close: 180}}} // Sundays, 2 to 3 o'clock
		open := 0
		for at := x.day.Add(-36 * time.Hour); at.Before(x.day.Add(36 * time.Hour)); at = at.Add(time.Minute) {
			got := z.IsOpen(rules.Campus(at.Unix()))
			if want := at.In(l).Weekday() == time.Sunday && at.In(l).Hour() == 2; got != want {
				t.Fatalf("%s: %v", at.In(l), got)
			}
			if got {
				open++
			}
		}
		if want := map[float64]int{25: 120, 23: 0}[x.hours]; open != want {
			t.Errorf("a day of %v hours: open for %d minutes, want %d", x.hours, open, want)
		}
	}
}

// TestRepeatedSecond: a leap second that a clock repeats costs nobody a passage,
// with a live code either.
func TestRepeatedSecond(t *testing.T) {
	for _, back := range []time.Duration{0, -time.Second, -500 * time.Millisecond, time.Second} {
		s := newScene()
		s.liveCode(0)
		s.now = s.now.Add(back)
		if got := s.decide(t).Reason; got != pass.Granted {
			t.Errorf("%v: %v", back, got)
		}
	}
}
