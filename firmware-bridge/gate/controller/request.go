package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/wiegand"
)

// What SendCard and AskUpdate answer besides gate.ErrClosed, gate.ErrLost,
// gate.ErrRefused and gate.ErrUnsure.
var (
	ErrCardBusy = errors.New("the card before is not out yet, or an answer is awaited; send the next one after it")
	ErrNoOutput = errors.New("this lane controller sends no cards; use one whose firmware names a card output, as the reference firmware does")
	ErrNoUpdate = errors.New("this lane controller takes no firmware over its line, since a power cut would leave the gate without any; update it at its debug port, as firmware-bridge/firmware/README.md says")
)

// request is a CARD OUT or UPDATE from asking to its REPLY.
type request struct {
	message frame.Message
	number  uint8
	answer  chan error // room for one; whoever asked waits for it
	sent    int
	refused int       // of what was sent, by replies
	next    time.Time // when to send the next
}

// SendCard sends a card number of 26 to 66 bits out on the controller's Wiegand
// output, for an access panel behind it, and returns when the controller has
// taken it. It goes out once at most. After gate.ErrUnsure it may have gone
// out; after any other error it has not.
func (g *Gate) SendCard(ctx context.Context, card wiegand.Bits) error {
	c, err := frame.NewCard(card.Len(), card.Pack())
	if err == nil {
		err = g.ask(ctx, frame.HasCardOut, ErrNoOutput, func(n uint8) frame.Message { return frame.CardOut{Number: n, Card: c} })
	}
	if err != nil {
		return fmt.Errorf("send card of %d bits: %w", card.Len(), err)
	}
	return nil
}

// AskUpdate asks whether the controller takes an image of that version and of
// size bytes over its line. ErrNoUpdate is its no, with the reason.
func (g *Gate) AskUpdate(ctx context.Context, firmware [3]uint8, size uint32) error {
	err := g.ask(ctx, frame.HasReply, ErrNoUpdate, func(n uint8) frame.Message {
		return frame.Update{Number: n, Firmware: firmware, Size: size}
	})
	if err != nil {
		return fmt.Errorf("ask for an update to %d.%d.%d: %w", firmware[0], firmware[1], firmware[2], err)
	}
	return nil
}

// ask sends the message that message makes of its number and waits for the REPLY.
// A controller without the capability can is not asked: unable is the answer.
func (g *Gate) ask(ctx context.Context, can frame.Capabilities, unable error, message func(uint8) frame.Message) error {
	r, err := g.beginRequest(ctx, can, unable, message)
	if err != nil {
		return err
	}
	g.poke()
	select {
	case err := <-r.answer:
		return err
	case <-ctx.Done():
		return g.abandonRequest(r, ctx.Err())
	}
}

// beginRequest makes the current request, or says why not.
func (g *Gate) beginRequest(ctx context.Context, can frame.Capabilities, unable error, message func(uint8) frame.Message) (*request, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !g.running:
		return nil, gate.ErrClosed
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !g.state.Connected:
		return nil, lost(g.state.Err)
	case g.can&can == 0:
		return nil, unable
	case g.request != nil:
		return nil, ErrCardBusy
	}
	g.requests++
	g.request = &request{message: message(g.requests), number: g.requests, answer: make(chan error, 1)}
	return g.request, nil
}

// abandonRequest is for an ask whose context ended.
func (g *Gate) abandonRequest(r *request, cause error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.request != r { // its answer came meanwhile
		return <-r.answer
	}
	g.request = nil
	if r.sent > 0 {
		return fmt.Errorf("%w: %w", gate.ErrUnsure, cause)
	}
	return cause
}

// endRequest answers the current request, if there is one; mu is held.
func (g *Gate) endRequest(err error) {
	if g.request != nil {
		g.request.answer <- err
		g.request = nil
	}
}

// loseRequest ends the current request because the controller is gone; mu is held.
func (g *Gate) loseRequest(err error) {
	switch r := g.request; {
	case r == nil:
	case r.sent > 0:
		g.endRequest(gate.ErrUnsure)
	case err == nil:
		g.endRequest(gate.ErrClosed)
	default:
		g.endRequest(lost(err))
	}
}

// dueRequest returns the request to send now, if one is due.
func (g *Gate) dueRequest(now time.Time) (frame.Message, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.request
	if r == nil || now.Before(r.next) {
		return nil, false
	}
	if r.sent == openTries {
		g.endRequest(gate.ErrUnsure)
		return nil, false
	}
	if r.sent > 0 {
		g.state.Resent++
	}
	r.sent++
	r.next = now.Add(openEvery)
	return r.message, true
}

// takeReply settles the request that m answers.
func (g *Gate) takeReply(m frame.Reply) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.request
	if r == nil || r.sent == 0 || m.To != r.message.Type() || m.Number != r.number {
		return
	}
	err := declined(m.Code)
	if err != nil {
		r.refused++
	}
	if err != nil && r.refused < r.sent && m.To == frame.TypeCardOut {
		return // a card that was sent after the refused one may have been taken: its reply comes, or it is sent again
	}
	g.endRequest(err)
}

// declined is what a REPLY of code c means to whoever asked.
func declined(c frame.ReplyCode) error {
	switch c {
	case frame.Done, frame.DoneSince:
		return nil
	case frame.OutputBusy:
		return ErrCardBusy
	case frame.NoOutput:
		return ErrNoOutput
	case frame.NoSecondBank:
		return ErrNoUpdate
	}
	return fmt.Errorf("%w: %v", gate.ErrRefused, c)
}
