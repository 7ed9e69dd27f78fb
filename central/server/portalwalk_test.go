package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"turnstile/central/console/consoletest"
	"turnstile/central/server"
)

// strangers are the pages for who is not signed in.
func (w *walk) strangers() {
	w.shows("/sign-in", "sign-in")
	w.shows("/install", "install")
	w.shows("/offline", "offline")
	w.shows("/nowhere", "problem-404")
	w.shows("/sign-in/to/nobody", "problem-503")
	w.foreign()
	w.huge()
	w.signsIn()
	w.registers()
	w.moves()
	w.guests()
	w.relayed()
}

// foreign sends a form from another site's page.
func (w *walk) foreign() {
	other := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(out, `<form method="post" action="%s/sign-in"><button>x</button></form><script>document.forms[0].submit()</script>`, w.stage.URL)
	}))
	defer other.Close()
	w.leaves(other.URL)
	w.Wait("location.pathname === '/sign-in'")
	w.look("problem-403")
}

// huge sends more than a form may have.
func (w *walk) huge() {
	w.Open("/netid/reset")
	w.fills("netid", strings.Repeat("x", 70<<10))
	consoletest.Eval[bool](w.Browser, "(() => { window.before = true; document.querySelector('main form').submit(); return true; })()")
	w.Wait("!window.before && document.readyState === 'complete'")
	w.look("problem-413")
}

// signsIn signs in by mail, with what can go wrong.
func (w *walk) signsIn() {
	w.Open("/sign-in/code")
	w.fills("code", "12345678")
	w.sends("/sign-in/code")
	w.look("sign-in-code-over")
	w.Open("/sign-in")
	w.fills("address", "nobody")
	w.sends("/sign-in")
	w.look("sign-in-wrong")
	w.fills("address", w.stage.Address(w.who("empty")))
	w.sends("/sign-in")
	w.at("/sign-in/code")
	w.look("sign-in-code")
	w.fills("code", "1")
	w.sends("/sign-in/code")
	w.look("sign-in-code-wrong")
	w.types(w.stage.Address(w.who("empty")), "/sign-in/code")
	w.at("/card")
	w.look("card-nothing")
	w.as("")
}

// states fills in who somebody is.
func (w *walk) states(person string) {
	f := w.stage.Facts(person)
	w.fills("surname", f.Surname, "given", f.Given, "born", f.Born, "personal_id", f.PersonalID)
}

// registers registers the address on record.
func (w *walk) registers() {
	person := w.who("newcomer")
	w.shows("/register", "register")
	w.states(person)
	w.fills("given", "Nobody")
	w.sends("/register")
	w.look("register-wrong")
	w.states(person)
	w.sends("/register")
	w.look("register-address")
	consoletest.Eval[bool](w.Browser, "document.querySelectorAll('main form')[0].remove() || true")
	w.fills("address", "nobody")
	w.sends("/register/address")
	w.look("register-address-wrong")
	w.sends("/register/address")
	w.at("/register/code")
	w.look("register-code")
	w.fills("code", "1")
	w.sends("/register/code")
	w.look("register-code-wrong")
	w.types(w.stage.Address(person), "/register/code")
	w.at("/card")
	w.look("registered")
	w.as("")
}

// moves replaces an address, with the mail of the old one and without.
func (w *walk) moves() {
	person := w.who("mover")
	for _, agreed := range []string{"", "1"} {
		w.Open("/register")
		w.states(person)
		w.sends("/register")
		consoletest.Eval[bool](w.Browser, "document.querySelectorAll('main form')[0].remove() || true")
		fresh := "fresh" + agreed + "-" + w.stage.Address(person)
		w.fills("address", fresh)
		if agreed == "" {
			consoletest.Eval[bool](w.Browser, "document.querySelector('[name=old]').checked = false")
		}
		w.sends("/register/address")
		w.at("/register/change")
		w.look("change" + agreed)
		w.fills("code", "1")
		w.sends("/register/change")
		w.look("change-wrong" + agreed)
		w.fills("code", w.stage.Code(fresh))
		if agreed != "" {
			w.fills("code_old", w.stage.Code(w.stage.Address(person)))
		}
		w.sends("/register/change")
		w.look("changed" + agreed)
	}
	// The browser has no code that waits.
	w.Open("/register/change")
	w.fills("code", "1")
	w.sends("/register/change")
	w.look("change-over")
}

