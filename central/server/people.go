package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"turnstile/central/console"
	"turnstile/central/database"
	"turnstile/central/identity"
	"turnstile/central/office"
	"turnstile/central/rights"
	"turnstile/central/seal"
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

// formTime is how old a sign-in may be when a form is sent whose page asked for a
// recent one: time to fill it in, and no way around the page.
const formTime = 30 * time.Minute

// stepUp makes deeds that let much out, or change much at once, ask for a recent
// sign-in, whichever page they are of: somebody may have left a screen unlocked.
// What is filled in for a while asks when its form is opened, and again if it was
// open too long.
func stepUp(routes []console.Route) []console.Route {
	dangerous := []string{"POST /passages/export", "GET /passes/bulk", "POST /passes/bulk/{id}/confirm", "POST /passes/import/{id}/settle"}
	filled := []string{"POST /passes/bulk", "POST /rules", "POST /rules/policy", "POST /rules/guests", "POST /rules/ecards", "POST /rules/retention", "POST /approvals/policy",
		"POST /lanes/enrol", "POST /lanes/at/{id}/invite", "POST /lanes/at/{id}/retire", "POST /lanes/at/{id}/revoke"}
	for i, r := range routes {
		key := r.Method + " " + r.Pattern
		if slices.Contains(dangerous, key) {
			routes[i].Recent = true
		}
		if slices.Contains(filled, key) {
			routes[i].Within = formTime
		}
	}
	return routes
}

// box seals what stands in the database and has to be read again: secrets of
// one-time codes and of webhooks.
func (s *central) box() (seal.Box, error) {
	key, err := s.issuer.SecretsKey()
	if err != nil {
		return nil, fmt.Errorf("open the key of the secrets: %w", err)
	}
	return seal.New(key)
}

// People keeps the staff accounts.
type People struct {
	db     *database.DB
	now    func() time.Time
	origin string // address of the console
}

// OpenPeople opens the staff accounts of central's database, also beside a
// server that runs on it. The closer closes the database.
func OpenPeople(ctx context.Context, c Config) (People, io.Closer, error) {
	db, err := c.OpenDatabase(ctx)
	if err != nil {
		return People{}, nil, err
	}
	now := c.Now
	if now == nil {
		now = time.Now
	}
	return People{db, now, c.consoleAddress()}, db, nil
}

// consoleAddress is where people reach the console, as far as the configuration
// and a central that runs tell.
func (c *Config) consoleAddress() string {
	if c.HTTP.URL != "" {
		return c.HTTP.URL
	}
	address := "http://" + c.HTTP.Listen
	if c.HTTP.safe() {
		address = "https://" + c.HTTP.Listen
	}
	var running Endpoints
	if data, err := os.ReadFile(filepath.Join(c.Data, EndpointsFile)); err == nil && json.Unmarshal(data, &running) == nil {
		address = running.HTTP
	}
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://localhost:" + u.Port()
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

// Invite makes a one-use link to register with, in place of earlier ones.
func (s People) Invite(ctx context.Context, by, name string) (office.AccountInvitation, error) {
	p, err := s.find(ctx, name)
	if err != nil {
		return office.AccountInvitation{}, err
	}
	now := s.now()
	expires := now.Add(invitationTime)
	token, i := identity.NewInvitation(p.ID, now, expires)
	if err := s.db.InvitePerson(ctx, i, by); err != nil {
		return office.AccountInvitation{}, fmt.Errorf("store invitation: %w", err)
	}
	return office.AccountInvitation{URL: identity.JoinURL(s.origin, token), Expires: expires}, nil
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

// List returns everybody by name.
func (s People) List(ctx context.Context) ([]office.Account, error) {
	rows, err := s.db.People(ctx)
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	invited, err := s.db.Invited(ctx)
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	out := make([]office.Account, 0, len(rows))
	for _, p := range rows {
		o := office.Account{Name: p.Name, Roles: identity.ParseRoles(p.Roles), Managed: p.Managed, Created: time.UnixMilli(p.Created), CreatedBy: p.CreatedBy,
			Seen: orZero(p.Seen), Ended: orZero(p.Ended)}
		if until := invited[p.ID]; until > s.now().UnixMilli() {
			o.Invited = time.UnixMilli(until)
		}
		out = append(out, o)
	}
	return out, nil
}

func orZero(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// SetRoles changes what a person may do.
func (s People) SetRoles(ctx context.Context, by, name string, roles []rights.Role) error {
	words, err := roleWords(roles)
	if err != nil {
		return err
	}
	p, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	if p.Managed != "" {
		return office.Refuse(office.ErrConflict, "The roles of %s come from %s; change them there.", name, p.Managed)
	}
	return refusedPerson(s.db.SetPersonRoles(ctx, p.ID, words, by, s.now().UnixMilli()), name)
}

// End takes a person's access away.
func (s People) End(ctx context.Context, by, name string) error {
	p, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	return refusedPerson(s.db.EndPerson(ctx, p.ID, by, s.now().UnixMilli()), name)
}

func refusedPerson(err error, name string) error {
	switch {
	case errors.Is(err, database.ErrLastAdmin):
		return office.Refuse(office.ErrConflict, "Nobody else who has signed in is an admin; make another one first.")
	case errors.Is(err, database.ErrNotFound):
		return office.Refuse(office.ErrNotFound, "The access of %s has ended already.", name)
	case err != nil:
		return fmt.Errorf("change person: %w", err)
	}
	return nil
}
