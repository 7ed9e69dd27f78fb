package neighbours

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// zone is what is known of one of the controller's zones; the zero value is a
// zone without a document. Replaced, never changed, once it has one.
type zone struct {
	lanes  *link.Lanes
	others []*peer
}

// peer is another controller.
type peer struct {
	id    string
	key   ed25519.PublicKey
	zones uint16 // that it shares with this one; a bit each
	hearing
}

// errTwice tells that somebody with a good key signs two documents as one.
var errTwice = fmt.Errorf("%w: two LANES documents of one version", link.ErrForged)

// takeLanes takes a zone's LANES document. One that is older than what this
// controller has, or than the newest head says, changes nothing: the broker may
// have kept it, and central is asked for the other.
func (n *Neighbours) takeLanes(z uint8, payload []byte) error {
	if len(payload) == 0 {
		return nil // cleared
	}
	l, err := n.openLanes(z, payload)
	if errors.Is(err, errNoKeys) {
		return nil // asked for again once there are keys
	}
	if err != nil {
		return err
	}
	fresh, err := n.newer(l)
	if err != nil || !fresh {
		return err
	}
	if err := n.writeFile(lanesFile(z), payload); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.use(l)
	return nil
}

// newer reports whether a document goes on from what is known.
func (n *Neighbours) newer(l *link.Lanes) (bool, error) {
	floor := n.c.Version()
	n.mu.Lock()
	defer n.mu.Unlock()
	have := n.zones[l.Zone].lanes
	if have != nil && have.Version == l.Version && !slices.EqualFunc(have.Lanes, l.Lanes, samePeer) {
		return false, errTwice
	}
	return l.Version >= floor && (have == nil || l.Version > have.Version), nil
}

func samePeer(a, b link.Peer) bool { return a.ID == b.ID && bytes.Equal(a.Key, b.Key) }

func (n *Neighbours) openLanes(z uint8, data []byte) (*link.Lanes, error) {
	d := n.c.Delegation()
	if d == nil {
		return nil, errNoKeys
	}
	l, err := link.Open[link.Lanes](data, link.TypeLanes, n.c.Site, link.KeysOf(d.Keyset...), link.MaxDocument)
	if err != nil {
		return nil, err
	}
	if l.Zone != z {
		return nil, fmt.Errorf("%w: lanes of zone %d for zone %d", link.ErrMalformed, l.Zone, z)
	}
	return l, l.Check()
}

// use puts a document in force; mu is held.
func (n *Neighbours) use(l *link.Lanes) {
	n.zones[l.Zone] = &zone{lanes: l}
	old := n.peers
	n.peers = map[link.KeyID]*peer{}
	for id, z := range n.zones {
		if z.lanes != nil {
			n.join(id, z.lanes, old)
		}
	}
}

// join enters a zone's controllers; what was heard of one stays. mu is held.
func (n *Neighbours) join(id uint8, l *link.Lanes, old map[link.KeyID]*peer) {
	z := &zone{lanes: l}
	for _, m := range l.Lanes {
		if m.ID == n.c.Lane {
			continue
		}
		key := link.IDOf(m.Key)
		p := n.peers[key]
		if p == nil {
			p = &peer{id: m.ID, key: m.Key}
			if was := old[key]; was != nil {
				p.hearing = was.hearing
			}
			n.peers[key] = p
		}
		p.zones |= 1 << id
		z.others = append(z.others, p)
	}
	n.zones[id] = z
}

// shares reports whether a neighbour is in a zone of this controller.
func (n *Neighbours) shares(p *peer, z uint8) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return z <= 15 && p.zones&(1<<z) != 0
}

// Home reports whether this controller is the pass's home in the zone; false
// without the zone's document. Two controllers with different documents may both
// be, or none, until the newer one reached both.
func (n *Neighbours) Home(z uint8, id pass.ID) bool {
	n.mu.Lock()
	at := n.zones[z]
	n.mu.Unlock()
	if at == nil || at.lanes == nil {
		return false
	}
	return HomeOf(at.lanes, id) == n.c.Lane
}

// HomeOf returns the id of a pass's home among the controllers of a document, ""
// if it has none.
func HomeOf(l *link.Lanes, id pass.ID) (home string) {
	b := append(make([]byte, 0, 64), "turnstile-home/1\x00"...)
	b = binary.BigEndian.AppendUint16(append(b, l.Zone), uint16(id.Day))
	b = append(b, byte(id.Index>>16), byte(id.Index>>8), byte(id.Index))
	var best link.Hash
	for _, p := range l.Lanes {
		h := link.Hash(sha256.Sum256(append(b, p.ID...)))
		if home == "" || bytes.Compare(h[:], best[:]) > 0 {
			home, best = p.ID, h
		}
	}
	return home
}

func lanesFile(z uint8) string { return fmt.Sprintf("lanes-%d.cbor", z) }

// readFiles puts the documents of earlier starts in force, once there is a
// delegation to check them with. One that is damaged is fetched again.
func (n *Neighbours) readFiles() {
	if n.c.Delegation() == nil {
		return
	}
	for _, z := range n.sortedZones() {
		n.mu.Lock()
		done := n.zones[z].lanes != nil || n.read[z]
		n.read[z] = true
		n.mu.Unlock()
		if done {
			continue
		}
		l, err := n.readLanes(z)
		if err != nil {
			n.c.Log.Warn("list of a zone's lanes cannot be used; central sends it again", "zone", z, "error", err)
			continue
		}
		n.mu.Lock()
		if l != nil && n.zones[z].lanes == nil {
			n.use(l)
		}
		n.mu.Unlock()
	}
}

// readLanes returns a zone's document; nil if there is no file.
func (n *Neighbours) readLanes(z uint8) (*link.Lanes, error) {
	data, err := n.readFile(lanesFile(z), link.MaxDocument)
	if err != nil || data == nil {
		return nil, err
	}
	return n.openLanes(z, data)
}

// readFile returns a file of at most limit bytes; nil if there is none.
func (n *Neighbours) readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(filepath.Join(n.c.Dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%w: %s", link.ErrOversized, name)
	}
	return data, err
}

// writeFile puts a file in place at once and durably.
func (n *Neighbours) writeFile(name string, data []byte) error {
	path := filepath.Join(n.c.Dir, name)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	d, err := os.Open(n.c.Dir)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer d.Close()
	return d.Sync()
}
