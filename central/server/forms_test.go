package server

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"turnstile/central/console"
	"turnstile/central/database"
	"turnstile/central/ecard"
	"turnstile/central/guests"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/register"
	"turnstile/central/rights"
	"turnstile/central/seal"
)

// crafted is what people and attackers type, by what is the matter with it.
func crafted() map[string]string {
	return map[string]string{
		"wrong":         "no-such'; DROP TABLE passes;--",
		"empty":         "",
		"long":          strings.Repeat("W", 6000),
		"script":        `"><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}`,
		"right-to-left": "\u202Eمحمد بن سلمان\u2066",
		"header":        "a\r\nSet-Cookie: evil=1",
		"nul":           "a\x00b",
		"no text":       "\xff\xfe\xc0\xaf",
	}
}

// scripted are the deeds that a script calls with JSON, and no form.
func scripted() []string {
	return []string{"POST /sign-in/passkey/begin", "POST /sign-in/passkey", "POST /join/passkey/begin", "POST /join/passkey", "POST /account/passkey/begin", "POST /account/passkey"}
}

// TestEveryFormWithBadInput sends each form of the console, as the pages have
// them, with each field in turn wrong, missing, empty, too long, twice, with
// markup, with right-to-left text and with what is no text. Whatever the answer
// is: it is no fault of central's, has no markup of a person's, says what is
// wrong in the language of the page, and gives back what else was typed. Every
// POST route has a form that is found, or a body in JSON.
func TestEveryFormWithBadInput(t *testing.T) {
	c := configure(t)
	c.Office.TwoPersonsAbove = 2
	c.Mail.Host, c.Mail.From = "127.0.0.1", "Passes <passes@campus.example>"
	s := openCentral(t, c)
	defer s.stop()
	b := s.populated(t)
	b.crawl(t)
	done := map[string]bool{}
	slices.SortStableFunc(b.forms, func(x, y *webForm) int { return b.harm(x) - b.harm(y) })
	tries := 0
	for _, f := range b.forms {
		key := b.pattern(f.method, f.action)
		done[key] = true
		t.Run(key, func(t *testing.T) { tries += b.abuse(t, f) })
	}
	for _, r := range s.console.Routes() {
		key := r.Method + " " + r.Pattern
		switch {
		case r.Method != http.MethodPost || done[key]:
		case slices.Contains(scripted(), key):
			t.Run(key, func(t *testing.T) { tries += b.abuseJSON(t, console.Base+r.Pattern) })
		default:
			t.Errorf("no page has a form for %s: give populated what makes it appear", key)
		}
	}
	if len(done) < 50 || tries < 1500 {
		t.Errorf("%d forms, %d tries", len(done), tries)
	}
}

// visitor walks through the console as an admin.
type visitor struct {
	s       *opened
	staff   *staff
	mux     *http.ServeMux // only tells patterns
	token   string         // of an invitation
	command string         // its id
	forms   []*webForm
	seen    map[string]int
	pages   map[string]string // by route: the first whole page of it that was found
}

