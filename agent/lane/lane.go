// Package lane runs one lane: a scan becomes a decision, the decision an entry in the journal, the entry an open gate, and the passage a second entry.
//
// State has the diagram and next the rules; one goroutine runs the effects.
//
// What is stated rather than specified:
//   - No grant without its entry: if the journal cannot take it, the gate stays
//     shut and the person is told (JournalFault). A refusal stands even if it
//     cannot be written; it is counted.
//   - A result that cannot be written is owed and tried again each tick; until
//     it is, nobody is granted on this lane.
//   - While somebody is walking, one other scan is kept, the newest, for at most
//     keepScan; the gate's lights stay green for the one who walks.
//   - A scan that waited longer than keepScan anywhere is dropped and counted:
//     its person may have gone, and a gate must not open for nobody.
//   - The same text again within the rules' RepeatMS is answered again, not
//     decided again, also if it is no code of ours; a rotation ends that. While
//     a passage is under way its own text means nothing.
//   - Within guessPause of a forged short code another is Unreadable unseen: a
//     wire on a reader carries some thirty a second, and a guess is one of 2^34.
//   - Of entries that are owed, alarms and news of devices are given up before
//     results: at most maxOwed are kept.
//   - A mode by hand stands in the place of central's until a normal code or until
//     newer rules, on this lane alone; it comes back from the journal. The gate's
//     fire release knows nothing of modes. During a passage a supervisor code waits
//     as any scan does.
//   - A command of central is obeyed in any mode, and while a refusal is shown; it
//     opens once, behind its entry. During a passage it means nothing: it comes again.
//   - Texts that nobody signed fill the journal at garbageRate at most; the next
//     entry's Detail says how many were left out.
package lane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/scanner"
)

const (
	keepScan     = 3 * time.Second
	tickEvery    = 250 * time.Millisecond
	openTimeout  = 2 * time.Second
	maxOwed      = 16
	garbageBurst = 30
	garbageRate  = 2 * time.Second // one more entry of an unsigned text each
	guessPause   = time.Second     // no short code is looked at so soon after a forged one
)

// Reader is one scanner and the way that those walk who use it.
type Reader struct {
	Name      string // the port, for people
	Scanner   scanner.Scanner
	Direction gate.Direction
	// About says what the scanner is and what it could not be told, for people;
	// nil if there is nothing to say.
	About func() string
}

func (r Reader) about() string {
	if r.About == nil {
		return ""
	}
	return r.About()
}

// Others is what a lane asks of the zone's other controllers; agent/neighbours
// implements it.
type Others interface {
	// Apart reports whether neither central nor all of them can be reached.
	Apart(zone uint8, now time.Time) bool
	// Home reports whether this controller answers for the pass while it is so.
	Home(zone uint8, id pass.ID) bool
}

// Setup is what a lane is made of.
type Setup struct {
	Number  uint8 // from 1
	Name    string
	Zone    uint8
	Ref     pass.LaneRef // of this lane in supervisor codes; zero: not enrolled, and none is for it
	Gate    gate.Gate
	Pulse   time.Duration // of the relay; 0: gate.DefaultPulse
	Window  time.Duration // to walk through; 0: gate.DefaultWindow
	Readers []Reader      // one or two
	Record  *Recorder
	Others  Others       // nil: this controller is its zone's only one
	Changed func(Status) // called on each change, from the lane's goroutine; must not block
	Log     *slog.Logger
}

// Lane is one lane. Make it with New, then Run it once.
type Lane struct {
	setup Setup
	log   *slog.Logger

	// Owned by Run.
	state     State
	scan      incoming // being judged
	last      incoming // judged last; Text is nil if nothing counts as its repetition
	lastAt    time.Time
	waiting   *incoming // kept during a passage
	grant     link.Entry
	granted   uint64 // Seq of the newest grant in the journal
	number    uint32 // its number at the gate
	gone      bool   // the gate was lost while a passage was under way
	stopping  bool   // the gate is being released
	owed      []link.Entry
	vouched   time.Time // when a staff pass last went through
	garbage   bucket
	guessed   time.Time // when the last short code came that was forged
	showTimer *time.Timer
	answer    Answer
	readers   []readerState
	order     Order  // being obeyed
	answered  uint64 // number of the newest command that an entry answers

	orders chan Order

	mu     sync.Mutex // guards the following
	status Status
}

// incoming is a scan and where it came from.
type incoming struct {
	scanner.Scan
	direction gate.Direction
}

// New returns a lane that does nothing yet.
func New(s Setup) *Lane {
	l := &Lane{setup: s, log: s.Log.With("lane", s.Number), readers: make([]readerState, len(s.Readers)), orders: make(chan Order, 1)}
	l.garbage = bucket{left: garbageBurst}
	l.status = Status{Number: s.Number, Name: s.Name, Zone: s.Zone, Beat: time.Now()}
	return l
}

