package commission

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// domain keeps a signature of a report from being taken for one of anything else.
const domain = Form + "\n"

const pemType = "PRIVATE KEY"

var (
	// ErrForgery says that a report is not what was signed: changed, damaged or
	// signed by another key than it names.
	ErrForgery = errors.New("the signature does not fit: the report was changed, or never signed by this key")
	// ErrReport says that a file is no report of this form.
	ErrReport = errors.New("not a commissioning report that this version reads")
	// ErrStranger says that a report is signed by another key than the wanted one.
	ErrStranger = errors.New("signed by another key than the one that was asked for")
	// ErrKey says that a key file cannot be used.
	ErrKey = errors.New("no installer's key; make one with firmware-bridge key new --out FILE")
)

// Key signs reports. It is the installer's own, one per person.
type Key struct{ private ed25519.PrivateKey }

// Fingerprint is what people compare: the SHA-256 of a public key, half of it, in
// groups of four.
type Fingerprint string

// Sealed is a report file: the report, and who signed it.
type Sealed struct {
	Report    json.RawMessage `json:"report"`
	Signature Signature       `json:"signature"`
}

// Signature is an Ed25519 signature over the report without any white space
// between its parts, after the name of its form and a line feed.
type Signature struct {
	Algorithm   string      `json:"algorithm"` // "Ed25519"
	PublicKey   []byte      `json:"publicKey"`
	Fingerprint Fingerprint `json:"fingerprint"`
	Value       []byte      `json:"value"`
}

// NewKey makes a key with random from, crypto/rand.Reader outside of tests.
func NewKey(from io.Reader) (Key, error) {
	_, private, err := ed25519.GenerateKey(from)
	if err != nil {
		return Key{}, fmt.Errorf("make installer's key: %w", err)
	}
	return Key{private}, nil
}

// Save writes the key to a new file that only its owner reads.
func (k Key) Save(path string) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return fmt.Errorf("save installer's key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("save installer's key (name a new file): %w", err)
	}
	err = pem.Encode(f, &pem.Block{Type: pemType, Bytes: der})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("save installer's key: %w", err)
	}
	return nil
}

