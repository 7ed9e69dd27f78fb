package link

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"fmt"
	"slices"

	"turnstile/central/pass"
)

// Delegation says which keys hold which role; the root signs it. A lane gets
// the root's keys at enrolment and everything else through this document.
type Delegation struct {
	Version   uint64              `cbor:"1,keyasint"`
	Roots     []ed25519.PublicKey `cbor:"2,keyasint"` // of the next delegation too
	Threshold uint8               `cbor:"3,keyasint"` // how many of Roots must sign
	Keyset    []ed25519.PublicKey `cbor:"4,keyasint"` // may sign KEYSET and GATE KEYS
	Status    []ed25519.PublicKey `cbor:"5,keyasint"` // may sign the feed, rules, acknowledgements
	Expires   int64               `cbor:"6,keyasint"` // Unix s
}

// PassKey is a public key that signs passes.
type PassKey struct {
	ID     uint16            `cbor:"1,keyasint"`
	Public ed25519.PublicKey `cbor:"2,keyasint"`
	Kinds  uint16            `cbor:"3,keyasint"` // bit k: may sign kind k
	From   pass.Day          `cbor:"4,keyasint"` // first service day
	To     pass.Day          `cbor:"5,keyasint"` // last service day
}

// Signs reports whether the key may sign passes of the kind on the day.
func (k PassKey) Signs(kind pass.Kind, day pass.Day) bool {
	return kind < 16 && k.Kinds&(1<<kind) != 0 && k.From <= day && day <= k.To
}

// Keyset lists the pass keys in force.
type Keyset struct {
	Version uint64    `cbor:"1,keyasint"`
	Keys    []PassKey `cbor:"2,keyasint"` // ascending ids
	Issued  int64     `cbor:"3,keyasint"` // Unix ms
}

// Check returns ErrMalformed for a key of the wrong length, ids out of order,
// or more keys than MaxKeys.
func (k *Keyset) Check() error {
	if len(k.Keys) > MaxKeys {
		return fmt.Errorf("%w: %d pass keys", ErrMalformed, len(k.Keys))
	}
	for i, p := range k.Keys {
		if len(p.Public) != ed25519.PublicKeySize || i > 0 && k.Keys[i-1].ID >= p.ID {
			return fmt.Errorf("%w: pass key %d", ErrMalformed, p.ID)
		}
	}
	return nil
}

// Find returns the key with the id.
func (k *Keyset) Find(id uint16) (PassKey, bool) {
	for _, p := range k.Keys {
		if p.ID == id {
			return p, true
		}
	}
	return PassKey{}, false
}

// KeysMessage is what stands on the keys topic: the delegation with its root
// signatures, and the keyset that a delegated key signed.
type KeysMessage struct {
	Version    uint8    `cbor:"0,keyasint"`
	Delegation [][]byte `cbor:"1,keyasint"` // the same payload, sealed by each root that signed
	Keyset     []byte   `cbor:"2,keyasint"` // a sealed Keyset
}

// Root is what a lane trusts from its enrolment on: enough root keys.
type Root struct {
	Keys      []ed25519.PublicKey `json:"keys"`
	Threshold int                 `json:"threshold"`
}

// Encode returns the message for the wire.
func (m *KeysMessage) Encode() ([]byte, error) { return encMode.Marshal(m) }

// ParseKeys reads a keys message; nothing in it is trusted yet.
func ParseKeys(data []byte) (*KeysMessage, error) {
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrOversized, len(data), MaxDocument)
	}
	var m KeysMessage
	if err := decMode.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if m.Version != Version {
		return nil, fmt.Errorf("%w: %d, this is %d", ErrVersion, m.Version, Version)
	}
	return &m, nil
}

// maxSignatures bounds the root signatures of one delegation that are looked at.
const maxSignatures = 16

