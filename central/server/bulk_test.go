package server

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/rights"
)

// TestTokenIsNoSecondPerson: what a token proposed, who made the token does not
// confirm, nor who made the token that made it; anybody else does.
func TestTokenIsNoSecondPerson(t *testing.T) {
	c := configure(t)
	c.Office.TwoPersonsAbove = 1
	s := openCentral(t, c)
	defer s.stop()
	ids := s.issue(t, 2)
	b, made := bulk{s.central}, tokens{s.db, s.config.Now}
	for _, x := range [][2]string{{"user:a", "script"}, {"script", "script-2"}, {"operator", "handed-out"}, {"user:a", "rotated"}} {
		if _, err := made.Create(t.Context(), x[0], office.NewToken{Name: x[1], Role: rights.Admin}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := made.Rotate(t.Context(), "user:b", "rotated"); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		proposer, refused, allowed string
	}{{"user:a", "user:A", "user:b"}, {"script", "user:a", "user:b"}, {"script-2", "user:a", "user:b"}, {"handed-out", "handed-out", "user:a"}, {"rotated", "user:b", "user:a"}} {
		p, err := b.Propose(t.Context(), x.proposer, office.StatusChange{Selection: office.Selection{IDs: ids}, Status: link.Held, Reason: "x"}, 0)
		if err != nil || p.State != office.BulkProposed {
			t.Fatalf("%s: %+v, %v", x.proposer, p, err)
		}
		if _, err := b.Settle(t.Context(), x.refused, p.ID, true); !errors.Is(err, office.ErrConflict) {
			t.Errorf("%s confirmed what %s proposed: %v", x.refused, x.proposer, err)
		}
		if done, err := b.Settle(t.Context(), x.allowed, p.ID, true); err != nil || done.State != office.BulkDone || done.Changed != 2 {
			t.Errorf("%s does not confirm what %s proposed: %+v, %v", x.allowed, x.proposer, done, err)
		}
		p, err = b.Propose(t.Context(), "user:a", office.StatusChange{Selection: office.Selection{IDs: ids}, Status: link.Good, Reason: "x"}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Settle(t.Context(), "user:b", p.ID, true); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOnePersonSettles: of many who confirm and withdraw at the same moment one does.
func TestOnePersonSettles(t *testing.T) {
	c := configure(t)
	c.Office.TwoPersonsAbove = 1
	s := openCentral(t, c)
	defer s.stop()
	ids := s.issue(t, 2)
	b := bulk{s.central}
	p, err := b.Propose(t.Context(), "user:a", office.StatusChange{Selection: office.Selection{IDs: ids}, Status: link.Revoked, Reason: "x"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var done, confirmed atomic.Int32
	for n := range 8 {
		all.Go(func() {
			confirm := n%2 == 0
			_, err := b.Settle(t.Context(), "user:b", p.ID, confirm)
			switch {
			case err == nil:
				done.Add(1)
				if confirm {
					confirmed.Add(1)
				}
			case !errors.Is(err, office.ErrConflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	now, err := b.Find(t.Context(), p.ID)
	if err != nil || done.Load() != 1 || (now.State == office.BulkDone) != (confirmed.Load() == 1) || now.Changed != 2*int(confirmed.Load()) {
		t.Errorf("settled %d times: %+v, %v", done.Load(), now, err)
	}
}
