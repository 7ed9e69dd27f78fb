package link

import (
	"fmt"
	"math"
	"slices"

	"turnstile/central/pass"
)

// Rules is what the campus decided: per zone and per kind of pass.
type Rules struct {
	Version   uint64       `cbor:"1,keyasint" json:"version"`
	Offsets   []Offset     `cbor:"2,keyasint" json:"offsets"`                       // the campus clock, ascending
	Zones     []Zone       `cbor:"3,keyasint" json:"zones"`                         // ascending ids
	Policies  []KindPolicy `cbor:"4,keyasint" json:"policies"`                      // one per kind
	TestPass  bool         `cbor:"5,keyasint,omitempty" json:"test_pass,omitempty"` // admit test passes: never in production
	EscortSec uint16       `cbor:"6,keyasint" json:"escort_seconds"`                // how long a staff pass vouches
	RepeatMS  uint16       `cbor:"7,keyasint" json:"repeat_ms"`                     // same text again at the same lane: same passage
	Issued    int64        `cbor:"8,keyasint" json:"issued"`                        // Unix ms
	// Short has a bit for each zone that admits short codes, which are weak:
	// central/pass/FORMAT.md, "Short codes". Normally 0.
	Short uint16 `cbor:"9,keyasint,omitempty" json:"short_zones,omitempty"`
}

// Offset is the campus zone's distance from UTC from a moment on, so that a
// lane needs no time zone database.
type Offset struct {
	From    int64 `cbor:"1,keyasint" json:"from"`    // Unix s
	Minutes int16 `cbor:"2,keyasint" json:"minutes"` // east of UTC
}

// Mode is the standing mode of a zone.
type Mode uint8

// The modes.
const (
	Normal      Mode = 0
	Lockdown    Mode = 1 // nobody
	FreePassage Mode = 2 // everybody; each passage still goes into the journal
)

// Passback says what a zone does with a pass that is inside and wants in again.
type Passback uint8

// The anti-passback modes.
const (
	PassbackOff  Passback = 0
	PassbackSoft Passback = 1 // admit and flag
	PassbackHard Passback = 2 // refuse
)

// Apart says what a lane does with passes that anti-passback or a number of
// entries restricts, while it can reach neither central nor the zone's other lanes.
type Apart uint8

// What a lane can do alone.
const (
	ApartSoft Apart = 0 // admit and flag; the ledger finds what was used twice
	ApartHome Apart = 1 // only the pass's home lane admits
)

// Zone is a set of lanes with the same rules.
type Zone struct {
	ID       uint8      `cbor:"1,keyasint" json:"id"` // 0..15, the bit in a pass
	Name     string     `cbor:"2,keyasint" json:"name"`
	NameZH   string     `cbor:"3,keyasint" json:"name_zh"`
	Mode     Mode       `cbor:"4,keyasint" json:"mode"`
	Passback Passback   `cbor:"5,keyasint" json:"passback"`
	Hours    []Hours    `cbor:"6,keyasint" json:"hours"`    // none: always open
	Holidays []pass.Day `cbor:"7,keyasint" json:"holidays"` // closed all day
	// BackMinutes after its entry a pass may enter again though it did not leave;
	// 0: never.
	BackMinutes uint16   `cbor:"8,keyasint,omitempty" json:"back_minutes,omitempty"`
	Exit        Passback `cbor:"9,keyasint,omitempty" json:"exit,omitempty"`   // for a pass that is not inside and wants out
	Apart       Apart    `cbor:"10,keyasint,omitempty" json:"apart,omitempty"` // what a lane does that is cut off from the others
}

// Hours is one opening period on the weekdays of the mask, in campus time.
type Hours struct {
	Weekdays uint8  `cbor:"1,keyasint" json:"weekdays"` // bit 0 Sunday
	Open     uint16 `cbor:"2,keyasint" json:"open"`     // minutes after midnight
	Close    uint16 `cbor:"3,keyasint" json:"close"`    // minutes after midnight, up to 1440
}

// Action is what a lane does with an otherwise good pass when its feed has a
// certain age.
type Action uint8

// The actions. Every one but ByRules marks the entry Stamped.
const (
	Refuse       Action = 0
	ByRules      Action = 1
	Stamped      Action = 2 // by the rules, and marked in the journal
	LiveOnly     Action = 3 // live codes only
	LiveOrSingle Action = 4 // live codes and single-entry passes only
	Alarmed      Action = 5 // by the rules, marked, and alarmed
)

