package server

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"image"
	"image/jpeg"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnstile/central/ecard"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/portal"
	"turnstile/central/portal/card"
	"turnstile/central/portal/guests"
)

// holderDoor is an Auth that knows holders by a header.
type holderDoor struct{}

func (holderDoor) Wrap(next http.Handler) http.Handler { return next }

func (holderDoor) Holder(r *http.Request) (portal.Holder, bool) {
	person := r.Header.Get("X-Person")
	return portal.Holder{Person: person, Name: person, Proved: time.Now()}, person != ""
}

// openWithPortal opens a central whose portal takes a header's word.
func openWithPortal(t *testing.T, c Config) *opened {
	t.Helper()
	s := openCentral(t, c)
	t.Cleanup(s.stop)
	s.holders.auth, s.config.Portal.Listen = holderDoor{}, "127.0.0.1:0"
	if err := s.listenPortal(); err != nil {
		t.Fatal(err)
	}
	if err := s.openPortal(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *opened) holder(method, path, person, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Person", person)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.portalServer.Handler.ServeHTTP(w, r)
	return w
}

func face(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, image.NewRGBA(image.Rect(0, 0, 300, 400)), nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// activate makes a holder's card active, with approval by policy.
func (s *opened) activate(t *testing.T, person string) {
	t.Helper()
	approve := approvals{s.central}
	p, err := approve.Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.ECards || p.Guests {
		if err := approve.SetPolicy(t.Context(), "test", office.Policy{Version: p.Version}); err != nil {
			t.Fatal(err)
		}
	}
	if state, err := (cards{s.central}).HandIn(t.Context(), person, card.Upload{Data: face(t), Type: "image/jpeg"}); err != nil || state != card.Active {
		t.Fatalf("%s, %v", state, err)
	}
}

// TestCard goes from the application to the office's rejection, approval, and the
// code that is taken back.
func TestCard(t *testing.T) {
	s := openWithPortal(t, configure(t))
	desk, ctx := cards{s.central}, t.Context()
	at := func() card.Card {
		t.Helper()
		c, err := desk.Card(ctx, "anna", portal.English)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := at(); c.State != card.None || c.Name != "anna" || !c.Contact {
		t.Errorf("at first: %+v", c)
	}
	if c, err := desk.Codes(ctx, "anna"); err != nil || c.Standing != card.Off {
		t.Errorf("a code without a card: %+v, %v", c, err)
	}
	s.holders.contact = func(context.Context, string) (bool, error) { return false, nil }
	if _, err := desk.HandIn(ctx, "anna", card.Upload{Data: face(t)}); !isRefused(err, office.ErrInvalid) {
		t.Errorf("without contact information: %v", err)
	}
	s.holders.contact = nil
	s.holders.describe = func(context.Context, string, portal.Language) (string, []string, error) {
		return "CHAN Tai Man", []string{"BSc 2014"}, nil
	}
	if _, err := desk.HandIn(ctx, "anna", card.Upload{Data: []byte("GIF89a")}); !isRefused(err, office.ErrInvalid) {
		t.Errorf("what is no photo: %v", err)
	}
	if state, err := desk.HandIn(ctx, "anna", card.Upload{Data: face(t)}); err != nil || state != card.Waiting {
		t.Fatalf("%s, %v", state, err)
	}
	if c := at(); c.State != card.Waiting {
		t.Errorf("%+v", c)
	}
	if _, err := desk.HandIn(ctx, "anna", card.Upload{Data: face(t)}); !isRefused(err, office.ErrConflict) {
		t.Errorf("twice: %v", err)
	}
	judge := approvals{s.central}
	if _, err := judge.Decide(ctx, "approver", office.Decision{Number: 1, Reason: "Look ahead."}); err != nil {
		t.Fatal(err)
	}
	if c := at(); c.State != card.Rejected || c.Reason != "Look ahead." {
		t.Errorf("%+v", c)
	}
	if _, err := desk.HandIn(ctx, "anna", card.Upload{Data: face(t)}); err != nil {
		t.Fatal(err)
	}
	if a, err := judge.Decide(ctx, "approver", office.Decision{Number: 2, Approve: true}); err != nil || a.Name != "CHAN Tai Man" || len(a.Facts) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	if c := at(); c.State != card.Active || !c.Photo || c.Newest != "" || c.Name != "CHAN Tai Man" {
		t.Errorf("%+v", c)
	}
	jpg, err := desk.Photo(ctx, "anna")
	if size, _, bad := image.DecodeConfig(bytes.NewReader(jpg)); err != nil || bad != nil || size.Width != size.Height {
		t.Errorf("the photo is %+v: %v, %v", size, err, bad)
	}
	if _, err := desk.Photo(ctx, "bob"); !isRefused(err, office.ErrNotFound) {
		t.Errorf("somebody without one: %v", err)
	}
	if w := s.holder("GET", "/card", "anna", ""); !strings.Contains(w.Body.String(), "CHAN Tai Man") || !strings.Contains(w.Body.String(), "BSc 2014") {
		t.Errorf("%s", w.Body)
	}
}

func isRefused(err, kind error) bool {
	return err != nil && strings.HasPrefix(err.Error(), kind.Error()+": ")
}

// TestTodaysCode: one pass a holder and campus day whoever asks, another one behind
// the campus midnight, tomorrow's from the hour of the rules on; lanes take what the
// phone makes of it, and none that the office took back.
func TestTodaysCode(t *testing.T) {
	c := configure(t)
	var shift atomic.Int64
	hongKong := time.FixedZone("", 8*3600)
	noon := time.Now().In(hongKong)
	noon = time.Date(noon.Year(), noon.Month(), noon.Day(), 12, 0, 0, 0, hongKong)
	c.Now = func() time.Time { return noon.Add(time.Duration(shift.Load())) }
	s := openWithPortal(t, c)
	s.activate(t, "anna")
	desk := cards{s.central}
	var mu sync.Mutex
	got := map[pass.ID]int{}
	var wg sync.WaitGroup
	for range 6 { // tabs
		wg.Go(func() {
			list, err := desk.Codes(context.Background(), "anna")
			mu.Lock()
			defer mu.Unlock()
			if err != nil || list.Standing != card.Good || len(list.List) != 1 {
				t.Errorf("%+v, %v", list, err)
				return
			}
			got[list.List[0].Pass.ID()]++
		})
	}
	wg.Wait()
	if len(got) != 1 {
		t.Fatalf("%v", got)
	}
	first := s.codes(t, "anna", 1)[0]
	if first.Live == nil || !first.Begin.Equal(noon.Add(-12*time.Hour)) || !first.End.Equal(noon.Add(12*time.Hour)) {
		t.Errorf("%+v", first)
	}
	s.verify(t, &first)

	shift.Store(int64(6 * time.Hour))
	ahead := s.codes(t, "anna", 2)
	shift.Store(int64(12*time.Hour - time.Second))
	if late := s.codes(t, "anna", 2); late[0].Pass != first.Pass || late[1].Pass != ahead[1].Pass {
		t.Errorf("before midnight: %+v", late)
	}
	shift.Store(int64(12 * time.Hour))
	if next := s.codes(t, "anna", 1); next[0].Pass != ahead[1].Pass || next[0].Pass.Day != first.Pass.Day+1 {
		t.Errorf("behind midnight: %+v, was %+v", next, ahead)
	}

	keeper := ecardRules(s.central)
	r := ecard.Default()
	r.Live, r.From, r.Until, r.Zones = false, "07:00", "23:00", []int{0}
	if _, err := keeper.Set(t.Context(), office.Change[ecard.CodeRules]{Rules: r, By: "test", Reason: "why"}); err != nil {
		t.Fatal(err)
	}
	if stays := s.codes(t, "anna", 1); stays[0].Live == nil {
		t.Error("a code that was issued has changed")
	}
	s.activate(t, "bob")
	static := s.codes(t, "bob", 1)[0]
	if from, until := static.Pass.Window(); static.Live != nil || from != noon.Add(19*time.Hour).Unix() || until != noon.Add(35*time.Hour).Unix() {
		t.Errorf("%+v", static)
	}
	if w := s.holder("GET", "/card/codes", "bob", "", "Accept", "application/json"); !strings.Contains(w.Body.String(), static.Pass.Text(static.Signature)) || !strings.Contains(w.Body.String(), `"hours":"07:00–23:00"`) {
		t.Errorf("%s", w.Body)
	}
	for status, want := range map[link.Status]card.Standing{link.Held: card.Held, link.Revoked: card.Revoked} {
		if _, err := (passes{s.central}).SetStatus(t.Context(), "test", static.Pass.ID(), status, "lost"); err != nil {
			t.Fatal(err)
		}
		if list, err := desk.Codes(t.Context(), "bob"); err != nil || list.Standing != want || len(list.List) != 0 {
			t.Errorf("%v: %+v, %v", status, list, err)
		}
	}
}

func (s *opened) codes(t *testing.T, person string, want int) []card.Code {
	t.Helper()
	list, err := (cards{s.central}).Codes(t.Context(), person)
	if err != nil || list.Standing != card.Good || len(list.List) != want {
		t.Fatalf("%+v, %v, want %d", list, err, want)
	}
	return list.List
}

// verify checks a code as a lane does.
func (s *opened) verify(t *testing.T, c *card.Code) {
	t.Helper()
	code, reason := pass.Parse([]byte(c.Pass.LiveText(c.Signature, *c.Live, 7)))
	for _, k := range s.feed.View().Keys.Keys {
		if k.ID == c.Pass.KeyID && code.Verify(ed25519.PublicKey(k.Public[:])) && reason == pass.Granted {
			return
		}
	}
	t.Errorf("no lane takes %+v: %s", code, reason)
}

// TestVisits invites, opens, cancels and changes; a link's secret stands nowhere in
// the clear.
func TestVisits(t *testing.T) {
	c := configure(t)
	var log bytes.Buffer
	var mu sync.Mutex
	c.Log = slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) { mu.Lock(); defer mu.Unlock(); return log.Write(b) }), nil))
	s := openWithPortal(t, c)
	s.activate(t, "anna") // sets the policy too
	desk, ctx, today := visits{s.central}, t.Context(), s.feed.Today()
	terms, err := desk.Terms(ctx)
	if err != nil || terms.First != today || terms.Last != today+30 || terms.Most != office.MaxGuests || len(terms.Zones) != 1 || terms.Mail {
		t.Errorf("%+v, %v", terms, err)
	}
	n, err := desk.Ask(ctx, "anna", guests.Ask{Day: today, Purpose: "Dinner", Names: []string{"Two", "One"}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := desk.Visit(ctx, "anna", n)
	if err != nil || v.Progress != guests.Approved || len(v.Guests) != 2 || v.Guests[0].Name != "Two" || v.Guests[0].State != guests.Ready {
		t.Fatalf("%+v, %v", v, err)
	}
	again, err := desk.Visit(ctx, "anna", n)
	if err != nil || again.Guests[0].Link != v.Guests[0].Link || v.Guests[0].Link == v.Guests[1].Link {
		t.Errorf("%+v, %v", again, err)
	}
	base, token, _ := strings.Cut(v.Guests[0].Link, "#")
	if len(token) != 22 || base != s.portalURL()+"/g" {
		t.Errorf("the link is %s", v.Guests[0].Link)
	}
	w := s.holder("POST", "/g", "", url.Values{"token": {token}}.Encode(), "Accept", "application/json")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"name":"Two"`) || strings.Contains(w.Body.String(), "anna") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := s.holder("GET", "/g", "", ""); w.Code != 200 || strings.Contains(w.Body.String(), token) {
		t.Errorf("%d", w.Code)
	}
	for _, wrong := range []string{"", "x", strings.Repeat("A", 22), strings.Repeat("A", 300), token + "A", strings.ToLower(token) + "-"} {
		if w := s.holder("POST", "/g", "", url.Values{"token": {wrong}}.Encode()); w.Code != 404 {
			t.Errorf("token %q: %d", wrong, w.Code)
		}
	}
	if v, err = desk.Visit(ctx, "anna", n); err != nil || v.Guests[0].State != guests.Opened || v.Guests[1].State != guests.Ready {
		t.Errorf("%+v, %v", v, err)
	}
	if err := desk.Change(ctx, "anna", guests.Change{Number: n, Pass: v.Guests[0].Pass, Cancel: true}); err != nil {
		t.Fatal(err)
	}
	if c, err := (guestLinks{s.central}).Open(ctx, token); err != nil || c.Standing != guests.Ended || c.Text != "" {
		t.Errorf("%+v, %v", c, err)
	}
	m, err := desk.Ask(ctx, "anna", guests.Ask{Day: today + 1, Purpose: "Lunch", Names: []string{"One"}, Instead: n})
	if err != nil {
		t.Fatal(err)
	}
	if v, err = desk.Visit(ctx, "anna", n); err != nil || v.Guests[0].State != guests.Cancelled || v.Guests[1].State != guests.Cancelled {
		t.Errorf("the changed visit: %+v, %v", v, err)
	}
	if list, err := desk.List(ctx, "anna"); err != nil || len(list) != 2 || list[0].Number != m {
		t.Errorf("%+v, %v", list, err)
	}
	for _, err := range []error{
		func() error { _, err := desk.Visit(ctx, "bob", n); return err }(), desk.Change(ctx, "bob", guests.Change{Number: m, Cancel: true}),
		func() error {
			_, err := desk.Ask(ctx, "bob", guests.Ask{Day: today, Purpose: "x", Names: []string{"y"}, Instead: m})
			return err
		}(),
		desk.Change(ctx, "anna", guests.Change{Number: m, Pass: v.Guests[0].Pass, Cancel: true}), // of another visit
	} {
		if !isRefused(err, office.ErrNotFound) {
			t.Errorf("another's: %v", err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Contains(log.String(), token) || !strings.Contains(log.String(), "route=/g") {
		t.Errorf("the log has the secret, or nothing of the portal:\n%s", log.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestPortalRuns: it listens beside the console, is counted, and stops with central.
func TestPortalRuns(t *testing.T) {
	c := configure(t)
	c.Portal.Listen, c.Portal.Name = "127.0.0.1:0", "University of Example"
	r := run(t, c)
	answer, err := http.Get(strings.Replace(r.endpoints.Portal, "localhost", "127.0.0.1", 1) + "/card")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if to := answer.Request.URL.Path; to != "/sign-in" {
		t.Errorf("led to %s", to)
	}
	metrics, err := http.Get(r.endpoints.HTTP + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer metrics.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(metrics.Body); err != nil || !strings.Contains(text.String(), `turnstile_portal_requests_total{method="GET",route="/card",status="303"} 1`) {
		t.Errorf("%v\n%s", err, text.String())
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(r.endpoints.Portal); err == nil {
		t.Error("the portal still answers")
	}
}

func TestPortalConfig(t *testing.T) {
	for name, p := range map[string]Portal{
		"no listener": {URL: "https://ecard.example"}, "not local": {Listen: "0.0.0.0:8081"}, "no certificate": {Listen: "0.0.0.0:8081", Public: true},
		"no port": {Listen: "localhost"}, "a path": {Listen: "127.0.0.1:1", URL: "https://ecard.example/x"}, "no safety": {Listen: "127.0.0.1:1", URL: "http://ecard.example"},
		"half": {Listen: "127.0.0.1:1", Key: "x"}, "frames": {Listen: "127.0.0.1:1", Frames: []string{"'self'; script-src *"}}, "office": {Listen: "127.0.0.1:1", Office: "a\nb"},
	} {
		c := Default()
		if c.Portal = p; c.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
	c := Default()
	if c.Portal = (Portal{Listen: "127.0.0.1:1", URL: "https://ecard.example", Office: "Alumni office", Frames: []string{"http://localhost:9"}}); c.Check() != nil {
		t.Error(c.Check())
	}
}
