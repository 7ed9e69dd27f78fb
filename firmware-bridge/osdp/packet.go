// Package osdp speaks OSDP 2.2 (IEC 60839-11-5) as control panel and as peripheral: bytes in, bytes out, no I/O and no clock.
//
// PROFILE.md beside this file says what of the standard is here, what is
// refused, and which vectors prove it. Packet, Decoder and the messages are the
// wire format; Session is the secure channel; Panel and Peripheral are the two
// state machines, which take the time as an argument.
//
// Facts are from IEC 60839-11-5:2020 and SIA OSDP 2.2 as far as public sources
// quote them: SIA's libosdp-conformance, libosdp, OSDP.Net and OSDP-Embedded.
package osdp

import (
	"errors"
	"fmt"
)

const (
	// MaxPacket is the greatest length of a packet in bytes, without the mark
	// before it. 1 KiB of QR text, sealed, needs 1054.
	MaxPacket = 1440
	// MaxAddress is the highest address of a device.
	MaxAddress = 0x7E
	// Broadcast is the address that every device answers. Two devices on a line
	// would answer at once; a Panel never sends it.
	Broadcast = 0x7F

	// mark precedes each packet: a line driver that has just been switched on
	// may spoil the first byte.
	mark      = 0xFF
	som       = 0x53
	replyBit  = 0x80
	head      = 5 // start, address, length (2), control
	macSize   = 4
	minPacket = head + 1 + 1

	controlSequence = 0x03
	controlCRC      = 0x04
	controlBlock    = 0x08
	controlReserved = 0xF0
)

// What Parse refuses a packet for.
var (
	ErrShape = errors.New("osdp: not a packet")
	ErrCheck = errors.New("osdp: wrong CRC or checksum")
	ErrSize  = errors.New("osdp: packet longer than 1440 bytes; send less at once")
)

// Packet is one packet as it travels. Its slices are parts of what it was parsed
// from.
type Packet struct {
	Address  uint8 // 0..MaxAddress, or Broadcast
	Reply    bool  // from the peripheral to the panel
	Sequence uint8 // 0..3; 0 starts the conversation anew
	Sum      bool  // ends in a one-byte sum in place of a CRC
	Block    Block // zero value: none
	Code     uint8 // CmdPoll and so on; with Reply, ReplyACK and so on
	Data     []byte
	MAC      []byte // 4 bytes with blocks 15..18, else none

	raw []byte // whole packet, for Session.Open
}

// Block is the security block of a packet.
type Block struct {
	Type BlockType
	Data []byte // one byte with 11..14, none with 15..18
}

// BlockType is a security block's type; 0 stands for no block.
type BlockType uint8

// The types that the standard knows. Odd ones are commands.
const (
	BlockChallenge    BlockType = 0x11
	BlockClient       BlockType = 0x12
	BlockServer       BlockType = 0x13
	BlockInitialMAC   BlockType = 0x14
	BlockCommand      BlockType = 0x15 // MAC, no data
	BlockReply        BlockType = 0x16
	BlockCommandCrypt BlockType = 0x17 // MAC, data encrypted
	BlockReplyCrypt   BlockType = 0x18
)

// sealed reports whether a packet with such a block carries a MAC.
func (t BlockType) sealed() bool { return t >= BlockCommand && t <= BlockReplyCrypt }

// fits reports whether a block of this type may carry n bytes of its own.
func (t BlockType) fits(n int) bool {
	switch {
	case t.sealed():
		return n == 0
	case t >= BlockChallenge && t <= BlockInitialMAC:
		return n == 1
	}
	return t != 0
}

