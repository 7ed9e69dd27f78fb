// Package otp draws the one-time passwords that letters carry, and reads them as
// people type them.
//
// They are typed, never pressed as a link: the home-screen app of iOS has cookies of
// its own, and people are not to learn to press links in mails.
package otp

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// Eight digits and five tries leave one chance in twenty million for each.
const (
	Digits = 8
	Life   = 10 * time.Minute
	Tries  = 5
)

// maxTyped bounds what is read, in bytes.
const maxTyped = 64

// New draws a one-time password of Digits digits.
func New() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1e8))
	if err != nil {
		return "", fmt.Errorf("draw one-time password: %w", err)
	}
	return fmt.Sprintf("%0*d", Digits, n), nil
}

// Plain takes out what people and mail programs put between digits, and makes those
// of a Chinese keyboard plain ones. It is empty for what is too long.
func Plain(typed string) string {
	if len(typed) > maxTyped {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, norm.NFKC.String(typed))
}
