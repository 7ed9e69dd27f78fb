package cache

import (
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// View is all that a decision needs of the feed. It is immutable: each change
// makes a new one and swaps the pointer, so a reader never waits and never sees
// half of a change.
type View struct {
	State         *link.State // nil: this lane never had a feed (or lost it)
	Rules         *link.Rules // nil: never had any
	Keys          map[uint16]link.PassKey
	KeysetVersion uint64
	Gate          map[pass.Day]pass.GateKey
	GateVersion   uint64
	Delegation    *link.Delegation // the newest: who may sign the feed. nil: never had one

	Head   link.Head // newest verified head; Issued is 0 if there never was one
	HeadAt time.Time // when it arrived; after a restart the persisted wall time, up to a minute too early

	// The newest head that the lane was level with, and when it arrived. A
	// broker that passes heads on and keeps back what they announce does not
	// make the lane's lists young. Zero: not known.
	LevelIssued int64
	LevelAt     time.Time
}

// HasFeed reports whether the lane can decide at all: it has lists, rules and keys.
func (v *View) HasFeed() bool { return v.State != nil && v.Rules != nil && len(v.Keys) > 0 }

// RulesVersion returns the version of the rules, 0 without any.
func (v *View) RulesVersion() uint64 {
	if v.Rules == nil {
		return 0
	}
	return v.Rules.Version
}

// IsLevel reports whether the lane has everything that the newest head announces.
func (v *View) IsLevel() bool {
	return v.Head.Issued != 0 && v.State != nil && v.State.Epoch == v.Head.Epoch && v.State.Seq >= v.Head.Seq &&
		v.KeysetVersion >= v.Head.Keyset && v.RulesVersion() >= v.Head.Rules
}
