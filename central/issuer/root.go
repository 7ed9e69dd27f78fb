package issuer

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"turnstile/central/link"
)

// Files of the root in the key folder.
const (
	rootFile       = "root.json"
	delegationFile = "delegation.cbor"
	RequestFile    = "delegation.request"
)

// Lives of a delegation. One's own root renews it at half of its life; people
// who have to come together are asked in time.
const (
	delegationLife  = 2 * 365 * 24 * time.Hour
	delegationRenew = delegationLife / 2
	// DelegationWarn is how long before the end of an offline root's delegation
	// the next one is asked for.
	DelegationWarn = 120 * 24 * time.Hour
)

// maxSealed bounds the root signatures kept, as many as lanes look at: the
// newest delegation's, and those that lead up to it.
const maxSealed = 16

// fileStamp tells whether a file was replaced.
type fileStamp struct {
	changed time.Time
	size    int64
}

func stampOf(path string) (fileStamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}, err
	}
	return fileStamp{info.ModTime(), info.Size()}, nil
}

// NoDelegation tells that the root has not signed yet. Path is the request.
type NoDelegation struct {
	Path      string
	Threshold int
	Keys      int
}

// Error says what to do.
func (n *NoDelegation) Error() string {
	return fmt.Sprintf("the root has not delegated yet: sign %s with %d of the %d root keys (central root sign), install the signatures (central root install), and start again",
		n.Path, n.Threshold, n.Keys)
}

// loadRoot finds out who the root is: root.json names one that is offline.
// Without it the root's key stands here, and is made with create.
func (i *Issuer) loadRoot(create bool) error {
	offline, err := i.offlineRoot()
	switch {
	case err != nil:
		return err
	case offline != nil:
		return i.loadDelegation(*offline)
	case i.wanted != nil && create:
		return i.loadDelegation(*i.wanted)
	}
	seed, err := i.vault.secret("root", ed25519.SeedSize, create)
	if err != nil && i.wanted != nil { // the root.json of a first start is written when it was delegated
		return i.loadDelegation(*i.wanted)
	}
	if err != nil {
		return err
	}
	i.own = newSigner(seed)
	return i.loadDelegation(link.Root{Keys: []ed25519.PublicKey{i.own.public()}, Threshold: 1})
}

// offlineRoot returns the root of root.json, nil if there is none.
func (i *Issuer) offlineRoot() (*link.Root, error) {
	path := filepath.Join(i.vault.dir, rootFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read root: %w", err)
	}
	r, err := ParseRoot(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamagedKeys, path, err)
	}
	return r, nil
}

// ErrRoot tells that a document does not name a root.
var ErrRoot = errors.New("not the public keys of a root")

// MaxRoots bounds the keys of a root: their signatures and those of the root
// before it have to fit into one message.
const MaxRoots = 7

// ParseRoot reads the public part of a root: JSON with keys and threshold.
func ParseRoot(data []byte) (*link.Root, error) {
	var r link.Root
	if len(data) > link.MaxState {
		return nil, fmt.Errorf("%w: %d bytes", ErrRoot, len(data))
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRoot, err)
	}
	return &r, checkRoot(r)
}

func checkRoot(r link.Root) error {
	if r.Threshold < 1 || r.Threshold > len(r.Keys) || len(r.Keys) > MaxRoots {
		return fmt.Errorf("%w: threshold %d of %d keys, at most %d", ErrRoot, r.Threshold, len(r.Keys), MaxRoots)
	}
	seen := map[link.KeyID]bool{}
	for _, k := range r.Keys {
		if len(k) != ed25519.PublicKeySize || seen[link.IDOf(k)] {
			return fmt.Errorf("%w: a key of another length, or twice the same", ErrRoot)
		}
		seen[link.IDOf(k)] = true
	}
	return nil
}

func sameRoot(a, b link.Root) bool {
	return a.Threshold == b.Threshold && slices.EqualFunc(a.Keys, b.Keys, func(x, y ed25519.PublicKey) bool { return x.Equal(y) })
}

// rootOf returns the root that a delegation names.
func rootOf(d *link.Delegation) link.Root {
	return link.Root{Keys: d.Roots, Threshold: int(d.Threshold)}
}

// loadDelegation reads the delegation that stands and checks it against the
// root; none is no error. One that names another root than central's own ends a
// rotation that was installed: the own key is of no use any more.
func (i *Issuer) loadDelegation(root link.Root) error {
	path := filepath.Join(i.vault.dir, delegationFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read delegation: %w", err)
	}
	sealed := splitDelegation(data)
	m := link.KeysMessage{Version: link.Version, Delegation: sealed}
	d, err := m.OpenDelegation(i.site, root)
	if err == nil {
		err = i.take(d)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamagedKeys, path, err)
	}
	if i.stamp, err = stampOf(path); err != nil {
		return fmt.Errorf("read delegation: %w", err)
	}
	i.delegation, i.delegations = d, sealed
	return i.settleRoot()
}

