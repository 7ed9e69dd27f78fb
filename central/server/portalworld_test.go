package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altcha-org/altcha-lib-go"

	"turnstile/central/account"
	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/office"
	"turnstile/central/openid"
	"turnstile/central/pass"
	"turnstile/central/portal/human"
	"turnstile/central/register"
	"turnstile/central/seal"
)

// world is a central with a portal on which people really sign in, and a clock to set.
type world struct {
	*opened
	t        *testing.T
	shift    atomic.Int64 // by how much the clock is past noon
	networks atomic.Int64
	box      seal.Box
}

// elsewhere is a provider that does not answer.
const elsewhere = "elsewhere"

// openWorld opens a central on a database, "" for SQLite in a folder of its own, with
// a setting of one's choice.
func openWorld(t *testing.T, where string, change ...func(*Config)) *world {
	t.Helper()
	c := withNetID(t)
	for _, f := range change {
		f(&c)
	}
	if database.IsPostgres(where) {
		c.Database = where
	}
	c.Portal.SignIn.Providers = []account.Provider{{Provider: openid.Provider{ID: elsewhere, Name: "Elsewhere", Issuer: "https://127.0.0.1:1", Client: "c", SecretFile: c.NetID.Clients[0].SecretFile}}}
	hongKong := time.FixedZone("", 8*3600)
	noon := time.Now().In(hongKong)
	noon = time.Date(noon.Year(), noon.Month(), noon.Day(), 12, 0, 0, 0, hongKong)
	w := &world{t: t}
	// It moves on with each look, so that letters have an order.
	c.Now = func() time.Time { return noon.Add(time.Duration(w.shift.Add(int64(time.Millisecond)))) }
	w.opened = openCentral(t, c)
	t.Cleanup(w.stop)
	var err error
	w.box, err = w.central.box()
	must(t, err)
	return w
}

func (w *world) wait(by time.Duration) { w.shift.Add(int64(by)) }

// citizen is somebody of the register.
type citizen struct {
	id, surname, given, personal string
	email                        string // of the registry
	netID                        string
	graduated                    string // day
}

// Xylo has everything that a holder can have, each text with xylo in it; Bob little,
// and Young graduated when student NetIDs are kept.
var (
	xylo  = citizen{"p-xylo", "XYLOANNA", "Maria", "X1234567", "xylo@old.example", "mxyloanna", "2005-11-01"}
	bob   = citizen{"p-bob", "BOBSON", "Robert", "B7654321", "bob@old.example", "", "2005-11-01"}
	young = citizen{"p-young", "YOUNG", "Ka Yan", "Y1112223", "young@old.example", "", "2015-11-01"}
)

const netPassword = "seven green bicycles"

func (p citizen) facts() url.Values {
	return url.Values{"surname": {p.surname}, "given": {p.given}, "born": {"1980-01-02"}, "personal_id": {p.personal}}
}

// inhabit puts people into the register.
func (w *world) inhabit(people ...citizen) {
	w.t.Helper()
	put := func(kind register.Kind, values map[string]string) {
		w.t.Helper()
		_, bad, err := registry{w.central}.Put(w.t.Context(), "test", kind, []map[string]string{values}, false)
		if must(w.t, err); len(bad) > 0 {
			w.t.Fatal(bad)
		}
	}
	for _, p := range people {
		put(register.Persons, map[string]string{"id": p.id, "surname": p.surname, "given": p.given, "name_zh": "陳大文", "born": "1980-01-02", "personal_id": p.personal, "email": p.email, "phone": "+852 1234"})
		put(register.Cards, map[string]string{"person": p.id, "kind": "staff", "number": "7" + p.personal[1:]})
		put(register.Degrees, map[string]string{"person": p.id, "award": "BSc", "institution": "university", "graduated": p.graduated})
		put(register.NetIDs, map[string]string{"person": p.id, "netid": "s" + strings.TrimPrefix(p.id, "p-")})
	}
}

// tab is a browser at a network of its own.
type tab struct {
	w       *world
	cookies map[string]string
	lang    string
	from    string
}

func (w *world) tab() *tab {
	return &tab{w, map[string]string{}, "en", fmt.Sprintf("[2001:db8:%x::1]:1", w.networks.Add(1))}
}

