package endtoend

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/console/consoletest"
	"turnstile/central/devmail"
	"turnstile/central/pass"
	"turnstile/central/portal/portaltest"
	"turnstile/central/register/registertest"
	"turnstile/central/symbol"
	"turnstile/simulator/site"
)

// letterbox is a running `central dev-mail`.
type letterbox struct {
	smtp, url string
	read      map[string]bool // ids of mails that were looked at
}

// catchMail starts the program until the test ends.
func catchMail(t *testing.T) *letterbox {
	t.Helper()
	cmd := exec.Command(filepath.Join(programs, "central"), "dev-mail", "--smtp", "127.0.0.1:0", "--listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil {
			t.Errorf("dev-mail ended with %v", err)
		}
	})
	b := &letterbox{read: map[string]bool{}}
	line, err := bufio.NewReader(out).ReadString('\n')
	if n, bad := fmt.Sscanf(line, "Mail is caught at %s and shown at %s", &b.smtp, &b.url); n != 2 {
		t.Fatalf("dev-mail says %q: %v, %v", line, err, bad)
	}
	b.url = strings.TrimSuffix(b.url, "/")
	return b
}

// next waits for a mail to an address in which the pattern is, and returns what its
// first group matches. Each mail is returned once.
func (b *letterbox) next(t *testing.T, to string, pattern *regexp.Regexp) (found string) {
	t.Helper()
	until(t, "a mail to "+to, func() bool {
		answer, err := http.Get(b.url + "/mails?to=" + url.QueryEscape(to))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var list []devmail.Mail
		if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if match := pattern.FindStringSubmatch(m.Text); match != nil && !b.read[m.ID] {
				b.read[m.ID], found = true, match[1]
				return true
			}
		}
		return false
	})
	return found
}

var (
	mailedCode = regexp.MustCompile(`(?m)^\s*([0-9]{8})\s*$`)
	mailedLink = regexp.MustCompile(`(?m)^\s*(http://localhost:[0-9]+/g#\S+)\s*$`)
)

// holder is somebody with a phone, and what they need around them.
type holder struct {
	*testing.T
	*consoletest.Browser
	site *site.Site
	mail *letterbox
	who  registertest.Invented
}

// press clicks the only button of the page's form.
func (h *holder) press() { h.Click("main form button") }

// at waits for a page.
func (h *holder) at(path string) {
	h.T.Helper()
	h.Wait(fmt.Sprintf("location.pathname === %q", path))
}

// states fills in who somebody is.
func (h *holder) states() {
	h.Fill("[name=surname]", h.who.Surname)
	h.Fill("[name=given]", h.who.Given)
	consoletest.Eval[string](h.Browser, fmt.Sprintf("document.querySelector('[name=born]').value = %q", h.who.Born)) // typed as the browser's language has dates
	h.Fill("[name=personal_id]", h.who.Document)
}

// typesCode types what comes by mail.
func (h *holder) typesCode() {
	h.T.Helper()
	h.Fill("[name=code]", h.mail.next(h.T, h.who.Email, mailedCode))
	h.press()
}

// registers identifies, and registers the address on record: which signs in.
func (h *holder) registers() {
	h.T.Helper()
	h.Open("/")
	h.at("/sign-in")
	h.Click("a[href='/register']")
	h.at("/register")
	h.states()
	h.Click("form[action='/register'] button") // which does its work first
	h.WaitText("This address of yours is known")
	h.Click("form[action='/register/address'] button")
	h.at("/register/code")
	h.typesCode()
	h.at("/card")
	h.WaitText("Two steps")
}

// activates completes the contact, and hands a photo in.
func (h *holder) activates() {
	h.T.Helper()
	h.Click("main a[href^='/profile/contact']")
	h.at("/profile/contact")
	h.Fill("[name=phone]", "+852 2345 6789")
	h.Fill("[name=address]", "1 Road, Hung Hom")
	h.Fill("[name=country]", "Hong Kong")
	h.press()
	h.at("/card") // where the contact was missing
	h.Click("a[href='/card/photo']")
	h.Upload("[name=photo]", portrait(h.T))
	h.Wait("!document.getElementById('crop').hidden")
	h.Click("#photo button")
	h.WaitText("Valid card")
}

// portrait is the path of a photo of nobody.
func portrait(t *testing.T) string {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 600, 800))
	for i := range 600 * 800 {
		x, y := i%600-300, i/600-350
		shade := color.RGBA{150, 170, 190, 255}
		if x*x*9+y*y*5 < 9*150*150 {
			shade = color.RGBA{226, 184, 152, 255}
		}
		img.SetRGBA(x+300, y+350, shade)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "me.jpg")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// shows is the code on a phone, read as a scanner reads it: it looks until it does.