// guests are the pages of who has a link.
func (w *walk) guests() {
	w.shows("/g", "guest-paste")
	w.fills("token", "wrong")
	w.sends("/g")
	w.look("guest-unknown-typed")
	w.fills("token", w.stage.Token("good", w.suffix))
	w.sends("/g")
	w.look("guest-typed")
	for standing, drawn := range map[string]string{"good": "document.querySelector('#symbol canvas')", "ended": "!document.querySelector('[data-note=ended]').hidden", "stopped": "!document.querySelector('[data-note=stopped]').hidden"} {
		w.Open("/install") // a link is opened from a message, in a page of its own
		w.Open("/g#" + w.stage.Token(standing, w.suffix))
		w.Wait(drawn)
		w.look("guest-" + standing)
	}
	w.Open("/install")
	w.Open("/g#AAAAAAAAAAAAAAAAAAAAAA")
	w.Wait("!document.querySelector('[data-note=unknown]').hidden")
	w.look("guest-unknown")
}

// relayed is what a provider's POST is answered with, which a script sends on.
func (w *walk) relayed() {
	w.Scripts(false)
	other := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(out, `<form method="post" action="%s/sign-in/with/library"><input type="hidden" name="state" value="x"><button>x</button></form>`, w.stage.URL)
	}))
	defer other.Close()
	w.leaves(other.URL)
	w.Click("button")
	w.Wait("document.querySelector('[data-relay]')")
	w.Scripts(true)
	w.look("relay")
	w.sends("/sign-in/with/library")
	w.look("problem-409")
}

// holders are the pages of a card, of guests, and of a profile.
func (w *walk) holders() {
	for _, part := range []string{"contact", "waiting", "rejected", "again", "active", "withdrawn"} {
		w.as(part)
		w.shows("/card", "card-"+part)
	}
	w.as("contact")
	w.photo()
	w.codes()
	w.visits()
	w.profile()
	w.ways()
}

// photo hands a photo in.
func (w *walk) photo() {
	w.shows("/card/photo", "photo")
	w.sends("/card/photo")
	w.look("photo-wrong")
	path := filepath.Join(w.TempDir(), "me.jpg")
	if err := os.WriteFile(path, server.Face(w.T), 0o600); err != nil {
		w.Fatal(err)
	}
	w.Upload("[name=photo]", path)
	w.Wait("!document.getElementById('crop').hidden")
	w.look("photo-crop")
}

// codes is the code, and what is said beside one.
func (w *walk) codes() {
	for part, ready := range map[string]string{"active": "document.querySelector('#symbol canvas')", "held": "!document.querySelector('[data-note=held]').hidden", "revoked": "!document.querySelector('[data-note=revoked]').hidden"} {
		w.as(part)
		w.Open("/card/code")
		w.Wait(ready)
		w.look("code-" + part)
	}
	w.as("active")
	w.Open("/card/code")
	w.Wait("document.querySelector('#symbol canvas')")
	consoletest.Eval[bool](w.Browser, "document.querySelectorAll('[data-note]').forEach((n) => { n.removeAttribute('hidden'); n.removeAttribute('data-note'); }) || true")
	w.look("code-every-note")
}