// LoadKey reads a key file. It refuses one that others may read: what it signs
// would be worth nothing.
func LoadKey(path string) (Key, error) {
	s, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, fmt.Errorf("read %s: %w", path, ErrKey)
	}
	if err != nil {
		return Key{}, fmt.Errorf("read installer's key: %w", err)
	}
	if s.Mode().Perm()&0o077 != 0 {
		return Key{}, fmt.Errorf("%w: others may read %s; run chmod 600 %s, and make a new key if they could have", ErrKey, path, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("read installer's key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != pemType {
		return Key{}, fmt.Errorf("%w: %s holds none", ErrKey, path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if private, ok := parsed.(ed25519.PrivateKey); err == nil && ok {
		return Key{private}, nil
	}
	return Key{}, fmt.Errorf("%w: %s holds a key of another kind", ErrKey, path)
}

// Fingerprint is that of the key's public half.
func (k Key) Fingerprint() Fingerprint { return fingerprint(k.public()) }

func (k Key) public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

func fingerprint(public ed25519.PublicKey) Fingerprint {
	sum := sha256.Sum256(public)
	var groups []string
	for i := 0; i < 16; i += 2 {
		groups = append(groups, hex.EncodeToString(sum[i:i+2]))
	}
	return Fingerprint(strings.Join(groups, "-"))
}

// plain is f without what people put between its groups.
func (f Fingerprint) plain() string {
	return strings.NewReplacer("-", "", " ", "", ":", "").Replace(string(f))
}

// Valid reports whether f can be one, however it was typed.
func (f Fingerprint) Valid() bool {
	b, err := hex.DecodeString(f.plain())
	return err == nil && len(b) == 16
}

// is reports whether two fingerprints are one, however they were typed.
func (f Fingerprint) is(other Fingerprint) bool {
	return f.plain() != "" && strings.EqualFold(f.plain(), other.plain())
}

// Sign makes the report file of r. Its texts are cleaned first.
func (k Key) Sign(r Report) ([]byte, error) {
	b, err := json.Marshal(cleaned(r))
	if err != nil {
		return nil, fmt.Errorf("sign report: %w", err)
	}
	s := Sealed{Report: b, Signature: Signature{
		Algorithm: "Ed25519", PublicKey: k.public(), Fingerprint: k.Fingerprint(),
		Value: ed25519.Sign(k.private, append([]byte(domain), b...)),
	}}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("sign report: %w", err)
	}
	return append(out, '\n'), nil
}

// Verify reads a report file and checks that it is as it was signed. With a
// wanted fingerprint it also demands that key; without one it proves only that
// nothing changed since whoever has the named key signed. Errors wrap ErrReport,
// ErrForgery or ErrStranger.
func Verify(file []byte, wanted Fingerprint) (Report, Signature, error) {
	var s Sealed
	if len(file) > MaxReport {
		return Report{}, Signature{}, fmt.Errorf("verify report: %w: over %d bytes", ErrReport, MaxReport)
	}
	if err := strict(file, &s); err != nil {
		return Report{}, Signature{}, fmt.Errorf("verify report: %w: %w", ErrReport, err)
	}
	signed, err := s.only(file)
	if err == nil {
		err = s.Signature.check(signed)
	}
	if err != nil {
		return Report{}, Signature{}, fmt.Errorf("verify report: %w", err)
	}
	if wanted != "" && !s.Signature.Fingerprint.is(wanted) {
		return Report{}, Signature{}, fmt.Errorf("verify report: %w: it is %s", ErrStranger, s.Signature.Fingerprint)
	}
	r, err := readReport(signed)
	if err != nil {
		return Report{}, Signature{}, fmt.Errorf("verify report: %w", err)
	}
	return r, s.Signature, nil
}

// only returns the compact report when s is all that file says; see readReport.
func (s Sealed) only(file []byte) ([]byte, error) {
	var whole, report bytes.Buffer
	if err := errors.Join(json.Compact(&whole, file), json.Compact(&report, s.Report)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	again, err := json.Marshal(s)
	if err != nil || !bytes.Equal(again, whole.Bytes()) {
		return nil, fmt.Errorf("%w: it is not in the one form that this tool writes", ErrReport)
	}
	return report.Bytes(), nil
}

// check verifies the signature over the compact report b.
func (s Signature) check(b []byte) error {
	if s.Algorithm != "Ed25519" || len(s.PublicKey) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: no Ed25519 signature", ErrReport)
	}
	if s.Fingerprint != fingerprint(s.PublicKey) || !ed25519.Verify(s.PublicKey, append([]byte(domain), b...), s.Value) {
		return ErrForgery
	}
	return nil
}

// readReport reads the compact form b. What it means must be all that it says:
// made again from its meaning it has to be the same bytes, else a second field of
// one name could show one reader another report than the next.
func readReport(b []byte) (Report, error) {
	var r Report
	if err := strict(b, &r); err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrReport, err)
	}
	if r.Form != Form {
		return Report{}, fmt.Errorf("%w: its form is %.60q, this version reads %q", ErrReport, r.Form, Form)
	}
	again, err := json.Marshal(cleaned(r))
	if err != nil || !bytes.Equal(again, b) {
		return Report{}, fmt.Errorf("%w: it is not in the one form that this tool writes", ErrReport)
	}
	return r, nil
}

// strict reads exactly one JSON value with known fields only.
func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the report")
	}
	return nil
}

// PublicKey is the key's public half in base64, for a list of installers.
func (k Key) PublicKey() string { return base64.StdEncoding.EncodeToString(k.public()) }

// stamp is an instant as reports have it: UTC, to a millisecond.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
