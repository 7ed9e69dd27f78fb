package netid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/letters"
	"turnstile/central/password"
	"turnstile/central/register"
	"turnstile/central/seal"
)

// people is a register in memory.
type people map[string]register.Person

// secretOf is the personal id of a person of these tests.
func secretOf(id string) string { return "X" + id + "0000" }

func (p people) Identify(_ context.Context, f register.Facts) (register.Person, error) {
	for id, q := range p {
		card := f.Card == nil || slices.ContainsFunc(q.Cards, func(c register.Card) bool { return c.Kind == f.Card.Kind && c.Number == f.Card.Number })
		if q.Surname == f.Surname && q.Given == f.Given && q.Born == f.Born && (f.PersonalID == secretOf(id) || f.PersonalID == "" && f.Card != nil) && card {
			return q, nil
		}
	}
	return register.Person{}, register.ErrNoMatch
}

func (p people) Person(_ context.Context, id string) (register.Person, error) {
	q, ok := p[id]
	if !ok {
		return q, register.ErrNotFound
	}
	return q, nil
}

var hongKong = time.FixedZone("HKT", 8*3600)

// desk is a directory on a real database, with a clock of its own.
type desk struct {
	*Directory
	t      *testing.T
	db     *database.DB
	people people
	log    bytes.Buffer

	mu    sync.Mutex // guards the following
	clock time.Time
}

// now moves on a little with each look, so that letters have an order.
func (d *desk) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clock = d.clock.Add(time.Millisecond)
	return d.clock
}

func (d *desk) wait(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clock = d.clock.Add(by)
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	box, err := seal.New([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, db: databasetest.Open(t, filepath.Join(t.TempDir(), "central.db")), clock: time.Date(2026, 3, 31, 10, 0, 0, 0, hongKong), people: people{}}
	d.Directory = New(Config{DB: d.db, Register: d.people, Box: box, Hasher: password.New(password.Cheap()), Portal: "https://ecard.example", Office: "alumni@campus.example",
		Domain: "campus.example", Issuer: "https://ecard.example/openid", Location: hongKong, Now: d.now, Log: slog.New(slog.NewTextHandler(&d.log, nil))})
	return d
}

// add puts somebody into the register who graduated in a year, 0 for nobody.
func (d *desk) add(id, surname, given string, year int, cards ...register.Card) register.Person {
	p := register.Person{ID: id, Surname: surname, Given: given, Born: "1980-01-02", Cards: cards}
	if year > 0 {
		p.Degrees = []register.Degree{{Award: "BSc", Institution: "university", Graduated: fmt.Sprintf("%d-11-01", year), KeepsNetID: true}}
	}
	d.people[id] = p
	return p
}

var from = net.ParseIP("192.0.2.1")

// as states what is true of a person.
func (d *desk) as(p register.Person, email string) Applicant {
	a := Applicant{Surname: p.Surname, Given: p.Given, Born: p.Born, PersonalID: secretOf(p.ID), Email: email, Lang: letters.English, From: from}
	if len(p.Cards) > 0 {
		a.Card = &p.Cards[0]
	}
	return a
}

var eight = regexp.MustCompile(`(?m)^    (\d{8})$`)

// mails returns the letters to an address, the newest first, while they wait.
func (d *desk) mails(address string) (list []letters.Letter) {
	d.t.Helper()
	rows, err := d.db.LettersTo(d.t.Context(), address, 100)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, m := range rows {
		l, err := letters.Open(d.config.Box, m.ID, m.Sealed)
		if err != nil {
			d.t.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}

// code returns the code of the newest letter to an address.
func (d *desk) code(address string) string {
	d.t.Helper()
	list := d.mails(address)
	if len(list) == 0 {
		d.t.Fatalf("no letter to %s", address)
	}
	m := eight.FindStringSubmatch(list[0].Text)
	if m == nil {
		d.t.Fatalf("no code in %q", list[0].Text)
	}
	return m[1]
}

const good = "seven green bicycles"

// enrolled registers a NetID for a person, with the whole of the way.
func (d *desk) enrolled(p register.Person, email, name string) Entry {
	d.t.Helper()
	token, err := d.Begin(d.t.Context(), d.as(p, email))
	if err != nil {
		d.t.Fatal(err)
	}
	codes := []string{d.code(email)}
	if p.Email != "" {
		codes = append(codes, d.code(p.Email))
	}
	if _, err := d.Confirm(d.t.Context(), token, codes...); err != nil {
		d.t.Fatal(err)
	}
	e, err := d.Complete(d.t.Context(), token, name, good)
	if err != nil {
		d.t.Fatal(err)
	}
	return e
}

func refused(t *testing.T, err error, want Reason) *Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || !errors.Is(err, want) {
		t.Fatalf("got %v, want %s", err, want)
	}
	return r
}