func (b *tab) send(method, path, body, kind string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, b.w.portalURL()+path, strings.NewReader(body))
	r.RemoteAddr = b.from
	r.Header.Set("Accept-Language", b.lang)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", kind)
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	out := httptest.NewRecorder()
	b.w.portalServer.Handler.ServeHTTP(out, r)
	for _, c := range out.Result().Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return out
}

const formKind = "application/x-www-form-urlencoded"

func (b *tab) get(path string) *httptest.ResponseRecorder {
	return b.send(http.MethodGet, path, "", "")
}

// post sends a form; what a form of strangers has to prove is proved.
func (b *tab) post(path string, form url.Values) *httptest.ResponseRecorder {
	if guarded[path] {
		form = b.w.worked(form)
	}
	return b.send(http.MethodPost, path, form.Encode(), formKind)
}

// guarded are the forms that programs are kept from.
var guarded = map[string]bool{"/sign-in": true, "/sign-in/link": true, "/register": true, "/netid/register": true, "/netid/forgot": true, "/netid/reset": true}

// worked returns a form with the work done.
func (w *world) worked(form url.Values) url.Values {
	w.t.Helper()
	made, err := w.holders.guard.Challenge(nil)
	must(w.t, err)
	var c altcha.Challenge
	must(w.t, json.Unmarshal([]byte(made.(human.Challenge).Task), &c))
	s, err := altcha.SolveChallenge(c.Challenge, c.Salt, altcha.SHA256, int(c.MaxNumber), 0, nil)
	if must(w.t, err); s == nil {
		w.t.Fatal("the work cannot be done")
	}
	text, err := json.Marshal(altcha.Payload{Algorithm: c.Algorithm, Challenge: c.Challenge, Number: int64(s.Number), Salt: c.Salt, Signature: c.Signature})
	must(w.t, err)
	out := url.Values{"altcha": {base64.StdEncoding.EncodeToString(text)}}
	for name, values := range form {
		out[name] = values
	}
	return out
}

// leads fails the test unless an answer leads to a path.
func (w *world) leads(out *httptest.ResponseRecorder, to string) {
	w.t.Helper()
	if got := out.Header().Get("Location"); out.Code != http.StatusSeeOther || !strings.HasPrefix(got, to) {
		w.t.Fatalf("%d to %q, want %s: %s", out.Code, got, to, out.Body)
	}
}

var (
	eightDigits = regexp.MustCompile(`(?m)^    (\d{4} ?\d{4})$`)
	hiddenState = regexp.MustCompile(`name="state" value="([^"]+)"`)
)

// code is the one in the newest letter to an address.
func (w *world) code(address string) string {
	w.t.Helper()
	rows, err := w.db.LettersTo(w.t.Context(), address, 1)
	if must(w.t, err); len(rows) == 0 {
		w.t.Fatalf("no letter to %s", address)
	}
	text := w.said(rows[0])
	m := eightDigits.FindStringSubmatch(text)
	if m == nil {
		w.t.Fatalf("no code in %s", text)
	}
	return m[1]
}

// said is what a mail says that waits.
func (w *world) said(m database.Mail) string {
	w.t.Helper()
	l, err := letters.Open(w.box, m.ID, m.Sealed)
	must(w.t, err)
	return l.Text
}

// join signs somebody in for the first time: who it is, the registry's address, the
// code that came there.
func (b *tab) join(p citizen) *tab {
	w := b.w
	w.t.Helper()
	page := b.post("/register", p.facts())
	state := hiddenState.FindStringSubmatch(page.Body.String())
	if state == nil {
		w.t.Fatalf("%d %s", page.Code, page.Body)
	}
	w.leads(b.post("/register/address", url.Values{"state": {html.UnescapeString(state[1])}}), "/register/code")
	w.leads(b.post("/register/code", url.Values{"code": {w.code(p.email)}}), "/")
	return b
}

// enter signs in with a code to an address.
func (b *tab) enter(address string) *tab {
	b.w.t.Helper()
	b.w.leads(b.post("/sign-in", url.Values{"address": {address}}), "/sign-in/code")
	b.w.leads(b.post("/sign-in/code", url.Values{"code": {b.w.code(address)}, "next": {"/card"}}), "/card")
	return b
}

// photo hands a photo in.
func (b *tab) photo() *httptest.ResponseRecorder {
	b.w.t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	part, err := m.CreateFormFile("photo", "me.jpg")
	must(b.w.t, err)
	_, err = part.Write(face(b.w.t))
	must(b.w.t, err)
	must(b.w.t, m.Close())
	return b.send(http.MethodPost, "/card/photo", body.String(), m.FormDataContentType())
}

