package link

import (
	"encoding/binary"
	"fmt"
)

// headSize is the length of what all entries begin with, up to Mono.
const headSize = 36

// counters are the offsets of Seq, Wall and Mono in an entry: 8 bytes each that
// change little from one entry to the next.
var counters = [...]int{8, 20, 28}

// pack lays encoded entries out for compression: the heads by column, with the
// counters as differences, then the rest of each entry. A day of entries has
// about two thirds of the compressed size that it has end to end.
func pack(entries [][]byte) []byte {
	var heads, rest []byte
	var last [headSize]byte
	for _, e := range entries {
		head := [headSize]byte(e)
		heads = append(heads, head[:]...)
		shift(heads[len(heads)-headSize:], &last, -1)
		last, rest = head, append(rest, e[headSize:]...)
	}
	n := len(entries)
	out := make([]byte, 0, len(heads)+len(rest))
	for column := range headSize {
		for row := range n {
			out = append(out, heads[row*headSize+column])
		}
	}
	return append(out, rest...)
}

// unpack is the inverse of pack: it returns the entries end to end.
// ErrMalformed if data is not exactly count of them.
func unpack(data []byte, count int) ([]byte, error) {
	if len(data) < count*headSize {
		return nil, fmt.Errorf("%w: %d entries in %d bytes", ErrMalformed, count, len(data))
	}
	out := make([]byte, 0, len(data))
	var last [headSize]byte
	rest := data[count*headSize:]
	for row := range count {
		for column := range headSize {
			out = append(out, data[column*count+row])
		}
		head := out[len(out)-headSize:]
		shift(head, &last, 1)
		last = [headSize]byte(head)
		n := EntryType(head[0]).Size() - headSize
		if n > len(rest) {
			return nil, fmt.Errorf("%w: entry %d of %d is cut", ErrMalformed, row+1, count)
		}
		out, rest = append(out, rest[:n]...), rest[n:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes behind %d entries", ErrMalformed, len(rest), count)
	}
	return out, nil
}

// shift adds the counters of last to those of head, or with sign -1 takes them
// away, modulo 2^64.
func shift(head []byte, last *[headSize]byte, sign int64) {
	be := binary.BigEndian
	for _, at := range counters {
		be.PutUint64(head[at:], be.Uint64(head[at:])+uint64(sign)*be.Uint64(last[at:]))
	}
}
