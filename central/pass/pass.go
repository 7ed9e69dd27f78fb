// Package pass is the contract of the campus pass: its 88 or 96 bytes, the one
// text that stands for them in a QR symbol, and how to verify that text.
//
// FORMAT.md beside this file is the specification; testdata/vectors.json has
// its test vectors. The package holds no key, reads no clock and starts nothing.
package pass

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Sizes of a pass in bytes and of its code in characters.
const (
	BodySize     = 24  // the signed facts
	Size         = 88  // body and signature
	LiveSize     = 96  // a live code: pass, slot and tag
	TextSize     = 141 // characters of a code
	LiveTextSize = 154 // characters of a live code
)

// Version is the only pass version so far.
const Version = 1

// Kind tells for whom a pass was issued.
type Kind uint8

// The kinds. Append only: a number is never given a new meaning.
const (
	ECard Kind = 1
	Guest Kind = 2
	Staff Kind = 3
	// Supervisor is no pass: a code of this kind opens one lane once, by hand.
	Supervisor Kind = 4
	// Command is neither pass nor code: it stands in journal entries about what a
	// command of central did at a lane.
	Command Kind = 5
	Test    Kind = 15
)

// String returns the kind's name as used on the API and in logs.
func (k Kind) String() string {
	switch k {
	case ECard:
		return "ecard"
	case Guest:
		return "guest"
	case Staff:
		return "staff"
	case Supervisor:
		return "supervisor"
	case Command:
		return "command"
	case Test:
		return "test"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind is the inverse of Kind.String for the kinds of passes. Supervisor is
// none of them: nobody makes such a code by asking for a pass.
func ParseKind(name string) (Kind, bool) {
	for _, k := range []Kind{ECard, Guest, Staff, Test} {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// Flags are the conditions that a pass carries.
type Flags uint8

// The flags; all other bits are refused.
const (
	LiveRequired   Flags = 1 << 0 // only as a live code
	Escort         Flags = 1 << 1 // only within 30 s after a staff pass at the same lane
	PassbackExempt Flags = 1 << 2 // anti-passback does not apply
)

const knownFlags = LiveRequired | Escort | PassbackExempt

// Day is a campus service day, counted from 2020-01-01.
type Day uint16

// dayZero is 2020-01-01T00:00Z in Unix seconds.
const dayZero = 1577836800

// DayOf returns the service day that the calendar date of t names, in t's own
// zone. A date outside of the days' range is the nearest of them: a clock that
// says 1970 must not name a day of 2149.
func DayOf(t time.Time) Day {
	y, m, d := t.Date()
	n := (time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() - dayZero) / 86400
	return Day(min(max(n, 0), math.MaxUint16))
}

// UTC returns 00:00 UTC of the day, in Unix seconds.
func (d Day) UTC() int64 { return dayZero + int64(d)*86400 }

// String returns the date as 2006-01-02.
func (d Day) String() string { return time.Unix(d.UTC(), 0).UTC().Format(time.DateOnly) }

// ParseDay reads a date as 2006-01-02, from 2020-01-01 to 2199-06-06.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("parse day: %w", err)
	}
	n := (t.Unix() - dayZero) / 86400
	if t.Unix() < dayZero || n > 65535 {
		return 0, fmt.Errorf("parse day %s: outside of 2020-01-01..2199-06-06", s)
	}
	return Day(n), nil
}

// Limits of fields. A start reaches from the first midnight on Earth to the end
// of the last 25-hour day; a length is at most that 25-hour day.
const (
	MinStart  = -840
	MaxStart  = 2220
	MaxLength = 150
	MaxIndex  = 1<<24 - 1
)

// Pass is the signed content: who may enter where and when, without any name.
type Pass struct {
	Kind       Kind
	Flags      Flags
	KeyID      uint16  // the key that signed
	Day        Day     // names the status list
	Index      uint32  // position in that day's status list, 24 bits
	Start      int16   // minutes from 00:00 UTC of Day
	Length     uint8   // validity in units of 10 minutes, 1..150
	Zones      uint16  // bit z: zone z may be entered
	Generation uint8   // re-issue under the same (Day, Index)
	Entries    uint8   // 0 unlimited, else that many, 4 bits
	Passback   uint8   // anti-passback class, 4 bits
	Holder     [8]byte // pseudonym of the holder on this day
}

// ID names a pass in status lists, journals and the ledger.
type ID struct {
	Day   Day
	Index uint32
}

// ID returns the pass's day and index.
func (p *Pass) ID() ID { return ID{p.Day, p.Index} }

// String returns the id as 2026-11-21/004711, the form used in logs and on the API.
func (id ID) String() string { return fmt.Sprintf("%s/%06d", id.Day, id.Index) }

// ParseID is the inverse of ID.String; leading zeros of the index may lack.
func ParseID(s string) (ID, error) {
	if len(s) < 12 || len(s) > 19 || s[10] != '/' {
		return ID{}, fmt.Errorf("parse pass id %.40q: want 2026-11-21/004711", s)
	}
	d, err := ParseDay(s[:10])
	if err != nil {
		return ID{}, err
	}
	n := uint32(0)
	for _, c := range []byte(s[11:]) {
		if c < '0' || c > '9' {
			return ID{}, fmt.Errorf("parse pass id %.40q: the index has a character that is no digit", s)
		}
		n = n*10 + uint32(c-'0')
	}
	if n > MaxIndex {
		return ID{}, fmt.Errorf("parse pass id %.40q: the index is above %d", s, MaxIndex)
	}
	return ID{d, n}, nil
}

// Window returns when the pass is valid, as Unix seconds: from <= t < until.
func (p *Pass) Window() (from, until int64) {
	from = p.Day.UTC() + int64(p.Start)*60
	return from, from + int64(p.Length)*600
}

// Permits reports whether the pass opens the zone, 0..15.
func (p *Pass) Permits(zone uint8) bool { return zone < 16 && p.Zones&(1<<zone) != 0 }

// Body returns the 24 signed bytes. Fields that the bytes cannot hold are cut;
// Check tells beforehand.
func (p *Pass) Body() (b [BodySize]byte) {
	b[0] = Version<<4 | byte(p.Kind)&15
	b[1] = byte(p.Flags)
	binary.BigEndian.PutUint16(b[2:], p.KeyID)
	binary.BigEndian.PutUint16(b[4:], uint16(p.Day))
	b[6], b[7], b[8] = byte(p.Index>>16), byte(p.Index>>8), byte(p.Index)
	binary.BigEndian.PutUint16(b[9:], uint16(p.Start))
	b[11] = p.Length
	binary.BigEndian.PutUint16(b[12:], p.Zones)
	b[14] = p.Generation
	b[15] = p.Entries<<4 | p.Passback&15
	copy(b[16:], p.Holder[:])
	return b
}

// Check returns the reason for which a lane refuses the fields whatever the
// signature, or Granted. It knows the fields of a supervisor code too, for who
// signs one.
func (p *Pass) Check() Reason {
	switch {
	case p.Kind == Supervisor:
		return p.checkSupervisor()
	case !p.knownKind():
		return KindUnknown
	case p.Flags&^knownFlags != 0:
		return FlagsUnknown
	case p.Start < MinStart || p.Start > MaxStart || p.Length == 0 || p.Length > MaxLength || p.Zones == 0,
		p.Index > MaxIndex, p.Entries > 15, p.Passback > 15:
		return Malformed
	}
	return Granted
}

func (p *Pass) knownKind() bool {
	return p.Kind == ECard || p.Kind == Guest || p.Kind == Staff || p.Kind == Test
}

// parseBody reads the 24 signed bytes.
func parseBody(b *[BodySize]byte) Pass {
	p := Pass{
		Kind:       Kind(b[0] & 15),
		Flags:      Flags(b[1]),
		KeyID:      binary.BigEndian.Uint16(b[2:]),
		Day:        Day(binary.BigEndian.Uint16(b[4:])),
		Index:      uint32(b[6])<<16 | uint32(b[7])<<8 | uint32(b[8]),
		Start:      int16(binary.BigEndian.Uint16(b[9:])),
		Length:     b[11],
		Zones:      binary.BigEndian.Uint16(b[12:]),
		Generation: b[14],
		Entries:    b[15] >> 4,
		Passback:   b[15] & 15,
	}
	copy(p.Holder[:], b[16:])
	return p
}