// Append adds p in wire form, without the mark. The one error is ErrSize.
func Append(wire []byte, p Packet) ([]byte, error) {
	size := head + 1 + len(p.Data) + len(p.MAC) + checkSize(p.Sum)
	control := p.Sequence & controlSequence
	if !p.Sum {
		control |= controlCRC
	}
	if p.Block.Type != 0 {
		control |= controlBlock
		size += 2 + len(p.Block.Data)
	}
	if size > MaxPacket || len(p.Block.Data) > 253 {
		return wire, fmt.Errorf("%w: it has %d", ErrSize, size)
	}
	address := p.Address & Broadcast
	if p.Reply {
		address |= replyBit
	}
	start := len(wire)
	wire = append(wire, som, address, byte(size), byte(size>>8), control)
	if p.Block.Type != 0 {
		wire = append(wire, byte(2+len(p.Block.Data)), byte(p.Block.Type))
		wire = append(wire, p.Block.Data...)
	}
	wire = append(append(append(wire, p.Code), p.Data...), p.MAC...)
	return appendCheck(wire, start, p.Sum), nil
}

// Parse reads one whole packet, without the mark: ErrShape or ErrCheck if it is
// none. It accepts exactly what Append makes.
func Parse(b []byte) (Packet, error) {
	size, ok := measure(b)
	if !ok || size == 0 || len(b) != size {
		return Packet{}, ErrShape
	}
	p := Packet{
		Address: b[1] & Broadcast, Reply: b[1]&replyBit != 0, Sequence: b[4] & controlSequence,
		Sum: b[4]&controlCRC == 0, raw: b,
	}
	body := b[:size-checkSize(p.Sum)]
	if !checks(b, p.Sum) {
		return Packet{}, ErrCheck
	}
	rest := body[head:]
	if b[4]&controlBlock != 0 {
		if p.Block, rest, ok = parseBlock(rest); !ok {
			return Packet{}, ErrShape
		}
	}
	if p.Block.Type.sealed() {
		if len(rest) < 1+macSize {
			return Packet{}, ErrShape
		}
		rest, p.MAC = rest[:len(rest)-macSize], rest[len(rest)-macSize:]
	}
	if len(rest) == 0 {
		return Packet{}, ErrShape
	}
	p.Code, p.Data = rest[0], rest[1:]
	return p, nil
}

// parseBlock takes the security block off the front of b.
func parseBlock(b []byte) (block Block, rest []byte, ok bool) {
	if len(b) < 2 || b[0] < 2 || int(b[0]) > len(b) {
		return Block{}, nil, false
	}
	block = Block{Type: BlockType(b[1]), Data: b[2:b[0]]}
	return block, b[b[0]:], block.Type.fits(len(block.Data))
}

// measure returns the length of the packet that b begins with, 0 while too few
// bytes of it are there; false if no packet begins like this.
func measure(b []byte) (size int, ok bool) {
	if len(b) > 0 && b[0] != som {
		return 0, false
	}
	if len(b) < head {
		return 0, true
	}
	size = int(b[2]) | int(b[3])<<8
	ok = size >= minPacket && size <= MaxPacket && b[4]&controlReserved == 0
	return size, ok
}

func checkSize(sum bool) int {
	if sum {
		return 1
	}
	return 2
}

// appendCheck ends the packet that begins at start.
func appendCheck(wire []byte, start int, sum bool) []byte {
	if sum {
		return append(wire, Sum(wire[start:]))
	}
	crc := CRC(wire[start:])
	return append(wire, byte(crc), byte(crc>>8))
}

// checks reports whether the packet b ends as it should.
func checks(b []byte, sum bool) bool {
	if sum {
		return Sum(b[:len(b)-1]) == b[len(b)-1]
	}
	end := len(b) - 2
	return CRC(b[:end]) == uint16(b[end])|uint16(b[end+1])<<8
}

// Sum is the one-byte checksum: the two's complement of the sum of b.
func Sum(b []byte) byte {
	var s byte
	for _, c := range b {
		s += c
	}
	return -s
}

// crcTable holds the CRC of each single byte, polynomial 1021, high bit first.
var crcTable = func() (t [256]uint16) {
	for i := range t {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		t[i] = crc
	}
	return t
}()

// CRC is the CRC-16 of a packet: polynomial 1021, start 1D0F, high bit first, no
// final XOR. It travels low byte first.
func CRC(b []byte) uint16 {
	crc := uint16(0x1D0F)
	for _, c := range b {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^c]
	}
	return crc
}
