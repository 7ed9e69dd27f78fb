package controller

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
)

// A refusal that comes after OPEN was sent again is of the first of them: the
// second may have been accepted meanwhile.
func TestLateRefusal(t *testing.T) {
	for _, c := range []struct {
		name   string
		second []frame.Message // the answers to the second OPEN
		want   error
	}{
		{"second accepted", []frame.Message{frame.Answer{Number: 11, Code: frame.StillBusy}, frame.Answer{Number: 11, Code: frame.Opened}}, nil},
		{"second refused", []frame.Message{frame.Answer{Number: 11, Code: frame.StillBusy}, frame.Answer{Number: 11, Code: frame.StillBusy}}, gate.ErrBusy},
		{"second lost", []frame.Message{frame.Answer{Number: 11, Code: frame.StillBusy}}, gate.ErrUnsure},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var opens atomic.Int32
				g, _ := connect(t, func(frame.Open) []frame.Message {
					if opens.Add(1) != 2 {
						return nil
					}
					return c.second
				})
				if err := open(g, 11); !errors.Is(err, c.want) || c.want == nil && err != nil {
					t.Errorf("Open: %v, want %v", err, c.want)
				}
				if n := opens.Load(); n != 2 {
					t.Errorf("%d OPEN frames, want 2: a refused one is not repeated", n)
				}
				if busy := g.State().Busy; (busy == 11) != !errors.Is(c.want, gate.ErrBusy) {
					t.Errorf("passage %d is awaited", busy)
				}
			})
		})
	}
}

// The same is true of cards: one that was refused and then taken is out. One
// whose other frames were lost is sent on, since an output is not busy for long.
func TestLateRefusalOfCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := able(t)
		sent := 0
		for _, c := range []struct {
			second []frame.ReplyCode
			want   error
			frames int
		}{
			{[]frame.ReplyCode{frame.OutputBusy, frame.Done}, nil, 2},
			{[]frame.ReplyCode{frame.OutputBusy, frame.OutputBusy}, ErrCardBusy, 2},
			{[]frame.ReplyCode{frame.OutputBusy}, gate.ErrUnsure, openTries},
		} {
			done := make(chan error, 1)
			go func() { done <- g.SendCard(context.Background(), card(t)) }()
			asked := p.sent(t, sent+2)
			for _, code := range c.second {
				p.send(frame.Reply{To: frame.TypeCardOut, Number: asked.Number, Code: code})
			}
			if err := <-done; !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%v: %v, want %v", c.second, err, c.want)
			}
			p.sent(t, sent+c.frames) // what left may still be on the wire
			if n := len(p.cardsOut()) - sent; n != c.frames {
				t.Errorf("%v: %d CARD OUT frames, want %d", c.second, n, c.frames)
			}
			sent += c.frames
		}
	})
}

// An adapter that echoes is no controller, and is called what it is.
func TestEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := connect(t, silentPeer)
		p.mu.Lock()
		p.echo = true
		p.mu.Unlock()
		gatetest.Await(t, g, gate.Lost)
		if err := g.State().Err; !errors.Is(err, ErrSilent) || !errors.Is(err, errEcho) {
			t.Errorf("what comes back is taken for a controller: %v", err)
		}
	})
}

// A card that is asked for does not keep an Open waiting, and when the driver
// stops both are answered, the passage has its outcome, and nothing is taken any more.
func TestStopWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := able(t)
		carded, opened := make(chan error, 1), make(chan error, 1)
		go func() { carded <- g.SendCard(context.Background(), card(t)) }()
		p.sent(t, 1)
		go func() { opened <- open(g, 11) }()
		if o := <-p.opens; o.Number != 11 {
			t.Errorf("%+v", o)
		}
		p.stop()
		for what, answer := range map[string]chan error{"SendCard": carded, "Open": opened} {
			if err := <-answer; !errors.Is(err, gate.ErrUnsure) {
				t.Errorf("%s while the driver stops: %v", what, err)
			}
		}
		if e := gatetest.Await(t, g, gate.Lost); e.Grant != 11 {
			t.Errorf("outcome %+v", e)
		}
		if e, more := <-g.Events(); more {
			t.Errorf("after the outcome: %+v", e)
		}
		if err := g.SendCard(t.Context(), card(t)); !errors.Is(err, gate.ErrClosed) {
			t.Errorf("SendCard after the end: %v", err)
		}
		if err := g.AskUpdate(t.Context(), [3]uint8{1}, 1); !errors.Is(err, gate.ErrClosed) {
			t.Errorf("AskUpdate after the end: %v", err)
		}
	})
}
