package office

import (
	"context"
	"time"
)

// Addresses are the changes of holders' mail addresses that the office has to decide:
// who asked could not prove to have the address before.
type Addresses interface {
	// Waiting returns those that wait, the oldest first, at most 100.
	Waiting(ctx context.Context) ([]AddressChange, error)
	// Decide approves a change, which takes effect after a delay, or refuses it; who has
	// to know gets a letter. ErrInvalid: a refusal without a reason; ErrConflict: it
	// does not wait any more.
	Decide(ctx context.Context, by string, d AddressDecision) error
}

// AddressChange is another mail address that is asked for.
type AddressChange struct {
	ID       string
	Person   string // of the register
	Name     string // "": the register has nobody of that id any more
	Old, New string // so much of them that their owner knows them; Old "": there is none
	Asked    time.Time
}

// AddressDecision decides a change.
type AddressDecision struct {
	ID      string
	Approve bool
	Reason  string // of a refusal; the holder reads it
}

// NetIDs are the names that persons of the register sign in with.
type NetIDs interface {
	// Of returns a person's, the oldest first, also those that have ended.
	Of(ctx context.Context, person string) ([]NetID, error)
	// End takes one out of use for good, with all its sessions. ErrInvalid: no reason;
	// ErrNotFound: the person has none of that name in use.
	End(ctx context.Context, by, person, netID, reason string) error
}

// NetID is one of them.
type NetID struct {
	ID      string
	Card    string // the kind it was registered with, or alumni
	Name    string // as shown
	Alias   string
	Email   string // personal; so much of it that its owner knows it
	Created time.Time
	Changed time.Time // of the NetPassword; zero: none was set
	Ended   time.Time // zero: in use
}
