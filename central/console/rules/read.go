package rules

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// reading turns a form into rules and notes what is wrong beside each field.
type reading struct {
	*form
	say func(string, ...any) string
}

// rules returns what the form says; f.Problems names each field that says
// nothing. What the form does not show comes from the rules in force.
func (f *form) rules(r *console.Request, t *console.Templates, now link.Rules) link.Rules {
	in := reading{f, func(text string, args ...any) string { return r.Say(t, text, args...) }}
	out := now
	out.Zones, out.Policies, out.Short = nil, nil, 0
	out.Version, _ = strconv.ParseUint(f.Version, 10, 53) // a wrong one is a conflict
	out.TestPass = f.TestPass
	out.EscortSec = uint16(in.whole("escort", f.Escort, 1, 600))
	out.RepeatMS = uint16(in.whole("repeat", f.Repeat, 0, 60000))
	seen := map[uint8]bool{}
	for i := range f.Zones {
		z := &f.Zones[i]
		if z.Remove {
			continue
		}
		zone := in.zone(z)
		if seen[zone.ID] {
			in.wrong(z.Key+".id", "Another zone has this number.")
		}
		seen[zone.ID] = true
		if z.Short {
			out.Short |= 1 << zone.ID
		}
		out.Zones = insert(out.Zones, zone)
	}
	if len(out.Zones) == 0 {
		in.wrong("zones", "At least one zone has to stay.")
	}
	for _, k := range f.Kinds {
		p := link.KindPolicy{Kind: k.Kind, Untrusted: k.Untrusted}
		for i, a := range k.Ages {
			p.Ages[i] = link.Action(a)
		}
		out.Policies = append(out.Policies, p)
	}
	keepModes(&out, &now)
	return out
}

// insert keeps zones ascending by their number.
func insert(zones []link.Zone, z link.Zone) []link.Zone {
	i := 0
	for i < len(zones) && zones[i].ID < z.ID {
		i++
	}
	return append(zones[:i:i], append([]link.Zone{z}, zones[i:]...)...)
}

func (in reading) wrong(field, text string, args ...any) { in.Problems[field] = in.say(text, args...) }

// whole reads a whole number from low to high.
func (in reading) whole(field, text string, low, high int) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < low || n > high {
		in.wrong(field, "A whole number from %d to %d, please.", low, high)
		return low
	}
	return n
}

// name reads a text of a line; least is 0 if it may be empty.
func (in reading) name(field, text string, least int) string {
	text = strings.TrimSpace(text)
	if n := utf8.RuneCountInString(text); n < least || n > maxName || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		in.wrong(field, "%d to %d characters in one line, please.", least, maxName)
		return ""
	}
	return text
}

func (in reading) zone(z *zoneForm) link.Zone {
	out := link.Zone{
		ID: uint8(in.whole(z.Key+".id", z.ID, 0, maxZones-1)), Name: in.name(z.Key+".name", z.Name, 1), NameZH: in.name(z.Key+".name_zh", z.NameZH, 0),
		Passback: link.Passback(z.Passback), Exit: link.Passback(z.Exit), Apart: link.Apart(z.Apart),
		BackMinutes: uint16(in.whole(z.Key+".back", z.Back, 0, 1440)), Holidays: in.holidays(z),
	}
	for i := range z.Hours {
		if h, ok := in.hours(&z.Hours[i]); ok {
			out.Hours = append(out.Hours, h)
		}
	}
	return out
}

// hours reads one period; one without a day is left out.
func (in reading) hours(h *hoursForm) (out link.Hours, ok bool) {
	for i, on := range h.Days {
		if on {
			out.Weekdays |= 1 << i
		}
	}
	if out.Weekdays == 0 {
		return out, false
	}
	open, good := minuteOf(h.Open)
	if !good {
		in.wrong(h.Key+".open", "A time such as 07:00, please.")
		return out, false
	}
	end, good := minuteOf(h.Close)
	if !good || end <= open {
		in.wrong(h.Key+".close", "A time later than the opening, up to 24:00, please.")
		return out, false
	}
	out.Open, out.Close = open, end
	return out, true
}

// minuteOf reads 00:00 to 24:00.
func minuteOf(text string) (uint16, bool) {
	hour, minute, ok := strings.Cut(strings.TrimSpace(text), ":")
	h, err1 := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	if !ok || err1 != nil || err2 != nil || m > 59 || h*60+m > 1440 || len(hour) > 2 || len(minute) != 2 {
		return 0, false
	}
	return uint16(h*60 + m), true
}

func (in reading) holidays(z *zoneForm) (list []pass.Day) {
	lines := strings.Fields(z.Holidays)
	if len(lines) > maxHolidays {
		in.wrong(z.Key+".holidays", "At most %d days, please.", maxHolidays)
		return nil
	}
	for _, line := range lines {
		d, err := pass.ParseDay(line)
		if err != nil {
			in.wrong(z.Key+".holidays", "Days such as 2026-12-25, one a line, please; %.20q is none.", line)
			return nil
		}
		list = append(list, d)
	}
	return list
}
