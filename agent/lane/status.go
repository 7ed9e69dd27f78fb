package lane

import (
	"context"
	"log/slog"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/scanner"
)

// Answer is what the lane tells the person in front of it.
type Answer struct {
	Signal    gate.Signal
	Reason    pass.Reason    // with Signal Idle: Granted
	Direction gate.Direction // of the scan that it answers; 0 while the lane is at rest
	// Command is what central told the lane to do; 0: the answer is to a scan.
	Command link.CommandAction
}

// Counts count since the lane was started.
type Counts struct {
	Scans      uint64 // that the scanners delivered
	Repeats    uint64 // the same text again
	Stale      uint64 // waited too long and were dropped
	Garbled    uint64 // that the scanners could not deliver: oversized, binary, cut short
	Granted    uint64
	Denied     map[pass.Reason]uint64
	Passed     uint64
	NotPassed  uint64
	Unknown    uint64
	Modes      uint64 // set by hand with a supervisor code
	GateFaults uint64 // grants that the gate did not take
	Alarms     uint64 // forced, tailgated, tamper
	Unwritten  uint64 // entries that the journal did not take at the first try
	GivenUp    uint64 // of them, those that will never be in it
}

// Last is the newest decision and what became of it.
type Last struct {
	At     time.Time // by the lane's clock
	Pass   pass.ID
	Kind   pass.Kind
	Known  bool // Pass and Kind are those of a code whose signature was good, or Kind is Command
	Reason pass.Reason
	Result link.EntryType // 0 while it is not known
}

// ReaderStatus is one scanner as of now.
type ReaderStatus struct {
	Name      string
	Direction gate.Direction
	Stats     scanner.Stats
	About     string // what it is; "" if it does not say
}

// keptDecisions is how many decisions before the newest a lane remembers for the guard.
const keptDecisions = 7

// Status is a lane as of now.
type Status struct {
	Number  uint8
	Name    string
	Zone    uint8
	State   State
	Answer  Answer
	ByHand  ByHand
	Waiting bool // another scan waits until the passage is over
	Last    Last
	Earlier [keptDecisions]Last // before Last, the newest first; At is zero where there is none
	Counts  Counts
	Gate    gate.State
	Readers []ReaderStatus
	Journal error     // why the journal did not take the newest entry; nil if it did
	Device  error     // a device that can never work as configured; nil if there is none
	Beat    time.Time // when Run last went round, with a monotonic reading; older than a few seconds: it is stuck
}

// Status returns the lane as of now. Safe for concurrent use.
func (l *Lane) Status() Status {
	l.mu.Lock()
	s := l.status
	denied := make(map[pass.Reason]uint64, len(s.Counts.Denied))
	for r, n := range s.Counts.Denied {
		denied[r] = n
	}
	l.mu.Unlock()
	s.Counts.Denied = denied
	s.Gate = l.setup.Gate.State()
	for _, r := range l.setup.Readers {
		s.Readers = append(s.Readers, ReaderStatus{r.Name, r.Direction, r.Scanner.Stats(), r.about()})
	}
	return s
}

// change is the one way in which Run's goroutine writes the status.
func (l *Lane) change(f func(s *Status)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.status)
}

func (l *Lane) count(f func(c *Counts)) { l.change(func(s *Status) { f(&s.Counts) }) }

// publish tells whoever looks at the lane what it is like now.
func (l *Lane) publish() {
	l.change(func(s *Status) {
		s.State, s.Waiting, s.Beat = l.state, l.waiting != nil, time.Now()
	})
	if l.setup.Changed != nil {
		l.setup.Changed(l.Status())
	}
}

// show answers the person: at the gate's lights and on the display. After d the
// lane shows that it is at rest again; d of 0 means until the next answer.
func (l *Lane) show(a Answer, d time.Duration) {
	l.setup.Gate.Show(a.Signal, d)
	l.showTimer.Stop()
	if d > 0 {
		l.showTimer.Reset(d)
	}
	l.change(func(s *Status) { s.Answer = a })
}

func (l *Lane) refuse() {
	d := showRefusal
	switch {
	case l.answer.Reason == pass.Unreadable:
		d = showGarbled
	case l.answer.Command == link.CommandIdentify:
		d = showLane
	}
	l.show(l.answer, d)
}

// granting is the answer to whom the gate just opened for.
func (l *Lane) granting() Answer {
	a := Answer{Signal: gate.Granted, Reason: pass.Granted, Direction: l.scan.direction}
	if l.grant.Kind == pass.Command {
		a.Command = link.CommandOpen
	}
	return a
}

// rest shows what the lane is like when nobody is in front of it.
func (l *Lane) rest() {
	a := Answer{Reason: l.standing()}
	if a.Reason != pass.Granted {
		a.Signal = signalOf(a.Reason)
	}
	l.show(a, 0)
}

// standing returns the reason for which everybody would be refused now, or Granted.
func (l *Lane) standing() pass.Reason {
	if l.state == Down {
		return pass.GateFault
	}
	f := l.facts()
	if !f.HasFeed() {
		return pass.NoFeed
	}
	z := f.Rules.Zone(l.setup.Zone)
	switch {
	case z == nil:
		return pass.Closed
	case z.Mode == link.Lockdown:
		return pass.Lockdown
	case z.Mode == link.FreePassage || !f.ClockUsable() || l.hasExit():
		return pass.Granted
	case !z.IsOpen(f.Rules.Campus(l.setup.Record.Now().Add(f.Offset).Unix())):
		return pass.Closed
	}
	return pass.Granted
}

