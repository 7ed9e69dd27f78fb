package office

import (
	"context"
	"time"

	"turnstile/central/pass"
)

// Approvals keeps what the portal hands in for the office to decide: eCard
// applications and requests for guests.
type Approvals interface {
	// HandIn stores an application. Where the policy asks for no approval it is
	// approved at once. ErrInvalid: the photo, or an order that could not be
	// fulfilled; ErrConflict: the holder has an open eCard application.
	HandIn(ctx context.Context, by string, a Submission) (Application, error)
	// Find returns one, or ErrNotFound.
	Find(ctx context.Context, number int64) (Application, error)
	// List returns one page in the order of the filter.
	List(ctx context.Context, f ApplicationFilter) ([]Application, error)
	// Photo returns the JPEG of an open eCard application. ErrNotFound: it has none,
	// or is decided.
	Photo(ctx context.Context, number int64) ([]byte, error)
	// Decide approves or rejects. An approved eCard becomes active with its photo,
	// guests' passes are issued, in the same transaction. ErrNotFound; ErrInvalid:
	// a rejection without a reason, or passes that cannot be issued any more;
	// ErrConflict: somebody else was faster, or the day is full.
	Decide(ctx context.Context, by string, d Decision) (Application, error)
}

// Policies keeps what needs approval.
type Policies interface {
	Policy(ctx context.Context) (Policy, error)
	// SetPolicy changes it for what is handed in from now on. ErrConflict: p.Version is
	// not the one in force.
	SetPolicy(ctx context.Context, by string, p Policy) error
}

// Policy says what a person has to approve. What is not approved by a person is
// approved when it is handed in.
type Policy struct {
	Version uint64 `json:"version" maximum:"9007199254740991" doc:"The version that a change was made from; another one in force meanwhile is a conflict."`

	ECards bool `json:"ecards" doc:"eCard applications wait for somebody to look at the photo."`
	Guests bool `json:"guests" doc:"Requests for guests wait for somebody to approve them."`
}

// ApplicationKind is what is applied for.
type ApplicationKind string

// ApplicationState is how far it has come.
type ApplicationState string

// The kinds and the states.
const (
	ApplyECard  ApplicationKind = "ecard"
	ApplyGuests ApplicationKind = "guests"

	ApplicationOpen     ApplicationState = "open"
	ApplicationApproved ApplicationState = "approved"
	ApplicationRejected ApplicationState = "rejected"
)

// Bounds of an application.
const (
	MaxGuests = 20 // of one request
	MaxFacts  = 20 // that a holder states
)

// Fact is one thing that a holder states, with its name: degree, year, address.
type Fact struct {
	Name  string `json:"name" minLength:"1" maxLength:"60" example:"Degree"`
	Value string `json:"value" maxLength:"300" example:"BSc 2014"`
}

// Submission is an application as it is handed in. Texts are valid UTF-8 within
// the API's bounds.
type Submission struct {
	Kind      ApplicationKind
	Holder    string // text id of the person; stays at central
	Name      string
	Facts     []Fact
	Photo     []byte // JPEG or PNG, of ApplyECard
	PhotoType string // what the sender says it is; "": nothing
	Guests    []string
	Order     Order // of ApplyGuests: what each guest's pass is like; Holder and GuestName are filled in
	// Instead is the number of the holder's own request that ends when this one is
	// taken, and whose places it gets; 0: none.
	Instead int64
}

// Told is a letter about a decision.
type Told struct {
	To     string // the address, masked
	Sent   bool
	Failed bool // it could not be sent
}

// Application is a Submission as central knows it, without the photo.
type Application struct {
	Number int64 // 1, 2, 3 ... as handed in
	State  ApplicationState
	Submission
	HasPhoto   bool
	HandedIn   time.Time
	HandedInBy string
	Decided    time.Time // zero: open
	DecidedBy  string
	Reason     string
	Passes     []pass.ID // that the approval issued
	Told       *Told     // the letter to the holder about the decision, while central knows of it; only from Find and Decide
}

// ApplicationFilter selects applications; zero fields select all.
type ApplicationFilter struct {
	Kind   ApplicationKind
	State  ApplicationState
	Holder string // exactly
	After  int64  // only higher numbers, the oldest first
	Before int64  // if set: only lower numbers, the newest first
	Limit  int    // 1..500
}

// Decision is what somebody decides.
type Decision struct {
	Number  int64
	Approve bool
	Reason  string // needed for a rejection; the holder is told
}

// Holders shows who stands at a gate to those who may see it.
type Holders interface {
	// Look returns name and photo of the person of one passage, and writes down who
	// looked and why. ErrNotFound: no such passage, or no pass of a known person;
	// ErrInvalid: no reason.
	Look(ctx context.Context, by string, number int64, reason string) (Face, error)
}

// Face is who a passage was of, for a guard to compare.
type Face struct {
	Passage Passage
	Pass    Pass
	Name    string // of the holder, as approved; "" if central knows only the id
	Guest   string // who the pass is for, if it is a guest's
	JPEG    []byte // the holder's photo; nil if there is none, and for a guest
	Taken   time.Time
}
