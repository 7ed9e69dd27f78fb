package feed

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnstile/agent/cache"
	"turnstile/central/link"
)

// snapshot keeps a SNAPSHOT until the set that a head names is complete. topic
// is "" if it came as a repeat.
func (f *Feed) snapshot(payload []byte, topic string) (Result, error) {
	n, err := openSigned[link.Snapshot](f, payload, link.TypeSnapshot, link.MaxDocument)
	if err != nil {
		return Result{}, err
	}
	if _, day, ok := strings.Cut(topic, "/day/"); ok && day != strconv.Itoa(int(n.Day)) {
		return Result{}, fmt.Errorf("%w: the snapshot of %s on the topic of another day", link.ErrMalformed, n.Day)
	}
	if s := f.standing(); s != nil && (n.Epoch < s.Epoch || n.Epoch == s.Epoch && n.Seq < s.Seq) {
		return Result{}, fmt.Errorf("%w: snapshot at %d", ErrOld, n.Seq)
	}
	key := uint16(n.Day)
	if old := f.snaps[key]; old != nil && (n.Epoch < old.Epoch || n.Epoch == old.Epoch && n.Seq < old.Seq) {
		return Result{}, fmt.Errorf("%w: snapshot at %d", ErrOld, n.Seq)
	}
	if _, err := n.List(); err != nil {
		return Result{}, err
	}
	f.snaps[key] = n
	f.boundSnaps()
	changed, err := f.adopt()
	if err != nil || !changed {
		return Result{}, err
	}
	return f.follow(Result{Changed: true})
}

// boundSnaps keeps the newest sets only.
func (f *Feed) boundSnaps() {
	for len(f.snaps) > 2*link.MaxOpenDays {
		oldest := slices.MinFunc(slices.Collect(maps.Values(f.snaps)), func(a, b *link.Snapshot) int {
			if a.Epoch != b.Epoch {
				return int(int64(a.Epoch) - int64(b.Epoch))
			}
			return int(int64(a.Seq) - int64(b.Seq))
		})
		delete(f.snaps, uint16(oldest.Day))
	}
}

// adopt takes the snapshots that the newest head names, if all are there and
// they lead on.
func (f *Feed) adopt() (changed bool, err error) {
	h, s := f.c.View().Head, f.standing()
	if h.Issued == 0 || s != nil && (h.Epoch < s.Epoch || h.Epoch == s.Epoch && h.SnapSeq <= s.Seq) {
		return false, nil
	}
	next := f.join(&h)
	if next == nil {
		return false, nil
	}
	if l := f.o.Floor; l != nil && l.Epoch == next.Epoch && l.Seq == next.Seq && l.Chain != next.Chain {
		return false, fmt.Errorf("%w: this lane had another hash at %d", ErrFork, l.Seq)
	}
	if h.Seq == next.Seq && (h.Chain != next.Chain || h.Root != next.Root()) {
		return false, fmt.Errorf("%w: the snapshots of head %d do not have its hash", ErrMismatch, h.Seq)
	}
	if f.behindFloor(next) || len(h.Snapshots) == 0 && next.Seq < h.Seq {
		f.hold(next)
		return false, nil
	}
	if err := f.c.Apply(cache.Update{State: next}); err != nil {
		return false, err
	}
	f.candidate, f.tries = nil, 0
	f.remember(next)
	clear(f.snaps)
	return true, nil
}

// join makes a state of the head's snapshots, nil if one is missing. Before the
// first day was ever opened there are none, and the epoch's start is known.
func (f *Feed) join(h *link.Head) *link.State {
	if len(h.Snapshots) == 0 {
		if s := f.standing(); s != nil && s.Epoch == h.Epoch {
			return nil
		}
		return link.NewState(h.Epoch)
	}
	var list []*link.Snapshot
	for _, d := range h.Snapshots {
		n := f.snaps[uint16(d.Day)]
		if n == nil || n.Epoch != h.Epoch || n.Seq != h.SnapSeq || n.Hash != d.Hash {
			return nil
		}
		list = append(list, n)
	}
	s, err := link.StateOf(list)
	if err != nil {
		return nil // signed one by one, but not one set: wait for another
	}
	return s
}

