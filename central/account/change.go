package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"turnstile/central/database"
	"turnstile/central/letters"
)

func newID() string { return rand.Text() }

// masked is a change as its holder sees it.
func masked(c database.AddressChange) Change {
	out := whole(c)
	out.Old, out.New = mask(c.Old), mask(c.Address)
	return out
}

// mask is an address that its owner knows again, a***@e***.org, and a stranger who
// knows the owner's details learns little of.
func mask(address string) string {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || local == "" || domain == "" {
		return ""
	}
	_, first := utf8.DecodeRuneInString(local)
	_, initial := utf8.DecodeRuneInString(domain)
	return local[:first] + "***@" + domain[:initial] + "***" + domain[max(strings.LastIndexByte(domain, '.'), initial):]
}

// whole is a change as the office sees it.
func whole(c database.AddressChange) Change {
	out := Change{ID: c.ID, Person: c.Person, Old: c.Old, New: c.Address, State: c.State, Asked: time.UnixMilli(c.At), By: c.DecidedBy, Reason: c.Reason}
	if c.Effect != 0 {
		out.Effect = time.UnixMilli(c.Effect)
	}
	if c.Decided != 0 {
		out.Decided = time.UnixMilli(c.Decided)
	}
	return out
}

// maxChanges bounds a list of changes.
const maxChanges = 100

// OpenChange returns the change of a person's address that waits or is due.
func (a *Accounts) OpenChange(ctx context.Context, person string) (c Change, open bool, err error) {
	rows, err := a.config.DB.AddressChangesOf(ctx, person, 1)
	if err != nil {
		return c, false, fmt.Errorf("list changes: %w", err)
	}
	if len(rows) == 0 {
		return c, false, nil
	}
	c = masked(rows[0])
	return c, c.State == database.ChangeWaiting || c.State == database.ChangeDue, nil
}

// KeepAddress stops the open change of the holder's address, and ends all other
// sessions: somebody else may have asked for it. ErrNotYours if none is open.
func (a *Accounts) KeepAddress(ctx context.Context, h Holder) error {
	return owned(a.config.DB.StopChange(ctx, h.Person, h.Session, a.now()))
}

// WaitingChanges lists the changes of addresses that the office has to decide, the
// oldest first, at most 100.
func (a *Accounts) WaitingChanges(ctx context.Context) (list []Change, err error) {
	rows, err := a.config.DB.AddressChanges(ctx, database.ChangeWaiting, maxChanges)
	if err != nil {
		return nil, fmt.Errorf("list changes: %w", err)
	}
	for _, c := range rows {
		list = append(list, whole(c))
	}
	return list, nil
}

// ApproveChange lets a waiting change take effect after the delay, and tells the old
// address so with how to stop it. ErrNotYours if it does not wait.
func (a *Accounts) ApproveChange(ctx context.Context, id, by string) (Change, error) {
	c, err := a.waiting(ctx, id)
	if err != nil {
		return Change{}, err
	}
	effect := a.config.Now().Add(a.config.Delay)
	c.State, c.Effect, c.Decided, c.DecidedBy = database.ChangeDue, effect.UnixMilli(), a.now(), by
	var notices []database.Letter
	if c.Old != "" {
		lang, err := a.lang(ctx, c.Person)
		if err != nil {
			return Change{}, err
		}
		row, err := a.letter(letters.AddressChanging(lang, c.Address, effect.In(a.config.Location), a.Origin()), c.Old)
		if err != nil {
			return Change{}, err
		}
		notices = append(notices, row)
	}
	if err := a.config.DB.DecideChange(ctx, c, notices...); err != nil {
		return Change{}, owned(err)
	}
	a.config.Wake()
	return whole(c), nil
}

// RefuseChange ends a waiting change, and tells both addresses so: who asked may not
// read the old one any more, and who reads that may not have asked. ErrNotYours if it
// does not wait.
func (a *Accounts) RefuseChange(ctx context.Context, id, by, reason string) error {
	c, err := a.waiting(ctx, id)
	if err != nil {
		return err
	}
	lang, err := a.lang(ctx, c.Person)
	if err != nil {
		return err
	}
	var notices []database.Letter
	for _, address := range []string{c.Old, c.Address} {
		if address == "" {
			continue
		}
		row, err := a.letter(letters.AddressRefused(lang, c.Address, reason, a.config.Office), address)
		if err != nil {
			return err
		}
		notices = append(notices, row)
	}
	c.State, c.Decided, c.DecidedBy, c.Reason = database.ChangeRefused, a.now(), by, reason
	if err := a.config.DB.DecideChange(ctx, c, notices...); err != nil {
		return owned(err)
	}
	a.config.Wake()
	return nil
}

func (a *Accounts) waiting(ctx context.Context, id string) (database.AddressChange, error) {
	c, err := a.config.DB.AddressChange(ctx, id)
	if err == nil && c.State != database.ChangeWaiting {
		err = database.ErrNotFound
	}
	return c, owned(err)
}

func (a *Accounts) lang(ctx context.Context, person string) (letters.Language, error) {
	row, err := a.config.DB.Account(ctx, person)
	if err != nil {
		return "", fmt.Errorf("find account: %w", err)
	}
	return letters.Language(row.Lang), nil
}

// finishChanges carries out those whose time has come.
func (a *Accounts) finishChanges(ctx context.Context) error {
	due, err := a.config.DB.AddressChanges(ctx, database.ChangeDue, maxChanges)
	if err != nil {
		return fmt.Errorf("list changes: %w", err)
	}
	for _, c := range due {
		if c.Effect <= a.now() {
			err = errors.Join(err, a.finishChange(ctx, c))
		}
	}
	return err
}

func (a *Accounts) finishChange(ctx context.Context, c database.AddressChange) error {
	lang, err := a.lang(ctx, c.Person)
	if err != nil {
		return err
	}
	notice, err := a.letter(letters.AddressChanged(lang, c.Address, a.config.Now().In(a.config.Location), a.config.Office), c.Old)
	if err != nil {
		return err
	}
	err = a.config.DB.FinishChange(ctx, c, notice, a.now())
	switch {
	case errors.Is(err, database.ErrNotFound): // stopped, or another central was faster
		return nil
	case errors.Is(err, database.ErrConflict):
		return a.config.DB.RefuseChange(ctx, c.ID, "the address became another account's", a.now())
	case err != nil:
		return fmt.Errorf("change address: %w", err)
	}
	a.config.Wake()
	return nil
}