// approval says what the office decides.
func (w *world) approval(ecards, guests bool) {
	w.t.Helper()
	p, err := approvals{w.central}.Policy(w.t.Context())
	must(w.t, err)
	must(w.t, approvals{w.central}.SetPolicy(w.t.Context(), "test", office.Policy{Version: p.Version, ECards: ecards, Guests: guests}))
}

// belongings name what somebody has.
type belongings struct {
	visit, waiting int64   // numbers of requests
	guest          pass.ID // of the visit
	token          string  // of the guest's link
	issuer         string  // of the account elsewhere
	subject        string
	passkey        string
	session        string // of another browser
	netID          string
	changed        string // the address that is to be
	code           pass.ID
}

// furnish gives somebody everything, and returns what it is called.
func (b *tab) furnish(p citizen) (has belongings) {
	w, t := b.w, b.w.t
	t.Helper()
	w.leads(b.post("/profile/contact", url.Values{"phone": {"+852 2345 6789"}, "address": {"1 Xylo Road"}, "country": {"Xyloland"}}), "/profile")
	w.leads(b.post("/profile/career", url.Values{"employer": {"Xylo Works"}, "from": {"2014"}}), "/profile")
	w.approval(false, false)
	w.leads(b.photo(), "/card")
	has.code = w.codes(t, p.id, 1)[0].Pass.ID()
	b.furnishGuests(p, &has)
	b.furnishNetID(p, &has)
	b.furnishWays(p, &has)
	w.approval(true, true)
	w.leads(b.photo(), "/card") // another one, that waits
	has.waiting = b.invite("Xylo tea", "Xylo Waiting")
	return has
}

// invite asks for a guest's code of today and returns the number of the request.
func (b *tab) invite(purpose, name string) (number int64) {
	b.w.t.Helper()
	asked := b.post("/guests", url.Values{"day": {b.w.feed.Today().String()}, "purpose": {purpose}, "names": {name}})
	b.w.leads(asked, "/guests/")
	_, err := fmt.Sscan(strings.TrimPrefix(asked.Header().Get("Location"), "/guests/"), &number)
	must(b.w.t, err)
	return number
}

