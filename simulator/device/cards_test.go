package device

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/wiegand"
)

// cardOf makes a card of 32 bits from a text.
func cardOf(t *testing.T, text string) (wiegand.Bits, frame.Card) {
	t.Helper()
	h := fnv.New32a()
	h.Write([]byte(text))
	bits, err := wiegand.Unpack(32, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	card, err := frame.NewCard(bits.Len(), bits.Pack())
	if err != nil {
		t.Fatal(err)
	}
	return bits, card
}

// The readers of a lane controller are scanners like any other.
func TestReadersConform(t *testing.T) {
	scannertest.Conform(t, func(t *testing.T) scannertest.Bench {
		v := power(t, ControllerConfig{})
		g := drive(t, v)
		gatetest.Start(t, g)
		return scannertest.Bench{
			Scanner: g.Cards(1),
			Scan:    func(text string) { _, card := cardOf(t, text); v.Card(1, card) },
			Text:    func(text string) string { bits, _ := cardOf(t, text); return bits.Hex() },
			Unplug:  v.Unplug,
			Plug: func() {
				if err := v.Plug(); err != nil {
					t.Error(err)
				}
			},
		}
	})
}

// listen runs a reader of g until the test ends.
func listen(t *testing.T, g *controller.Gate, reader int) scanner.Scanner {
	t.Helper()
	s := g.Cards(reader)
	hear(t, s)
	return s
}

// hear runs a scanner's driver until the test ends.
func hear(t *testing.T, s scanner.Scanner) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// held holds a card to a reader until it is read, as people do: a controller
// forgets after 3 s what the line did not let through.
func held(t *testing.T, v *Controller, reader int, card frame.Card, s scanner.Scanner) scanner.Scan {
	t.Helper()
	for range 5 {
		v.Card(reader, card)
		late := time.NewTimer(4 * time.Second)
		select {
		case scan := <-s.Scans():
			late.Stop()
			return scan
		case <-late.C:
		}
	}
	t.Fatalf("card %v is not read; stats %+v", card, s.Stats())
	return scanner.Scan{}
}

// Each card in arrives once, from the reader it was held to, and each card out
// leaves once, on a line that spoils every n-th byte.
func TestCardsOnBadLine(t *testing.T) {
	out := make(chan frame.Card, 100)
	v := power(t, ControllerConfig{CardOut: func(c frame.Card) { out <- c }})
	g := drive(t, v)
	gatetest.Start(t, g)
	readers := []scanner.Scanner{listen(t, g, 0), listen(t, g, 1)}
	v.Noise(97)
	for i := range 20 {
		bits, card := cardOf(t, fmt.Sprint(i))
		if s := held(t, v, i%2, card, readers[i%2]); string(s.Text) != bits.Hex() || s.Bits != 32 {
			t.Errorf("card %s came as %+v", bits.Hex(), s)
		}
		gatetest.Until(t, "the card is out", func() bool {
			err := g.SendCard(t.Context(), bits)
			if err != nil && !errors.Is(err, controller.ErrCardBusy) {
				t.Fatal(err)
			}
			return err == nil
		})
		if c := <-out; c != card {
			t.Errorf("card %v went out as %v", card, c)
		}
	}
	if g.State().Garbled+uint64(v.State().Garbled) < 3 {
		t.Error("the line was good")
	}
	if len(out) > 0 || len(readers[0].Scans()) > 0 || len(readers[1].Scans()) > 0 {
		t.Error("cards came twice")
	}
}

// A controller says why it takes no update, and what its readers suffer.
func TestUpdateAndNoise(t *testing.T) {
	v := power(t, ControllerConfig{})
	g := drive(t, v)
	reader := listen(t, g, 0)
	gatetest.Start(t, g)
	if err := g.AskUpdate(t.Context(), [3]uint8{1, 1, 0}, 6500); !errors.Is(err, controller.ErrNoUpdate) {
		t.Errorf("AskUpdate: %v", err)
	}
	_, card := cardOf(t, "x")
	v.Card(0, card) // from here on the driver knows the count
	scannertest.Next(t, reader)
	v.Disturb(0)
	scannertest.Until(t, "the fault is counted", func() bool { return reader.Stats().Noise == 1 })
}
