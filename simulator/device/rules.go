package device

import (
	"time"

	"turnstile/firmware-bridge/frame"
)

// The controller's times and limits of FORMAT.md.
const (
	hostSilence  = 2 * time.Second
	welcomeEvery = 500 * time.Millisecond
	eventEvery   = 200 * time.Millisecond
	tailgateTime = 1500 * time.Millisecond
	minPulse     = 50 * time.Millisecond
	maxPulse     = time.Second
	minWindow    = time.Second
	maxWindow    = 15 * time.Second
	faultAfter   = 500 * time.Millisecond // of contact and relay disagreeing
	queueLength  = 16
	keptForOpen  = 4 // free places that OPEN needs
	keptForRest  = 2 // free places that other events than outcomes need

	patternIdle       = 0
	patternOutOfOrder = 7
)

// happening is one event in the controller's queue.
type happening struct {
	frame.Event
	at   time.Time
	sent time.Time
}

// rules is what FORMAT.md demands of a controller: messages, people and time
// in, messages out, no I/O. Its owner calls it from one goroutine.
type rules struct {
	boot      uint32
	model     string
	can       frame.Capabilities
	potential bool // the relay stays on for the whole passage
	started   time.Time
	send      func(frame.Message)
	cards

	heard       time.Time // last good frame of the host
	greeted     bool      // a HELLO came since power-up
	attended    bool
	nextWelcome time.Time

	last       uint32 // last number accepted
	grant      frame.Open
	passing    bool
	relayUntil time.Time // zero when the coil is off
	windowEnd  time.Time
	passedAt   time.Time // of the last PASSED that nobody tailgated yet
	passedAs   frame.Open

	fire, tamper bool
	jammed       bool      // the lock does not move
	stuckOpen    bool      // how it stands while jammed
	disagree     time.Time // since when the contact is not as it should be; zero if it is
	faulted      bool      // and that was reported
	pattern      uint8
	patternEnd   time.Time // zero for none
	signal       int       // number of the last SIGNAL, -1 after HELLO
	tones        uint64    // signals that sounded

	queue    []happening
	number   uint32 // of the last event
	lost     uint16
	garbled  uint16
	openings uint64
	flags    frame.Flags // as last sent
}

// powerUp starts the controller anew at now.
func (r *rules) powerUp(boot uint32, now time.Time) {
	*r = rules{boot: boot, model: r.model, can: r.can, potential: r.potential, send: r.send, cards: cards{out: r.cards.out, number: -1}, fire: r.fire, tamper: r.tamper, jammed: r.jammed, stuckOpen: r.stuckOpen,
		started: now, pattern: patternOutOfOrder, signal: -1, openings: r.openings}
}

// current is the flags as they are.
func (r *rules) current() frame.Flags {
	var f frame.Flags
	set := func(on bool, bit frame.Flags) {
		if on {
			f |= bit
		}
	}
	set(!r.relayUntil.IsZero(), frame.Relay)
	set(r.contact(), frame.Contact)
	set(r.fire, frame.FireOn)
	set(r.tamper, frame.TamperOn)
	set(r.passing, frame.Passing)
	set(r.attended, frame.Attended)
	return f
}

// contact is what the lock's own contact says: unlocked.
func (r *rules) contact() bool {
	if r.can&frame.HasContact == 0 {
		return false
	}
	if r.jammed {
		return r.stuckOpen
	}
	return r.passing || r.fire
}

// setJam stops the lock where it stands, and frees it.
func (r *rules) setJam(on bool) {
	r.stuckOpen = r.contact()
	r.jammed = on
}

// barred reports that the lock stands shut whatever the coil does: nobody gets through.
func (r *rules) barred() bool { return r.jammed && !r.stuckOpen }

// checkLock reports a lock that does not follow.
func (r *rules) checkLock(now time.Time) {
	switch {
	case r.can&frame.HasContact == 0:
	case r.contact() == (r.passing || r.fire):
		r.disagree, r.faulted = time.Time{}, false
	case r.disagree.IsZero():
		r.disagree = now
	case !r.faulted && now.Sub(r.disagree) >= faultAfter:
		r.faulted = true
		r.event(frame.Event{Kind: frame.Fault}, now)
	}
}

