package modbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/serialport"
)

// work is the gate's main loop: it looks at the inputs as often as the line
// allows, and opens between two looks.
func (g *Gate) work(ctx context.Context) error {
	timer := time.NewTimer(pace)
	defer timer.Stop()
	looked := time.Now()
	for {
		g.offer()
		timer.Reset(max(pace-time.Since(looked), 0))
		var err error
		select {
		case <-ctx.Done():
			return nil
		case a := <-g.asks:
			g.open(a)
		case <-timer.C:
			before := looked
			looked = time.Now()
			err = g.look(before)
		}
		if err == nil {
			err = g.expire(time.Now())
		}
		if err = g.bear(err); err != nil {
			return err
		}
	}
}

// bear returns err if the board is lost by it. A request without an answer is
// not the end: lines are bad at times, and everything is asked again.
func (g *Gate) bear(err error) error {
	switch {
	case err == nil:
		g.failed = 0
		return nil
	case errors.Is(err, serialport.ErrGone), errors.Is(err, serialport.ErrClosed), errors.Is(err, ErrEcho),
		errors.Is(err, ErrRefused) && !isBusy(err):
		return err
	}
	if g.failed++; g.failed < lostAfter {
		return nil
	}
	return err
}

// look reads the inputs and acts on what has changed. The look before began at
// before.
func (g *Gate) look(before time.Time) error {
	g.mu.Lock()
	g.counts.SlowestLook = max(g.counts.SlowestLook, time.Since(before))
	g.mu.Unlock()
	on, err := g.board.look()
	if err != nil {
		return err
	}
	now := time.Now()
	var failed error
	for _, c := range g.contacts {
		if c.sample(on[c.number], now) {
			failed = errors.Join(failed, g.take(c, now))
		}
	}
	return failed
}

// expire ends what is over at now.
func (g *Gate) expire(now time.Time) error {
	g.watchDoor(now)
	if g.grant.Number != 0 && !now.Before(g.windowEnd) {
		g.finish(gate.NotPassed, g.grant.Direction, now, "")
		return g.drop()
	}
	if !g.relayUntil.IsZero() && !now.Before(g.relayUntil) {
		return g.drop()
	}
	return nil
}

// drop switches the relays off. If that fails it is due at once again.
func (g *Gate) drop() error {
	if g.relayUntil.IsZero() {
		return nil
	}
	if err := g.board.off(); err != nil {
		g.relayUntil = time.Now()
		g.mu.Lock()
		g.state.Resent++
		g.mu.Unlock()
		return err
	}
	g.relayUntil = time.Time{}
	g.setRelay(false)
	return nil
}

func (g *Gate) setRelay(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.Relay = on
}

// open answers an Open. What the line is like shows at the next look.
func (g *Gate) open(a ask) {
	if refuse := g.why(a.grant); refuse != nil {
		a.reply <- refuse
		return
	}
	sent := time.Now()
	err := g.switchOn(a.grant)
	switch {
	case err == nil || errors.Is(err, gate.ErrUnsure):
		g.use(a.grant, sent)
	case isBusy(err):
		err = fmt.Errorf("%w: %w: scan again", gate.ErrRefused, err)
	case errors.Is(err, ErrRefused):
		err = fmt.Errorf("%w: %w: does it have this timer?", gate.ErrRefused, err)
	default:
		err = fmt.Errorf("%w: %w", gate.ErrLost, err)
	}
	a.reply <- err
}

// switchOn has the relay go on once, or says that it did not, or that nobody
// knows (gate.ErrUnsure). A request that had no good answer is never simply
// sent again: the board may have done it, and a relay that has dropped since
// would go on for a second person. The coil tells.
func (g *Gate) switchOn(grant gate.Grant) error {
	for range 2 {
		sent := time.Now()
		err := g.board.on(grant.Direction, grant.Pulse)
		if err == nil || errors.Is(err, ErrRefused) {
			return err
		}
		on, readErr := g.isOn(grant.Direction)
		switch {
		case readErr != nil:
			return fmt.Errorf("%w: %w", gate.ErrUnsure, err)
		case on:
			return nil
		case g.config.Timer == TimerFlash && time.Since(sent) >= grant.Pulse:
			return fmt.Errorf("%w: %w", gate.ErrUnsure, err) // it may have been on and be off again
		}
		// It was not done: nobody but this program switches it off.
		g.mu.Lock()
		g.state.Resent++
		g.mu.Unlock()
	}
	return fmt.Errorf("%w: the relay stays off", ErrGarbled)
}

// isOn asks for the relay, twice if need be: asking does nothing.
func (g *Gate) isOn(d gate.Direction) (on bool, err error) {
	for range 2 {
		if on, err = g.board.isOn(d); err == nil {
			break
		}
	}
	return on, err
}

// use makes grant the one under way, whose relay was asked for at sent.
func (g *Gate) use(grant gate.Grant, sent time.Time) {
	g.grant = grant
	g.relayUntil, g.windowEnd = sent.Add(grant.Pulse), sent.Add(grant.Window)
	if g.config.Timer == TimerFlash {
		// The board drops it; this only makes sure, when it must be off.
		g.relayUntil = sent.Add(grant.Pulse + 2*flashUnit)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.Busy, g.state.LastGrant, g.state.Relay = grant.Number, grant.Number, true
}

// why returns the reason not to open for grant.
func (g *Gate) why(grant gate.Grant) error {
	_, has := g.board.relay(grant.Direction)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.state.LastGrant != 0 && int32(grant.Number-g.state.LastGrant) <= 0:
		return gate.ErrRepeated
	case g.active[fire]:
		return fmt.Errorf("%w: fire", gate.ErrRefused)
	case !has:
		return fmt.Errorf("%w: no relay for direction %v", gate.ErrRefused, grant.Direction)
	case g.grant.Number != 0 || len(g.events) > room-2*reserve:
		return gate.ErrBusy
	case g.state.Relay:
		return fmt.Errorf("%w: its relay is not off yet", gate.ErrBusy)
	case g.state.Unready:
		return fmt.Errorf("%w: the gate says that it is not ready", gate.ErrBusy)
	}
	return nil
}

// finish reports the outcome of the grant under way, if there is one.
func (g *Gate) finish(k gate.EventKind, d gate.Direction, at time.Time, detail string) {
	n := g.grant.Number
	if n == 0 {
		return
	}
	g.grant, g.endedAt = gate.Grant{}, at
	g.mu.Lock()
	g.state.Busy = 0
	g.mu.Unlock()
	g.emit(gate.Event{Kind: k, Direction: d, Grant: n, At: at, Detail: detail})
}

// emit puts e on the channel. Outcomes always find room, because Open refuses
// before there is none. Other passages wait, the rest is dropped.
func (g *Gate) emit(e gate.Event) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	outcome := e.Grant != 0 && e.Kind != gate.Tailgated
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case outcome || len(g.waiting) == 0 && len(g.events) < room-reserve:
		g.events <- e
	case e.Kind.Passage() && len(g.waiting) < backlog:
		g.waiting = append(g.waiting, e)
	default:
		g.state.Dropped++
	}
}

// offer puts waiting passages on the channel as room allows.
func (g *Gate) offer() {
	for len(g.waiting) > 0 && len(g.events) < room-reserve {
		g.events <- g.waiting[0]
		g.waiting = g.waiting[1:]
	}
}
