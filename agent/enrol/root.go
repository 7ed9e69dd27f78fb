package enrol

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"turnstile/central/link"
)

// RootFile is the name of the file in the data folder with the newest root that
// this machine accepted: with it a lane that lost its cache does not fall back to
// the root of its enrolment, whose keys may have been stolen since. Mode 0600.
const RootFile = "root.json"

// kept is the file's content.
type kept struct {
	Version    int               `json:"version"`
	Journal    ed25519.PublicKey `json:"journal"` // of the enrolment that it belongs to; after another one it counts for nothing
	Root       link.Root         `json:"root"`
	Delegation uint64            `json:"delegation"` // version of the newest delegation accepted
}

// KeepRoot stores the root and the version of the newest delegation that this
// machine accepted; Load returns them from then on. A version that is not newer
// than the one kept changes nothing.
func KeepRoot(dataDir string, root link.Root, delegation uint64) error {
	if !usableRoot(root) {
		return fmt.Errorf("keep root: threshold %d of %d keys", root.Threshold, len(root.Keys))
	}
	_, i, err := load(dataDir)
	if err != nil {
		return fmt.Errorf("keep root: %w", err)
	}
	if delegation <= i.Delegation {
		return nil
	}
	return writeJSON(dataDir, RootFile, kept{version, i.Journal.Public(), root, delegation})
}

// newestRoot puts the root that was kept in place of the enrolment's.
func (i *Identity) newestRoot(dataDir string) error {
	data, err := readFile(dataDir, RootFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var k kept
	if err := json.Unmarshal(data, &k); err != nil || k.Version != version || !usableRoot(k.Root) {
		return fmt.Errorf("%w (%s)", ErrDamaged, RootFile)
	}
	if i.Journal.Public().Equal(k.Journal) {
		i.Root, i.Delegation = k.Root, k.Delegation
	}
	return nil
}

// maxRootKeys bounds the keys of a root.
const maxRootKeys = 16

func usableRoot(r link.Root) bool {
	return r.Threshold >= 1 && r.Threshold <= len(r.Keys) && len(r.Keys) <= maxRootKeys &&
		!slices.ContainsFunc(r.Keys, func(k ed25519.PublicKey) bool { return len(k) != ed25519.PublicKeySize })
}
