package commission

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"turnstile/firmware-bridge/scanner"
)

// Lengths are those of the test codes in characters. 141 is a pass's code, and
// the longest is the most that a scanner may deliver.
var Lengths = []int{32, 96, 141, 200, 300, 450, 600, 800, scanner.MaxText}

// Needed is the length that a scanner must read for passes.
const Needed = 141

const (
	testMark = "TEST/" // a pass's code never holds a slash
	sumSize  = 8
	// alphabet is that of passes: base32, which QR symbols keep in their short
	// alphanumeric form.
	alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	// shortest is the mark, four digits, a slash, a slash and the sum.
	shortest = len(testMark) + 4 + 1 + 1 + sumSize
)

// ErrLength says that no test code has that length.
var ErrLength = errors.New("a test code has 19 to 1024 characters")

// TestText is the test code of n characters: mark, length, filling and check. It
// is the same each time, so that a printed sheet stays good, and opens no gate.
func TestText(n int) (string, error) {
	if n < shortest || n > scanner.MaxText {
		return "", fmt.Errorf("make test code of %d: %w", n, ErrLength)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%04d/", testMark, n)
	// xorshift: the filling has no period that a lost piece could hide in.
	for x := uint32(n)*2654435761 + 1; b.Len() < n-sumSize-1; {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b.WriteByte(alphabet[x>>27])
	}
	b.WriteByte('/')
	fmt.Fprintf(&b, "%08X", crc32.ChecksumIEEE([]byte(b.String())))
	return b.String(), nil
}

// Reading is what became of a test code on its way.
type Reading struct {
	Length int  // of the code that was shown, in characters; 0 if it cannot be told
	Whole  bool // arrived as it was
	How    string
}

// ReadTest tells what became of the test code that arrived as scan. It is false
// for something else, such as a person's code, of which nothing is kept.
func ReadTest(scan []byte) (Reading, bool) {
	text := string(scan)
	if len(text) < len(testMark) || !strings.EqualFold(text[:len(testMark)], testMark) {
		return Reading{}, false
	}
	n := shownLength(text)
	want, err := TestText(n)
	switch {
	case err != nil:
		return Reading{How: "its length cannot be read"}, true
	case text == want:
		return Reading{Length: n, Whole: true, How: "whole"}, true
	case strings.HasPrefix(want, text):
		return Reading{Length: n, How: fmt.Sprintf("cut short after %d characters", len(text))}, true
	case strings.EqualFold(text, want):
		return Reading{Length: n, How: "small and capital letters changed"}, true
	case len(text) != len(want):
		return Reading{Length: n, How: fmt.Sprintf("%d characters arrived, some are lost or added", len(text))}, true
	}
	return Reading{Length: n, How: "characters changed"}, true
}

// shownLength reads the length that a test code says it has; 0 if it is none of
// the sheet's.
func shownLength(text string) int {
	n := 0
	if len(text) < len(testMark)+5 {
		return 0
	}
	for _, c := range text[len(testMark) : len(testMark)+4] {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	if !slices.Contains(Lengths, n) {
		return 0
	}
	return n
}
