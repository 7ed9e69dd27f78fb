// Package audit says how the audit log is chained, so that a changed, missing or
// inserted entry is found: by central, and by an auditor with an export alone.
//
// FORMAT.md has the bytes and what a good chain proves. The entries themselves
// are written by central/database, in the transaction of the deed.
package audit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// Hash is a SHA-256.
type Hash [sha256.Size]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText is String.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText takes exactly 64 hexadecimal digits, in lower case.
func (h *Hash) UnmarshalText(text []byte) error {
	var out Hash
	if n, err := hex.Decode(out[:], text[:min(len(text), 2*len(out))]); err != nil || n != len(out) || len(text) != 2*len(out) || out.String() != string(text) {
		return fmt.Errorf("%w: a hash has 64 digits 0-9 a-f", ErrMalformed)
	}
	*h = out
	return nil
}

// What can be wrong with a log.
var (
	ErrMalformed = errors.New("not an entry of the audit log")
	ErrBroken    = errors.New("the audit log was changed")
)

// SaltSize is the size of Entry.Salt in bytes.
const SaltSize = 16

// Sizes of texts in bytes. Longer ones are cut before they are chained.
const (
	MaxWord   = 200
	MaxDetail = 2000
)

// Entry is one deed.
type Entry struct {
	Number  int64  `json:"number"` // 1, 2, 3 ...
	At      int64  `json:"at"`     // Unix ms
	By      string `json:"by"`     // user:NAME, an API token's name, lane ID, central
	Action  string `json:"action"`
	Subject string `json:"subject"`
	Detail  string `json:"detail"`
	// Salt keeps what was erased from being guessed; it is erased with it. Empty in
	// an erased entry.
	Salt    []byte `json:"salt"`
	Content Hash   `json:"content"` // of salt, subject and detail
	Hash    Hash   `json:"hash"`    // of all, and of the entry before
}

// Next returns the entry that follows a hash with its salt and hashes set;
// number is 1 and the hash zero for the first one.
func Next(prev Hash, e Entry) Entry {
	e.Salt = make([]byte, SaltSize)
	rand.Read(e.Salt)
	e.Content = e.content()
	e.Hash = e.chain(prev)
	return e
}

// Erased reports whether subject and detail were erased.
func (e *Entry) Erased() bool { return len(e.Salt) == 0 }

func (e *Entry) content() Hash {
	b := append([]byte("turnstile-audit-content-1\x00"), e.Salt...)
	return sha256.Sum256(text(text(b, e.Subject), e.Detail))
}

func (e *Entry) chain(prev Hash) Hash {
	b := append([]byte("turnstile-audit-1\x00"), prev[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Number))
	b = binary.BigEndian.AppendUint64(b, uint64(e.At))
	b = text(text(b, e.By), e.Action)
	return sha256.Sum256(append(b, e.Content[:]...))
}

// text appends a length of 4 bytes and the bytes of s.
func text(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// Fault says where a chain breaks; it is an ErrBroken.
type Fault struct {
	Number int64 // of the entry that should have come, or that is wrong
	Reason string
}

// Error names the entry.
func (f *Fault) Error() string {
	return fmt.Sprintf("%s: entry %d: %s", ErrBroken, f.Number, f.Reason)
}

// Unwrap makes errors.Is(err, ErrBroken) true.
func (f *Fault) Unwrap() error { return ErrBroken }

// Verifier goes along a chain from its first entry. The zero value stands before
// entry 1. Used by one goroutine.
type Verifier struct {
	Number int64 // of the last good entry
	Head   Hash  // its hash
	Erased int64 // entries without subject and detail
	At     int64 // Unix ms of the last good entry
}

// Add takes the next entry. *Fault if it does not follow.
func (v *Verifier) Add(e Entry) error {
	want := v.Number + 1
	switch {
	case e.Number > want:
		return &Fault{want, fmt.Sprintf("missing, up to %d", e.Number-1)}
	case e.Number < want:
		return &Fault{e.Number, "stands twice, or out of order"}
	case e.Erased() && (e.Subject != "" || e.Detail != ""):
		return &Fault{want, "has text without the salt that it was written with"}
	case !e.Erased() && (len(e.Salt) != SaltSize || e.content() != e.Content):
		return &Fault{want, "subject or detail is not what was written"}
	case e.chain(v.Head) != e.Hash:
		return &Fault{want, "is not what was written, or does not follow on the entry before"}
	}
	v.Number, v.Head, v.At = e.Number, e.Hash, e.At
	if e.Erased() {
		v.Erased++
	}
	return nil
}
