package issuer

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"turnstile/central/link"
)

// Role keys are changed in steps; each is durable before the next begins, and a
// start goes on where the last one ended:
//
//  1. NewRoles makes keyset-next.key and status-next.key beside those in force.
//  2. The root signs a delegation that names them and no others. Central's own
//     root does so at the next Renew, an offline one is asked by a request.
//  3. delegation.cbor is replaced: from here on the new keys are in force.
//  4. The keyset is sealed again, the new keys take the names of the old ones,
//     whose private halves are gone with that.
//
// KEYS goes out with the new delegation and the keyset sealed by the new key, so
// a lane that believes the old delegation needs nothing else to follow.

// roles are the keys of the two online roles.
type roles struct{ keyset, status *signer }

// Names of the key files.
const (
	keysetRole = "keyset"
	statusRole = "status"
	nextSuffix = "-next"
	formerName = "former"
)

// maxFormer bounds the status keys before the one in force that are remembered.
const maxFormer = 8

// named reports whether a delegation is of these keys.
func (r *roles) named(d *link.Delegation) bool {
	has := func(list []ed25519.PublicKey, s *signer) bool {
		return slices.ContainsFunc(list, func(k ed25519.PublicKey) bool { return k.Equal(s.public()) })
	}
	return has(d.Keyset, r.keyset) && has(d.Status, r.status)
}

