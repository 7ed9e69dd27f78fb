package passage

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
)

// bare is a gate.Gate of this package's parts and of no device: what the
// contract asks of every driver they give by themselves.
type bare struct {
	*Front
	passages Passages
	walks    chan gate.Direction
	plugs    chan bool
	opened   chan int // room for one: how often the gate did
}

func newBare() *bare {
	b := &bare{Front: NewFront(), walks: make(chan gate.Direction), plugs: make(chan bool), opened: make(chan int, 1)}
	b.opened <- 0
	return b
}

func (b *bare) Show(gate.Signal, time.Duration) {}

func (b *bare) Open(ctx context.Context, g gate.Grant) error {
	g, err := g.Within()
	if err != nil {
		return err
	}
	return b.Front.Open(ctx, g)
}

func (b *bare) tell(events []gate.Event) {
	for _, e := range events {
		b.Note(func(s *gate.State) { s.Relay = false })
		b.Emit(e)
	}
}

func (b *bare) detach(err error) { b.tell(b.passages.Lost(b.Detach(err).Connected, err, time.Now())) }

func (b *bare) Run(ctx context.Context) error {
	if err := b.Start(); err != nil {
		return err
	}
	defer b.End()
	b.Attach("nothing", time.Now())
	asks := b.Asks()
	for {
		b.Offer()
		timer := time.NewTimer(b.Wait(time.Now(), b.passages.Next()))
		select {
		case <-ctx.Done():
			b.detach(nil)
			return nil
		case a := <-asks:
			b.open(a, time.Now())
		case d := <-b.walks:
			b.tell(b.passages.Walked(d, time.Now()))
		case plugged := <-b.plugs:
			if asks = nil; plugged {
				asks = b.Asks()
				b.Attach("nothing", time.Now())
			} else {
				b.detach(errors.New("pulled"))
			}
		case <-timer.C:
			b.tell(b.passages.Expire(time.Now()))
		}
		timer.Stop()
	}
}

func (b *bare) open(a *Ask, now time.Time) {
	err := b.Refusal(a.Grant, nil)
	if err == nil {
		b.passages.Begin(a.Grant, now, now.Add(a.Grant.Window))
		b.Note(func(s *gate.State) { s.Busy, s.LastGrant, s.Relay = a.Grant.Number, a.Grant.Number, true })
		b.opened <- 1 + <-b.opened
	}
	a.Answer(err)
}

func TestConform(t *testing.T) {
	gatetest.ConformInBubble(t, func(t *testing.T) gatetest.Bench {
		b := newBare()
		return gatetest.Bench{
			Gate:     b,
			Walk:     func(d gate.Direction) { b.walks <- d },
			Openings: func() int { n := <-b.opened; b.opened <- n; return n },
			Relay:    func() bool { return b.State().Relay },
			Unplug:   func() { b.plugs <- false },
			Plug:     func() { b.plugs <- true },
		}
	})
}

// Passages that nobody reads wait in order, other events are dropped and
// counted, and outcomes have room because Refusal comes before there is none.
// The test is in Run's place.
func TestNobodyReads(t *testing.T) {
	f := NewFront()
	forced := func(n int) gate.Event { return gate.Event{Kind: gate.Forced, Detail: fmt.Sprint(n)} }
	for n := range room - 2*reserve {
		f.Emit(forced(n))
	}
	if err := f.Refusal(in(1), nil); err != nil {
		t.Errorf("with room for two reserves: %v", err)
	}
	for n := room - 2*reserve; n < room; n++ {
		f.Emit(forced(n))
	}
	f.Emit(gate.Event{Kind: gate.Tamper})
	f.Emit(gate.Event{Kind: gate.Tailgated, Grant: 1}) // no outcome: it has to wait too
	if err := f.Refusal(in(1), nil); !errors.Is(err, gate.ErrBusy) {
		t.Errorf("Refusal: %v", err)
	}
	if len(f.events) != room-reserve || f.Offer() != reserve+1 || f.State().Dropped != 1 {
		t.Errorf("%d on the channel, %d kept, %d dropped", len(f.events), f.Offer(), f.State().Dropped)
	}
	if wait := f.Wait(t0); wait != flush {
		t.Errorf("waits for %v", wait)
	}
	f.Emit(gate.Event{Kind: gate.Passed, Grant: 1})
	if len(f.events) != room-reserve+1 {
		t.Error("the outcome is not on the channel")
	}
	read := 0
	for f.Offer(); len(f.events) > 0; f.Offer() {
		switch e := <-f.events; e.Kind {
		case gate.Passed, gate.Tailgated:
		case gate.Forced:
			if e.Detail != fmt.Sprint(read) {
				t.Fatalf("read %s after %d", e.Detail, read)
			}
			if read++; read == 2 {
				f.Emit(forced(room)) // there is room, and others wait
			}
		default:
			t.Fatalf("%+v", e)
		}
	}
	if err := f.Refusal(in(2), nil); read != room+1 || f.Offer() != 0 || err != nil {
		t.Errorf("%d read, %d kept, %v", read, f.Offer(), err)
	}
}

