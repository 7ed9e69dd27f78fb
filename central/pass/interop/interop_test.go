// Package interop reads the vectors with a verifier written from FORMAT.md alone:
// it shares no line with package pass, and its Ed25519 is big-integer arithmetic.
package interop

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"go/parser"
	"go/token"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

type facts struct {
	Kind       int    `json:"kind"`
	Flags      int    `json:"flags"`
	KeyID      int    `json:"key_id"`
	Day        int    `json:"day"`
	Index      int    `json:"index"`
	Start      int    `json:"start"`
	Length     int    `json:"length"`
	Zones      int    `json:"zones"`
	Generation int    `json:"generation"`
	Entries    int    `json:"entries"`
	Passback   int    `json:"passback"`
	Holder     string `json:"holder"`
	From       int64  `json:"from"`
	Until      int64  `json:"until"`
	Slot       *int   `json:"slot"`
	Tag        string `json:"tag"`
}

type vector struct {
	Name      string            `json:"name"`
	Text      string            `json:"text"`
	Hex       string            `json:"text_hex"`
	Now       int64             `json:"now"`
	Tolerance int64             `json:"tolerance"`
	Expect    map[string]string `json:"expect"`
	Fields    *facts            `json:"fields"`
}

type document struct {
	Keys     map[string]string `json:"keys"`
	GateKeys map[string]string `json:"gate_keys"`
	Vectors  []vector          `json:"vectors"`
}

// foreign is "Foreign or malformed".
func foreign(text string) string {
	up := strings.ToUpper(text)
	letters, others := "", 0
	for _, c := range []byte(up) {
		switch {
		case strings.IndexByte(alphabet, c) >= 0:
			letters += string(rune(c))
		case c != '\t' && c != '\r' && c != '\n' && c != '=':
			others++
		}
	}
	begins := false
	for _, first := range []string{"CE", "CI", "CM", "CQ", "D4"} {
		for _, third := range "ABCD" {
			begins = begins || strings.HasPrefix(letters, first+string(third))
		}
	}
	if begins && len(letters) >= 32 && others*8 <= len(letters) {
		return "MALFORMED"
	}
	if others == 0 && len(letters) >= 117 && len(letters) <= 178 {
		return "MALFORMED"
	}
	return "FOREIGN"
}

// unbase32 is "Text": one number of 705 or 770 bits, most significant first.
func unbase32(text string) ([]byte, bool) {
	n := new(big.Int)
	for _, c := range []byte(text) {
		at := strings.IndexByte(alphabet, c)
		if at < 0 {
			return nil, false
		}
		n.Or(n.Lsh(n, 5), big.NewInt(int64(at)))
	}
	spare := uint(len(text)*5) % 8
	low := new(big.Int).Mod(n, big.NewInt(1<<spare))
	return n.Rsh(n, spare).FillBytes(make([]byte, len(text)*5/8)), low.Sign() == 0
}

func number(b []byte) int {
	n := 0
	for _, c := range b {
		n = n*256 + int(c)
	}
	return n
}

// read is the stage "parse".
func read(text string) ([]byte, facts, string) {
	if len(text) != 141 && len(text) != 154 || strings.Trim(text, alphabet) != "" {
		return nil, facts{}, foreign(text)
	}
	b, canonical := unbase32(text)
	if b == nil {
		return nil, facts{}, foreign(text)
	}
	f := facts{
		Kind: int(b[0] & 15), Flags: int(b[1]), KeyID: number(b[2:4]), Day: number(b[4:6]), Index: number(b[6:9]),
		Start: number(b[9:11]), Length: int(b[11]), Zones: number(b[12:14]), Generation: int(b[14]),
		Entries: int(b[15] >> 4), Passback: int(b[15] & 15), Holder: hex.EncodeToString(b[16:24]),
	}
	if f.Start >= 32768 {
		f.Start -= 65536
	}
	f.From = 1577836800 + int64(f.Day)*86400 + int64(f.Start)*60
	f.Until = f.From + int64(f.Length)*600
	switch {
	case !canonical:
		return nil, f, "MALFORMED"
	case b[0]>>4 != 1:
		return nil, f, "VERSION_UNKNOWN"
	case !slices.Contains([]int{1, 2, 3, 15}, f.Kind):
		return nil, f, "KIND_UNKNOWN"
	case f.Flags > 7:
		return nil, f, "FLAGS_UNKNOWN"
	case f.Start < -840 || f.Start > 2220 || f.Length < 1 || f.Length > 150 || f.Zones == 0:
		return nil, f, "MALFORMED"
	case len(b) == 96 && f.Flags&1 == 0:
		return nil, f, "MALFORMED"
	}
	if len(b) == 96 {
		slot := number(b[88:90])
		f.Slot, f.Tag = &slot, hex.EncodeToString(b[90:])
	}
	return b, f, "GRANTED"
}

// showsLive is "Live codes".
func showsLive(b []byte, f facts, gate []byte, now, tolerance int64) string {
	if f.Slot == nil {
		return "LIVE_REQUIRED"
	}
	at := now / 15
	slot := at - at%65536 + int64(*f.Slot) - 65536
	for slot+32768 < at {
		slot += 65536
	}
	mac := hmac.New(sha256.New, gate)
	mac.Write(append([]byte("live"), b[:24]...))
	mac = hmac.New(sha256.New, mac.Sum(nil)[:16])
	mac.Write([]byte("campus-live/1\x00"))
	mac.Write([]byte{byte(slot >> 24), byte(slot >> 16), byte(slot >> 8), byte(slot)})
	mac.Write(b[:24])
	switch {
	case hex.EncodeToString(mac.Sum(nil)[:6]) != f.Tag:
		return "LIVE_FORGED"
	case slot-at > tolerance || at-slot > tolerance:
		return "LIVE_STALE"
	}
	return "GRANTED"
}

