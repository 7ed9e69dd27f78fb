package server

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnstile/central/account"
	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/link"
	"turnstile/central/netid/provider"
	"turnstile/central/office"
	"turnstile/central/openid"
	"turnstile/central/pass"
	"turnstile/central/password"
	"turnstile/central/portal"
	"turnstile/central/portal/card"
	"turnstile/central/portal/guests"
	"turnstile/central/porttest"
	"turnstile/central/register"
)

// NetPassword is that of each NetID on a Stage.
const NetPassword = "seven green bicycles"

// stageSecret is what a Stage's library and its portal share.
const stageSecret = "QYVXJ4K2M7N3P5R6S8T9"

// Stage is a central with a portal that listens, and with somebody in each state that
// the portal has a page for, for tests outside of this package, which may use a
// browser. Whoever is on it is there once for each language.
type Stage struct {
	URL    string   // of the portal
	Routes []string // "METHOD PATTERN" of all that a browser asks for, the provider's pages included
	Close  func()   // the portal is dead from then on

	t      *testing.T
	s      *opened
	facts  map[string]register.Facts
	visits map[string]int64  // numbers, by what became of them and for whom
	tokens map[string]string // of guests' links, by their standing and for whom

	sent atomic.Int64 // bytes over the network, to browsers

	mu    sync.Mutex // guards the following
	shown map[string]string
}

// Sent is how many bytes the portal has sent over the network.
func (g *Stage) Sent() int64 { return g.sent.Load() }

// meter counts what is sent.
type meter struct {
	net.Listener
	sent *atomic.Int64
}

// Accept implements net.Listener.
func (m meter) Accept() (net.Conn, error) {
	c, err := m.Listener.Accept()
	return metered{c, m.sent}, err
}

type metered struct {
	net.Conn
	sent *atomic.Int64
}

// Write implements net.Conn.
func (m metered) Write(b []byte) (int, error) {
	n, err := m.Conn.Write(b)
	m.sent.Add(int64(n))
	return n, err
}

// Face is a photo of nobody.
func Face(t *testing.T) []byte { return face(t) }

// cast are the parts that are played, each in two languages.
var cast = []string{"empty", "contact", "waiting", "rejected", "again", "active", "withdrawn", "held", "revoked", "moving", "due", "newcomer", "mover", "graduate", "owner", "pair", "linker", "keyed"}

// langs are the ends of the names of who reads which language.
var langs = map[string]portal.Language{"en": portal.English, "zh": portal.Chinese}

// OpenStage opens a stage, and closes it with the test.
func OpenStage(t *testing.T) *Stage {
	t.Helper()
	front, library := &httptest.Server{Listener: porttest.Listen(t), Config: &http.Server{}}, httptest.NewUnstartedServer(nil)
	t.Cleanup(front.Close)
	t.Cleanup(library.Close)
	g := &Stage{t: t, URL: strings.Replace("http://"+front.Listener.Addr().String(), "127.0.0.1", "localhost", 1),
		facts: map[string]register.Facts{}, visits: map[string]int64{}, tokens: map[string]string{}, shown: map[string]string{}}
	elsewhere := "http://" + library.Listener.Addr().String()
	c := withNetID(t)
	c.Portal.URL, c.Portal.Name, c.Portal.Office = g.URL, "Campus", "ecard@campus.example, +852 2345 6789"
	c.Portal.SignIn.Providers = []account.Provider{{Provider: openid.Provider{ID: "library", Name: "Library", Issuer: provider.Issuer(elsewhere), Client: "campus", SecretFile: c.NetID.Clients[0].SecretFile}}}
	g.s = openCentral(t, c)
	t.Cleanup(g.s.stop)
	g.populate()
	front.Config.Handler, library.Config.Handler = g.noted(g.s.portalServer.Handler), g.library(elsewhere)
	front.Listener = meter{front.Listener, &g.sent}
	g.Close = func() {
		front.CloseClientConnections()
		front.Close()
	}
	front.Start()
	library.Start()
	return g
}

