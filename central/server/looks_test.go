package server_test

import (
	"slices"
	"strings"
	"testing"

	"turnstile/central/console"
	"turnstile/central/console/consoletest"
	"turnstile/central/server"
)

// noPages are the GET routes that answer with a part of a page, a file or a
// redirect, or with a page only where somebody signs in elsewhere first.
func noPages() []string {
	return slices.Concat(
		[]string{"GET /{$}", "GET /static/{name}", "GET /live", "GET /lanes/style.css", "GET /passes/style.css", "GET /approvals/style.css", "GET /sign-in/passkey.js"},
		[]string{"GET /sign-in/openid/{id}", "GET /openid/{id}"},
		[]string{"GET /lanes/map", "GET /lanes/at/{id}/now", "GET /lanes/commands/{command}/now", "GET /passes/{day}/{index}/refused", "GET /passes/{day}/{index}/code",
			"GET /passes/import/{id}/now", "GET /passes/bulk/{id}/now", "GET /approvals/now", "GET /passages/rows", "GET /passages/fresh", "GET /passages/zones", "GET /passages/alarms"},
		[]string{"GET /register/import/{id}/now", "GET /register/import/template.csv", "GET /register/import/{id}/rows.csv", "GET /passes/import/template.csv", "GET /passes/import/{id}/faults.csv", "GET /approvals/{number}/photo"},
		[]string{"GET /passages/{number}/person/shown"}, // a form that was sent and asked for a sign-in
	)
}

// data are words of what central was filled with, and of what has no other name in
// Chinese either.
func data() []string {
	return []string{"Empty", "North", "One", "Two", "campus", "test", "CSV", "JSON", "NDJSON", "PNG", "JPEG", "JavaScript", "Tab", "UTF-", "API", "user", "chan",
		"admin", "NetID", "NetPassword", "BSc", "Surveying", "student", "cpce", "ptec", "visitor", "retiree", "emeritus", "portal", "central", "phone", "ecard", "guest", "staff", "yes"}
}

// look is one way to look at every page.
type look struct {
	name  string
	dark  bool
	width int64
	lang  console.Language
	axe   bool
}

func looks() []look {
	return []look{
		{"light-en", false, 1280, console.English, true},
		{"phone-dark-zh", true, 390, console.Chinese, true},
		{"phone-light-en", false, 390, console.English, false},
	}
}

// TestEveryPageLooks opens every page of the console in a browser: axe-core finds
// nothing, a phone needs not scroll sideways, and a Chinese page has no English.
func TestEveryPageLooks(t *testing.T) {
	p := server.OpenPopulated(t)
	for _, route := range p.Routes {
		if strings.HasPrefix(route, "GET ") && (p.Pages[route] == "") != slices.Contains(noPages(), route) {
			t.Errorf("%s: either no page links to it, give populated what makes it appear; or name it under noPages; not both", route)
		}
	}
	b := (&consoletest.Office{URL: p.URL}).As(t)
	pages := 0
	for _, l := range looks() {
		b.Dark(l.dark)
		b.Size(l.width, 844)
		b.Cookie("turnstile_language", string(l.lang))
		for route, address := range p.Pages {
			session := p.Admin.Value
			if strings.HasPrefix(route, "GET /sign-in") || strings.HasPrefix(route, "GET /join") {
				session = "" // these are for who has none
			}
			b.Cookie(p.Admin.Name, session)
			b.Open(strings.TrimPrefix(address, console.Base))
			l.check(t, b, route)
			pages++
		}
	}
	if pages < 3*38 {
		t.Errorf("%d pages looked at", pages)
	}
}

// check looks at the page that is open.
func (l look) check(t *testing.T, b *consoletest.Browser, route string) {
	t.Helper()
	name := strings.Trim(strings.NewReplacer("GET /", "", "/", "-", "{", "", "}", "", "$", "home").Replace(route), "-")
	b.Shot("every-" + name + "-" + l.name)
	if wide := consoletest.Eval[int64](b, "document.documentElement.scrollWidth"); wide > l.width {
		t.Errorf("%s, %s: %d wide", route, l.name, wide)
	}
	if l.axe {
		for _, found := range b.AxeNow() {
			t.Errorf("%s, %s: %s", route, l.name, found)
		}
	}
	if l.lang == console.Chinese {
		words := slices.DeleteFunc(b.Foreign(), func(w string) bool { return slices.Contains(data(), w) })
		if len(words) > 0 {
			t.Errorf("%s: on the Chinese page stands %q", route, words)
		}
	}
	if h1 := consoletest.Eval[string](b, "Array.from(document.querySelectorAll('h1'), h => h.innerText).join(' | ')"); h1 == "" || strings.Contains(h1, "|") {
		t.Errorf("%s: heading %q", route, h1)
	}
}
