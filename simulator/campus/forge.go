package campus

import (
	"context"
	"encoding/base32"
	"fmt"
	"strings"

	"turnstile/central/pass"
)

// foreignText is what stands on a poster.
const foreignText = "https://example.org/menu/"

// Where FORMAT.md has what is forged, in bytes.
const (
	versionKindAt = 0
	flagsAt       = 1
	keyAt         = 2
	signatureAt   = 24
	tagAt         = 90
	plainSize     = 88
)

// Values that no campus gives out.
const (
	strangeVersion = 9
	strangeKind    = 9
	testKind       = byte(pass.Test)
	strangeFlag    = 0x40
	strangeKey     = 0xFE
)

var letters = base32.StdEncoding.WithPadding(base32.NoPadding)

// forgeries are the ways to make a code that is not what it says, and the reason for
// which a lane refuses each. None needs a key.
var forgeries = map[string]struct {
	make   func(text string) (string, error)
	reason pass.Reason
}{
	"signature": {altered(func(b []byte) { b[signatureAt+7] ^= 1 }), pass.Forged},
	"holder":    {altered(func(b []byte) { b[signatureAt-1] ^= 1 }), pass.Forged},
	"key":       {altered(func(b []byte) { b[keyAt] = strangeKey }), pass.KeyUnknown},
	"version":   {altered(func(b []byte) { b[versionKindAt] = strangeVersion<<4 | b[versionKindAt]&15 }), pass.VersionUnknown},
	"kind":      {altered(func(b []byte) { b[versionKindAt] = b[versionKindAt]&0xF0 | strangeKind }), pass.KindUnknown},
	"flags":     {altered(func(b []byte) { b[flagsAt] |= strangeFlag }), pass.FlagsUnknown},
	"test":      {altered(func(b []byte) { b[versionKindAt] = b[versionKindAt]&0xF0 | testKind }), pass.TestPass},
	"damaged":   {damaged, pass.Malformed},
	"half":      {func(text string) (string, error) { return text[:len(text)/2], nil }, pass.Malformed},
	"foreign":   {func(string) (string, error) { return foreignText, nil }, pass.Foreign},
	"tag":       {tagged, pass.LiveForged},
	"bare":      {bare, pass.LiveMissing},
}

// altered makes a code of other bytes, which is a code still.
func altered(change func([]byte)) func(string) (string, error) {
	return func(text string) (string, error) {
		b, err := letters.DecodeString(text)
		if err != nil {
			return "", fmt.Errorf("read code: %w", err)
		}
		change(b)
		return letters.EncodeToString(b), nil
	}
}

// damaged is a print with a hole.
func damaged(text string) (string, error) {
	middle := len(text) / 2
	return text[:middle] + "?" + text[middle+1:], nil
}

// tagged is a live code whose tag somebody guessed.
func tagged(text string) (string, error) {
	if len(text) <= letters.EncodedLen(plainSize) {
		return "", refuse("the pass is no live one: it has no tag to forge")
	}
	return altered(func(b []byte) { b[tagAt] ^= 1 })(text)
}

// bare is a live pass without its tag.
func bare(text string) (string, error) {
	b, err := letters.DecodeString(text)
	if err != nil {
		return "", fmt.Errorf("read code: %w", err)
	}
	if len(b) <= plainSize {
		return "", refuse("the pass is no live one: it is bare as it is")
	}
	return letters.EncodeToString(b[:plainSize]), nil
}

// forge makes a code that is not what it says, of what the holder's phone shows.
func (c *Campus) forge(ctx context.Context, a Act) error {
	t, err := c.ticket(a.Target)
	if err != nil {
		return err
	}
	text, err := c.code(ctx, t)
	if err != nil {
		return err
	}
	if text, err = forgeries[a.word(0)].make(strings.ToUpper(text)); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t.forged, t.view.Forged = text, a.word(0)
	c.tell()
	return nil
}