// populated fills a central with something for each page to show.
func (s *opened) populated(t *testing.T) *visitor {
	t.Helper()
	b := &visitor{s: s, staff: s.people(t), mux: http.NewServeMux(), seen: map[string]int{}, pages: map[string]string{}}
	for _, r := range s.console.Routes() {
		b.mux.Handle(r.Method+" "+console.Base+r.Pattern, http.NotFoundHandler())
	}
	b.command = s.populateLanes(t)
	s.populatePasses(t)
	s.populateRules(t)
	s.populateRegister(t)
	s.populateHolders(t)
	people := People{db: s.db, now: s.config.Now, origin: s.consoleURL()}
	for _, name := range []string{"aa1", "aa2"} {
		must(t, people.Add(t.Context(), "test", name, []rights.Role{rights.Viewer}))
	}
	invited, err := people.Invite(t.Context(), "test", "aa2")
	must(t, err)
	_, b.token, _ = strings.Cut(invited.URL, "token=")
	admin := b.staff.ids[rights.Admin]
	must(t, s.db.AddPasskey(t.Context(), database.Passkey{ID: []byte("key"), Person: admin, Label: "<b>phone</b>", Record: []byte("{}"), Created: 1}))
	must(t, s.db.SetPassword(t.Context(), admin, database.Password{Hash: "x", TOTP: []byte("x")}, "", 1))
	b.staff.begin(t, rights.Admin, 0) // another browser
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// populateRegister has two who may be one human being, two who are one, and a file
// with good and bad rows that would remove many; and the holders of populatePasses.
func (s *opened) populateRegister(t *testing.T) {
	t.Helper()
	r := registry{s.central}
	row := func(id, given string) map[string]string {
		return map[string]string{"id": id, "surname": "<b>Chan</b>", "given": given, "name_zh": "陳大文", "born": "1988-04-30", "email": "chan@mail.example"}
	}
	rows := []map[string]string{row("A0", "Tai"), row("A1", "Man"), row("A2", "Siu"), row("R1", "Ming"), row("R2", "Ming"), row("R3", "Ka"), row("R4", "Ka")}
	_, bad, err := r.Put(t.Context(), "test", register.Persons, rows, false)
	if must(t, err); len(bad) > 0 {
		t.Fatal(bad)
	}
	for kind, values := range map[register.Kind]map[string]string{
		register.Cards: {"person": "A0", "kind": "staff", "number": "77"}, register.Degrees: {"person": "A0", "award": "BSc", "institution": "university", "graduated": "2012-11-01"}, register.NetIDs: {"person": "A0", "netid": "a0"},
	} {
		_, bad, err := r.Put(t.Context(), "test", kind, []map[string]string{values}, false)
		if must(t, err); len(bad) > 0 {
			t.Fatal(bad)
		}
	}
	for _, gone := range []string{"R3", "R4"} {
		_, err = r.Merge(t.Context(), "user:admin", "A0", gone, "<b>one</b>")
		must(t, err)
	}
	for _, text := range []string{"id,surname,born\nA0,Chan,never\nN1,New,\n", "id,surname\nA0,Chan\nN1,New\n", "id,surname\nA0,Chan\n"} {
		_, err = r.Upload(t.Context(), "user:a", register.Sync{Kind: register.Persons, Name: "<b>.csv", Full: true}, strings.NewReader(text))
		must(t, err)
	}
}

// populateLanes returns the id of a command.
func (s *opened) populateLanes(t *testing.T) string {
	t.Helper()
	p := places{s.central}
	must(t, p.SetEntrance(t.Context(), "test", office.Entrance{ID: "north", Name: "<i>North</i>"}))
	must(t, p.SetEntrance(t.Context(), "test", office.Entrance{ID: "empty", Name: "Empty"}))
	for _, id := range []string{"n1", "n2"} {
		s.report(t, s.enrolled(t, id), func(state *link.LaneState) { state.Start = []byte("the second start") })
		must(t, p.SetPlace(t.Context(), "test", office.Place{Lane: id, Entrance: "north"}))
	}
	command, err := commands{s.central}.Open(t.Context(), "user:admin", office.Opening{Lane: "n2", Index: 1, Direction: 1, Cause: pass.CauseAssistance, Reason: "<b>wheelchair</b>"})
	must(t, err)
	must(t, s.db.Raise(t.Context(), database.Alarm{Code: "conflict", Lane: "n1", Subject: "x", Latest: time.Now().UnixMilli(), Detail: "<b>", Next: "look"}))
	now, err := rules{s.central}.Rules(t.Context())
	must(t, err)
	now.Zones[0].Name = "Another"
	_, err = rules{s.central}.SetRules(t.Context(), "test", now)
	must(t, err)
	return command.ID
}

// populateRules makes two versions of what central alone goes by: one to roll back
// to, which keeps things for a shorter time.
func (s *opened) populateRules(t *testing.T) {
	t.Helper()
	for n, days := range []int{7, 31} {
		s.restrict(t, func(r *guests.Rules) { r.PerDay = 5000 + n })
		_, err := newKeeping(s.central).Set(t.Context(), office.Change[office.Keep]{Version: uint64(n), Rules: office.Keep{Passages: days, Passes: days, Photos: days}, By: "test", Reason: "<b>why</b>"})
		must(t, err)
		codes := ecard.Default()
		codes.Live = n > 0
		_, err = ecardRules(s.central).Set(t.Context(), office.Change[ecard.CodeRules]{Version: uint64(n), Rules: codes, By: "test", Reason: "<b>why</b>"})
		must(t, err)
	}
}

func (s *opened) populatePasses(t *testing.T) {
	t.Helper()
	ids := s.issue(t, 6)
	s.wrote(t, "n1", link.Entry{Type: link.EntryDenied, Reason: pass.Revoked, Lane: 1, Direction: 1, Kind: pass.ECard, KeyID: 1, Pass: ids[0]})
	today := s.feed.Today()
	for _, by := range []string{"user:admin", "user:b", "user:c"} { // the first to withdraw, the others to confirm
		_, err := (bulk{s.central}).Propose(t.Context(), by, office.StatusChange{Selection: office.Selection{Day: &today}, Status: link.Held, Reason: "<b>water</b>"}, 0)
		must(t, err)
	}
	_, err := (imports{s.central}).Preview(t.Context(), "user:a", "<b>.csv", strings.NewReader(guestFile(today, 3)+"guest,,,x\n"))
	must(t, err)
	for n := range 3 {
		_, err = approvals{s.central}.HandIn(t.Context(), "portal", office.Submission{Kind: office.ApplyGuests, Holder: fmt.Sprint("A", n), Name: "<b>First</b>", Guests: []string{"One"},
			Order: office.Order{Day: today + 1, Zones: 1, Length: 24 * time.Hour}})
		must(t, err)
	}
}

// pattern returns which route an address belongs to, "" for none.
func (b *visitor) pattern(method, address string) string {
	if !strings.HasPrefix(address, console.Base) {
		return ""
	}
	_, p := b.mux.Handler(httptest.NewRequest(method, address, nil))
	return strings.Replace(p, " "+console.Base, " ", 1)
}

// harm sorts forms: what ends something comes behind what needs it.
func (b *visitor) harm(f *webForm) int {
	for _, word := range []string{"/retire", "/revoke", "/end", "/remove", "/everywhere", "/sign-out", "/reject", "/withdraw", "/confirm", "/settle", "/session", "/status", "/join"} {
		if strings.Contains(f.action, word) {
			return 1
		}
	}
	if strings.HasSuffix(f.action, "/approve") {
		return 2 // what is decided cannot be rejected
	}
	return 0
}

// crawl opens the console's pages from the menu on, some of each kind, and
// collects their forms.
func (b *visitor) crawl(t *testing.T) {
	t.Helper()
	day := b.s.feed.Today().String()
	queue := []string{console.Base + "/sign-in", console.Base + "/join?token=" + b.token, console.Base + "/account", console.Base + "/account/password",
		console.Base + "/register/at/A2", console.Base + "/register/at/A1", console.Base + "/approvals/addresses", console.Base + "/passages?what=all", console.Base + "/passes/bulk?day=" + day, console.Base + "/passages/attention", console.Base + "/rules/versions/1", console.Base + "/lanes/retired", console.Base + "/lanes/commands/" + b.command}
	for _, n := range menu {
		queue = append(queue, console.Base+n.Path)
	}
	const most = 1500
	for i := 0; i < len(queue) && i < most; i++ {
		address, _, _ := strings.Cut(queue[i], "#")
		key := b.pattern(http.MethodGet, address)
		if b.seen[address] > 0 || b.seen[key] > 3 || key == "" || strings.Contains(key, "{name}") && strings.Contains(key, "static") {
			continue
		}
		b.seen[address]++
		b.seen[key]++
		w := b.ask(t, http.MethodGet, address, nil, "", key == "GET /sign-in")
		if w.Code == http.StatusOK && strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			if b.pages[key] == "" && strings.HasPrefix(w.Body.String(), "<!doctype html>") {
				b.pages[key] = address
			}
			queue = append(queue, b.collect(t, w)...)
		}
	}
	for _, version := range []string{"/rules/versions/1/preview", "/rules/guests/versions/1", "/rules/retention/versions/1", "/rules/ecards/versions/1"} {
		b.collect(t, b.ask(t, http.MethodPost, console.Base+version, url.Values{}, "", false))
	}
}

