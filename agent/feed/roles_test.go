package feed

import (
	"errors"
	"slices"
	"testing"

	"turnstile/central/link"
)

// TestRolesChange: central's role keys are changed under a lane. It follows by
// KEYS alone, and asks for it if that message was lost.
func TestRolesChange(t *testing.T) {
	s := newSender(t)
	s.start()
	r := s.receiver(nil)
	r.sync()
	thief := s.status
	s.keyset, s.status = newSigner(t), newSigner(t)
	s.delegated, s.keysVersion = s.delegated+1, s.keysVersion+1 // its pass key is made of the status key
	s.add(revoke(7))
	asksKeys := func(asks []link.Ask) bool {
		return slices.ContainsFunc(asks, func(a link.Ask) bool { return a.Want == link.WantKeys })
	}
	if asksKeys(r.Needs()) {
		t.Fatal("asks for keys before it met others")
	}
	result, err := r.take(topics.Head(), s.sealedHead()) // KEYS before it was lost
	if !errors.Is(err, link.ErrUnknown) || !asksKeys(result.Asks) || !asksKeys(r.Needs()) {
		t.Fatalf("a head of unknown keys: %v, asks %v, needs %v", err, result.Asks, r.Needs())
	}
	r.mustTake(topics.Repeat(lane), s.keys(0, 2))
	if asksKeys(r.Needs()) {
		t.Error("asks for keys that it has")
	}
	r.sync()
	r.mustTake(topics.Delta(), s.sealed(s.delta(s.state.Seq-1, s.state.Seq, true)))
	r.checkIn(s.state)
	old := s.status
	s.status, s.issued = thief, s.issued+1000
	if _, err := r.take(topics.Head(), s.sealedHead()); !errors.Is(err, link.ErrUnknown) {
		t.Errorf("a head of the key before: %v", err)
	}
	s.status = old
	s.delegated--
	if _, err := r.take(topics.Keys(), s.keys(0, 1)); !errors.Is(err, ErrRollback) {
		t.Errorf("the delegation before is taken again: %v", err)
	}
}

// TestRootOutlivesTheCache: a lane whose root was changed twice loses its cache, or
// gets an older one back. What the first root signed is refused, the newest root's
// word is taken.
func TestRootOutlivesTheCache(t *testing.T) {
	s := newSender(t)
	s.start()
	stolen, first := s.keys(0, 1), s.root()
	for i := range s.roots {
		s.roots[i] = newSigner(t)
	}
	s.delegated = 5
	kept := Identity{site, lane, s.root(), 5, s.seal}
	for what, before := range map[string][]byte{"lost": nil, "older": stolen} {
		r := s.receiver(nil)
		if before != nil {
			r.Feed = New(r.c, Identity{Site: site, Lane: lane, Root: first, Seal: s.seal}, Options{})
			r.mustTake(topics.Keys(), before)
		}
		r.Feed = New(r.c, kept, Options{})
		if _, err := r.take(topics.Keys(), stolen); err == nil {
			t.Errorf("%s cache: the stolen root is believed", what)
		}
		if _, err := r.take(topics.Head(), s.sealedHead()); !errors.Is(err, ErrNoKeys) {
			t.Errorf("%s cache: a head by the stolen root's status key: %v", what, err)
		}
		if _, err := r.take(topics.GateKeys(lane), s.gate(lane, 9)); !errors.Is(err, ErrNoKeys) {
			t.Errorf("%s cache: gate keys by the stolen root's keyset key: %v", what, err)
		}
		s.delegated = 4
		if _, err := r.take(topics.Keys(), s.keys(0, 1)); !errors.Is(err, ErrRollback) {
			t.Errorf("%s cache: an older word of the newest root: %v", what, err)
		}
		s.delegated = 5
		r.mustTake(topics.Keys(), s.keys(1, 2))
		r.sync()
		r.checkIn(s.state)
	}
}
