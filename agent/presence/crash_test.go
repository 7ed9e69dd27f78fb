package presence_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/lane"
	"turnstile/agent/presence"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner/scannertest"
)

const (
	day  = pass.Day(2516) // 2026-11-21
	zone = 3
)

var (
	key  = ed25519.NewKeyFromSeed([]byte("the keyset's key for these tests"))
	noon = time.Unix(day.UTC()+4*3600, 0) // in Hong Kong
)

func goodFacts() access.Facts {
	state, err := link.NewState(1).Apply([]link.Event{{Type: link.OpenDay, Day: day, Value: 1 << 13}})
	if err != nil {
		panic(err) // the event is a constant
	}
	return access.Facts{
		State: state,
		Rules: &link.Rules{Offsets: []link.Offset{{Minutes: 480}}, EscortSec: 30, RepeatMS: 3000,
			Zones: []link.Zone{{ID: zone}}, Policies: link.DefaultPolicies()},
		Keys: map[uint16]link.PassKey{7: {ID: 7, Public: key.Public().(ed25519.PublicKey), Kinds: 0xffff, From: day, To: day}},
		Gate: map[pass.Day]pass.GateKey{day: gateKey},
		Head: noon.UnixMilli(), Clock: link.ClockTrusted,
	}
}

var gateKey = pass.GateKey{1: 1, 31: 9}

// guest is a good pass for one entry.
var guest = pass.Pass{Kind: pass.Guest, KeyID: 7, Day: day, Index: 1, Start: -480, Length: 144, Zones: 1 << zone, Entries: 1}

// fault is what happens at one step of a passage: an append or an opening.
type fault string

const (
	none        fault = "none"
	dieBefore   fault = "the process dies before it"
	dieAfter    fault = "it is done, and the process dies"
	fails       fault = "it fails and is not done"
	failsButWas fault = "it fails and was done, and the process dies at the next step"
)

// world is what a crash leaves: a disk and a gate.
type world struct {
	gate *gatetest.Fake
	at   int // the step with the fault
	what fault

	mu     sync.Mutex // guards the following
	disk   []link.Entry
	orphan *link.Entry // on the disk, though its append failed; the next append takes its place
	steps  []string
	dead   bool
}

var errDisk = errors.New("no room")

// step counts one and says what becomes of it; mu is held.
func (w *world) step(name string) fault {
	if w.dead {
		return dieBefore
	}
	w.steps = append(w.steps, name)
	switch n := len(w.steps); {
	case n == w.at:
		w.dead = w.what == dieBefore || w.what == dieAfter
		return w.what
	case n == w.at+1 && w.what == failsButWas:
		w.dead = true
		return dieBefore
	}
	return none
}

// Append implements lane.Journal.
func (w *world) Append(e link.Entry) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.Seq = uint64(len(w.disk) + 1)
	switch w.step(fmt.Sprintf("append of type %d", e.Type)) {
	case none:
		w.disk, w.orphan = append(w.disk, e), nil
		return e.Seq, nil
	case dieAfter:
		w.disk = append(w.disk, e)
	case failsButWas:
		w.orphan = &e
	}
	return 0, errDisk
}

// Open implements gate.Gate.
func (w *world) Open(ctx context.Context, g gate.Grant) error {
	w.mu.Lock()
	f := w.step("open")
	w.mu.Unlock()
	switch f {
	case none:
		return w.gate.Open(ctx, g)
	case dieAfter:
		if err := w.gate.Open(ctx, g); err != nil {
			return err
		}
	}
	return gate.ErrLost
}

// left is what a start finds on the disk.
func (w *world) left() []link.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead && w.orphan != nil {
		return append(slices.Clone(w.disk), *w.orphan)
	}
	return slices.Clone(w.disk)
}

// watched has the world's Open in place of the fake's.
type watched struct {
	*gatetest.Fake
	world *world
}

func (g watched) Open(ctx context.Context, grant gate.Grant) error { return g.world.Open(ctx, grant) }

// agent is one process: a lane with what it remembers.
type agent struct {
	world    *world
	presence *presence.Presence
	record   *lane.Recorder
	scanner  *scannertest.Fake
	lane     *lane.Lane
	stop     func()
}

