package guests_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/console/consoletest"
	"turnstile/central/office"
	"turnstile/central/page"
	"turnstile/central/page/pagetest"
	"turnstile/central/pass"
	"turnstile/central/portal"
	"turnstile/central/portal/guests"
	"turnstile/central/portal/portaltest"
	"turnstile/central/symbol"
)

const token = "AAAAAAAAAAAAAAAAAAAAAA"

// fake keeps visits of one holder.
type fake struct {
	mu       sync.Mutex // guards the following
	visits   []guests.Visit
	standing guests.Standing
	mails    []guests.Change
	url      string
	opened   int
}

var today = pass.DayOf(time.Now().UTC())

func (f *fake) Terms(context.Context) (guests.Terms, error) {
	return guests.Terms{First: today, Last: today + 30, Most: 20, Mail: true, Approval: true, Zones: []guests.Zone{{ID: 0, Name: "Main gate"}, {ID: 3, Name: "Library"}}}, nil
}

func (f *fake) Ask(_ context.Context, person string, a guests.Ask) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(a.Names) > 3 {
		return 0, office.Refuse(office.ErrConflict, "This host has %d of %d guests on %s: ask for fewer, take another day, or ask the office's approvers for an exception.", 1, 3, a.Day)
	}
	v := guests.Visit{Number: int64(len(f.visits) + 1), Progress: guests.Approved, Day: a.Day, Begin: time.Unix(a.Day.UTC(), 0).UTC(), Purpose: a.Purpose, Names: a.Names, Hours: "07:00–23:00", Zones: []string{"Main gate"}}
	for n, name := range a.Names {
		v.Guests = append(v.Guests, guests.Guest{Name: name, Pass: pass.ID{Day: a.Day, Index: uint32(n)}, State: guests.Ready, Link: f.url + "/g#" + token})
	}
	if strings.Contains(a.Purpose, "wait") {
		v.Progress, v.Guests = guests.Waiting, nil
	}
	f.visits = append(f.visits, v)
	return v.Number, nil
}

func (f *fake) List(_ context.Context, person string) ([]guests.Visit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if person != "anna" {
		return nil, nil
	}
	return slices.Clone(f.visits), nil
}

func (f *fake) Visit(_ context.Context, person string, number int64) (guests.Visit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if person != "anna" || number > int64(len(f.visits)) {
		return guests.Visit{}, office.Refuse(office.ErrNotFound, "There is no application %d.", number)
	}
	return f.visits[number-1], nil
}

func (f *fake) Change(_ context.Context, _ string, c guests.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := &f.visits[c.Number-1]
	if !c.Cancel {
		f.mails = append(f.mails, c)
		v.Guests[0].State = guests.Sent
		return nil
	}
	if v.Progress == guests.Waiting {
		v.Progress = guests.Recalled
	}
	for i := range v.Guests {
		if c.Pass == (pass.ID{}) || c.Pass == v.Guests[i].Pass {
			v.Guests[i].State, v.Guests[i].Link = guests.Cancelled, ""
		}
	}
	return nil
}

func (f *fake) Open(_ context.Context, t string) (guests.Code, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t != token {
		return guests.Code{}, office.Refuse(office.ErrNotFound, "There is no such page.")
	}
	f.opened++
	begin := time.Unix(today.UTC(), 0) // its end is an hour late: midnight may fall into a test
	c := guests.Code{Standing: f.standing, Name: "LEE Siu Ming", Begin: begin, End: begin.Add(25 * time.Hour), From: begin.Add(7 * time.Hour), To: begin.Add(23 * time.Hour), Zones: []string{"Main gate"}}
	if c.Standing == guests.Good {
		p := pass.Pass{Kind: pass.Guest, Day: today, Length: 60, Zones: 1}
		c.Text = p.Text(make([]byte, 64))
	}
	return c, nil
}