// keys takes the delegation and the keyset.
func (f *Feed) keys(payload []byte, now time.Time) (Result, error) {
	m, err := link.ParseKeys(payload)
	if err != nil {
		return Result{}, err
	}
	v := f.c.View()
	d, err := f.delegation(m, now)
	if err != nil {
		return Result{}, err
	}
	k, err := m.OpenKeyset(f.id.Site, d)
	if err != nil {
		return Result{}, err
	}
	f.stranger = false // this is the newest that central has
	u := cache.Update{}
	if v.Delegation == nil || d.Version > v.Delegation.Version {
		u.Delegation = d
	}
	switch {
	case k.Version < max(v.KeysetVersion, f.floor().Keyset):
		return Result{}, fmt.Errorf("%w: keys %d", ErrRollback, k.Version)
	case k.Version == v.KeysetVersion && !sameKeys(k, v):
		return Result{}, fmt.Errorf("%w: two keysets %d", ErrFork, k.Version)
	case k.Version > v.KeysetVersion:
		u.Keys = k
	case u.Delegation == nil:
		return Result{}, nil // kept by the broker, delivered again
	}
	if err := f.c.Apply(u); err != nil {
		return Result{}, err
	}
	r := Result{Changed: true}
	f.takeEarly(&r, now)
	return r, nil
}

func (f *Feed) floor() link.Floor {
	if f.o.Floor == nil {
		return link.Floor{}
	}
	return *f.o.Floor
}

func sameKeys(k *link.Keyset, v *cache.View) bool {
	if len(k.Keys) != len(v.Keys) {
		return false
	}
	for _, key := range k.Keys {
		if !reflect.DeepEqual(v.Keys[key.ID], key) {
			return false
		}
	}
	return true
}

// delegation verifies the delegation by the roots that the newest one names;
// link sees to it that a new set of roots has signed too.
func (f *Feed) delegation(m *link.KeysMessage, now time.Time) (*link.Delegation, error) {
	root, old := f.id.Root, f.Delegation()
	if old != nil {
		root = link.Root{Keys: old.Roots, Threshold: int(old.Threshold)}
	}
	d, err := m.OpenDelegation(f.id.Site, root)
	if err != nil {
		return nil, err
	}
	switch {
	case d.Version < f.leastDelegation(), old != nil && d.Version < old.Version:
		return nil, fmt.Errorf("%w: delegation %d", ErrRollback, d.Version)
	case old != nil && d.Version == old.Version && !reflect.DeepEqual(d, old):
		return nil, fmt.Errorf("%w: two delegations %d", ErrFork, d.Version)
	case d.Expires != 0 && f.o.Campus(now).Unix() > d.Expires && f.o.Trusted(now):
		return nil, ErrExpired
	}
	return d, nil
}

// rules takes RULES.
func (f *Feed) rules(payload []byte) (Result, error) {
	n, err := openSigned[link.Rules](f, payload, link.TypeRules, link.MaxDocument)
	if err != nil {
		return Result{}, err
	}
	if err := n.Check(); err != nil {
		return Result{}, err
	}
	v := f.c.View()
	switch {
	case n.Version < max(v.RulesVersion(), f.floor().Rules):
		return Result{}, fmt.Errorf("%w: rules %d", ErrRollback, n.Version)
	case v.Rules != nil && n.Version == v.Rules.Version:
		if !reflect.DeepEqual(n, v.Rules) {
			return Result{}, fmt.Errorf("%w: two sets of rules %d", ErrFork, n.Version)
		}
		return Result{}, nil
	}
	if err := f.c.Apply(cache.Update{Rules: n}); err != nil {
		return Result{}, err
	}
	return Result{Changed: true, Urgent: true}, nil // a lockdown is in the rules
}

// gateKeys takes GATE KEYS.
func (f *Feed) gateKeys(payload []byte) (Result, error) {
	v, d := f.c.View(), f.Delegation()
	if d == nil {
		return Result{}, ErrNoKeys
	}
	g, err := link.Open[link.GateKeys](payload, link.TypeGateKeys, f.id.Site, link.KeysOf(d.Keyset...), link.MaxDocument)
	if err != nil {
		return Result{}, err
	}
	switch {
	case g.Lane != f.id.Lane:
		return Result{}, ErrOther
	case g.Version < max(v.GateVersion, f.floor().Gate):
		return Result{}, fmt.Errorf("%w: gate keys %d", ErrRollback, g.Version)
	case g.Version == v.GateVersion:
		return Result{}, nil
	}
	keys, err := g.Unseal(f.id.Site, f.id.Seal)
	if err != nil {
		return Result{}, err
	}
	if err := f.c.SetGate(g.Version, keys); err != nil {
		return Result{}, err
	}
	return Result{Changed: true}, nil
}
