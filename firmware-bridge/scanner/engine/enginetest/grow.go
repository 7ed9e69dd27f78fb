package enginetest

import (
	"bytes"
	"encoding/binary"
	"maps"
	"time"

	"turnstile/firmware-bridge/scanner/engine/gm65"
)

// room bounds what an engine keeps of bytes that it does not understand.
const room = 1024

// GM65 plays one: zones, a copy of them in flash, and no more of the map than
// the driver uses. Use NewGM65.
type GM65 struct {
	Reader
	Zones, Flash map[uint16]byte
	Forgets      uint16 // a zone whose writes it confirms and does not keep; 0 for none
	Late         bool   // it confirms a change of rate at the new one
	Saved        int

	held []byte
}

// NewGM65 returns one with the maker's settings and rate.
func NewGM65(rate int) *GM65 {
	d := binary.LittleEndian.AppendUint16(nil, gm65.Divisor(rate))
	flash := map[uint16]byte{0x00: 0xD4, 0x2A: d[0], 0x2B: d[1], 0x2C: 0x05, 0x3F: 0x01, 0xE1: 0x64, 0xE2: 0x87}
	return &GM65{Flash: flash, Zones: maps.Clone(flash)}
}

// Baud implements Personality.
func (g *GM65) Baud() int {
	for _, baud := range []int{9600, 19200, 38400, 57600, 115200} {
		if d := gm65.Divisor(baud); byte(d) == g.Zones[0x2A] && byte(d>>8) == g.Zones[0x2B] {
			return baud
		}
	}
	return 0
}

// Restart implements Personality.
func (g *GM65) Restart() {
	g.Zones, g.held = maps.Clone(g.Flash), nil
	g.apply()
}

// apply makes the zones count.
func (g *GM65) apply() {
	g.byCommand = g.Zones[0]&3 == 1
	g.Closed = g.Zones[3]&2 != 0
}

// Read implements Personality. Without any kind of code allowed it reads none.
func (g *GM65) Read(text string) []Reply {
	if g.Zones[0x2C]&0x06 == 0 && g.Zones[0x3F]&1 == 0 {
		return nil
	}
	return replies(g.read(text), g.Baud())
}

// Hear implements Personality.
func (g *GM65) Hear(b []byte, _ time.Time) (out []Reply) {
	g.held = append(g.held, b...)
	for len(g.held) > 0 {
		kind, zone, data, n := gm65.ParseRequest(g.held)
		if n == 0 && len(g.held) < room {
			return out
		}
		if n > 0 {
			out = append(out, g.do(kind, zone, bytes.Clone(data))...)
		}
		g.held = g.held[max(n, 1):]
	}
	return out
}

// do carries one request out.
func (g *GM65) do(kind byte, zone uint16, data []byte) []Reply {
	baud := g.Baud()
	switch kind {
	case 0x07:
		var told []byte
		for i := range uint16(data[0]) {
			told = append(told, g.Zones[zone+i])
		}
		return replies(gm65.AppendReply(nil, false, told...), baud)
	case 0x08:
		if g.Refusing {
			return nil // no refusal is known: it does not answer
		}
		out := replies(gm65.AppendReply(nil, false, 0), baud)
		for i, value := range data {
			if at := zone + uint16(i); at != g.Forgets || at == 0 {
				g.Zones[at] = value
			}
		}
		g.apply()
		if zone == 0x02 {
			out = append(out, replies(g.trigger(data[0] == 1), baud)...)
		}
		if g.Late {
			out[0].Baud = g.Baud()
		}
		return out
	case 0x09:
		g.Flash = maps.Clone(g.Zones)
		g.Saved++
		return replies(gm65.AppendReply(nil, false, 0), baud)
	case 0x0A:
		return replies(gm65.AppendReply(nil, true, 0), baud)
	}
	return nil
}

// M3Y plays an M3Y-W. Use NewM3Y.
type M3Y struct {
	Reader
	Rate int
	held []byte
}

// NewM3Y returns one that waits to be told to read.
func NewM3Y(rate int) *M3Y { return &M3Y{Rate: rate, Reader: Reader{byCommand: true}} }

// Baud implements Personality.
func (m *M3Y) Baud() int { return m.Rate }

// Restart implements Personality.
func (m *M3Y) Restart() { m.byCommand, m.held = true, nil }

// Read implements Personality.
func (m *M3Y) Read(text string) []Reply { return replies(m.read(text), m.Rate) }

// Hear implements Personality.
func (m *M3Y) Hear(b []byte, _ time.Time) (out []Reply) {
	m.held = append(m.held, b...)
	for len(m.held) > 0 {
		command, n := gm65.ParseM3Y(m.held, 0)
		if n == 0 && len(m.held) < room {
			return out
		}
		answer := map[string]string{"T_OUT_CVER": "M3Y_W_V1.2.3", "S_CMD_020E": "OK", "S_CMD_020D": "OK"}[string(command)]
		if n > 0 && answer != "" {
			out = append(out, Reply{gm65.AppendM3Y(nil, 1, answer), m.Rate})
		}
		switch string(command) {
		case "S_CMD_020E": // and it goes on reading until told to stop
			m.byCommand = false
			out = append(out, replies(m.trigger(true), m.Rate)...)
		case "S_CMD_020D":
			m.byCommand = true
		}
		m.held = m.held[max(n, 1):]
	}
	return out
}
