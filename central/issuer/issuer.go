// Package issuer holds the private keys and is the only package that touches
// them: it signs passes, the feed and certificates.
//
// The keys are made at the first start, in one folder:
//
//	root.key        Ed25519, signs the delegation of roles; not there if the root is offline
//	root.json       the public keys of an offline root, and how many must sign
//	keyset.key      Ed25519, signs the list of pass keys and the gate keys
//	status.key      Ed25519, signs the feed, rules and acknowledgements
//	*-next.key      those two roles' next keys, until the root has delegated to them
//	former.key      the public keys of the status role before this one
//	authority.key   ECDSA P-256, signs certificates; authority.crt beside it
//	pseudonym.key   makes holder references and the order of indexes, per day, and
//	                the key of central's own secrets in the database
//	gate.key        makes the gate key of each day
//	pass-N.key      Ed25519, signs passes of some days
//
// Each is encrypted at rest (vault). delegation.cbor and keyset.cbor are the
// signed public documents as they stand; delegation.request is what the offline
// root has to sign next. THREATS.md says what a thief can do with which of it.
package issuer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Issuer has the private keys; safe for concurrent use.
type Issuer struct {
	site  string
	vault *vault

	own             *signer // the root's key, nil if it is offline
	role            atomic.Pointer[roles]
	authority       *authority
	pseudonym, gate []byte

	mu          sync.Mutex          // guards the following
	next        *roles              // made, but not delegated to yet; nil: none
	onDisk      *roles              // under the names of those in force
	former      []ed25519.PublicKey // of the status role, the newest first
	now         time.Time           // of the last Renew
	passKeys    []passKey           // ascending ids
	delegation  *link.Delegation
	delegations [][]byte   // sealed by the root, the newest first
	stamp       fileStamp  // of delegations' file
	wanted      *link.Root // that the configuration names, nil: none
	problem     error      // with the delegation's files, while an earlier one stands
	published   *link.Keyset
	sealed      []byte // published, sealed by the keyset role
	sealedBy    link.KeyID
}

// Options say which keys to open.
type Options struct {
	Dir, Site  string
	Passphrase []byte
	// Root has the public keys of an offline root; nil: central has its root, one
	// key of one, in Dir too.
	Root *link.Root
	Now  time.Time
}

// Open opens the key folder of a site, or makes it with all keys and a root of
// its own. ErrPassphrase for a wrong passphrase, ErrDamagedKeys if a key is
// missing in a folder that was complete once.
func Open(dir, site string, passphrase []byte, now time.Time) (*Issuer, error) {
	return OpenWith(Options{Dir: dir, Site: site, Passphrase: passphrase, Now: now})
}

// OpenWith is Open with more to say. *NoDelegation if the root is offline and
// has not signed yet: then the folder is made, with the request to sign in it.
func OpenWith(o Options) (*Issuer, error) {
	i, err := openKeys(o)
	if err != nil {
		return nil, err
	}
	if err := i.loadPassKeys(); err != nil {
		return nil, err
	}
	if err := i.settleRoles(); err != nil {
		return nil, err
	}
	return i, i.renewDelegation(o.Now)
}

// openKeys opens all keys but those of passes.
func openKeys(o Options) (*Issuer, error) {
	v, err := openVault(o.Dir, o.Passphrase)
	if err != nil {
		return nil, err
	}
	i := &Issuer{site: o.Site, vault: v, now: o.Now, wanted: o.Root}
	_, err = os.Stat(filepath.Join(o.Dir, authorityFile))
	complete := err == nil // the authority's certificate is written last
	if err := errors.Join(i.loadRoles(!complete), i.loadSecrets(!complete)); err != nil {
		return nil, err
	}
	if err := i.loadRoot(!complete); err != nil {
		return nil, err
	}
	i.authority, err = openAuthority(v, o.Site, !complete, o.Now)
	return i, err
}

func (i *Issuer) loadSecrets(create bool) (err error) {
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

// statusTypes and keysetTypes are what the roles' signers sign for others. Pass
// keys, gate keys and the delegation are put together here alone.
var (
	statusTypes = []link.Type{link.TypeHead, link.TypeDelta, link.TypeSnapshot, link.TypeRules, link.TypeAck, link.TypeTime, link.TypeUses, link.TypeCommand, link.TypeAudit}
	keysetTypes = []link.Type{link.TypeLanes}
)

// roleSigner signs the messages of one role for this site, with the key in force.
type roleSigner struct {
	issuer *Issuer
	key    func(*roles) *signer
	types  []link.Type
}

// KeyID names the key in force; link.Seal sees it if that changes meanwhile.
func (s roleSigner) KeyID() link.KeyID { return s.key(s.issuer.role.Load()).id }

// Sign signs a message of the role's types; ErrRefused for anything else.
func (s roleSigner) Sign(message []byte) ([]byte, error) {
	t, _, err := SplitMessage(s.issuer.site, message)
	if err == nil && !slices.Contains(s.types, t) {
		err = fmt.Errorf("%w: the role does not sign messages of type %d", ErrRefused, t)
	}
	if err != nil {
		return nil, err
	}
	return s.key(s.issuer.role.Load()).Sign(message)
}

// SplitMessage takes what a link.Signer is given to sign apart (TOPICS.md,
// "Envelope"). ErrRefused if it is none, or of another site.
func SplitMessage(site string, message []byte) (t link.Type, payload []byte, err error) {
	const prefix = "turnstile/1\x00"
	rest, ok := bytes.CutPrefix(message, []byte(prefix))
	if !ok || len(rest) < 2+len(site) || int(rest[1]) != len(site) || string(rest[2:2+len(site)]) != site {
		return 0, nil, fmt.Errorf("%w: no message of the site %s", ErrRefused, site)
	}
	return link.Type(rest[0]), rest[2+len(site):], nil
}

// Status returns the signer of the status role: feed, rules, acknowledgements.
func (i *Issuer) Status() link.Signer {
	return roleSigner{i, func(r *roles) *signer { return r.status }, statusTypes}
}

// Keyset returns a signer of the keyset role, for LANES documents alone.
func (i *Issuer) Keyset() link.Signer {
	return roleSigner{i, func(r *roles) *signer { return r.keyset }, keysetTypes}
}

// Authority returns the authority's certificate.
func (i *Issuer) Authority() *x509.Certificate { return i.authority.certificate }

// Mint signs p with the key of its week and returns it with the key's id set.
// ErrNoKey if Renew made no key for its day and kind.
func (i *Issuer) Mint(p pass.Pass) (pass.Pass, []byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock() // a withdrawal waits, and wipes the key afterwards
	key, ok := i.find(p.Kind, p.Day)
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

// StatusKeys returns the public keys of the status role: the one in force, and
// those before it, which signed what central has stored.
func (i *Issuer) StatusKeys() link.Keys {
	i.mu.Lock()
	defer i.mu.Unlock()
	return link.KeysOf(append([]ed25519.PublicKey{i.role.Load().status.public(), i.onDisk.status.public()}, i.former...)...)
}