// Run owns the gate and the scanners until ctx ends. Then it stops taking
// scans, waits for the passage under way (its window and the gate's grace at
// most), releases the gate and writes what became of it. It returns the errors
// of devices that can never work; while any of them is dead the lane still
// tells people so, until ctx ends.
func (l *Lane) Run(ctx context.Context) error {
	gateCtx, stopGate := context.WithCancel(context.WithoutCancel(ctx))
	defer stopGate()
	var wg sync.WaitGroup
	errs := make(chan error, len(l.setup.Readers)+1)
	wg.Go(func() { errs <- wrap("gate", l.setup.Gate.Run(gateCtx)) })
	scans := make(chan incoming)
	for _, r := range l.setup.Readers {
		wg.Go(func() { errs <- wrap("scanner "+r.Name, r.Scanner.Run(ctx)) })
		wg.Go(func() { forward(ctx, r, scans) })
	}
	l.showTimer = time.NewTimer(time.Hour)
	defer l.showTimer.Stop()
	l.showHand()
	l.rest()
	dead := l.loop(ctx, scans, errs)
	l.drain()
	stopGate()
	l.finish()
	wg.Wait()
	return dead
}

func wrap(device string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("run %s: %w", device, err)
}

// forward hands the scans of one reader over until its channel is closed.
func forward(ctx context.Context, r Reader, to chan<- incoming) {
	for s := range r.Scanner.Scans() {
		select {
		case to <- incoming{s, r.Direction}:
		case <-ctx.Done():
		}
	}
}

// loop runs the lane until ctx ends.
func (l *Lane) loop(ctx context.Context, scans <-chan incoming, errs <-chan error) (dead error) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	events := l.setup.Gate.Events()
	for {
		select {
		case <-ctx.Done():
			return dead
		case s := <-scans:
			l.take(s)
		case o := <-l.orders:
			l.takeOrder(o)
		case e, ok := <-events:
			if !ok {
				events = nil // the gate's Run has ended; its error says why
				l.handle(lost)
				continue
			}
			l.gateEvent(e)
		case <-l.showTimer.C:
			l.handle(shown)
		case <-tick.C:
			l.tick()
		case err := <-errs:
			dead = errors.Join(dead, err)
			l.deviceDied(err)
		}
	}
}

// drain waits for the end of the passage under way; no scan is taken any more.
func (l *Lane) drain() {
	if l.state != Passage {
		return
	}
	g, _ := gate.Grant{Number: 1, Direction: gate.In, Window: l.setup.Window}.Within() // cannot be invalid
	end := time.NewTimer(g.Window + gate.Grace)
	defer end.Stop()
	l.waiting = nil
	for l.state == Passage {
		select {
		case e, ok := <-l.setup.Gate.Events():
			if !ok {
				l.handle(lost)
				return
			}
			l.gateEvent(e)
		case <-end.C:
			return
		}
	}
}

// finish writes what the gate still reports while it is being released.
func (l *Lane) finish() {
	l.stopping = true
	for e := range l.setup.Gate.Events() {
		l.gateEvent(e)
	}
	if l.state == Passage {
		l.handle(lost)
	}
	l.payOwed()
}

// take is what a scan does.
func (l *Lane) take(s incoming) {
	l.count(func(c *Counts) { c.Scans++ })
	switch {
	case time.Since(s.At) > keepScan:
		l.count(func(c *Counts) { c.Stale++ })
	case l.repeats(s):
		l.count(func(c *Counts) { c.Repeats++ })
		l.handle(repeated)
	default:
		l.scan = s
		l.handle(scanned)
	}
}

// repeats reports whether s is the passage before once more.
func (l *Lane) repeats(s incoming) bool {
	if l.last.Text == nil || s.direction != l.last.direction || s.Bits != l.last.Bits || string(s.Text) != string(l.last.Text) {
		return false
	}
	within := time.Duration(defaultRepeatMS) * time.Millisecond
	if r := l.setup.Record.Facts().Rules; r != nil {
		within = time.Duration(r.RepeatMS) * time.Millisecond
	}
	return l.state == Passage || time.Since(l.lastAt) < within
}

// defaultRepeatMS counts until the lane has rules.
const defaultRepeatMS = 3000

// handle changes the state and runs the effects. An effect gives at most one
// event, and no chain of them is longer than a scan's way to the open gate.
func (l *Lane) handle(e event) {
	for e != nothing {
		var todo []effect
		l.state, todo = next(l.state, e)
		e = nothing
		for _, f := range todo {
			if then := l.run(f); then != nothing {
				e = then
			}
		}
	}
	l.publish()
}

func (l *Lane) run(f effect) event {
	switch f {
	case decide:
		return l.decide()
	case obey:
		return l.obey()
	case open:
		return l.open()
	case welcome:
		l.show(l.granting(), 0)
	case refuse:
		l.refuse()
	case giveBack:
		l.settle(link.EntryNotPassed)
	case keep:
		l.waiting = &incoming{l.scan.Scan, l.scan.direction}
	case settlePassed:
		l.settle(link.EntryPassed)
	case settleNot:
		l.settle(link.EntryNotPassed)
	case settleUnknown:
		l.settle(link.EntryUnknown)
	case rest:
		l.rest()
	case resume:
		return l.resume()
	}
	return nothing
}
