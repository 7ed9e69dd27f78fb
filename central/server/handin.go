package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"turnstile/central/database"
	"turnstile/central/guests"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/status"
)

func (s approvals) HandIn(ctx context.Context, by string, a office.Submission) (office.Application, error) {
	row, err := s.application(ctx, by, a)
	if err != nil {
		return office.Application{}, err
	}
	p, err := s.Policy(ctx)
	if err != nil {
		return office.Application{}, err
	}
	x := arrival{approvals: s, row: row, instead: a.Instead}
	if a.Kind == office.ApplyGuests {
		order := guestOrder(&a, "")
		claim := passes{s.central}.claim(order, guests.Ask{Day: order.Day, Guests: len(a.Guests), Request: true})
		claim.Instead = a.Instead
		x.claims = append(x.claims, claim)
	}
	if a.Kind == office.ApplyECard && !p.ECards || a.Kind == office.ApplyGuests && !p.Guests {
		if x.decision, err = s.approval(byPolicy, &a); err != nil {
			return office.Application{}, err
		}
	}
	number, err := x.take(ctx)
	switch {
	case errors.Is(err, database.ErrConflict):
		return office.Application{}, office.Refuse(office.ErrConflict, "This holder has an open eCard application; it has to be decided first.")
	case errors.Is(err, database.ErrDayFull):
		return office.Application{}, office.Refuse(office.ErrConflict, "All passes of %s are issued; take another day.", a.Order.Day)
	case err != nil:
		return office.Application{}, signerAway(fmt.Errorf("store application: %w", err))
	}
	return s.Find(ctx, number)
}

// approval is an approving decision, of no number yet.
func (s approvals) approval(by string, a *office.Submission) (*database.Decision, error) {
	x := database.Decision{Approve: true, By: by, At: s.config.Now().UnixMilli(), Capacity: s.config.Capacity}
	for _, guest := range a.Guests {
		draft, err := (passes{s.central}).prepare(by, guestOrder(a, guest))
		if err != nil {
			return nil, err
		}
		x.Issue = append(x.Issue, draft)
	}
	return &x, nil
}

// arrival is an application with all that is done when it is handed in: in one
// transaction, so that no crash leaves a visit twice, or without what it became.
type arrival struct {
	approvals
	row      database.Application
	claims   []*database.GuestClaim
	decision *database.Decision // nil: it waits for a person
	instead  int64              // number of the request that ends with this one; 0: none
}

func (x *arrival) take(ctx context.Context) (number int64, err error) {
	add := func(tx *database.FeedTx) error {
		if number, err = tx.AddApplication(x.row, x.claims...); err != nil || x.decision == nil {
			return err
		}
		x.decision.Number = number
		_, err := tx.Decide(*x.decision)
		return err
	}
	if x.instead == 0 {
		err := x.db.Feed(ctx, add)
		return number, err
	}
	_, err = x.feed.Together(ctx, func(tx *database.FeedTx, now int64) ([]status.Change, error) {
		if err := add(tx); err != nil {
			return nil, err
		}
		return x.end(tx, now)
	})
	return number, err
}

// end ends the request that the arrived one takes the place of.
func (x *arrival) end(tx *database.FeedTx, now int64) ([]status.Change, error) {
	const why = "changed by the holder"
	old, err := tx.Application(x.instead)
	switch {
	case err != nil:
		return nil, err
	case old.State == database.ApplicationOpen:
		_, err := tx.Decide(database.Decision{Number: x.instead, By: x.row.By, At: now, Reason: why})
		return nil, err
	case old.State != database.ApplicationApproved:
		return nil, nil
	}
	rows, err := tx.ApplicationPasses(x.instead)
	rows = slices.DeleteFunc(rows, func(p database.Pass) bool { return p.Day < x.feed.Today() })
	return changesOf(rows, link.Revoked, x.row.By, why), err
}

// byRetention is who closes what nobody decided in the time to keep.
const byRetention = "retention"

// expiredPage is how many open applications are looked at together.
const expiredPage = 100

// expire closes what was handed in before a time and nobody decided: applications
// for eCards, and requests for guests whose day is over.
func (s approvals) expire(ctx context.Context, before time.Time) (n int, err error) {
	for after := int64(0); ; {
		list, err := s.List(ctx, office.ApplicationFilter{State: office.ApplicationOpen, After: after, Limit: expiredPage})
		if err != nil {
			return n, err
		}
		for i := range list {
			a := &list[i]
			after = a.Number
			if !a.HandedIn.Before(before) || a.Kind == office.ApplyGuests && a.Order.Day >= s.feed.Today() {
				continue
			}
			_, err := s.Decide(ctx, byRetention, office.Decision{Number: a.Number, Reason: "nobody decided it in time"})
			switch {
			case err == nil:
				n++
			case !errors.Is(err, office.ErrConflict): // somebody did at last
				return n, fmt.Errorf("close application %d: %w", a.Number, err)
			}
		}
		if len(list) < expiredPage {
			return n, nil
		}
	}
}
