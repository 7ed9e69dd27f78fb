package modbus

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/gate/modbus/modbustest"
	"turnstile/firmware-bridge/serialport"
)

// memory is a line whose board answers at once, without a kernel between.
type memory struct {
	board   *modbustest.Board
	pending []byte
}

func (m *memory) Write(b []byte) (int, error) {
	m.pending = append(m.pending, m.board.Answer(b)...)
	return len(b), nil
}

func (m *memory) Read(b []byte, wait time.Duration) (int, error) {
	if len(m.pending) == 0 {
		<-time.After(wait)
		return 0, nil
	}
	n := copy(b, m.pending)
	m.pending = m.pending[n:]
	return n, nil
}

// inMemory is a Gate that runs on such a line.
type inMemory struct {
	*Gate
	line *memory
}

// Run does what the Gate's own does with ports.
func (g inMemory) Run(ctx context.Context) error {
	if err := g.front.Start(); err != nil {
		return err
	}
	defer g.front.End()
	for ctx.Err() == nil {
		if err := g.session(ctx, g.line); err != nil {
			g.detach(err)
			<-time.After(100 * time.Millisecond)
		}
	}
	return nil
}

// bubble runs test on a gate that runs and is found, in exact time.
func bubble(t *testing.T, c Config, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.Port = serialport.Config{Path: "memory", Baud: 115200}
		g, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{Gate: g, Board: modbustest.New(nil, 1)}
		gatetest.Start(t, inMemory{g, &memory{board: b.Board}})
		test(t, b)
	})
}
