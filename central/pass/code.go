package pass

import (
	"crypto/ed25519"
	"encoding/base32"
)

// Code is what a scanned text says, before anything in it is trusted.
type Code struct {
	Pass
	Live bool    // the text carried slot and tag
	Slot uint16  // floor(unix/15) mod 65536, of a live code
	Tag  [6]byte // of a live code

	body      [BodySize]byte // as scanned: what the signature covers
	signature [ed25519.SignatureSize]byte
	tailed    bool // the text had the length of a live code
}

// encoding is RFC 4648 base32 without padding: upper case, digits 2 to 7.
var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Parse reads a scanned text. It allocates nothing. The reasons are Foreign
// (not one of our codes), Malformed (a damaged one), VersionUnknown,
// KindUnknown and FlagsUnknown; with Granted the code is well formed, and
// nothing is known yet about who signed it. A supervisor code is KindUnknown
// with Kind Supervisor: ParseSupervisor reads it.
func Parse(text []byte) (Code, Reason) {
	if len(text) != TextSize && len(text) != LiveTextSize || !inAlphabet(text) {
		return Code{}, foreignOrDamaged(text)
	}
	var raw [LiveSize + 1]byte
	n, spare := decode(raw[:], text)
	if spare != 0 {
		return Code{}, Malformed
	}
	return fromBytes(raw[:n])
}

// digit returns the value of a base32 character, or 255. encoding/base32 is not
// used for reading: it allocates, skips CR and LF, and ignores spare last bits.
func digit(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A'
	case '2' <= c && c <= '7':
		return c - '2' + 26
	}
	return 255
}

// inAlphabet reports whether each character is one of base32's 32.
func inAlphabet(text []byte) bool {
	for _, c := range text {
		if digit(c) == 255 {
			return false
		}
	}
	return true
}

// decode writes the whole bytes of text to raw and returns their number and
// the bits left over, which are 0 in the one text that stands for those bytes.
func decode(raw, text []byte) (n int, spare uint) {
	var bits uint
	for _, c := range text {
		spare, bits = spare<<5|uint(digit(c)), bits+5
		if bits >= 8 {
			bits -= 8
			raw[n] = byte(spare >> bits)
			n, spare = n+1, spare&(1<<bits-1)
		}
	}
	return n, spare
}

// foreignOrDamaged tells a poster's code from one of ours that was damaged, so
// that its holder is told to scan again and not that it is no campus code. Case
// and padding do not count, nor do a few characters lost, added or garbled.
// FORMAT.md, "Foreign or malformed", is the rule.
func foreignOrDamaged(text []byte) Reason {
	var first [3]byte
	letters, other := 0, 0
	for _, c := range text {
		switch c = upper(c); {
		case digit(c) != 255:
			if letters < len(first) {
				first[letters] = c
			}
			letters++
		case !isPadding(c):
			other++
		}
	}
	ours := begins(first) && letters >= minDamaged && other <= letters/8
	near := other == 0 && letters >= TextSize-24 && letters <= LiveTextSize+24
	if ours || near {
		return Malformed
	}
	return Foreign
}

// minDamaged is the length from which a text is long enough to be a part of a
// code: a sentence that begins with the same three letters has spaces and stops.
const minDamaged = 32

// begins reports whether a code of this version can begin with the characters:
// version and kind, then the flags that must be 0.
func begins(first [3]byte) bool {
	b := digit(first[0])<<3 | digit(first[1])>>2
	p := Pass{Kind: Kind(b & 15)}
	return b>>4 == Version && (p.knownKind() || p.Kind == Supervisor) && digit(first[1])&3 == 0 && digit(first[2]) <= byte(knownFlags>>1)
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

func isPadding(c byte) bool {
	return c == '\t' || c == '\r' || c == '\n' || c == '='
}

func fromBytes(raw []byte) (Code, Reason) {
	var c Code
	copy(c.body[:], raw)
	copy(c.signature[:], raw[BodySize:Size])
	c.Pass = parseBody(&c.body)
	c.tailed = len(raw) > Size
	switch {
	case raw[0]>>4 != Version:
		return c, VersionUnknown
	case c.Kind == Supervisor:
		return c, KindUnknown
	}
	if r := c.Check(); r != Granted {
		return c, r
	}
	return c, c.parseTail(raw[Size:])
}

// parseTail reads slot and tag. A tail on a pass without LiveRequired is
// Malformed: one pass has one form.
func (c *Code) parseTail(tail []byte) Reason {
	if len(tail) == 0 {
		return Granted
	}
	if c.Flags&LiveRequired == 0 {
		return Malformed
	}
	c.Live = true
	c.Slot = uint16(tail[0])<<8 | uint16(tail[1])
	copy(c.Tag[:], tail[2:])
	return Granted
}

// The domains separate the signatures of passes and of supervisor codes from
// each other and from everything else that Ed25519 keys sign.
const (
	domain           = "campus-pass/1\x00"
	supervisorDomain = "campus-supervisor/1\x00"
)

// Verify reports whether key signed the code's body. It allocates nothing and
// panics if key is not 32 bytes long.
func (c *Code) Verify(key ed25519.PublicKey) bool {
	var buf [len(supervisorDomain) + BodySize]byte
	return ed25519.Verify(key, message(buf[:0], &c.body), c.signature[:])
}

// message appends what is signed of a body to b.
func message(b []byte, body *[BodySize]byte) []byte {
	if Kind(body[0]&15) == Supervisor {
		b = append(b, supervisorDomain...)
	} else {
		b = append(b, domain...)
	}
	return append(b, body[:]...)
}

// Message returns the bytes that the signature of p covers, for the signer.
func (p *Pass) Message() []byte {
	b := p.Body()
	return message(nil, &b)
}

// Text returns the code of p with its 64-byte signature.
func (p *Pass) Text(signature []byte) string {
	b := p.Body()
	return encoding.EncodeToString(append(b[:], signature[:ed25519.SignatureSize]...))
}

// Text returns the text that Parse read, of a code that it granted.
func (c *Code) Text() string {
	raw := append(make([]byte, 0, LiveSize), c.body[:]...)
	raw = append(raw, c.signature[:]...)
	if c.Live {
		raw = append(raw, byte(c.Slot>>8), byte(c.Slot))
		raw = append(raw, c.Tag[:]...)
	}
	return encoding.EncodeToString(raw)
}
