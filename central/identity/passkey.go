package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"turnstile/central/database"
	"turnstile/central/passkey"
)

// What can be wrong with a passkey.
var (
	ErrNoPasskeys = passkey.ErrNone
	ErrPasskey    = passkey.ErrRefused
)

// HasPasskeys reports whether passkeys can be used at this address.
func (i *Identity) HasPasskeys() bool { return i.passkeys != nil }

// user is a person whom passkeys are of. The handle is the person's id, which is
// random and tells nothing.
func (i *Identity) user(ctx context.Context, p database.Person) (passkey.User, error) {
	rows, err := i.config.DB.Passkeys(ctx, p.ID)
	if err != nil {
		return passkey.User{}, fmt.Errorf("find passkeys: %w", err)
	}
	u := passkey.User{Handle: p.ID, Name: p.Name}
	for _, row := range rows {
		u.Records = append(u.Records, row.Record)
	}
	return u, nil
}

// BeginPasskey returns the options for navigator.credentials.get(), of whichever
// person, and the state to bring back.
func (i *Identity) BeginPasskey() (options any, state string, err error) {
	return i.passkeys.BeginGet()
}

// SignInPasskey begins a session for whose passkey answered. ErrPasskey,
// ErrState, ErrNoPasskeys.
func (i *Identity) SignInPasskey(r *http.Request, state string, answer []byte) error {
	var row database.Passkey
	record, err := i.passkeys.Get(r.Context(), state, answer, func(ctx context.Context, id []byte, handle string) (u passkey.User, err error) {
		u, row, err = i.keyHolder(ctx, id, handle)
		return u, err
	})
	if err != nil {
		if errors.Is(err, ErrPasskey) {
			i.counts.refused.Add(1)
		}
		return err
	}
	if err := i.config.DB.PasskeyUsed(r.Context(), row, record, i.now()); errors.Is(err, database.ErrConflict) {
		return ErrState
	} else if err != nil {
		return fmt.Errorf("store passkey: %w", err)
	}
	return i.begin(r, row.Person, ByPasskey)
}

// keyHolder returns who a passkey is of. ErrPasskey if it is unknown, another
// person's than it says, or of one whose access ended.
func (i *Identity) keyHolder(ctx context.Context, id []byte, handle string) (passkey.User, database.Passkey, error) {
	row, err := i.config.DB.Passkey(ctx, id)
	if errors.Is(err, database.ErrNotFound) || err == nil && row.Person != handle {
		return passkey.User{}, row, fmt.Errorf("%w: unknown", ErrPasskey)
	}
	if err != nil {
		return passkey.User{}, row, fmt.Errorf("find passkey: %w", err)
	}
	p, err := i.config.DB.Person(ctx, row.Person)
	if err != nil {
		return passkey.User{}, row, fmt.Errorf("find the person of a passkey: %w", err)
	}
	if p.Ended != 0 {
		return passkey.User{}, row, fmt.Errorf("%w: access ended", ErrPasskey)
	}
	u, err := i.user(ctx, p)
	return u, row, err
}

// BeginNewPasskey returns the options for navigator.credentials.create() and the
// state to bring back.
func (i *Identity) BeginNewPasskey(ctx context.Context, a Applicant) (options any, state string, err error) {
	if i.passkeys == nil {
		return nil, "", ErrNoPasskeys
	}
	if err := a.own(); err != nil {
		return nil, "", err
	}
	u, err := i.user(ctx, a.person)
	if err != nil {
		return nil, "", err
	}
	return i.passkeys.BeginNew(u, a.key())
}

// AddPasskey stores the passkey that was made. An invited person is registered
// and signed in with that. ErrPasskey, ErrState, ErrInvitation.
func (i *Identity) AddPasskey(r *http.Request, a Applicant, state, label string, answer []byte) error {
	u, err := i.user(r.Context(), a.person)
	if err != nil {
		return err
	}
	id, record, err := i.passkeys.New(r.Context(), u, a.key(), state, answer)
	if err != nil {
		return err
	}
	key := database.Passkey{ID: id, Person: a.person.ID, Label: passkey.Label(label), Record: record, Created: i.now()}
	if a.invitation != "" {
		return i.register(r, a, database.Registration{Passkey: &key}, ByPasskey)
	}
	if err := i.config.DB.AddPasskey(r.Context(), key); errors.Is(err, database.ErrConflict) {
		return ErrPasskey
	} else if err != nil {
		return fmt.Errorf("store passkey: %w", err)
	}
	return nil
}