// loadRoles reads the keys in force, those that wait, and who came before.
func (i *Issuer) loadRoles(create bool) error {
	r, err := i.vault.roles("", create)
	if err != nil {
		return err
	}
	i.role.Store(r)
	i.onDisk = r
	if i.next, err = i.loadNext(); err != nil {
		return err
	}
	text, err := i.vault.get(formerName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || json.Unmarshal(text, &i.former) != nil {
		return fmt.Errorf("%w: %s", ErrDamagedKeys, i.vault.path(formerName))
	}
	return nil
}

func (v *vault) roles(suffix string, create bool) (*roles, error) {
	keyset, err := v.secret(keysetRole+suffix, ed25519.SeedSize, create)
	if err != nil {
		return nil, err
	}
	status, err := v.secret(statusRole+suffix, ed25519.SeedSize, create)
	if err != nil {
		return nil, err
	}
	return &roles{newSigner(keyset), newSigner(status)}, nil
}

// loadNext reads the keys that wait for their delegation, nil if there are none:
// also if NewRoles was interrupted, or if they are in force and only their files
// are left.
func (i *Issuer) loadNext() (*roles, error) {
	for _, name := range []string{keysetRole, statusRole} {
		if _, err := os.Stat(i.vault.path(name + nextSuffix)); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	r, err := i.vault.roles(nextSuffix, false)
	if err != nil {
		return nil, err
	}
	if now := i.role.Load(); r.status.id == now.status.id && r.keyset.id == now.keyset.id {
		return nil, nil
	}
	return r, nil
}

func (v *vault) removeNext() error {
	for _, name := range []string{keysetRole, statusRole} {
		if err := os.Remove(v.path(name + nextSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove role key: %w", err)
		}
	}
	return syncFolder(v.dir)
}

// errRoles tells that a delegation is of other keys than those in this folder.
var errRoles = errors.New("it delegates to other keys than this folder's")

// take puts those role keys in force that a delegation names. Called with mu
// held, or before the issuer is shared.
func (i *Issuer) take(d *link.Delegation) error {
	switch {
	case i.role.Load().named(d):
		return nil
	case i.next != nil && i.next.named(d):
		i.role.Store(i.next)
		i.next = nil
		return nil
	}
	return errRoles
}

// settleRoles makes the files agree with the role keys in force: at a start, and
// when they have changed. The private halves of those before end here.
func (i *Issuer) settleRoles() error {
	if err := i.resealKeyset(); err != nil {
		return err
	}
	now := i.role.Load()
	if i.onDisk.status.id != now.status.id {
		if err := i.rememberStatus(i.onDisk.status.public()); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name     string
		old, now *signer
	}{{keysetRole, i.onDisk.keyset, now.keyset}, {statusRole, i.onDisk.status, now.status}} {
		if f.old.id == f.now.id {
			continue
		}
		if err := i.vault.put(f.name, f.now.key.Seed()); err != nil {
			return err
		}
	}
	i.onDisk = now
	if i.next != nil {
		return nil // they wait for the root
	}
	return i.vault.removeNext()
}

// rememberStatus keeps the public half of a status key that ends.
func (i *Issuer) rememberStatus(k ed25519.PublicKey) error {
	if slices.ContainsFunc(i.former, func(old ed25519.PublicKey) bool { return old.Equal(k) }) {
		return nil
	}
	i.former = append([]ed25519.PublicKey{k}, i.former[:min(len(i.former), maxFormer-1)]...)
	text, err := json.Marshal(i.former)
	if err != nil {
		return fmt.Errorf("encode former keys: %w", err)
	}
	return i.vault.put(formerName, text)
}

// resealKeyset signs the keyset in force with the key in force. What goes out is
// right even if it cannot be written down.
func (i *Issuer) resealKeyset() error {
	if i.sealed == nil || i.sealedBy == i.role.Load().keyset.id {
		return nil
	}
	sealed, err := link.Seal(i.role.Load().keyset, link.TypeKeyset, i.site, *i.published)
	if err != nil {
		return err
	}
	i.sealed = sealed
	if err := writeFile(filepath.Join(i.vault.dir, keysetFile), sealed); err != nil {
		return err
	}
	i.sealedBy = i.role.Load().keyset.id
	return nil
}

// Why role keys cannot be changed now.
var (
	ErrNotStarted = errors.New("the root has delegated to nobody yet: start central first")
	ErrUnsettled  = errors.New("the role keys of the last change are not in their place yet: start central, or wait until the running one has taken them, and try again")
)

// NewRoles makes new keys for the keyset and status roles in the folder of o, or
// finds those that wait already, and asks an offline root to delegate to them;
// State.Request is what it has to sign. Central's own root does so by itself, in a
// running central or at its next start. Until then nothing changes.
func NewRoles(o Options) (DelegationState, error) {
	if _, err := os.Stat(filepath.Join(o.Dir, delegationFile)); errors.Is(err, fs.ErrNotExist) {
		return DelegationState{}, ErrNotStarted
	}
	i, err := openKeys(o)
	if err != nil {
		return DelegationState{}, err
	}
	if i.role.Load().status.id != i.onDisk.status.id || i.role.Load().keyset.id != i.onDisk.keyset.id {
		return DelegationState{}, ErrUnsettled // the waiting files are all there is of the keys in force
	}
	if i.next == nil {
		if err := i.vault.removeNext(); err != nil { // what an interrupted change left
			return DelegationState{}, err
		}
		if i.next, err = i.vault.roles(nextSuffix, true); err != nil {
			return DelegationState{}, err
		}
	}
	if err := i.request(o.Now); err != nil {
		return DelegationState{}, err
	}
	return i.Delegation()
}

// What stands in the way of CancelRoles.
var (
	ErrNoChange = errors.New("no role keys wait for the root: there is nothing to cancel")
	ErrOwnRoot  = errors.New("central's own root delegates to new role keys by itself: that is not cancelled, but they can be changed again")
)

// CancelRoles gives up the role keys that NewRoles made and that the offline root
// has not delegated to; those in force stay. Signatures that the root has made for
// them are of no use to central any more, but a lane would believe them: they must
// be destroyed. It must not run beside Install. ErrNoChange, ErrOwnRoot.
func CancelRoles(o Options) (DelegationState, error) {
	if _, err := os.Stat(filepath.Join(o.Dir, delegationFile)); errors.Is(err, fs.ErrNotExist) {
		return DelegationState{}, ErrNotStarted
	}
	i, err := openKeys(o)
	switch {
	case err != nil:
		return DelegationState{}, err
	case i.own != nil:
		return DelegationState{}, ErrOwnRoot
	case i.next == nil:
		return DelegationState{}, ErrNoChange
	}
	if err := i.vault.removeNext(); err != nil {
		return DelegationState{}, err
	}
	i.next = nil
	if err := i.request(o.Now); err != nil {
		return DelegationState{}, err
	}
	return i.Delegation()
}
