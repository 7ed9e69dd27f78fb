// Package password hashes and judges passwords.
//
// Hashes are argon2id, made and compared on as many cores as there are and no
// more: whoever sends many passwords at once waits, and memory stays bounded.
package password

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"
)

// Bounds of a password: OWASP ASVS 5.0, 6.2.1 and 6.2.9. The upper one bounds
// the work that a stranger can ask for.
const (
	Min      = 12  // characters
	Max      = 128 // characters
	MaxBytes = 4 * Max
)

// What can be wrong with a new password.
var (
	ErrShort  = errors.New("a password has at least 12 characters")
	ErrLong   = errors.New("a password has at most 128 characters")
	ErrCommon = errors.New("this password is one of the first that somebody would try")
)

//go:embed common.txt
var commonest []byte

// Params say how much work a hash is.
type Params = argon2id.Params

// Standard is how passwords are hashed today; hashes of other parameters are
// replaced at the next sign-in. 64 MiB and 3 passes are RFC 9106's second
// recommended choice, in one lane: a hash takes one core for about 0.15 s.
func Standard() *Params {
	return &Params{Memory: 64 << 10, Iterations: 3, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// Cheap costs a thousandth of Standard: for tests alone.
func Cheap() *Params {
	return &Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// Hasher hashes and compares. Safe for concurrent use.
type Hasher struct {
	params *Params
	slots  chan struct{}
	// dummy is the hash of nobody's password, compared where there is no account;
	// it is made with the first comparison.
	dummy func() (string, error)
}

// New returns a Hasher; nil is Standard.
func New(p *Params) *Hasher {
	if p == nil {
		p = Standard()
	}
	return &Hasher{p, make(chan struct{}, runtime.NumCPU()), sync.OnceValues(func() (string, error) {
		return argon2id.CreateHash(rand.Text(), p)
	})}
}

// turn waits for a core.
func (h *Hasher) turn(ctx context.Context) (done func(), err error) {
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// normal is the form that is hashed: the same characters typed on another
// keyboard are the same password.
func normal(password string) string { return norm.NFKC.String(password) }

// Check returns what is wrong with a new password of an account, or nil.
func Check(password, account string) error {
	if len(password) > MaxBytes {
		return ErrLong
	}
	p := normal(strings.ToValidUTF8(password, "\uFFFD"))
	switch n := utf8.RuneCountInString(p); {
	case n < Min:
		return ErrShort
	case n > Max:
		return ErrLong
	}
	if guessable(strings.ToLower(p), account) {
		return ErrCommon
	}
	return nil
}

// guessable reports whether a password is one of the commonest of its length, or
// made of so few characters, or of the account's name and little else.
func guessable(p, account string) bool {
	for line := range bytes.Lines(commonest) {
		if string(bytes.TrimSpace(line)) == p {
			return true
		}
	}
	different := map[rune]bool{}
	for _, r := range p {
		different[r] = true
	}
	rest := p
	for _, word := range []string{account, "turnstile", "password", "campus"} {
		if len(word) > 2 {
			rest = strings.ReplaceAll(rest, word, "")
		}
	}
	return len(different) < 5 || utf8.RuneCountInString(rest) < 4
}

// Hash returns the hash to store, which names its parameters.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	text, err := argon2id.CreateHash(normal(password), h.params)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return text, nil
}

// Match compares in the same time whether there is a hash or not (""). stale
// tells that the hash is of other parameters than today's.
func (h *Hasher) Match(ctx context.Context, password, hash string) (ok, stale bool, err error) {
	done, err := h.turn(ctx)
	if err != nil {
		return false, false, err
	}
	defer done()
	against, err := h.dummy()
	if err != nil {
		return false, false, fmt.Errorf("hash: %w", err)
	}
	if hash != "" {
		against = hash
	}
	ok, params, err := argon2id.CheckHash(normal(password), against)
	if err != nil {
		return false, false, fmt.Errorf("compare password: %w", err)
	}
	return ok && hash != "", *params != *h.params, nil
}
