package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/netid/provider"
	"turnstile/central/pass"
	"turnstile/central/portal"
)

// portalRights says who may open each route of the portal: * everybody; h who is signed
// in, and sees their own alone; r who signed in within the last five minutes; o the
// owner of what the path or the form names. The table knows nothing of the routes.
func portalRights() map[string]string {
	return map[string]string{
		"GET /{$}": "*", "GET /static/{name}": "*", "GET /sw.js": "*", "GET /manifest.webmanifest": "*", "GET /offline": "*", "GET /install": "*", "POST /language": "*",

		"GET /card": "h", "GET /card/photo": "h", "POST /card/photo": "h", "GET /card/photo.jpg": "h", "GET /card/code": "h", "GET /card/codes": "h",

		"GET /guests": "h", "GET /guests/new": "ho", "POST /guests": "ho",
		"GET /guests/{number}": "ho", "POST /guests/{number}/cancel": "ho", "POST /guests/{number}/send": "ho",
		"GET /g": "*", "POST /g": "*",

		"GET /sign-in": "*", "POST /sign-in": "*", "GET /sign-in/code": "*", "POST /sign-in/code": "*", "GET /sign-in/passkey.js": "*", "GET /sign-in/relay.js": "*",
		"POST /sign-in/passkey/begin": "*", "POST /sign-in/passkey": "*", "GET /sign-in/to/{id}": "*", "GET /sign-in/with/{id}": "*", "POST /sign-in/with/{id}": "*",
		"POST /sign-in/link": "*", "GET /sign-in/link/code": "*", "POST /sign-in/link/code": "*", "POST /sign-out": "*",
		"GET /register": "*", "POST /register": "*", "POST /register/address": "*", "GET /register/code": "*", "POST /register/code": "*", "GET /register/change": "*", "POST /register/change": "*",

		"GET /profile": "h", "GET /profile/contact": "h", "POST /profile/contact": "h", "GET /profile/career": "h", "POST /profile/career": "h",
		"GET /profile/education": "h", "POST /profile/education": "h", "GET /profile/achievements": "h", "POST /profile/achievements": "h",
		"GET /profile/sign-in": "h", "POST /profile/sign-in/language": "h", "POST /profile/sign-in/keep": "h", "POST /profile/sign-in/end": "ho", "POST /profile/sign-in/everywhere": "h",
		"GET /profile/sign-in/address": "hr", "POST /profile/sign-in/address": "hr", "POST /profile/sign-in/passkey/begin": "hr", "POST /profile/sign-in/passkey": "hr",
		"POST /profile/sign-in/passkey/remove": "hro", "POST /profile/sign-in/unlink": "hro",
		"GET /profile/data": "hr", "POST /profile/data": "hr", "GET /profile/erase": "hr", "POST /profile/erase": "hr",

		"GET /netid": "h", "GET /netid/register": "*", "POST /netid/register": "*", "GET /netid/code": "*", "POST /netid/code": "*", "GET /netid/choose": "*", "POST /netid/choose": "*",
		"GET /netid/forgot": "*", "POST /netid/forgot": "*", "GET /netid/reset": "*", "POST /netid/reset": "*", "GET /netid/new": "*", "POST /netid/new": "*",
		"GET /netid/password": "h", "POST /netid/password": "ho", "GET /netid/email": "hr", "POST /netid/email": "hro",
	}
}

// owned is how the things of an owner are asked for: address and form.
func owned(key string, has *belongings) (path string, form url.Values) {
	visit := fmt.Sprint("/guests/", has.visit)
	switch key {
	case "GET /guests/new":
		return fmt.Sprint("/guests/new?instead=", has.visit), nil
	case "POST /guests":
		return "/guests", url.Values{"day": {has.guest.Day.String()}, "purpose": {"Tea"}, "names": {"One"}, "instead": {fmt.Sprint(has.visit)}}
	case "GET /guests/{number}":
		return visit, nil
	case "POST /guests/{number}/cancel":
		return visit + "/cancel", url.Values{"pass": {has.guest.String()}}
	case "POST /guests/{number}/send":
		return visit + "/send", url.Values{"pass": {has.guest.String()}, "address": {"thief@example.org"}}
	case "POST /profile/sign-in/end":
		return "/profile/sign-in/end", url.Values{"id": {has.session}}
	case "POST /profile/sign-in/passkey/remove":
		return "/profile/sign-in/passkey/remove", url.Values{"id": {has.passkey}}
	case "POST /profile/sign-in/unlink":
		return "/profile/sign-in/unlink", url.Values{"issuer": {has.issuer}, "subject": {has.subject}}
	case "POST /netid/password":
		return "/netid/password", url.Values{"netid": {has.netID}, "present": {netPassword}, "password": {"nine yellow houses"}}
	case "POST /netid/email":
		return "/netid/email", url.Values{"netid": {has.netID}, "email": {"thief@example.org"}}
	}
	return "", nil
}

