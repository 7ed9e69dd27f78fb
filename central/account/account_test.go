package account

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/letters"
	"turnstile/central/otp"
	"turnstile/central/register"
	"turnstile/central/seal"
	"turnstile/central/session"
)

// people is a register in memory.
type people map[string]register.Person

func (p people) Person(_ context.Context, id string) (register.Person, error) {
	for _, one := range p {
		for _, alias := range one.Aliases {
			if alias == id {
				return one, nil
			}
		}
	}
	if one, ok := p[id]; ok {
		return one, nil
	}
	return register.Person{}, register.ErrNotFound
}

func (p people) Identify(_ context.Context, f register.Facts) (register.Person, error) {
	for _, one := range p {
		if one.Surname == f.Surname && one.Given == f.Given && one.Born == f.Born && string(one.PersonalID) == f.PersonalID {
			return one, nil
		}
	}
	return register.Person{}, register.ErrNoMatch
}

// desk is a portal's accounts on a database of its own, with a clock to set.
type desk struct {
	*Accounts
	t      *testing.T
	path   string
	people people

	mu  sync.Mutex // guards the following
	at  time.Time
	log bytes.Buffer
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

func (d *desk) wait(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = d.at.Add(by)
}

const portalURL = "https://ecard.example.edu"

func newDesk(t *testing.T, list ...Provider) *desk {
	t.Helper()
	path := filepath.Join(t.TempDir(), "central.db")
	db, err := database.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	box, err := seal.New([32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, path: path, at: time.Now(), people: people{
		"p-chan": {ID: "p-chan", Surname: "CHAN", Given: "Tai Man", NameZH: "陳大文", Born: "1980-01-02", PersonalID: []byte("A1"), Email: "chan@old.example.org", Phone: "2766 0000",
			Degrees: []register.Degree{{Award: "BSc", Institution: "main", Graduated: "2012-11-01"}}},
		"p-lee":  {ID: "p-lee", Surname: "LEE", Given: "Siu", Born: "1990-03-04", PersonalID: []byte("B2")},
		"p-wong": {ID: "p-wong", Surname: "WONG", Given: "Mei", Born: "1970-05-06", PersonalID: []byte("C3")},
	}}
	d.Accounts, err = Open(Config{Site: "Campus", DB: db, Register: d.people, Box: box, Key: [32]byte{8}, URL: portalURL, Providers: list, Idle: 24 * time.Hour, Lifetime: 30 * 24 * time.Hour,
		Delay: 24 * time.Hour, Location: time.UTC, Office: "the office, 1234 5678", Erase: databasetest.Erase(db), Now: d.clock, Log: slog.New(slog.NewTextHandler(&d.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// tab is a browser with cookies at an address.
type tab struct {
	d       *desk
	address string
	cookies map[string]string
}

func (d *desk) tab(address string) *tab { return &tab{d, address, map[string]string{}} }

// do runs f as the handler of a request of the tab, a second after the one before.
func (b *tab) do(f func(w http.ResponseWriter, r *http.Request)) {
	b.d.wait(time.Second)
	b.send(httptest.NewRequest("POST", "/sign-in", nil), f)
}

func (b *tab) send(r *http.Request, f func(w http.ResponseWriter, r *http.Request)) {
	r.RemoteAddr = b.address + ":40000"
	r.Header.Set("User-Agent", "Test/1")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.d.Wrap(http.HandlerFunc(f)).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
}

// who returns the person who is signed in.
func (b *tab) who() string { h, _ := b.holder(); return h.Person }

func (b *tab) holder() (h Holder, ok bool) {
	b.do(func(_ http.ResponseWriter, r *http.Request) { h, ok = b.d.Holder(r) })
	return h, ok
}

// me is holder for who has to be signed in.
func (b *tab) me() Holder {
	b.d.t.Helper()
	h, ok := b.holder()
	if !ok {
		b.d.t.Fatal("nobody is signed in")
	}
	return h
}

func (b *tab) request(address string) (err error) {
	b.do(func(w http.ResponseWriter, r *http.Request) { err = b.d.RequestCode(w, r, address, "en") })
	return err
}

func (b *tab) enter(number string) (err error) {
	b.do(func(w http.ResponseWriter, r *http.Request) { err = b.d.EnterCode(w, r, number) })
	return err
}

// letter returns the newest letter to an address.
func (d *desk) letter(address string) letters.Letter {
	d.t.Helper()
	rows, err := d.config.DB.LettersTo(d.t.Context(), address, 1)
	if err != nil || len(rows) != 1 {
		d.t.Fatalf("letters to %s: %d, %v", address, len(rows), err)
	}
	l, err := letters.Open(d.config.Box, rows[0].ID, rows[0].Sealed)
	if err != nil {
		d.t.Fatal(err)
	}
	return l
}

var digits = regexp.MustCompile(`\b\d{4} ?\d{4}\b`)

// code returns the code of the newest letter to an address.
func (d *desk) code(address string) string {
	d.t.Helper()
	found := digits.FindString(d.letter(address).Text)
	if found == "" {
		d.t.Fatalf("no code in %q", d.letter(address).Text)
	}
	return found
}

func (d *desk) count(address string) int {
	d.t.Helper()
	rows, err := d.config.DB.LettersTo(d.t.Context(), address, 100)
	if err != nil {
		d.t.Fatal(err)
	}
	return len(rows)
}

// registered makes an account with an address, without more ado.
func (d *desk) registered(person, address string) {
	d.t.Helper()
	a := d.fresh(person, "en")
	a.Address, a.Folded = address, strings.ToLower(address)
	if _, err := d.config.DB.AddAccount(d.t.Context(), a); err != nil {
		d.t.Fatal(err)
	}
}

// signedIn is a tab in which a person is signed in.
func (d *desk) signedIn(person, address string) *tab {
	d.t.Helper()
	b := d.tab(address)
	var err error
	b.do(func(w http.ResponseWriter, r *http.Request) { err = d.Begin(w, r, person, ByMail) })
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func wants(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// left returns how many tries a wrong code leaves; -1 if it is none.
func left(err error) int {
	if w, ok := errors.AsType[*WrongCode](err); ok {
		return w.Left
	}
	return -1
}

func TestSignIn(t *testing.T) {
	d := newDesk(t)
	d.registered("p-chan", "Chan@Example.org")
	b := d.tab("192.0.2.1")
	wants(t, "nothing asked for", b.enter("12345678"), ErrNoCode)
	wants(t, "no address", b.request("chan"), ErrAddress)
	wants(t, "request", b.request(" chan@EXAMPLE.org "), nil)
	code := d.code("Chan@Example.org")
	wants(t, "in another browser", d.tab("192.0.2.2").enter(code), ErrNoCode)
	if n := left(b.enter("00000000")); n != 4 {
		t.Errorf("%d tries left", n)
	}
	before := b.cookies["__Host-turnstile-holder"]
	wide := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r - '0' + '０'
		}
		return r
	}, code)
	wants(t, "as a Chinese keyboard has it", b.enter(" "+wide[:9]+" "+wide[9:]), nil)
	if h := b.me(); h.Person != "p-chan" || h.Name != "CHAN Tai Man" || h.Method != ByMail || h.Session == "" || b.cookies["__Host-turnstile-holder"] == before {
		t.Errorf("%+v", h)
	}
	wants(t, "twice", b.enter(code), ErrNoCode)
	// A new code ends the one before.
	wants(t, "request", b.request("chan@example.org"), nil)
	first := d.code("Chan@Example.org")
	wants(t, "request", b.request("chan@example.org"), nil)
	second := d.code("Chan@Example.org")
	if n := left(b.enter(first)); first != second && n != 4 {
		t.Errorf("the code before: %d", n)
	}
	wants(t, "the new code", b.enter(second), nil)
	wants(t, "request", b.request("chan@example.org"), nil)
	d.wait(otp.Life)
	wants(t, "expired", b.enter(d.code("Chan@Example.org")), ErrNoCode)
	wants(t, "request", b.request("chan@example.org"), nil)
	for n := range otp.Tries {
		if got := left(b.enter("00000000")); got != otp.Tries-1-n {
			t.Errorf("try %d leaves %d", n, got)
		}
	}
	wants(t, "the right one after five", b.enter(d.code("Chan@Example.org")), ErrNoCode)
	wants(t, "sign out", func() (err error) {
		b.do(func(_ http.ResponseWriter, r *http.Request) { err = d.SignOut(r) })
		return err
	}(), nil)
	if b.who() != "" {
		t.Error("signed out, and still in")
	}
}

// TestSame: whether an address has an account is told to the address alone.
func TestSame(t *testing.T) {
	d := newDesk(t)
	d.registered("p-chan", "chan@example.org")
	answers := map[string][]string{}
	for _, address := range []string{"chan@example.org", "nobody@example.org"} {
		b := d.tab("192.0.2.1")
		note := func(err error) {
			if err == nil {
				err = errors.New("good")
			}
			answers[address] = append(answers[address], err.Error())
		}
		for range 3 {
			note(b.request(address))
			for range otp.Tries + 1 {
				note(b.enter("00000000"))
			}
		}
		var names []string
		for name, value := range b.cookies {
			names = append(names, name+" of "+strings.Repeat("x", len(value)))
		}
		answers[address] = append(answers[address], strings.Join(names, " "))
		if n := d.count(address); n != 3 {
			t.Errorf("%d letters to %s", n, address)
		}
	}
	if a, b := answers["chan@example.org"], answers["nobody@example.org"]; strings.Join(a, "\n") != strings.Join(b, "\n") || len(a) != 22 {
		t.Errorf("answers differ:\n%q\n%q", a, b)
	}
	if l := d.letter("nobody@example.org"); l.Kind != "not_registered" || digits.MatchString(l.Text) || !strings.Contains(l.Text, portalURL+RegisterPath) {
		t.Errorf("nobody is told %q", l.Text)
	}
	// No code is right for nobody: not even the one whose hash stands in the row.
	b := d.tab("192.0.2.3")
	wants(t, "request", b.request("nobody@example.org"), nil)
	browser := browserHash(b.cookies["__Host-"+browserCookie])
	row, err := d.config.DB.WaitingCode(t.Context(), browser, forSignIn, d.now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.config.DB.TakeCode(t.Context(), database.Typed{Browser: browser, Purpose: forSignIn, Code: row.Code}, d.now()); left(err) != 4 {
		t.Errorf("nobody's code: %v", err)
	}
}

// TestThrottle: letters to an address are slowed down, whoever has it; the person's
// own browser is counted by itself.
func TestThrottle(t *testing.T) {
	d := newDesk(t)
	d.registered("p-chan", "chan@example.org")
	own := d.tab("192.0.2.1")
	wants(t, "request", own.request("chan@example.org"), nil)
	wants(t, "enter", own.enter(d.code("chan@example.org")), nil)
	waits := map[string]int{}
	for n := range 30 {
		for _, address := range []string{"chan@example.org", "nobody@example.org"} {
			err := d.tab("198.51.100." + string(rune('0'+n%10))).request(address)
			if _, ok := errors.AsType[*Wait](err); ok {
				waits[address]++
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	if waits["chan@example.org"] < 15 || waits["nobody@example.org"] < 15 {
		t.Errorf("waited %v", waits)
	}
	wants(t, "the person's own browser", own.request("chan@example.org"), nil)
	waited := 0
	for n := range 40 {
		if _, ok := errors.AsType[*Wait](d.tab("203.0.113.1").request("x" + string(rune('a'+n%26)) + string(rune('a'+n/26)) + "@example.org")); ok {
			waited++
		}
	}
	if waited < 3 {
		t.Errorf("one network waited %d times of 40", waited)
	}
}

// TestAtRest looks for secrets in the files of the database, and in the log.
func TestAtRest(t *testing.T) {
	d := newDesk(t)
	d.registered("p-chan", "chan@example.org")
	b := d.tab("192.0.2.1")
	wants(t, "request", b.request("chan@example.org"), nil)
	code := d.code("chan@example.org")
	if n := left(b.enter("11111111")); n != 4 {
		t.Errorf("%d tries left", n)
	}
	used := d.tab("192.0.2.2")
	wants(t, "request", used.request("chan@example.org"), nil)
	other := d.code("chan@example.org")
	wants(t, "enter", used.enter(other), nil)
	all := d.log.Bytes()
	for _, name := range []string{d.path, d.path + "-wal"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	if !bytes.Contains(all, []byte("chan@example.org")) || !bytes.Contains(all, []byte(session.TokenHash(used.cookies["__Host-turnstile-holder"]))) {
		t.Fatal("the files were not read")
	}
	for name, secret := range map[string]string{"code": otp.Plain(code), "code as shown": code, "used code": otp.Plain(other), "session": used.cookies["__Host-turnstile-holder"],
		"browser": b.cookies["__Host-"+browserCookie], "known browser": used.cookies["__Host-turnstile-holder-known"]} {
		if secret == "" || bytes.Contains(all, []byte(secret)) {
			t.Errorf("%s %q stands in the open", name, secret)
		}
	}
}

// TestSessions lists and ends them; those of others are as good as not there.
func TestSessions(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	d.registered("p-chan", "chan@example.org")
	d.registered("p-lee", "lee@example.org")
	b, phone, lee := d.signedIn("p-chan", "192.0.2.1"), d.signedIn("p-chan", "192.0.2.2"), d.signedIn("p-lee", "192.0.2.3")
	h := b.me()
	list, err := d.Sessions(ctx, h)
	if err != nil || len(list) != 2 || list[0].Here || !list[1].Here || list[0].Address != "192.0.2.2" || list[0].Agent != "Test/1" {
		t.Fatalf("%+v %v", list, err)
	}
	wants(t, "another's", d.EndSession(ctx, lee.me(), list[0].ID), ErrNotYours)
	wants(t, "none", d.EndSession(ctx, h, "none"), ErrNotYours)
	wants(t, "own", d.EndSession(ctx, h, list[0].ID), nil)
	if phone.who() != "" || b.who() != "p-chan" || lee.who() != "p-lee" {
		t.Error("another session ended")
	}
	for range 3 {
		d.wait(23 * time.Hour)
		if b.who() != "p-chan" {
			t.Fatal("a session in use ended")
		}
	}
	d.wait(24 * time.Hour)
	if b.who() != "" {
		t.Error("an idle session stands")
	}
	b = d.signedIn("p-chan", "192.0.2.1")
	for range 35 {
		d.wait(23 * time.Hour)
		b.who()
	}
	if b.who() != "" {
		t.Error("a session stands for more than its time")
	}
	b, phone = d.signedIn("p-chan", "192.0.2.1"), d.signedIn("p-chan", "192.0.2.2")
	b.do(func(_ http.ResponseWriter, r *http.Request) {
		h, _ := d.Holder(r)
		err = d.SignOutEverywhere(r, h)
	})
	wants(t, "everywhere", err, nil)
	if b.who() != "" || phone.who() != "" {
		t.Error("signed out everywhere, and still in")
	}
	// Who leaves the register is not signed in, and cannot sign in.
	b = d.signedIn("p-chan", "192.0.2.1")
	delete(d.people, "p-chan")
	if b.who() != "" {
		t.Error("somebody who left the register is signed in")
	}
	b.do(func(w http.ResponseWriter, r *http.Request) { err = d.Begin(w, r, "p-chan", ByMail) })
	wants(t, "who left", err, ErrUnknown)
}

func TestCookies(t *testing.T) {
	d := newDesk(t)
	d.registered("p-chan", "chan@example.org")
	w := httptest.NewRecorder()
	d.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := errors.Join(d.RequestCode(w, r, "chan@example.org", ""), d.Begin(w, r, "p-chan", ByMail)); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	seen := map[string]http.SameSite{}
	for _, c := range w.Result().Cookies() {
		seen[c.Name] = c.SameSite
		if !strings.HasPrefix(c.Name, "__Host-") || !c.HttpOnly || !c.Secure || c.Path != "/" || c.Domain != "" {
			t.Errorf("%+v", c)
		}
	}
	if len(seen) != 3 || seen["__Host-turnstile-holder"] != http.SameSiteLaxMode || seen["__Host-turnstile-holder-known"] != http.SameSiteStrictMode {
		t.Errorf("cookies %v", seen)
	}
	for address, want := range map[string]bool{"https://a.example": true, "http://localhost:8081": true, "http://a.example": false, "a.example": false, "https://a.example/x": false, "": false} {
		c := d.config
		c.URL = address
		if _, err := Open(c); (err == nil) != want || err != nil && !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v", address, err)
		}
	}
}