// visits are the guests of a holder.
func (w *walk) visits() {
	w.as("empty")
	w.shows("/guests", "guests-none")
	w.as("active")
	w.shows("/guests", "guests")
	w.shows("/guests/new", "guests-new")
	w.fills("names", strings.Repeat("x\n", 30), "purpose", "", "day", "2020-01-01")
	w.sends("/guests")
	w.look("guests-new-wrong")
	for _, became := range []string{"approved", "waiting", "rejected", "recalled"} {
		w.shows(fmt.Sprint("/guests/", w.stage.Visit(became, w.suffix)), "visit-"+became)
	}
	approved := fmt.Sprint("/guests/", w.stage.Visit("approved", w.suffix))
	w.shows("/guests/new?instead="+strings.TrimPrefix(approved, "/guests/"), "guests-change")
	w.Open(approved)
	consoletest.Eval[bool](w.Browser, "document.querySelectorAll('details').forEach((d) => { d.open = true; }) || true")
	w.look("visit-open")
	w.fills("address", "nobody")
	w.sends(approved + "/send")
	w.look("visit-send-wrong")
	w.shows("/guests/9999", "problem-404-signed-in")
}

// profile is what a holder wrote.
func (w *walk) profile() {
	w.as("empty")
	w.shows("/profile", "profile-empty")
	w.as("active")
	w.shows("/profile", "profile")
	w.shows("/profile/contact", "contact")
	w.fills("phone", "call me", "address", strings.Repeat("x", 500), "country", strings.Repeat("x", 200), "postal_code", strings.Repeat("9", 50))
	w.sends("/profile/contact")
	w.look("contact-wrong")
	for section, field := range map[string]string{"career": "from", "education": "year", "achievements": "year"} {
		w.shows("/profile/"+section, section)
		w.fills(field, "20x4")
		w.sends("/profile/" + section)
		w.look(section + "-wrong")
	}
	w.shows("/profile/data", "data")
	w.shows("/profile/erase", "erase")
	w.sends("/profile/erase")
	w.look("erase-wrong")
	w.since("active", time.Hour)
	w.shows("/profile/erase", "sign-in-again")
	if known := consoletest.Eval[string](w.Browser, "document.querySelector('[name=address]').value"); known != w.stage.Address(w.who("active")) {
		w.Errorf("who proves it anew types the address again, beside %q", known)
	}
}

// ways are how a holder signs in.
func (w *walk) ways() {
	for _, part := range []string{"empty", "moving", "due"} {
		w.as(part)
		w.shows("/profile/sign-in", "ways-"+part)
	}
	w.since("empty", time.Hour) // another browser's
	w.as("empty")
	w.shows("/profile/sign-in", "ways-two-browsers")
	w.shows("/profile/sign-in/address", "address")
	w.fills("address", "nobody")
	w.sends("/profile/sign-in/address")
	w.look("address-wrong")
}

// netIDs are the pages of the NetID, and those of signing in with it.
func (w *walk) netIDs() {
	w.as("empty")
	w.shows("/netid", "netid-none")
	w.as("keyed")
	w.shows("/netid", "netid-ended")
	w.as("pair")
	w.shows("/netid", "netid-two")
	w.shows("/netid/password", "netid-password")
	w.fills("present", "wrong", "password", "short")
	w.sends("/netid/password")
	w.look("netid-password-wrong")
	w.shows("/netid/email", "netid-email")
	w.fills("email", "nobody")
	w.sends("/netid/email")
	w.look("netid-email-wrong")
	w.as("owner")
	w.shows("/netid", "netid-one")
	w.shows("/netid/password", "netid-password-one")
	w.fills("present", server.NetPassword, "password", "three yellow houses")
	w.sends("/netid/password")
	w.look("netid-password-changed")
	w.as("")
	w.registersNetID()
	w.forgets()
}

