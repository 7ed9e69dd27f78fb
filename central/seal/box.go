// Package seal encrypts what has to be read again: secrets in the database, and
// what a browser carries from one step to the next.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// Box seals secrets that have to stand in the database or in a browser in the
// meantime. Safe for concurrent use.
type Box interface {
	// Seal returns the secret encrypted and bound to a purpose, which names its
	// place: what was sealed for one place opens at no other.
	Seal(purpose string, secret []byte) []byte
	// Open is the inverse. ErrSealed: changed, of another purpose or another key.
	Open(purpose string, sealed []byte) ([]byte, error)
}

// ErrSealed tells that a sealed secret does not open.
var ErrSealed = errors.New("a sealed secret does not open: it was changed, or the key folder is not the one it was sealed with")

type box struct{ aead cipher.AEAD }

// New returns a Box of AES-256-GCM with random nonces: with one key, good for
// some 2^32 secrets, which an office does not reach.
func New(key [32]byte) (Box, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("make box: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make box: %w", err)
	}
	return box{aead}, nil
}

func (b box) Seal(purpose string, secret []byte) []byte {
	return b.aead.Seal(nil, nil, secret, []byte(purpose))
}

func (b box) Open(purpose string, sealed []byte) ([]byte, error) {
	secret, err := b.aead.Open(nil, nil, sealed, []byte(purpose))
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", ErrSealed, purpose)
	}
	return secret, nil
}

// Secret returns n random bytes.
func Secret(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
