package netid_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/console/consoletest"
	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/letters"
	directory "turnstile/central/netid"
	"turnstile/central/password"
	"turnstile/central/portal"
	pages "turnstile/central/portal/netid"
	"turnstile/central/portal/portaltest"
	people "turnstile/central/register"
	"turnstile/central/seal"
)

// registry is a register of two graduates.
type registry struct{}

func (registry) Person(_ context.Context, id string) (people.Person, error) {
	degrees := []people.Degree{{Award: "BSc", Institution: "university", Graduated: "2005-11-01"}}
	switch id {
	case "p-1":
		return people.Person{ID: id, Surname: "CHAN", Given: "Tai Man", Born: "1980-01-02", Degrees: degrees}, nil
	case "p-2":
		return people.Person{ID: id, Surname: "WONG", Given: "Ada", Born: "1981-02-03", Degrees: degrees}, nil
	}
	return people.Person{}, people.ErrNotFound
}

func (g registry) Identify(ctx context.Context, f people.Facts) (people.Person, error) {
	for _, id := range []string{"p-1", "p-2"} {
		p, err := g.Person(ctx, id)
		if err == nil && p.Surname == f.Surname && p.Given == f.Given && p.Born == f.Born && f.PersonalID == "A123456(7)" {
			return p, nil
		}
	}
	return people.Person{}, people.ErrNoMatch
}

// office is a portal with a directory behind it.
type office struct {
	*directory.Directory
	t      *testing.T
	db     *database.DB
	box    seal.Box
	portal http.Handler
}

