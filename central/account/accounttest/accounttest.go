// Package accounttest has the accounts of a portal for tests: on a database of
// their own, with a few people in the register and the mail to look into.
package accounttest

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/account"
	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/letters"
	"turnstile/central/register"
	"turnstile/central/seal"
)

// Chan is in the register with an address, Lee without one.
const (
	Chan        = "p-chan"
	Lee         = "p-lee"
	ChanAddress = "chan@old.example.org"
)

// people is a register of two.
type people map[string]register.Person

// Person implements account.Register.
func (p people) Person(_ context.Context, id string) (register.Person, error) {
	if one, ok := p[id]; ok {
		return one, nil
	}
	return register.Person{}, register.ErrNotFound
}

// Identify implements account.Register.
func (p people) Identify(_ context.Context, f register.Facts) (register.Person, error) {
	for _, one := range p {
		if strings.EqualFold(one.Surname, f.Surname) && strings.EqualFold(one.Given, f.Given) && one.Born == f.Born && string(one.PersonalID) == f.PersonalID {
			return one, nil
		}
	}
	return register.Person{}, register.ErrNoMatch
}

// Portal is accounts with what they stand on.
type Portal struct {
	*account.Accounts
	DB     *database.DB
	Box    seal.Box
	States seal.States

	t     testing.TB
	mu    sync.Mutex // guards the following
	by    time.Duration
	stood time.Time // zero: the clock goes
}

// Now is the portal's clock: the machine's, and what Wait added.
func (p *Portal) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stood.IsZero() {
		return p.stood.Add(p.by)
	}
	return time.Now().Add(p.by)
}

// Stand stops the clock, which only Wait moves until it goes again: for what a test has
// to do within a time, however slow its machine is.
func (p *Portal) Stand() (again func()) {
	set := func(at time.Time) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.stood = at
	}
	set(time.Now())
	return func() { set(time.Time{}) }
}

// Wait lets time pass.
func (p *Portal) Wait(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.by += by
}

// Open opens the accounts of a portal at a URL.
func Open(t testing.TB, url string, list ...account.Provider) *Portal {
	t.Helper()
	p := &Portal{t: t, DB: databasetest.Open(t, filepath.Join(t.TempDir(), "central.db"))}
	var err error
	if p.Box, err = seal.New([32]byte{7}); err != nil {
		t.Fatal(err)
	}
	p.States = seal.States{Box: p.Box, Spent: p.DB, Now: p.Now}
	p.Accounts, err = account.Open(account.Config{Site: "Campus", DB: p.DB, Box: p.Box, Key: [32]byte{8}, URL: url, Providers: list,
		Register: people{
			Chan: {ID: Chan, Surname: "CHAN", Given: "Tai Man", NameZH: "陳大文", Born: "1980-01-02", PersonalID: []byte("A123456"), Email: ChanAddress},
			Lee:  {ID: Lee, Surname: "LEE", Given: "Siu", Born: "1990-03-04", PersonalID: []byte("B234567")},
		},
		Idle: 24 * time.Hour, Lifetime: 30 * 24 * time.Hour, Delay: 24 * time.Hour, Location: time.UTC, Office: "the office", Erase: databasetest.Erase(p.DB), Now: p.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Register gives a person an account with an address.
func (p *Portal) Register(person, address string) {
	p.t.Helper()
	_, err := p.DB.AddAccount(p.t.Context(), database.Account{Person: person, Address: address, Folded: strings.ToLower(address), Handle: "the handle of " + person, Created: p.Now().UnixMilli()})
	if err != nil {
		p.t.Fatal(err)
	}
}

// SignIn makes a session and returns the value of its cookie.
func (p *Portal) SignIn(person string) string {
	p.t.Helper()
	const token = "a-token-that-nobody-else-has-of-"
	now := p.Now().UnixMilli()
	err := database.Holders{DB: p.DB}.SaveSession(p.t.Context(), database.Session{ID: account.TokenHash(token + person), Person: person, Method: account.ByMail, Created: now, Signed: now, Seen: now})
	if err != nil {
		p.t.Fatal(err)
	}
	return token + person
}

// Letter returns the newest letter to an address, once there are n.
func (p *Portal) Letter(address string, n int) letters.Letter {
	p.t.Helper()
	l, err := p.letter(address, n)
	for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); {
		tick := time.NewTimer(20 * time.Millisecond)
		<-tick.C
		l, err = p.letter(address, n)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return l
}

func (p *Portal) letter(address string, n int) (letters.Letter, error) {
	rows, err := p.DB.LettersTo(p.t.Context(), address, 100)
	if err != nil {
		return letters.Letter{}, err
	}
	if len(rows) < n {
		return letters.Letter{}, errors.New("no letter to " + address + " yet")
	}
	return letters.Open(p.Box, rows[0].ID, rows[0].Sealed)
}

var digits = regexp.MustCompile(`\b\d{4} ?\d{4}\b`)

// Code returns the code in the n-th letter to an address.
func (p *Portal) Code(address string, n int) string {
	p.t.Helper()
	l := p.Letter(address, n)
	found := digits.FindString(l.Text)
	if found == "" {
		p.t.Fatalf("no code in %q", l.Text)
	}
	return found
}
