package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"turnstile/central/database"
)

// maxName bounds what is typed as a name, in bytes.
const maxName = 64

// SignInPassword begins a session for who knows the password and has a one-time
// code or a recovery code. ErrSignIn, perhaps a *Wait, for anybody else; the
// answer and the work are the same for an account that is not there.
func (i *Identity) SignInPassword(w http.ResponseWriter, r *http.Request, name, password, code string) error {
	name = strings.ToLower(strings.TrimSpace(name))
	if len(name) > maxName || len(password) > maxPassword || len(code) > maxName {
		return ErrSignIn
	}
	ctx := r.Context()
	p, err := i.account(ctx, name)
	if err != nil {
		return err
	}
	subjects := i.subjects(r, name, p.ID)
	if err := i.try(ctx, subjects); err != nil {
		return err
	}
	ok, err := i.prove(ctx, &p, password, code)
	if err != nil {
		return err
	}
	if !ok {
		return i.refused(ctx, r, p)
	}
	if err := i.throttle.Succeeded(ctx, subjects...); err != nil {
		return err
	}
	if err := i.browsers.Remember(w, p.ID); err != nil {
		return err
	}
	return i.begin(r, p.ID, ByPassword)
}

// account returns the person of a name who has access, or nobody.
func (i *Identity) account(ctx context.Context, name string) (database.Person, error) {
	p, err := i.config.DB.PersonNamed(ctx, name)
	if errors.Is(err, database.ErrNotFound) || err == nil && p.Ended != 0 {
		return database.Person{}, nil
	}
	if err != nil {
		return p, fmt.Errorf("find account: %w", err)
	}
	return p, nil
}

// prove compares password and code, both in any case, and uses the code up.
func (i *Identity) prove(ctx context.Context, p *database.Person, password, code string) (bool, error) {
	known, stale, err := i.passwords.Match(ctx, password, p.Password)
	if err != nil {
		return false, err
	}
	fits, err := i.factor(ctx, p, plainCode(code), known)
	if err != nil || !known || !fits {
		return false, err
	}
	if stale {
		if err := i.rehash(ctx, p, password); err != nil {
			return false, err
		}
	}
	return true, nil
}

// factor judges the second factor; with use it counts as used if it fits.
func (i *Identity) factor(ctx context.Context, p *database.Person, code string, use bool) (bool, error) {
	secret := make([]byte, secretSize) // of nobody
	if len(p.TOTP) > 0 {
		var err error
		if secret, err = i.config.Box.Open(sealedTOTP+p.ID, p.TOTP); err != nil {
			return false, err
		}
	}
	step, fits, err := stepOf(secret, code, i.config.Now())
	if err != nil || len(p.TOTP) == 0 || !use {
		return false, err
	}
	switch {
	case isOneTime(code) && fits:
		err = i.config.DB.TakeStep(ctx, p.ID, step)
	case len(code) == recoverySize:
		err = i.config.DB.TakeRecovery(ctx, p.ID, recoveryHash(code), i.now())
	default:
		return false, nil
	}
	if errors.Is(err, database.ErrConflict) {
		return false, nil // used before
	}
	return err == nil, err
}

func (i *Identity) rehash(ctx context.Context, p *database.Person, password string) error {
	h, err := i.passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	if err := i.config.DB.Rehash(ctx, p.ID, p.Password, h); err != nil {
		return fmt.Errorf("store new hash: %w", err)
	}
	return nil
}

// refused writes a failed sign-in down: of an account that is not there as well,
// without the name, which may be a password; both take the same time.
func (i *Identity) refused(ctx context.Context, r *http.Request, p database.Person) error {
	i.counts.refused.Add(1)
	network := byNetwork(r)
	if err := i.config.DB.Audit(ctx, i.now(), "central", "sign_in_refused", p.Name, network); err != nil {
		return fmt.Errorf("note a refused sign-in: %w", err)
	}
	i.config.Log.Warn("sign-in refused", "account", p.Name, "from", network)
	return ErrSignIn
}
