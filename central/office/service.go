// Package office is central's JSON API for the central office, security staff
// and programs: it turns requests into calls of the services below.
//
// It knows HTTP, roles and words; it knows no SQL, no key and no broker.
package office

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// What a service can refuse. Errors that are none of these are central's own
// faults: the API answers 500 and logs them.
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("conflict")          // it is in another state than the caller thinks
	ErrInvalid     = errors.New("invalid")           // the request cannot be fulfilled as it is
	ErrUnavailable = errors.New("not available now") // try again later
)

// Refusal is one of the errors above with words for the caller: what is wrong
// and what to do next. Detail goes to the caller as it stands, so it holds no
// secret and nothing of a person.
type Refusal struct {
	Kind   error
	Detail string
	// Text is Detail before Args were filled in, for who shows it in another
	// language.
	Text string
	Args []any
}

// Refuse returns a Refusal of the kind.
func Refuse(kind error, format string, args ...any) error {
	return &Refusal{kind, fmt.Sprintf(format, args...), format, args}
}

func (r *Refusal) Error() string { return r.Kind.Error() + ": " + r.Detail }

// Unwrap returns the kind, for errors.Is.
func (r *Refusal) Unwrap() error { return r.Kind }

// Services is what the API stands on. All of them are safe for concurrent use
// and return only when what they changed is durable.
type Services struct {
	Passes     Passes
	Records    Records
	Lanes      Lanes
	Rules      Rules
	History    History
	Feed       Feed
	Tokens     Tokens
	Keys       Keys
	Supervisor Supervisor
	Commands   Commands
	Modes      Modes
	Requests   Requests
	People     People
	Audit      Audit
	Ledger     Ledger
	Tally      Tally
	Presence   Presence
	Attention  Attention
	Webhooks   Webhooks
	Deliveries Deliveries
	Approvals  Approvals
	Policies   Policies
	Guests     GuestRules
	ECards     ECards
	Retention  Retention
	Holders    Holders
	Bulk       Bulk
	Imports    Imports
	Mails      Mails
	Places     Places
	Fleet      Fleet

	Register    Register
	Syncs       RegisterSyncs
	SyncHistory RegisterHistory
	Merges      RegisterMerges
	Apart       RegisterApart
	Cards       Cards
}

// Passes issues passes and changes what lanes think of them. The argument by is
// the name of the caller's token, for the audit.
type Passes interface {
	// Issue makes and signs a pass. ErrInvalid: the order contradicts itself, its
	// day is not open for issue, or a zone does not exist. ErrConflict: the day's
	// capacity is used up.
	Issue(ctx context.Context, by string, o Order) (Pass, error)
	// Find returns a pass, with RefusedBy if it is revoked or held; or ErrNotFound.
	Find(ctx context.Context, id pass.ID) (Pass, error)
	// List returns one page, the newest issued first, without RefusedBy. A cursor
	// that it did not make is ErrInvalid.
	List(ctx context.Context, f PassFilter) (PassPage, error)
	// Code returns the code to show at this moment; of a live pass the one of the
	// current slot. ErrConflict for a revoked pass.
	Code(ctx context.Context, id pass.ID) (Code, error)
	// SetStatus revokes (link.Revoked), holds (link.Held) or releases (link.Good)
	// a pass and publishes it to the lanes. Setting what is set already changes
	// nothing and is no error. ErrConflict: the day's list is closed.
	SetStatus(ctx context.Context, by string, id pass.ID, s link.Status, reason string) (Pass, error)
}

// Order asks for a pass. Texts are valid UTF-8 within the API's bounds.
type Order struct {
	Kind      pass.Kind
	Holder    string // text id of the person who answers for the pass; stays at central
	GuestName string // of a guest's pass; stays at central
	Purpose   string
	Day       pass.Day
	Zones     uint16        // bit z: zone z; never 0
	Start     time.Duration // campus wall clock after midnight of Day, whole minutes, 0..24h
	Length    time.Duration // whole steps of 10 minutes, 10m..25h
	Flags     pass.Flags
	Entries   uint8 // 0 unlimited, 1..15
	// Exception is why a guest's pass is issued beyond the rules for guests; "": it
	// is not. Who orders it has rights.ApplicationsJudge.
	Exception string `json:",omitempty"`
}

// Pass is a pass as central knows it.
type Pass struct {
	pass.Pass
	HolderName string // Order.Holder
	GuestName  string
	Purpose    string
	Issued     time.Time
	IssuedBy   string
	Status     link.Status
	Changed    time.Time // of the last change of status; zero if there was none
	ChangedBy  string
	Reason     string     // given with that change
	RefusedBy  *RefusedBy // of Find, for a revoked or held pass
}

