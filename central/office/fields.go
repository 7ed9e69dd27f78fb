package office

import (
	"net/mail"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// RowFault is what is wrong with one field of an order in text. Text is English
// with at most one %s, for which Arg stands: pages translate it.
type RowFault struct {
	Column string `json:"column"` // the field; "" for the order as a whole
	Text   string `json:"text"`   // what would be right
	Arg    string `json:"arg,omitempty"`
}

// Said is the fault in English.
func (f RowFault) Said() string { return strings.Replace(f.Text, "%s", f.Arg, 1) }

// OrderFields are the fields of an order in text, as a form or a file has them.
// All but kind, holder and day may be empty.
func OrderFields() []string {
	return []string{"kind", "holder", "guest_name", "purpose", "day", "zones", "start", "length", "entries", "live", "escort", "passback_exempt", "email"}
}

// What fields hold when they are empty.
const (
	defaultStart  = "00:00"
	defaultLength = "24h"
)

// maxZoneWords bounds the zones of an order in text.
const maxZoneWords = 16

// ParseOrder reads an order from text fields; field returns the value of one of
// OrderFields. Zones are numbers or names with commas, semicolons or bars between
// them. All faults are named.
func ParseOrder(field func(name string) string, zones []link.Zone) (o Order, email string, faults []RowFault) {
	p := fieldReader{field: field}
	kind, ok := pass.ParseKind(strings.ToLower(p.text("kind", 1, 8)))
	if p.wrong("kind", !ok, "want ecard, guest, staff or test", ""); ok {
		o.Kind = kind
	}
	o.Holder = p.text("holder", 1, 64)
	o.GuestName = p.text("guest_name", 0, 120)
	p.wrong("guest_name", o.GuestName != "" && ok && kind != pass.Guest, "only a pass of kind guest has a guest's name", "")
	p.wrong("guest_name", o.GuestName == "" && ok && kind == pass.Guest, "a pass of kind guest needs the guest's name", "")
	o.Purpose = p.text("purpose", 0, 200)
	o.Day = p.day("day")
	o.Zones = p.zones("zones", zones)
	o.Start, o.Length = p.start("start"), p.length("length")
	o.Entries = p.entries("entries")
	o.Flags = p.flag("live", pass.LiveRequired) | p.flag("escort", pass.Escort) | p.flag("passback_exempt", pass.PassbackExempt)
	email = p.email("email")
	p.wrong("email", email != "" && o.Flags&pass.LiveRequired != 0, "a live code is shown on a phone and cannot be mailed: leave email empty", "")
	return o, email, p.faults
}

// fieldReader collects the faults of fields, at most one of each.
type fieldReader struct {
	field  func(string) string
	faults []RowFault
}

func (p *fieldReader) wrong(name string, bad bool, text, arg string) {
	for _, f := range p.faults {
		bad = bad && f.Column != name
	}
	if bad {
		p.faults = append(p.faults, RowFault{name, text, arg})
	}
}

// text returns a field of least to most characters, without space around it.
func (p *fieldReader) text(name string, least, most int) string {
	s := strings.TrimSpace(p.field(name))
	n := utf8.RuneCountInString(s)
	p.wrong(name, n < least, "is missing", "")
	p.wrong(name, n > most, "is too long: at most %s characters", strconv.Itoa(most))
	p.wrong(name, !utf8.ValidString(s), "is not UTF-8 text", "")
	p.wrong(name, !printable(s), "has a line break or a control character", "")
	return s
}

func (p *fieldReader) day(name string) pass.Day {
	d, err := pass.ParseDay(p.text(name, 1, 10))
	p.wrong(name, err != nil, "want a day such as 2026-11-22", "")
	return d
}

// zones returns the mask of zones; an empty field is the first zone.
func (p *fieldReader) zones(name string, zones []link.Zone) (mask uint16) {
	words := strings.FieldsFunc(p.text(name, 0, 400), func(r rune) bool { return r == ',' || r == ';' || r == '|' })
	p.wrong(name, len(words) > maxZoneWords, "is too long: at most %s zones", strconv.Itoa(maxZoneWords))
	if len(words) == 0 && len(zones) > 0 {
		return 1 << zones[0].ID
	}
	for _, word := range words {
		word = strings.TrimSpace(word)
		found := false
		for _, z := range zones {
			if word == strconv.Itoa(int(z.ID)) || strings.EqualFold(word, z.Name) || word == z.NameZH {
				mask, found = mask|1<<z.ID, true
				break
			}
		}
		p.wrong(name, !found, "there is no zone %s; see the rules for those that exist", shorten(word))
	}
	return mask
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) > 20 {
		return string([]rune(s)[:20]) + "…"
	}
	return s
}

func (p *fieldReader) start(name string) time.Duration {
	s := p.text(name, 0, 5)
	if s == "" {
		s = defaultStart
	}
	minute, err := parseMinute(s)
	p.wrong(name, err != nil, "want a time such as 07:30", "")
	return time.Duration(minute) * time.Minute
}

func (p *fieldReader) length(name string) time.Duration {
	s := p.text(name, 0, 12)
	if s == "" {
		s = defaultLength
	}
	d, err := parseLength(s)
	p.wrong(name, err != nil, "want 10m to 25h in steps of 10 minutes, such as 24h or 1h30m", "")
	return d
}

func (p *fieldReader) entries(name string) uint8 {
	s := p.text(name, 0, 2)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 8)
	p.wrong(name, err != nil || n > 15, "want 0 to 15; 0 is without limit", "")
	return uint8(n & 15)
}

func (p *fieldReader) flag(name string, f pass.Flags) pass.Flags {
	switch strings.ToLower(p.text(name, 0, 5)) {
	case "yes", "y", "true", "1", "x", "on", "是":
		return f
	case "", "no", "n", "false", "0", "off", "否":
		return 0
	}
	p.wrong(name, true, "want yes or no", "")
	return 0
}

func (p *fieldReader) email(name string) string {
	s := p.text(name, 0, 254)
	p.wrong(name, s != "" && !ValidAddress(s), "want an address such as name@example.org", "")
	return s
}

// ValidAddress reports whether s is a bare mail address and nothing else.
func ValidAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Name == "" && a.Address == s && len(s) <= 254 && printable(s) && strings.Contains(s, ".")
}

// PlainName is who did something as people read it: the name of a person, or of
// an API token.
func PlainName(by string) string { return strings.TrimPrefix(by, "user:") }
