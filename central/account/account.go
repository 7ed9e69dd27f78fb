// Package account knows who a holder is at the portal: the registered address,
// one-time passwords, linked accounts, passkeys, sessions, and what holders write
// about themselves.
//
// Who somebody is says the register; an account is made with the first good
// sign-in, and its person is the register's id. A stranger learns nothing of who
// exists: what happened goes by mail to whom it concerns, and the answers on the
// screen are the same. An address or a name at a provider links nobody.
//
// What stands in the database lets nobody in: tokens are hashes there, codes keyed
// hashes, and letters are sealed until they are sent.
package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/openid"
	"turnstile/central/passkey"
	"turnstile/central/register"
	"turnstile/central/seal"
	"turnstile/central/session"
	"turnstile/central/throttle"
)

// ErrConfig tells what a change of the configuration mends.
var ErrConfig = errors.New("sign-in of holders")

// What a person can be refused for.
var (
	ErrAddress  = errors.New("this is no mail address")
	ErrTaken    = errors.New("it belongs to another account")
	ErrNoCode   = errors.New("no code waits in this browser: it expired, was tried too often, or was used")
	ErrState    = seal.ErrState // too late, done before, or not ours
	ErrSignIn   = errors.New("not signed in")
	ErrNotYours = errors.New("there is none of this account")
	ErrUnknown  = errors.New("the account elsewhere is of nobody in the register")
)

// WrongCode refuses a code that is not the one that was sent.
type WrongCode = database.WrongCode

// Register knows the people; *register.Register is one.
type Register interface {
	Person(ctx context.Context, id string) (register.Person, error)
	Identify(ctx context.Context, f register.Facts) (register.Person, error)
}

// Config is what Accounts need.
type Config struct {
	Site     string // of the campus, as holders call it
	DB       *database.DB
	Register Register
	Box      seal.Box
	Key      [32]byte // of this package alone: hashes of codes
	// URL is the portal's address as browsers show it, https://host or for this
	// machine alone http://localhost:8081.
	URL       string
	Providers []Provider
	Idle      time.Duration // how long a session stands without a request
	Lifetime  time.Duration // and in all
	Delay     time.Duration // until the office's word about an address takes effect
	Location  *time.Location
	Office    string // who helps, and how to reach them
	// Erase erases a holder's account and ends the passes that are good still, together;
	// database.ErrNotFound without an account.
	Erase func(ctx context.Context, person string) error
	Wake  func() // the outbox has something new; nil: it looks by itself
	Now   func() time.Time
	Log   *slog.Logger
}

// Accounts are the holders' accounts. Safe for concurrent use.
type Accounts struct {
	config   Config
	origin   *url.URL
	states   seal.States
	sessions *session.Sessions
	rows     database.Holders
	throttle *throttle.Throttle
	browsers throttle.Browsers
	passkeys *passkey.Passkeys // nil: browsers offer none at this address
	openid   *openid.Client
}

// kind tells what is sealed here from what the office seals.
const kind = "holder "

