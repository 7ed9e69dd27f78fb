package identity

import (
	"bytes"
	"context"
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
	MinPassword = 12  // characters
	MaxPassword = 128 // characters
	maxBytes    = 4 * MaxPassword
)

// What can be wrong with a new password.
var (
	ErrShort  = errors.New("a password has at least 12 characters")
	ErrLong   = errors.New("a password has at most 128 characters")
	ErrCommon = errors.New("this password is one of the first that somebody would try")
)

//go:embed common.txt
var commonest []byte

// hashing is how passwords are hashed today; hashes of other parameters are
// replaced at the next sign-in. 64 MiB and 3 passes are RFC 9106's second
// recommended choice, in one lane: a hash takes one core for about 0.15 s.
func hashing() *argon2id.Params {
	return &argon2id.Params{Memory: 64 << 10, Iterations: 3, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// passwords hashes and compares, on as many cores as there are and no more:
// whoever sends many passwords at once waits, and memory stays bounded.
type passwords struct {
	params *argon2id.Params
	slots  chan struct{}
	// dummy is the hash of nobody's password, compared where there is no account;
	// it is made with the first sign-in.
	dummy func() (string, error)
}

func newPasswords(p *argon2id.Params) *passwords {
	return &passwords{p, make(chan struct{}, runtime.NumCPU()), sync.OnceValues(func() (string, error) {
		return argon2id.CreateHash(string(Secret(32)), p)
	})}
}

// turn waits for a core.
func (p *passwords) turn(ctx context.Context) (done func(), err error) {
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// normal is the form that is hashed: the same characters typed on another
// keyboard are the same password.
func normal(password string) string { return norm.NFKC.String(password) }

// check returns what is wrong with a new password of an account, or nil.
func check(password, account string) error {
	if len(password) > maxBytes {
		return ErrLong
	}
	p := normal(strings.ToValidUTF8(password, "\uFFFD"))
	switch n := utf8.RuneCountInString(p); {
	case n < MinPassword:
		return ErrShort
	case n > MaxPassword:
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

func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	done, err := p.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	h, err := argon2id.CreateHash(normal(password), p.params)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return h, nil
}

// match compares in the same time whether there is a hash or not ("").
func (p *passwords) match(ctx context.Context, password, hash string) (ok, stale bool, err error) {
	done, err := p.turn(ctx)
	if err != nil {
		return false, false, err
	}
	defer done()
	against, err := p.dummy()
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
	return ok && hash != "", *params != *p.params, nil
}
