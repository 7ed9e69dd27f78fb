package firmware

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"turnstile/firmware-bridge/firmware/board"
	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/wiegand"
)

// A card goes from the driver out of the pins, over two wires into the pins of a
// reader, and comes back to the driver as a scan.
func TestCards(t *testing.T) {
	t.Parallel()
	b := power(t, board.Product, board.Config{Exact: true, Loop: true})
	g := drive(t, b)
	reader := g.Cards(0)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- reader.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	gatetest.Start(t, g)
	for _, row := range golden {
		card, err := wiegand.Parse(row)
		if err != nil {
			t.Fatal(err)
		}
		before := len(b.Changes(board.CardD0, board.CardD1))
		gatetest.Until(t, "the output takes the card", func() bool {
			err := g.SendCard(ctx, card)
			if err != nil && !errors.Is(err, controller.ErrCardBusy) {
				t.Fatal(err)
			}
			return err == nil
		})
		scan := scannertest.Next(t, reader)
		if string(scan.Text) != card.Hex() || scan.Bits != card.Len() || time.Since(scan.At) > scannertest.Patience {
			t.Errorf("sent %s of %d bits, read %s of %d at %v", card.Hex(), card.Len(), scan.Text, scan.Bits, scan.At)
		}
		if pulled := pulses(b.Changes(board.CardD0, board.CardD1)[before:]); pulled != row {
			t.Errorf("the wires said %s, want %s", pulled, row)
		}
	}
	if s := reader.Stats(); s.Scans != uint64(len(golden)) || s.Noise != 0 || !s.Connected {
		t.Errorf("%+v", s)
	}
}

// pulses is the row that the falling edges tell.
func pulses(changes []board.Change) string {
	var row strings.Builder
	for _, c := range changes {
		if !c.High {
			row.WriteByte('0' + byte(c.Pin-board.CardD0))
		}
	}
	return row.String()
}

// What is no card is counted and told: pulses of milliseconds, as from a switch.
func TestNoisyReader(t *testing.T) {
	t.Parallel()
	b := power(t, board.Product, board.Config{})
	h := connect(t, b)
	h.say(frame.CardSeen{}) // or it would not tell
	b.Set(board.Reader1D0, false)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 5 {
		<-tick.C
	}
	b.Set(board.Reader1D0, true)
	m := must(h, func(m frame.CardIn) bool { return m.Faults > 0 })
	if m.Reader != 1 || m.Card != (frame.Card{}) {
		t.Errorf("%+v", m)
	}
	h.say(frame.CardSeen{Read: m.Number})
}
