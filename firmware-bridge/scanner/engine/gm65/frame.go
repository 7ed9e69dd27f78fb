// Package gm65 speaks to the QR modules of Hangzhou Grow (GM65, GM6x, GM81x, GM861) and to their sister M3Y-W.
//
// Sources: the maker's manuals of GM65 and GM861 as quoted by public drivers,
// which agree on the frames, the checksum and the zones used here. Nothing here
// ran on real hardware. A request, and the reply to it:
//
//	7E 00 | TYPE LEN ADDR_H ADDR_L DATA... | CRC_H CRC_L
//	02 00 | 00 LEN DATA...                 | CRC_H CRC_L
//
// TYPE is 07 read zones, 08 write a zone, 09 save to flash, 0A heartbeat, whose
// reply begins with 03 (one text shows 02: both are taken). LEN counts DATA, of a
// read request 1. The CRC is 16 bits, polynomial 1021, start 0, over TYPE..DATA,
// in a reply over its second 00..DATA. A write succeeds with the one byte 00.
//
// Zones: 0000 mode (bits 1:0: 00 by button, 01 by command, 10 always, 11 by
// sensing), 0002 trigger, 0003 bit 1 set-up codes ignored, 002A rate as 3 MHz
// divided by the rate, low byte first, 002C kinds of codes, 003F QR, 00E1
// hardware, 00E2 software.
//
// What differs by model and is not set: the line end (zone 0060 of a GM65, 000E
// of a GM812) and the output port (zone 000D), whose maps conflict: scan the
// maker's codes "serial output" and "tail CR". Zone 0003 is as in GM65 and GM861;
// a GM812 has the codes _SET_CODE_OFF and _SET_CODE_ON instead. The engine does
// not say which model it is. Software 69 does not read binary QR reliably, 87 and
// AF do; passes are text.
package gm65

import (
	"bytes"
	"encoding/binary"
)

// Types of requests.
const (
	typeRead  = 0x07
	typeWrite = 0x08
	typeSave  = 0x09
	typeBeat  = 0x0A
)

// Zones.
const (
	zoneMode    = 0x0000
	zoneTrigger = 0x0002
	zoneSetup   = 0x0003
	zoneBaud    = 0x002A
	zoneKinds   = 0x002C
	zoneQR      = 0x003F
	zoneHard    = 0x00E1
	zoneSoft    = 0x00E2
)

// clock is what the rate's divisor divides.
const clock = 3_000_000

// Checksum is the CRC of requests and replies.
func Checksum(b []byte) uint16 {
	var crc uint16
	for _, c := range b {
		crc ^= uint16(c) << 8
		for range 8 {
			top := crc & 0x8000
			crc <<= 1
			if top != 0 {
				crc ^= 0x1021
			}
		}
	}
	return crc
}

// appendRequest appends one request to dst. data is at most 255 bytes.
func appendRequest(dst []byte, kind byte, zone uint16, data ...byte) []byte {
	dst = append(dst, 0x7E, 0x00)
	start := len(dst)
	dst = append(dst, kind, byte(len(data)))
	dst = binary.BigEndian.AppendUint16(dst, zone)
	dst = append(dst, data...)
	return binary.BigEndian.AppendUint16(dst, Checksum(dst[start:]))
}

// AppendRead appends the request for count bytes of zones, 1 to 255.
func AppendRead(dst []byte, zone uint16, count byte) []byte {
	return appendRequest(dst, typeRead, zone, count)
}

// AppendWrite appends the request to write data from zone on. It lasts until
// the engine loses power.
func AppendWrite(dst []byte, zone uint16, data ...byte) []byte {
	return appendRequest(dst, typeWrite, zone, data...)
}

// AppendSave appends the request to keep all zones in flash.
func AppendSave(dst []byte) []byte { return appendRequest(dst, typeSave, 0, 0) }

// AppendHeartbeat appends the request for a sign of life.
func AppendHeartbeat(dst []byte) []byte { return appendRequest(dst, typeBeat, 0, 0) }

// AppendReply appends what an engine answers with data, for what plays one;
// heartbeat is of the answer to one.
func AppendReply(dst []byte, heartbeat bool, data ...byte) []byte {
	first := byte(0x02)
	if heartbeat {
		first = 0x03
	}
	dst = append(dst, first, 0x00)
	start := len(dst)
	dst = append(dst, 0x00, byte(len(data)))
	dst = append(dst, data...)
	return binary.BigEndian.AppendUint16(dst, Checksum(dst[start:]))
}

// ParseRequest reads one request at the front of b, which n bytes of it are; n
// is 0 if more are needed and -1 if b does not begin with a request. The
// checksum AB CD means "not checked".
func ParseRequest(b []byte) (kind byte, zone uint16, data []byte, n int) {
	head := []byte{0x7E, 0x00}
	if !bytes.HasPrefix(b, head[:min(2, len(b))]) {
		return 0, 0, nil, -1
	}
	if len(b) < 8 || len(b) < 8+int(b[3]) {
		return 0, 0, nil, 0
	}
	n = 8 + int(b[3])
	sum := binary.BigEndian.Uint16(b[n-2:])
	if sum != Checksum(b[2:n-2]) && sum != 0xABCD {
		return 0, 0, nil, -1
	}
	return b[2], binary.BigEndian.Uint16(b[4:]), b[6 : n-2], n
}

// ParseReply reads one reply of want data bytes at the front of b; n as in
// ParseRequest.
func ParseReply(b []byte, want int) (data []byte, n int) {
	head := []byte{b[0], 0x00, 0x00, byte(want)}
	if b[0] != 0x02 && b[0] != 0x03 || !bytes.HasPrefix(b, head[:min(4, len(b))]) {
		return nil, -1
	}
	if len(b) < 6+want {
		return nil, 0
	}
	n = 6 + want
	if binary.BigEndian.Uint16(b[n-2:]) != Checksum(b[2:n-2]) {
		return nil, -1
	}
	return b[4 : n-2], n
}

// Divisor is the rate as zone 002A holds it.
func Divisor(baud int) uint16 { return uint16((clock + baud/2) / baud) }

// replyTo is the length of a reply to asked at the front of b; 0 and -1 as in
// ParseReply.
func replyTo(b, asked []byte) int {
	kind, zone, data, n := ParseRequest(asked)
	if n < 0 {
		return -1
	}
	switch kind {
	case typeRead:
		_, n = ParseReply(b, int(data[0]))
		return n
	case typeWrite:
		if _, n := ParseReply(b, len(data)); zone == zoneBaud && n > 0 {
			return n // some repeat the rate
		}
	}
	done, n := ParseReply(b, 1)
	if n > 0 && done[0] != 0 {
		return -1
	}
	return n
}
