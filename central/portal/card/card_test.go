package card_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"image"
	"image/color"
	"image/jpeg"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	"turnstile/central/portal/card"
	"turnstile/central/portal/portaltest"
	"turnstile/central/symbol"
)

// fake keeps one card.
type fake struct {
	mu       sync.Mutex // guards the following
	card     card.Card
	standing card.Standing
	live     bool
	taken    []card.Upload
	now      func() time.Time
	zone     *time.Location
	days     int // codes

	key  ed25519.PrivateKey
	gate pass.GateKey
}

func newFake() *fake {
	f := &fake{standing: card.Good, live: true, now: time.Now, zone: noon(time.Now()), days: 1, gate: pass.GateKey{1, 2, 3}}
	f.key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	f.card = card.Card{State: card.Active, Name: "CHAN Tai Man", Lines: []string{"BSc Computing, 2014", "MA Design, 2019"}, Contact: true, Photo: true}
	return f
}

// noon is a zone in which it is about noon, so that no midnight comes.
func noon(now time.Time) *time.Location {
	return time.FixedZone("", (12-now.UTC().Hour())*3600)
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) Card(context.Context, string, portal.Language) (card.Card, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.card, nil
}

func (f *fake) HandIn(_ context.Context, _ string, u card.Upload) (card.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(u.Data) < 100 {
		return "", office.Refuse(office.ErrInvalid, "The photo cannot be taken: %s.", "not a JPEG")
	}
	f.taken = append(f.taken, u)
	f.card.State, f.card.Newest = card.Waiting, card.Waiting
	return card.Waiting, nil
}

func (f *fake) Photo(context.Context, string) ([]byte, error) { return portrait(240, 240) }

func (f *fake) Codes(context.Context, string) (out card.Codes, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if out.Standing = f.standing; f.standing != card.Good {
		return out, nil
	}
	today := pass.DayOf(f.now().In(f.zone))
	for n := range f.days {
		day := today + pass.Day(n)
		y, m, d := time.Unix(day.UTC(), 0).UTC().Date()
		c := card.Code{Begin: time.Date(y, m, d, 0, 0, 0, 0, f.zone), End: time.Date(y, m, d+1, 0, 0, 0, 0, f.zone)}
		c.Pass = pass.Pass{Kind: pass.ECard, KeyID: 3, Day: day, Index: 4711, Start: int16((c.Begin.Unix() - day.UTC()) / 60), Length: 144, Zones: 1, Holder: [8]byte{9}}
		if f.live {
			c.Pass.Flags = pass.LiveRequired
			key := f.gate.LiveKey(c.Pass.Body())
			c.Live = &key
		}
		c.Signature = ed25519.Sign(f.key, c.Pass.Message())
		out.List = append(out.List, c)
	}
	return out, nil
}

// portrait is a picture of somebody.
func portrait(width, height int) ([]byte, error) {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		x, y := i%width, i/width
		img.Set(x, y, color.RGBA{uint8(80 + 100*y/height), uint8(120 + 60*x/width), 150, 255})
	}
	var out bytes.Buffer
	err := jpeg.Encode(&out, img, nil)
	return out.Bytes(), err
}

