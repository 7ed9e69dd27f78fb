package netid

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/letters"
	"turnstile/central/password"
	"turnstile/central/register"
	"turnstile/central/seal"
	"turnstile/central/throttle"
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
	ended []string
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
		Domain: "campus.example", Location: hongKong, Now: d.now, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
		Ended: func(_ context.Context, person, netID string) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.ended = append(d.ended, netID)
			return nil
		}})
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

// TestRegister: each of the seven cards and a graduate get a NetID, are mailed it,
// and sign in with it.
func TestRegister(t *testing.T) {
	d := newDesk(t)
	kinds := register.CardKinds()
	if len(kinds) != 7 {
		t.Fatalf("%d kinds of cards", len(kinds))
	}
	for i, kind := range append(kinds, "") {
		id := fmt.Sprint("p", i)
		p := d.add(id, "CHAN", "Tai Man", 2005)
		want, card := fmt.Sprintf("tmchan%d", i), Alumni
		if kind != "" {
			p = d.add(id, "CHAN", "Tai Man", 0, register.Card{Kind: kind, Number: fmt.Sprintf("2610%d000D", i)})
			card = string(kind)
		}
		switch {
		case kind == register.StudentCard:
			want = fmt.Sprintf("2610%d000d", i)
		case i == 1:
			want = "tmchan"
		}
		email := id + "@example.org"
		e := d.enrolled(p, email, fmt.Sprintf("Tai Man CHAN %d", i+10))
		if e.NetID != want || e.Card != card || e.Person != id || e.Alias != fmt.Sprintf("tai-man.chan-%d@campus.example", i+10) || e.Email != email || e.Changed.IsZero() {
			t.Errorf("%s: %+v, want %s", kind, e, want)
		}
		if l := d.mails(email)[0]; l.Kind != "netid_done" || !strings.Contains(l.Text, e.NetID) || !strings.Contains(l.Subject, "Completion of NetID registration") {
			t.Errorf("%s: mailed %+v", kind, l)
		}
		if got, err := d.Check(t.Context(), " "+strings.ToUpper(e.NetID), good, from); err != nil || got.NetID != e.NetID {
			t.Errorf("%s: sign in: %+v, %v", kind, got, err)
		}
	}
}

// TestProposedName: the register's name is offered, or others that are free.
func TestProposedName(t *testing.T) {
	d := newDesk(t)
	first := d.add("a", "Chan", "Tai Man", 2005)
	second := d.add("b", "Chan", "Tai Man", 2006)
	offered := func(p register.Person, email string) []Name {
		token, err := d.Begin(t.Context(), d.as(p, email))
		if err != nil {
			t.Fatal(err)
		}
		step, err := d.Confirm(t.Context(), token, d.code(email))
		if err != nil || step.Kind != Registration {
			t.Fatal(step, err)
		}
		return step.Names
	}
	if got := offered(first, "a@example.org"); !slices.Equal(got, []Name{{"Tai Man CHAN", "tai-man.chan"}}) {
		t.Errorf("%+v", got)
	}
	d.enrolled(first, "a@example.org", "Tai Man CHAN")
	if got := offered(second, "b@example.org"); len(got) != suggested || got[0] != (Name{"Tai Man CHAN 2", "tai-man.chan-2"}) {
		t.Errorf("%+v", got)
	}
}

func refused(t *testing.T, err error, want Reason) *Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || !errors.Is(err, want) {
		t.Fatalf("got %v, want %s", err, want)
	}
	return r
}

