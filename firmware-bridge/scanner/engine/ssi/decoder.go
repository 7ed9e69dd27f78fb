package ssi

import (
	"bytes"

	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine/dialect"
)

// room is what is kept of a scan in several packets: enough to see that it is
// too long.
const room = scanner.MaxText + 64

// decoder makes scans of packets: no I/O. It answers what the engine waits for.
type decoder struct {
	packets bool   // this engine has sent a packet: no scans come as plain text
	text    []byte // of a scan whose last packet is to come; at most room bytes
	open    bool   // there is such a scan
	last    []byte // the last scan packet, to know it again
}

var (
	yes   = Append(nil, Packet{Op: opDone, Source: Host})
	again = Append(nil, Packet{Op: opRefused, Source: Host, Data: []byte{CauseResend}})
)

// take implements dialect.Dialect's Take.
func (d *decoder) take(v dialect.View) dialect.Piece {
	for i := range v.Bytes {
		p, n, whole := Parse(v.Bytes[i:], Engine)
		switch {
		case n < 0:
			continue
		case n == 0 && i == len(v.Bytes)-1 && d.lineEnd(v, i):
			continue
		case i > 0:
			return dialect.Piece{Kind: dialect.Text, N: i}
		case n == 0:
			return dialect.Piece{Kind: dialect.More}
		case !whole:
			d.last = d.last[:0] // what comes again was not had
			return dialect.Piece{Kind: dialect.Broken, N: n, Answer: again}
		}
		d.packets = true
		piece := d.packet(p, v)
		piece.N = n
		return piece
	}
	return dialect.Piece{Kind: dialect.Text, N: len(v.Bytes)}
}

// lineEnd reports that the last byte, which could be the length of a packet,
// ends a scan of an engine that does not send packets yet.
func (d *decoder) lineEnd(v dialect.View, i int) bool {
	return !d.packets && (i > 0 || v.Inside) && (v.Bytes[i] == '\r' || v.Bytes[i] == '\n')
}

// packet says what a whole packet means.
func (d *decoder) packet(p Packet, v dialect.View) dialect.Piece {
	switch p.Op {
	case opScan:
		return d.scan(p, v.Paused)
	case opEvent:
		return dialect.Piece{Kind: dialect.Ignore, Answer: yes}
	case opDone, opRefused, opRevision:
		if v.Asked != nil && answers(p.Op, v.Asked) {
			return dialect.Piece{Kind: dialect.Reply}
		}
		return dialect.Piece{Kind: dialect.Ignore}
	}
	return dialect.Piece{Kind: dialect.Broken, Answer: yes} // or it would come again for ever
}

// answers reports whether a packet op may answer the request asked: a revision
// is asked with A3 only, which is never just done.
func answers(op byte, asked []byte) bool {
	revision := asked[1] == opAsk
	return op == opRefused || revision == (op == opRevision)
}

// scan gathers the packets of one scan. One that comes again, because the
// answer to it was lost, is answered and not delivered twice. A new one after a
// pause begins a scan: the rest of the one before was given up by the engine.
func (d *decoder) scan(p Packet, paused bool) dialect.Piece {
	d.open = d.open && (!paused || p.Status&statusAgain != 0)
	same := p.Status&statusAgain != 0 && bytes.Equal(d.last, p.Data)
	d.last = append(d.last[:0], p.Data...)
	switch {
	case same:
		return dialect.Piece{Kind: dialect.Ignore, Answer: yes}
	case len(p.Data) == 0:
		d.open, d.text = false, d.text[:0]
		return dialect.Piece{Kind: dialect.Broken, Answer: yes}
	}
	if !d.open {
		d.text = d.text[:0]
	}
	more := p.Data[1:]
	d.text = append(d.text, more[:min(len(more), room-len(d.text))]...)
	d.open = p.Status&statusContinues != 0
	if d.open {
		return dialect.Piece{Kind: dialect.Ignore, Answer: yes}
	}
	return dialect.Piece{Kind: dialect.Scan, Text: d.text, Answer: yes}
}
