package lane

import (
	"time"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// Order is a command of central to this lane, found good but for what the lane
// alone knows: whether it was answered, and whether it can be done.
type Order struct {
	link.Command
	Until time.Time // with a monotonic reading: from then on it is over
}

// Order hands an order over and does not wait. What finds no room is dropped:
// central sends it again until it is answered or over.
func (l *Lane) Order(o Order) {
	select {
	case l.orders <- o:
	default:
	}
}

// takeOrder obeys an order that was not answered before. While somebody walks, or
// the gate takes no grant, it means nothing: it comes again.
func (l *Lane) takeOrder(o Order) {
	if o.Number <= l.answered || l.setup.Gate.State().Unready {
		return
	}
	l.order = o
	l.handle(ordered)
}

// obey does what the order says, behind an entry that is durable. l.answered rises
// with that entry: a repeat that comes later finds it, and in another process the
// order is dead.
func (l *Lane) obey() event {
	l.payOwed()
	l.scan = incoming{direction: gate.Direction(l.order.Direction)}
	f, now := l.facts(), l.setup.Record.Now()
	e := l.order.EntryOf()
	p := l.setup.Record.Presence
	p.Lock(e.Pass)
	defer p.Unlock(e.Pass)
	reason, detail := l.unfit()
	switch {
	case reason == pass.JournalFault:
		return l.deny(e, &f, now, access.Decision{Reason: reason})
	case reason != pass.Granted:
		return l.decline(e, &f, now, reason, detail)
	case l.order.Action == link.CommandIdentify:
		return l.identify(e, &f, now)
	}
	done := l.permit(e, &f, now, access.Decision{})
	if done == granted {
		l.answered = l.order.Number
	}
	return done
}

// unfit returns why the order cannot be done, or Granted.
func (l *Lane) unfit() (reason pass.Reason, detail uint16) {
	s := l.setup.Gate.State()
	opens := l.order.Action == link.CommandOpen
	switch {
	case !time.Now().Before(l.order.Until):
		return pass.Expired, 0
	case !opens && l.order.Action != link.CommandIdentify:
		return pass.FlagsUnknown, 0
	case opens && (l.state == Down || !s.Connected):
		return pass.GateFault, link.FaultLost
	case opens && s.Fire:
		return pass.GateFault, link.FaultFire
	case len(l.owed) > 0:
		return pass.JournalFault, 0
	}
	return pass.Granted, 0
}

// decline answers an order that cannot be done. The person in front of the lane
// asked for nothing, and is told nothing.
func (l *Lane) decline(e link.Entry, f *access.Facts, now time.Time, reason pass.Reason, detail uint16) event {
	l.fill(&e, link.EntryDenied, f, now)
	e.Reason, e.Detail = reason, detail
	l.decided(e)
	l.tell(e)
	l.respond(e)
	return declined
}

// identify shows which lane this is.
func (l *Lane) identify(e link.Entry, f *access.Facts, now time.Time) event {
	l.fill(&e, link.EntryShown, f, now)
	if !l.respond(e) {
		return l.deny(e, f, now, access.Decision{Reason: pass.JournalFault})
	}
	l.log.Info("lane shows itself", "command", l.order.Number)
	l.answer = Answer{Signal: gate.Guard, Command: link.CommandIdentify}
	return denied
}

// respond makes the answer to the order durable; false if the journal took none,
// and then the order is as if it had not come.
func (l *Lane) respond(e link.Entry) bool {
	if _, err := l.setup.Record.write(e); err != nil {
		l.journalFailed(err)
		return false
	}
	l.answered = l.order.Number
	return true
}