func judge(t *testing.T, doc *document, v *vector) (map[string]string, facts) {
	text := v.Text
	if v.Hex != "" {
		text = string(decodeHex(t, v.Hex))
	}
	b, f, reason := read(text)
	out := map[string]string{"parse": reason}
	if reason != "GRANTED" {
		return out, f
	}
	key, known := doc.Keys[strconv.Itoa(f.KeyID)]
	switch {
	case !known:
		out["verify"] = "KEY_UNKNOWN"
		return out, f
	case !verify(decodeHex(t, key), append([]byte("campus-pass/1\x00"), b[:24]...), b[24:88]):
		out["verify"] = "FORGED"
		return out, f
	}
	out["verify"] = "GRANTED"
	switch {
	case v.Now < f.From:
		out["window"] = "TOO_EARLY"
		return out, f
	case v.Now >= f.Until:
		out["window"] = "EXPIRED"
		return out, f
	}
	out["window"] = "GRANTED"
	if f.Flags&1 != 0 {
		out["live"] = showsLive(b, f, decodeHex(t, doc.GateKeys[strconv.Itoa(f.Day)]), v.Now, v.Tolerance)
	}
	return out, f
}

func TestVectors(t *testing.T) {
	data, err := os.ReadFile("../testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Vectors) < 150 {
		t.Fatalf("%d vectors, want at least 150", len(doc.Vectors))
	}
	for _, v := range doc.Vectors {
		got, f := judge(t, &doc, &v)
		if asJSON(t, got) != asJSON(t, v.Expect) {
			t.Errorf("%s: %v, want %v", v.Name, got, v.Expect)
		}
		if v.Fields != nil && asJSON(t, f) != asJSON(t, v.Fields) {
			t.Errorf("%s: %s, want %s", v.Name, asJSON(t, f), asJSON(t, v.Fields))
		}
	}
}

// TestShareNothing keeps this reader from leaning on the package that it checks.
func TestShareNothing(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if strings.Contains(i.Path.Value, "turnstile") || strings.Contains(i.Path.Value, "ed25519") || strings.Contains(i.Path.Value, "base32") {
				t.Errorf("%s imports %s", name.Name(), i.Path.Value)
			}
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func decodeHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) == 0 {
		t.Fatalf("decode %q: %v", s, err)
	}
	return b
}

// The curve of RFC 8032, 5.1: -x^2 + y^2 = 1 + d x^2 y^2 over the field of p.
var (
	p     = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	d     = mul(big.NewInt(-121665), inverse(big.NewInt(121666)))
	order = new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 252), big10("27742317777372353535851937790883648493"))
	base  = point{big10("15112221349535400772501151409588531511454012693041857206046113283949847762202"),
		big10("46316835694926478169428394003475163141307993866256225615783033603165251855960"), big.NewInt(1)}
)

type point struct{ x, y, z *big.Int }

func big10(s string) *big.Int {
	n, _ := new(big.Int).SetString(s, 10)
	return n
}

func mul(a, b *big.Int) *big.Int { n := new(big.Int).Mul(a, b); return n.Mod(n, p) }
func inverse(a *big.Int) *big.Int {
	return new(big.Int).ModInverse(new(big.Int).Mod(a, p), p)
}

// add is the complete addition in projective coordinates, x = X/Z and y = Y/Z.
func (a point) add(b point) point {
	zz, xx, yy := mul(a.z, b.z), mul(a.x, b.x), mul(a.y, b.y)
	square, k := mul(zz, zz), mul(d, mul(xx, yy))
	less, more := new(big.Int).Sub(square, k), new(big.Int).Add(square, k)
	cross := mul(new(big.Int).Add(a.x, a.y), new(big.Int).Add(b.x, b.y))
	sum := new(big.Int).Add(xx, yy)
	return point{mul(mul(zz, less), cross.Sub(cross, sum)), mul(mul(zz, more), sum), mul(less, more)}
}

func (a point) times(n *big.Int) point {
	sum := point{big.NewInt(0), big.NewInt(1), big.NewInt(1)}
	for i := n.BitLen() - 1; i >= 0; i-- {
		sum = sum.add(sum)
		if n.Bit(i) == 1 {
			sum = sum.add(a)
		}
	}
	return sum
}

func little(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func (a point) bytes() []byte {
	one := inverse(a.z)
	b := mul(a.y, one).FillBytes(make([]byte, 32))
	slices.Reverse(b)
	b[31] |= byte(mul(a.x, one).Bit(0)) << 7
	return b
}

func decompress(b []byte) (point, bool) {
	y := little(b)
	sign := y.Bit(255)
	y.SetBit(y, 255, 0)
	yy := mul(y, y)
	xx := mul(new(big.Int).Sub(yy, big.NewInt(1)), inverse(new(big.Int).Add(mul(d, yy), big.NewInt(1))))
	x := new(big.Int).ModSqrt(xx, p)
	if x == nil || y.Cmp(p) >= 0 {
		return point{}, false
	}
	if x.Bit(0) != sign {
		x.Sub(p, x)
	}
	return point{x, y, big.NewInt(1)}, true
}

// verify is "Signature": S below the order, no cofactor, R compared as bytes.
func verify(key, message, signature []byte) bool {
	a, ok := decompress(key)
	s := little(signature[32:])
	if !ok || s.Cmp(order) >= 0 {
		return false
	}
	h := sha512.Sum512(slices.Concat(signature[:32], key, message))
	k := little(h[:])
	minusA := point{new(big.Int).Neg(a.x), a.y, a.z}
	r := base.times(s).add(minusA.times(k.Mod(k, order)))
	return slices.Equal(r.bytes(), signature[:32])
}
