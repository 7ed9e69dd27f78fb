package exchange

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
)

// documentName is the members' name among the database's documents.
const documentName = "lanes"

// changeEvery is the shortest time between two versions: a lane that reports other
// zones all the time makes no more of them.
const changeEvery = 10 * time.Second

// resendEvery is the shortest time between two publications because a lane lacks
// the newest version.
const resendEvery = 10 * time.Second

// documents are the lists as they stand.
type documents struct {
	current uint64                // version, 0: never made
	members map[uint8][]link.Peer // by zone, ascending ids
	sealed  map[uint8][]byte      // of this version; nil: not signed yet
	signer  link.KeyID            // of this version
	changed time.Time
	resent  time.Time
	leading bool // this central makes them, and has loaded what there was
}

// stored is how the members stand in the database.
type stored struct {
	Zones  map[uint8][]link.Peer `json:"zones"`
	Signer link.KeyID            `json:"signer"` // lanes keep the documents: another key makes another version
}

func (x *Exchange) load(ctx context.Context) error {
	version, body, err := x.config.DB.Document(ctx, documentName)
	if errors.Is(err, database.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var s stored
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		return fmt.Errorf("read version %d: %w", version, err)
	}
	x.current, x.members, x.signer, x.sealed = version, s.Zones, s.Signer, nil
	x.version.Store(version)
	return nil
}

// follow loads what the central that makes the documents stored, and makes them
// from now on if that is this one. It reports whether it is; working is held.
func (x *Exchange) follow(ctx context.Context) (bool, error) {
	held := x.held()
	if x.config.Signer == nil || held && x.leading {
		return held, nil
	}
	if err := x.load(ctx); err != nil {
		return false, err
	}
	x.leading = held
	return held, nil
}

// Version returns the version of the LANES documents for heads, 0 if there are
// none. A new one is told when its documents are published.
func (x *Exchange) Version() uint64 { return x.version.Load() }

// Online publishes all documents if this central makes them; to be called after each
// connect, before the head.
func (x *Exchange) Online(ctx context.Context) error {
	x.working.Lock()
	defer x.working.Unlock()
	if held, err := x.follow(ctx); err != nil || !held {
		return err
	}
	if err := x.renew(ctx); err != nil {
		return err
	}
	x.publish(ctx)
	return nil
}

// look renews and publishes the documents if the fleet changed.
func (x *Exchange) look(ctx context.Context) error {
	x.working.Lock()
	defer x.working.Unlock()
	held, err := x.follow(ctx)
	if err != nil {
		return err
	}
	if !held {
		x.gather() // for whom uses are passed on
		return nil
	}
	if err := x.renew(ctx); err != nil {
		return err
	}
	if x.version.Load() == x.current {
		return nil
	}
	x.publish(ctx)
	return nil
}

// renew makes a new version if the members changed, durable before anybody sees
// it, and signs what is not signed yet; working is held.
func (x *Exchange) renew(ctx context.Context) error {
	now := x.config.Now()
	since := now.Sub(x.changed)
	signer := x.config.Keyset.KeyID()
	members, over := x.gather()
	if x.current > 0 && signer != x.signer || !same(members, x.members) && (since < 0 || since >= changeEvery) {
		if over > 0 {
			x.config.Log.Error("a zone has too many lane controllers; the last ones by id do not hear of the others", "over", over, "most", link.MaxPeers)
		}
		version := max(x.current+1, uint64(now.UnixMilli()))
		body, err := json.Marshal(stored{members, signer})
		if err != nil {
			return fmt.Errorf("encode members: %w", err)
		}
		if err := x.store(ctx, version, string(body), now.UnixMilli()); err != nil {
			return fmt.Errorf("store members: %w", err)
		}
		x.current, x.members, x.signer, x.sealed, x.changed = version, members, signer, nil, now
	}
	if x.sealed != nil {
		return nil
	}
	return x.seal(now)
}

// store stands on the lease: who was stopped and wakes stores nothing.
func (x *Exchange) store(ctx context.Context, version uint64, body string, at int64) error {
	return x.config.DB.Feed(ctx, func(tx *database.FeedTx) error {
		if x.config.Signer != nil {
			l, held := x.config.Signer.Lease()
			if !held {
				return database.ErrFenced
			}
			if err := tx.Fence(l); err != nil {
				return err
			}
		}
		return tx.ReplaceDocument(documentName, version, body, "central", at)
	})
}

// gather returns the members by what the fleet reports, and how many found no room.
func (x *Exchange) gather() (members map[uint8][]link.Peer, over int) {
	members = map[uint8][]link.Peer{}
	zones := map[string]uint16{}
	for _, l := range x.config.Lanes() {
		if len(l.Key) != ed25519.PublicKeySize {
			continue // removed in this moment; with it the whole list would be refused
		}
		zones[l.ID] = l.Zones
		for z := range uint8(16) {
			switch {
			case l.Zones&bit(z) == 0:
			case len(members[z]) >= link.MaxPeers:
				over++
			default:
				members[z] = append(members[z], link.Peer{ID: l.ID, Key: l.Key})
			}
		}
	}
	x.reported.Store(&zones)
	return members, over
}

func same(a, b map[uint8][]link.Peer) bool {
	return maps.EqualFunc(a, b, func(a, b []link.Peer) bool {
		return slices.EqualFunc(a, b, func(a, b link.Peer) bool { return a.ID == b.ID && bytes.Equal(a.Key, b.Key) })
	})
}

func (x *Exchange) seal(now time.Time) error {
	sealed := map[uint8][]byte{}
	for z, list := range x.members {
		m, err := link.Seal(x.config.Keyset, link.TypeLanes, x.config.Site,
			link.Lanes{Zone: z, Version: x.current, Lanes: list, Issued: now.UnixMilli()})
		if err != nil {
			return fmt.Errorf("sign lanes of zone %d: %w", z, err)
		}
		sealed[z] = m
	}
	x.sealed = sealed
	return nil
}

// publish sends all documents, retained, and clears those of zones without lanes.
// Only then heads name the version, so that a lane asks for nothing that is still
// on its way.
func (x *Exchange) publish(ctx context.Context) {
	for z := range uint8(16) {
		if err := x.config.Publisher.Publish(ctx, x.topics.ZoneLanes(z), x.sealed[z], 0, true); err != nil {
			x.config.Log.Debug("publish lanes", "zone", z, "error", err) // Online sends all again
			return
		}
	}
	x.version.Store(x.current)
}

// resend publishes the documents again for a lane that has an older version.
func (x *Exchange) resend(ctx context.Context, version uint64) {
	x.working.Lock()
	defer x.working.Unlock()
	now := x.config.Now()
	since := now.Sub(x.resent)
	if version >= x.current || x.sealed == nil || since >= 0 && since < resendEvery {
		return
	}
	x.resent = now
	x.publish(ctx)
}
