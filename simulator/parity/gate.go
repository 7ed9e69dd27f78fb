package parity

import (
	"context"
	"sync/atomic"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/scanner"
)

// turnstile is a gate through which people walk, or do not, at once.
type turnstile struct {
	events chan gate.Event
	stays  atomic.Bool   // the next person does not walk
	last   atomic.Uint32 // grant number
	opened atomic.Uint64
}

func newTurnstile() *turnstile { return &turnstile{events: make(chan gate.Event, 16)} }

// Run implements gate.Gate.
func (g *turnstile) Run(ctx context.Context) error {
	g.events <- gate.Event{Kind: gate.Found}
	<-ctx.Done()
	close(g.events)
	return nil
}

// Open implements gate.Gate.
func (g *turnstile) Open(_ context.Context, grant gate.Grant) error {
	if grant.Number <= g.last.Load() {
		return gate.ErrRepeated
	}
	g.last.Store(grant.Number)
	g.opened.Add(1)
	e := gate.Event{Kind: gate.Passed, Direction: grant.Direction, Grant: grant.Number, At: time.Now()}
	if g.stays.Swap(false) {
		e.Kind = gate.NotPassed
	}
	g.events <- e
	return nil
}

// Show implements gate.Gate; nobody looks.
func (g *turnstile) Show(gate.Signal, time.Duration) {}

// Events implements gate.Gate.
func (g *turnstile) Events() <-chan gate.Event { return g.events }

// State implements gate.Gate.
func (g *turnstile) State() gate.State {
	return gate.State{Connected: true, Device: "parity", LastGrant: g.last.Load()}
}

// reader is a scanner that delivers what it is given.
type reader struct{ scans chan scanner.Scan }

func newReader() reader { return reader{make(chan scanner.Scan)} }

// Run implements scanner.Scanner.
func (r reader) Run(ctx context.Context) error {
	<-ctx.Done()
	close(r.scans)
	return nil
}

// Scans implements scanner.Scanner.
func (r reader) Scans() <-chan scanner.Scan { return r.scans }

// Stats implements scanner.Scanner.
func (r reader) Stats() scanner.Stats { return scanner.Stats{Connected: true} }