// collect notes the forms of a page and returns where it leads.
func (b *visitor) collect(t *testing.T, w *httptest.ResponseRecorder) []string {
	t.Helper()
	page := readPage(t, w.Body.String())
	for _, f := range page.forms {
		names := f.method + b.pattern(f.method, f.action)
		for _, x := range f.fields {
			names += " " + x.name
		}
		if b.seen[names]++; b.seen[names] == 1 {
			b.forms = append(b.forms, f)
		}
	}
	return page.links
}

// ask sends a form, or opens a page, with a new session of the admin.
func (b *visitor) ask(t *testing.T, method, address string, form url.Values, lang string, stranger bool) *httptest.ResponseRecorder {
	t.Helper()
	body, kind := form.Encode(), "application/x-www-form-urlencoded"
	if method == http.MethodGet {
		if path, _, _ := strings.Cut(address, "?"); form != nil {
			address = path + "?" + body
		}
		body = ""
	}
	return b.send(t, method, address, body, kind, lang, stranger)
}

func (b *visitor) send(t *testing.T, method, address, body, kind, lang string, stranger bool) *httptest.ResponseRecorder {
	t.Helper()
	w := b.s.surfaceOf(method, address, func(r *http.Request) {
		*r = *httptest.NewRequest(method, address, strings.NewReader(body))
		r.Host = "localhost"
		r.RemoteAddr = fmt.Sprintf("[2001:db8:%x::1]:1", seal.Secret(2)) // sign-ins are slowed down by address
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Accept-Language", lang)
		if !stranger {
			r.AddCookie(b.staff.begin(t, rights.Admin, 0))
		}
	})
	if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s %.80s: %d without the headers of a page", method, address, w.Code)
	}
	return w
}