// registersNetID registers one, and tries with one that there is.
func (w *walk) registersNetID() {
	w.shows("/netid/code", "netid-code-none")
	w.shows("/netid/register", "netid-register")
	w.states(w.who("graduate"))
	w.fills("email", "nobody")
	w.sends("/netid/register")
	w.look("netid-register-wrong")
	w.begins("graduate")
	w.look("netid-code")
	w.fills("code", "1")
	w.sends("/netid/code")
	w.look("netid-code-wrong")
	w.types(w.stage.Address(w.who("graduate")), "/netid/code")
	w.at("/netid/choose")
	w.look("netid-choose")
	w.fills("name", "owner"+w.suffix, "password", server.NetPassword)
	w.sends("/netid/choose")
	w.look("netid-choose-taken")
	w.fills("name", "Tai Man CHAN "+w.suffix, "password", server.NetPassword)
	w.sends("/netid/choose")
	w.look("netid-done")
	w.begins("owner")
	w.types(w.stage.Address(w.who("owner")), "/netid/code")
	w.look("netid-already")
	if consoletest.Eval[bool](w.Browser, "!!document.querySelector('[name=code]')") {
		w.Error("a code is asked for where nothing waits for one")
	}
}

// begins states who somebody is, for a NetID.
func (w *walk) begins(part string) {
	w.Open("/netid/register")
	w.states(w.who(part))
	w.fills("email", w.stage.Address(w.who(part)))
	w.sends("/netid/register")
	w.at("/netid/code")
}

// forgets asks for a NetID, and sets a NetPassword anew.
func (w *walk) forgets() {
	w.shows("/netid/forgot", "netid-forgot")
	w.states(w.who("owner"))
	w.sends("/netid/forgot")
	w.look("netid-forgot-sent")
	w.shows("/netid/reset", "netid-reset")
	w.fills("netid", "owner"+w.suffix)
	w.sends("/netid/reset")
	w.at("/netid/code")
	w.types(w.stage.Address(w.who("owner")), "/netid/code")
	w.at("/netid/new")
	w.look("netid-new")
	w.fills("password", "short")
	w.sends("/netid/new")
	w.look("netid-new-wrong")
	w.fills("password", "nine quiet engines")
	w.sends("/netid/new")
	w.look("netid-changed")
	w.Open("/netid/reset")
	consoletest.Eval[bool](w.Browser, "document.querySelector('[data-human]').remove() || true")
	w.sends("/netid/reset")
	w.look("netid-reset-program")
}

// elsewhere are the pages of the sign-in with a NetID, and of linking another account.
func (w *walk) elsewhere() {
	w.shows("/sign-in/to/netid", "openid")
	for range 2 { // to the other language and back
		before := w.Text("h1")
		consoletest.Eval[bool](w.Browser, "document.querySelector('form[action=\"/language\"] button').click() || true")
		w.Wait(fmt.Sprintf("document.querySelector('h1').innerText !== %q && document.querySelector('#netid')", before))
	}
	w.fills("netid", "linker"+w.suffix, "password", "wrong")
	w.sends("/openid/authorize")
	w.look("openid-wrong")
	w.fills("password", server.NetPassword)
	w.sends("/openid/authorize")
	w.at("/card")
	w.shows("/openid/logout", "openid-logout")
	w.sends("/openid/logout")
	w.look("openid-out")
	w.shows("/openid/authorize?client_id=nobody", "openid-problem")
	w.as("")
	w.Open("/sign-in/to/library")
	w.fills("netid", "linker"+w.suffix, "password", server.NetPassword)
	w.sends("/openid/authorize")
	w.at("/sign-in/with/library")
	w.look("link")
	w.fills("address", "nobody")
	w.sends("/sign-in/link")
	w.look("link-wrong")
	w.fills("address", w.stage.Address(w.who("linker")))
	w.sends("/sign-in/link")
	w.at("/sign-in/link/code")
	w.look("link-code")
	w.fills("code", "1")
	w.sends("/sign-in/link/code")
	w.look("link-code-wrong")
	w.types(w.stage.Address(w.who("linker")), "/sign-in/link/code")
	w.shows("/profile/sign-in", "ways-linked")
}