// RefusedBy tells which lane controllers have acknowledged a revocation.
type RefusedBy struct {
	Seq     uint64        // the event that revoked
	Lanes   int           // controllers that applied it
	Of      int           // enrolled controllers
	Since   time.Time     // when the last of Lanes acknowledged; zero if none did
	Missing []MissingLane // the others
}

// MissingLane is a lane controller that has not acknowledged yet.
type MissingLane struct {
	ID    string
	Alive bool
	Since time.Time // when Alive became what it is; zero if it never connected
}

// PassFilter selects passes; zero fields select all.
type PassFilter struct {
	Day    *pass.Day
	Status *link.Status
	Kind   pass.Kind
	Holder string // exactly
	Words  string // each begins a word of the holder's id or the guest's name, in any script
	Zone   *uint8 // passes that open it, perhaps among others
	Limit  int    // 1..500
	Cursor string // PassPage.Next of the page before
}

// PassPage is one page of a list; Next is empty on the last one.
type PassPage struct {
	Passes []Pass
	Next   string
}

// Code is a pass's text at one moment.
type Code struct {
	Text  string
	Until time.Time // of a live code: when the next one stands in its place; else zero
	// Short is the pass's short code, which is weak; "" where the rules or the
	// pass do not allow one, and then NoShort says why and what to do.
	Short, NoShort string
}

// Records reads what lanes reported.
type Records interface {
	// Passages returns ledger rows, ascending by number.
	Passages(ctx context.Context, f PassageFilter) ([]Passage, error)
	// Alarms returns up to limit alarms with a number above after, ascending.
	Alarms(ctx context.Context, after int64, limit int) ([]Alarm, error)
}

// PassageFilter selects ledger rows; zero fields select all.
type PassageFilter struct {
	After int64     // ledger number
	Limit int       // 1..1000
	Lane  string    // lane controller
	Day   *pass.Day // campus day of the lane's time stamp
	Pass  *pass.ID
}

// Passage is a row of the ledger: one journal entry of one lane, exactly once.
type Passage struct {
	Number     int64 // 1, 2, 3 ... as central stored them
	Lane       string
	Journal    link.JournalID
	Received   time.Time
	Entry      link.Entry
	HolderName string // of a known pass
	GuestName  string
}

// Alarm is something that somebody should look at.
type Alarm struct {
	Number int64
	At     time.Time
	Lane   string // "" if it is not of one lane
	Code   string // e.g. journal_gap, journal_fork, forged_batch, lane_silent
	Detail string
	Next   string // what to do
}

// Lanes keeps the fleet of lane controllers.
type Lanes interface {
	// List returns the enrolled and the invited controllers by id.
	List(ctx context.Context) ([]Lane, error)
	// Invite makes a one-use enrolment token for a controller; an enrolled one may
	// be invited again (new hardware). ErrInvalid: not a link.ValidID.
	Invite(ctx context.Context, by, id string) (Invitation, error)
	// Remove takes a controller's certificate and rights away; or ErrNotFound.
	Remove(ctx context.Context, by, id string) error
}

// Lane is a lane controller as central knows it.
type Lane struct {
	ID       string
	Enrolled time.Time // zero: invited only
	Expires  time.Time // of its certificate
	Alive    bool
	Since    time.Time       // when Alive became what it is; zero if never heard
	UpToDate bool            // it has applied the newest event
	Durable  uint64          // its journal is in the ledger up to here
	State    *link.LaneState // as last reported, nil if never
}

// Invitation lets one controller enrol.
type Invitation struct {
	Token   string // link.EnrolToken.Text(): a secret
	Expires time.Time
}

// Rules keeps what the campus decided.
type Rules interface {
	Rules(ctx context.Context) (link.Rules, error)
	// SetRules publishes r. r.Version must be the version it was made from, else
	// ErrConflict; the answer carries the new one. Offsets and Issued of r are
	// ignored: central fills them in.
	SetRules(ctx context.Context, by string, r link.Rules) (link.Rules, error)
}

// Feed tells what central tells its lanes.
type Feed interface {
	// State returns the newest head and the public pass keys.
	State(ctx context.Context) (FeedState, error)
	// Healthy returns nil if database, broker and signer do their work, else an
	// error that names the one that does not. It answers within a second.
	Healthy(ctx context.Context) error
}

// FeedState is where the feed stands.
type FeedState struct {
	Site     string
	Timezone string // IANA name of the campus clock
	Head     link.Head
	Days     []DayState // open days, ascending
	Keys     []link.PassKey
}

// DayState is one open day.
type DayState struct {
	Day      pass.Day
	Capacity uint32
	Issued   uint32
	Refused  uint32 // revoked or held
}