// Open returns the accounts of a portal. ErrConfig.
func Open(c Config) (*Accounts, error) {
	origin, err := url.Parse(c.URL)
	if err != nil || origin.Host == "" || strings.Trim(origin.Path, "/") != "" || origin.Scheme != "https" && (origin.Scheme != "http" || !openid.IsLoopback(origin)) {
		return nil, fmt.Errorf("%w: want the portal's address as https://ecard.example, without a path; http:// is for localhost alone", ErrConfig)
	}
	if c.Wake == nil {
		c.Wake = func() {}
	}
	secure := origin.Scheme == "https"
	a := &Accounts{config: c, origin: origin, states: seal.States{Box: c.Box, Spent: c.DB, Now: c.Now}, rows: database.Holders{DB: c.DB}}
	a.sessions = session.New(session.Config{Rows: a.rows, Cookie: "turnstile-holder", Secure: secure, Idle: c.Idle, Lifetime: c.Lifetime, Persist: true, Now: c.Now, Log: c.Log})
	a.throttle = throttle.New(c.DB, free, c.Now)
	a.browsers = throttle.Browsers{Box: c.Box, Cookie: "turnstile-holder-known", Purpose: kind + "known browser", Secure: secure, Now: c.Now}
	if a.openid, err = a.openProviders(secure); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if a.passkeys, err = passkey.Open(passkey.Config{Origin: origin, Name: c.Site, Kind: kind, States: a.states, Log: c.Log}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return a, nil
}

// Origin is the portal's address without a path.
func (a *Accounts) Origin() string { return a.origin.Scheme + "://" + a.origin.Host }

func (a *Accounts) secure() bool { return a.origin.Scheme == "https" }

func (a *Accounts) now() int64 { return a.config.Now().UnixMilli() }

// tidyEvery is how often changes take effect and what expired is deleted.
const tidyEvery = time.Minute

// Run carries out changes of addresses whose time has come, and deletes what has
// expired, until ctx ends.
func (a *Accounts) Run(ctx context.Context) error {
	t := time.NewTicker(tidyEvery)
	defer t.Stop()
	for {
		if err := a.Tidy(ctx); err != nil && ctx.Err() == nil {
			a.config.Log.Error("tidy accounts", "cause", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Tidy is one round of Run.
func (a *Accounts) Tidy(ctx context.Context) error {
	now := a.config.Now()
	return errors.Join(a.finishChanges(ctx),
		a.config.DB.PruneAccounts(ctx, now.Add(-a.config.Lifetime).UnixMilli(), now.Add(-a.config.Idle).UnixMilli(), now.UnixMilli()))
}

// fresh is an account as it begins.
func (a *Accounts) fresh(person, lang string) database.Account {
	return database.Account{Person: person, Handle: rand.Text(), Lang: language(lang), Created: a.now()}
}

// language is what of a wish is known; "" is none.
func language(lang string) string {
	if lang == string(letters.English) || lang == string(letters.Chinese) {
		return lang
	}
	return ""
}

// parseAddress reads a mail address as it is typed: address is how mail is sent
// there, folded the same for two spellings that no real server tells apart.
func parseAddress(typed string) (address, folded string, err error) {
	address, ok := register.ParseAddress(typed)
	if !ok {
		return "", "", ErrAddress
	}
	return address, strings.ToLower(address), nil
}

// letter puts a letter's row together.
func (a *Accounts) letter(l letters.Letter, address string) (database.Letter, error) {
	row, err := letters.Seal(a.config.Box, l, address, "portal", a.config.Now())
	if err != nil {
		return row, fmt.Errorf("write letter: %w", err)
	}
	return row, nil
}

// person returns somebody of the register under the id that counts; the account of
// an id that the office merged away comes along.
func (a *Accounts) person(ctx context.Context, id string) (register.Person, error) {
	p, err := a.config.Register.Person(ctx, id)
	if err != nil || len(p.Aliases) == 0 {
		return p, err
	}
	if _, err := a.config.DB.Account(ctx, p.ID); !errors.Is(err, database.ErrNotFound) {
		return p, err
	}
	for _, alias := range p.Aliases {
		err := a.config.DB.MoveAccount(ctx, alias, p.ID, a.now())
		if !errors.Is(err, database.ErrNotFound) {
			return p, err
		}
	}
	return p, nil
}

// Address returns the registered mail address of a person, "" for none.
func (a *Accounts) Address(ctx context.Context, person string) (string, error) {
	row, err := a.config.DB.Account(ctx, person)
	if errors.Is(err, database.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find account: %w", err)
	}
	return row.Address, nil
}

// SetLang remembers the language of the account; "" for the browser's wish.
func (a *Accounts) SetLang(ctx context.Context, h Holder, lang string) error {
	if err := a.config.DB.SetAccountLang(ctx, h.Person, language(lang)); err != nil {
		return fmt.Errorf("store language: %w", err)
	}
	return nil
}

// network names where a request came from, for the log.
func network(r *http.Request) string { return throttle.Network("network", throttle.Address(r)) }
