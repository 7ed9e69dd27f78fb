package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"turnstile/central/link"
)

// Checker goes along a chain and the heads that were signed on the way. Make one
// with NewChecker; used by one goroutine.
type Checker struct {
	Verifier
	Anchors  int64 // signed heads that agree
	Anchored int64 // number of the last of them
	AnchorAt int64 // Unix ms of its signature
	Signers  map[link.KeyID]int64

	site string
	keys link.Keys
}

// NewChecker returns a Checker for a site's log; keys are those that anchors may
// be signed with.
func NewChecker(site string, keys link.Keys) *Checker {
	return &Checker{site: site, keys: keys, Signers: map[link.KeyID]int64{}}
}

// Anchor takes the signed head of the newest entry added. *Fault if it says
// something else, or nobody trusted signed it.
func (c *Checker) Anchor(sealed []byte) error {
	a, signer, ok := c.open(sealed)
	if !ok {
		return &Fault{c.Number, "has a signed head that none of the keys signed"}
	}
	if a.Number != c.Number {
		return &Fault{a.Number, "has a signed head that stands in another place"}
	}
	if a.Head != link.Hash(c.Head) {
		return &Fault{a.Number, "is not the one that central signed"}
	}
	c.Anchors, c.Anchored, c.AnchorAt = c.Anchors+1, a.Number, a.At
	c.Signers[signer]++
	return nil
}

// open finds out whose key signed; there are a few.
func (c *Checker) open(sealed []byte) (a Anchor, signer link.KeyID, ok bool) {
	for id, key := range c.keys {
		if a, err := OpenAnchor(sealed, c.site, link.Keys{id: key}); err == nil {
			return a, id, true
		}
	}
	return a, signer, false
}

// An export is lines of JSON, each with one of these (FORMAT.md).
type line struct {
	Audit  *Heading `json:"audit,omitempty"`
	Entry  *Entry   `json:"entry,omitempty"`
	Anchor []byte   `json:"anchor,omitempty"` // a signed head of the entry before
	End    *End     `json:"end,omitempty"`
}

// Heading is an export's first line.
type Heading struct {
	Version int      `json:"version"` // 1
	Site    string   `json:"site"`
	At      int64    `json:"at"`   // Unix ms
	Keys    [][]byte `json:"keys"` // public keys of the status role, now and before
}

// End is an export's last line: without it the file is broken off.
type End struct {
	Number int64 `json:"number"`
	Head   Hash  `json:"head"`
}

// Writer writes an export. Used by one goroutine.
type Writer struct{ out *json.Encoder }

// NewWriter begins an export. The caller buffers.
func NewWriter(w io.Writer, h Heading) (*Writer, error) {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	h.Version = 1
	return &Writer{out}, out.Encode(line{Audit: &h})
}

// Entry writes an entry.
func (w *Writer) Entry(e Entry) error { return w.out.Encode(line{Entry: &e}) }

// Anchor writes a signed head of the entry before.
func (w *Writer) Anchor(sealed []byte) error { return w.out.Encode(line{Anchor: sealed}) }

// End ends the export.
func (w *Writer) End(e End) error { return w.out.Encode(line{End: &e}) }

// maxLine bounds a line of an export in bytes: every byte of a text may be
// written as six.
const maxLine = 6*(MaxDetail+3*MaxWord) + 4096

// Check verifies an export. With trust, only those keys count as signers; without,
// those that the export names, and then Signers tells whose word it is. each, if
// there is one, gets the good entries and may end it. Errors: *Fault, ErrMalformed.
func Check(r io.Reader, trust link.Keys, each func(Entry) error) (*Checker, *Heading, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	h, err := heading(lines)
	if err != nil {
		return nil, nil, err
	}
	if trust == nil {
		trust = link.Keys{}
		for _, k := range h.Keys {
			if len(k) == ed25519.PublicKeySize {
				trust[link.IDOf(k)] = k
			}
		}
	}
	c := NewChecker(h.Site, trust)
	for lines.Scan() {
		l, err := parseLine(lines.Bytes())
		if err != nil {
			return c, h, err
		}
		if l.End != nil {
			return c, h, c.end(*l.End, lines)
		}
		if err := c.take(l); err != nil {
			return c, h, err
		}
		if each == nil || l.Entry == nil {
			continue
		}
		if err := each(*l.Entry); err != nil {
			return c, h, err
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return c, h, fmt.Errorf("read export: %w", err)
	}
	return c, h, fmt.Errorf("%w: the export is broken off after entry %d; make it again", ErrMalformed, c.Number)
}

func heading(lines *bufio.Scanner) (*Heading, error) {
	if !lines.Scan() {
		return nil, fmt.Errorf("%w: the file is empty, or its first line too long", ErrMalformed)
	}
	l, err := parseLine(lines.Bytes())
	if err != nil || l.Audit == nil || l.Audit.Version != 1 {
		return nil, fmt.Errorf("%w: not an export of the audit log, version 1 (central audit export)", ErrMalformed)
	}
	return l.Audit, nil
}

func parseLine(text []byte) (l line, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	n := 0
	for _, has := range []bool{l.Audit != nil, l.Entry != nil, l.Anchor != nil, l.End != nil} {
		if has {
			n++
		}
	}
	if n != 1 || d.More() {
		return l, fmt.Errorf("%w: a line has one of audit, entry, anchor, end", ErrMalformed)
	}
	return l, nil
}

func (c *Checker) take(l line) error {
	switch {
	case l.Entry != nil:
		return c.Add(*l.Entry)
	case l.Anchor != nil:
		return c.Anchor(l.Anchor)
	}
	return fmt.Errorf("%w: a second heading", ErrMalformed)
}

func (c *Checker) end(e End, lines *bufio.Scanner) error {
	if e.Number != c.Number || e.Head != c.Head {
		return &Fault{c.Number + 1, "missing, up to the end that the export names"}
	}
	if lines.Scan() {
		return fmt.Errorf("%w: lines after the end", ErrMalformed)
	}
	return nil
}
