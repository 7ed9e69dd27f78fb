package controller

import (
	"errors"
	"fmt"
	"time"

	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate"
)

// Why an attachment ended, besides silence.
var (
	errRestarted = errors.New("the lane controller started anew")
	errForgot    = errors.New("the lane controller heard nothing from this host for 2 s")
	errEcho      = errors.New("what this host sends comes back; switch off the adapter's echo, and check that transmit and receive do not touch")
)

// receive takes in bytes from the line.
func (s *session) receive(b []byte) {
	now := time.Now()
	s.dec.Feed(b, func(f frame.Frame) {
		m, err := frame.Read(f)
		if err != nil {
			s.g.count(1)
			return
		}
		if f.Type&0x80 == 0 {
			s.echoed = now
			return
		}
		s.heard = now
		s.take(m, now)
	})
	garbled, _ := s.dec.Garbled()
	s.g.count(garbled - s.garbled)
	s.garbled = garbled
}

// count adds n garbled frames.
func (g *Gate) count(n uint64) {
	if n == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.Garbled += n
}

// take acts on one message.
func (s *session) take(m frame.Message, now time.Time) {
	if w, ok := m.(frame.Welcome); ok {
		s.welcome(w)
		return
	}
	if !s.attached {
		return // left over from before our HELLO
	}
	switch m := m.(type) {
	case frame.State:
		s.takeState(m)
	case frame.Answer:
		if m.Code == frame.NoHello {
			s.part(errForgot)
			return
		}
		s.g.takeAnswer(m, now)
	case frame.Event:
		if s.g.takeEvent(m, now) {
			s.send(frame.Seen{Event: m.Number})
		}
	case frame.CardIn:
		s.g.takeCard(m, now)
		s.send(frame.CardSeen{Read: m.Number})
	case frame.Reply:
		s.g.takeReply(m)
	}
}

// welcome attaches, or notices that the controller is not the one we met.
func (s *session) welcome(w frame.Welcome) {
	if s.attached && (w.Session != s.id || !s.g.met(w.Boot)) {
		s.part(errRestarted)
		return
	}
	if s.attached || w.Session != s.id {
		return
	}
	s.attached = true
	s.beat = time.Time{}
	s.g.attach(w)
}

// met reports whether the controller of this boot is the one last attached.
func (g *Gate) met(boot uint32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return boot == g.boot
}

// attach notes the controller that answered.
func (g *Gate) attach(w frame.Welcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	anew := w.Boot != g.boot
	if anew {
		g.boot, g.event, g.read = w.Boot, 0, 0
	}
	g.can = w.Capabilities
	for _, r := range g.readers {
		r.attach(w.Capabilities, anew)
	}
	if w.LastGrant != 0 && (g.state.LastGrant == 0 || int32(w.LastGrant-g.state.LastGrant) > 0) {
		g.state.LastGrant = w.LastGrant
	}
	g.state.Connected, g.state.Err = true, nil
	g.state.Device = fmt.Sprintf("%s %d.%d.%d", w.Model, w.Firmware[0], w.Firmware[1], w.Firmware[2])
	if g.founds++; g.founds > 1 {
		g.state.Reopened++
	}
	g.shown = 0
	g.emit(gate.Event{Kind: gate.Found, Detail: g.state.Device})
}

func (s *session) takeState(m frame.State) {
	if m.Flags&frame.Attended == 0 {
		s.part(errForgot)
		return
	}
	if s.leaving && m.Flags&(frame.Relay|frame.Passing) == 0 && m.Waiting == 0 {
		s.locked = true
	}
	g := s.g
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.Relay = m.Flags&frame.Relay != 0
	g.state.Contact = m.Flags&frame.Contact != 0
	g.state.Fire = m.Flags&frame.FireOn != 0
	g.state.Tamper = m.Flags&frame.TamperOn != 0
	switch p := g.current; {
	case p == nil:
		g.state.Busy = m.Grant // of an earlier process, or lost and found
	case p.sent > 0 && m.LastGrant == p.grant.Number:
		p.reply(nil)
	}
}

// takeAnswer settles the Open that a was sent for.
func (g *Gate) takeAnswer(a frame.Answer, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.current
	if p == nil || p.sent == 0 || a.Number != p.grant.Number {
		return
	}
	if a.Code == frame.Opened || a.Code == frame.OpenedSince {
		p.reply(nil)
		return
	}
	if p.refused++; p.refused < p.sent {
		return // an OPEN that was sent after the refused one may have been accepted: wait for its answer
	}
	if p.answered { // as ErrUnsure: now it is known that nobody could walk
		g.outcome(gate.NotPassed, p.grant.Direction, now, "refused: "+a.Code.String())
		return
	}
	p.reply(refusal(a.Code))
	g.unuse(p)
	g.free()
}

// unuse takes back that p's number was used: the controller has not accepted it. mu is held.
func (g *Gate) unuse(p *passage) {
	if g.firstOwn == p.grant.Number {
		g.firstOwn = 0
	}
	g.state.LastGrant = p.before
}

// refusal is what Open answers for code c.
func refusal(c frame.Code) error {
	switch c {
	case frame.OldNumber:
		return gate.ErrRepeated
	case frame.StillBusy, frame.EventsFull:
		return fmt.Errorf("%w (controller: %v)", gate.ErrBusy, c)
	}
	return fmt.Errorf("%w: %v", gate.ErrRefused, c)
}

// takeEvent passes on what happened, once, and reports whether the controller
// may forget it. It may not while the channel is nearly full.
func (g *Gate) takeEvent(m frame.Event, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.event != 0 && int32(m.Number-g.event) <= 0 {
		return true // our SEEN was lost
	}
	own := g.current != nil && m.Grant == g.current.grant.Number && (m.Kind == frame.Passed || m.Kind == frame.NotPassed)
	if !own && !g.roomy() {
		return false
	}
	g.event = m.Number
	e := gate.Event{
		Kind: gate.EventKind(m.Kind), Direction: gate.Direction(m.Direction), Grant: m.Grant,
		At: now.Add(-time.Duration(m.Age) * time.Millisecond),
	}
	switch {
	case own:
		g.current.reply(nil)
		g.outcome(e.Kind, e.Direction, e.At, "")
	case m.Kind == frame.Passed || m.Kind == frame.NotPassed:
		g.emit(g.late(e))
	case m.Kind == frame.Fault:
		e.Detail = "the lock contact disagrees with the relay: check the lock"
		g.emit(e)
	case m.Kind > frame.TamperOver || m.Kind == 0:
		e.Kind, e.Detail = gate.Fault, fmt.Sprintf("controller reports event kind %d, unknown here; update this program", m.Kind)
		g.emit(e)
	default:
		g.observe(e.Kind)
		g.emit(e)
	}
	return true
}

// late is an outcome of a grant that is not under way: as it is if an earlier
// process made it, a Fault if this one has reported an outcome already. mu is held.
func (g *Gate) late(e gate.Event) gate.Event {
	mine := g.firstOwn != 0 && int32(e.Grant-g.firstOwn) >= 0 && int32(g.state.LastGrant-e.Grant) >= 0
	if mine {
		e.Kind, e.Detail = gate.Fault, "late outcome: "+e.Kind.String()
	}
	return e
}

// observe keeps the state in step with what is reported; mu is held.
func (g *Gate) observe(k gate.EventKind) {
	switch k {
	case gate.Fire, gate.FireOver:
		g.state.Fire = k == gate.Fire
	case gate.Tamper, gate.TamperOver:
		g.state.Tamper = k == gate.Tamper
	}
}