// boot starts a process on what the disk has, as the daemon does: the journal is
// applied, and what a crash cut off is ended as unknown.
func boot(t *testing.T, w *world) *agent {
	t.Helper()
	began := time.Now()
	a := &agent{world: w, presence: presence.New(), scanner: scannertest.New()}
	a.presence.Own(link.JournalID{1})
	for _, e := range w.disk {
		a.presence.Apply(e)
	}
	a.record = &lane.Recorder{Journal: w, Presence: a.presence, Facts: goodFacts, Start: began,
		Now: func() time.Time { return noon.Add(time.Since(began)) }}
	cutOff := a.presence.Unresolved()
	if left, err := a.record.Recover(cutOff); err != nil || len(left) > 0 {
		t.Errorf("recover: %d of %d left: %v", len(left), len(cutOff), err)
	}
	a.lane = lane.New(lane.Setup{Number: 1, Name: "North 1", Zone: zone, Gate: watched{w.gate, w}, Record: a.record,
		Readers: []lane.Reader{{Name: "in", Scanner: a.scanner, Direction: gate.In}}, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.lane.Run(ctx) }()
	a.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	synctest.Wait()
	return a
}

// scan shows the guest's code and says what the lane answered.
func (a *agent) scan() pass.Reason {
	a.scanner.Scan(guest.Text(ed25519.Sign(key, guest.Message())))
	synctest.Wait()
	return a.lane.Status().Answer.Reason
}

// wait lets time pass.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// endings are how a passage can go. Each says whether somebody is inside.
var endings = map[string]func(w *world) (walked bool){
	"walks": func(w *world) bool {
		if w.gate.Openings() == 0 {
			return false
		}
		w.gate.Walk(gate.In)
		return true
	},
	"walks late": func(w *world) bool {
		wait(gate.DefaultWindow - 1)
		if w.gate.Openings() == 0 {
			return false
		}
		w.gate.Walk(gate.In)
		return true
	},
	"does not walk":      func(*world) bool { wait(gate.DefaultWindow); return false },
	"the gate goes away": func(w *world) bool { w.gate.Lose(); return false },
}

// TestKilledBetweenScanAndResult puts each fault at each step between a scan and
// its result, starts again from what the disk has, and asks the two questions
// that count: did somebody get in without an entry, and can the pass get another
// person in.
func TestKilledBetweenScanAndResult(t *testing.T) {
	type outcome struct {
		fault  fault
		result link.EntryType
		again  pass.Reason
	}
	seen, runs := map[outcome]int{}, 0
	for name, ending := range endings {
		steps := play(t, name, ending, 0, none, func(link.EntryType, pass.Reason) {})
		if len(steps) < 3 {
			t.Fatalf("%s: steps %v", name, steps)
		}
		for at := range steps {
			for _, what := range []fault{dieBefore, dieAfter, fails, failsButWas} {
				play(t, name, ending, at+1, what, func(result link.EntryType, again pass.Reason) {
					seen[outcome{what, result, again}]++
				})
				runs++
			}
		}
	}
	for _, want := range []outcome{
		{dieBefore, 0, pass.Granted},                       // before the grant
		{dieBefore, link.EntryUnknown, pass.AlreadyUsed},   // between grant and result
		{dieAfter, link.EntryPassed, pass.AlreadyUsed},     // behind the result
		{dieAfter, link.EntryNotPassed, pass.Granted},      // behind the refund
		{fails, 0, pass.Granted},                           // the grant was not written
		{fails, link.EntryPassed, pass.AlreadyUsed},        // the result was owed
		{failsButWas, link.EntryUnknown, pass.AlreadyUsed}, // the grant is found that was refused
		{failsButWas, link.EntryNotPassed, pass.Granted},   // so is the refund
	} {
		if seen[want] == 0 {
			t.Errorf("never seen: %+v", want)
		}
	}
	if runs < 40 {
		t.Errorf("%d runs, %v", runs, seen)
	}
}

// play lets a guest scan with a fault at a step, restarts, and checks. It returns
// the steps that there were.
func play(t *testing.T, name string, ending func(*world) bool, at int, what fault, tell func(link.EntryType, pass.Reason)) (steps []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{gate: gatetest.New(), at: at + 2, what: what} // behind the two that report the devices found
		if at == 0 {
			w.at = -1
		}
		a := boot(t, w)
		wait(time.Second)
		before := len(w.steps)
		if before != 2 {
			t.Fatalf("%d steps at rest: %v", before, w.steps)
		}
		a.scan()
		walked := ending(w)
		wait(time.Second)
		a.stop()
		steps = slices.Clone(w.steps[before:])
		where := fmt.Sprintf("%s, step %d of %v, %s", name, at, steps, what)

		again := &world{gate: gatetest.New(), disk: w.left(), at: -1}
		a = boot(t, again)
		result := check(t, where, again.disk, w.gate.Openings(), walked)
		inside(t, where, a.presence, result)
		late(t, where, a, again)
		reason := a.scan()
		if want := map[link.EntryType]pass.Reason{link.EntryPassed: pass.AlreadyUsed, link.EntryUnknown: pass.AlreadyUsed}[result]; reason != want {
			t.Errorf("%s: again, behind %d: %v, want %v", where, result, reason, want)
		}
		if walked && reason == pass.Granted {
			t.Errorf("%s: the pass gets a second person in", where)
		}
		a.stop()
		tell(result, reason)
	})
	return steps
}

