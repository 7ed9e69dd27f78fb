package server

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"turnstile/central/account"
	"turnstile/central/database"
	"turnstile/central/database/postgrestest"
	"turnstile/central/photo"
	"turnstile/central/seal"
	"turnstile/central/throttle"
)

// portalScripted are the deeds of the portal that a script calls with JSON, and no form.
func portalScripted() []string {
	return []string{"POST /sign-in/passkey/begin", "POST /sign-in/passkey", "POST /profile/sign-in/passkey/begin", "POST /profile/sign-in/passkey"}
}

// foundForm is a form as somebody saw it.
type foundForm struct {
	*webForm
	key string  // method and pattern
	as  *tab    // in whose browser
	who citizen // is signed in there, if somebody is
}

// intruder sends the portal's forms in every bad way.
type intruder struct {
	*world
	mux    *http.ServeMux // only tells patterns
	owner  *tab
	who    citizen // whose pages are walked through
	has    belongings
	forms  []foundForm
	seen   map[string]bool
	number int // of the attempt
}

// TestEveryPortalFormWithBadInput sends each form of the portal, as the pages have them,
// with each field in turn wrong, missing, empty, too long, twice, with markup, with
// right-to-left text and with what is no text, in both languages, on PostgreSQL, which
// refuses what SQLite would keep. Whatever the answer is: it is no fault of central's,
// has no markup of a person's, says what is wrong and what to do in the language of the
// page, and gives back what else was typed. Every POST route has a form that is found,
// or a body in JSON.
func TestEveryPortalFormWithBadInput(t *testing.T) {
	w := openWorld(t, postgrestest.URL(t))
	w.inhabit(xylo, bob, young)
	b := &intruder{world: w, mux: http.NewServeMux(), owner: w.tab().join(xylo), who: xylo, seen: map[string]bool{}}
	b.has = b.owner.furnish(xylo)
	for _, r := range w.portal.Routes() {
		b.mux.Handle(r.Method+" "+r.Pattern, http.NotFoundHandler())
	}
	b.walk()
	b.reach()
	slices.SortStableFunc(b.forms, func(x, y foundForm) int { return portalHarm(x.key) - portalHarm(y.key) })
	done, tries := map[string]bool{}, 0
	for _, f := range b.forms {
		done[f.key] = true
		t.Run(f.key, func(t *testing.T) { tries += b.abuse(t, f) })
	}
	for _, r := range w.portal.Routes() {
		key := r.Method + " " + r.Pattern
		switch {
		case r.Method != http.MethodPost || done[key]:
		case slices.Contains(portalScripted(), key):
			t.Run(key, func(t *testing.T) { tries += b.abuseScript(t, r.Pattern) })
		default:
			t.Errorf("no page has a form for %s: show the page that does", key)
		}
	}
	if len(done) < 30 || tries < 900 {
		t.Errorf("%d forms, %d tries", len(done), tries)
	}
}

// portalHarm sorts forms: what ends something comes behind what needs it.
func portalHarm(key string) int {
	for n, word := range []string{"/cancel", "/end", "/unlink", "/remove", "/keep", "/password", "/everywhere", "/sign-out", "/erase"} {
		if strings.Contains(key, word) {
			return n + 1
		}
	}
	return 0
}

// pattern is the route that an address belongs to, "" for none.
func (b *intruder) pattern(method, address string) string {
	if !strings.HasPrefix(address, "/") {
		return ""
	}
	_, p := b.mux.Handler(httptest.NewRequest(method, address, nil))
	return p
}

// collect notes the forms of a page and returns where it leads.
func (b *intruder) collect(as *tab, out *httptest.ResponseRecorder) []string {
	b.t.Helper()
	if !strings.HasPrefix(out.Header().Get("Content-Type"), "text/html") {
		return nil
	}
	page := readPage(b.t, out.Body.String())
	for _, f := range page.forms {
		pattern := b.pattern(f.method, f.action)
		names := pattern
		for _, x := range f.fields {
			names += " " + x.name
		}
		if pattern != "" && !b.seen[names] {
			b.seen[names] = true
			b.forms = append(b.forms, foundForm{f, pattern, as.keep(), b.who})
		}
	}
	return page.links
}

