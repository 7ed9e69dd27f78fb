package osdp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// KeySize is the length of a key in bytes.
const KeySize = 16

// keyKind is the one kind of key in KeySet: the secure channel's base key.
const keyKind = 1

var (
	// ErrWeakKey is wrapped by Key.Check.
	ErrWeakKey = errors.New("osdp: weak key; make one with: openssl rand -hex 16")
	// ErrKeyText is wrapped by ParseKey. It never holds the text.
	ErrKeyText = errors.New("osdp: a key is 32 hexadecimal digits; make one with: openssl rand -hex 16")
)

// Key is a secure channel base key (SCBK), or a master key of which such keys
// are derived. It prints as "hidden" with every verb and in every log.
type Key [KeySize]byte

// DefaultKey is SCBK-D, which all the world knows. A device in install mode takes
// it; a Panel uses it only to give a device its key, inside an install window.
func DefaultKey() Key {
	var k Key
	for i := range k {
		k[i] = 0x30 + byte(i)
	}
	return k
}

// ParseKey reads 32 hexadecimal digits. It does not judge the key: see Check.
func ParseKey(text []byte) (Key, error) {
	var k Key
	if len(text) != hex.EncodedLen(KeySize) {
		return Key{}, fmt.Errorf("%w: there are %d bytes", ErrKeyText, len(text))
	}
	if _, err := hex.Decode(k[:], text); err != nil {
		return Key{}, ErrKeyText // the library's error would quote a byte of the key
	}
	return k, nil
}

// Check refuses keys that somebody would guess: each byte as far from the one
// before as the next (all zero, all equal, counting up or down, SCBK-D), or two
// equal halves.
func (k Key) Check() error {
	step, steady := k[1]-k[0], true
	for i := 1; i < KeySize; i++ {
		steady = steady && k[i]-k[i-1] == step
	}
	half := KeySize / 2
	if steady || [KeySize / 2]byte(k[:half]) == [KeySize / 2]byte(k[half:]) {
		return ErrWeakKey
	}
	return nil
}

// Diversified is the key of the one device with this cUID: E(k, cUID || ~cUID). A key
// taken out of one reader then opens no other.
func (k Key) Diversified(id CUID) Key {
	var block Key
	for i, b := range id {
		block[i], block[i+len(id)] = b, ^b
	}
	var out Key
	k.cipher().Encrypt(out[:], block[:])
	return out
}

// cipher is AES-128 under k, whose length is always right.
func (k Key) cipher() cipher.Block {
	c, err := aes.NewCipher(k[:])
	if err != nil {
		panic(err)
	}
	return c
}

const hidden = "hidden"

// Format implements fmt.Formatter, so that no verb prints the key.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue implements slog.LogValuer.
func (Key) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler, so that no JSON holds the key.
func (Key) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// CUID tells one device from all others; a device makes it of its Identity.
type CUID [8]byte

// ParseCUID reads 16 hexadecimal digits.
func ParseCUID(text string) (CUID, error) {
	var id CUID
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return CUID{}, fmt.Errorf("osdp: %.40q is no cUID: it is 16 hexadecimal digits", text)
	}
	return CUID(b), nil
}

func (id CUID) String() string { return hex.EncodeToString(id[:]) }

// Random is the random number of one side in a handshake.
type Random [8]byte

// Cryptogram is what one side proves its key with.
type Cryptogram [16]byte