// The backlog has an end too.
func TestBacklogIsBounded(t *testing.T) {
	f := NewFront()
	for range room + backlog {
		f.Emit(gate.Event{Kind: gate.Forced})
	}
	if s := f.State(); len(f.kept) != backlog || s.Dropped != reserve {
		t.Errorf("%d kept, %d dropped", len(f.kept), s.Dropped)
	}
}

func TestRefusal(t *testing.T) {
	own := fmt.Errorf("%w: no relay", gate.ErrRefused)
	for name, c := range map[string]struct {
		state gate.State
		grant uint32
		own   error
		want  error
	}{
		"first":           {gate.State{}, 1, nil, nil},
		"next":            {gate.State{LastGrant: 7}, 8, nil, nil},
		"wrapped around":  {gate.State{LastGrant: 1<<32 - 1}, 1, nil, nil},
		"same":            {gate.State{LastGrant: 7}, 7, nil, gate.ErrRepeated},
		"before":          {gate.State{LastGrant: 7, Fire: true}, 6, own, gate.ErrRepeated},
		"fire":            {gate.State{Fire: true, Busy: 1}, 2, nil, gate.ErrRefused},
		"the driver's":    {gate.State{Busy: 1}, 2, own, gate.ErrRefused},
		"busy":            {gate.State{Busy: 1}, 2, nil, gate.ErrBusy},
		"before a wrap":   {gate.State{LastGrant: 1}, 1<<32 - 1, nil, gate.ErrRepeated},
		"tamper is no no": {gate.State{Tamper: true, Held: true}, 1, nil, nil},
	} {
		f := NewFront()
		f.Note(func(s *gate.State) { *s = c.state })
		if err := f.Refusal(in(c.grant), c.own); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// An Open that waits for Run ends with the device, with its context, or with the
// answer, however late.
func TestOpenEnds(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(f *Front, cancel func())
		want error
	}{
		"answered": {func(f *Front, _ func()) { (<-f.Asks()).Answer(nil) }, nil},
		"refused":  {func(f *Front, _ func()) { (<-f.Asks()).Answer(gate.ErrBusy) }, gate.ErrBusy},
		"lost":     {func(f *Front, _ func()) { f.Detach(gate.ErrLost) }, gate.ErrLost},
		"gave up":  {func(_ *Front, cancel func()) { cancel() }, context.Canceled},
		"answered at once, though the context ended": {func(f *Front, cancel func()) {
			a := <-f.Asks()
			cancel()
			synctest.Wait()
			if !a.Answer(gate.ErrBusy) {
				t.Error("nobody heard the answer")
			}
		}, gate.ErrBusy},
		"begun, then answered": {func(f *Front, _ func()) {
			a := <-f.Asks()
			a.Begin()
			synctest.Wait()
			if !a.Answer(gate.ErrRefused) {
				t.Error("nobody heard the answer")
			}
		}, gate.ErrRefused},
		"begun, then gave up": {func(f *Front, cancel func()) {
			a := <-f.Asks()
			a.Begin()
			cancel()
			synctest.Wait()
			if a.Answer(nil) {
				t.Error("an Open that went away heard the answer")
			}
		}, gate.ErrUnsure},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := NewFront()
			if err := f.Start(); err != nil {
				t.Fatal(err)
			}
			f.Attach("nothing", time.Now())
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- f.Open(ctx, in(1)) }()
			synctest.Wait()
			c.act(f, cancel)
			if err := <-done; !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		})
	}
}
