package passage

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/firmware-bridge/gate"
)

const (
	room    = 256 // events that wait in the channel
	reserve = 8   // of which the last are for outcomes
	// backlog is how many passages without a grant are kept when nobody reads
	// Events: a contact has no memory of its own.
	backlog = 4096
	// flush is how often kept passages are offered again.
	flush = 100 * time.Millisecond
)

// Front is what callers see of a gate.Gate: Open, State and Events, from any
// goroutine. The driver's Run is behind it, on one goroutine of its own, which
// alone calls every other method. Use NewFront.
type Front struct {
	events  chan gate.Event // closed by End
	asks    chan *Ask
	started atomic.Bool

	mu       sync.Mutex // guards the following
	running  bool
	attached chan struct{} // closed when the device is lost; nil without one
	state    gate.State
	founds   uint64

	kept []gate.Event // passages that found no room, oldest first; owned by Run
}

// NewFront makes the front of a gate that does not run yet.
func NewFront() *Front {
	return &Front{events: make(chan gate.Event, room), asks: make(chan *Ask)}
}

// Open has Run open for grant, whose times the driver has held within its
// limits, and returns what Run answers; see gate.Gate.
func (f *Front) Open(ctx context.Context, grant gate.Grant) error {
	a := NewAsk(grant)
	err := f.hand(ctx, a)
	if err == nil {
		err = a.Wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("open gate for grant %d: %w", grant.Number, err)
	}
	return nil
}

// hand gives a to Run.
func (f *Front) hand(ctx context.Context, a *Ask) error {
	f.mu.Lock()
	running, attached := f.running, f.attached
	f.mu.Unlock()
	switch {
	case !running:
		return gate.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	case attached == nil:
		return gate.ErrLost
	}
	select {
	case f.asks <- a:
		return nil
	case <-attached:
		return gate.ErrLost
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Events is that of gate.Gate.
func (f *Front) Events() <-chan gate.Event { return f.events }

// State is that of gate.Gate.
func (f *Front) State() gate.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// Start notes that Run begins. It is gate.ErrStarted from the second time on.
func (f *Front) Start() error {
	if f.started.Swap(true) {
		return gate.ErrStarted
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = true
	return nil
}

// End notes that Run returns, and closes Events. The device was detached before.
func (f *Front) End() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = false
	close(f.events)
}

// Attach notes that the device, which names itself so, answers with its relay
// off, and tells Found. From now on Asks is to be received from.
func (f *Front) Attach(device string, at time.Time) {
	f.mu.Lock()
	f.attached = make(chan struct{})
	f.state.Connected, f.state.Err, f.state.Device, f.state.Relay = true, nil, device, false
	if f.founds++; f.founds > 1 {
		f.state.Reopened++
	}
	f.mu.Unlock()
	f.Emit(gate.Event{Kind: gate.Found, Detail: device, At: at})
}

// Detach notes that the device is not ours any more, err being why and nil when
// the driver stops, and returns the state from before. Asks need not be received
// from until the next Attach.
func (f *Front) Detach(err error) gate.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.state
	f.state.Connected, f.state.Err, f.state.Relay = false, err, false
	if f.attached != nil {
		close(f.attached)
		f.attached = nil
	}
	return was
}

// Asks is where Open comes out. Each one received is answered.
func (f *Front) Asks() <-chan *Ask { return f.asks }

// Refusal returns why grant is not to be opened for, nil if it is. own is what
// the driver itself has against it, gate.ErrRefused or gate.ErrBusy, wrapped, or nil.
func (f *Front) Refusal(grant gate.Grant, own error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.state.LastGrant != 0 && int32(grant.Number-f.state.LastGrant) <= 0:
		return gate.ErrRepeated
	case f.state.Fire:
		return fmt.Errorf("%w: fire", gate.ErrRefused)
	case own != nil:
		return own
	case f.state.Busy != 0 || len(f.events) > room-2*reserve:
		return gate.ErrBusy
	}
	return nil
}

// Note changes the state; change is called at once.
func (f *Front) Note(change func(*gate.State)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.state)
}

// Emit puts e on the channel. Outcomes always find room, because Refusal comes
// before there is none, and end Busy. Other passages are kept until there is
// room, the rest is dropped and counted.
func (f *Front) Emit(e gate.Event) {
	outcome := outcome(e)
	f.mu.Lock()
	defer f.mu.Unlock()
	if outcome && e.Grant == f.state.Busy {
		f.state.Busy = 0
	}
	switch {
	case outcome || len(f.kept) == 0 && len(f.events) < room-reserve:
		f.events <- e
	case e.Kind.Passage() && len(f.kept) < backlog:
		f.kept = append(f.kept, e)
	default:
		f.state.Dropped++
	}
}

// outcome reports whether e is what became of its grant.
func outcome(e gate.Event) bool { return e.Grant != 0 && e.Kind != gate.Tailgated }

// Offer puts kept passages on the channel as room allows, and returns how many
// are left. Run calls it whenever it has done something, and after Wait.
func (f *Front) Offer() int {
	for len(f.kept) > 0 && len(f.events) < room-reserve {
		f.events <- f.kept[0]
		f.kept = f.kept[1:]
	}
	return len(f.kept)
}

// Wait is how long after now Run has something to do again, at most an hour:
// at the earliest of times, zero ones apart, or for kept passages.
func (f *Front) Wait(now time.Time, times ...time.Time) time.Duration {
	wait := time.Hour
	for _, at := range times {
		if !at.IsZero() {
			wait = min(wait, at.Sub(now))
		}
	}
	if len(f.kept) > 0 {
		wait = min(wait, flush)
	}
	return max(wait, 0)
}
