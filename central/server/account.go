package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/central/account"
	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/portal"
	"turnstile/central/portal/human"
	"turnstile/central/portal/profile"
	"turnstile/central/portal/signin"
	"turnstile/central/register"
	"turnstile/central/seal"
	"turnstile/central/status"
)

// HolderSignIn says how holders sign in at the portal beside one-time passwords by
// mail and passkeys.
type HolderSignIn struct {
	// Providers are places whose accounts holders may use. Default none.
	Providers []account.Provider `yaml:"providers"`
	// Idle is how long a session stands without a request, Lifetime in all. A phone is
	// its owner's: they are long. 1h to 365 days; default 720h (30 days) and 4320h.
	Idle     time.Duration `yaml:"idle"`
	Lifetime time.Duration `yaml:"lifetime"`
	// ChangeDelay is how long after the office approved it another mail address takes
	// effect, if the one before did not agree: time to object. 1m to 720h, default 24h.
	ChangeDelay time.Duration `yaml:"change_delay"`
}

// filled returns the setting with its defaults.
func (s HolderSignIn) filled() HolderSignIn {
	for field, standard := range map[*time.Duration]time.Duration{&s.Idle: 30 * 24 * time.Hour, &s.Lifetime: 180 * 24 * time.Hour, &s.ChangeDelay: 24 * time.Hour} {
		if *field == 0 {
			*field = standard
		}
	}
	return s
}

func (s HolderSignIn) problems(wrong func(bad bool, key, format string, args ...any)) {
	const key = "portal.sign_in"
	s = s.filled()
	for n := range s.Providers {
		p := &s.Providers[n]
		text := p.Check()
		wrong(text != "", key+".providers", "%s", text)
		wrong(slices.ContainsFunc(s.Providers[:n], func(q account.Provider) bool {
			return q.ID == p.ID || q.Filled().Issuer == p.Filled().Issuer
		}), key+".providers", "%s stands twice", p.ID)
	}
	const most = 365 * 24 * time.Hour
	wrong(s.Idle < time.Hour || s.Idle > s.Lifetime, key+".idle", "want 1h to lifetime")
	wrong(s.Lifetime > most, key+".lifetime", "want at most %s", most)
	wrong(s.ChangeDelay < time.Minute || s.ChangeDelay > 720*time.Hour, key+".change_delay", "want 1m to 720h")
}

// keyFor derives a key for one purpose from that of the secrets.
func keyFor(secrets [32]byte, purpose string) (key [32]byte) {
	h := hmac.New(sha256.New, secrets[:])
	h.Write([]byte(purpose))
	copy(key[:], h.Sum(nil))
	return key
}

// openHolders makes what the portal knows its holders by, and the pages of signing
// in and of the profile.
func (s *central) openHolders() error {
	secrets, err := s.issuer.SecretsKey()
	if err != nil {
		return fmt.Errorf("open the key of the secrets: %w", err)
	}
	box, err := s.box()
	if err != nil {
		return err
	}
	c := s.config.Portal.SignIn.filled()
	providers, err := s.holderProviders(c.Providers)
	if err != nil {
		return err
	}
	s.accounts, err = account.Open(account.Config{Site: s.campusName(), DB: s.db, Register: s.campus, Box: box, Key: keyFor(secrets, "turnstile-accounts-1"), URL: s.portalURL(),
		Providers: providers, Idle: c.Idle, Lifetime: c.Lifetime, Delay: c.ChangeDelay, Location: s.location, Office: s.config.Portal.Office,
		Erase: s.eraseHolder, Wake: s.wakeMail, Now: s.config.Now, Log: s.config.Log})
	if err != nil {
		return fmt.Errorf("%w: portal: %w", ErrConfig, err)
	}
	guard := human.New(keyFor(secrets, "turnstile-human-1"), seal.States{Box: box, Spent: s.db, Now: s.config.Now}, s.db)
	s.holders.auth, s.holders.contact, s.holders.describe = signin.Door{Accounts: s.accounts}, s.contactOf, s.describePerson
	s.holders.guard = guard
	s.holders.pages = append(s.holders.pages, slices.Concat(signin.Routes(s.accounts, guard),
		profile.Routes(profile.Services{Accounts: s.accounts, Degrees: s.degreesOf}))...)
	return nil
}

// eraseHolder erases a holder, and ends the codes of the holder and the guests at all
// lanes in the same transaction.
func (s *central) eraseHolder(ctx context.Context, person string) error {
	_, err := s.feed.Together(ctx, func(tx *database.FeedTx, now int64) ([]status.Change, error) {
		rows, err := tx.EraseAccount(person, s.feed.Today(), now)
		return changesOf(rows, link.Revoked, portal.By(person), "the holder's data were erased"), err
	})
	return err
}

// runAccounts carries out what is due of the holders' accounts, until ctx ends.
func (s *central) runAccounts(ctx context.Context) error {
	if s.accounts == nil {
		<-ctx.Done()
		return nil
	}
	return s.accounts.Run(ctx)
}

// contactOf reports whether a holder's contact is good enough for an eCard.
func (s *central) contactOf(ctx context.Context, person string) (bool, error) {
	p, err := s.accounts.Profile(ctx, person)
	return p.ContactComplete(), err
}

// describePerson returns a person's name and a line for each degree.
func (s *central) describePerson(ctx context.Context, person string, lang portal.Language) (name string, lines []string, err error) {
	p, err := s.campus.Person(ctx, person)
	if errors.Is(err, register.ErrNotFound) {
		return "", nil, office.Refuse(office.ErrNotFound, "There is no such person in the register.")
	}
	if err != nil {
		return "", nil, fmt.Errorf("find person: %w", err)
	}
	for _, d := range s.degrees(p, lang) {
		line := d.Award
		if d.Year != "" {
			line += ", " + d.Year
		}
		lines = append(lines, line)
	}
	return p.Name(string(lang)), lines, nil
}

// degreesOf returns a person's awards, with the institutions' names in a language.
func (s *central) degreesOf(ctx context.Context, person string, lang portal.Language) ([]profile.Degree, error) {
	p, err := s.campus.Person(ctx, person)
	if errors.Is(err, register.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find person: %w", err)
	}
	return s.degrees(p, lang), nil
}

func (s *central) degrees(p register.Person, lang portal.Language) (list []profile.Degree) {
	for _, d := range p.Degrees {
		out := profile.Degree{Award: strings.TrimSpace(d.Award + " " + d.Programme), Institution: d.Institution}
		if len(d.Graduated) >= 4 {
			out.Year = d.Graduated[:4]
		}
		for _, x := range s.campus.Institutions() {
			if x.ID == d.Institution && lang == portal.Chinese && x.NameZH != "" {
				out.Institution = x.NameZH
			} else if x.ID == d.Institution {
				out.Institution = x.Name
			}
		}
		list = append(list, out)
	}
	return list
}

// wakeMail makes the outbox look at once, if there is a server to mail with.
func (s *central) wakeMail() {
	if s.chores != nil && s.chores.mail != nil {
		s.chores.mail.Wake()
	}
}
