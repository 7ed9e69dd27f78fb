package identity

import "sync/atomic"

// Outcome is how a sign-in came out.
type Outcome string

// The outcomes.
const (
	SignedIn  Outcome = "signed_in"
	Refused   Outcome = "refused"
	Throttled Outcome = "throttled" // it was not judged: there were too many before
)

// counts count sign-ins since the start.
type counts struct{ signedIn, refused, throttled atomic.Uint64 }

func (c *counts) of(o Outcome) *atomic.Uint64 {
	switch o {
	case SignedIn:
		return &c.signedIn
	case Throttled:
		return &c.throttled
	}
	return &c.refused
}

// Count returns how many sign-ins came out so since the start.
func (i *Identity) Count(o Outcome) uint64 { return i.counts.of(o).Load() }