// TestNamesTaken: what is taken is said, and what is offered instead can be had.
func TestNamesTaken(t *testing.T) {
	d := newDesk(t)
	d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN")
	b := d.add("b", "WONG", "Ada", 2005)
	token, err := d.Begin(t.Context(), d.as(b, "b@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Complete(t.Context(), token, "Ada WONG", good); !errors.Is(err, Over) {
		t.Errorf("before the code: %v", err)
	}
	if _, err := d.Confirm(t.Context(), token, d.code("b@example.org")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Reason{"tai  man chan": NameTaken, "CHAN Tai Man": AliasTaken, "Tai-Man CHAN": AliasTaken, "Postmaster": AliasTaken, "Ada_WONG": NameForm, "": NameForm, "王": NameForm, "1 2": NameForm} {
		_, err := d.Complete(t.Context(), token, name, good)
		r := refused(t, err, want)
		if (len(r.Names) > 0) != (want != NameForm) {
			t.Errorf("%s: offered %v", name, r.Names)
		}
		for _, n := range r.Names {
			if err := d.free(t.Context(), n); err != nil {
				t.Errorf("%s: offered %v, which is not free: %v", name, n, err)
			}
		}
	}
	if _, err := d.Complete(t.Context(), token, "Ada WONG", "short"); !errors.Is(err, Short) {
		t.Errorf("a short password: %v", err)
	}
	if e, err := d.Complete(t.Context(), token, "Ada WONG", good); err != nil || e.NetID != "awong" {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := d.Complete(t.Context(), token, "Ada WONG 2", good); !errors.Is(err, Over) {
		t.Errorf("a second time: %v", err)
	}
}

// TestGivesNothingAway: before a code was typed, whoever has a NetID, had to keep
// one, or has none is answered alike; and whatever is wrong is one answer.
func TestGivesNothingAway(t *testing.T) {
	d := newDesk(t)
	has := d.add("has", "CHAN", "Tai Man", 2005)
	d.enrolled(has, "has@example.org", "Tai Man CHAN")
	keeps := d.add("keeps", "LEE", "Ka Yan", 2015)
	keeps.NetIDs = []string{"15001234d"}
	d.people["keeps"] = keeps
	never := d.add("never", "HO", "Mei", 2001)
	none := d.add("none", "NG", "Siu", 0)
	for _, p := range []register.Person{has, keeps, never, none} {
		a := d.as(p, "typed@example.org")
		if _, err := d.Begin(t.Context(), a); err != nil {
			t.Errorf("%s: %v", p.ID, err)
		}
		if l := d.mails("typed@example.org")[0]; l.Kind != "confirm_address" {
			t.Errorf("%s: mailed %s", p.ID, l.Kind)
		}
		d.wait(24*time.Hour + time.Minute) // its mails are counted
	}
	for name, spoil := range map[string]func(*Applicant){
		"surname": func(a *Applicant) { a.Surname = "CHEN" }, "given": func(a *Applicant) { a.Given = "Tai" }, "born": func(a *Applicant) { a.Born = "1980-01-03" },
		"personal id": func(a *Applicant) { a.PersonalID = "X1" }, "a card": func(a *Applicant) { a.Card = &register.Card{Kind: register.StaffCard, Number: "1"} },
	} {
		a := d.as(has, "typed2@example.org")
		spoil(&a)
		if _, err := d.Begin(t.Context(), a); !errors.Is(err, NoMatch) {
			t.Errorf("%s: %v", name, err)
		}
		if err := d.Find(t.Context(), a); err != nil {
			t.Errorf("%s: found: %v", name, err)
		}
		d.wait(24*time.Hour + time.Minute)
	}
	if got := d.mails("typed2@example.org"); len(got) != 0 {
		t.Errorf("mailed %+v", got)
	}
	for _, text := range []string{"CHAN", "example.org", secretOf("has"), good} {
		if strings.Contains(d.log.String(), text) {
			t.Errorf("the log has %q: %s", text, d.log.String())
		}
	}
}

// TestDuplicates: who has one is told how to find it, after the code that came to
// the address of that person, and not to the one that was typed in.
func TestDuplicates(t *testing.T) {
	d := newDesk(t)
	has := d.add("has", "CHAN", "Tai Man", 2005)
	first := d.enrolled(has, "has@example.org", "Tai Man CHAN")
	token, err := d.Begin(t.Context(), d.as(has, "thief@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Confirm(t.Context(), token, d.code("thief@example.org")); !errors.Is(err, WrongCode) {
		t.Errorf("with the typed address alone: %v", err)
	}
	_, err = d.Confirm(t.Context(), token, d.code("has@example.org"), d.code("thief@example.org"))
	if r := refused(t, err, Already); !slices.Equal(r.NetIDs, []string{first.NetID}) {
		t.Errorf("%+v", r)
	}
	if _, err := d.Complete(t.Context(), token, "Another NAME", good); !errors.Is(err, Over) {
		t.Errorf("after that: %v", err)
	}
	none := d.add("none", "NG", "Siu", 0)
	if token, err = d.Begin(t.Context(), d.as(none, "n@example.org")); err != nil {
		t.Fatal(err)
	}
	_, err = d.Confirm(t.Context(), token, d.code("n@example.org"))
	refused(t, err, NotGraduate)
}

// TestKeepsStudentNetID: graduates of 2011 or later keep the one they have, and can
// set a NetPassword for it.
func TestKeepsStudentNetID(t *testing.T) {
	d := newDesk(t)
	p := d.add("keeps", "LEE", "Ka Yan", 2015)
	p.NetIDs, p.Email = []string{"15001234d"}, "old@example.org"
	d.people["keeps"] = p
	token, err := d.Begin(t.Context(), d.as(p, "new@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Confirm(t.Context(), token, d.code("new@example.org"), d.code("old@example.org"))
	if r := refused(t, err, KeepsStudent); !slices.Equal(r.NetIDs, p.NetIDs) {
		t.Errorf("%+v", r)
	}
	if _, err := d.Check(t.Context(), "15001234d", "", from); !errors.Is(err, WrongPassword) {
		t.Errorf("without a password: %v", err)
	}
	if token, err = d.BeginReset(t.Context(), "15001234D", from); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Confirm(t.Context(), token, d.code("new@example.org")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SetPassword(t.Context(), token, good); err != nil {
		t.Fatal(err)
	}
	if e, err := d.Check(t.Context(), "15001234d", good, from); err != nil || e.Person != "keeps" || e.Card != string(register.StudentCard) {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestCodes: five tries, ten minutes, every code, and one flow of a person at a time.
func TestCodes(t *testing.T) {
	d := newDesk(t)
	p := d.add("a", "CHAN", "Tai Man", 2005)
	p.Email = "known@example.org"
	d.people["a"] = p
	begin := func() string {
		t.Helper()
		token, err := d.Begin(t.Context(), d.as(p, "a@example.org"))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	token := begin()
	for i := range codeTries + 1 {
		want := WrongCode
		if i == codeTries {
			want = Over
		}
		if _, err := d.Confirm(t.Context(), token, "00000000", "", "x"); !errors.Is(err, want) {
			t.Errorf("try %d: %v", i, err)
		}
	}
	if _, err := d.Confirm(t.Context(), token, d.code("a@example.org"), d.code("known@example.org")); !errors.Is(err, Over) {
		t.Errorf("after five tries: %v", err)
	}
	token = begin()
	if _, err := d.Confirm(t.Context(), token, d.code("a@example.org")); !errors.Is(err, WrongCode) {
		t.Errorf("one of two: %v", err)
	}
	old := token
	token = begin()
	if _, err := d.Confirm(t.Context(), old, d.code("a@example.org"), d.code("known@example.org")); !errors.Is(err, Over) {
		t.Errorf("a newer one was asked for: %v", err)
	}
	spaced := d.code("known@example.org")
	if _, err := d.Confirm(t.Context(), token, spaced[:4]+" "+spaced[4:], d.code("a@example.org")); err != nil {
		t.Errorf("in the other order, with a space: %v", err)
	}
	d.wait(stepLife)
	if _, err := d.Complete(t.Context(), token, "Tai Man CHAN", good); !errors.Is(err, Over) {
		t.Errorf("after half an hour: %v", err)
	}
	token = begin()
	d.wait(codeLife)
	if _, err := d.Confirm(t.Context(), token, d.code("a@example.org"), d.code("known@example.org")); !errors.Is(err, Over) {
		t.Errorf("after ten minutes: %v", err)
	}
	for _, token := range []string{"", "x", strings.Repeat("x", 1000)} {
		if _, err := d.Confirm(t.Context(), token, "00000000"); !errors.Is(err, Over) {
			t.Errorf("no token: %v", err)
		}
	}
}

// TestFlowIsNoOthers: a row that was moved to another token opens nothing.
func TestFlowIsNoOthers(t *testing.T) {
	d := newDesk(t)
	p := d.add("a", "CHAN", "Tai Man", 2005)
	token, err := d.Begin(t.Context(), d.as(p, "a@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	row, err := d.db.Flow(t.Context(), hashed(token), d.Directory.now())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(row.Data, []byte("example.org")) {
		t.Error("the address stands in the open")
	}
	row.ID, row.Subject = hashed("thief"), "x"
	if err := d.db.BeginFlow(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Confirm(t.Context(), "thief", d.code("a@example.org")); !errors.Is(err, Over) {
		t.Errorf("with another's token: %v", err)
	}
}

// TestPasswords: each reason, the history, and that a change ends sessions.
func TestPasswords(t *testing.T) {
	d := newDesk(t)
	folder := t.TempDir()
	const stolen = "blue horses everywhere"
	sum := strings.ToUpper(fmt.Sprintf("%x", sha1.Sum([]byte(stolen))))
	if err := os.WriteFile(filepath.Join(folder, sum[:5]), []byte("0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n"+sum[5:]+":3\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.config.Breached, err = password.OpenBreached(folder); err != nil {
		t.Fatal(err)
	}
	e := d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN") // its range is not in the folder
	if !strings.Contains(d.log.String(), "breached") {
		t.Error("a list with holes is not told")
	}
	if err := d.ChangePassword(t.Context(), e.NetID, "wrong", "nine yellow houses", from); !errors.Is(err, WrongPassword) {
		t.Errorf("with a wrong one: %v", err)
	}
	for typed, want := range map[string]Reason{"eleven char": Short, strings.Repeat("long ", 40): Long, "passwordpassword": Common, "tai man chan": Common, stolen: Stolen, good: Used} {
		if err := d.ChangePassword(t.Context(), e.NetID, good, typed, from); !errors.Is(err, want) {
			t.Errorf("%.20s: %v, want %s", typed, err, want)
		}
	}
	if err := d.db.AddOpenIDSession(t.Context(), database.OpenIDSession{ID: []byte("s"), NetID: e.NetID, Signed: 1, Expires: d.Directory.now() + 1e6}); err != nil {
		t.Fatal(err)
	}
	last := good
	for i := range History + 1 {
		next := fmt.Sprintf("%d orange envelopes", i)
		if err := d.ChangePassword(t.Context(), e.NetID, last, next, from); err != nil {
			t.Fatal(err)
		}
		d.wait(time.Second)
		last = next
	}
	if _, err := d.db.OpenIDSession(t.Context(), []byte("s"), d.Directory.now()); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("the session lives: %v", err)
	}
	if !slices.Contains(d.ended, e.NetID) {
		t.Error("nobody was told to end the portal's sessions")
	}
	for i, want := range []error{nil, nil, Used, Used, Used, Used} { // 0 and 1 are long ago
		if i < 2 {
			continue
		}
		if err := d.ChangePassword(t.Context(), e.NetID, last, fmt.Sprintf("%d orange envelopes", i), from); !errors.Is(err, want) {
			t.Errorf("the %dth again: %v", i, err)
		}
	}
	if err := d.ChangePassword(t.Context(), e.NetID, last, "0 orange envelopes", from); err != nil {
		t.Errorf("one of long ago: %v", err)
	}
	if l := d.mails("a@example.org")[0]; l.Kind != "password_changed" {
		t.Errorf("mailed %s", l.Kind)
	}
}

// TestReset: who has forgotten the NetPassword gets in again, and everybody else
// out; a NetID that is not there is answered alike.
func TestReset(t *testing.T) {
	d := newDesk(t)
	e := d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN")
	nobody, err := d.BeginReset(t.Context(), "nobody", from)
	if err != nil {
		t.Fatal(err)
	}
	token, err := d.BeginReset(t.Context(), e.NetID, from)
	if err != nil || len(token) != len(nobody) {
		t.Fatal(token, err)
	}
	if _, err := d.Confirm(t.Context(), nobody, d.code("a@example.org")); !errors.Is(err, Over) {
		t.Errorf("nobody's token: %v", err)
	}
	if _, err := d.SetPassword(t.Context(), token, "nine yellow houses"); !errors.Is(err, Over) {
		t.Errorf("before the code: %v", err)
	}
	if step, err := d.Confirm(t.Context(), token, d.code("a@example.org")); err != nil || step.Kind != Reset || step.NetID != e.NetID {
		t.Fatal(step, err)
	}
	if _, err := d.SetPassword(t.Context(), token, good); !errors.Is(err, Used) {
		t.Errorf("the one before: %v", err)
	}
	for _, kind := range []Kind{Registration, Email} {
		if _, err := d.confirmed(t.Context(), token, kind); !errors.Is(err, Over) {
			t.Errorf("as %s: %v", kind, err)
		}
	}
	if _, err := d.SetPassword(t.Context(), token, "nine yellow houses"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SetPassword(t.Context(), token, "ten yellow houses"); !errors.Is(err, Over) {
		t.Errorf("twice: %v", err)
	}
	if _, err := d.Check(t.Context(), e.NetID, good, from); !errors.Is(err, WrongPassword) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := d.Check(t.Context(), e.NetID, "nine yellow houses", from); err != nil {
		t.Error(err)
	}
	if err := d.End(t.Context(), e.NetID, "user:office", "left"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Check(t.Context(), e.NetID, "nine yellow houses", from); !errors.Is(err, WrongPassword) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := d.Profile(t.Context(), e.NetID); !errors.Is(err, Unknown) {
		t.Error(err)
	}
	if err := d.End(t.Context(), e.NetID, "user:office", "left"); !errors.Is(err, Unknown) {
		t.Error(err)
	}
}

// TestChangeEmail: both addresses have to agree, and the old one is told.
func TestChangeEmail(t *testing.T) {
	d := newDesk(t)
	e := d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN")
	for typed, want := range map[string]Reason{"A@example.org": SameAddress, "a@localhost": AddressForm, "no": AddressForm, "A <a@example.com>": AddressForm, "a@example.com\r\nBcc: x": AddressForm, strings.Repeat("a", 300) + "@example.org": AddressForm} {
		if _, err := d.ChangeEmail(t.Context(), e.NetID, typed); !errors.Is(err, want) {
			t.Errorf("%.30q: %v", typed, err)
		}
	}
	token, err := d.ChangeEmail(t.Context(), e.NetID, "b@Example.COM")
	if err != nil {
		t.Fatal(err)
	}
	both := []string{d.code("a@example.org"), d.code("b@example.com")}
	for _, codes := range [][]string{both[:1], both[1:], {both[0], both[0]}, nil} {
		if _, err := d.Confirm(t.Context(), token, codes...); !errors.Is(err, WrongCode) {
			t.Errorf("%d codes: %v", len(codes), err)
		}
	}
	if got, _ := d.Profile(t.Context(), e.NetID); got.Email != "a@example.org" {
		t.Errorf("%+v", got)
	}
	if step, err := d.Confirm(t.Context(), token, both...); err != nil || step.Kind != Email {
		t.Fatal(step, err)
	}
	if got, err := d.Profile(t.Context(), e.NetID); err != nil || got.Email != "b@example.com" {
		t.Errorf("%+v, %v", got, err)
	}
	if l := d.mails("a@example.org")[0]; l.Kind != "address_changed" || strings.Contains(l.Text, "b@example.com") {
		t.Errorf("%+v", l)
	}
	if _, err := d.Confirm(t.Context(), token, both...); !errors.Is(err, Over) {
		t.Errorf("twice: %v", err)
	}
}

// TestFind: NetIDs come by mail, to the addresses of the person alone.
func TestFind(t *testing.T) {
	d := newDesk(t)
	p := d.add("a", "CHAN", "Tai Man", 2005)
	p.NetIDs, p.Email = []string{"05001234d"}, "old@example.org"
	d.people["a"] = p
	if err := d.Find(t.Context(), d.as(p, "")); err != nil {
		t.Fatal(err)
	}
	if l := d.mails("old@example.org"); len(l) != 1 || l[0].Kind != "netid_forgotten" || !strings.Contains(l[0].Text, "05001234d") {
		t.Errorf("%+v", l)
	}
	e := d.enrolled(p, "a@example.org", "Tai Man CHAN")
	if err := d.Find(t.Context(), d.as(p, "")); err != nil {
		t.Fatal(err)
	}
	if l := d.mails("a@example.org")[0]; !strings.Contains(l.Text, "05001234d, "+e.NetID) {
		t.Errorf("%s", l.Text)
	}
	q := d.add("b", "HO", "Mei", 2001)
	q.Email = "b@example.org"
	d.people["b"] = q
	if err := d.Find(t.Context(), d.as(q, "")); err != nil {
		t.Fatal(err)
	}
	if l := d.mails("b@example.org")[0]; l.Kind != "netid_none" {
		t.Errorf("%+v", l)
	}
}

// TestThrottled: guessing costs time, of a password, of details, and of mail.
func TestThrottled(t *testing.T) {
	d := newDesk(t)
	p := d.add("a", "CHAN", "Tai Man", 2005)
	e := d.enrolled(p, "a@example.org", "Tai Man CHAN")
	slowed := func(name string, most int, try func() error) {
		t.Helper()
		for i := range most {
			if err := try(); errors.Is(err, throttle.ErrWait) {
				if i < 3 {
					t.Errorf("%s: slowed at once", name)
				}
				return
			}
		}
		t.Errorf("%s: never slowed", name)
	}
	slowed("password", 10, func() error { _, err := d.Check(t.Context(), e.NetID, "guess", from); return err })
	if _, err := d.Check(t.Context(), e.NetID, good, net.ParseIP("198.51.100.1")); !errors.Is(err, throttle.ErrWait) {
		t.Errorf("from elsewhere: %v", err)
	}
	d.wait(time.Hour)
	if _, err := d.Check(t.Context(), e.NetID, good, from); err != nil {
		t.Errorf("after a wait: %v", err)
	}
	wrong := d.as(p, "x@example.org")
	wrong.Given = "Wrong"
	slowed("details", 10, func() error { _, err := d.Begin(t.Context(), wrong); return err })
	d.wait(25 * time.Hour)
	slowed("mail", 10, func() error { _, err := d.ChangeEmail(t.Context(), e.NetID, "victim@example.org"); return err })
}

// TestRehashed: a hash of less work is replaced at the next sign-in.
func TestRehashed(t *testing.T) {
	d := newDesk(t)
	e := d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN")
	before, err := d.db.NetID(t.Context(), e.NetID)
	if err != nil {
		t.Fatal(err)
	}
	more := password.Cheap()
	more.Iterations++
	d.config.Hasher = password.New(more)
	for range 2 {
		if _, err := d.Check(t.Context(), e.NetID, good, from); err != nil {
			t.Fatal(err)
		}
	}
	after, err := d.db.NetID(t.Context(), e.NetID)
	if err != nil || after.Password == before.Password || after.Changed != before.Changed {
		t.Errorf("%+v, %v", after, err)
	}
}
