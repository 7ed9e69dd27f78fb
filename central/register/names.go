package register

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Key hashes personal ids. It is made of central's secrets key: a register that was
// copied without the key folder tells no personal id, whatever is tried on it.
type Key [32]byte

// NewKey derives the key of personal ids.
func NewKey(secrets [32]byte) (key Key, err error) {
	b, err := hkdf.Key(sha256.New, secrets[:], nil, "turnstile register personal id", len(key))
	if err != nil {
		return key, fmt.Errorf("derive the register's key: %w", err)
	}
	return Key(b), nil
}

// Personal returns the keyed hash of a personal id in any spelling.
func (k Key) Personal(id string) []byte {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte(Normal(id)))
	return h.Sum(nil)
}

// Normal returns a personal id in the form that is hashed: NFKC, upper case,
// without spaces, brackets and hyphens.
func Normal(id string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune("()[]-‐‑‒–—−", r) {
			return -1
		}
		return unicode.ToUpper(r)
	}, norm.NFKC.String(id))
}

// maxParts bounds the parts of a name that are compared.
const maxParts = 8

// fold returns a name without case, width, marks and all that is neither letter
// nor digit.
func fold(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(cases.Fold().String(norm.NFKC.String(name))) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// parts returns the folded parts of a name between spaces, hyphens and commas.
func parts(name string) (list []string) {
	for _, p := range strings.FieldsFunc(norm.NFKC.String(name), func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",-‐‑–—、·", r) }) {
		if p = fold(p); p != "" && len(list) < maxParts {
			list = append(list, p)
		}
	}
	return list
}

// orders returns a given name beginning with each of its parts in turn: Tai Man
// Peter is Peter Tai Man.
func orders(given string) (list []string) {
	p := parts(given)
	for i := range p {
		list = append(list, strings.Join(p[i:], "")+strings.Join(p[:i], ""))
	}
	return list
}

// sameGiven compares given names: spaces, hyphens, case, width and marks do not
// count, and the parts may come in either order.
func sameGiven(a, b string) bool {
	if fold(a) == "" && fold(b) == "" {
		return true
	}
	return slices.ContainsFunc(orders(a), func(x string) bool { return slices.Contains(orders(b), x) })
}

// sameName compares what somebody typed with a person: surname and given name, or
// both together with the Chinese name.
func sameName(p *Person, surname, given string) bool {
	western := fold(surname) == fold(p.Surname) && sameGiven(given, p.Given) && fold(p.Surname) != ""
	chinese := fold(surname+given) == fold(p.NameZH) && fold(p.NameZH) != ""
	return western || chinese
}

// NameKey is the same for two persons whose names are: what merging is suggested by.
func NameKey(surname, given, zh string) string {
	if fold(surname+given) == "" {
		return fold(zh)
	}
	p := parts(given)
	slices.Sort(p)
	return fold(surname) + " " + strings.Join(p, "")
}
