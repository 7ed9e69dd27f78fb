// Package link is the contract between central and the lanes: the MQTT topics
// and, byte by byte, the messages on them.
//
// TOPICS.md beside this file is the specification. The broker is trusted with
// delivery only: whatever changes what a lane does is signed (Open), and
// whatever a lane says is signed by it.
package link

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"

	"github.com/fxamacker/cbor/v2"
)

// Version is the version of topics and messages.
//
//	1  2026-11  first
const Version = 1

// Sizes that a receiver refuses to exceed, in bytes.
const (
	MaxHead     = 1 << 10  // retained, so every lane gets one at once
	MaxDelta    = 16 << 10 // about 1000 events
	MaxDocument = 64 << 10 // snapshots, keys, rules, journal batches
	MaxState    = 2 << 10  // a lane's birth, will and questions
)

// Hash is a SHA-256 value.
type Hash [sha256.Size]byte

// String returns the first 12 hexadecimal digits, enough for logs and pages.
func (h Hash) String() string { return hex.EncodeToString(h[:6]) }

// UnmarshalCBOR takes a byte string of exactly 32 bytes.
func (h *Hash) UnmarshalCBOR(data []byte) error { return fixed(h[:], data) }

// What a receiver can find wrong; every error of opening a message is one of these.
var (
	ErrOversized = errors.New("message too large")
	ErrMalformed = errors.New("message malformed")
	ErrVersion   = errors.New("message of another version")
	ErrUnknown   = errors.New("signed by an unknown key")
	ErrForged    = errors.New("signature does not match")
)

// ErrKeyChanged tells that a signer got another key while it signed: seal again.
var ErrKeyChanged = errors.New("the signer's key was changed at this moment")

// Type tells what a signed message is; it is part of what is signed.
type Type uint8

// The types. Append only.
const (
	TypeHead       Type = 1
	TypeDelta      Type = 2
	TypeSnapshot   Type = 3
	TypeKeyset     Type = 4
	TypeRules      Type = 5
	TypeGateKeys   Type = 6
	TypeAck        Type = 7
	TypeDelegation Type = 8
	TypeTime       Type = 9
	TypeLanes      Type = 10
	TypeUses       Type = 11
	TypeCommand    Type = 12
	TypeAudit      Type = 13 // a head of the audit log; not for lanes
	TypeBatch      Type = 16
	TypeState      Type = 17
	TypeAsk        Type = 18
	TypeUse        Type = 19
)

// KeyID names a role key or a lane's key: the first 8 bytes of its SHA-256.
type KeyID [8]byte

// UnmarshalCBOR takes a byte string of exactly 8 bytes.
func (id *KeyID) UnmarshalCBOR(data []byte) error { return fixed(id[:], data) }

// IDOf returns the id of an Ed25519 public key.
func IDOf(key ed25519.PublicKey) (id KeyID) {
	h := sha256.Sum256(key)
	copy(id[:], h[:])
	return id
}

// Signer signs with one private key. central/issuer and the lane's own key are
// the implementations; safe for concurrent use.
type Signer interface {
	KeyID() KeyID
	Sign(message []byte) (signature []byte, err error)
}

// Keys are the public keys that a message may be signed with.
type Keys map[KeyID]ed25519.PublicKey

// KeysOf makes Keys of a list.
func KeysOf(list ...ed25519.PublicKey) Keys {
	k := make(Keys, len(list))
	for _, p := range list {
		k[IDOf(p)] = p
	}
	return k
}

// signed is the outer form of each message: a CBOR map with integer keys.
type signed struct {
	Version   uint8  `cbor:"0,keyasint"`
	Type      Type   `cbor:"1,keyasint"`
	Signer    KeyID  `cbor:"2,keyasint"`
	Payload   []byte `cbor:"3,keyasint"`
	Signature []byte `cbor:"4,keyasint"`
}

var encMode, decMode = modes()

