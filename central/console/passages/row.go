package passages

import (
	"fmt"
	"time"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// row is a ledger row as a table shows it.
type row struct {
	Number   int64
	At       time.Time
	Doubt    string // how far the time may be wrong; "" if the clock was trusted
	Late     bool   // it reached central long after
	Received time.Time
	Lane     string
	Zone     string
	Going    string // in, out, or ""
	Pass     string // number of the pass, "" if it is about none
	Kind     string
	Guest    string
	Holder   string
	What     string // what came of it, in words
	Why      string // reason in words, of a refusal
	Class    string // ok, no, wait, soft
	Sign     string // the same as a sign, for who sees no colours
	Marks    []string
	Photo    bool // it can be asked who this is
}

// lateAfter is how long after it was written an entry counts as late.
const lateAfter = 2 * time.Minute

func (d *desk) row(r *console.Request, n *names, p *office.Passage) row {
	e := &p.Entry
	out := row{
		Number: p.Number, At: p.At(), Received: p.Received, Late: p.Received.Sub(p.At()) > lateAfter, Lane: n.lane(p.LaneRef()), Zone: n.zone(e.Zone),
		Going: going(r, e.Direction), Doubt: doubt(r, p), What: n.text(office.EntryWords(e.Type).Name), Marks: marks(r, e.Flags),
	}
	out.Class, out.Sign = sign(e.Type)
	if e.Type == link.EntryDenied {
		out.Why = n.text(office.ReasonWords(e.Reason).Name)
	}
	if e.Floor != nil {
		out.Zone = ""
		return out
	}
	if e.Kind != 0 {
		out.Kind = n.text(office.KindText(e.Kind))
	}
	if e.Kind != 0 && e.Kind != pass.Command {
		out.Pass = e.Pass.String()
		out.Photo = e.Kind != pass.Supervisor
	}
	if number, ok := e.Command(); ok {
		out.Pass = fmt.Sprintf("%s.%d", p.Lane, number)
	}
	if seesNames(r) {
		out.Guest, out.Holder = p.GuestName, p.HolderName
	}
	return out
}

func going(r *console.Request, direction uint8) string {
	switch direction {
	case 1:
		return r.Say(pages, "in")
	case 2:
		return r.Say(pages, "out")
	}
	return ""
}

// doubt says how far the time of a row may be wrong.
func doubt(r *console.Request, p *office.Passage) string {
	seconds, known := p.Doubt()
	switch {
	case p.Entry.Clock == link.ClockTrusted:
		return ""
	case !known:
		return r.Say(pages, "at the earliest")
	}
	return fmt.Sprintf("±%d s", seconds)
}

// sign returns the colour and the sign of a type.
func sign(t link.EntryType) (class, sign string) {
	switch t {
	case link.EntryPassed:
		return "ok", "✓"
	case link.EntryGranted:
		return "ok", "→"
	case link.EntryDenied:
		return "no", "✕"
	case link.EntryForced, link.EntryTailgated, link.EntryConflict, link.EntryTamper, link.EntryFire, link.EntryDropped, link.EntryRefused:
		return "no", "!"
	case link.EntryNotPassed, link.EntryUnknown, link.EntryGateLost, link.EntryScanLost, link.EntryFault, link.EntryHeld, link.EntryMode:
		return "wait", "?"
	}
	return "soft", "·"
}

// marks names the flags of an entry.
func marks(r *console.Request, f link.EntryFlags) (list []string) {
	for _, m := range []struct {
		flag link.EntryFlags
		text string
	}{
		{link.FlagAlarm, "alarm"}, {link.FlagStamped, "old feed or doubtful clock"}, {link.FlagPassback, "was inside already"},
		{link.FlagFreePassage, "free passage"}, {link.FlagLive, "live code"}, {link.FlagShort, "short code"},
	} {
		if f&m.flag != 0 {
			list = append(list, r.Say(pages, m.text))
		}
	}
	return list
}
