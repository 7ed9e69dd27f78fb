package lane

import (
	"context"
	"errors"
	"slices"
	"time"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// decide judges the scan and puts the decision in the journal.
func (l *Lane) decide() event {
	l.last, l.lastAt = l.scan, time.Now()
	l.payOwed()
	f := l.facts()
	f.Zone, f.Direction, f.Vouched = l.setup.Zone, l.scan.direction, l.vouched
	code, reason, judge := l.read(&f)
	if reason == pass.KindUnknown && code.Kind == pass.Supervisor {
		return l.byHand(&f)
	}
	if reason != pass.Granted {
		return l.deny(link.Entry{}, &f, l.setup.Record.Now(), access.Decision{Reason: reason})
	}
	p := l.setup.Record.Presence
	p.Lock(code.ID())
	defer p.Unlock(code.ID())
	f.Past = p.Of(code.ID(), f.Zone, f.Direction)
	now := l.setup.Record.Now()
	if o := l.setup.Others; o != nil && o.Apart(f.Zone, now) {
		f.Apart, f.Home = true, f.AsksHome(&code) && o.Home(f.Zone, code.ID())
	}
	d := judge(&code, f, now)
	e := entryOf(&code, d)
	if d.Granted() {
		d.Reason = l.unable()
	}
	if !d.Granted() {
		return l.deny(e, &f, now, d)
	}
	return l.permit(e, &f, now, d)
}

// read makes a code of the scan, and says by which rules it is judged. A card
// number is good for nothing but a short code: everybody can send one.
func (l *Lane) read(f *access.Facts) (pass.Code, pass.Reason, func(*pass.Code, access.Facts, time.Time) access.Decision) {
	if l.scan.Bits == 0 {
		code, reason := pass.Parse(l.scan.Text)
		return code, reason, access.Decide
	}
	short, reason := pass.ParseShort(l.scan.Bits, l.scan.Text)
	if reason != pass.Granted {
		return pass.Code{}, reason, nil
	}
	if time.Since(l.guessed) < guessPause {
		return pass.Code{}, pass.Unreadable, nil
	}
	code, reason := access.Expand(short, f, l.setup.Record.Now())
	if reason == pass.Forged {
		l.guessed = time.Now()
	}
	return code, reason, access.DecideShort
}

// entryOf fills in what an entry says of the code. Of a forged code that is
// what it claims to be.
func entryOf(c *pass.Code, d access.Decision) link.Entry {
	return link.Entry{Flags: d.Flags, Kind: c.Kind, KeyID: c.KeyID, Pass: c.ID(), Gen: c.Generation, Slot: d.Slot, Holder: c.Holder}
}

// unable returns why this lane cannot let even a good pass through now.
func (l *Lane) unable() pass.Reason {
	if l.state == Down || !l.setup.Gate.State().Connected {
		return pass.GateFault
	}
	if len(l.owed) > 0 {
		return pass.JournalFault
	}
	return pass.Granted
}

// permit writes the grant. The gate is asked only after it is durable.
func (l *Lane) permit(e link.Entry, f *access.Facts, now time.Time, d access.Decision) event {
	l.number = l.nextNumber()
	l.fill(&e, link.EntryGranted, f, now)
	e.Reason, e.Detail = pass.Granted, uint16(l.number)
	seq, err := l.setup.Record.write(e)
	if err != nil {
		l.journalFailed(err)
		d.Reason = pass.JournalFault
		return l.deny(e, f, now, d)
	}
	e.Seq = seq
	l.grant, l.granted = e, seq
	l.change(func(s *Status) { s.Journal = nil })
	l.decided(e)
	return granted
}

// fill stamps an entry and says where it happened.
func (l *Lane) fill(e *link.Entry, t link.EntryType, f *access.Facts, now time.Time) {
	e.Type, e.Lane, e.Direction, e.Zone = t, l.setup.Number, uint8(l.scan.direction), l.setup.Zone
	l.setup.Record.stamp(e, f, now)
}

// deny settles the answer and writes it down. The caller holds the presence's
// lock of the entry's pass, if it has one.
func (l *Lane) deny(e link.Entry, f *access.Facts, now time.Time, d access.Decision) event {
	l.fill(&e, link.EntryDenied, f, now)
	e.Reason, e.Detail = d.Reason, 0
	l.answer = Answer{Signal: signalOf(d.Reason), Reason: d.Reason, Direction: l.scan.direction}
	l.decided(e)
	l.tell(e)
	if d.Reason <= pass.Forged || d.Reason == pass.NoFeed || e.Kind == 0 { // nobody has vouched for what it says
		ok, skipped := l.garbage.take(time.Now())
		if !ok {
			return denied
		}
		e.Detail = skipped
	}
	if d.Reason == pass.JournalFault {
		return denied // it did not take the grant either
	}
	if _, err := l.setup.Record.write(e); err != nil {
		l.journalFailed(err)
	}
	return denied
}

// unreadable is the answer to what a scanner could not deliver.
var unreadable = access.Decision{Reason: pass.Unreadable}

// bucket bounds how many entries unsigned texts make.
type bucket struct {
	left    int
	at      time.Time // when the last one was put back
	skipped uint16
}

// take reports whether one more may be written, and how many were left out before it.
func (b *bucket) take(now time.Time) (ok bool, skipped uint16) {
	if n := int(now.Sub(b.at) / garbageRate); n > 0 {
		b.left, b.at = min(b.left+min(n, garbageBurst), garbageBurst), now
	}
	if b.left == 0 {
		b.skipped = min(b.skipped, 65534) + 1
		return false, 0
	}
	b.left--
	skipped, b.skipped = b.skipped, 0
	return true, skipped
}

// nextNumber returns a grant number above all that the gate and this lane have used.
func (l *Lane) nextNumber() uint32 {
	n := l.number
	if at := l.setup.Gate.State().LastGrant; at != 0 && int32(at-n) > 0 || n == 0 {
		n = at
	}
	if n++; n == 0 {
		n = 1
	}
	return n
}

// open asks the gate. A number that the device turns out to have used already
// is replaced once: the device opened nothing for it.
func (l *Lane) open() event {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	err := l.ask(ctx)
	if errors.Is(err, gate.ErrRepeated) {
		l.number = l.nextNumber()
		err = l.ask(ctx)
	}
	l.tell(l.grant)
	if err == nil || errors.Is(err, gate.ErrUnsure) {
		return opened
	}
	l.log.Warn("gate did not open", "grant", l.grant.Seq, "err", err)
	l.count(func(c *Counts) { c.GateFaults++ })
	l.answer = Answer{Signal: gate.OutOfOrder, Reason: pass.GateFault, Direction: l.scan.direction}
	if errors.Is(err, gate.ErrBusy) {
		l.answer.Signal = gate.Wait
	}
	l.grant.Reason = pass.GateFault
	l.forget()
	return unopened
}

func (l *Lane) ask(ctx context.Context) error {
	return l.setup.Gate.Open(ctx, gate.Grant{
		Number: l.number, Direction: l.scan.direction, Pulse: l.setup.Pulse, Window: l.setup.Window,
		Card: l.grant.Pass.Index,
	})
}

// forget ends the repetition: whatever is scanned next is decided.
func (l *Lane) forget() { l.last.Text = nil }

// settle writes the result of the grant.
func (l *Lane) settle(t link.EntryType) {
	e := result(l.grant, t)
	e.Reason = l.grant.Reason
	l.grant = link.Entry{}
	if t == link.EntryPassed {
		l.forget()
		if e.Kind == pass.Staff {
			l.vouched = l.setup.Record.Now()
		}
	}
	l.write(e)
	l.ended(e)
}

// write records an entry that must not be lost: if the journal refuses, it is owed.
func (l *Lane) write(e link.Entry) {
	e.Lane, e.Zone = l.setup.Number, l.setup.Zone
	l.owed = append(l.owed, e)
	l.payOwed()
	if len(l.owed) > maxOwed {
		i := max(0, slices.IndexFunc(l.owed, func(o link.Entry) bool { return !decides(o.Type) }))
		l.log.Error("entry given up: the journal takes none", "type", uint8(l.owed[i].Type), "grant", l.owed[i].Grant)
		l.count(func(c *Counts) { c.GivenUp++ })
		l.owed = slices.Delete(l.owed, i, i+1)
	}
}

// decides reports whether later decisions rest on entries of the type. Such an
// entry is owed to the last: alarms and news of devices give way to it. There are
// at most two, because nobody is granted while one is owed.
func decides(t link.EntryType) bool {
	return t == link.EntryPassed || t == link.EntryNotPassed || t == link.EntryUnknown || t == link.EntryMode
}

// payOwed writes what is owed, in order, as far as the journal takes it.
func (l *Lane) payOwed() {
	for len(l.owed) > 0 {
		if _, err := l.setup.Record.Record(l.owed[0]); err != nil {
			l.journalFailed(err)
			return
		}
		l.owed = l.owed[1:]
		l.change(func(s *Status) { s.Journal = nil })
	}
}

// resume takes the scan that waited during the passage, unless it is too old.
func (l *Lane) resume() event {
	s := l.waiting
	l.waiting = nil
	if s == nil {
		return nothing
	}
	if time.Since(s.At) > keepScan {
		l.count(func(c *Counts) { c.Stale++ })
		return nothing
	}
	l.scan = *s
	return scanned
}

// entryTypes are the gate's events that go into the journal as they are.
var entryTypes = map[gate.EventKind]link.EntryType{
	gate.Forced: link.EntryForced, gate.Tailgated: link.EntryTailgated,
	gate.Fire: link.EntryFire, gate.FireOver: link.EntryFireOver,
	gate.Tamper: link.EntryTamper, gate.TamperOver: link.EntryTamperEnd,
	gate.Lost: link.EntryGateLost, gate.Found: link.EntryGateFound, gate.Fault: link.EntryFault,
	gate.Held: link.EntryHeld, gate.HeldOver: link.EntryHeldOver,
}

// outcomes are the events that end a passage.
var outcomes = map[gate.EventKind]event{gate.Passed: passed, gate.NotPassed: notPassed, gate.Lost: lost}

// gateEvent is what the gate reports.
func (l *Lane) gateEvent(e gate.Event) {
	l.log.Log(context.Background(), levelOf(e.Kind), "gate", "event", e.Kind.String(), "grant", e.Grant, "direction", e.Direction.String(), "detail", e.Detail)
	if e.Kind == gate.Forced || e.Kind == gate.Tailgated || e.Kind == gate.Passed {
		l.forget()
	}
	if what, ok := outcomes[e.Kind]; ok && e.Grant != 0 {
		l.outcome(e, what)
	}
	if t, ok := entryTypes[e.Kind]; ok && !(l.stopping && e.Kind == gate.Lost) {
		l.note(e, t)
	}
	switch {
	case e.Kind == gate.Found:
		l.gone = false
		l.handle(found)
	case e.Kind == gate.Lost && l.state == Passage:
		l.gone = true // what became of the grant is still to come
	case e.Kind == gate.Lost:
		l.handle(lost)
	}
}

// outcome ends the passage. For a grant that is not under way, such as one of
// an earlier process, the evidence is kept and nothing else changes.
func (l *Lane) outcome(e gate.Event, what event) {
	if l.state != Passage || e.Grant != l.number {
		l.note(e, link.EntryFault)
		return
	}
	l.handle(what)
	if l.gone && what != lost {
		l.handle(lost)
	}
	l.gone = false
}

// note writes an event that belongs to no grant under way. Detail is the gate's
// own number of the grant that it names, if any.
func (l *Lane) note(e gate.Event, t link.EntryType) {
	entry := link.Entry{Type: t, Direction: uint8(e.Direction), Detail: uint16(e.Grant)}
	if e.Grant != 0 && e.Grant == l.number {
		entry.Grant = l.granted
	}
	if t == link.EntryForced || t == link.EntryTailgated || t == link.EntryTamper || t == link.EntryHeld {
		entry.Flags |= link.FlagAlarm
	}
	l.write(entry)
	l.happened(t)
}
