package lane

import (
	"math"
	"slices"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/presence"
	"turnstile/agent/supervisor"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// ByHand is the mode that a supervisor code set at a lane.
type ByHand struct {
	Mode  link.Mode // Normal: nobody set one, and the rest is zero
	Since time.Time // in the campus zone as far as the lane knows it; before 2020: its clock was not set
	Code  pass.ID   // of the supervisor code
}

// noRules stands in the entry about a mode for the version of rules that the lane
// did not have: such a mode ends by a normal code alone.
const noRules = math.MaxUint64

// facts are the recorder's, with the mode by hand in the place of central's for
// the lane's zone.
func (l *Lane) facts() access.Facts {
	f := l.setup.Record.Facts()
	if h, ok := l.hand(&f); ok {
		f.Rules = withMode(f.Rules, l.setup.Zone, h.Mode)
	}
	return f
}

// hand returns the mode by hand that stands: newer rules of central end it.
func (l *Lane) hand(f *access.Facts) (presence.Hand, bool) {
	h, ok := l.setup.Record.Presence.Hand(l.setup.Number)
	return h, ok && !ended(h, f)
}

func ended(h presence.Hand, f *access.Facts) bool {
	return f.Rules != nil && f.Rules.Version > h.Rules
}

// withMode returns rules that differ in the mode of one zone. A zone that rules do
// not know stays closed.
func withMode(r *link.Rules, zone uint8, m link.Mode) *link.Rules {
	if r == nil || r.Zone(zone) == nil {
		return r
	}
	changed := *r
	changed.Zones = slices.Clone(r.Zones)
	changed.Zone(zone).Mode = m
	return &changed
}

// showHand keeps the status' picture of the mode by hand, and writes down that
// newer rules have ended one.
func (l *Lane) showHand() {
	f := l.setup.Record.Facts()
	h, ok := l.setup.Record.Presence.Hand(l.setup.Number)
	if ok && ended(h, &f) {
		l.endHand(h)
		ok = false
	}
	l.showMode(h, ok, f.Rules)
}

func (l *Lane) showMode(h presence.Hand, byHand bool, r *link.Rules) {
	var by ByHand
	if byHand {
		by = ByHand{h.Mode, campusTime(r, h.Since), h.Code}
	}
	l.change(func(s *Status) { s.ByHand = by })
}

// endHand writes the end of a mode once: while an entry is owed, nothing is added.
func (l *Lane) endHand(h presence.Hand) {
	if len(l.owed) > 0 {
		return
	}
	l.log.Info("mode by hand is over: central has newer rules", "mode", uint8(h.Mode), "code", h.Code.String())
	l.write(link.Entry{Type: link.EntryMode})
}

// campusTime returns a time in Unix ms in the campus zone of the rules, in UTC
// without rules.
func campusTime(r *link.Rules, ms int64) time.Time {
	at := time.UnixMilli(ms).UTC()
	if r == nil {
		return at
	}
	var offset int16
	for _, o := range r.Offsets {
		if o.From <= at.Unix() {
			offset = o.Minutes
		}
	}
	return at.In(time.FixedZone("campus", int(offset)*60))
}

// byHand judges a supervisor code and does what it says.
func (l *Lane) byHand(f *access.Facts) event {
	code, reason := pass.ParseSupervisor(l.scan.Text)
	if reason != pass.Granted {
		return l.deny(link.Entry{}, f, l.setup.Record.Now(), access.Decision{Reason: reason})
	}
	p := l.setup.Record.Presence
	p.Lock(code.ID())
	defer p.Unlock(code.ID())
	now := l.setup.Record.Now()
	d := supervisor.Decide(&code, f, supervisor.Place{Lane: l.setup.Ref, Used: p.Used(code.ID())}, now)
	e := link.Entry{Flags: d.Flags, Kind: pass.Supervisor, KeyID: code.KeyID, Pass: code.ID(), Gen: uint8(code.Cause), Holder: code.Lane}
	switch {
	case !d.Granted():
		return l.deny(e, f, now, d.Decision)
	case !code.Action.Opens():
		return l.setMode(e, f, now, d)
	}
	l.scan.direction = d.Direction
	if d.Reason = l.unable(); !d.Granted() {
		return l.deny(e, f, now, d.Decision)
	}
	return l.permit(e, f, now, d.Decision)
}

// setMode changes the lane's mode when the entry about it is durable; the code is
// used up by it. The caller holds the presence's lock of the code.
func (l *Lane) setMode(e link.Entry, f *access.Facts, now time.Time, d supervisor.Decision) event {
	e.Grant = noRules
	if f.Rules != nil {
		e.Grant = f.Rules.Version
	}
	l.fill(&e, link.EntryMode, f, now)
	e.Direction, e.Reason, e.Detail = 0, pass.Granted, uint16(d.Mode)
	if _, err := l.setup.Record.write(e); err != nil {
		l.journalFailed(err)
		d.Reason = pass.JournalFault
		return l.deny(e, f, now, d.Decision)
	}
	l.log.Warn("mode set by hand", "mode", uint8(d.Mode), "code", e.Pass.String(), "cause", pass.Cause(e.Gen).String())
	l.change(func(s *Status) { s.Journal = nil })
	l.count(func(c *Counts) { c.Modes++ })
	h, ok := l.hand(f)
	l.showMode(h, ok, f.Rules) // writes nothing: the presence's lock is held
	return moded
}
