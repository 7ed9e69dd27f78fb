package passage

import (
	"context"
	"fmt"
	"sync/atomic"

	"turnstile/firmware-bridge/gate"
)

// Ask is an Open that Run has received. Run answers it at once, or begins what it
// asks for and answers later. Use NewAsk.
type Ask struct {
	Grant  gate.Grant
	begun  chan struct{} // room for one
	answer chan error    // room for one
	ended  atomic.Bool   // by Answer, or by an Open that went away
}

// NewAsk makes an Open for grant.
func NewAsk(grant gate.Grant) *Ask {
	return &Ask{Grant: grant, begun: make(chan struct{}, 1), answer: make(chan error, 1)}
}

// Begin says that the answer takes its time and that the gate may be open before
// it: an Open whose context ends goes away with gate.ErrUnsure. It is called once
// at most.
func (a *Ask) Begin() { a.begun <- struct{}{} }

// Answer has Open return err. It reports whether Open heard it, which is so but
// after Begin; one that did not has an outcome to come. It never blocks.
func (a *Ask) Answer(err error) bool { return a.Settle(err, func(bool) {}) }

// Settle is Answer with what follows from it done first: whoever has the answer
// finds the gate's state changed already.
func (a *Ask) Settle(err error, follow func(heard bool)) bool {
	heard := !a.ended.Swap(true)
	follow(heard)
	if heard {
		a.answer <- err
	}
	return heard
}

// Wait returns what Run answers, however ctx fares before Begin; afterwards
// gate.ErrUnsure when ctx ends.
func (a *Ask) Wait(ctx context.Context) error {
	select {
	case err := <-a.answer:
		return err
	case <-a.begun:
	}
	select {
	case err := <-a.answer:
		return err
	case <-ctx.Done():
		if !a.ended.Swap(true) {
			return fmt.Errorf("%w: %w", gate.ErrUnsure, ctx.Err())
		}
		return <-a.answer
	}
}
