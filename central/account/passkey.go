package account

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"turnstile/central/database"
	"turnstile/central/passkey"
)

// What can be wrong with a passkey.
var (
	ErrNoPasskeys = passkey.ErrNone
	ErrPasskey    = passkey.ErrRefused
)

// HasPasskeys reports whether passkeys can be used at the portal's address.
func (a *Accounts) HasPasskeys() bool { return a.passkeys != nil }

// BeginPasskey returns the options for navigator.credentials.get(), of whichever
// holder, and the state to bring back. ErrNoPasskeys.
func (a *Accounts) BeginPasskey() (options any, state string, err error) {
	return a.passkeys.BeginGet()
}

// SignInPasskey begins a session for whose passkey answered. ErrPasskey, ErrState,
// ErrNoPasskeys.
func (a *Accounts) SignInPasskey(w http.ResponseWriter, r *http.Request, state string, answer []byte) error {
	var row database.Passkey
	record, err := a.passkeys.Get(r.Context(), state, answer, func(ctx context.Context, id []byte, handle string) (u passkey.User, err error) {
		u, row, err = a.keyHolder(ctx, id, handle)
		return u, err
	})
	if err != nil {
		return err
	}
	if err := a.config.DB.HolderPasskeyUsed(r.Context(), row, record, a.now()); errors.Is(err, database.ErrConflict) {
		return ErrState
	} else if err != nil {
		return fmt.Errorf("store passkey: %w", err)
	}
	return a.Begin(w, r, row.Person, ByPasskey)
}

// keyHolder returns whose passkey it is. ErrPasskey if it is unknown, or another's
// than it says.
func (a *Accounts) keyHolder(ctx context.Context, id []byte, handle string) (passkey.User, database.Passkey, error) {
	row, err := a.config.DB.HolderPasskey(ctx, id)
	if err == nil {
		var owner database.Account
		if owner, err = a.config.DB.AccountByHandle(ctx, handle); err == nil && owner.Person == row.Person {
			u, err := a.user(ctx, owner, "")
			return u, row, err
		}
	}
	if err == nil || errors.Is(err, database.ErrNotFound) {
		return passkey.User{}, row, fmt.Errorf("%w: unknown", ErrPasskey)
	}
	return passkey.User{}, row, fmt.Errorf("find passkey: %w", err)
}

func (a *Accounts) user(ctx context.Context, row database.Account, name string) (passkey.User, error) {
	keys, err := a.config.DB.HolderPasskeys(ctx, row.Person)
	if err != nil {
		return passkey.User{}, fmt.Errorf("find passkeys: %w", err)
	}
	u := passkey.User{Handle: row.Handle, Name: name}
	for _, k := range keys {
		u.Records = append(u.Records, k.Record)
	}
	return u, nil
}

// own returns the holder as whom passkeys are of.
func (a *Accounts) own(ctx context.Context, h Holder) (passkey.User, database.Account, error) {
	row, err := a.config.DB.Account(ctx, h.Person)
	if err != nil {
		return passkey.User{}, row, fmt.Errorf("find account: %w", err)
	}
	u, err := a.user(ctx, row, h.Name)
	return u, row, err
}

// BeginNewPasskey returns the options for navigator.credentials.create() and the
// state to bring back. ErrNoPasskeys.
func (a *Accounts) BeginNewPasskey(ctx context.Context, h Holder) (options any, state string, err error) {
	u, _, err := a.own(ctx, h)
	if err != nil {
		return nil, "", err
	}
	return a.passkeys.BeginNew(u, h.Person)
}

// AddPasskey stores the passkey that was made, and tells the registered address.
// ErrPasskey, ErrState, ErrNoPasskeys.
func (a *Accounts) AddPasskey(ctx context.Context, h Holder, state, label string, answer []byte) error {
	u, row, err := a.own(ctx, h)
	if err != nil {
		return err
	}
	id, record, err := a.passkeys.New(ctx, u, h.Person, state, answer)
	if err != nil {
		return err
	}
	var notices []database.Letter
	if row.Address != "" {
		l, err := a.added(row, "Passkey", "通行密鑰")
		if err != nil {
			return err
		}
		notices = append(notices, l)
	}
	err = a.config.DB.AddHolderPasskey(ctx, database.Passkey{ID: id, Person: h.Person, Label: passkey.Label(label), Record: record, Created: a.now()}, notices...)
	if errors.Is(err, database.ErrConflict) {
		return ErrPasskey
	}
	if err != nil {
		return fmt.Errorf("store passkey: %w", err)
	}
	a.config.Wake()
	return nil
}

// Passkey is a passkey without its key.
type Passkey struct {
	ID            string // base64url
	Label         string
	Created, Used time.Time // Used is zero for never
}

// Passkeys lists the holder's passkeys.
func (a *Accounts) Passkeys(ctx context.Context, h Holder) (list []Passkey, err error) {
	rows, err := a.config.DB.HolderPasskeys(ctx, h.Person)
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	for _, k := range rows {
		p := Passkey{ID: base64.RawURLEncoding.EncodeToString(k.ID), Label: k.Label, Created: time.UnixMilli(k.Created)}
		if k.Used != 0 {
			p.Used = time.UnixMilli(k.Used)
		}
		list = append(list, p)
	}
	return list, nil
}

// RemovePasskey takes a passkey away; other sessions end. ErrNotYours.
func (a *Accounts) RemovePasskey(ctx context.Context, h Holder, id string) error {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(raw) > 1024 {
		return ErrNotYours
	}
	return owned(a.config.DB.RemoveHolderPasskey(ctx, h.Person, raw, h.Session, a.now()))
}
