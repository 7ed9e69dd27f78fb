package enrol

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"turnstile/central/link"
)

// FileName is the identity's file in the data folder: one file, so that keys and
// certificate always belong together. Mode 0600.
const FileName = "identity.json"

// Errors of Load.
var (
	ErrNone    = errors.New("this machine is not enrolled: run `agent enroll` with a token of `central lane add`")
	ErrDamaged = errors.New("the identity file is damaged: enrol the machine again")
	ErrOpen    = errors.New("the identity file can be read by others: set its mode to 0600, and enrol again if others had access")
)

// Identity is who this lane controller is.
type Identity struct {
	Lane, Site  string
	Broker      string            // e.g. ssl://central.example:8883; see Brokers
	Central     string            // enrolment address, e.g. https://central.example:8443; "" from agents before renewals
	Certificate tls.Certificate   // for the broker; Leaf is set
	Authority   *x509.Certificate // whom the broker's certificate must come from
	Root        link.Root         // the newest one accepted, see KeepRoot
	Delegation  uint64            // version of the newest delegation accepted, 0: none is known
	Journal     Signer            // signs what the lane says
	Seal        *ecdh.PrivateKey  // gate keys are sealed to it
}

// Signer is the lane's own key, a link.Signer.
type Signer struct{ key ed25519.PrivateKey }

// NewSigner returns a signer with a key.
func NewSigner(key ed25519.PrivateKey) Signer { return Signer{key} }

// Public returns the public key, which central got at enrolment.
func (s Signer) Public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// KeyID names the key.
func (s Signer) KeyID() link.KeyID { return link.IDOf(s.Public()) }

// Sign signs; it does not fail.
func (s Signer) Sign(message []byte) ([]byte, error) { return ed25519.Sign(s.key, message), nil }

// stored is the file's content.
type stored struct {
	Version     int       `json:"version"`
	Lane        string    `json:"lane"`
	Site        string    `json:"site"`
	Broker      string    `json:"broker"`
	Central     string    `json:"central,omitempty"`
	Root        link.Root `json:"root"`
	Authority   []byte    `json:"authority"`   // DER
	Certificate []byte    `json:"certificate"` // DER
	TLSKey      []byte    `json:"tls_key"`     // PKCS #8
	JournalKey  []byte    `json:"journal_key"` // Ed25519 seed
	SealKey     []byte    `json:"seal_key"`    // X25519 private key
}

const version = 1

// store joins keys and answer after checking that they fit.
func (k keys) store(a *link.EnrolAnswer, authority link.Hash) (*stored, error) {
	if sha256.Sum256(a.Authority) != authority {
		return nil, ErrAuthority
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.tls)
	if err != nil {
		return nil, fmt.Errorf("encode TLS key: %w", err)
	}
	s := &stored{
		Version: version, Lane: a.Lane, Site: a.Site, Broker: brokersOf(a), Root: a.Root, Authority: a.Authority, Certificate: a.Certificate,
		TLSKey: der, JournalKey: k.journal.Seed(), SealKey: k.seal.Bytes(),
	}
	if _, err := s.identity(); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrAnswer, err)
	}
	return s, nil
}

// identity checks that all parts belong together.
func (s *stored) identity() (Identity, error) {
	i := Identity{Lane: s.Lane, Site: s.Site, Broker: s.Broker, Central: s.Central, Root: s.Root}
	if s.Version != version || !link.ValidID(s.Lane) || !link.ValidID(s.Site) || len(s.JournalKey) != ed25519.SeedSize {
		return i, fmt.Errorf("%w: version, lane, site or journal key", ErrDamaged)
	}
	i.Journal = NewSigner(ed25519.NewKeyFromSeed(s.JournalKey))
	var err error
	if i.Seal, err = ecdh.X25519().NewPrivateKey(s.SealKey); err != nil {
		return i, fmt.Errorf("%w: sealing key", ErrDamaged)
	}
	if i.Authority, err = x509.ParseCertificate(s.Authority); err != nil {
		return i, fmt.Errorf("%w: authority", ErrDamaged)
	}
	leaf, err := x509.ParseCertificate(s.Certificate)
	if err != nil {
		return i, fmt.Errorf("%w: certificate", ErrDamaged)
	}
	private, err := x509.ParsePKCS8PrivateKey(s.TLSKey)
	key, ok := private.(*ecdsa.PrivateKey)
	if err != nil || !ok || !key.PublicKey.Equal(leaf.PublicKey) || leaf.CheckSignatureFrom(i.Authority) != nil {
		return i, fmt.Errorf("%w: key, certificate and authority do not belong together", ErrDamaged)
	}
	i.Certificate = tls.Certificate{Certificate: [][]byte{s.Certificate}, PrivateKey: key, Leaf: leaf}
	return i, nil
}

// write puts the file in place at once and durably.
func (s *stored) write(dir string) error { return writeJSON(dir, FileName, s) }

// writeJSON puts a file with secrets in place: as it was or whole, also after a
// power cut.
func writeJSON(dir, file string, content any) error {
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", file, err)
	}
	name := filepath.Join(dir, file)
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return syncFolder(dir)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	return nil
}

// writable makes the data folder and tries to write there.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	f, err := os.CreateTemp(dir, ".enrol-*")
	if err != nil {
		return fmt.Errorf("write to data folder: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// maxFile bounds the identity file in bytes.
const maxFile = 64 << 10

// Load reads the identity from the data folder: ErrNone if there is none,
// ErrDamaged, or ErrOpen if others can read it.
func Load(dataDir string) (Identity, error) {
	_, i, err := load(dataDir)
	return i, err
}

func load(dataDir string) (*stored, Identity, error) {
	data, err := readFile(dataDir, FileName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Identity{}, ErrNone
	}
	if err != nil {
		return nil, Identity{}, err
	}
	s, i, err := parse(data)
	if err == nil {
		err = i.newestRoot(dataDir)
	}
	return s, i, err
}

// readFile reads a file that nobody else may read.
func readFile(dir, file string) ([]byte, error) {
	name := filepath.Join(dir, file)
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", file, err)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%w (%s)", ErrOpen, name)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrDamaged, file, info.Size())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return data, nil
}

func parse(data []byte) (*stored, Identity, error) {
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, Identity{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	i, err := s.identity()
	return &s, i, err
}
