package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/seal"
	"turnstile/central/throttle"
)

// drawn is what differs in any two answers: what is sealed, worked or signed anew, and
// times.
var drawn = regexp.MustCompile(`data-human="[^"]*"|name="(slow|state|link)" value="[^"]*"|/openid/authorize/[A-Za-z0-9_-]+|\d\d:\d\d:\d\d`)

// answerOf is an answer as somebody who compares sees it: status, headers but for the
// values of cookies, and body without what is drawn anew.
func answerOf(out *httptest.ResponseRecorder, typed ...string) string {
	header := out.Header().Clone()
	var cookies []string
	for _, c := range out.Result().Cookies() {
		cookies = append(cookies, fmt.Sprint(c.Name, " ", len(c.Value), " ", c.MaxAge, " ", c.HttpOnly, c.Secure, c.SameSite, c.Path))
	}
	header["Set-Cookie"] = cookies
	header.Del("X-Request-Id")
	text := drawn.ReplaceAllString(fmt.Sprint(out.Code, " ", header, "\n", out.Body), "DRAWN")
	for _, t := range typed {
		text = strings.ReplaceAll(text, t, "TYPED")
	}
	return text
}

// step is a request of a way that somebody goes who looks for who exists.
type step func(b *tab) *httptest.ResponseRecorder

// wrongly types a wrong code, as often as there are tries and once more.
func wrongly(path string, names ...string) (list []step) {
	form := url.Values{}
	for _, n := range append(names, "code") {
		form.Set(n, "00000000")
	}
	for range 7 {
		list = append(list, func(b *tab) *httptest.ResponseRecorder { return b.post(path, form) })
	}
	return append(list, func(b *tab) *httptest.ResponseRecorder { return b.get(path) })
}

func often(n int, path string, form url.Values) (list []step) {
	for range n {
		list = append(list, func(b *tab) *httptest.ResponseRecorder { return b.post(path, form) })
	}
	return list
}

