package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/identity"
	"turnstile/central/office"
	"turnstile/central/rights"
)

// SignIn says how people of the office sign in beside passkeys and passwords.
type SignIn struct {
	// OpenID are providers whose accounts staff may use. Default none.
	OpenID []identity.Provider `yaml:"openid"`
}

func (s *SignIn) problems(wrong func(bad bool, key, format string, args ...any)) {
	for n := range s.OpenID {
		text := s.OpenID[n].Check()
		wrong(text != "", "sign_in.openid", "%s", text)
		wrong(slices.ContainsFunc(s.OpenID[:n], func(p identity.Provider) bool { return p.ID == s.OpenID[n].ID || p.Issuer == s.OpenID[n].Issuer }),
			"sign_in.openid", "%s stands twice", s.OpenID[n].ID)
	}
}

// box seals what stands in the database and has to be read again: secrets of
// one-time codes and of webhooks.
func (s *central) box() (identity.Box, error) {
	key, err := s.issuer.SecretsKey()
	if err != nil {
		return nil, fmt.Errorf("open the key of the secrets: %w", err)
	}
	return identity.NewBox(key)
}

// People keeps the staff accounts.
type People struct {
	db  *database.DB
	now func() time.Time
}

// OpenPeople opens the staff accounts of central's database, also beside a
// server that runs on it. The closer closes the database.
func OpenPeople(ctx context.Context, c Config) (People, io.Closer, error) {
	db, err := c.OpenDatabase(ctx)
	if err != nil {
		return People{}, nil, err
	}
	return People{db, time.Now}, db, nil
}

// invitationTime is how long a link to register with is good.
const invitationTime = 48 * time.Hour

// Add makes a person with roles, without anything to sign in with.
func (s People) Add(ctx context.Context, by, name string, roles []rights.Role) error {
	words, err := roleWords(roles)
	if err != nil {
		return err
	}
	if !identity.PersonName.MatchString(name) {
		return office.Refuse(office.ErrInvalid, "A name is 1 to 32 of a-z 0-9 . _ -, and begins with a letter or a digit.")
	}
	p := database.Person{ID: rand.Text(), Name: name, Roles: words, Created: s.now().UnixMilli()}
	err = s.db.AddPerson(ctx, p, by)
	if errors.Is(err, database.ErrConflict) {
		return office.Refuse(office.ErrConflict, "There is a person %s, perhaps with ended access; invite that one, or take another name.", name)
	}
	if err != nil {
		return fmt.Errorf("store person: %w", err)
	}
	return nil
}

func roleWords(roles []rights.Role) (string, error) {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	text := strings.Join(words, " ")
	if identity.ParseRoles(text) == nil {
		return "", office.Refuse(office.ErrInvalid, "Roles are some of viewer, issuer, approver, security, auditor, admin; at least one.")
	}
	return text, nil
}

// Invite makes a one-use token to register with, in place of earlier ones. It
// belongs into the link that identity.JoinURL makes.
func (s People) Invite(ctx context.Context, by, name string) (token string, expires time.Time, err error) {
	p, err := s.find(ctx, name)
	if err != nil {
		return "", expires, err
	}
	now := s.now()
	expires = now.Add(invitationTime)
	token, i := identity.NewInvitation(p.ID, now, expires)
	if err := s.db.InvitePerson(ctx, i, by); err != nil {
		return "", expires, fmt.Errorf("store invitation: %w", err)
	}
	return token, expires, nil
}

func (s People) find(ctx context.Context, name string) (database.Person, error) {
	p, err := s.db.PersonNamed(ctx, name)
	if errors.Is(err, database.ErrNotFound) {
		return p, office.Refuse(office.ErrNotFound, "There is no person %.40q.", name)
	}
	if err != nil {
		return p, fmt.Errorf("find person: %w", err)
	}
	return p, nil
}

// Begin makes a session of a person and returns the value of its cookie, as for
// tests that need somebody who is signed in. Nobody proves anything here: who
// may call it can write the database, and could let in whom they like anyway.
// The audit has it as a sign-in by hand.
func (s People) Begin(ctx context.Context, name string) (cookie string, err error) {
	p, err := s.find(ctx, name)
	if err != nil {
		return "", err
	}
	now := s.now().UnixMilli()
	cookie = rand.Text() + rand.Text()
	err = s.db.SaveSession(ctx, database.Session{ID: identity.TokenHash(cookie), Person: p.ID, Method: identity.ByHand, Created: now, Signed: now, Seen: now})
	if errors.Is(err, database.ErrNotFound) {
		return "", office.Refuse(office.ErrConflict, "The access of %s has ended; invite them first.", name)
	}
	if err != nil {
		return "", fmt.Errorf("store session: %w", err)
	}
	return cookie, nil
}