// attempt is one way to send a form.
type attempt struct {
	what  string // field and what is the matter with it
	field *webField
	kind  string
	form  url.Values
}

// attempts lists the ways to send a form wrongly; what is typed besides is marked.
func attempts(f *webForm) (list []attempt) {
	base := func() url.Values {
		v := url.Values{}
		for _, x := range f.fields {
			v[x.name] = slices.Clone(x.values)
			if x.typed() && (len(x.values) == 0 || x.values[0] == "") && x.kind != "number" && !strings.HasPrefix(x.kind, "date") && x.kind != "time" && x.kind != "email" {
				v.Set(x.name, "typed "+x.name)
			}
		}
		return v
	}
	alike := map[string]bool{} // fields that differ in a number are read by the same code
	for i := range f.fields {
		x := &f.fields[i]
		class := strings.Trim(strings.Map(func(c rune) rune {
			if unicode.IsDigit(c) {
				return '0'
			}
			return c
		}, x.name), "0")
		if x.kind == "file" || alike[class] {
			continue
		}
		alike[class] = true
		for kind, text := range crafted() {
			v := base()
			v.Set(x.name, text)
			list = append(list, attempt{x.name + " " + kind, x, kind, v})
		}
		missing, twice := base(), base()
		missing.Del(x.name)
		twice[x.name] = []string{"one", "two"}
		list = append(list, attempt{x.name + " missing", x, "missing", missing}, attempt{x.name + " twice", x, "twice", twice})
	}
	all := base()
	for name := range all {
		all.Set(name, crafted()["script"])
	}
	return append(list, attempt{"nothing at all", nil, "missing", url.Values{}}, attempt{"markup everywhere", nil, "script", all})
}

// abuse sends a form in every bad way and returns how many there were.
func (b *visitor) abuse(t *testing.T, f *webForm) int {
	list := attempts(f)
	slices.SortStableFunc(list, func(x, y attempt) int { return strings.Compare(order(x.kind), order(y.kind)) })
	for _, a := range list {
		w := b.submit(t, f, a.form, "en")
		b.judge(t, f, a, w, "en")
		if w.Code >= 400 {
			b.judge(t, f, a, b.submit(t, f, a.form, "zh-Hant"), "zh-Hant")
		}
	}
	if f.method == http.MethodPost && !f.multipart {
		stranger := f.action == console.Base+"/sign-in"
		big := b.send(t, f.method, f.action, "x="+strings.Repeat("x", 1<<20), "application/x-www-form-urlencoded", "en", stranger)
		if big.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("a megabyte: %d", big.Code)
		}
		b.judge(t, f, attempt{what: "a megabyte", kind: "large"}, big, "en")
		broken := b.send(t, f.method, f.action, "%zz=1&=&;;", "application/x-www-form-urlencoded", "en", stranger)
		if broken.Code != http.StatusUnprocessableEntity {
			t.Errorf("no form: %d", broken.Code)
		}
		b.judge(t, f, attempt{what: "no form", kind: "large"}, broken, "en")
	}
	return len(list)
}

// order puts what can only be refused before what may be taken.
func order(kind string) string {
	if slices.Contains([]string{"right-to-left", "script", "wrong"}, kind) {
		return "b"
	}
	return "a"
}

