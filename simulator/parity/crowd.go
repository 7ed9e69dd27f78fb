package parity

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// holder is a pass and the plan of whoever has it.
type holder struct {
	row     database.Pass
	live    bool // shows a live code, from a phone
	changes []change
	forged  bool // somebody changed a character
}

// change is what the office does with a pass.
type change struct {
	at time.Time
	to link.Status
}

// visit is one scan: who, when, where.
type visit struct {
	at        time.Time
	holder    *holder
	lane      int // index
	direction gate.Direction
	skew      int  // of the phone's clock, in live slots
	stays     bool // does not walk through the open gate
	poster    bool // holds something else before the scanner
	picture   bool // of a live code: without its tail
	order     int
}

// crowd plans the day of all holders.
type crowd struct {
	*rand.Rand
	office       *office
	cut          time.Time // when the network goes
	evening, day pass.Day
	holders      []*holder
	visits       []*visit
}

// chance is true p times in a hundred.
func (c *crowd) chance(p float64) bool { return c.Float64()*100 < p }

// gather issues n passes and plans who comes when: one in eight in the evening
// before midnight, most of these soon after the cut, when the feed is young.
func (c *crowd) gather(ctx context.Context, n int) error {
	for i := range n {
		h, err := c.person(ctx, i)
		if err != nil {
			return err
		}
		c.holders = append(c.holders, h)
		c.plan(h)
	}
	for i, v := range c.visits {
		v.order = i
	}
	slices.SortFunc(c.visits, func(a, b *visit) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.order, b.order)) })
	return nil
}

// person issues one pass.
func (c *crowd) person(ctx context.Context, i int) (*holder, error) {
	p := pass.Pass{Kind: pass.ECard, Day: c.day, Start: -480, Length: 144, Zones: 1} // campus midnight, 24 hours
	if i%8 == 0 {
		p.Day = c.evening
	}
	h := &holder{}
	switch f := c.Float64() * 100; {
	case f < 60:
	case f < 72:
		h.live, p.Flags = true, pass.LiveRequired
	case f < 83:
		p.Kind = pass.Guest
	case f < 89:
		p.Kind, p.Entries = pass.Guest, 1
	case f < 92:
		p.Kind, h.live, p.Flags = pass.Guest, true, pass.LiveRequired
	case f < 95:
		p.Kind, p.Flags = pass.Guest, pass.Escort
	default:
		p.Kind, p.Zones = pass.Staff, 7
	}
	p.Flags |= flagIf(c.chance(2), pass.PassbackExempt)
	switch f := c.Float64() * 100; {
	case f < 25:
		p.Zones |= 2
	case f < 35:
		p.Zones |= 6
	}
	if c.chance(6) { // some hours only: early and late visits are refused
		p.Start, p.Length = int16(-480+c.IntN(14)*60), uint8(6*(1+c.IntN(8)))
	}
	h.forged = c.chance(1)
	var err error
	h.row, err = c.office.issue(ctx, p, fmt.Sprintf("person-%d", i))
	return h, err
}

func flagIf(yes bool, f pass.Flags) pass.Flags {
	if yes {
		return f
	}
	return 0
}

// plan makes a holder's visits and what the office does with the pass meanwhile.
func (c *crowd) plan(h *holder) {
	at := c.arrival(h)
	lane := c.lane(h)
	if h.row.Flags&pass.Escort != 0 && c.chance(70) {
		c.vouch(lane, at.Add(-10*time.Second))
	}
	c.visit(h, at, lane, gate.In)
	stay := time.Duration(5+c.IntN(240)) * time.Minute
	switch {
	case c.chance(8): // once more, soon: a friend with the same code, or a double tap
		c.visit(h, at.Add(time.Duration(4+c.IntN(90))*time.Second), c.lane(h), gate.In)
	case c.chance(45):
		c.visit(h, at.Add(stay), lane, gate.Out)
		if c.chance(35) {
			c.visit(h, at.Add(stay+time.Duration(2+c.IntN(90))*time.Minute), c.lane(h), gate.In)
		}
	}
	c.changes(h, at)
}

// arrival is when a holder comes first.
func (c *crowd) arrival(h *holder) time.Time {
	if h.row.Day == c.evening {
		if c.chance(12) {
			return c.cut.Add(time.Duration(c.IntN(120)) * time.Second)
		}
		if c.chance(75) {
			return c.cut.Add(2*time.Minute + time.Duration(c.IntN(28*60))*time.Second)
		}
		return c.cut.Add(30*time.Minute + time.Duration(c.IntN(200*60))*time.Second)
	}
	midnight := time.Unix(h.row.Day.UTC(), 0).Add(-8 * time.Hour)
	if c.chance(15) { // after the network was gone for a whole day
		return c.cut.Add(24*time.Hour + time.Duration(c.IntN(120*60))*time.Second)
	}
	peak := []float64{8.5, 9, 12.5, 14, 18}[c.IntN(5)]
	hours := peak + c.NormFloat64()
	return midnight.Add(time.Duration(max(0.1, min(hours, 23.5)) * float64(time.Hour)))
}

// lane is one where the holder may go in, or, now and then, any.
func (c *crowd) lane(h *holder) int {
	for range 8 {
		l := c.IntN(len(laneZones))
		if c.chance(3) || h.row.Permits(laneZones[l]) {
			return l
		}
	}
	return 0
}

// vouch has one of the staff go in just before.
func (c *crowd) vouch(lane int, at time.Time) {
	for _, s := range c.holders {
		if s.row.Kind == pass.Staff && c.chance(20) {
			c.visit(s, at, lane, gate.In)
			return
		}
	}
}

func (c *crowd) visit(h *holder, at time.Time, lane int, d gate.Direction) {
	v := &visit{at: at, holder: h, lane: lane, direction: d, stays: c.chance(4), poster: c.chance(0.5)}
	if h.live {
		v.skew, v.picture = []int{0, 0, 0, 0, 0, 0, -1, 1, 3, -3, -40}[c.IntN(11)], c.chance(4)
	}
	c.visits = append(c.visits, v)
}

// changes plans what the office does with a pass: before the cut, after it, or
// between two visits.
func (c *crowd) changes(h *holder, arrival time.Time) {
	f := c.Float64() * 100
	early := c.cut.Add(-time.Duration(1+c.IntN(60)) * time.Minute)
	late := arrival.Add(-time.Duration(c.IntN(240)) * time.Minute)
	if late.Before(c.cut) {
		late = c.cut.Add(time.Second)
	}
	switch {
	case f < 1.5:
		h.changes = []change{{early, link.Revoked}}
	case f < 4:
		h.changes = []change{{late, link.Revoked}}
	case f < 5:
		h.changes = []change{{arrival.Add(time.Minute), link.Revoked}}
	case f < 5.7:
		h.changes = []change{{early, link.Held}}
	case f < 6.4:
		h.changes = []change{{late, link.Held}}
	case f < 7.2:
		h.changes = []change{{early, link.Held}, {late, link.Good}}
	}
}

// text is what a visitor holds before the scanner.
func (c *crowd) text(v *visit) (string, error) {
	if v.poster {
		return "https://example.org/menu", nil
	}
	slot := uint32(0)
	if v.holder.live && !v.picture {
		slot = uint32(int(pass.SlotAt(v.at.Unix())) + v.skew)
	}
	text, err := c.office.code(&v.holder.row, slot)
	b := []byte(text)
	if v.holder.forged { // one bit of the signature
		if b[60] != 'A' {
			b[60] = 'A'
		} else {
			b[60] = 'B'
		}
	}
	return string(b), err
}