// KindPolicy is a kind's row: what to do at which age of the feed.
type KindPolicy struct {
	Kind      pass.Kind `cbor:"1,keyasint" json:"kind"`
	Ages      [4]Action `cbor:"2,keyasint" json:"ages"`      // by AgeBand
	Untrusted bool      `cbor:"3,keyasint" json:"untrusted"` // with an untrusted clock: admitted if the day agrees with the head's
}

// Age bands of the feed, in seconds: below the first value is band 0.
var ageBands = [3]int64{120, 1800, 86400}

// AgeBand returns the band 0..3 of a feed of the given age in seconds; a day
// without a list is in band 3.
func AgeBand(age int64, listed bool) int {
	if !listed {
		return 3
	}
	for i, limit := range ageBands {
		if age < limit {
			return i
		}
	}
	return 3
}

// DefaultPolicies is the table of FORMAT.md, "Default policy".
func DefaultPolicies() []KindPolicy {
	return []KindPolicy{
		{pass.ECard, [4]Action{ByRules, Stamped, Stamped, LiveOnly}, true},
		{pass.Guest, [4]Action{ByRules, Stamped, LiveOrSingle, Refuse}, false},
		{pass.Staff, [4]Action{ByRules, ByRules, Stamped, Alarmed}, true},
		{pass.Test, [4]Action{ByRules, Refuse, Refuse, Refuse}, false},
	}
}

// Policy returns the row of a kind; a kind without one is always refused.
func (r *Rules) Policy(k pass.Kind) KindPolicy {
	for _, p := range r.Policies {
		if p.Kind == k {
			return p
		}
	}
	return KindPolicy{Kind: k}
}

// Zone returns a zone by its id, nil if there is none.
func (r *Rules) Zone(id uint8) *Zone {
	for i := range r.Zones {
		if r.Zones[i].ID == id {
			return &r.Zones[i]
		}
	}
	return nil
}

// Campus returns the campus day of a time in Unix seconds and the minutes since
// its midnight.
func (r *Rules) Campus(unix int64) (day pass.Day, minute int) {
	local := unix + int64(r.offset(unix))*60 - pass.Day(0).UTC()
	if local < 0 {
		return 0, 0 // a clock before 2020: nothing is valid then
	}
	return pass.Day(min(local/86400, math.MaxUint16)), int(local % 86400 / 60)
}

func (r *Rules) offset(unix int64) (minutes int16) {
	for _, o := range r.Offsets {
		if o.From <= unix {
			minutes = o.Minutes
		}
	}
	return minutes
}

// IsOpen reports whether the zone is open on a campus day at a minute.
func (z *Zone) IsOpen(day pass.Day, minute int) bool {
	for _, h := range z.Holidays {
		if h == day {
			return false
		}
	}
	weekday := (int(day) + 3) % 7 // 2020-01-01 was a Wednesday
	for _, h := range z.Hours {
		if h.Weekdays&(1<<weekday) != 0 && int(h.Open) <= minute && minute < int(h.Close) {
			return true
		}
	}
	return len(z.Hours) == 0
}

// isKnown reports whether this program knows the zone's mode and policies.
func (z *Zone) isKnown() bool {
	return z.Mode <= FreePassage && z.Passback <= PassbackHard && z.Exit <= PassbackHard && z.Apart <= ApartHome && z.BackMinutes <= 24*60
}

// maxOffset is the largest distance of a zone on Earth from UTC, in minutes.
const maxOffset = 14 * 60

// Check returns ErrMalformed for offsets or zones out of order or beyond their
// bounds, impossible hours, unknown modes and actions, or two rows of one kind.
func (r *Rules) Check() error {
	for i, o := range r.Offsets {
		if o.Minutes < -maxOffset || o.Minutes > maxOffset || i > 0 && r.Offsets[i-1].From >= o.From {
			return fmt.Errorf("%w: offset from %d", ErrMalformed, o.From)
		}
	}
	for i, z := range r.Zones {
		if z.ID > 15 || i > 0 && r.Zones[i-1].ID >= z.ID || !z.isKnown() {
			return fmt.Errorf("%w: zone %d", ErrMalformed, z.ID)
		}
		for _, h := range z.Hours {
			if h.Open >= h.Close || h.Close > 1440 || h.Weekdays == 0 || h.Weekdays > 127 {
				return fmt.Errorf("%w: hours of zone %d", ErrMalformed, z.ID)
			}
		}
	}
	for i, p := range r.Policies {
		twice := slices.ContainsFunc(r.Policies[:i], func(q KindPolicy) bool { return q.Kind == p.Kind })
		for _, a := range p.Ages {
			if a > Alarmed || twice {
				return fmt.Errorf("%w: policy of %s", ErrMalformed, p.Kind)
			}
		}
	}
	return nil
}