func serve(t *testing.T, f *fake) *portal.Portal {
	t.Helper()
	p, err := portal.New(portal.Options{Auth: portaltest.Door{Now: f.now}, Routes: card.Routes(f), Site: "University of Example", Office: "ecard@campus.example", Version: "test",
		Nav: []portal.Nav{{Path: "/card", Text: "My card", Icon: card.Icon}}, Log: slog.New(slog.DiscardHandler), Now: f.now, Zone: f.zone})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// scanned reads the code that the phone shows, as a scanner does, and verifies it.
func (f *fake) scanned(t *testing.T, phone *consoletest.Browser, shot string) pass.Code {
	t.Helper()
	before := pass.SlotAt(f.now().Unix())
	text, err := symbol.ReadPicture(phone.Shot(shot))
	if err != nil {
		t.Fatalf("%s: %v", shot, err)
	}
	c, reason := pass.Parse([]byte(text))
	if reason != pass.Granted || !c.Verify(f.key.Public().(ed25519.PublicKey)) {
		t.Fatalf("%s shows %s: %s", shot, text, reason)
	}
	if f.live {
		// A picture takes its time on a busy machine: the tag is that of a slot meanwhile.
		reason := pass.LiveStale
		for slot, now := before, pass.SlotAt(f.now().Unix()); slot <= now && reason != pass.Granted; slot++ {
			_, reason = c.VerifyLive(f.gate, slot, 1)
		}
		if reason != pass.Granted {
			t.Fatalf("%s: the tag is %s", shot, reason)
		}
	}
	return c
}

const (
	drawn  = "document.querySelector('#symbol canvas') && !document.querySelector('.symbol').hidden"
	worker = "navigator.serviceWorker.controller"
)

// TestCodeWithoutANetwork: the phone shows a live code that a scanner reads, also with
// the server dead, and drops it with the sign-out.
func TestCodeWithoutANetwork(t *testing.T) {
	f := newFake()
	phone, stop := portaltest.Serve(t, serve(t, f))
	phone.Cookie(portaltest.Cookie, "anna")
	phone.Open("/card/code")
	phone.Wait(drawn)
	f.scanned(t, phone, "portal-code")
	size := consoletest.Eval[[]float64](phone, "(() => { const c = document.querySelector('#symbol canvas'), b = c.getBoundingClientRect(); return [b.width, b.left, c.width / 49]; })()")
	if size[0] < 364 || size[1] < 0 || size[2] < 3 || size[2] != float64(int(size[2])) { // 60 mm at 154 points an inch
		t.Errorf("the symbol is %v", size)
	}
	portaltest.Narrow(t, phone)
	phone.Axe()
	phone.Dark(true)
	f.scanned(t, phone, "portal-code-dark")
	phone.Dark(false)
	phone.Wait(worker)
	phone.Open("/card/code") // now by way of the worker
	phone.Wait(drawn)
	phone.Wait("caches.open('card').then(c => c.match('/card/codes')).then(r => { window.held = !!r }) && window.held")

	stop()
	phone.Open("/card/code")
	phone.WaitText("No network")
	phone.Wait(drawn)
	first := f.scanned(t, phone, "portal-code-offline")
	phone.Axe()
	phone.Open("/card")
	phone.WaitText("This page needs a network")
	phone.Open("/card/code")
	phone.Wait(drawn)
	if again := f.scanned(t, phone, "portal-code-offline-again"); again.Pass != first.Pass {
		t.Errorf("%+v and %+v", first.Pass, again.Pass)
	}
	// Signing out forgets, whatever the server says.
	phone.Wait("!!document.querySelector('form[data-forget]')")
	consoletest.Eval[bool](phone, "document.querySelector('form[data-forget]').dispatchEvent(new Event('submit'))")
	phone.Wait("caches.has('card').then(h => { window.has = h }) && window.has === false")
	phone.Open("/card/code")
	phone.WaitText("This page needs a network")
}

// TestRevoked: what the office takes back is gone from the phone once it is online.
func TestRevoked(t *testing.T) {
	f := newFake()
	f.live = false
	phone, stop := portaltest.Serve(t, serve(t, f))
	phone.Cookie(portaltest.Cookie, "anna")
	phone.Open("/card/code")
	phone.Wait(worker)
	phone.Open("/card/code")
	phone.Wait(drawn)
	if c := f.scanned(t, phone, "portal-code-static"); c.Live {
		t.Error("a static code is live")
	}
	f.set(func() { f.standing = card.Held })
	consoletest.Eval[bool](phone, "window.dispatchEvent(new Event('online'))")
	phone.WaitText("has stopped this code for now")
	f.set(func() { f.standing = card.Revoked })
	consoletest.Eval[bool](phone, "window.dispatchEvent(new Event('online'))")
	phone.WaitText("has taken this code back")
	phone.Wait("document.querySelector('.symbol').hidden && !document.querySelector('#symbol canvas')")
	phone.Axe()
	phone.Shot("portal-code-revoked")
	phone.Wait("caches.has('card').then(h => { window.has = h }) && window.has === false")
	stop()
	phone.Open("/card/code")
	phone.WaitText("This page needs a network")
}

// TestMidnight: at campus midnight the next day's code, which the phone has already,
// takes the place of the old one, without a network; and then there is none.
func TestMidnight(t *testing.T) {
	f := newFake()
	f.days, f.live = 2, false
	before := time.Now() // the phone's clock is right: central's is what the test moves
	f.now = func() time.Time { return before }
	phone, stop := portaltest.Serve(t, serve(t, f))
	phone.Cookie(portaltest.Cookie, "anna")
	phone.Open("/card/code")
	phone.Wait(worker)
	phone.Open("/card/code")
	phone.Wait(drawn)
	today := f.scanned(t, phone, "portal-today")
	phone.Wait("caches.open('card').then(c => c.match('/card/codes')).then(r => { window.held = !!r }) && window.held")
	stop()
	phone.Open("/card/code")
	phone.WaitText("No network")
	consoletest.Eval[bool](phone, "(() => { const day = 864e5, now = Date.now.bind(Date); window.shift = 1; Date.now = () => now() + window.shift * day; return true; })()")
	title := portal.DayTitle(portal.English, before.In(f.zone).AddDate(0, 0, 1))
	phone.WaitText(title)
	if next := f.scanned(t, phone, "portal-tomorrow"); next.Day != today.Day+1 {
		t.Errorf("day %s behind %s", next.Day, today.Day)
	}
	consoletest.Eval[int](phone, "window.shift = 2")
	phone.WaitText("There is no code for today on this phone")
	phone.Wait("caches.has('card').then(h => { window.has = h }) && window.has === false") // old ones go
}

// TestWrongClock: a phone whose clock is wrong is told so, and shows the right code
// as long as it hears from central.
func TestWrongClock(t *testing.T) {
	f := newFake()
	f.now = func() time.Time { return time.Now().Add(2 * time.Minute) }
	phone, _ := portaltest.Serve(t, serve(t, f))
	phone.Cookie(portaltest.Cookie, "anna")
	phone.Open("/card/code")
	phone.WaitText("clock is wrong")
	phone.Wait(drawn)
	f.scanned(t, phone, "portal-drift")
	phone.Scripts(false) // then central draws, and the page asks again
	phone.Open("/card/code")
	phone.Wait("!!document.querySelector('#symbol svg')")
	f.scanned(t, phone, "portal-code-noscript")
}

// TestActivation goes through the states of a card, with and without scripts.
func TestActivation(t *testing.T) {
	f := newFake()
	f.card = card.Card{State: card.None, Name: "CHAN Tai Man"}
	phone, _ := portaltest.Serve(t, serve(t, f))
	phone.Cookie(portaltest.Cookie, "anna")
	phone.Open("/card")
	phone.WaitText("Complete the contact information")
	phone.Axe()
	phone.Shot("portal-activate-contact")
	f.set(func() { f.card.Contact = true })
	phone.Open("/card")
	phone.Click("a[href='/card/photo']")
	phone.WaitText("Look straight ahead")
	path := filepath.Join(t.TempDir(), "me.jpg")
	data, err := portrait(800, 1200)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	phone.Upload("[name=photo]", path)
	phone.Wait("!document.getElementById('crop').hidden")
	portaltest.Narrow(t, phone)
	phone.Axe()
	phone.Shot("portal-photo")
	phone.Click("#photo button")
	phone.WaitText("You are told when it is done")
	phone.Axe()
	phone.Shot("portal-waiting")
	if cut, err := jpeg.DecodeConfig(bytes.NewReader(f.taken[0].Data)); err != nil || cut.Width != 600 || cut.Height != 600 {
		t.Errorf("the phone sent %+v, %v", cut, err)
	}
	f.set(func() {
		f.card.State, f.card.Newest, f.card.Reason = card.Rejected, card.Rejected, "The face is turned away."
	})
	phone.Open("/card")
	phone.WaitText("The face is turned away.")
	phone.Axe()
	phone.Shot("portal-rejected")
	phone.Scripts(false)
	phone.Open("/card/photo")
	phone.Upload("[name=photo]", path)
	phone.Click("#photo button")
	phone.WaitText("You are told when it is done")
	if whole, err := jpeg.DecodeConfig(bytes.NewReader(f.taken[1].Data)); err != nil || whole.Height != 1200 {
		t.Errorf("without scripts the phone sent %+v, %v", whole, err)
	}
	phone.Scripts(true)
	f.set(func() { f.card = newFake().card })
	phone.Open("/card")
	phone.WaitText("Valid card")
	portaltest.Narrow(t, phone)
	phone.Axe()
	phone.Shot("portal-card")
	phone.Dark(true)
	phone.Shot("portal-card-dark")
	phone.Click("button[value=zh-Hant]")
	phone.WaitText("有效卡")
	if words := phone.Foreign(); len(words) > 0 {
		t.Errorf("on a Chinese page: %q", words)
	}
	phone.Open("/install")
	phone.Axe()
	phone.Shot("portal-install-zh")
}

func TestWords(t *testing.T) {
	pagetest.CheckWords(t, portal.Translated, card.Files(), ".", card.Texts, 30)
	for _, text := range card.Plain {
		if card.Texts[text] == "" {
			t.Errorf("no Chinese for %q", text)
		}
	}
}

// upload is the body of a form with one file.
func upload(name, kind string, data []byte) (body []byte, contentType string, err error) {
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	part, err := w.CreatePart(map[string][]string{"Content-Disposition": {`form-data; name="` + name + `"; filename="x"`}, "Content-Type": {kind}})
	if err != nil {
		return nil, "", err
	}
	part.Write(data) // to memory
	err = w.Close()
	return out.Bytes(), w.FormDataContentType(), err
}

// TestWithdrawnCard: a card that the office took back says why, and no code of it stays
// on the phone once that is online.
func TestWithdrawnCard(t *testing.T) {
	f := newFake()
	f.live = false
	phone, _ := portaltest.Serve(t, serve(t, f))
	phone.Cookie(portaltest.Cookie, "anna")
	phone.Open("/card/code")
	phone.Wait(worker)
	phone.Open("/card/code")
	phone.Wait(drawn)
	f.set(func() {
		f.standing, f.card = card.Gone, card.Card{State: card.Withdrawn, Reason: "Lent to <somebody>.", Contact: true}
	})
	consoletest.Eval[bool](phone, "window.dispatchEvent(new Event('online'))")
	phone.WaitText("The office has withdrawn your card")
	phone.WaitText("Lent to <somebody>.")
	phone.Axe()
	phone.Shot("portal-card-withdrawn")
	phone.Wait("caches.has('card').then(h => { window.has = h }) && window.has === false")
	phone.Open("/card/photo")
	phone.WaitText("The office has withdrawn your card")
}

// FuzzUpload: whatever is sent as a form with a photo is an upload within its bounds,
// or an error.
func FuzzUpload(f *testing.F) {
	for _, x := range []struct {
		name, kind string
		data       []byte
	}{{"photo", "image/jpeg", []byte("\xff\xd8\xff")}, {"photo", "", nil}, {"other", "image/png", []byte("x")}, {"photo", "application/octet-stream", []byte("y")}} {
		body, kind, err := upload(x.name, x.kind, x.data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, kind)
	}
	f.Add([]byte("--b\r\n\r\n"), "multipart/form-data; boundary=b")
	f.Add([]byte("photo=x"), "application/x-www-form-urlencoded")
	f.Add([]byte("--b"), "multipart/form-data; boundary="+strings.Repeat("b", 80))
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		r := httptest.NewRequest(http.MethodPost, "/card/photo", bytes.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		u, err := card.ReadUpload(&portal.Request{Exchange: page.NewExchange(&page.Site{}, nil, r)})
		if err == nil && (len(u.Data) == 0 || len(u.Data) > len(body) || u.Type == "application/octet-stream") {
			t.Errorf("%d bytes of %q", len(u.Data), u.Type)
		}
	})
}