func shows(t *testing.T, s *site.Site, phone *consoletest.Browser, shot string) (string, pass.Code) {
	t.Helper()
	phone.Wait("document.querySelector('#symbol canvas') && !document.querySelector('.symbol').hidden")
	var text string
	until(t, "a code to be read in "+shot, func() bool {
		var err error
		text, err = symbol.ReadPicture(phone.Shot(shot))
		return err == nil
	})
	code, reason := pass.Parse([]byte(text))
	if reason != pass.Granted {
		t.Fatalf("%s: the phone shows %v", shot, reason)
	}
	keepSecret(s, "code of "+code.ID().String(), text[40:])
	return text, code
}

// The guests: one comes in, one stays outside, one's visit is cancelled.
const (
	comes     = "Lee Siu Ming"
	stays     = "Ho Ka Yan"
	cancelled = "Wong Mei Ling"
)

// entry selects what the host's page has about a guest.
func entry(guest string) string {
	return fmt.Sprintf("section[aria-labelledby='guest-%d']", slices.Index([]string{comes, stays, cancelled}, guest))
}

// invites makes the guests, mails the link of the first, and returns what came.
func (h *holder) invites(address string) (link string) {
	h.T.Helper()
	h.Open("/guests/new")
	h.Fill("[name=purpose]", "Reunion")
	h.Fill("[name=names]", comes+"\n"+stays+"\n"+cancelled)
	h.press()
	h.WaitText("ready to share")
	h.Click("details:has([name=address]) summary")
	h.Fill("[name=address]", address)
	h.Click("details:has([name=address]) button")
	h.WaitText("The link is on its way")
	link = h.mail.next(h.T, address, mailedLink)
	keepSecret(h.site, "guest's link", link[strings.Index(link, "#")+1:])
	return link
}

// TestPortal is a holder's day: the first sign-in, the eCard, the live code at a
// lane; guests of whom one does not walk, one is refused, and one's phone and lane
// reach nobody; a code that the office takes back; and the NetID.
func TestPortal(t *testing.T) {
	t.Parallel()
	box := catchMail(t)
	lane := site.LaneSetup{Name: "north", AutoWalk: walkTime, Window: 2 * time.Second} // soon over for who does not walk
	s := campus(t, site.Config{Portal: &site.Portal{Mail: box.smtp}, Agents: []site.AgentSetup{{ID: "north", Lanes: []site.LaneSetup{lane}}}})
	people := registertest.People(40, 7, time.Now())
	if err := errors.Join(s.Invent(t.Context(), people), s.Instant(t.Context()), s.Invent(t.Context(), people)); err != nil {
		t.Fatal(err)
	}
	h := &holder{t, portaltest.Phone(t, s.PortalURL()), s, box, people[0]}
	if !h.who.Graduate() || len(h.who.NetIDs) > 0 {
		t.Fatalf("%+v is no graduate without a NetID", h.who)
	}
	north := s.Agents[0]
	h.registers()
	h.activates()
	h.Open("/card/code")
	text, code := shows(t, s, h.Browser, "portal-live-code")
	if !code.Live {
		t.Error("the code is not live")
	}
	walk(t, north, text)
	if rows := ledger(t, s, code.ID().String(), "granted", "passed"); !rows[0].Live || rows[0].Holder != h.who.ID {
		t.Errorf("the ledger has %+v", rows[0])
	}

	link := h.invites("guest@example.org")
	visit := strings.TrimSuffix(h.Path(), "/send")
	h.turnedAway(visit, north)
	visitor := h.visits(link, comes)
	h.Wait("navigator.serviceWorker.controller")
	h.Open("/card/code")
	shows(t, s, h.Browser, "portal-live-code-again")
	h.Wait("caches.open('card').then(c => c.keys()).then(k => { window.kept = k.length }) && window.kept >= 2") // the page and the codes
	kept := outage(t, h, visitor, north)
	if _, err := s.API.Set(t.Context(), code.ID().String(), "revoke", "the phone is lost"); err != nil {
		t.Fatal(err)
	}
	synced(t, s)
	refused(t, north, kept, "REVOKED")
	consoletest.Eval[bool](h.Browser, "window.dispatchEvent(new Event('online'))")
	h.WaitText("The office has taken this code back")
	h.Wait("document.querySelector('.symbol').hidden && !document.querySelector('#symbol canvas')")

	h.Open(visit)
	h.says(comes, "arrived")
	h.says(stays, "at a gate, did not pass")
	h.says(cancelled, "cancelled")
	h.Shot("portal-visit-passed")
	netIDs(h)
	gapless(t, s)
}

// guestPhone is a guest's, who has no account.
type guestPhone struct {
	*consoletest.Browser
	path string // of the link
}

// says waits until the host's page says how far a guest has come, with the minute.
func (h *holder) says(guest, state string) {
	h.T.Helper()
	at := fmt.Sprintf("document.querySelector(%q)", entry(guest)+" .split")
	h.Wait(at + fmt.Sprintf(".innerText.includes(%q)", state))
	if text := consoletest.Eval[string](h.Browser, at+".innerText"); !strings.Contains(text, guest) || !sinceMinute.MatchString(text) {
		h.Errorf("%s: the page does not say since when: %q", guest, text)
	}
}

var sinceMinute = regexp.MustCompile(`\b20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}\b`)