func (l *Lane) hasExit() bool {
	for _, r := range l.setup.Readers {
		if r.Direction == gate.Out {
			return true
		}
	}
	return false
}

// readerState is what the last tick saw of a scanner.
type readerState struct {
	known     bool
	connected bool
	garbled   uint64
	reopened  uint64
}

// tick looks at what sends no events: scanners that come and go or cannot read,
// entries that are owed, opening hours.
func (l *Lane) tick() {
	l.payOwed()
	l.showHand()
	for i, r := range l.setup.Readers {
		l.look(&l.readers[i], r)
	}
	atRest := l.state == Idle || l.state == Down
	l.mu.Lock()
	a := l.status.Answer
	l.mu.Unlock()
	if atRest && a.Direction == 0 && a.Command == 0 && a.Reason != l.standing() {
		l.rest()
	}
	l.publish()
}

// scannerIs writes down that a scanner came or went.
func (l *Lane) scannerIs(r Reader, connected bool, err error) {
	t := link.EntryScanLost
	if connected {
		t = link.EntryScanFound
	}
	l.log.Log(context.Background(), scanLevel(connected), "scanner", "port", r.Name, "connected", connected, "about", r.about(), "err", err)
	l.write(link.Entry{Type: t, Direction: uint8(r.Direction)})
}

func (l *Lane) look(was *readerState, r Reader) {
	s := r.Scanner.Stats()
	if s.Connected && was.connected && s.Reopened != was.reopened { // out and in again between two looks
		l.scannerIs(r, false, nil)
		was.connected = false
	}
	if s.Connected != was.connected || !was.known && s.Err != nil {
		l.scannerIs(r, s.Connected, s.Err)
		was.known = true
	}
	was.connected, was.reopened = s.Connected, s.Reopened
	if n := s.Oversized + s.Noise; n != was.garbled {
		l.count(func(c *Counts) { c.Garbled += n - was.garbled })
		was.garbled = n
		l.garbled(r)
	}
}

// garbled answers somebody whose code the scanner could not deliver.
func (l *Lane) garbled(r Reader) {
	if l.state != Idle && l.state != Refused {
		return
	}
	l.scan = incoming{direction: r.Direction}
	f := l.setup.Record.Facts()
	l.handle(l.deny(link.Entry{}, &f, l.setup.Record.Now(), unreadable))
}

func scanLevel(connected bool) slog.Level {
	if connected {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

func levelOf(k gate.EventKind) slog.Level {
	switch k {
	case gate.Passed, gate.NotPassed, gate.Found, gate.FireOver, gate.TamperOver, gate.HeldOver:
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// decided keeps the newest decision.
func (l *Lane) decided(e link.Entry) {
	known := e.Reason == pass.Granted || e.Kind != 0 && e.Reason.Authentic()
	l.change(func(s *Status) {
		copy(s.Earlier[1:], s.Earlier[:])
		s.Earlier[0] = s.Last
		s.Last = Last{At: time.UnixMilli(e.Wall), Pass: e.Pass, Kind: e.Kind, Known: known, Reason: e.Reason}
		if e.Type == link.EntryGranted {
			s.Counts.Granted++
			return
		}
		if s.Counts.Denied == nil {
			s.Counts.Denied = map[pass.Reason]uint64{}
		}
		s.Counts.Denied[e.Reason]++
	})
}

// tell logs a decision. A grant is logged when the gate has been asked: nobody
// waits for a log.
func (l *Lane) tell(e link.Entry) {
	attrs := []any{"reason", e.Reason.String(), "direction", gate.Direction(e.Direction).String(), "flags", uint8(e.Flags)}
	if number, ok := e.Command(); ok {
		attrs = append(attrs, "command", number)
	} else if e.Kind != 0 {
		attrs = append(attrs, "pass", e.Pass.String(), "kind", e.Kind.String(), "key", e.KeyID, "generation", e.Gen)
	}
	l.log.Info("decision", attrs...)
}

// ended keeps what became of the newest grant.
func (l *Lane) ended(e link.Entry) {
	l.change(func(s *Status) {
		s.Last.Result = e.Type
		switch e.Type {
		case link.EntryPassed:
			s.Counts.Passed++
		case link.EntryNotPassed:
			s.Counts.NotPassed++
		case link.EntryUnknown:
			s.Counts.Unknown++
		}
	})
}

// happened counts what the guard should look at.
func (l *Lane) happened(t link.EntryType) {
	if t == link.EntryForced || t == link.EntryTailgated || t == link.EntryTamper || t == link.EntryHeld {
		l.count(func(c *Counts) { c.Alarms++ })
	}
}

// journalFailed counts an entry that was not taken.
func (l *Lane) journalFailed(err error) {
	first := false
	l.change(func(s *Status) {
		first = s.Journal == nil
		s.Counts.Unwritten++
		s.Journal = err
	})
	if first {
		l.log.Error("journal takes no entry; nobody is let in until it does", "err", err)
	}
}

// deviceDied keeps the error of a device that can never work; nil means that
// the device was only released.
func (l *Lane) deviceDied(err error) {
	if err != nil {
		l.change(func(s *Status) { s.Device = err })
		l.publish()
	}
}