func newOffice(t *testing.T) *office {
	t.Helper()
	box, err := seal.New([32]byte{3})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	o := &office{t: t, box: box, db: databasetest.Open(t, filepath.Join(t.TempDir(), "central.db"))}
	o.Directory = directory.New(directory.Config{DB: o.db, Register: registry{}, Box: box, Hasher: password.New(password.Cheap()), Portal: "https://ecard.example",
		Domain: "campus.example", Location: time.UTC, Now: time.Now, Log: log})
	o.portal, err = portal.New(portal.Options{Auth: portaltest.Door{}, Site: "Campus", Log: log,
		Routes: pages.Routes(pages.Services{Self: o.Directory, Strangers: o.Directory}), Nav: []portal.Nav{{Path: "/netid", Text: "NetID"}}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// code is the one in the newest letter to an address.
func (o *office) code(address string) string {
	o.t.Helper()
	rows, err := o.db.LettersTo(o.t.Context(), address, 1)
	if err != nil || len(rows) == 0 {
		o.t.Fatal(rows, err)
	}
	l, err := letters.Open(o.box, rows[0].ID, rows[0].Sealed)
	if err != nil {
		o.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^    (\d{8})$`).FindStringSubmatch(l.Text)
	if m == nil {
		o.t.Fatalf("no code in %s", l.Text)
	}
	return m[1]
}

// have gives a person a NetID.
func (o *office) have(id, person, name, email string) {
	o.t.Helper()
	hash, err := password.New(password.Cheap()).Hash(o.t.Context(), good)
	if err != nil {
		o.t.Fatal(err)
	}
	n := database.NetID{ID: id, Person: person, Card: directory.Alumni, Name: name, NameKey: strings.ToLower(name), Alias: id, Email: email, Lang: "en", Password: hash, Changed: 1, Created: time.Now().UnixMilli()}
	if err := o.db.AdoptNetID(o.t.Context(), n); err != nil {
		o.t.Fatal(err)
	}
}

const good = "seven green bicycles"

// TestInBrowser: registering, the profile, another address and another NetPassword
// on a phone; axe finds nothing on any page.
func TestInBrowser(t *testing.T) {
	o := newOffice(t)
	b, stop := portaltest.Serve(t, o.portal)
	defer stop()
	seen := func(name string) {
		t.Helper()
		b.Axe()
		portaltest.Narrow(t, b)
		b.Shot("netid-" + name)
	}
	b.Open("/netid/register")
	seen("register")
	b.Fill("input[name=surname]", "CHAN")
	b.Fill("input[name=given]", "Tai Man")
	consoletest.Eval[bool](b, "document.querySelector('input[name=born]').value = '1980-01-03', true")
	b.Fill("input[name=personal_id]", "A123456(7)")
	b.Fill("input[name=email]", "a@example.org")
	b.Click("main form button")
	b.WaitText("do not match the register")
	seen("register-wrong")
	consoletest.Eval[bool](b, "document.querySelector('input[name=born]').value = '1980-01-02', true")
	b.Fill("input[name=personal_id]", "A123456(7)")
	b.Click("main form button")
	b.WaitText("eight digits")
	seen("code")
	b.Fill("input[name=code]", o.code("a@example.org"))
	b.Click("main form button")
	b.Wait("document.querySelector('input[name=name]') && document.querySelector('input[name=name]').value == 'Tai Man CHAN'")
	seen("choose")
	b.Fill("input[name=password]", good)
	b.Click("main form button")
	b.WaitText("tmchan")
	seen("done")

	b.Cookie(portaltest.Cookie, "p-1")
	b.Open("/netid")
	b.WaitText("tai-man.chan@campus.example")
	seen("home")
	b.Open("/netid/email")
	b.Fill("input[name=email]", "b@example.org")
	b.Click("main form[action='/netid/email'] button")
	b.WaitText("Second code")
	b.Fill("input[name=code]", o.code("a@example.org"))
	b.Fill("input[name=code2]", o.code("b@example.org"))
	b.Click("main form button")
	b.WaitText("Your personal address is changed.")
	b.WaitText("b@example.org")
	b.Open("/netid/password")
	seen("password")
	b.Fill("input[name=present]", "wrong")
	b.Fill("input[name=password]", "nine yellow houses")
	b.Click("main form[action='/netid/password'] button")
	b.WaitText("do not fit together")
	b.Fill("input[name=present]", good)
	b.Fill("input[name=password]", "nine yellow houses")
	b.Click("main form[action='/netid/password'] button")
	b.WaitText("have ended")
	seen("changed")
	for _, path := range []string{"/netid/forgot", "/netid/reset", "/netid/new", "/netid/email"} {
		b.Open(path)
		seen(strings.ReplaceAll(path[1:], "/", "-"))
	}
	b.Open("/netid/register")
	b.Click("button[value='zh-Hant']")
	b.WaitText("登記 NetID")
	seen("register-zh")
	if words := b.Foreign(); len(words) > 0 {
		for _, w := range words {
			if !strings.Contains("NetID NetPassword CPCE PTEC Campus", w) {
				t.Errorf("the Chinese page has %q", w)
			}
		}
	}
}

// visitor speaks HTTP to the portal as a person, "" for nobody.
type visitor struct {
	o      *office
	person string
	jar    map[string]string
}

func (v *visitor) do(method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if v.person != "" {
		r.AddCookie(&http.Cookie{Name: portaltest.Cookie, Value: v.person})
	}
	for name, value := range v.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	v.o.portal.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if v.jar == nil {
			v.jar = map[string]string{}
		}
		v.jar[c.Name] = c.Value
	}
	return w
}

// TestOwnership: a holder reaches nothing of another's NetID, and is answered as of
// one that does not exist.
func TestOwnership(t *testing.T) {
	o := newOffice(t)
	o.have("tmchan", "p-1", "Tai Man CHAN", "a@example.org")
	o.have("awong", "p-2", "Ada WONG", "b@example.org")
	thief := &visitor{o: o, person: "p-2"}
	answers := map[string]string{}
	for _, id := range []string{"tmchan", "nobody1"} {
		for path, form := range map[string]url.Values{
			"/netid/password": {"netid": {id}, "present": {good}, "password": {"nine yellow houses"}}, "/netid/email": {"netid": {id}, "email": {"thief@example.org"}}} {
			w := thief.do(http.MethodPost, path, form)
			if w.Code != http.StatusUnprocessableEntity {
				t.Errorf("%s of %s: %d", path, id, w.Code)
			}
			body := strings.ReplaceAll(w.Body.String(), id, "ID")
			if answers[path] == "" {
				answers[path] = body
			} else if answers[path] != body {
				t.Errorf("%s tells another's from one that does not exist", path)
			}
		}
	}
	if w := thief.do(http.MethodGet, "/netid", nil); strings.Contains(w.Body.String(), "tmchan") || !strings.Contains(w.Body.String(), "awong") {
		t.Errorf("the profile: %s", w.Body)
	}
	if e, err := o.Profile(t.Context(), "tmchan"); err != nil || e.Email != "a@example.org" {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := o.Check(t.Context(), "tmchan", good, nil); err != nil {
		t.Error(err)
	}
	stranger := &visitor{o: o}
	for _, r := range pages.Routes(pages.Services{}) {
		w := stranger.do(r.Method, r.Pattern, url.Values{})
		if signedIn := w.Code == http.StatusSeeOther && strings.HasPrefix(w.Header().Get("Location"), "/sign-in"); signedIn == r.Public {
			t.Errorf("%s %s public %v: %d to %s", r.Method, r.Pattern, r.Public, w.Code, w.Header().Get("Location"))
		}
	}
	old := &visitor{o: o, person: "old-p-1"}
	if w := old.do(http.MethodPost, "/netid/email", url.Values{"netid": {"tmchan"}, "email": {"c@example.org"}}); w.Code == http.StatusUnprocessableEntity || w.Header().Get("Location") == "/netid/code" {
		t.Errorf("signed in an hour ago: %d %v", w.Code, w.Header())
	}
}

// TestAnswersAlike: of a NetID that is there and one that is not, of details that
// are right and wrong, the pages say the same.
func TestAnswersAlike(t *testing.T) {
	o := newOffice(t)
	o.have("tmchan", "p-1", "Tai Man CHAN", "a@example.org")
	for path, forms := range map[string][2]url.Values{
		"/netid/reset":  {{"netid": {"tmchan"}}, {"netid": {"nobody"}}},
		"/netid/forgot": {{"surname": {"CHAN"}, "given": {"Tai Man"}, "born": {"1980-01-02"}, "personal_id": {"A123456(7)"}}, {"surname": {"CHEN"}, "given": {"X"}, "born": {"1980-01-02"}, "personal_id": {"B1"}}},
	} {
		var said []string
		for _, f := range forms {
			v := &visitor{o: o}
			w := v.do(http.MethodPost, path, f)
			said = append(said, fmt.Sprint(w.Code, w.Header().Get("Location"), len(v.jar[pages.TokenCookie]), w.Body))
		}
		if said[0] != said[1] {
			t.Errorf("%s: %s\nand %s", path, said[0], said[1])
		}
	}
	if rows, err := o.db.LettersTo(t.Context(), "a@example.org", 9); err != nil || len(rows) != 2 {
		t.Errorf("%d letters, %v", len(rows), err)
	}
}

// TestHuman: where programs are kept out nothing is asked of the directory.
func TestHuman(t *testing.T) {
	o := newOffice(t)
	program := errors.New("a program")
	s := pages.Services{Self: o.Directory, Strangers: o.Directory, Human: func(*portal.Request) error { return program }}
	asking, asked := []string{"/netid/register", "/netid/forgot", "/netid/reset"}, 0
	for _, r := range pages.Routes(s) {
		if r.Method == http.MethodPost && (slices.Contains(asking, r.Pattern)) {
			asked++
		}
	}
	p, err := portal.New(portal.Options{Auth: portaltest.Door{}, Site: "Campus", Log: slog.New(slog.DiscardHandler), Routes: pages.Routes(s)})
	if err != nil {
		t.Fatal(err)
	}
	o.portal = p
	o.have("tmchan", "p-1", "Tai Man CHAN", "a@example.org")
	for _, path := range asking {
		if w := (&visitor{o: o}).do(http.MethodPost, path, url.Values{"netid": {"tmchan"}, "email": {"a@example.org"}}); w.Code < 400 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if rows, err := o.db.LettersTo(t.Context(), "a@example.org", 9); err != nil || len(rows) != 0 || asked != 3 {
		t.Errorf("%d letters, %v", len(rows), err)
	}
}

// TestWords: each text of the pages has its Chinese.
func TestWords(t *testing.T) {
	seen := 0
	check := func(where, text string) {
		seen++
		if !portal.Translated(pages.Texts, text) {
			t.Errorf("%s: %q has no Chinese", where, text)
		}
	}
	err := fs.WalkDir(pages.Files(), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := fs.ReadFile(pages.Files(), path)
		for _, m := range regexp.MustCompile(`\.T "([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
			check(path, m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range pages.Kinds() {
		check("cards", pages.Form{}.Card(k))
	}
	if seen < 60 {
		t.Errorf("%d texts", seen)
	}
}

// FuzzForm: whatever a browser sends is bounded text, and of a card that there is.
func FuzzForm(f *testing.F) {
	f.Add("surname=CHAN&given=Tai+Man&kind=staff&number=1")
	f.Add("kind=%00&number=%ff&email=" + strings.Repeat("x", 5000))
	f.Add("kind=alumni&surname=%e9%99%b3;&%gg")
	f.Fuzz(func(t *testing.T, body string) {
		var a directory.Applicant
		var shown pages.Form
		p, err := portal.New(portal.Options{Auth: portaltest.Door{}, Site: "Campus", Log: slog.New(slog.DiscardHandler), Routes: []portal.Route{
			{Method: http.MethodPost, Pattern: "/form", Public: true, Handle: func(r *portal.Request) error {
				a, shown = pages.ReadForm(r)
				return r.Redirect("/")
			}}}})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/form", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		p.ServeHTTP(httptest.NewRecorder(), r)
		for _, text := range []string{a.Surname, a.Given, a.Born, a.PersonalID, a.Email, shown.Number, shown.Kind} {
			if len(text) > 300 || strings.ToValidUTF8(text, "") != text {
				t.Errorf("%d bytes: %q", len(text), text)
			}
		}
		if a.Card != nil && (pages.Form{}).Card(string(a.Card.Kind)) == "" {
			t.Errorf("a card of kind %q", a.Card.Kind)
		}
	})
}
