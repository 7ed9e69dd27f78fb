package officetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// cards is the fake's office.Cards: a card is the newest approved application of its
// holder.
type cards struct{ f *Fake }

func (s cards) Find(_ context.Context, person string) (office.Card, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return s.find(person)
}

// find is Find with mu held.
func (s cards) find(person string) (c office.Card, err error) {
	err = office.Refuse(office.ErrNotFound, "This person has no eCard.")
	for _, a := range s.f.desk.applications {
		if a.Kind == office.ApplyECard && a.State == office.ApplicationApproved && a.Holder == person {
			c, err = office.Card{Holder: person, Name: a.Name, Since: a.Decided, By: a.DecidedBy}, nil
		}
	}
	if w, gone := s.f.desk.withdrawn[person]; gone {
		c.Withdrawn, c.WithdrawnBy, c.Reason = w.Withdrawn, w.WithdrawnBy, w.Reason
	}
	return c, err
}

func (s cards) Withdraw(_ context.Context, by string, w office.CardWithdrawal) (office.Card, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if strings.TrimSpace(w.Reason) == "" || len([]rune(w.Reason)) > 200 {
		return office.Card{}, office.Refuse(office.ErrInvalid, "Give a reason of at most 200 characters: the holder reads it.")
	}
	c, err := s.find(w.Person)
	if err != nil {
		return c, err
	}
	if !c.Withdrawn.IsZero() {
		return c, office.Refuse(office.ErrConflict, "This eCard is withdrawn already; look at it again.")
	}
	c.Withdrawn, c.WithdrawnBy, c.Reason = s.f.Now(), by, w.Reason
	for _, p := range s.f.passes {
		if p.HolderName == w.Person && p.Status == link.Good && (w.Guests || p.Kind != pass.Guest) && p.Day >= pass.DayOf(s.f.Now().In(HongKong)) {
			p.Status, p.Changed, p.ChangedBy, p.Reason = link.Revoked, c.Withdrawn, by, w.Reason
			c.Passes++
			s.f.desk.revoked[p.ID()] = true
		}
	}
	s.f.desk.withdrawn[w.Person] = c
	return c, nil
}

func (s cards) Return(_ context.Context, by, person string) (office.Card, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	c, err := s.find(person)
	if err != nil {
		return c, err
	}
	if c.Withdrawn.IsZero() {
		return c, office.Refuse(office.ErrConflict, "This eCard is not withdrawn; look at it again.")
	}
	delete(s.f.desk.withdrawn, person)
	c.Withdrawn, c.WithdrawnBy, c.Reason = time.Time{}, "", ""
	for _, p := range s.f.passes {
		if p.HolderName == person && s.f.desk.revoked[p.ID()] {
			p.Status, p.Changed, p.ChangedBy, p.Reason = link.Good, s.f.Now(), by, "the eCard was given back"
			c.Passes++
			delete(s.f.desk.revoked, p.ID())
		}
	}
	return c, nil
}

// suiteCards withdraws an eCard and gives it back.
func suiteCards(t *testing.T, s office.Services, today pass.Day, photo []byte) {
	ctx := context.Background()
	const holder = "CARD-1"
	find := func(id pass.ID) link.Status { return must[office.Pass](t)(s.Passes.Find(ctx, id)).Status }
	_, err := s.Cards.Find(ctx, holder)
	wants(t, "no card", err, office.ErrNotFound)
	_, err = s.Cards.Withdraw(ctx, "suite", office.CardWithdrawal{Person: holder, Reason: "lent"})
	wants(t, "withdraw none", err, office.ErrNotFound)
	_, err = s.Cards.Return(ctx, "suite", holder)
	wants(t, "return none", err, office.ErrNotFound)
	apply := office.Submission{Kind: office.ApplyECard, Holder: holder, Name: "Chan", Photo: photo}
	a := must[office.Application](t)(s.Approvals.HandIn(ctx, "suite", apply))
	must[office.Application](t)(s.Approvals.Decide(ctx, "suite", office.Decision{Number: a.Number, Approve: true}))
	_, err = s.Cards.Return(ctx, "suite", holder)
	wants(t, "return what is active", err, office.ErrConflict)
	guest := order(today, holder)
	guest.Kind, guest.GuestName = pass.Guest, "Guest"
	var ids []pass.ID
	for _, o := range []office.Order{order(today, holder), order(today+1, holder), guest, order(today, "CARD-2"), order(today, holder), order(today, holder)} {
		p := must[office.Pass](t)(s.Passes.Issue(ctx, "suite", o))
		ids = append(ids, p.ID())
	}
	must[office.Pass](t)(s.Passes.SetStatus(ctx, "suite", ids[4], link.Revoked, "before"))
	must[office.Pass](t)(s.Passes.SetStatus(ctx, "suite", ids[5], link.Held, "asked for"))
	_, err = s.Cards.Withdraw(ctx, "suite", office.CardWithdrawal{Person: holder, Reason: " "})
	wants(t, "no reason", err, office.ErrInvalid)
	c := must[office.Card](t)(s.Cards.Withdraw(ctx, "suite", office.CardWithdrawal{Person: holder, Reason: "lent"}))
	if c.Withdrawn.IsZero() || c.WithdrawnBy != "suite" || c.Reason != "lent" || c.Passes != 2 {
		t.Errorf("withdrawn: %+v", c)
	}
	for i, want := range []link.Status{link.Revoked, link.Revoked, link.Good, link.Good, link.Revoked, link.Held} {
		if got := find(ids[i]); got != want {
			t.Errorf("pass %d after the withdrawal: %v", i, got)
		}
	}
	_, err = s.Cards.Withdraw(ctx, "suite", office.CardWithdrawal{Person: holder, Reason: "again"})
	wants(t, "withdraw again", err, office.ErrConflict)
	_, err = s.Approvals.HandIn(ctx, "suite", apply)
	wants(t, "begin anew", err, office.ErrInvalid)
	_, err = s.Passes.Issue(ctx, "suite", order(today+2, holder))
	wants(t, "issue by hand", err, office.ErrConflict)
	if text := fmt.Sprint(err); !strings.Contains(text, "lent") || !strings.Contains(text, "give it back first") {
		t.Errorf("issued by hand: %s", text)
	}
	_, err = s.Passes.SetStatus(ctx, "suite", ids[0], link.Good, "by mistake")
	wants(t, "release by hand", err, office.ErrConflict)
	if text := fmt.Sprint(err); !strings.Contains(text, "lent") || find(ids[0]) != link.Revoked {
		t.Errorf("released by hand: %s, %v", text, find(ids[0]))
	}
	staff := order(today, holder)
	staff.Kind = pass.Staff
	must[office.Pass](t)(s.Passes.Issue(ctx, "suite", staff)) // no code of the eCard
	if c, err = s.Cards.Return(ctx, "suite", holder); err != nil || !c.Withdrawn.IsZero() || c.Reason != "" || c.Passes != 2 {
		t.Errorf("given back: %+v, %v", c, err)
	}
	for i, want := range []link.Status{link.Good, link.Good, link.Good, link.Good, link.Revoked, link.Held} {
		if got := find(ids[i]); got != want {
			t.Errorf("pass %d after the return: %v", i, got)
		}
	}
	c = must[office.Card](t)(s.Cards.Withdraw(ctx, "suite", office.CardWithdrawal{Person: holder, Reason: "lent", Guests: true}))
	if c.Passes != 4 || find(ids[2]) != link.Revoked {
		t.Errorf("with guests: %+v", c)
	}
}