// library is another place that people of the campus sign in at, with the NetID.
func (g *Stage) library(url string) http.Handler {
	g.t.Helper()
	box, err := g.s.box()
	must(g.t, err)
	p, err := provider.Open(g.t.Context(), provider.Config{DB: g.s.db, Directory: g.s.netids, Box: box, Portal: url, Site: "Library", Now: g.s.config.Now, Log: g.s.config.Log,
		Clients: []provider.Client{{ID: "campus", Secret: stageSecret, RedirectURIs: []string{g.URL + account.ReturnPath + "/library"}}}})
	must(g.t, err)
	mux := http.NewServeMux()
	mux.Handle(provider.Path+"/", p)
	mux.Handle("/static/", g.s.portal)
	return mux
}

// noted remembers which route answered with the page that a browser shows, for each
// language that browsers ask for.
func (g *Stage) noted(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	for _, r := range g.s.portal.Routes() {
		g.Routes = append(g.Routes, r.Method+" "+r.Pattern)
	}
	g.Routes = append(g.Routes, "GET /openid/authorize", "POST /openid/authorize/{state}", "GET /openid/logout", "POST /openid/logout/{state}")
	for _, r := range g.Routes {
		mux.Handle(r, http.NotFoundHandler())
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Sec-Fetch-Dest") == "document" {
			_, pattern := mux.Handler(r)
			g.mu.Lock()
			g.shown[r.Header.Get("Accept-Language")] = pattern
			g.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// Shown returns the route that the browser of a language asked for last: that of the
// page which it shows.
func (g *Stage) Shown(l portal.Language) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shown[string(l)]
}

// Facts are what somebody knows of themselves.
func (g *Stage) Facts(person string) register.Facts { return g.facts[person] }

// Address is the mail address of somebody.
func (g *Stage) Address(person string) string { return person + "@mail.example" }

// Visit is the number of a visit, by what became of it and for whom.
func (g *Stage) Visit(became, lang string) int64 { return g.visits[became+"-"+lang] }

// Token is the secret of a guest's link, by its standing and for whom.
func (g *Stage) Token(standing, lang string) string { return g.tokens[standing+"-"+lang] }

// Session returns the cookie of somebody who signed in so long ago.
func (g *Stage) Session(person string, ago time.Duration) (name, value string) {
	g.t.Helper()
	token := fmt.Sprintf("a-token-that-nobody-else-has-of-%s-%s", person, ago)
	at := g.s.config.Now().Add(-ago).UnixMilli()
	must(g.t, database.Holders{DB: g.s.db}.SaveSession(g.t.Context(), database.Session{ID: account.TokenHash(token), Person: person, Method: account.ByMail, Created: at, Signed: at, Seen: at,
		Address: "192.0.2.7", Agent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"}))
	return g.s.accounts.CookieName(), token
}

var mailedDigits = regexp.MustCompile(`\b\d{4} ?\d{4}\b`)

// Code returns the code in the newest letter to an address.
func (g *Stage) Code(address string) string {
	g.t.Helper()
	rows, err := g.s.db.LettersTo(g.t.Context(), address, 1)
	must(g.t, err)
	if len(rows) == 0 {
		g.t.Fatalf("no letter to %s", address)
	}
	box, err := g.s.box()
	must(g.t, err)
	l, err := letters.Open(box, rows[0].ID, rows[0].Sealed)
	must(g.t, err)
	code := mailedDigits.FindString(l.Text)
	if code == "" {
		g.t.Fatalf("no code in %s", l.Text)
	}
	return code
}

// populate puts everybody on the stage.
func (g *Stage) populate() {
	g.t.Helper()
	hash, err := password.New(password.Cheap()).Hash(g.t.Context(), NetPassword)
	must(g.t, err)
	for n, lang := range []string{"en", "zh"} {
		g.enrol(n, lang)
		for _, part := range cast {
			if part != "newcomer" && part != "graduate" {
				g.admit(part, lang)
			}
		}
		g.cards(lang)
		g.passes(lang)
		g.invite(lang)
		g.moves(lang)
		for _, x := range [][3]string{{"owner", "owner", "alumni"}, {"first", "pair", "alumni"}, {"second", "pair", "staff"}, {"linker", "linker", "alumni"}, {"ended", "keyed", "alumni"}} {
			id, person := x[0]+lang, x[1]+"-"+lang
			must(g.t, g.s.db.AdoptNetID(g.t.Context(), database.NetID{ID: id, Person: person, Card: x[2], Name: id, NameKey: id, Alias: id, Email: g.Address(person), Lang: string(langs[lang]),
				Password: hash, Changed: 1_790_000_000_000, Created: 1_790_000_000_000}))
		}
		must(g.t, g.s.netids.End(g.t.Context(), "ended"+lang, "user:office", "It was lent to somebody."))
	}
}

// enrol writes everybody of a language into the register, each a graduate.
func (g *Stage) enrol(n int, lang string) {
	g.t.Helper()
	desk := registry{g.s.central}
	given := []string{"Tai Man", "Siu Ming", "Ka Yan", "Wing Sze", "Chi Keung", "Mei Ling"}
	var persons, degrees []map[string]string
	for i, part := range cast {
		id := part + "-" + lang
		f := register.Facts{Surname: "CHAN", Given: given[i%len(given)] + " " + string(rune('A'+i)), Born: fmt.Sprintf("198%d-01-%02d", n, i+1), PersonalID: fmt.Sprintf("A%d%05d", n, i)}
		g.facts[id] = f
		persons = append(persons, map[string]string{"id": id, "surname": f.Surname, "given": f.Given, "name_zh": "陳大文", "born": f.Born, "personal_id": f.PersonalID, "email": g.Address(id)})
		degrees = append(degrees, map[string]string{"person": id, "award": "BSc (Hons)", "programme": "Land Surveying and Geo-Informatics", "institution": "university", "graduated": "2004-11-01"})
	}
	for _, x := range []struct {
		kind register.Kind
		rows []map[string]string
	}{{register.Persons, persons}, {register.Degrees, degrees}} {
		_, bad, err := desk.Put(g.t.Context(), "test", x.kind, x.rows, false)
		if must(g.t, err); len(bad) > 0 {
			g.t.Fatal(bad)
		}
	}
}

// admit gives somebody an account, and a profile that is good enough for a card.
func (g *Stage) admit(part, lang string) {
	g.t.Helper()
	id := part + "-" + lang
	_, err := g.s.db.AddAccount(g.t.Context(), database.Account{Person: id, Address: g.Address(id), Folded: g.Address(id), Handle: "handle of " + id, Lang: string(langs[lang]), Created: 1})
	must(g.t, err)
	if part == "empty" {
		return
	}
	must(g.t, g.s.accounts.SetProfile(g.t.Context(), id, account.Profile{Phone: "+852 2345 6789", Address: "Flat 12B, 34/F, Block 5\n1 Yuk Choi Road\nHung Hom", PostalCode: "999077", Country: "Hong Kong",
		Career:    []account.Post{{Employer: "Works of the Harbour", Title: "Surveyor", From: "2014"}},
		Education: []account.Study{{Institution: "Another campus", Award: "MSc", Year: "2009"}}, Achieved: []account.Achievement{{What: "A bridge that stands", Year: "2019"}},
		Sees: map[account.Field]account.Viewer{account.Phone: account.AllAlumni, account.Career: account.AllAlumni}}))
}

// cards brings the cards as far as each part has them.
func (g *Stage) cards(lang string) {
	g.t.Helper()
	desk, ctx := cards{g.s.central}, g.t.Context()
	apply := func(part string, approve bool, reason string) {
		_, err := desk.HandIn(ctx, part+"-"+lang, card.Upload{Data: face(g.t), Type: "image/jpeg"})
		must(g.t, err)
		if approve || reason != "" {
			g.decide(office.ApplyECard, part+"-"+lang, approve, reason)
		}
	}
	const why = "The face is turned away; look ahead."
	apply("waiting", false, "")
	apply("rejected", false, why)
	for _, part := range []string{"again", "active", "withdrawn", "held", "revoked"} {
		apply(part, true, "")
	}
	apply("again", false, why)
	_, err := ecards{g.s.central}.Withdraw(ctx, "user:office", office.CardWithdrawal{Person: "withdrawn-" + lang, Reason: "It was lent to somebody."})
	must(g.t, err)
}

// decide decides the newest application of somebody.
func (g *Stage) decide(kind office.ApplicationKind, person string, approve bool, reason string) {
	g.t.Helper()
	judge := approvals{g.s.central}
	list, err := judge.List(g.t.Context(), office.ApplicationFilter{Kind: kind, Holder: person, Before: 1 << 62, Limit: 1})
	must(g.t, err)
	_, err = judge.Decide(g.t.Context(), "user:office", office.Decision{Number: list[0].Number, Approve: approve, Reason: reason})
	must(g.t, err)
}

// passes has the office stop the codes of two holders.
func (g *Stage) passes(lang string) {
	g.t.Helper()
	for part, status := range map[string]link.Status{"held": link.Held, "revoked": link.Revoked} {
		codes, err := cards{g.s.central}.Codes(g.t.Context(), part+"-"+lang)
		must(g.t, err)
		_, err = passes{g.s.central}.SetStatus(g.t.Context(), "user:office", codes.List[0].Pass.ID(), status, "asked")
		must(g.t, err)
	}
}

// invite makes visits with each progress, and guests in each state.
func (g *Stage) invite(lang string) {
	g.t.Helper()
	desk, ctx, host, today := visits{g.s.central}, g.t.Context(), "active-"+lang, g.s.feed.Today()
	for n, became := range []string{"approved", "waiting", "rejected", "recalled"} {
		names := []string{"Ready Guest", "Sent Guest", "Opened Guest", "Arrived Guest", "Refused Guest", "Cancelled Guest", "Stopped Guest, of a name that is longer than most names are", "陳小明"}
		if became != "approved" {
			names = names[:2]
		}
		number, err := desk.Ask(ctx, host, guests.Ask{Day: today + pass.Day(n), Purpose: "Reunion dinner of the class of 2004", Names: names})
		must(g.t, err)
		g.visits[became+"-"+lang] = number
		switch became {
		case "approved":
			g.decide(office.ApplyGuests, host, true, "")
		case "rejected":
			g.decide(office.ApplyGuests, host, false, "The hall is closed on that day.")
		case "recalled":
			must(g.t, desk.Change(ctx, host, guests.Change{Number: number, Cancel: true}))
		}
	}
	v, err := desk.Visit(ctx, host, g.Visit("approved", lang))
	must(g.t, err)
	g.treat(lang, v)
}

// treat lets something happen to each guest of a visit.
func (g *Stage) treat(lang string, v guests.Visit) {
	g.t.Helper()
	ctx, now := g.t.Context(), g.s.config.Now().UnixMilli()
	token := func(n int) string { _, secret, _ := strings.Cut(v.Guests[n].Link, "#"); return secret }
	must(g.t, g.s.db.GuestLinkSent(ctx, v.Guests[1].Pass, now))
	must(g.t, g.s.db.GuestLinkOpened(ctx, v.Guests[2].Pass, now))
	lane := "north-" + lang
	g.s.enrolled(g.t, lane)
	entry := func(kind link.EntryType, n int, grant uint64) link.Entry {
		return link.Entry{Type: kind, Lane: 1, Direction: 1, Kind: pass.Guest, KeyID: 1, Pass: v.Guests[n].Pass, Grant: grant}
	}
	g.s.wrote(g.t, lane, entry(link.EntryGranted, 3, 0), entry(link.EntryPassed, 3, 1), entry(link.EntryGranted, 4, 0), entry(link.EntryNotPassed, 4, 3))
	must(g.t, visits{g.s.central}.Change(ctx, "active-"+lang, guests.Change{Number: v.Number, Pass: v.Guests[5].Pass, Cancel: true}))
	_, err := passes{g.s.central}.SetStatus(ctx, "user:office", v.Guests[6].Pass, link.Held, "asked")
	must(g.t, err)
	g.tokens["good-"+lang], g.tokens["ended-"+lang], g.tokens["stopped-"+lang] = token(0), token(5), token(6)
}

// moves has two ask for another address, of whom the office lets one.
func (g *Stage) moves(lang string) {
	g.t.Helper()
	for _, part := range []string{"moving", "due"} {
		c := g.s.askChange(g.t, part+"-"+lang, "new-"+part+"-"+lang+"@mail.example")
		if part == "due" {
			_, err := g.s.accounts.ApproveChange(g.t.Context(), c.ID, "user:office")
			must(g.t, err)
		}
	}
	if list, err := g.s.accounts.WaitingChanges(g.t.Context()); err != nil || !slices.ContainsFunc(list, func(c account.Change) bool { return c.Person == "moving-"+lang }) {
		g.t.Fatalf("%+v, %v", list, err)
	}
}
