package issuer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// derive returns HMAC-SHA256(master, purpose NUL day).
func derive(master []byte, purpose string, day pass.Day) (key [32]byte) {
	h := hmac.New(sha256.New, master)
	h.Write([]byte(purpose))
	h.Write([]byte{0, byte(day >> 8), byte(day)})
	copy(key[:], h.Sum(nil))
	return key
}

// GateKey returns the gate key of a day.
func (i *Issuer) GateKey(day pass.Day) pass.GateKey {
	return pass.GateKey(derive(i.gate, "gate", day))
}

// LiveKey returns the live key of one pass, which its holder may have.
func (i *Issuer) LiveKey(p *pass.Pass) (pass.LiveKey, error) {
	return i.GateKey(p.Day).LiveKey(p.Body()), nil
}

// Short returns the short code of a pass as of a generation. It stands on the
// gate key, not on the key that signed the pass.
func (i *Issuer) Short(p *pass.Pass, generation uint8) (pass.Short, error) {
	return i.GateKey(p.Day).Short(p.Kind, p.ID(), generation), nil
}

// SealGateKeys returns the signed message with gate keys, sealed to a lane
// controller. ErrSpan for too many days.
func (i *Issuer) SealGateKeys(g GateKeys) ([]byte, error) {
	if len(g.Days) > MaxGateDays {
		return nil, fmt.Errorf("%w: gate keys of %d days, at most %d", ErrSpan, len(g.Days), MaxGateDays)
	}
	keys := make([]link.DayKey, 0, len(g.Days))
	for _, d := range g.Days {
		keys = append(keys, link.DayKey{Day: d, Key: i.GateKey(d)})
	}
	sealed, err := link.SealGateKeys(i.site, g.Lane, g.Version, g.To, keys)
	if err != nil {
		return nil, err
	}
	return link.Seal(i.role.Load().keyset, link.TypeGateKeys, i.site, sealed)
}

// SecretsKey returns the key for central's own secrets in the database. It is
// derived: nothing new has to be in a backup of the key folder.
func (i *Issuer) SecretsKey() ([32]byte, error) { return derive(i.pseudonym, "secrets", 0), nil }

// Holder returns a person's pseudonym on a day; other days' tell nothing of it.
func (i *Issuer) Holder(day pass.Day, person string) (ref [8]byte, err error) {
	key := derive(i.pseudonym, "holder", day)
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte(person))
	copy(ref[:], h.Sum(nil))
	return ref, nil
}

// rounds of the Feistel network; with a keyed hash as round function eight are
// twice what makes it indistinguishable from a random permutation (Luby, Rackoff).
const rounds = 8

// Index returns where in the day's status list the pass with the issue number
// 0..capacity-1 stands: a keyed permutation, so that an index tells nothing of
// how many passes there are. capacity is a power of two that a list can have,
// number below it: else ErrSpan.
func (i *Issuer) Index(day pass.Day, number, capacity uint32) (uint32, error) {
	if _, err := link.NewList(day, capacity); err != nil || number >= capacity {
		return 0, fmt.Errorf("%w: number %d of %d", ErrSpan, number, capacity)
	}
	key := derive(i.pseudonym, "index", day)
	half := (bits.Len32(capacity-1) + 1) / 2
	for { // cycle walking: the network has at most twice the capacity
		number = feistel(key, number, half)
		if number < capacity {
			return number, nil
		}
	}
}

// feistel permutes the numbers of 2*half bits.
func feistel(key [32]byte, n uint32, half int) uint32 {
	mask := uint32(1)<<half - 1
	left, right := n>>half, n&mask
	for r := range rounds {
		left, right = right, left^roundValue(key, byte(r), right)&mask
	}
	return left<<half | right
}

func roundValue(key [32]byte, round byte, right uint32) uint32 {
	h := hmac.New(sha256.New, key[:])
	h.Write(binary.BigEndian.AppendUint32([]byte{round}, right))
	return binary.BigEndian.Uint32(h.Sum(nil))
}