// splitDelegation returns the signatures in a delegation's file: a list, or in
// folders of earlier versions one alone.
func splitDelegation(data []byte) [][]byte {
	if m, err := link.ParseKeys(data); err == nil && len(m.Delegation) > 0 {
		return m.Delegation
	}
	return [][]byte{data}
}

// settleRoot writes down the root that the delegation names if it is not
// central's own, and ends that one.
func (i *Issuer) settleRoot() error {
	root := rootOf(i.delegation)
	if i.own != nil && sameRoot(root, i.ownRoot()) {
		return nil
	}
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return fmt.Errorf("encode root: %w", err)
	}
	path := filepath.Join(i.vault.dir, rootFile)
	if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, data) {
		if err := writeFile(path, data); err != nil {
			return err
		}
	}
	i.own = nil
	if err := os.Remove(i.vault.path("root")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("end own root: %w", err)
	}
	return syncFolder(i.vault.dir)
}

func (i *Issuer) ownRoot() link.Root {
	return link.Root{Keys: []ed25519.PublicKey{i.own.public()}, Threshold: 1}
}

// renewDelegation takes a delegation that was installed meanwhile; central's own
// root signs the next one when half of its life is over, an offline one is asked.
// Called with mu held, or before the issuer is shared.
func (i *Issuer) renewDelegation(now time.Time) error {
	next, err := i.loadNext() // made by NewRoles meanwhile
	if err != nil && i.delegation != nil {
		i.problem = err
		return nil // lanes have what they need; days must go on
	}
	i.next = next
	if i.delegation != nil {
		stamp, err := stampOf(filepath.Join(i.vault.dir, delegationFile))
		if err == nil && stamp != i.stamp {
			err = errors.Join(i.loadDelegation(rootOf(i.delegation)), i.settleRoles())
		}
		if i.problem = err; err != nil {
			return nil // lanes have the one before; days must go on
		}
	}
	if i.own != nil && (i.delegation == nil || i.next != nil || time.Unix(i.delegation.Expires, 0).Sub(now) <= delegationRenew) {
		return i.delegateSelf(now)
	}
	if err := i.request(now); i.delegation == nil {
		return err
	} else {
		i.problem = err
	}
	return nil
}

// delegateSelf signs the next delegation with central's own root.
func (i *Issuer) delegateSelf(now time.Time) error {
	d := i.nextDelegation(i.ownRoot(), now)
	sealed, err := link.Seal(i.own, link.TypeDelegation, i.site, d)
	if err != nil {
		return err
	}
	return errors.Join(i.keep([][]byte{sealed}, i.ownRoot()), i.settleRoles())
}

func (i *Issuer) nextDelegation(root link.Root, now time.Time) link.Delegation {
	r := i.role.Load()
	if i.next != nil {
		r = i.next
	}
	d := link.Delegation{Version: 1, Roots: root.Keys, Threshold: uint8(root.Threshold), Keyset: []ed25519.PublicKey{r.keyset.public()},
		Status: []ed25519.PublicKey{r.status.public()}, Expires: now.Add(delegationLife).Unix()}
	if i.delegation != nil {
		d.Version = i.delegation.Version + 1
	}
	return d
}

// keep stores new signatures in front of those that lead up to them, and takes
// what they say.
func (i *Issuer) keep(sealed [][]byte, root link.Root) error {
	if i.delegation != nil && !sameRoot(root, rootOf(i.delegation)) || i.own == nil {
		sealed = append(slices.Clone(sealed), i.delegations...)
	}
	m := link.KeysMessage{Version: link.Version, Delegation: sealed[:min(len(sealed), maxSealed)]}
	data, err := m.Encode()
	if err != nil {
		return fmt.Errorf("encode delegation: %w", err)
	}
	if err := writeFile(filepath.Join(i.vault.dir, delegationFile), data); err != nil {
		return err
	}
	if i.delegation != nil {
		root = rootOf(i.delegation)
	}
	return i.loadDelegation(root)
}

// Root returns what a lane is given to trust at its enrolment.
func (i *Issuer) Root() link.Root {
	i.mu.Lock()
	defer i.mu.Unlock()
	return rootOf(i.delegation)
}

// DelegationState tells how long the root's word lasts.
type DelegationState struct {
	Version   uint64
	Expires   time.Time
	Threshold int
	Keys      int
	Offline   bool   // the root's keys are not in this folder
	Request   string // path of what the root has to sign, "" if nothing
	Problem   error  // why the folder's delegation or request cannot be used, nil: it can
}

// Delegation returns the state of the delegation.
func (i *Issuer) Delegation() (DelegationState, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	d := i.delegation
	s := DelegationState{Version: d.Version, Expires: time.Unix(d.Expires, 0), Threshold: int(d.Threshold), Keys: len(d.Roots), Offline: i.own == nil, Problem: i.problem}
	if path := filepath.Join(i.vault.dir, RequestFile); i.asks(i.now) {
		s.Request = path
	}
	return s, nil
}