func (b *visitor) submit(t *testing.T, f *webForm, form url.Values, lang string) *httptest.ResponseRecorder {
	t.Helper()
	stranger := f.action == console.Base+"/sign-in"
	if !f.multipart {
		return b.ask(t, f.method, f.action, form, lang, stranger)
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, values := range form {
		for _, v := range values {
			must(t, w.WriteField(name, v))
		}
	}
	for _, x := range f.fields {
		if x.kind == "file" {
			part, err := w.CreateFormFile(x.name, `"><script>alert(1)</script>.csv`)
			must(t, err)
			_, err = part.Write([]byte("\x89PNG<script>alert(1)</script>"))
			must(t, err)
		}
	}
	must(t, w.Close())
	return b.send(t, f.method, f.action, body.String(), w.FormDataContentType(), lang, stranger)
}

// judge looks at one answer.
func (b *visitor) judge(t *testing.T, f *webForm, a attempt, w *httptest.ResponseRecorder, lang string) {
	t.Helper()
	body := w.Body.String()
	if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
		t.Errorf("%s: %d", a.what, w.Code)
	}
	if strings.Contains(w.Header().Get("Content-Type"), "html") && (strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") || strings.Contains(body, "{{.}}") && strings.Contains(body, "ZgotmplZ")) {
		t.Errorf("%s: markup of a person became a part of the page", a.what)
	}
	if w.Header().Get("Set-Cookie") == "evil=1" {
		t.Errorf("%s: a header of a person's", a.what)
	}
	if to := w.Header().Get("Location"); w.Code == http.StatusSeeOther {
		if !strings.HasPrefix(to, console.Base+"/") {
			t.Errorf("%s: leads to %q", a.what, to)
		}
		return
	}
	if w.Code < 400 {
		return
	}
	page := readPage(t, body)
	said := strings.Join(page.messages, " ")
	switch {
	case page.lang != lang:
		t.Errorf("%s: %d in %q, want %s: %.200s", a.what, w.Code, page.lang, lang, body)
	case said == "":
		t.Errorf("%s: %d and no word of what is wrong: %.200s", a.what, w.Code, body)
	case lang == "zh-Hant" && !strings.ContainsFunc(said, func(c rune) bool { return unicode.Is(unicode.Han, c) }):
		t.Errorf("%s: %d, no Chinese in %.200q", a.what, w.Code, said)
	}
	if lang == "en" {
		b.kept(t, f, a, w.Code, page)
	}
}

// kept checks that a form that is shown again has what else was typed.
func (b *visitor) kept(t *testing.T, f *webForm, a attempt, code int, page *webPage) {
	t.Helper()
	if code != http.StatusUnprocessableEntity || a.field == nil || !a.field.typed() || a.kind == "twice" || a.kind == "missing" || f.method != http.MethodPost {
		return
	}
	again := page.find(f.method, f.action)
	if len(again) == 0 {
		again = page.find(f.method, strings.TrimSuffix(f.action, "/edit")+"/preview") // a button of the same form
	}
	best := []string{"the form is not shown again, and what was typed is lost"}
	for i, g := range again {
		if lost := lost(f, g, &a); i == 0 || len(lost) < len(best) {
			best = lost
		}
	}
	for _, text := range best {
		t.Errorf("%s: %s", a.what, text)
	}
}

// lost tells what of an attempt does not come back in a form that is shown again.
func lost(f, again *webForm, a *attempt) (list []string) {
	for _, x := range f.fields {
		secret := x.kind == "password" || x.name == "code" || x.name == "pass"
		if !x.typed() || secret || x.name == a.field.name {
			continue
		}
		if want, got := strings.TrimSpace(a.form.Get(x.name)), again.value(x.name); got != want {
			list = append(list, fmt.Sprintf("%s was %q and comes back as %q", x.name, want, got))
		}
	}
	return list
}

// abuseJSON sends what is no answer of an authenticator.
func (b *visitor) abuseJSON(t *testing.T, address string) int {
	bodies := []string{"", "null", "[]", `{"x":1}`, `{"state":"<script>alert(1)</script>","answer":{}}`, `{"token":"` + strings.Repeat("x", 5000) + `"}`,
		`{"state":"","answer":"\u202e"}`, "\x00\xff", `{"state":` + strings.Repeat("[", 20000), `{"token":"a","token":"b"}`}
	for _, body := range bodies {
		for _, lang := range []string{"en", "zh-Hant"} {
			w := b.send(t, http.MethodPost, address, body, "application/json", lang, strings.Contains(address, "/sign-in"))
			b.judge(t, &webForm{}, attempt{what: body[:min(len(body), 40)]}, w, lang)
		}
	}
	return 2 * len(bodies)
}
