package issuer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"turnstile/central/link"
)

// RootKey is one key of an offline root, outside of any key folder: in a file
// with a passphrase of its own, or on paper.
type RootKey struct{ seed []byte }

// What can be wrong with a root key.
var (
	ErrShare           = errors.New("not a root key")
	ErrSharePassphrase = errors.New("the passphrase does not open this root key")
)

// NewRootKey makes a key.
func NewRootKey() *RootKey {
	k := &RootKey{make([]byte, ed25519.SeedSize)}
	rand.Read(k.seed)
	return k
}

// Public returns the public key.
func (k *RootKey) Public() ed25519.PublicKey { return newSigner(k.seed).public() }

// shareFile is the JSON of a root key's file.
type shareFile struct {
	seal
	Public ed25519.PublicKey `json:"public"`
	Box    []byte            `json:"box"` // the seed, encrypted
}

// maxShare bounds a root key's file in bytes.
const maxShare = 4 << 10

// Seal returns the key as a file that the passphrase opens. ErrNoPassphrase for
// one that is too short.
func (k *RootKey) Seal(passphrase []byte) ([]byte, error) {
	if len(passphrase) < minPassphrase {
		return nil, fmt.Errorf("%w: want at least %d bytes", ErrNoPassphrase, minPassphrase)
	}
	f := shareFile{seal: newSeal(), Public: k.Public()}
	v, err := f.vault("", passphrase)
	if err != nil {
		return nil, err
	}
	f.Box = v.seal(rootBox(f.Public), k.seed)
	return json.MarshalIndent(f, "", "  ")
}

func rootBox(public ed25519.PublicKey) string { return "root share " + string(public) }

// OpenRootKey reads a key's file. ErrShare, ErrSharePassphrase.
func OpenRootKey(data, passphrase []byte) (*RootKey, error) {
	var f shareFile
	if len(data) > maxShare {
		return nil, fmt.Errorf("%w: %d bytes", ErrShare, len(data))
	}
	if err := json.Unmarshal(data, &f); err != nil || !f.usable() {
		return nil, fmt.Errorf("%w: damaged", ErrShare)
	}
	v, err := f.vault("", passphrase)
	if err != nil {
		return nil, err
	}
	seed, err := v.open(rootBox(f.Public), f.Box)
	if err != nil {
		return nil, ErrSharePassphrase
	}
	k := &RootKey{seed}
	if len(seed) != ed25519.SeedSize || !k.Public().Equal(f.Public) {
		return nil, fmt.Errorf("%w: another key than it says", ErrShare)
	}
	return k, nil
}

// A key on paper is five lines of 16 characters. Each of the first four has 8
// bytes of the seed and 2 bytes of a checksum, which says which line to look at;
// the last has the key's id and a checksum over all.
const (
	shareTitle = "turnstile-root-1"
	shareLines = 5
	lineData   = 8
)

var shareText = base32.StdEncoding.WithPadding(base32.NoPadding)

func lineSum(n int, data []byte) []byte {
	sum := sha256.Sum256(append([]byte{'t', 'u', 'r', 'n', 's', 't', 'i', 'l', 'e', '-', 'r', 'o', 'o', 't', byte(n)}, data...))
	return sum[:2]
}

// Text returns the key as it is printed.
func (k *RootKey) Text() string {
	id := link.IDOf(k.Public())
	data := append(bytes.Clone(k.seed), id[:]...)
	b := strings.Builder{}
	b.WriteString(shareTitle + "\n")
	for n := range shareLines {
		line := data[n*lineData : (n+1)*lineData]
		text := shareText.EncodeToString(append(bytes.Clone(line), lineSum(n, line)...))
		fmt.Fprintf(&b, "%d  %s %s %s %s\n", n+1, text[:4], text[4:8], text[8:12], text[12:])
	}
	return b.String()
}

// ParseRootKey reads a key that was typed from paper: small letters, other
// spaces and missing line numbers do not matter, nor 0, 1 and 8 for O, I and B.
// ErrShare names the line that is wrong.
func ParseRootKey(text string) (*RootKey, error) {
	if len(text) > maxShare {
		return nil, fmt.Errorf("%w: %d bytes", ErrShare, len(text))
	}
	var data []byte
	n := 0
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.EqualFold(words[0], shareTitle) {
			continue
		}
		if n == shareLines {
			return nil, fmt.Errorf("%w: more than %d lines", ErrShare, shareLines)
		}
		part, err := parseShareLine(n, words)
		if err != nil {
			return nil, err
		}
		data = append(data, part...)
		n++
	}
	if n != shareLines {
		return nil, fmt.Errorf("%w: %d lines, want %d", ErrShare, n, shareLines)
	}
	k := &RootKey{data[:ed25519.SeedSize]}
	if id := link.IDOf(k.Public()); !bytes.Equal(id[:], data[ed25519.SeedSize:]) {
		return nil, fmt.Errorf("%w: the lines are of different keys", ErrShare)
	}
	return k, nil
}

var misread = strings.NewReplacer("0", "O", "1", "I", "8", "B")

func parseShareLine(n int, words []string) ([]byte, error) {
	if len(words) > 1 && len(words[0]) == 1 {
		words = words[1:] // the line's number
	}
	text := misread.Replace(strings.ToUpper(strings.Join(words, "")))
	data, err := shareText.DecodeString(text)
	if err != nil || len(data) != lineData+2 || !bytes.Equal(lineSum(n, data[:lineData]), data[lineData:]) {
		return nil, fmt.Errorf("%w: line %d has a wrong character", ErrShare, n+1)
	}
	return data[:lineData], nil
}
