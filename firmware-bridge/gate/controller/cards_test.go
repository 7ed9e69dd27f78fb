package controller

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/wiegand"
)

// card is facility 1, card 1 in 26 bits.
func card(t *testing.T) wiegand.Bits {
	t.Helper()
	bits, err := wiegand.Parse("10000000100000000000000010")
	if err != nil {
		t.Fatal(err)
	}
	return bits
}

// A controller from before there were cards is not asked.
func TestControllerWithoutCards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := connect(t, silentPeer)
		if err := g.SendCard(t.Context(), card(t)); !errors.Is(err, ErrNoOutput) {
			t.Errorf("SendCard: %v", err)
		}
		if err := g.AskUpdate(t.Context(), [3]uint8{1, 1, 0}, 6500); !errors.Is(err, ErrNoUpdate) {
			t.Errorf("AskUpdate: %v", err)
		}
		if s := g.Cards(0).Stats(); s.Connected || !errors.Is(s.Err, ErrNoReader) {
			t.Errorf("reader: %+v", s)
		}
		if err := g.SendCard(t.Context(), wiegand.Bits{}); !errors.Is(err, frame.ErrBody) {
			t.Errorf("SendCard of nothing: %v", err)
		}
		p.mu.Lock()
		before := p.beats
		p.mu.Unlock()
		gatetest.Until(t, "two more BEATs are sent", func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.beats >= before+2
		})
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.cards) != 0 || len(p.taken) != 0 {
			t.Errorf("it was sent %v and %v", p.cards, p.taken)
		}
	})
}

// able connects a peer that names every capability.
func able(t *testing.T) (*Gate, *peer) {
	t.Helper()
	g, p := connect(t, silentPeer)
	p.mu.Lock()
	p.can, p.boot = 0xFFFF, 2
	p.mu.Unlock()
	p.send(frame.Welcome{Boot: 2})
	gatetest.Await(t, g, gate.Lost)
	gatetest.Await(t, g, gate.Found)
	return g, p
}

// cardsOut is what was sent out so far.
func (p *peer) cardsOut() []frame.CardOut {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.cards)
}

// shown waits for a CARD SEEN, and forgets what came before it.
func (p *peer) shown(t *testing.T, want frame.CardSeen) {
	t.Helper()
	gatetest.Until(t, "CARD SEEN is sent", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		at := slices.Index(p.taken, want)
		p.taken = p.taken[at+1:]
		return at >= 0
	})
}

// sent waits for the n-th CARD OUT, counted from 1.
func (p *peer) sent(t *testing.T, n int) (c frame.CardOut) {
	t.Helper()
	gatetest.Until(t, "CARD OUT is sent", func() bool {
		all := p.cardsOut()
		if len(all) >= n {
			c = all[n-1]
		}
		return len(all) >= n
	})
	return c
}

// Without a REPLY a card is repeated under its number, and then unsure.
func TestCardWithoutReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := able(t)
		if err := g.SendCard(t.Context(), card(t)); !errors.Is(err, gate.ErrUnsure) {
			t.Errorf("SendCard: %v", err)
		}
		all := p.cardsOut()
		if len(all) != openTries {
			t.Fatalf("sent %d times, want %d", len(all), openTries)
		}
		for _, c := range all {
			if c != all[0] {
				t.Errorf("sent %+v after %+v", c, all[0])
			}
		}
	})
}

// One card at a time, each with the next number; a REPLY to another is none.
func TestCardReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := able(t)
		for i, c := range []struct {
			code frame.ReplyCode
			want error
		}{
			{frame.Done, nil}, {frame.DoneSince, nil}, {frame.OutputBusy, ErrCardBusy}, {frame.NoOutput, ErrNoOutput},
			{frame.NoSession, gate.ErrRefused}, {77, gate.ErrRefused},
		} {
			before := len(p.cardsOut())
			done := make(chan error, 1)
			go func() { done <- g.SendCard(context.Background(), card(t)) }()
			asked := p.sent(t, before+1)
			if int(asked.Number) != i+1 {
				t.Errorf("card %d has number %d", i+1, asked.Number)
			}
			if err := g.SendCard(t.Context(), card(t)); !errors.Is(err, ErrCardBusy) {
				t.Errorf("a second card while one is asked for: %v", err)
			}
			p.send(frame.Reply{To: frame.TypeUpdate, Number: asked.Number, Code: frame.Done},
				frame.Reply{To: frame.TypeCardOut, Number: asked.Number + 1, Code: frame.Done},
				frame.Reply{To: frame.TypeCardOut, Number: asked.Number, Code: c.code})
			if err := <-done; !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%v: %v, want %v", c.code, err, c.want)
			}
		}
	})
}

// A context that ends, and a controller that goes, leave a card unsure once it was sent.
func TestCardIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := able(t)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- g.SendCard(ctx, card(t)) }()
		p.sent(t, 1)
		cancel()
		if err := <-done; !errors.Is(err, gate.ErrUnsure) || !errors.Is(err, context.Canceled) {
			t.Errorf("after its context: %v", err)
		}
		if err := g.SendCard(ctx, card(t)); !errors.Is(err, context.Canceled) || errors.Is(err, gate.ErrUnsure) {
			t.Errorf("with an ended context: %v", err)
		}
		go func() { done <- g.SendCard(context.Background(), card(t)) }()
		p.sent(t, 2)
		p.send(frame.Welcome{Boot: 3})
		if err := <-done; !errors.Is(err, gate.ErrUnsure) {
			t.Errorf("after a restart: %v", err)
		}
	})
}

// A read is delivered once and acknowledged each time; one without a card is not delivered.
func TestReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := able(t)
		reader := g.Cards(1)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- reader.Run(ctx) }()
		gatetest.Until(t, "the reader is connected", func() bool { return reader.Stats().Connected })
		c, err := frame.NewCard(26, card(t).Pack())
		if err != nil {
			t.Fatal(err)
		}
		p.shown(t, frame.CardSeen{Read: 0}) // that this host takes cards
		p.send(frame.CardIn{Number: 1, Reader: 1, Faults: 3, Card: c}, frame.CardIn{Number: 1, Reader: 1, Faults: 3, Card: c},
			frame.CardIn{Number: 2, Reader: 1, Faults: 5}, frame.CardIn{Number: 3, Reader: 7, Card: c}, frame.CardIn{Number: 4, Reader: 1, Faults: 5, Card: c})
		gatetest.Until(t, "both cards came", func() bool { return reader.Stats().Scans == 2 })
		p.shown(t, frame.CardSeen{Read: 4})
		p.shown(t, frame.CardSeen{Read: 4}) // again with the next BEAT
		if s := reader.Stats(); s.Noise != 2 {
			t.Errorf("%+v", s)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		n := 0
		for s := range reader.Scans() {
			n++
			if string(s.Text) != "2020002" || s.Bits != 26 {
				t.Errorf("%+v", s)
			}
		}
		if n != 2 {
			t.Errorf("%d scans, want 2", n)
		}
	})
}
