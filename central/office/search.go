package office

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Ledger finds what lanes recorded, among millions of rows.
type Ledger interface {
	// Search returns one page, the latest by the lanes' clocks first. ErrInvalid: a
	// cursor that it did not make, or words that too many passes fit.
	Search(ctx context.Context, s Search) (SearchPage, error)
	// Export hands over each row that Search would page through, and writes down
	// first, for the audit, who took what away. It ends with the first error of each.
	Export(ctx context.Context, by string, s Search, each func(*Passage) error) error
	// Find returns one row, or ErrNotFound.
	Find(ctx context.Context, number int64) (Passage, error)
	// Explain returns a row with all that bears on it, or ErrNotFound.
	Explain(ctx context.Context, number int64) (Explanation, error)
}

// Tally counts what lanes recorded. Counts by hour stay when rows are erased.
type Tally interface {
	// Hours counts what a search selects, for each hour of it that has any; From and
	// Until are set. ErrInvalid if it is for a pass, a name or a lane.
	Hours(ctx context.Context, s Search) ([]HourCount, error)
	// Lanes counts each lane's rows of a time of at most MaxLaneTime.
	Lanes(ctx context.Context, from, until time.Time) ([]LaneCount, error)
}

// MaxHours and MaxLaneTime bound the time that counts are asked for at once.
const (
	MaxHours    = 93 * 24 * time.Hour
	MaxLaneTime = 32 * 24 * time.Hour
)

// LaneCount is how many people one lane let through and refused.
type LaneCount struct {
	Lane           LaneRef
	In, Out        int // passed
	Refused, Other int // Other: not passed, unknown, forced, tailgated
}

// Search selects ledger rows; zero and empty fields select all.
type Search struct {
	From, Until time.Time // by the lane's clock: From <= t < Until
	Lanes       []LaneRef // any of them
	Zones       []uint8
	Types       []link.EntryType
	Reasons     []pass.Reason // of entries with a decision; others are left out then
	Kinds       []pass.Kind
	Direction   uint8 // 1 in, 2 out
	Pass        *pass.ID
	Words       string // each begins a word of the holder's id or the guest's name

	Limit  int    // 1..1000
	Cursor string // SearchPage.Next of the page before
}

// LaneRef names one lane of a controller; Number 0: all of them, and itself.
type LaneRef struct {
	Controller string
	Number     uint8
}

// String returns the lane's name, such as north-1.2.
func (l LaneRef) String() string {
	if l.Number == 0 {
		return l.Controller
	}
	return fmt.Sprintf("%s.%d", l.Controller, l.Number)
}

// SearchPage is one page of a search.
type SearchPage struct {
	Passages []Passage // the latest first
	Next     string    // cursor of the page behind this one; "" on the last one
}

// HourCount is how many rows of one kind lie in one hour.
type HourCount struct {
	Hour      time.Time // its begin
	Type      link.EntryType
	Reason    pass.Reason
	Kind      pass.Kind
	Zone      uint8
	Direction uint8
	Count     int
}

// String describes the search for the audit, such as "day 2026-11-21 type denied".
func (s Search) String() string {
	var parts []string
	add := func(name string, value any, given bool) {
		if given {
			parts = append(parts, fmt.Sprintf("%s %v", name, value))
		}
	}
	add("from", s.From.Format(time.RFC3339), !s.From.IsZero())
	add("until", s.Until.Format(time.RFC3339), !s.Until.IsZero())
	add("lane", list(s.Lanes, LaneRef.String), len(s.Lanes) > 0)
	add("zone", list(s.Zones, func(z uint8) string { return fmt.Sprint(z) }), len(s.Zones) > 0)
	add("type", list(s.Types, entryName), len(s.Types) > 0)
	add("reason", list(s.Reasons, pass.Reason.String), len(s.Reasons) > 0)
	add("kind", list(s.Kinds, pass.Kind.String), len(s.Kinds) > 0)
	add("direction", directionName(s.Direction), s.Direction != 0)
	add("pass", s.Pass, s.Pass != nil)
	add("name", s.Words, s.Words != "")
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

func list[T any](values []T, name func(T) string) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = name(v)
	}
	return strings.Join(words, " ")
}

// EntryTypeName returns an entry type's name in the API and in files.
func EntryTypeName(t link.EntryType) string { return entryName(t) }

// ParseEntryType is the inverse of EntryTypeName for the types that this program
// knows.
func ParseEntryType(name string) (link.EntryType, bool) {
	for t, n := range entryNames {
		if n == name {
			return t, true
		}
	}
	return 0, false
}

// EntryTypes lists the types that this program knows, by number.
func EntryTypes() []link.EntryType {
	types := make([]link.EntryType, 0, len(entryNames))
	for t := range entryNames {
		types = append(types, t)
	}
	slices.Sort(types)
	return types
}

// At returns the time of a row by the lane's clock.
func (p *Passage) At() time.Time { return time.UnixMilli(p.Entry.Wall) }

// LaneRef returns the lane that wrote the row.
func (p *Passage) LaneRef() LaneRef { return LaneRef{p.Lane, p.Entry.Lane} }

// Doubt returns how far a row's time may be wrong: the bound in seconds, false if
// even that is not known. A trusted clock is within 5 s.
func (p *Passage) Doubt() (seconds int, known bool) {
	return int(p.Entry.Bound), p.Entry.Bound != 65535 && p.Entry.Clock != link.ClockUntrusted
}
