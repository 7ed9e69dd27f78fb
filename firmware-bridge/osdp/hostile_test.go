package osdp_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"turnstile/firmware-bridge/osdp"
)

// A reader that has its key and answers inside the session whatever it likes harms
// itself alone.
func FuzzSealedAnswers(f *testing.F) {
	f.Add(osdp.ReplyCap, []byte{9, 1}, uint8(1))
	f.Add(osdp.ReplyRaw, bytes.Repeat([]byte{0xFF}, 1300), uint8(7))
	f.Add(osdp.ReplyNAK, []byte{4}, uint8(3))
	f.Add(osdp.ReplyBusy, []byte{}, uint8(1))
	f.Add(osdp.ReplyClientCrypt, make([]byte, 32), uint8(6))
	f.Fuzz(func(t *testing.T, code uint8, data []byte, every uint8) {
		r, well := good(t, 0), good(t, 1)
		n := 0
		evil := sealing(t, key(t, '0'), func(_ osdp.Packet, p *osdp.Packet) {
			if n++; n%(int(every)+1) == 0 {
				p.Code, p.Data = code, data[:min(len(data), 1300)]
			}
		})
		r.Spoil(func(command, answer []byte) []byte {
			if command[2] != 0 {
				return answer
			}
			return evil(command, answer)
		})
		b := bench(t, r, well)
		b.Run(3 * time.Second)
		well.Scan("WELL")
		b.Run(time.Second)
		if s := status(t, b, 1); len(texts(b, 1)) != 1 || s.Line.Sessions != 1 || s.Alarm != 0 {
			t.Fatalf("the neighbour: %+v", s)
		}
		noKeySet(t, b)
		sound(t, b, 0)
	})
}

// A reader that is busy from the first word on is told of as one that does not answer.
func TestBusyInHandshake(t *testing.T) {
	for _, from := range []uint8{osdp.CmdID, osdp.CmdCap, osdp.CmdChallenge, osdp.CmdServerCrypt} {
		r := good(t, 0)
		b := bench(t, r)
		r.Spoil(func(command, answer []byte) []byte {
			if parsed(t, command).Code == from {
				return clear(t, command, osdp.ReplyBusy)
			}
			return answer
		})
		b.Run(10 * time.Second)
		if s := status(t, b, 0); s.Online || !errors.Is(s.Err, osdp.ErrSilent) || s.Line.Busy < 50 {
			t.Errorf("%s: %+v", osdp.CommandName(from), s)
		}
		r.Spoil(nil)
		online(t, b, 0)
		sound(t, b, 0)
	}
}

// Whatever a reader answers, and whenever, the panel takes nothing that is not
// sealed, sends no key, and goes on.
func FuzzPanel(f *testing.F) {
	f.Add([]byte{0x53, 0x80, 8, 0, 4, 0x40, 0x59, 0xAC}, uint8(0), uint8(3))
	f.Add([]byte{0x53, 0x80, 0xA0, 5, 4}, uint8(2), uint8(1))
	f.Add([]byte("\x53\x80\x2B\x00\x0D\x03\x12\x00\x76"), uint8(9), uint8(7))
	f.Fuzz(func(t *testing.T, junk []byte, from, every uint8) {
		r := good(t, 0)
		well := good(t, 1)
		b := bench(t, r, well)
		n := 0
		r.Spoil(func(command, answer []byte) []byte {
			if command[2] != 0 {
				return answer
			}
			n++
			if n < int(from) || every > 0 && n%int(every) != 0 {
				return answer
			}
			// The fuzzer cannot guess CRCs: half of its answers get a good one.
			if q, err := osdp.Parse(command[1:]); err == nil && n%2 == 0 && len(junk) > 1 {
				p := osdp.Packet{Reply: true, Sequence: q.Sequence, Code: junk[0], Data: junk[1:min(len(junk), 1000)]}
				switch {
				case junk[1] >= 0x15 && junk[1] <= 0x18:
					p.Block.Type, p.MAC = osdp.BlockType(junk[1]), []byte{1, 2, 3, 4}
				case junk[1] >= 0x11 && junk[1] <= 0x14:
					p.Block = osdp.Block{Type: osdp.BlockType(junk[1]), Data: []byte{junk[0]}}
				}
				if out, err := osdp.Append(nil, p); err == nil {
					return out
				}
			}
			return junk
		})
		b.Run(3 * time.Second)
		if got := texts(b, 0); len(got) != 0 {
			t.Fatalf("took %q", got)
		}
		for _, p := range b.Wire {
			if p.Sent && len(p.Data) > 8 && p.Data[8] == osdp.CmdKeySet {
				t.Fatal("sent a key")
			}
		}
		well.Scan("WELL")
		b.Run(time.Second)
		if got := texts(b, 1); len(got) != 1 {
			t.Fatalf("the neighbour has no scan: %+v", status(t, b, 1))
		}
		sound(t, b, 0)
	})
}