// nothing are names like those of somebody's things, of what does not exist.
func nothing(has belongings) belongings {
	has.visit += 70
	has.guest.Index += 70
	for _, name := range []*string{&has.session, &has.passkey, &has.subject, &has.netID} {
		*name = strings.Repeat("N", len(*name))
	}
	has.netID = strings.ToLower(has.netID)
	return has
}

// blank takes the names of things out of an answer, and what is drawn anew each time.
func blank(out *httptest.ResponseRecorder, has belongings) string {
	header := out.Header().Clone()
	header.Del("X-Request-Id")
	text := fmt.Sprint(out.Code, " ", header, "\n", out.Body)
	for _, name := range []string{fmt.Sprint("/guests/", has.visit), fmt.Sprint("instead=", has.visit), fmt.Sprintf("%q", fmt.Sprint(has.visit)), has.guest.String(), has.session, has.passkey, has.subject, has.netID} {
		text = strings.ReplaceAll(text, name, "THING")
	}
	return text
}

// differ shows where two answers differ first.
func differ(one, two string) string {
	a, b := strings.Split(one, "\n"), strings.Split(two, "\n")
	for n := range min(len(a), len(b)) {
		if a[n] != b[n] {
			return fmt.Sprintf("line %d\n%s\n%s", n, a[n], b[n])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(a), len(b))
}

// fill puts something that leads nowhere into the variables of a pattern.
func fill(pattern string) string {
	return strings.NewReplacer("{number}", "777", "{name}", "portal.css", "{id}", elsewhere, "{$}", "").Replace(pattern)
}

// TestEveryHolder tries every route of the portal as nobody, as who signed in long ago,
// as its owner and as another holder, who have really signed in: what is not one's own
// is answered byte for byte as what does not exist, and stays as it is.
func TestEveryHolder(t *testing.T) {
	w := openWorld(t, "")
	w.inhabit(xylo, bob)
	owner := w.tab().join(xylo)
	has := owner.furnish(xylo)
	thief := w.tab().join(bob)
	old := w.tab().enter(bob.email)
	table, seen, owns := portalRights(), map[string]bool{}, 0
	w.wait(portal.Recent + time.Second)
	thief.enter(bob.email)
	owner.enter(xylo.email)
	for _, route := range w.portal.Routes() {
		key := route.Method + " " + route.Pattern
		who, ok := table[key]
		if seen[key] = true; !ok {
			t.Errorf("%s is not in the table", key)
			continue
		}
		if asks := w.tab().open(route); asks != (who != "*") {
			t.Errorf("%s without a session asks for one: %v", key, asks)
		}
		if asks := old.keep().open(route); asks != strings.Contains(who, "r") {
			t.Errorf("%s after a sign-in of long ago asks for another: %v", key, asks)
		}
		if thief.keep().open(route) {
			t.Errorf("%s asks who has just signed in", key)
		}
		if strings.Contains(who, "o") {
			owns++
			w.tryOwned(key, thief, has)
		}
	}
	for key := range table {
		if !seen[key] {
			t.Errorf("%s is in the table and not in the program", key)
		}
	}
	if len(seen) < 70 || owns < 10 {
		t.Errorf("%d routes, %d of an owner's", len(seen), owns)
	}
	w.untouched(owner, has)
}

// keep is the browser again as it is now, whatever ends its session.
func (b *tab) keep() *tab {
	copied := *b
	copied.cookies = map[string]string{}
	for name, value := range b.cookies {
		copied.cookies[name] = value
	}
	return &copied
}

// open opens a route, and reports whether it asks for a sign-in. What it may show of
// another holder fails the test.
func (b *tab) open(route portal.Route) (asks bool) {
	b.w.t.Helper()
	path := fill(route.Pattern)
	defer b.w.resume(bob.id)()
	var out *httptest.ResponseRecorder
	if route.Method == http.MethodGet {
		out = b.get(path)
	} else {
		out = b.send(route.Method, path, "", formKind)
	}
	if strings.Contains(strings.ToLower(out.Body.String()), "xylo") {
		b.w.t.Errorf("%s %s shows another's: %s", route.Method, path, out.Body)
	}
	if out.Code >= 500 && out.Code != http.StatusServiceUnavailable {
		b.w.t.Errorf("%s %s: %d", route.Method, path, out.Code)
	}
	return out.Code == http.StatusUnauthorized || out.Code == http.StatusSeeOther && strings.HasPrefix(out.Header().Get("Location"), "/sign-in?")
}

// resume notes the sessions of a person, and returns what brings them back.
func (w *world) resume(person string) func() {
	w.t.Helper()
	rows := database.Holders{DB: w.db}
	list, err := rows.Sessions(w.t.Context(), person, 0, 0)
	must(w.t, err)
	return func() {
		w.t.Helper()
		for _, s := range list {
			must(w.t, rows.SaveSession(w.t.Context(), s))
		}
	}
}

// tryOwned asks for somebody's things as somebody else, and for what does not exist.
func (w *world) tryOwned(key string, thief *tab, has belongings) {
	w.t.Helper()
	method, _, _ := strings.Cut(key, " ")
	ask := func(has belongings) string {
		w.t.Helper()
		path, form := owned(key, &has)
		if path == "" {
			w.t.Fatalf("%s is an owner's, and nothing says whose", key)
		}
		out := thief.keep().send(method, path, form.Encode(), formKind)
		if out.Code != http.StatusNotFound && out.Code != http.StatusUnprocessableEntity {
			w.t.Errorf("%s: %d", key, out.Code)
		}
		return blank(out, has)
	}
	if theirs, none := ask(has), ask(nothing(has)); theirs != none {
		w.t.Errorf("%s tells what is another's from what is not: %s", key, differ(theirs, none))
	}
}

// untouched checks that all is there still, and that its owner can do with it what the
// other could not.
func (w *world) untouched(owner *tab, has belongings) {
	t := w.t
	t.Helper()
	stands := func(id pass.ID) link.Status { return w.feed.View().State.Day(id.Day).Status(id.Index) }
	if stands(has.guest) != link.Good || stands(has.code) != link.Good {
		t.Error("a pass was ended")
	}
	if c, open, err := w.accounts.OpenChange(t.Context(), xylo.id); err != nil || !open || c.State != database.ChangeWaiting {
		t.Errorf("the change of the address: %+v %v %v", c, open, err)
	}
	for _, key := range []string{"GET /guests/new", "GET /guests/{number}", "POST /guests/{number}/send", "POST /guests/{number}/cancel", "POST /profile/sign-in/end", "POST /profile/sign-in/unlink",
		"POST /profile/sign-in/passkey/remove", "POST /netid/email", "POST /netid/password"} {
		method, _, _ := strings.Cut(key, " ")
		path, form := owned(key, &has)
		if out := owner.send(method, path, form.Encode(), formKind); out.Code != http.StatusOK && out.Code != http.StatusSeeOther || strings.HasPrefix(out.Header().Get("Location"), "/sign-in") {
			t.Errorf("%s of one's own: %d to %q: %s", key, out.Code, out.Header().Get("Location"), out.Body)
		}
	}
	if out := owner.get("/netid"); !strings.HasPrefix(out.Header().Get("Location"), "/sign-in") {
		t.Errorf("a new NetPassword ended no session: %d", out.Code)
	}
}

// TestEveryProviderPage: of the provider beside the portal everybody may open what
// begins a sign-in; tokens need a client's secret, and what a token tells needs one.
func TestEveryProviderPage(t *testing.T) {
	w := openWorld(t, "")
	b := w.tab()
	known := map[string]int{"authorization_endpoint": http.StatusBadRequest, "token_endpoint": http.StatusBadRequest, "userinfo_endpoint": http.StatusUnauthorized, "jwks_uri": http.StatusOK, "end_session_endpoint": http.StatusOK}
	if out := b.get(provider.Path + "/.well-known/openid-configuration"); out.Code != http.StatusOK {
		t.Fatal(out.Code)
	} else {
		for key, path := range endpointsOf(t, out.Body.Bytes(), w.portalURL()) {
			want, ok := known[key]
			if !ok {
				t.Errorf("the provider has %s at %s, and the table has not", key, path)
			}
			got := b.get(path)
			if key == "token_endpoint" {
				got = b.post(path, url.Values{"grant_type": {"authorization_code"}, "code": {"x"}})
			}
			if got.Code != want && !(key == "token_endpoint" && got.Code == http.StatusUnauthorized) {
				t.Errorf("%s: %d, want %d: %s", key, got.Code, want, got.Body)
			}
			delete(known, key)
		}
	}
	if len(known) > 0 {
		t.Errorf("the provider lacks %v", known)
	}
	for _, path := range []string{"/authorize/none", "/logout/none", "/register", "/none"} {
		if out := b.get(provider.Path + path); out.Code < 400 || out.Code >= 500 {
			t.Errorf("%s: %d", path, out.Code)
		}
	}
}

// endpointsOf are the paths that the provider publishes.
func endpointsOf(t *testing.T, document []byte, base string) map[string]string {
	t.Helper()
	var said map[string]any
	must(t, json.Unmarshal(document, &said))
	found := map[string]string{}
	for key, value := range said {
		if path, ok := strings.CutPrefix(fmt.Sprint(value), base); ok && key != "issuer" {
			found[key] = path
		}
	}
	return found
}
