package issuer

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"turnstile/central/link"
)

// Request is what a root is asked to sign: the delegation of roles, in words
// that the people of a ceremony can compare. It holds no secret.
type Request struct {
	Site      string              `json:"site"`
	Version   uint64              `json:"version"`
	Roots     []ed25519.PublicKey `json:"roots"`     // that will be trusted
	Threshold int                 `json:"threshold"` // how many of them must sign
	Before    *link.Root          `json:"before"`    // the root until now, which must sign too; null: none, or the same
	Keyset    []ed25519.PublicKey `json:"keyset"`
	Status    []ed25519.PublicKey `json:"status"`
	Expires   time.Time           `json:"expires"`
}

// What can be wrong with a request or with the signatures to it.
var (
	ErrRequestFile = errors.New("not a delegation request")
	ErrNotRoot     = errors.New("this key is no key of the root that the request names, nor of the one before")
	ErrTooFew      = errors.New("too few root keys have signed this request")
	ErrNoRequest   = errors.New("nothing to install: central asks for no delegation")
)

// maxRequest bounds a request's file in bytes.
const maxRequest = 16 << 10

// ParseRequest reads a request and checks it.
func ParseRequest(data []byte) (*Request, error) {
	var r Request
	if len(data) > maxRequest {
		return nil, fmt.Errorf("%w: %d bytes", ErrRequestFile, len(data))
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequestFile, err)
	}
	err := checkRoot(r.root())
	if err == nil && r.Before != nil {
		err = checkRoot(*r.Before)
	}
	for _, k := range append(append([]ed25519.PublicKey{}, r.Keyset...), r.Status...) {
		if len(k) != ed25519.PublicKeySize {
			err = errors.Join(err, fmt.Errorf("a role's key of %d bytes", len(k)))
		}
	}
	if err != nil || !link.ValidID(r.Site) || r.Version == 0 || len(r.Keyset) == 0 || len(r.Status) == 0 || len(r.Keyset)+len(r.Status) > MaxRoots {
		return nil, fmt.Errorf("%w: a field is missing or wrong: %w", ErrRequestFile, err)
	}
	return &r, nil
}

func (r *Request) root() link.Root { return link.Root{Keys: r.Roots, Threshold: r.Threshold} }

func (r *Request) delegation() link.Delegation {
	return link.Delegation{Version: r.Version, Roots: r.Roots, Threshold: uint8(r.Threshold), Keyset: r.Keyset, Status: r.Status, Expires: r.Expires.Unix()}
}

// Sign returns one root key's signature to the request, as it is handed to
// Install. ErrNotRoot for a key that the request does not name.
func (r *Request) Sign(key *RootKey) ([]byte, error) {
	known := r.Roots
	if r.Before != nil {
		known = append(append([]ed25519.PublicKey{}, known...), r.Before.Keys...)
	}
	s := newSigner(key.seed)
	if _, ok := link.KeysOf(known...)[s.id]; !ok {
		return nil, ErrNotRoot
	}
	return link.Seal(s, link.TypeDelegation, r.Site, r.delegation())
}

// target is the root that the next delegation should name.
func (i *Issuer) target() link.Root {
	if i.wanted != nil {
		return *i.wanted
	}
	return rootOf(i.delegation)
}

// asks reports whether somebody has to sign: at the first start, before the end,
// and when the configuration names another root.
func (i *Issuer) asks(now time.Time) bool {
	if i.delegation == nil {
		return true
	}
	another := i.wanted != nil && !sameRoot(*i.wanted, rootOf(i.delegation))
	return another || i.own == nil && i.next != nil || i.own == nil && time.Unix(i.delegation.Expires, 0).Sub(now) < DelegationWarn
}

// request writes down what the root has to sign, if there is something; one that
// stands and asks for the same is kept, for it may be signed already.
func (i *Issuer) request(now time.Time) error {
	path := filepath.Join(i.vault.dir, RequestFile)
	if !i.asks(now) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove request: %w", err)
		}
		return nil
	}
	r := i.newRequest(now)
	if !i.stands(path, r, now) {
		data, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		if err := writeFile(path, append(data, '\n')); err != nil {
			return err
		}
	}
	if i.delegation == nil {
		return &NoDelegation{path, r.Threshold, len(r.Roots)}
	}
	return nil
}

func (i *Issuer) newRequest(now time.Time) *Request {
	d := i.nextDelegation(i.target(), now)
	r := &Request{Site: i.site, Version: d.Version, Roots: d.Roots, Threshold: int(d.Threshold), Keyset: d.Keyset, Status: d.Status,
		Expires: time.Unix(d.Expires, 0).UTC()}
	if i.delegation != nil && !sameRoot(r.root(), rootOf(i.delegation)) {
		before := rootOf(i.delegation)
		r.Before = &before
	}
	return r
}

// stands reports whether the request on the disk asks for the same, with most of
// the life left.
func (i *Issuer) stands(path string, want *Request, now time.Time) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	r, err := ParseRequest(data)
	if err != nil || r.Expires.Sub(now) < delegationRenew {
		return false
	}
	r.Expires = want.Expires
	a, err1 := json.Marshal(r)
	b, err2 := json.Marshal(want)
	return err1 == nil && err2 == nil && string(a) == string(b)
}

// Install checks the root's signatures to the request in the folder of o and
// makes it the delegation that stands; a running central takes it by itself. If
// central's own root is replaced, it signs too, and ends. ErrTooFew if the
// thresholds of the root, and of the one before, are not met.
func Install(o Options, signatures [][]byte) (DelegationState, error) {
	r, err := readRequest(o.Dir)
	if err != nil {
		return DelegationState{}, err
	}
	root := r.root()
	o.Root = &root
	i, err := openKeys(o)
	if err != nil {
		return DelegationState{}, err
	}
	if err := i.install(r, signatures, o.Now); err != nil {
		return DelegationState{}, err
	}
	return i.Delegation()
}

func readRequest(dir string) (*Request, error) {
	data, err := os.ReadFile(filepath.Join(dir, RequestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoRequest
	}
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	return ParseRequest(data)
}

func (i *Issuer) install(r *Request, signatures [][]byte, now time.Time) error {
	if !i.stands(filepath.Join(i.vault.dir, RequestFile), i.newRequest(now), now) {
		return fmt.Errorf("%w: the request in the key folder is out of date: start central, which writes a new one", ErrRequestFile)
	}
	if i.own != nil {
		own, err := link.Seal(i.own, link.TypeDelegation, i.site, r.delegation())
		if err != nil {
			return err
		}
		signatures = append(signatures, own)
	}
	return i.accept(r, signatures)
}

// accept stores the signatures if they suffice.
func (i *Issuer) accept(r *Request, signatures [][]byte) error {
	m := link.KeysMessage{Version: link.Version, Delegation: signatures}
	before := r.root()
	if r.Before != nil {
		before = rootOf(i.delegation)
	}
	d, err := m.OpenDelegation(r.Site, before)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTooFew, err)
	}
	if !reflect.DeepEqual(*d, r.delegation()) {
		return fmt.Errorf("%w: they are signatures to another request", ErrTooFew)
	}
	if err := i.keep(signatures, r.root()); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(i.vault.dir, RequestFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove request: %w", err)
	}
	return nil
}