// walk opens every page of the portal that a GET opens, as a stranger and as a holder.
func (b *intruder) walk() {
	for _, as := range []*tab{b.tab(), b.owner} {
		var queue []string
		for _, r := range b.portal.Routes() {
			if r.Method == http.MethodGet && !r.Hidden && !strings.Contains(r.Pattern, "{") {
				queue = append(queue, r.Pattern)
			}
		}
		opened := map[string]bool{}
		for i := 0; i < len(queue) && i < 300; i++ {
			address, _, _ := strings.Cut(queue[i], "#")
			if pattern := b.pattern(http.MethodGet, address); opened[address] || pattern == "" || strings.Contains(pattern, "static") || strings.Contains(pattern, "/sign-in/to") {
				continue
			}
			opened[address] = true
			queue = append(queue, b.collect(as, as.get(address))...)
		}
	}
}

// reach opens the pages that are answers to forms, each in a browser that has got so
// far.
func (b *intruder) reach() {
	stranger := b.tab()
	b.collect(stranger, stranger.get("/g"))
	b.collect(stranger, stranger.post("/register", bob.facts()))
	states := seal.States{Box: b.box, Spent: b.db, Now: b.config.Now}
	link, err := states.Seal("holder link", map[string]string{"provider": elsewhere, "issuer": b.has.issuer, "subject": "new"})
	must(b.t, err)
	b.collect(stranger, stranger.post("/sign-in/link", url.Values{"link": {link}, "provider": {"Elsewhere"}, "address": {"x"}}))
	b.collect(stranger, stranger.post("/sign-in/with/"+elsewhere, url.Values{"state": {"x"}}))
	b.replace("/netid/choose", b.confirmed(bob, "bob@home.example"))
	reset := b.tab()
	b.leads(reset.post("/netid/reset", url.Values{"netid": {b.has.netID}}), "/netid/code")
	b.collect(reset, reset.get("/netid/code"))
	b.leads(reset.post("/netid/code", url.Values{"code": {b.code("xylo@home." + xylo.id + ".example")}}), "/netid/new")
	b.replace("/netid/new", reset)
	code := b.tab()
	b.leads(code.post("/sign-in", url.Values{"address": {bob.email}}), "/sign-in/code")
	b.replace("/sign-in/code", code)
	b.who = bob // no photo of whom waits for the office
	applicant := b.tab().join(bob)
	b.leads(applicant.post("/profile/contact", url.Values{"phone": {"+852 2345 6789"}, "address": {"1 Road"}, "country": {"Country"}}), "/profile")
	b.collect(applicant, applicant.get("/card/photo"))
}

// replace has a form sent in a browser that has got as far as its page.
func (b *intruder) replace(action string, as *tab) {
	n := slices.IndexFunc(b.forms, func(f foundForm) bool { return f.action == action })
	if n < 0 {
		b.t.Fatalf("no form for %s", action)
	}
	b.forms[n].as = as
}

// browser is one for an attempt: at a network of its own, that nobody has signed in in
// before, signed in if the one that the form was found in is.
func (b *intruder) browser(f foundForm, lang string) *tab {
	b.t.Helper()
	as, out := f.as, f.as.keep()
	out.from = b.tab().from
	out.cookies["portal_language"] = lang
	delete(out.cookies, "turnstile-holder-known")
	if name := b.accounts.CookieName(); as.cookies[name] != "" {
		now := b.config.Now().UnixMilli()
		must(b.t, database.Holders{DB: b.db}.SaveSession(b.t.Context(), database.Session{ID: account.TokenHash("intruder as " + f.who.id), Person: f.who.id, Method: account.ByMail, Created: now, Signed: now, Seen: now}))
		out.cookies[name] = "intruder as " + f.who.id
	}
	must(b.t, b.db.Succeeded(b.t.Context(), []string{throttle.Named("netid", b.has.netID), throttle.Named("netid-mail", "xylo@home."+xylo.id+".example")}, ""))
	return out
}