// take acts on a message of the host.
func (r *rules) take(m frame.Message, now time.Time) {
	r.heard = now
	switch m := m.(type) {
	case frame.Hello:
		r.hello(m, now)
	case frame.Seen:
		r.seen(m)
	case frame.Open:
		r.send(frame.Answer{Number: m.Number, Code: r.open(m, now)})
	case frame.CardOut:
		r.send(frame.Reply{To: m.Type(), Number: m.Number, Code: r.cardOut(m, now)})
	case frame.CardSeen:
		r.cardSeen(m)
	case frame.Update:
		r.send(frame.Reply{To: m.Type(), Number: m.Number, Code: r.update()})
	}
	if !r.attended {
		return
	}
	switch m := m.(type) {
	case frame.Beat:
		r.send(r.state(now))
	case frame.Signal:
		r.show(m, now)
	case frame.Lock:
		r.end(frame.NotPassed, now)
	}
}

func (r *rules) hello(m frame.Hello, now time.Time) {
	if !r.attended {
		r.pattern, r.patternEnd = patternIdle, time.Time{}
	}
	r.greeted, r.attended, r.signal, r.cards.number, r.wanted = true, true, -1, -1, false
	w := r.welcome()
	w.Session = m.Session
	r.send(w)
	for i := range r.queue {
		r.queue[i].sent = time.Time{}
	}
	r.readSent = time.Time{}
}

func (r *rules) welcome() frame.Welcome {
	longest := maxPulse
	if r.potential {
		longest = maxWindow
	}
	return frame.Welcome{Boot: r.boot, LastGrant: r.last, Capabilities: r.can, Firmware: [3]uint8{1, 0, 0},
		MaxPulse: uint16(longest.Milliseconds()), MaxWindow: uint16(maxWindow.Milliseconds()), Model: r.model}
}

func (r *rules) state(now time.Time) frame.State {
	s := frame.State{Flags: r.current(), LastGrant: r.last, Waiting: uint8(len(r.queue)), Lost: r.lost,
		Garbled: r.garbled, Uptime: uint32(now.Sub(r.started).Milliseconds())}
	if r.passing {
		s.Grant = r.grant.Number
	}
	return s
}

// open checks an OPEN in FORMAT.md's order and opens.
func (r *rules) open(m frame.Open, now time.Time) frame.Code {
	way := frame.CanIn
	if m.Direction == 2 {
		way = frame.CanOut
	}
	switch {
	case !r.attended:
		return frame.NoHello
	case m.Number == 0 || m.Direction != 1 && m.Direction != 2:
		return frame.BadGrant
	case r.last != 0 && m.Number == r.last:
		return frame.OpenedSince
	case r.last != 0 && int32(m.Number-r.last) < 0:
		return frame.OldNumber
	case r.fire:
		return frame.OnFire
	case r.can&way == 0:
		return frame.NoSuchWay
	case r.passing:
		return frame.StillBusy
	case queueLength-len(r.queue) < keptForOpen:
		return frame.EventsFull
	}
	r.last, r.grant, r.passing = m.Number, m, true
	r.relayUntil = now.Add(within(m.Pulse, minPulse, maxPulse))
	r.windowEnd = now.Add(within(m.Window, minWindow, maxWindow))
	if r.potential {
		r.relayUntil = r.windowEnd
	}
	r.openings++
	return frame.Opened
}

// within holds ms milliseconds between two limits.
func within(ms uint16, low, high time.Duration) time.Duration {
	return min(max(time.Duration(ms)*time.Millisecond, low), high)
}

// end drops the relay and ends a passage under way as k.
func (r *rules) end(k frame.Kind, now time.Time) {
	r.relayUntil = time.Time{}
	if !r.passing {
		return
	}
	r.passing = false
	r.event(frame.Event{Kind: k, Direction: r.grant.Direction, Grant: r.grant.Number}, now)
}

