// Package ssi speaks Zebra's Simple Serial Interface: packets both ways, each scan acknowledged.
//
// Source: Zebra's guide 72E-40451 as quoted by public drivers, which also give
// the parameters. Nothing here ran on real hardware. A packet, either way:
//
//	LEN OPCODE SOURCE STATUS DATA... | SUM_H SUM_L
//
// LEN counts all but the sum, which is the two's complement of the sum of the
// bytes before it. SOURCE is 04 of the host and 00 of the engine. STATUS bit 0
// is "sent again", bit 1 "more packets of this message follow", bit 3 "keep for
// ever". Opcodes of the host: E4 start and E5 stop a read, E9 and EA allow and
// forbid reading, D0 done, D1 refused, A3 ask revision, C6 set parameters (data
// FF for no beep, then pairs of parameter and value). Of the engine: D0, D1 with a
// cause (01 send again, 02 not now, 06 forbidden, 0A given up), A4 revision, F3
// scan: a byte for the kind of code, then text; F6 event.
//
// Parameters: EE scans as packets, 9F packets are acknowledged, EC set-up codes
// are read, 8A trigger mode (07 presentation, 08 by the host), 9C rate (06 for
// 9600, then 07 19200, 08 38400, 0A 57600, 0B 115200). EC and 9C are of the
// product guides of several engines, not of 72E-40451; an engine that refuses them
// stays as it is.
//
// A scan over 251 bytes comes in several packets; that each of them has the byte
// for the kind is how the guide's table reads and was not seen. Not known, and so
// not done: the extended scan F4 (it counts as noise), and QR only.
package ssi

import (
	"encoding/binary"
)

// Opcodes.
const (
	opScan     = 0xF3
	opEvent    = 0xF6
	opDone     = 0xD0
	opRefused  = 0xD1
	opRevision = 0xA4
	opAsk      = 0xA3
	opSet      = 0xC6
	opStart    = 0xE4
	opStop     = 0xE5
)

// Status bits.
const (
	statusAgain     = 0x01
	statusContinues = 0x02
	statusForEver   = 0x08
	statusKnown     = statusAgain | statusContinues | statusForEver
)

// Sources.
const (
	Engine = 0x00
	Host   = 0x04
)

// Causes of a refusal.
const (
	CauseResend    = 0x01
	CauseContext   = 0x02
	CauseForbidden = 0x06
	CauseCancelled = 0x0A
)

// MaxData is the most data bytes that one packet carries.
const MaxData = 255 - header

const header = 4

// Packet is one packet without its length and sum.
type Packet struct {
	Op, Source, Status byte
	Data               []byte // at most MaxData bytes
}

// Append appends p to dst.
func Append(dst []byte, p Packet) []byte {
	start := len(dst)
	dst = append(dst, byte(header+len(p.Data)), p.Op, p.Source, p.Status)
	dst = append(dst, p.Data...)
	return binary.BigEndian.AppendUint16(dst, Checksum(dst[start:]))
}

// Checksum is the two's complement of the sum of b.
func Checksum(b []byte) uint16 {
	var sum uint16
	for _, c := range b {
		sum += uint16(c)
	}
	return -sum
}

// Parse reads one packet of source at the front of b, n bytes long. n is 0 if
// more bytes are needed and -1 if b does not begin with a packet: an opcode of
// 80 or more and a source of 00 never stand in text. A packet whose sum is wrong
// has its length and false.
func Parse(b []byte, source byte) (p Packet, n int, whole bool) {
	switch {
	case b[0] < header,
		len(b) > 1 && b[1] < 0x80,
		len(b) > 2 && b[2] != source,
		len(b) > 3 && b[3]&^statusKnown != 0:
		return Packet{}, -1, false
	}
	n = int(b[0]) + 2
	if len(b) < header || len(b) < n {
		return Packet{}, 0, false
	}
	p = Packet{Op: b[1], Source: b[2], Status: b[3], Data: b[header : n-2]}
	return p, n, binary.BigEndian.Uint16(b[n-2:]) == Checksum(b[:n-2])
}