// typedIn is a form as somebody fills it in who makes no mistake. The mark stands for
// a number that differs with each attempt: tries are counted.
func typedIn(f *webForm) *webForm {
	out := *f
	out.fields = slices.Clone(f.fields)
	for i := range out.fields {
		x := &out.fields[i]
		if len(x.values) > 0 && x.values[0] != "" {
			continue
		}
		switch {
		case x.name == "present":
			x.values = []string{netPassword}
		case x.kind == "password":
			x.values = []string{"nine yellow houses §"}
		case x.kind == "email":
			x.values = []string{"typed-§@example.org"}
		case x.kind == "tel":
			x.values = []string{"+852 2345 6789"}
		case x.kind == "date":
			x.values = []string{"1980-01-02"}
		case x.typed():
			x.values = []string{"typed " + x.name + " §"}
		}
	}
	return &out
}

// submit sends an attempt, and returns the form as it was sent.
func (b *intruder) submit(f foundForm, a *attempt, lang string) (*httptest.ResponseRecorder, url.Values) {
	b.t.Helper()
	b.number++
	form := url.Values{}
	for name, values := range a.form {
		for _, v := range values {
			form.Add(name, strings.ReplaceAll(v, "§", fmt.Sprint(b.number)))
		}
	}
	as := b.browser(f, lang)
	if f.multipart {
		return as.send(http.MethodPost, f.action, "--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"<script>alert(1)</script>\"\r\n\r\n\x89PNG"+a.form.Encode()+"\r\n--x--\r\n", `multipart/form-data; boundary="x"`), form
	}
	if _, asks := form["altcha"]; asks && (a.field == nil || a.field.name != "altcha" && a.field.name != "slow") && len(form) > 0 {
		waited, err := seal.States{Box: b.box, Spent: b.db, Now: b.config.Now}.Seal("holder slow lane", b.config.Now().Add(-time.Minute).UnixMilli())
		must(b.t, err)
		form.Set("slow", waited)
		return as.send(http.MethodPost, f.action, form.Encode(), formKind), form
	}
	return as.send(http.MethodPost, f.action, form.Encode(), formKind), form
}

// abuse sends a form in every bad way and returns how many there were.
func (b *intruder) abuse(t *testing.T, f foundForm) int {
	list := attempts(typedIn(f.webForm))
	slices.SortStableFunc(list, func(x, y attempt) int { return strings.Compare(mayPass(&x), mayPass(&y)) })
	for _, a := range list {
		out, sent := b.submit(f, &a, "en")
		b.judge(t, a.what, out, "en")
		if a.kind != "nul" && a.kind != "no text" {
			b.kept(t, f.webForm, &a, out, sent)
		}
		if out.Code >= 400 {
			out, _ = b.submit(f, &a, "zh-Hant")
			b.judge(t, a.what, out, "zh-Hant")
		}
	}
	as := b.browser(f, "en")
	size := 1 << 20
	if f.multipart {
		size = photo.MaxUpload + 1<<20
	}
	large := as.send(http.MethodPost, f.action, "x="+strings.Repeat("x", size), formKind)
	if large.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", large.Code)
	}
	b.judge(t, "too large", large, "en")
	none := b.browser(f, "en").send(http.MethodPost, f.action, "%zz=1&=&;;", formKind)
	if none.Code != http.StatusUnprocessableEntity {
		t.Errorf("no form: %d", none.Code)
	}
	b.judge(t, "no form", none, "en")
	return len(list)
}

// mayPass puts what can only be refused before what may be taken, and uses the form up.
func mayPass(a *attempt) string {
	if a.kind == "twice" || a.field != nil && a.field.kind == "password" && !slices.Contains([]string{"empty", "missing", "long"}, a.kind) {
		return "c"
	}
	return order(a.kind)
}

