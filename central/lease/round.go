package lease

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
)

// round shows that this central lives, buries those that do not, and takes and
// gives back leases.
func (k *Keeper) round(ctx context.Context) error {
	err := k.once(ctx)
	if errors.Is(err, errBuried) {
		return k.again(ctx)
	}
	return err
}

// stuck is how long a stopped central can hold up the others' transactions, as
// PostgreSQL's idle_in_transaction_session_timeout is set.
const stuck = 30 * time.Second

// errBuried tells that the others took this central for dead.
var errBuried = errors.New("the other centrals took this one for dead")

func (k *Keeper) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := k.config.Elapsed()
	err := k.config.DB.Beat(ctx, k.id)
	if errors.Is(err, database.ErrNotFound) {
		return errBuried
	}
	if err != nil {
		return err
	}
	// An error is the database's, which the others tell, or a role that may not.
	if n, err := k.config.DB.EndStuck(ctx, stuck); err == nil && n > 0 {
		k.config.Log.Warn("a central was stopped in the middle of a transaction, which is ended", "sessions", n)
	}
	living, err := k.look(ctx, began)
	if err != nil {
		return err
	}
	leases, err := k.config.DB.Leases(ctx)
	if err != nil {
		return err
	}
	take, release, wanted := share(k.id, living, leases)
	k.let(release)
	if err := k.config.DB.ReleaseLeases(ctx, k.id, release); err != nil {
		return err
	}
	if err := k.config.DB.TakeLeases(ctx, k.id, take); err != nil {
		return err
	}
	if len(take) > 0 || len(release) > 0 {
		if leases, err = k.config.DB.Leases(ctx); err != nil {
			return err
		}
	}
	return k.note(ctx, began, living, leases, wanted)
}

// again enters anew when the others have buried this central.
func (k *Keeper) again(ctx context.Context) error {
	k.mu.Lock()
	k.held, k.until = map[string]held{}, 0
	k.mu.Unlock()
	k.config.Changed()
	list, err := k.config.DB.Centrals(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Folder == k.config.Folder {
			return ErrTwin
		}
	}
	k.config.Log.Warn("this central joins again", "reason", errBuried)
	return k.enter(ctx)
}

// look returns the living centrals, this one among them, and buries dead ones.
func (k *Keeper) look(ctx context.Context, now time.Duration) ([]database.Central, error) {
	list, err := k.config.DB.Centrals(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]beat{}
	living := list[:0:0]
	for _, c := range list {
		b, known := k.seen[c.ID]
		if !known || b.number != c.Beat {
			b = beat{c.Beat, now}
		}
		seen[c.ID] = b
		if c.ID == k.id || now-b.at < life {
			living = append(living, c)
			continue
		}
		err := k.config.DB.Bury(ctx, c)
		if err != nil && !errors.Is(err, database.ErrNotFound) {
			return nil, err
		}
		k.config.Log.Warn("another central is dead", "name", c.Name)
	}
	k.seen = seen
	return living, nil
}

// let stops holding leases before the database says so.
func (k *Keeper) let(names []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range names {
		delete(k.held, n)
	}
}

// note makes what the database says what is held.
func (k *Keeper) note(ctx context.Context, began time.Duration, living []database.Central, leases []database.Lease, wanted [link.Partitions]bool) error {
	until := began + validFor
	if !k.shared {
		until = math.MaxInt64
	}
	next := map[string]held{}
	for _, l := range leases {
		if l.Owner != k.id {
			continue
		}
		h, err := k.extend(ctx, l)
		if errors.Is(err, database.ErrFenced) {
			continue
		}
		if err != nil {
			return err
		}
		next[l.Name] = h
	}
	k.mu.Lock()
	changed := !sameNames(next, k.held) || wanted != k.wanted
	k.held, k.until, k.wanted, k.members = next, until, wanted, k.summary(living, leases)
	k.mu.Unlock()
	if changed {
		k.config.Changed()
	}
	return nil
}

// patience is how long the owner of a job waits until its clock has passed what
// the owner before it may have signed; then that clock was wrong, or its own is.
const patience = 10 * time.Second

// extend returns how a lease stands that this central has, and for a job notes in
// the database how far it may date what it signs.
func (k *Keeper) extend(ctx context.Context, l database.Lease) (held, error) {
	k.mu.Lock()
	h, known := k.held[l.Name]
	k.mu.Unlock()
	if !known || h.Fence != l.Fence {
		h = held{Lease: l, since: k.config.Elapsed()}
	}
	if !k.shared || partitionOf(l.Name) >= 0 {
		return h, nil
	}
	now := k.config.Now()
	if !h.late && h.until == 0 && now.UnixMilli() <= l.Signed && k.config.Elapsed()-h.since < patience {
		return h, nil // not yet: h.until is 0
	}
	if h.until == 0 && now.UnixMilli() <= l.Signed {
		h.late = true
		k.config.Log.Error("this central's clock is behind another's, which signed before it: see to the time synchronisation of both", "behind", time.UnixMilli(l.Signed).Sub(now))
	}
	h.until = now.Add(validFor + Every).UnixMilli()
	return h, k.config.DB.SignUpTo(ctx, l, h.until)
}

func sameNames(a, b map[string]held) bool {
	if len(a) != len(b) {
		return false
	}
	for name, h := range a {
		if o, ok := b[name]; !ok || o.Fence != h.Fence || (o.until == 0) != (h.until == 0) {
			return false
		}
	}
	return true
}

// summary is who does what, for people.
func (k *Keeper) summary(living []database.Central, leases []database.Lease) []Member {
	list := make([]Member, 0, len(living))
	for _, c := range living {
		m := Member{Name: c.Name, Self: c.ID == k.id, Joined: time.UnixMilli(c.Joined)}
		for _, l := range leases {
			switch {
			case l.Owner != c.ID:
			case partitionOf(l.Name) >= 0:
				m.Partitions++
			default:
				m.Jobs = append(m.Jobs, l.Name)
			}
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b Member) int { return cmpName(a.Name, b.Name) })
	return list
}

// errLost tells that a job is not this central's now.
var errLost = fmt.Errorf("%w: or the database does not answer", database.ErrFenced)
