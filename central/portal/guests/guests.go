// Package guests is the portal's pages of a holder's guests, and the page of a guest,
// who has no account: the link to it is all that a guest needs.
//
// The link's secret stands in its fragment, which browsers send to nobody: it is in
// no log and in no referrer. The guest's page hands it in with a form.
package guests

import (
	"context"
	"embed"
	"io/fs"
	"net/http"
	"time"

	"turnstile/central/pass"
	"turnstile/central/portal"
)

//go:embed pages/*.html
var files embed.FS

var pages = portal.MustParse(sub(), words)

func sub() fs.FS {
	f, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err)
	}
	return f
}

// Ask is what a holder asks for.
type Ask struct {
	Day     pass.Day
	Purpose string
	Names   []string
	Zones   []int // ids; none: all that Terms offer
	// Instead is the request that this one changes; 0: none. It is cancelled when this
	// one is taken.
	Instead int64
}

// Bounds of an Ask, in characters.
const (
	MaxName    = 80
	MaxPurpose = 200
)

// Zone is a zone to choose.
type Zone struct {
	ID   int
	Name string
}

// Terms are what a holder can ask for.
type Terms struct {
	First, Last pass.Day
	Most        int // guests of one request
	Zones       []Zone
	Mail        bool // links can be sent by mail
	Approval    bool // somebody of the office decides about each request
}

// State is how far a guest has come.
type State string

// The states of a guest.
const (
	Ready     State = "ready"     // there is a link
	Sent      State = "sent"      // by mail
	Opened    State = "opened"    // the guest opened it
	Arrived   State = "arrived"   // and walked through a gate
	NotPassed State = "notpassed" // and was at a gate, without walking through
	Cancelled State = "cancelled"
)

// Guest is one guest of a visit.
type Guest struct {
	Name  string
	Pass  pass.ID
	State State
	At    time.Time // since when; zero of Ready
	Link  string    // the whole address, with its secret
}

// Progress is how far a request has come.
type Progress string

// The progress of a request.
const (
	Waiting  Progress = "waiting"
	Approved Progress = "approved"
	Rejected Progress = "rejected"
	Recalled Progress = "recalled" // by the holder, before it was decided
	Expired  Progress = "expired"  // its day is over, and nobody decided
)

// Visit is one request with its guests.
type Visit struct {
	Number   int64
	Progress Progress
	Reason   string // of a rejection
	Day      pass.Day
	Begin    time.Time // of the campus day
	Purpose  string
	Hours    string // when the codes are good; "" before there are any
	Zones    []string
	Names    []string // as asked for
	Guests   []Guest  // of an approved one
	Over     bool     // its day is
}

// Visits keeps what a holder asks for. Of another holder's it answers what it answers
// of those that do not exist: office.ErrNotFound.
type Visits interface {
	Terms(ctx context.Context) (Terms, error)
	// Ask hands a request in. ErrInvalid and ErrConflict: what the rules have against it.
	Ask(ctx context.Context, person string, a Ask) (number int64, err error)
	// List returns the newest visits without their guests' states.
	List(ctx context.Context, person string) ([]Visit, error)
	Visit(ctx context.Context, person string, number int64) (Visit, error)
	// Change cancels, or sends the link of, one guest, or all of a visit.
	Change(ctx context.Context, person string, c Change) error
}

// Change is a deed about a visit.
type Change struct {
	Number  int64
	Pass    pass.ID // zero: all of the visit
	Cancel  bool    // or else send to Address
	Address string  // of the guest
	Lang    portal.Language
}

// Code is what a guest shows.
type Code struct {
	Standing   Standing
	Name       string
	Begin, End time.Time // of the campus day
	From, To   time.Time // of the pass
	Zones      []string
	Text       string // of the code; "" unless Good
}

// Standing is what a guest's link is worth.
type Standing string

// The standings.
const (
	Good    Standing = "good"
	Stopped Standing = "stopped" // by the office, for now
	Ended   Standing = "ended"   // cancelled
)

// Links opens the links of guests.
type Links interface {
	// Open returns what a guest shows, and notes that the link was opened.
	// ErrNotFound: nobody has such a token, or its day is long over.
	Open(ctx context.Context, token string) (Code, error)
}

// desk serves the pages.
type desk struct {
	visits Visits
	links  Links
}

// Path is that of the list of visits, LinkPath that of guests' links.
const (
	Path     = "/guests"
	LinkPath = "/g"
)

// Routes returns the pages.
func Routes(visits Visits, links Links) []portal.Route {
	s := &desk{visits, links}
	return []portal.Route{
		{Method: http.MethodGet, Pattern: Path, Handle: s.list},
		{Method: http.MethodGet, Pattern: Path + "/new", Handle: s.form},
		{Method: http.MethodPost, Pattern: Path, Handle: s.ask},
		{Method: http.MethodGet, Pattern: Path + "/{number}", Handle: s.visit},
		{Method: http.MethodPost, Pattern: Path + "/{number}/cancel", Handle: s.cancel},
		{Method: http.MethodPost, Pattern: Path + "/{number}/send", Handle: s.send},
		{Method: http.MethodGet, Pattern: LinkPath, Public: true, Hidden: true, Handle: s.guestPage},
		{Method: http.MethodPost, Pattern: LinkPath, Public: true, Handle: s.open},
	}
}