func serve(t *testing.T, f *fake) *portal.Portal {
	t.Helper()
	p, err := portal.New(portal.Options{Auth: portaltest.Door{}, Routes: guests.Routes(f, f), Site: "University of Example", Version: "test",
		Nav: []portal.Nav{{Path: "/guests", Text: "Guests", Icon: "M3 3h3"}}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestHost invites two guests, shares a link by mail, and cancels.
func TestHost(t *testing.T) {
	f := &fake{standing: guests.Good, url: "https://ecard.example"}
	phone, _ := portaltest.Serve(t, serve(t, f))
	phone.Cookie(portaltest.Cookie, "anna")
	phone.Open("/guests")
	phone.WaitText("Nobody is invited yet")
	phone.Axe()
	phone.Click("a[href='/guests/new']")
	phone.WaitText("Names of the guests")
	phone.Axe()
	phone.Fill("[name=names]", "a\nb\nc\nd\n")
	phone.Click("form[action='/guests'] button")
	phone.WaitText("Say in a few words what the visit is for")
	phone.Axe()
	phone.Fill("[name=purpose]", "Dinner")
	phone.Click("form[action='/guests'] button")
	phone.WaitText("You have 1 of 3 guests")
	phone.Shot("portal-guests-refused")
	phone.Fill("[name=names]", "LEE Siu Ming\n陳大文")
	phone.Click("form[action='/guests'] button")
	phone.WaitText("ready to share")
	portaltest.Narrow(t, phone)
	phone.Axe()
	phone.Shot("portal-visit")
	if share := consoletest.Eval[string](phone, "document.querySelector('a[href^=\"https://wa.me/\"]').href"); !strings.Contains(share, url.QueryEscape("/g#"+token)) {
		t.Errorf("shared as %s", share)
	}
	phone.Click("section:first-of-type details:last-of-type summary")
	phone.Fill("[name=address]", "nobody")
	consoletest.Eval[bool](phone, "document.querySelector('form[action$=\"/send\"]').noValidate = true")
	phone.Click("form[action$='/send'] button")
	phone.WaitText("Write a mail address")
	if typed := consoletest.Eval[string](phone, "Array.from(document.querySelectorAll('[name=address]'), i => i.value).join()"); typed != "nobody," {
		t.Errorf("what was typed comes back as %q", typed)
	}
	phone.Fill("[name=address]", "lee@guest.example")
	phone.Click("form[action$='/send'] button")
	phone.WaitText("The link is on its way")
	phone.Axe()
	if len(f.mails) != 1 || f.mails[0].Address != "lee@guest.example" || f.mails[0].Pass != (pass.ID{Day: today}) {
		t.Errorf("%+v", f.mails)
	}
	phone.Click("section:first-of-type form[action$='/cancel'] button")
	phone.WaitText("The code opens no gate any more")
	phone.Shot("portal-visit-cancelled")
	phone.Click("a[href^='/guests/new?instead=']")
	phone.WaitText("The earlier visit ends when you send this one")
	phone.WaitText("The office has to approve the new one")
	phone.Fill("[name=purpose]", "Dinner, wait")
	phone.Click("form[action='/guests'] button")
	phone.WaitText("The office looks at this request")
	phone.Axe()
	phone.Click("form[action$='/cancel'] button")
	phone.WaitText("cancelled")
	phone.Open("/guests")
	phone.Axe()
	phone.Shot("portal-guests")
	phone.Click("button[value=zh-Hant]")
	phone.WaitText("新增訪客通行")
	if words := phone.Foreign(); len(words) > 0 {
		t.Errorf("on a Chinese page: %q", words)
	}
}

// TestGuest opens a link as a guest does: with a script, without a network, without
// scripts; and after the visit was cancelled.
func TestGuest(t *testing.T) {
	f := &fake{standing: guests.Good}
	phone, stop := portaltest.Serve(t, serve(t, f))
	phone.Open("/g#" + token)
	phone.WaitText("LEE Siu Ming")
	scanned(t, phone, "portal-guest")
	portaltest.Narrow(t, phone)
	phone.Axe()
	phone.Dark(true)
	scanned(t, phone, "portal-guest-dark")
	phone.Dark(false)
	phone.Wait("navigator.serviceWorker.controller")
	phone.Open("/install") // a link is opened from a message, in a page of its own
	phone.Open("/g#" + token)
	phone.WaitText("LEE Siu Ming")
	phone.Wait("caches.open('guest').then(c => c.match('/g')).then(r => { window.held = !!r }) && window.held")
	consoletest.Eval[bool](phone, "(() => { navigator.wakeLock.request = async () => { window.awake = true; }; return document.dispatchEvent(new Event('visibilitychange')); })()")
	phone.Wait("window.awake") // the screen does not turn dark at the gate
	if n := consoletest.Eval[int](phone, "document.referrer.length + document.body.innerHTML.indexOf('"+token+"') + 1"); n != 0 {
		t.Error("the token stands in the page, or in a referrer")
	}
	phone.Open("/install")
	phone.Open("/g#BBBBBBBBBBBBBBBBBBBBBB")
	phone.WaitText("This link is not known")
	phone.Axe()
	phone.Scripts(false)
	phone.Open("/g")
	phone.WaitText("Paste the link")
	phone.Fill("[name=token]", "https://ecard.example/g#"+token)
	phone.Click("#ask button")
	phone.WaitText("LEE Siu Ming")
	scanned(t, phone, "portal-guest-noscript")
	phone.Scripts(true)

	f.mu.Lock()
	f.standing = guests.Stopped
	f.mu.Unlock()
	phone.Open("/install")
	phone.Open("/g#" + token)
	phone.WaitText("has stopped this code for now")
	f.mu.Lock()
	f.standing = guests.Good
	f.mu.Unlock()
	consoletest.Eval[bool](phone, "window.dispatchEvent(new Event('online'))")
	phone.WaitText("LEE Siu Ming")
	stop()
	phone.Open("/install") // not kept
	phone.WaitText("This page needs a network")
	phone.Open("/g#" + token)
	phone.WaitText("No network")
	scanned(t, phone, "portal-guest-offline")
}

func scanned(t *testing.T, phone *consoletest.Browser, shot string) {
	t.Helper()
	text, err := symbol.ReadPicture(phone.Shot(shot))
	if err != nil {
		t.Fatalf("%s: %v", shot, err)
	}
	if c, reason := pass.Parse([]byte(text)); reason != pass.Granted || c.Day != today || c.Kind != pass.Guest {
		t.Errorf("%s shows %s", shot, text)
	}
}

// TestOthersVisits: what is not the holder's own does not exist.
func TestOthersVisits(t *testing.T) {
	f := &fake{visits: []guests.Visit{{Number: 1, Progress: guests.Approved, Guests: []guests.Guest{{Pass: pass.ID{Day: today}}}}}}
	p := serve(t, f)
	ask := func(method, path, person, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: portaltest.Cookie, Value: person})
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w
	}
	for _, x := range []struct{ method, path, body string }{
		{"GET", "", ""}, {"POST", "/cancel", ""}, {"POST", "/cancel", "pass=" + url.QueryEscape(pass.ID{Day: today}.String())}, {"POST", "/send", "address=a@b.example"}, {"POST", "/send", "address=wrong"},
	} {
		others, none := ask(x.method, "/guests/1"+x.path, "bob", x.body), ask(x.method, "/guests/99"+x.path, "bob", x.body)
		same := strings.ReplaceAll(others.Body.String(), "/guests/1", "/guests/99") == none.Body.String()
		if others.Code != http.StatusNotFound || none.Code != http.StatusNotFound || !same {
			t.Errorf("%s %s: %d, and %d for nothing\n%s\n%s", x.method, x.path, others.Code, none.Code, others.Body, none.Body)
		}
	}
	if w := ask("POST", "/guests/1/cancel", "anna", "pass=2026-11-22/9"); w.Code != http.StatusNotFound {
		t.Errorf("a pass of another visit: %d", w.Code)
	}
	if w := ask("GET", "/guests/new?instead=1", "bob", ""); w.Code != http.StatusNotFound {
		t.Errorf("another's visit as a form: %d", w.Code)
	}
	for _, number := range []string{"0", "-1", "x", "99999999999999999999"} {
		if w := ask("GET", "/guests/"+number, "anna", ""); w.Code != http.StatusNotFound {
			t.Errorf("number %s: %d", number, w.Code)
		}
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string][]string{"": nil, " \r\n\n": nil, "A\r\nB": {"A", "B"}, " A  B \n\n C": {"A B", "C"}, "A\rA": {"A", "A"}} {
		if got := guests.Names(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestWords(t *testing.T) {
	pagetest.CheckWords(t, portal.Translated, guests.Files(), ".", guests.Texts, 40)
	for _, text := range guests.Plain {
		if guests.Texts[text] == "" && !portal.Translated(nil, text) {
			t.Errorf("no Chinese for %q", text)
		}
	}
}

// FuzzForm: whatever is sent as the form of a visit is one that the services take, or
// says what is wrong with it.
func FuzzForm(f *testing.F) {
	f.Add("day=2026-11-22&purpose=Dinner&names=A%0AB&zone=3&zone=0&instead=2")
	f.Add("day=&purpose=&names=&zone=x&instead=-1")
	f.Add("day=9999-99-99&purpose=%00&names=" + strings.Repeat("a%0A", 30))
	f.Add("names=%ff%fe&instead=99999999999999999999&zone=99")
	terms := guests.Terms{First: 0, Last: 65535, Most: 20, Zones: []guests.Zone{{ID: 0}, {ID: 3}}}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/guests", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if r.ParseForm() != nil {
			return
		}
		a, wrong := guests.ReadForm(&portal.Request{Exchange: page.NewExchange(&page.Site{}, nil, r)}, terms)
		if len(wrong) > 0 {
			return
		}
		bad := func(text string, most int) bool { return text == "" || !office.OneLine(text, most) }
		if bad(a.Purpose, guests.MaxPurpose) || len(a.Names) == 0 || len(a.Names) > 20 || a.Instead < 0 ||
			slices.ContainsFunc(a.Names, func(n string) bool { return bad(n, guests.MaxName) }) || slices.ContainsFunc(a.Zones, func(z int) bool { return z != 0 && z != 3 }) {
			t.Errorf("%q is taken as %+v", body, a)
		}
	})
}

// FuzzToken: what is pasted gives a token within bounds, and nothing else.
func FuzzToken(f *testing.F) {
	for _, s := range []string{"", "#", token, "https://ecard.example/g#" + token, " x#y#z ", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := guests.TokenOf(s); len(got) > len(s) || strings.TrimSpace(got) != got && !strings.Contains(s, "#") {
			t.Errorf("%q gives %q", s, got)
		}
	})
}