// event queues what happened.
func (r *rules) event(e frame.Event, now time.Time) {
	outcome := e.Kind == frame.Passed || e.Kind == frame.NotPassed
	if !outcome && queueLength-len(r.queue) < keptForRest {
		r.lost = min(r.lost, 0xFFFE) + 1
		return
	}
	r.number++
	e.Number, e.Flags = r.number, r.current()
	r.queue = append(r.queue, happening{Event: e, at: now})
}

func (r *rules) seen(m frame.Seen) {
	if len(r.queue) > 0 && r.queue[0].Number == m.Event {
		r.queue = r.queue[1:]
	}
}

func (r *rules) show(m frame.Signal, now time.Time) {
	if r.signal == int(m.Number) {
		return
	}
	r.signal, r.pattern, r.patternEnd = int(m.Number), m.Pattern, time.Time{}
	if m.Pattern > patternOutOfOrder {
		r.pattern = patternIdle
	}
	if m.Duration > 0 {
		r.patternEnd = now.Add(time.Duration(m.Duration) * 100 * time.Millisecond)
	}
	if patterns[r.pattern].Buzzer != "off" {
		r.tones++
	}
}

// walk is one full rotation in direction d.
func (r *rules) walk(d uint8, now time.Time) {
	recent := !r.passedAt.IsZero() && now.Sub(r.passedAt) < tailgateTime && r.passedAs.Direction == d
	switch {
	case r.passing && r.grant.Direction == d:
		r.passedAt, r.passedAs = now, r.grant
		r.end(frame.Passed, now)
	case r.fire:
	case recent && r.can&frame.HasTailgate != 0:
		r.passedAt = time.Time{}
		r.event(frame.Event{Kind: frame.Tailgated, Direction: d, Grant: r.passedAs.Number}, now)
	default:
		r.event(frame.Event{Kind: frame.Forced, Direction: d}, now)
	}
}

func (r *rules) setFire(on bool, now time.Time) {
	if on == r.fire {
		return
	}
	kind := frame.FireOver
	if on {
		r.end(frame.NotPassed, now)
		kind = frame.Fire
	}
	r.fire = on
	r.event(frame.Event{Kind: kind}, now)
}

func (r *rules) setTamper(on bool, now time.Time) {
	if on == r.tamper {
		return
	}
	r.tamper = on
	kind := frame.TamperOver
	if on {
		kind = frame.Tamper
	}
	r.event(frame.Event{Kind: kind}, now)
}

// tick does what time demands.
func (r *rules) tick(now time.Time) {
	if r.attended && now.Sub(r.heard) > hostSilence {
		r.end(frame.NotPassed, now)
		r.attended, r.pattern, r.patternEnd = false, patternOutOfOrder, time.Time{}
	}
	if !r.relayUntil.IsZero() && !now.Before(r.relayUntil) {
		r.relayUntil = time.Time{}
	}
	if r.passing && !now.Before(r.windowEnd) {
		r.end(frame.NotPassed, now)
	}
	if !r.patternEnd.IsZero() && !now.Before(r.patternEnd) {
		r.pattern, r.patternEnd = patternIdle, time.Time{}
	}
	r.forgetReads(now)
	if r.attended && r.wanted {
		r.reportFaults(now)
	}
	r.checkLock(now)
	r.speak(now)
}

// speak sends what is due without being asked.
func (r *rules) speak(now time.Time) {
	if !r.attended {
		if !r.greeted && !now.Before(r.nextWelcome) {
			r.send(r.welcome())
			r.nextWelcome = now.Add(welcomeEvery)
		}
		return
	}
	if f := r.current(); f != r.flags {
		r.flags = f
		r.send(r.state(now))
	}
	if len(r.queue) > 0 && now.Sub(r.queue[0].sent) >= eventEvery {
		h := &r.queue[0]
		h.sent = now
		e := h.Event
		e.Age = uint32(now.Sub(h.at).Milliseconds())
		r.send(e)
	}
	r.speakOfCards(now)
}
