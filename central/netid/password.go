package netid

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"

	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/password"
	"turnstile/central/register"
	"turnstile/central/throttle"
)

// History is how many NetPasswords, with the present one, are not taken again.
const History = 5

// newHash judges a new password and hashes it. Short, Long, Common, Stolen, Used.
func (d *Directory) newHash(ctx context.Context, n database.NetID, typed string) (string, error) {
	for reason, bad := range map[Reason]error{Short: password.ErrShort, Long: password.ErrLong, Common: password.ErrCommon} {
		for _, name := range []string{n.ID, strings.ToLower(n.Name)} {
			if errors.Is(password.Check(typed, name), bad) {
				return "", &Refusal{Reason: reason}
			}
		}
	}
	if err := d.stolen(typed); err != nil {
		return "", err
	}
	if err := d.used(ctx, n, typed); err != nil {
		return "", err
	}
	return d.config.Hasher.Hash(ctx, typed)
}

// stolen looks in the list of breached passwords. A list that cannot be read
// hinders nobody, and is told in the log.
func (d *Directory) stolen(typed string) error {
	if d.config.Breached == nil {
		return nil
	}
	found, err := d.config.Breached.Holds(typed)
	if err != nil {
		d.config.Log.Error("look in the list of breached passwords", "cause", err)
		return nil
	}
	if found {
		return &Refusal{Reason: Stolen}
	}
	return nil
}

func (d *Directory) used(ctx context.Context, n database.NetID, typed string) error {
	if n.Password == "" {
		return nil
	}
	before, err := d.config.DB.NetPasswords(ctx, n.ID, History-1)
	if err != nil {
		return fmt.Errorf("read passwords before: %w", err)
	}
	for _, hash := range append([]string{n.Password}, before...) {
		ok, _, err := d.config.Hasher.Match(ctx, typed, hash)
		if err != nil {
			return err
		}
		if ok {
			return &Refusal{Reason: Used}
		}
	}
	return nil
}

// ChangePassword replaces the NetPassword by one who knows the present one, and
// ends every session. WrongPassword, the reasons of a password, *throttle.Wait.
func (d *Directory) ChangePassword(ctx context.Context, netID, present, typed string, from net.IP) error {
	if _, err := d.Check(ctx, netID, present, from); err != nil {
		return err
	}
	n, err := d.use(ctx, netID)
	if err != nil {
		return err
	}
	return d.replace(ctx, n, typed, nil, "netid_password")
}

// replace stores a new password for n, as it was read.
func (d *Directory) replace(ctx context.Context, n database.NetID, typed string, flow []byte, deed string) error {
	hash, err := d.newHash(ctx, n, typed)
	if err != nil {
		return err
	}
	now := d.config.Now()
	l, err := d.letter(letters.PasswordChanged(letters.Language(n.Lang), now.In(d.config.Location), d.config.Office), n.Email)
	if err != nil {
		return err
	}
	err = d.config.DB.SetNetPassword(ctx, database.NewPassword{ID: n.ID, Was: n.Password, Hash: hash, At: now.UnixMilli(), Due: d.quarter(now, 1).UnixMilli(),
		Keep: History - 1, Flow: flow, Letters: []database.Letter{l}, Deed: deed, Issuer: d.config.Issuer})
	if errors.Is(err, database.ErrConflict) { // changed a moment ago
		return &Refusal{Reason: Over}
	}
	if err != nil {
		return finished("change NetPassword", err)
	}
	d.posted()
	return nil
}

// BeginReset mails a code to the personal address of a NetID. One that does not exist,
// and one whose address had enough mails, is answered alike, then and at each later
// step: no code fits. *throttle.Wait.
func (d *Directory) BeginReset(ctx context.Context, netID string, from net.IP) (token string, err error) {
	if err := d.tries.Try(ctx, throttle.Named(byFacts, normal(netID)), throttle.Network(byNetwork, from)); err != nil {
		return "", err
	}
	n, err := d.use(ctx, netID)
	if errors.Is(err, database.ErrNotFound) {
		n, err = database.NetID{Email: nobody(netID)}, nil
		n.ID = n.Email
	}
	if err != nil {
		return "", err
	}
	err = d.limitMails(ctx, n.Email)
	switch {
	case errors.Is(err, throttle.ErrWait), err == nil && addressee(n.Email) == "":
		return d.pretend(ctx, n.ID)
	case err != nil:
		return "", err
	}
	return d.begin(ctx, flow{Kind: Reset, Person: n.Person, NetID: n.ID, Email: n.Email, Lang: letters.Language(n.Lang), subject: n.ID}, posting{n.Email, letters.ResetCode})
}

// pretend begins a reset whose code nobody has: its tries are counted, it expires, and
// the next one of its subject ends it, as with a real one; and it takes as long.
func (d *Directory) pretend(ctx context.Context, subject string) (token string, err error) {
	f := flow{Kind: Reset, Person: subject, NetID: subject, Email: subject, Lang: letters.English, Codes: [][]byte{hashed(rand.Text())}, subject: subject}
	return d.begin(ctx, f, posting{nobody(subject), letters.ResetCode})
}

// SetPassword is the last step of a reset. Over; the reasons of a password, with
// which the flow goes on.
func (d *Directory) SetPassword(ctx context.Context, token, typed string) (Entry, error) {
	f, err := d.confirmed(ctx, token, Reset)
	if err != nil {
		return Entry{}, err
	}
	n, err := d.use(ctx, f.NetID)
	if err != nil {
		return Entry{}, finished("look for NetID", err)
	}
	return d.entry(n), d.replace(ctx, n, typed, f.id, "netid_reset")
}

// ChangeEmail begins to replace the personal address of who is signed in with the
// NetID: codes go to both addresses. SameAddress, AddressForm, *throttle.Wait.
func (d *Directory) ChangeEmail(ctx context.Context, netID, typed string) (token string, err error) {
	to, err := address(typed)
	if err != nil {
		return "", err
	}
	n, err := d.use(ctx, netID)
	if errors.Is(err, database.ErrNotFound) {
		return "", &Refusal{Reason: Unknown}
	}
	if err != nil {
		return "", err
	}
	if register.SameAddress(to, n.Email) {
		return "", &Refusal{Reason: SameAddress}
	}
	if err := d.limitMails(ctx, to, n.Email); err != nil {
		return "", err
	}
	return d.begin(ctx, flow{Kind: Email, Person: n.Person, NetID: n.ID, Email: to, Lang: letters.Language(n.Lang), subject: n.ID},
		posting{to, letters.ConfirmAddress}, posting{n.Email, letters.ConfirmChange})
}

// applyEmail is the end of it: both addresses have agreed.
func (d *Directory) applyEmail(ctx context.Context, f flow) error {
	n, err := d.use(ctx, f.NetID)
	if err != nil {
		return finished("look for NetID", err)
	}
	l, err := d.letter(letters.AddressChanged(f.Lang, f.Email, d.config.Now().In(d.config.Location), d.config.Office), n.Email)
	if err != nil {
		return err
	}
	if err := d.config.DB.SetNetIDEmail(ctx, f.id, n.ID, f.Email, d.now(), l); err != nil {
		return finished("change the address", err)
	}
	d.posted()
	return nil
}