// TestNobodyLearnsWhoExists goes each way of a stranger once for somebody or something
// that exists and once for what does not, from the first form to the last wrong code,
// the throttle and the expiry included: all answers are the same.
func TestNobodyLearnsWhoExists(t *testing.T) {
	w := openWorld(t, "")
	w.inhabit(xylo, bob, young)
	has := w.tab().join(xylo).furnish(xylo)
	must(t, w.db.AdoptNetID(t.Context(), database.NetID{ID: "gone", Person: young.id, Card: "staff", Name: "Gone", NameKey: "gone", Alias: "gone", Email: "g@home.example", Created: 1}))
	must(t, w.netids.End(t.Context(), "gone", "user:lee", "left"))
	must(t, w.db.AdoptNetID(t.Context(), database.NetID{ID: "fullbox", Person: young.id, Card: "cpce", Name: "Full", NameKey: "full", Alias: "full", Email: "full@home.example", Created: 1}))
	must(t, w.db.AdoptNetID(t.Context(), database.NetID{ID: "awaited", Person: young.id, Card: "ptec", Name: "Awaited", NameKey: "awaited", Alias: "awaited", Email: "awaited@home.example", Created: 1}))
	w.fillBox("full@home.example")
	w.tab().join(bob)
	w.wait(25 * time.Hour) // tries are counted for a day
	link := func() string {
		sealed, err := seal.States{Box: w.box, Spent: w.db, Now: w.config.Now}.Seal("holder link", map[string]string{"provider": elsewhere, "issuer": "i", "subject": "s"})
		must(t, err)
		return sealed
	}
	mail := func(address string) []step { return often(7, "/sign-in", url.Values{"address": {address}}) }
	reset := func(netID string) []step {
		return append(often(1, "/netid/reset", url.Values{"netid": {netID}}), wrongly("/netid/code", "code2")...)
	}
	late := func(b *tab) *httptest.ResponseRecorder {
		w.wait(11 * time.Minute)
		return b.post("/netid/code", url.Values{"code": {"00000000"}})
	}
	other := func(address string) []step {
		state := w.identifiedAs(young)
		return append(often(1, "/register/address", url.Values{"state": {state}, "other": {"1"}, "old": {"1"}, "address": {address}}), wrongly("/register/change", "code_old")...)
	}
	fresh := often(2, "/netid/new", url.Values{"password": {"nine yellow houses"}})
	forgot := func(p citizen) []step { return often(7, "/netid/forgot", p.facts()) }
	names := []string{xylo.surname, xylo.given, bob.surname, bob.given, "typed@" + xylo.id + ".example", "typed@" + bob.id + ".example"}
	stranger := bob
	stranger.personal = "S0000001"
	guest := func(token string) []step {
		return []step{func(b *tab) *httptest.ResponseRecorder {
			w.wait(36 * time.Hour)
			return b.post("/g", url.Values{"token": {token}})
		}}
	}
	for _, x := range []struct {
		name        string
		there, none []step
		typed       []string
	}{
		{"a code for an address", append(mail(xylo.email), wrongly("/sign-in/code")...), append(mail("xyla@old.example"), wrongly("/sign-in/code")...), []string{xylo.email, "xyla@old.example"}},
		{"an address to link", append(often(1, "/sign-in/link", url.Values{"link": {link()}, "address": {bob.email}}), wrongly("/sign-in/link/code")...),
			append(often(1, "/sign-in/link", url.Values{"link": {link()}, "address": {"nobody@old.example"}}), wrongly("/sign-in/link/code")...), nil},
		{"another address of somebody identified", other(bob.email), other("nobody@old.example"), nil},
		{"a NetPassword to reset", reset(has.netID), reset("nobody1"), nil},
		{"a NetPassword to reset, of one that has ended", reset("gone"), reset("nobody2"), nil},
		{"a NetPassword to reset, of one who had enough mails", reset("fullbox"), reset("nobody3"), nil},
		{"a code too late", append(reset(has.netID)[:2], late), append(reset("nobody4")[:2], late), nil},
		{"a new NetPassword without a code", append(reset(has.netID)[:1], fresh...), append(reset("nobody5")[:1], fresh...), nil},
		{"a NetPassword to reset, too often", often(8, "/netid/reset", url.Values{"netid": {"awaited"}}), often(8, "/netid/reset", url.Values{"netid": {"nobody6"}}), []string{"awaited", "nobody6"}},
		{"who registers a NetID and has one", w.begins(xylo), w.begins(bob), names},
		{"who has forgotten a NetID", forgot(xylo), forgot(stranger), names},
		{"a NetPassword at another system", w.authorizes(has.netID), w.authorizes("nobody7"), []string{has.netID, "nobody7"}},
		{"a guest's link of yesterday", guest(has.token), guest("AAAAAAAAAAAAAAAAAAAAAA"), nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			there, none := w.tab(), w.tab()
			if len(x.there) != len(x.none) || len(x.there) == 0 {
				t.Fatal("the ways differ")
			}
			for n := range x.there {
				a, b := x.there[n](there), x.none[n](none)
				if one, two := answerOf(a, x.typed...), answerOf(b, x.typed...); one != two || a.Code >= 500 {
					t.Errorf("step %d tells: %s", n, differ(one, two))
				}
			}
		})
	}
}

// fillBox has an address that had as many mails as there may be.
func (w *world) fillBox(address string) {
	w.t.Helper()
	day := (30 * 24 * time.Hour).Milliseconds()
	_, err := w.db.Try(w.t.Context(), []string{throttle.Named("netid-mail", address)}, w.config.Now().UnixMilli(), day, func(string, int64) int64 { return day })
	must(w.t, err)
}

// identifiedAs is the state of somebody whom the register knows by what they stated.
func (w *world) identifiedAs(p citizen) string {
	w.t.Helper()
	page := w.tab().post("/register", p.facts())
	state := hiddenState.FindStringSubmatch(page.Body.String())
	if state == nil {
		w.t.Fatalf("%d %s", page.Code, page.Body)
	}
	return state[1]
}

// begins begins to register a NetID, and types wrong codes.
func (w *world) begins(p citizen) []step {
	form := p.facts()
	form.Set("kind", "alumni")
	form.Set("email", "typed@"+p.id+".example")
	return append(often(1, "/netid/register", form), wrongly("/netid/code", "code2")...)
}

// authorizes types a wrong NetPassword at the provider, too often in the end.
func (w *world) authorizes(netID string) (list []step) {
	for range 7 {
		list = append(list, func(b *tab) *httptest.ResponseRecorder {
			return b.send(http.MethodPost, b.authorize(), url.Values{"netid": {netID}, "password": {"not the password"}}.Encode(), formKind)
		})
	}
	return list
}
