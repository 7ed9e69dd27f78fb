package pass

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// SlotSeconds is how long one live tag stands.
const SlotSeconds = 15

// LiveKey makes the tags of one pass on one day; the holder's phone has it.
type LiveKey [16]byte

// GateKey makes the live keys of all passes of one day; lanes have it.
type GateKey [32]byte

// LiveKey derives the live key of the pass with the given body.
func (g GateKey) LiveKey(body [BodySize]byte) (k LiveKey) {
	h := hmac.New(sha256.New, g[:])
	h.Write([]byte("live"))
	h.Write(body[:])
	copy(k[:], h.Sum(nil))
	return k
}

// SlotAt returns the full live slot of a time in Unix seconds, not before 1970.
func SlotAt(unix int64) uint32 { return uint32(unix / SlotSeconds) }

// Tag returns the tag of the pass with the given body in one slot.
func (k LiveKey) Tag(body [BodySize]byte, slot uint32) (t [6]byte) {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte("campus-live/1\x00"))
	var s [4]byte
	binary.BigEndian.PutUint32(s[:], slot)
	h.Write(s[:])
	h.Write(body[:])
	copy(t[:], h.Sum(nil))
	return t
}

// LiveText returns the live code of p in a slot.
func (p *Pass) LiveText(signature []byte, k LiveKey, slot uint32) string {
	b := p.Body()
	t := k.Tag(b, slot)
	raw := append(b[:], signature[:Size-BodySize]...)
	raw = binary.BigEndian.AppendUint16(raw, uint16(slot))
	return encoding.EncodeToString(append(raw, t[:]...))
}

// VerifyLive checks slot and tag of a live code at the slot now, give or take
// tolerance slots. It returns the code's full slot and Granted, LiveForged (the
// tag is not that slot's) or LiveStale (a true tag of another time); LiveMissing
// for a code without a tag.
func (c *Code) VerifyLive(g GateKey, now, tolerance uint32) (slot uint32, r Reason) {
	if !c.Live {
		return 0, LiveMissing
	}
	slot = nearest(now, c.Slot)
	want := g.LiveKey(c.body).Tag(c.body, slot)
	if !hmac.Equal(want[:], c.Tag[:]) {
		return slot, LiveForged
	}
	if d := int64(slot) - int64(now); d > int64(tolerance) || -d > int64(tolerance) {
		return slot, LiveStale
	}
	return slot, Granted
}

// nearest returns the slot closest to now whose low 16 bits are low, the earlier
// one of two at the same distance.
func nearest(now uint32, low uint16) uint32 {
	return now + uint32(int32(int16(low-uint16(now))))
}
