package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/central/account"
	"turnstile/central/letters"
	"turnstile/central/netid"
	"turnstile/central/office"
)

// addresses is the console's office.Addresses. Without a portal nothing waits.
type addresses struct{ *central }

func (s addresses) Waiting(ctx context.Context) (list []office.AddressChange, err error) {
	if s.accounts == nil {
		return nil, nil
	}
	waiting, err := s.accounts.WaitingChanges(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range waiting {
		x := office.AddressChange{ID: c.ID, Person: c.Person, New: letters.Mask(c.New), Asked: c.Asked}
		if c.Old != "" {
			x.Old = letters.Mask(c.Old)
		}
		p, err := registry{s.central}.Person(ctx, c.Person)
		if err != nil && !errors.Is(err, office.ErrNotFound) {
			return nil, err
		}
		x.Name = p.Name(string(letters.English))
		list = append(list, x)
	}
	return list, nil
}

func (s addresses) Decide(ctx context.Context, by string, d office.AddressDecision) (err error) {
	reason := ""
	if !d.Approve {
		if reason, err = reasonOf(d.Reason); err != nil {
			return err
		}
	}
	err = account.ErrNotYours
	switch {
	case s.accounts == nil:
	case d.Approve:
		_, err = s.accounts.ApproveChange(ctx, d.ID, by)
	default:
		err = s.accounts.RefuseChange(ctx, d.ID, by, reason)
	}
	if errors.Is(err, account.ErrNotYours) {
		return office.Refuse(office.ErrConflict, "This address change does not wait any more; look at the list again.")
	}
	return err
}

// personNetIDs is the console's office.NetIDs.
type personNetIDs struct{ *central }

func (s personNetIDs) Of(ctx context.Context, person string) (list []office.NetID, err error) {
	id, err := s.head(ctx, person)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.NetIDsOf(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("list NetIDs: %w", err)
	}
	for _, n := range rows {
		x := office.NetID{ID: n.ID, Card: n.Card, Name: n.Name, Alias: n.Alias, Created: time.UnixMilli(n.Created)}
		if n.Email != "" {
			x.Email = letters.Mask(n.Email)
		}
		if n.Password != "" {
			x.Changed = time.UnixMilli(n.Changed)
		}
		if n.Ended != 0 {
			x.Ended = time.UnixMilli(n.Ended)
		}
		list = append(list, x)
	}
	return list, nil
}

func (s personNetIDs) End(ctx context.Context, by, person, netID, reason string) error {
	if reason = strings.TrimSpace(reason); reason == "" || !office.OneLine(reason, maxReasonText) {
		return office.Refuse(office.ErrInvalid, "Give a reason of at most 200 characters: it is written down.")
	}
	none := office.Refuse(office.ErrNotFound, "This person has no such NetID in use; look at the list again.")
	list, err := s.Of(ctx, person)
	if err != nil {
		return err
	}
	if s.netids == nil || !slices.ContainsFunc(list, func(n office.NetID) bool { return n.ID == netID && n.Ended.IsZero() }) {
		return none
	}
	err = s.netids.End(ctx, netID, by, reason)
	if errors.Is(err, netid.Unknown) {
		return none
	}
	return err
}
