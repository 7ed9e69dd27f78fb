package enginetest

import (
	"bytes"
	"maps"
	"time"

	"turnstile/firmware-bridge/scanner/engine/ssi"
)

// SSI plays a Zebra engine: it sends a packet again until that is confirmed, as
// long as packets are to be. Use NewSSI.
type SSI struct {
	Reader
	Params, Flash map[byte]byte
	Piece         int    // bytes of text in one packet; at most ssi.MaxData-1
	Corrupt       int    // so many packets leave with a wrong sum
	Deaf          int    // so many confirmations of the host are not heard
	Sent          int    // packets with scans, those sent again too
	Causes        []byte // refuse parameters with these causes, one after the other

	held  []byte
	heard time.Time
	queue [][]byte // packets to be confirmed; the first is under way
	since time.Time
}

var ssiRates = map[byte]int{0x06: 9600, 0x07: 19200, 0x08: 38400, 0x0A: 57600, 0x0B: 115200}

const (
	charGap = 200 * time.Millisecond // a packet with such a gap inside is forgotten
	resend  = 300 * time.Millisecond
)

// NewSSI returns one with the maker's settings: plain text, confirmed packets.
// rate is a value of parameter 9C, such as 06 for 9600.
func NewSSI(rate byte) *SSI {
	params := map[byte]byte{0xEE: 0, 0x9F: 1, 0xEC: 1, 0x8A: 0x08, 0x9C: rate}
	s := &SSI{Params: params, Flash: maps.Clone(params), Piece: ssi.MaxData - 1}
	s.apply()
	return s
}

// Baud implements Personality.
func (s *SSI) Baud() int { return ssiRates[s.Params[0x9C]] }

// Restart implements Personality.
func (s *SSI) Restart() {
	s.Params, s.held, s.queue = maps.Clone(s.Flash), nil, nil
	s.apply()
}

func (s *SSI) apply() {
	s.byCommand = s.Params[0x8A] == 0x08
	s.Closed = s.Params[0xEC] == 0
}

// Read implements Personality.
func (s *SSI) Read(text string) []Reply { return s.wrap(s.read(text)) }

// wrap sends a text as the engine is set to: as it is, or in packets.
func (s *SSI) wrap(sent []byte) []Reply {
	if sent == nil || s.Params[0xEE] == 0 {
		return replies(sent, s.Baud())
	}
	idle := len(s.queue) == 0
	text := bytes.TrimRight(sent, "\r\n")
	for len(text) > 0 {
		n := min(s.Piece, len(text))
		p := ssi.Packet{Op: 0xF3, Source: ssi.Engine, Data: append([]byte{0xF1}, text[:n]...)}
		if text = text[n:]; len(text) > 0 {
			p.Status = 0x02
		}
		s.queue = append(s.queue, ssi.Append(nil, p))
	}
	if !idle {
		return nil
	}
	return s.next()
}

// next sends the packets that need no confirmation, or the first that does.
func (s *SSI) next() (out []Reply) {
	for len(s.queue) > 0 {
		out = append(out, s.transmit())
		if s.Params[0x9F] == 1 {
			return out
		}
		s.queue = s.queue[1:]
	}
	return out
}

// transmit is the packet under way, once more or for the first time.
func (s *SSI) transmit() Reply {
	p := bytes.Clone(s.queue[0])
	s.Sent++
	s.since = time.Now()
	if s.Corrupt > 0 {
		s.Corrupt--
		p[len(p)-1] ^= 0xFF
	}
	return Reply{p, s.Baud()}
}

// retransmit is the packet under way, marked as sent again.
func (s *SSI) retransmit() []Reply {
	if len(s.queue) == 0 {
		return nil
	}
	p, _, _ := ssi.Parse(s.queue[0], ssi.Engine)
	p.Status |= 0x01
	s.queue[0] = ssi.Append(nil, ssi.Packet{Op: p.Op, Source: p.Source, Status: p.Status, Data: bytes.Clone(p.Data)})
	return []Reply{s.transmit()}
}

// Hear implements Personality.
func (s *SSI) Hear(b []byte, at time.Time) (out []Reply) {
	if len(b) == 0 {
		if len(s.held) > 0 && at.Sub(s.heard) > charGap {
			s.held = nil
		}
		if len(s.queue) > 0 && at.Sub(s.since) > resend {
			return s.retransmit()
		}
		return nil
	}
	s.held, s.heard = append(s.held, b...), at
	for len(s.held) > 0 {
		p, n, whole := ssi.Parse(s.held, ssi.Host)
		if n == 0 && len(s.held) < room {
			return out
		}
		if n > 0 {
			p.Data = bytes.Clone(p.Data)
			out = append(out, s.do(p, whole)...)
		}
		s.held = s.held[max(n, 1):]
	}
	return out
}

// do carries one packet out.
func (s *SSI) do(p ssi.Packet, whole bool) []Reply {
	if !whole {
		return s.refuse(ssi.CauseResend)
	}
	switch p.Op {
	case 0xD0:
		return s.confirmed()
	case 0xD1:
		return s.retransmit()
	case 0xA3:
		return s.packet(ssi.Packet{Op: 0xA4, Data: []byte("PAACTS00-001-R00 PL4507 1")})
	case 0xC6:
		return s.set(p)
	case 0xE4, 0xE5:
		return append(s.packet(ssi.Packet{Op: 0xD0}), s.wrap(s.trigger(p.Op == 0xE4))...)
	}
	return s.refuse(ssi.CauseContext)
}

// confirmed goes on to the next packet.
func (s *SSI) confirmed() []Reply {
	if s.Deaf > 0 {
		s.Deaf--
		return nil
	}
	if len(s.queue) > 0 {
		s.queue = s.queue[1:]
	}
	return s.next()
}

func (s *SSI) set(p ssi.Packet) []Reply {
	if len(s.Causes) > 0 {
		cause := s.Causes[0]
		s.Causes = s.Causes[1:]
		return s.refuse(cause)
	}
	if s.Refusing || len(p.Data) < 3 {
		return s.refuse(ssi.CauseForbidden)
	}
	done := s.packet(ssi.Packet{Op: 0xD0}) // at the rate of before
	s.Params[p.Data[1]] = p.Data[2]
	if p.Status&0x08 != 0 {
		s.Flash[p.Data[1]] = p.Data[2]
	}
	s.apply()
	return done
}

func (s *SSI) refuse(cause byte) []Reply {
	return s.packet(ssi.Packet{Op: 0xD1, Data: []byte{cause}})
}

func (s *SSI) packet(p ssi.Packet) []Reply { return replies(ssi.Append(nil, p), s.Baud()) }