// OpenDelegation returns the first delegation that enough of the root's keys
// signed, and enough of its own Roots too: who takes over has to prove that it
// holds the new keys. ErrForged if there is none.
func (m *KeysMessage) OpenDelegation(site string, root Root) (*Delegation, error) {
	if root.Threshold < 1 || len(m.Delegation) > maxSignatures {
		return nil, fmt.Errorf("%w: threshold %d, %d signatures", ErrMalformed, root.Threshold, len(m.Delegation))
	}
	for _, v := range m.votes(site, root.Keys) {
		if len(v.signers) < root.Threshold {
			continue
		}
		d, err := decodeDelegation(v.payload)
		if err != nil {
			return nil, err
		}
		for _, own := range m.votes(site, d.Roots) {
			if bytes.Equal(own.payload, v.payload) && len(own.signers) >= int(d.Threshold) {
				return d, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: too few root signatures", ErrForged)
}

// votes are the keys that signed one and the same payload.
type votes struct {
	payload []byte
	signers map[KeyID]bool
}

// votes groups the delegation's good signatures by what they signed. A
// signature of another key, or a bad one, just does not count.
func (m *KeysMessage) votes(site string, by []ed25519.PublicKey) (all []votes) {
	keys := KeysOf(by...)
	for _, data := range m.Delegation {
		s, err := open(data, TypeDelegation, site, keys, MaxDocument)
		if err != nil {
			continue
		}
		i := slices.IndexFunc(all, func(v votes) bool { return bytes.Equal(v.payload, s.Payload) })
		if i < 0 {
			i, all = len(all), append(all, votes{s.Payload, map[KeyID]bool{}})
		}
		all[i].signers[s.Signer] = true
	}
	return all
}

func decodeDelegation(payload []byte) (*Delegation, error) {
	var d Delegation
	if err := decMode.Unmarshal(payload, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for _, list := range [][]ed25519.PublicKey{d.Roots, d.Keyset, d.Status} {
		for _, k := range list {
			if len(k) != ed25519.PublicKeySize {
				return nil, fmt.Errorf("%w: a key of %d bytes", ErrMalformed, len(k))
			}
		}
	}
	if d.Threshold < 1 || int(d.Threshold) > len(d.Roots) {
		return nil, fmt.Errorf("%w: threshold %d of %d roots", ErrMalformed, d.Threshold, len(d.Roots))
	}
	return &d, nil
}

// OpenKeyset returns the keyset if a key that the delegation names signed it.
func (m *KeysMessage) OpenKeyset(site string, d *Delegation) (*Keyset, error) {
	k, err := Open[Keyset](m.Keyset, TypeKeyset, site, KeysOf(d.Keyset...), MaxDocument)
	if err != nil {
		return nil, err
	}
	return k, k.Check()
}

// GateKeys carries the gate keys of a few days to one lane controller.
type GateKeys struct {
	Lane    string `cbor:"1,keyasint"`
	Version uint64 `cbor:"2,keyasint"` // rises with each change
	Sealed  []byte `cbor:"3,keyasint"` // HPKE to the lane's sealing key, of a []DayKey
}

// DayKey is the gate key of one day.
type DayKey struct {
	Day pass.Day     `cbor:"1,keyasint"`
	Key pass.GateKey `cbor:"2,keyasint"`
}

// hpkeInfo binds a sealed box to its purpose, site and lane.
func hpkeInfo(site, lane string) []byte {
	return []byte("turnstile-gate-keys/1\x00" + site + "\x00" + lane)
}

// SealGateKeys seals the keys to the lane's X25519 key (RFC 9180, DHKEM X25519,
// HKDF-SHA256, AES-256-GCM).
func SealGateKeys(site, lane string, version uint64, to *ecdh.PublicKey, keys []DayKey) (*GateKeys, error) {
	plain, err := encMode.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("encode gate keys: %w", err)
	}
	pub, err := hpke.NewDHKEMPublicKey(to)
	if err != nil {
		return nil, fmt.Errorf("seal gate keys: %w", err)
	}
	box, err := hpke.Seal(pub, hpke.HKDFSHA256(), hpke.AES256GCM(), hpkeInfo(site, lane), plain)
	if err != nil {
		return nil, fmt.Errorf("seal gate keys: %w", err)
	}
	return &GateKeys{lane, version, box}, nil
}

// Unseal returns the keys, with the lane's private sealing key.
func (g *GateKeys) Unseal(site string, own *ecdh.PrivateKey) ([]DayKey, error) {
	priv, err := hpke.NewDHKEMPrivateKey(own)
	if err != nil {
		return nil, fmt.Errorf("unseal gate keys: %w", err)
	}
	plain, err := hpke.Open(priv, hpke.HKDFSHA256(), hpke.AES256GCM(), hpkeInfo(site, g.Lane), g.Sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: unseal gate keys: %w", ErrForged, err)
	}
	return parseDayKeys(plain)
}

func parseDayKeys(plain []byte) ([]DayKey, error) {
	var list []struct {
		Day pass.Day `cbor:"1,keyasint"`
		Key []byte   `cbor:"2,keyasint"`
	}
	if err := decMode.Unmarshal(plain, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	keys := make([]DayKey, len(list))
	for i, k := range list {
		if len(k.Key) != len(keys[i].Key) {
			return nil, fmt.Errorf("%w: a gate key of %d bytes", ErrMalformed, len(k.Key))
		}
		keys[i] = DayKey{k.Day, pass.GateKey(k.Key)}
	}
	return keys, nil
}