// judge looks at one answer.
func (b *intruder) judge(t *testing.T, what string, out *httptest.ResponseRecorder, lang string) {
	t.Helper()
	body := out.Body.String()
	if out.Code >= 500 && out.Code != http.StatusServiceUnavailable {
		t.Errorf("%s: %d", what, out.Code)
	}
	if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") || strings.Contains(body, "ZgotmplZ") {
		t.Errorf("%s: markup of a person became a part of the page", what)
	}
	for _, c := range out.Result().Cookies() {
		if c.Name == "evil" {
			t.Errorf("%s: a header of a person's", what)
		}
	}
	if to := out.Header().Get("Location"); out.Code == http.StatusSeeOther && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//")) {
		t.Errorf("%s: leads to %q", what, to)
	}
	if out.Code < 400 {
		return
	}
	page := readPage(t, body)
	said := strings.Join(page.messages, " ")
	chinese := strings.ContainsFunc(said, func(c rune) bool { return unicode.Is(unicode.Han, c) })
	switch {
	case page.lang != lang:
		t.Errorf("%s: %d in %q, want %s: %.200s", what, out.Code, page.lang, lang, body)
	case chinese != (lang == "zh-Hant"):
		t.Errorf("%s: %d, in %s %.200q", what, out.Code, lang, said)
	case !strings.ContainsAny(said, ".。") || len(strings.Fields(said)) < 4 && !chinese:
		t.Errorf("%s: %d and no next step in %.200q", what, out.Code, said)
	}
}

// secrets are fields that are not shown again: a browser that somebody leaves would
// show them.
func secret(f *webField) bool {
	return f.kind == "password" || slices.Contains([]string{"code", "code2", "code_old", "personal_id", "token"}, f.name)
}

// kept checks that a form that is shown again has what else was typed.
func (b *intruder) kept(t *testing.T, f *webForm, a *attempt, out *httptest.ResponseRecorder, sent url.Values) {
	t.Helper()
	if out.Code != http.StatusUnprocessableEntity || a.field == nil || !a.field.typed() || a.kind == "twice" || a.kind == "missing" {
		return
	}
	again := readPage(t, out.Body.String()).find(f.method, f.action)
	for i := range f.fields {
		x := &f.fields[i]
		want := strings.TrimSpace(sent.Get(x.name))
		if !x.typed() || secret(x) || x.name == a.field.name && order(a.kind) == "a" || want == "" {
			continue
		}
		if !slices.ContainsFunc(again, func(g *webForm) bool {
			return strings.HasPrefix(strings.TrimSpace(html.UnescapeString(g.value(x.name))), want)
		}) {
			t.Errorf("%s: %s was %q and is lost", a.what, x.name, want)
		}
	}
}

// abuseScript sends what no script of ours sends.
func (b *intruder) abuseScript(t *testing.T, path string) int {
	bodies := []string{"", "null", "[]", `{"x":1}`, `{"state":"<script>alert(1)</script>","answer":{}}`, `{"state":"` + strings.Repeat("x", 5000) + `"}`, `{"state":"","label":"\u0000","answer":"\u202e"}`,
		"\x00\xff", `{"state":` + strings.Repeat("[", 20000), `{"state":"a","state":"b"}`, `{"state":"` + strings.Repeat("x", 1<<20) + `"}`}
	for _, body := range bodies {
		for _, lang := range []string{"en", "zh-Hant"} {
			out := b.browser(foundForm{as: b.owner, who: xylo}, lang).send(http.MethodPost, path, body, "application/json")
			b.judge(t, body[:min(len(body), 40)], out, lang)
			if strings.HasSuffix(path, "/begin") != (out.Code == http.StatusOK) {
				t.Errorf("%.40s: %d", body, out.Code)
			}
		}
	}
	return 2 * len(bodies)
}
