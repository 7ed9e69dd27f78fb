// Package firmware tests the reference firmware: its core on this machine, its image in an emulated board.
package firmware

import (
	"path/filepath"
	"testing"

	"turnstile/firmware-bridge/firmware/board"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/serialport"
)

// power starts a board with one of the images.
func power(t *testing.T, image string, c board.Config) *board.Board {
	t.Helper()
	c.Image = filepath.Join(board.Build(t), image)
	return board.Start(t, c)
}

// drive makes the host's driver for b.
func drive(t *testing.T, b *board.Board) *controller.Gate {
	t.Helper()
	g, err := controller.New(serialport.Config{Path: b.Link(), Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// The host's driver and the firmware together keep every promise of a gate.
func TestGateConforms(t *testing.T) {
	gatetest.Conform(t, func(t *testing.T) gatetest.Bench {
		b := power(t, board.Product, board.Config{})
		return gatetest.Bench{
			Gate: drive(t, b),
			Walk: func(d gate.Direction) {
				if d == gate.In {
					b.Walk(board.PassIn)
				} else {
					b.Walk(board.PassOut)
				}
			},
			Openings: func() int { return b.Raises(board.RelayIn) },
			Relay:    func() bool { return b.High(board.RelayIn) },
			Unplug:   b.Unplug,
			Plug:     b.Plug,
		}
	})
}