func (b *tab) furnishGuests(p citizen, has *belongings) {
	w, t := b.w, b.w.t
	t.Helper()
	has.visit = b.invite("Xylo dinner", "Xylo Guest")
	v, err := visits{w.central}.Visit(t.Context(), p.id, has.visit)
	if must(t, err); len(v.Guests) != 1 {
		t.Fatalf("%+v", v)
	}
	has.guest = v.Guests[0].Pass
	_, has.token, _ = strings.Cut(v.Guests[0].Link, "#")
	if out := w.tab().post("/g", url.Values{"token": {has.token}}); out.Code != http.StatusOK {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	w.leads(b.post(fmt.Sprintf("/guests/%d/send", has.visit), url.Values{"pass": {has.guest.String()}, "address": {"guest@xylo.example"}}), "/guests/")
	must(t, w.db.AddMail(t.Context(), database.Mail{ID: "pass mail", Pass: has.code, Address: p.email, By: "user:xylo", At: w.config.Now().UnixMilli()}))
}

func (b *tab) furnishWays(p citizen, has *belongings) {
	w, t := b.w, b.w.t
	t.Helper()
	other := w.tab()
	other.enter(p.email)
	has.session = account.TokenHash(other.cookies[w.accounts.CookieName()])
	w.tab().post("/sign-in", url.Values{"address": {p.email}}) // a code that nobody typed yet
	has.issuer, has.subject = "https://127.0.0.1:1", "xylo-subject of "+p.id
	typed := database.Typed{Browser: []byte("link of " + p.id), Purpose: "link", Code: []byte("right")}
	must(t, w.db.AddCodes(t.Context(), []database.AccountCode{{Browser: typed.Browser, Purpose: typed.Purpose, Person: p.id, Address: p.email, Code: typed.Code, Tries: 5, Expires: w.config.Now().Add(time.Hour).UnixMilli()}}))
	_, err := w.db.LinkAccount(t.Context(), typed, database.AccountLink{OpenID: database.OpenID{Issuer: has.issuer, Subject: has.subject}, Provider: elsewhere, Linked: 5},
		database.Letter{ID: "linked " + p.id, Kind: "method_added", Sealed: []byte("x"), By: "portal", At: 5})
	must(t, err)
	key := "xylo key of " + p.id
	must(t, w.db.AddHolderPasskey(t.Context(), database.Passkey{ID: []byte(key), Person: p.id, Label: "Xylo phone", Record: []byte("{}"), Created: 5}))
	has.passkey = base64.RawURLEncoding.EncodeToString([]byte(key))
	has.changed = "xylo-new@" + p.id + ".example"
	w.leads(b.post("/profile/sign-in/address", url.Values{"address": {has.changed}}), "/register/change")
	if out := b.post("/register/change", url.Values{"code": {w.code(has.changed)}}); out.Code != http.StatusOK {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
}

func (b *tab) furnishNetID(p citizen, has *belongings) {
	w, t := b.w, b.w.t
	t.Helper()
	personal := "xylo@home." + p.id + ".example"
	w.registerNetID(p, personal, p.given+" "+p.surname, "two brown umbrellas")
	list, err := w.netids.Of(t.Context(), p.id)
	if must(t, err); len(list) != 1 {
		t.Fatal(list)
	}
	has.netID = list[0].NetID
	if out := b.post("/netid/password", url.Values{"netid": {has.netID}, "present": {"two brown umbrellas"}, "password": {netPassword}}); out.Code != http.StatusOK {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	b.enter(p.email) // a new one ends every session
	w.library(has.netID)
	w.leads(b.post("/netid/email", url.Values{"netid": {has.netID}, "email": {"xylo@another.example"}}), "/netid/code")
}

// registerNetID goes the whole way of a graduate.
func (w *world) registerNetID(p citizen, personal, name, password string) {
	w.t.Helper()
	b := w.confirmed(p, personal)
	if out := b.post("/netid/choose", url.Values{"name": {name}, "password": {password}}); out.Code != http.StatusOK {
		w.t.Fatalf("%d %s", out.Code, out.Body)
	}
}

// confirmed is a browser in which a registration's codes were typed.
func (w *world) confirmed(p citizen, personal string) *tab {
	w.t.Helper()
	b := w.tab()
	form := p.facts()
	form.Set("kind", "alumni")
	form.Set("email", personal)
	w.leads(b.post("/netid/register", form), "/netid/code")
	w.leads(b.post("/netid/code", url.Values{"code": {w.code(personal)}, "code2": {w.code(p.email)}}), "/netid/choose")
	return b
}

var authorizeForm = regexp.MustCompile(`action="(/openid/authorize/[^"]+)"`)

// authorize opens the sign-in page of NetIDs for the client library, and returns where
// its form goes.
func (b *tab) authorize() string {
	b.w.t.Helper()
	page := b.get("/openid/authorize?response_type=code&scope=openid+profile&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&client_id=library&redirect_uri=" + url.QueryEscape("https://library.example/back"))
	form := authorizeForm.FindStringSubmatch(page.Body.String())
	if form == nil {
		b.w.t.Fatalf("%d %s", page.Code, page.Body)
	}
	return form[1]
}

// library has somebody signed in at another system: with a session of the provider, a
// code that nobody took, a grant and its token.
func (w *world) library(netID string) {
	w.t.Helper()
	now := w.config.Now()
	until := now.Add(time.Hour).UnixMilli()
	id := func(what string) []byte { return []byte(what + " of " + netID) }
	must(w.t, w.db.AddOpenIDSession(w.t.Context(), database.OpenIDSession{ID: id("session"), NetID: netID, Signed: now.UnixMilli(), Expires: until}))
	for _, code := range []string{"code", "other code"} {
		must(w.t, w.db.AddOpenIDCode(w.t.Context(), database.Sealed{ID: id(code), NetID: netID, Data: []byte("x"), Expires: until}))
	}
	_, err := w.db.TakeOpenIDCode(w.t.Context(), id("code"), now.UnixMilli())
	must(w.t, err)
	must(w.t, w.db.PutOpenIDGrant(w.t.Context(), database.Sealed{ID: id("grant"), Of: id("code"), NetID: netID, Data: []byte("x"), Expires: until}))
	must(w.t, w.db.PutOpenIDToken(w.t.Context(), database.Sealed{ID: id("token"), Of: id("grant"), NetID: netID, Data: []byte("x"), Expires: until}))
}