// linkOf is the link of a guest on the host's page.
func (h *holder) linkOf(guest string) (link string) {
	h.T.Helper()
	link = consoletest.Eval[string](h.Browser, fmt.Sprintf("document.querySelector(%q).value", entry(guest)+" input[readonly]"))
	keepSecret(h.site, "link of "+guest, link[strings.Index(link, "#")+1:])
	return link
}

// turnedAway has one guest let in who does not walk, and another refused whose visit
// was cancelled meanwhile; the phone says what to do then.
func (h *holder) turnedAway(visit string, north *site.Agent) {
	h.T.Helper()
	first, second := h.visits(h.linkOf(stays), stays), h.visits(h.linkOf(cancelled), cancelled)
	text, code := shows(h.T, h.site, first.Browser, "portal-guest-stays")
	north.Lanes[0].Controller.SetAutoWalk(0)
	walk(h.T, north, text)
	ledger(h.T, h.site, code.ID().String(), "granted", "not_passed")
	north.Lanes[0].Controller.SetAutoWalk(walkTime)
	text, code = shows(h.T, h.site, second.Browser, "portal-guest-cancelled")
	h.Open(visit)
	h.Click(entry(cancelled) + " button.danger")
	h.WaitText("The code opens no gate any more")
	synced(h.T, h.site)
	refused(h.T, north, text, "REVOKED")
	ledger(h.T, h.site, code.ID().String(), "denied")
	consoletest.Eval[bool](second.Browser, "window.dispatchEvent(new Event('online'))")
	second.WaitText("ask who invited you")
	second.Wait("document.querySelector('.symbol').hidden && !document.querySelector('#symbol canvas')")
}

// visits opens a link, once, on another phone.
func (h *holder) visits(link, guest string) guestPhone {
	h.T.Helper()
	g := guestPhone{h.Other(), strings.TrimPrefix(link, h.site.PortalURL())}
	portaltest.Turn(h.T, g.Browser)
	g.Open(g.path)
	g.WaitText(guest)
	g.Wait("caches.open('guest').then(c => c.keys()).then(k => { window.kept = k.length }) && window.kept >= 2") // the page and the code
	return g
}

// outage kills central: both phones show their codes all the same, and the guest is
// let in. It returns what the holder's shows, once central is back.
func outage(t *testing.T, h *holder, visitor guestPhone, north *site.Agent) (kept string) {
	t.Helper()
	h.site.Central().Kill()
	visitor.Open("/install") // not kept
	visitor.WaitText("This page needs a network")
	visitor.Open(visitor.path)
	visitor.WaitText("No network")
	text, code := shows(t, h.site, visitor.Browser, "portal-guest-no-network")
	walk(t, north, text)
	h.Open("/card/code")
	h.WaitText("No network")
	kept, own := shows(t, h.site, h.Browser, "portal-live-code-no-network")
	if !own.Live || own.Kind != pass.ECard || code.Kind != pass.Guest {
		t.Errorf("the phones show %v, live %v, and %v", own.Kind, own.Live, code.Kind)
	}
	if err := h.site.StartCentral(); err != nil {
		t.Fatal(err)
	}
	synced(t, h.site)
	if rows := ledger(t, h.site, code.ID().String(), "granted", "passed"); rows[0].GuestName != comes {
		t.Errorf("the ledger has %+v", rows[0])
	}
	return kept
}

// The NetPasswords of the test.
const (
	firstPassword  = "harbour lantern violet stone"
	secondPassword = "copper meadow quiet engine"
)

// netIDs registers a NetID, signs in by it, changes the NetPassword, and signs in by
// that alone.
func netIDs(h *holder) {
	h.T.Helper()
	for _, p := range []string{firstPassword, secondPassword} {
		keepSecret(h.site, "NetPassword", p)
	}
	h.Click("form[action='/sign-out'] button")
	h.at("/sign-in")
	h.Open("/netid/register")
	h.states()
	h.Fill("[name=email]", h.who.Email)
	h.press()
	h.at("/netid/code")
	h.typesCode()
	h.at("/netid/choose")
	h.Fill("[name=password]", firstPassword)
	h.press()
	h.WaitText("It is registered")
	netID := h.Text("main h2")

	h.byNetID(netID, firstPassword)
	h.Wait("location.pathname === '/card'")
	h.Open("/netid/password")
	h.Fill("[name=present]", firstPassword)
	h.Fill("[name=password]", secondPassword)
	h.press()
	h.WaitText("All sign-ins with this NetID have ended")
	h.Open("/card")
	h.at("/sign-in")
	h.byNetID(netID, firstPassword)
	h.WaitText("do not fit together")
	h.Fill("#password", secondPassword)
	h.Click("main form button")
	h.Wait("location.pathname === '/card'")
	h.WaitText("Valid card")
}

// byNetID signs in.
func (h *holder) byNetID(netID, password string) {
	h.T.Helper()
	h.Open("/sign-in")
	h.Click("a[href^='/sign-in/to/netid']")
	h.Fill("#netid", netID)
	h.Fill("#password", password)
	h.Click("main form button")
}
