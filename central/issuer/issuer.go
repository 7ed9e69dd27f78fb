// Package issuer holds the private keys and is the only package that touches
// them: it signs passes, the feed and certificates.
//
// The keys are made at the first start, in one folder:
//
//	root.key        Ed25519, signs the delegation of roles (1 of 1 here)
//	keyset.key      Ed25519, signs the list of pass keys and the gate keys
//	status.key      Ed25519, signs the feed, rules and acknowledgements
//	authority.key   ECDSA P-256, signs certificates; authority.crt beside it
//	pseudonym.key   makes holder references and the order of indexes, per day
//	gate.key        makes the gate key of each day
//	pass-N.key      Ed25519, signs the passes of one week
//
// Each is encrypted at rest (vault). delegation.cbor and keyset.cbor are the
// signed public documents as they stand.
package issuer

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Issuer has the private keys; safe for concurrent use.
type Issuer struct {
	site  string
	vault *vault

	root, keyset, status *signer
	authority            *authority
	pseudonym, gate      []byte

	mu         sync.Mutex // guards the following
	passKeys   []passKey  // ascending ids
	delegation []byte     // sealed by root
	published  *link.Keyset
	sealed     []byte // published, sealed by the keyset role
}

// Open opens the key folder of a site, or makes it with all keys. ErrPassphrase
// for a wrong passphrase, ErrDamagedKeys if a key is missing in a folder that
// was complete once.
func Open(dir, site string, passphrase []byte, now time.Time) (*Issuer, error) {
	v, err := openVault(dir, passphrase)
	if err != nil {
		return nil, err
	}
	i := &Issuer{site: site, vault: v}
	_, err = os.Stat(filepath.Join(dir, authorityFile))
	complete := err == nil // the authority's certificate is written last
	if err := i.loadRoles(!complete); err != nil {
		return nil, err
	}
	if err := i.loadPassKeys(); err != nil {
		return nil, err
	}
	if err := i.loadDelegation(now); err != nil {
		return nil, err
	}
	if i.authority, err = openAuthority(v, site, !complete, now); err != nil {
		return nil, err
	}
	return i, nil
}

func (i *Issuer) loadRoles(create bool) (err error) {
	for name, s := range map[string]**signer{"root": &i.root, "keyset": &i.keyset, "status": &i.status} {
		seed, err := i.vault.secret(name, ed25519.SeedSize, create)
		if err != nil {
			return err
		}
		*s = newSigner(seed)
	}
	if i.pseudonym, err = i.vault.secret("pseudonym", 32, create); err != nil {
		return err
	}
	i.gate, err = i.vault.secret("gate", 32, create)
	return err
}

// secret returns a secret of n bytes; with create it makes a missing one.
func (v *vault) secret(name string, n int, create bool) ([]byte, error) {
	s, err := v.get(name)
	if errors.Is(err, fs.ErrNotExist) && create {
		s = make([]byte, n)
		rand.Read(s)
		return s, v.put(name, s)
	}
	if err != nil || len(s) != n {
		return nil, fmt.Errorf("%w: %s", ErrDamagedKeys, v.path(name))
	}
	return s, nil
}

// signer is one role's Ed25519 key.
type signer struct {
	id  link.KeyID
	key ed25519.PrivateKey
}

func newSigner(seed []byte) *signer {
	key := ed25519.NewKeyFromSeed(seed)
	return &signer{link.IDOf(key.Public().(ed25519.PublicKey)), key}
}

// KeyID names the key.
func (s *signer) KeyID() link.KeyID { return s.id }

// Sign signs a message.
func (s *signer) Sign(message []byte) ([]byte, error) { return ed25519.Sign(s.key, message), nil }

func (s *signer) public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// Root returns what a lane is given to trust at its enrolment.
func (i *Issuer) Root() link.Root {
	return link.Root{Keys: []ed25519.PublicKey{i.root.public()}, Threshold: 1}
}

// Status returns the signer of the status role: feed, rules, acknowledgements.
func (i *Issuer) Status() link.Signer { return i.status }

// Keyset returns the signer of the keyset role: pass keys and gate keys.
func (i *Issuer) Keyset() link.Signer { return i.keyset }

// Authority returns the authority's certificate.
func (i *Issuer) Authority() *x509.Certificate { return i.authority.certificate }

const (
	delegationFile  = "delegation.cbor"
	delegationLife  = 2 * 365 * 24 * time.Hour
	delegationRenew = delegationLife / 2
)

// loadDelegation keeps the delegation as long as it names the keys and has half
// its life left; else the root signs the next version.
func (i *Issuer) loadDelegation(now time.Time) error {
	path := filepath.Join(i.vault.dir, delegationFile)
	d := link.Delegation{Version: 1}
	if data, err := os.ReadFile(path); err == nil {
		m := link.KeysMessage{Version: link.Version, Delegation: [][]byte{data}}
		old, err := m.OpenDelegation(i.site, i.Root())
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDamagedKeys, path, err)
		}
		if time.Unix(old.Expires, 0).Sub(now) > delegationRenew {
			i.delegation = data
			return nil
		}
		d.Version = old.Version + 1
	}
	d.Roots, d.Threshold = i.Root().Keys, 1
	d.Keyset, d.Status = []ed25519.PublicKey{i.keyset.public()}, []ed25519.PublicKey{i.status.public()}
	d.Expires = now.Add(delegationLife).Unix()
	sealed, err := link.Seal(i.root, link.TypeDelegation, i.site, d)
	if err != nil {
		return err
	}
	i.delegation = sealed
	return writeFile(path, sealed)
}

// Mint signs p with the key of its week and returns it with the key's id set.
// ErrNoKey if Renew made no key for its day and kind.
func (i *Issuer) Mint(p pass.Pass) (pass.Pass, []byte, error) {
	key, ok := i.keyFor(p.Kind, p.Day)
	if !ok {
		return p, nil, fmt.Errorf("%w: %s on %s", ErrNoKey, p.Kind, p.Day)
	}
	p.KeyID = key.public.ID
	if r := p.Check(); r != pass.Granted {
		return p, nil, fmt.Errorf("mint pass: lanes would refuse it as %s", r)
	}
	return p, ed25519.Sign(key.private, p.Message()), nil
}

// Verify reports whether one of this central's own keys signed the code.
func (i *Issuer) Verify(c *pass.Code) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, k := range i.passKeys {
		if k.public.ID == c.KeyID {
			return c.Verify(k.public.Public)
		}
	}
	return false
}

// StatusKeys returns the public key of the status role.
func (i *Issuer) StatusKeys() link.Keys { return link.KeysOf(i.status.public()) }