// modes are deterministic encoding (RFC 8949, 4.2) and bounded decoding.
func modes() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err)
	}
	dec, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
		MaxNestedLevels: 8, MaxArrayElements: 4096, MaxMapPairs: 64, TagsMd: cbor.TagsForbidden,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return enc, dec
}

// fixed reads the CBOR byte string data into dst, which it must fill exactly.
// The library alone pads a short one with zeros and cuts a long one.
func fixed(dst, data []byte) error {
	var b []byte
	if err := decMode.Unmarshal(data, &b); err != nil {
		return err
	}
	if len(b) != len(dst) || data[0]>>5 != 2 {
		return fmt.Errorf("%w: a byte string of %d bytes, want %d", ErrMalformed, len(b), len(dst))
	}
	copy(dst, b)
	return nil
}

// toSign returns the bytes that a signature covers. The site stands in it so
// that one campus's message is nothing to another's lanes.
func toSign(t Type, site string, payload []byte) []byte {
	m := append([]byte("turnstile/1\x00"), byte(t), byte(len(site)))
	m = append(m, site...)
	return append(m, payload...)
}

// Seal encodes payload (one of this package's messages), signs it for the
// site, and returns the message as it goes on the wire.
func Seal(s Signer, t Type, site string, payload any) ([]byte, error) {
	p, err := encMode.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", payload, err)
	}
	id := s.KeyID()
	sig, err := s.Sign(toSign(t, site, p))
	if err != nil {
		return nil, fmt.Errorf("sign %T: %w", payload, err)
	}
	if s.KeyID() != id {
		return nil, fmt.Errorf("sign %T: %w", payload, ErrKeyChanged)
	}
	return encMode.Marshal(signed{Version, t, id, p, sig})
}

// Open checks size, version, type and signature of a message and decodes its
// payload into a T. Nothing of an unsigned message is decoded but the outer map.
func Open[T any](data []byte, t Type, site string, keys Keys, limit int) (*T, error) {
	m, err := open(data, t, site, keys, limit)
	if err != nil {
		return nil, err
	}
	var v T
	if err := decMode.Unmarshal(m.Payload, &v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return &v, nil
}

func open(data []byte, t Type, site string, keys Keys, limit int) (m signed, err error) {
	if len(data) > limit {
		return m, fmt.Errorf("%w: %d bytes, at most %d", ErrOversized, len(data), limit)
	}
	if err := decMode.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if m.Version != Version {
		return m, fmt.Errorf("%w: %d, this is %d", ErrVersion, m.Version, Version)
	}
	key, ok := keys[m.Signer]
	switch {
	case m.Type != t:
		return m, fmt.Errorf("%w: type %d, want %d", ErrMalformed, m.Type, t)
	case !m.isCanonical(data):
		return m, fmt.Errorf("%w: not the one encoding of its envelope", ErrMalformed)
	case !ok || len(key) != ed25519.PublicKeySize: // ed25519.Verify panics on another length
		return m, fmt.Errorf("%w: %x", ErrUnknown, m.Signer)
	case !ed25519.Verify(key, toSign(t, site, m.Payload), m.Signature):
		return m, ErrForged
	}
	return m, nil
}

// isCanonical reports whether data is the one encoding of m. The signature does
// not cover the envelope, so nobody may be able to write it in a second way.
func (m signed) isCanonical(data []byte) bool {
	b, err := encMode.Marshal(m)
	return err == nil && bytes.Equal(b, data)
}

// TypeOf returns the type that an unchecked message claims, 0 if it is none.
func TypeOf(data []byte) Type {
	var m signed
	if len(data) > MaxDocument || decMode.Unmarshal(data, &m) != nil {
		return 0
	}
	return m.Type
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// ValidID reports whether s may name a site or a lane controller: 1 to 32 of
// A-Z a-z 0-9 _ -. Brokers give other characters a meaning in topics.
func ValidID(s string) bool { return idPattern.MatchString(s) }