// check reads the journal after the restart: grants, and one result for each.
func check(t *testing.T, where string, disk []link.Entry, openings int, walked bool) (result link.EntryType) {
	t.Helper()
	grants := 0
	results := map[uint64]link.EntryType{}
	for _, e := range disk {
		switch e.Type {
		case link.EntryGranted:
			grants++
		case link.EntryPassed, link.EntryNotPassed, link.EntryUnknown:
			if results[e.Grant] != 0 {
				t.Errorf("%s: two results for grant %d", where, e.Grant)
			}
			results[e.Grant] = e.Type
			result = e.Type
			if e.Pass != guest.ID() {
				t.Errorf("%s: a result that does not say whose: %+v", where, e)
			}
		}
	}
	if openings > grants {
		t.Errorf("%s: the gate opened %d times on %d grants", where, openings, grants)
	}
	if len(results) != grants || grants > 1 {
		t.Errorf("%s: %d grants, results %v", where, grants, results)
	}
	if walked && result != link.EntryPassed && result != link.EntryUnknown {
		t.Errorf("%s: somebody walked, and the journal says %d", where, result)
	}
	return result
}

// inside compares what is remembered with the result.
func inside(t *testing.T, where string, p *presence.Presence, result link.EntryType) {
	t.Helper()
	got := p.Of(guest.ID(), zone, gate.In)
	got.Entered = 0
	want := map[link.EntryType]access.Past{
		link.EntryPassed:  {Inside: true, Used: 1},
		link.EntryUnknown: {Maybe: true, Unknown: 1},
	}[result]
	if got != want {
		t.Errorf("%s: behind %d: %+v, want %+v", where, result, got, want)
	}
}

// late has the gate tell after the restart what became of the grant before, and
// somebody walk without any: both are written down, neither changes what the pass
// has used.
func late(t *testing.T, where string, a *agent, w *world) {
	t.Helper()
	before := a.presence.Of(guest.ID(), zone, gate.In)
	w.gate.Emit(gate.Event{Kind: gate.Passed, Direction: gate.In, Grant: 1})
	w.gate.Walk(gate.In)
	synctest.Wait()
	if after := a.presence.Of(guest.ID(), zone, gate.In); after != before {
		t.Errorf("%s: a late result changed %+v to %+v", where, before, after)
	}
	var faults, alarms int
	for _, e := range w.left() {
		if e.Type == link.EntryFault && e.Detail == 1 {
			faults++
		}
		if e.Type == link.EntryForced && e.Flags&link.FlagAlarm != 0 {
			alarms++
		}
	}
	if faults != 1 || alarms != 1 {
		t.Errorf("%s: %d late results and %d rotations without a grant are written", where, faults, alarms)
	}
}

// TestGateThatKeepsAuthorisations: a gate of the "stored" profile pulsed for a
// grant on which nobody walked. The entry is given back; who walks on what the
// gate kept is an alarm and uses up nobody's pass; the next grant is passed on it
// and counts as any other.
func TestGateThatKeepsAuthorisations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{gate: gatetest.New(), at: -1}
		a := boot(t, w)
		a.scan()
		wait(gate.DefaultWindow)
		if got := a.presence.Of(guest.ID(), zone, gate.In); got != (access.Past{}) {
			t.Errorf("nobody walked: %+v", got)
		}
		w.gate.Emit(gate.Event{Kind: gate.Forced, Direction: gate.In, Detail: "the gate had kept the authorisation of grant 1"})
		synctest.Wait()
		if got := a.presence.Of(guest.ID(), zone, gate.In); got != (access.Past{}) {
			t.Errorf("somebody walked on it: %+v", got)
		}
		last := w.left()[len(w.left())-1]
		if last.Type != link.EntryForced || last.Flags&link.FlagAlarm == 0 {
			t.Errorf("entry %+v", last)
		}
		if r := a.scan(); r != pass.Granted {
			t.Errorf("the guest: %v", r)
		}
		w.gate.Walk(gate.In)
		synctest.Wait()
		if got := a.presence.Of(guest.ID(), zone, gate.In); !got.Inside || got.Used != 1 {
			t.Errorf("the guest walked: %+v", got)
		}
		a.stop()
	})
}

// TestKilledWhileRecovering: the next start ends the grant, once.
func TestKilledWhileRecovering(t *testing.T) {
	for _, what := range []fault{dieBefore, dieAfter, fails, failsButWas} {
		w := &world{at: 1, what: what}
		w.disk = []link.Entry{{Type: link.EntryGranted, Seq: 1, Lane: 1, Pass: guest.ID(), Zone: zone, Direction: uint8(gate.In)}}
		begin := func() (left []link.Entry, err error) {
			p := presence.New()
			for _, e := range w.disk {
				p.Apply(e)
			}
			r := lane.Recorder{Journal: w, Presence: p, Facts: goodFacts, Now: func() time.Time { return noon }}
			return r.Recover(p.Unresolved())
		}
		if left, err := begin(); !errors.Is(err, errDisk) || len(left) != 1 {
			t.Errorf("%s: %d left, %v", what, len(left), err)
		}
		w = &world{at: -1, disk: w.left()}
		if left, err := begin(); err != nil || len(left) != 0 {
			t.Errorf("%s: %d left, %v", what, len(left), err)
		}
		if got := check(t, string(what), w.disk, 0, false); got != link.EntryUnknown {
			t.Errorf("%s: ended %d", what, got)
		}
	}
}
