package presence

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// walk is one passage of the model: what happened, in the order in which it did.
type walk struct {
	at     int    // place in the history: granted at 2*at, ended at 2*at+1
	who    int    // controller; 0 is the own one
	grant  uint64 // in its journal
	lane   uint8
	id     pass.ID
	zone   uint8
	dir    gate.Direction
	slot   uint32
	gen    uint8
	result link.EntryType // 0: none was ever written
	doubt  bool           // the controller's clock is not usable
}

const controllers = 3

func name(who int) (string, link.JournalID) {
	return fmt.Sprintf("lane-%d", who), link.JournalID{byte(who)}
}

// entries are what its controller writes about a walk.
func (w walk) entries() []link.Entry {
	e := link.Entry{Type: link.EntryGranted, Seq: w.grant, Lane: w.lane, Pass: w.id, Zone: w.zone, Direction: uint8(w.dir),
		Slot: w.slot, Gen: w.gen, Wall: int64(2 * w.at), Clock: link.ClockTrusted}
	if w.doubt {
		e.Clock = link.ClockUntrusted
	}
	if w.result == 0 {
		return []link.Entry{e}
	}
	r := e
	r.Type, r.Grant, r.Seq, r.Wall = w.result, e.Seq, e.Seq+1, e.Wall+1
	return []link.Entry{e, r}
}

// history draws what happens at a zone's controllers, each with a journal in
// which other entries lie between.
func history(t *rapid.T, doubt bool) (list []walk) {
	var seq [controllers]uint64
	for i := range rapid.IntRange(1, 30).Draw(t, "walks") {
		w := walk{
			at: i + 1, who: rapid.IntRange(0, controllers-1).Draw(t, "controller"), lane: uint8(rapid.IntRange(1, 2).Draw(t, "lane")),
			id:   pass.ID{Day: today, Index: uint32(rapid.IntRange(0, 1).Draw(t, "index"))},
			zone: uint8(rapid.IntRange(0, 1).Draw(t, "zone")), dir: gate.Direction(rapid.IntRange(1, 2).Draw(t, "direction")),
			slot: uint32(rapid.IntRange(0, 9).Draw(t, "slot")), gen: uint8(rapid.IntRange(0, 2).Draw(t, "generation")),
			result: rapid.SampledFrom([]link.EntryType{link.EntryPassed, link.EntryPassed, link.EntryNotPassed, link.EntryUnknown, 0}).Draw(t, "result"),
			doubt:  doubt && rapid.Bool().Draw(t, "doubt"),
		}
		seq[w.who] += uint64(rapid.IntRange(1, 3).Draw(t, "gap"))
		w.grant = seq[w.who]
		seq[w.who]++
		list = append(list, w)
	}
	return list
}

// end is how a walk ended in the end: an own grant without a result is cut off
// by the lane's next, another controller's by time.
func end(list []walk, i int) (result link.EntryType, going bool) {
	w := list[i]
	if w.result != 0 {
		return w.result, false
	}
	if w.who != 0 {
		return link.EntryUnknown, false
	}
	for _, next := range list[i+1:] {
		if next.who == 0 && next.lane == w.lane {
			return link.EntryUnknown, false
		}
	}
	return link.EntryPassed, true
}

// naive walks through the history and says what is to be known of a pass in a zone.
func naive(list []walk, id pass.ID, zone uint8, d gate.Direction) (past access.Past) {
	for i, w := range list {
		if w.id == id {
			past.Generation = max(past.Generation, w.gen)
		}
		result, going := end(list, i)
		if w.id != id || w.zone != zone || result == link.EntryNotPassed {
			continue
		}
		if w.dir == d {
			past.Slot = max(past.Slot, w.slot)
		}
		wall := int64(2*w.at + 1)
		if going || w.result == 0 {
			wall--
		}
		sure := result == link.EntryPassed
		switch {
		case w.dir == gate.In && sure:
			past.Inside, past.Maybe, past.Entered, past.Used = true, false, wall, past.Used+1
			past.Going += uint8(count(going))
		case w.dir == gate.In:
			past.Maybe, past.Unknown = !past.Inside, past.Unknown+1
		case sure:
			past.Inside, past.Maybe, past.Entered = false, false, 0
		default:
			past.Inside, past.Maybe, past.Entered = false, past.Inside || past.Maybe, 0
		}
	}
	return past
}

// delivery is one thing that happens to a presence.
type delivery struct {
	who   int
	entry link.Entry
}

// schedule draws an order: the own journal's entries as they stand, the others'
// anyhow, some of them twice.
func schedule(t *rapid.T, list []walk) (order []delivery) {
	var mine, others []delivery
	for _, w := range list {
		for _, e := range w.entries() {
			switch {
			case w.who == 0:
				mine = append(mine, delivery{0, e})
			default:
				others = append(others, delivery{w.who, e})
				if rapid.IntRange(0, 3).Draw(t, "twice") == 0 {
					others = append(others, delivery{w.who, e})
				}
			}
		}
	}
	others = rapid.Permutation(others).Draw(t, "order")
	for len(mine)+len(others) > 0 {
		from := &mine
		if len(mine) == 0 || len(others) > 0 && rapid.Bool().Draw(t, "other") {
			from = &others
		}
		order = append(order, (*from)[0])
		*from = (*from)[1:]
	}
	return order
}

func (d delivery) to(p *Presence, now time.Time) {
	if d.who == 0 {
		p.Apply(d.entry)
		return
	}
	lane, journal := name(d.who)
	p.Remote(lane, journal, d.entry, now)
}

// deliver plays an order to a presence that is restarted now and then and does
// not know when results are to come.
func deliver(t *rapid.T, order []delivery) *Presence {
	p, now := New(), time.Unix(1e9, 0)
	p.Own(link.JournalID{})
	for _, d := range order {
		d.to(p, now)
		switch rapid.IntRange(0, 7).Draw(t, "then") {
		case 0:
			data, _ := p.Checkpoint(func() uint64 { return d.entry.Seq })
			again, err := Decode(data)
			if err != nil {
				t.Fatalf("checkpoint: %v", err)
			}
			p = again
			p.Own(link.JournalID{})
		case 1, 2:
			now = now.Add(RemoteGrant * 2 / 3)
			p.Expire(now)
		}
	}
	p.Expire(now.Add(RemoteGrant)) // for those since a restart
	p.Expire(now.Add(2 * RemoteGrant))
	return p
}

// TestOrderDoesNotMatter plays each history in an order of its own, doubled,
// delayed beyond RemoteGrant, with restarts, and asks a model that only knows
// what happened.
func TestOrderDoesNotMatter(t *testing.T) {
	seen := map[access.Past]int{}
	rapid.Check(t, func(t *rapid.T) {
		list := history(t, false)
		p := deliver(t, schedule(t, list))
		for index := range uint32(2) {
			for zone := range uint8(2) {
				for _, d := range []gate.Direction{gate.In, gate.Out} {
					id := pass.ID{Day: today, Index: index}
					got, want := p.Of(id, zone, d), naive(list, id, zone, d)
					if got != want {
						t.Fatalf("pass %v zone %d %v: %+v, want %+v", id, zone, d, got, want)
					}
					seen[access.Past{Inside: got.Inside, Maybe: got.Maybe}]++
				}
			}
		}
	})
	if len(seen) != 3 || seen[access.Past{}] < 50 || seen[access.Past{Inside: true}] < 50 || seen[access.Past{Maybe: true}] < 50 {
		t.Errorf("what was tried is too little: %v", seen)
	}
}

// TestOrderDoesNotMatterByBadClocks has no model of what is right where clocks
// do not tell; but two orders must come to the same bytes.
func TestOrderDoesNotMatterByBadClocks(t *testing.T) {
	tried := 0
	rapid.Check(t, func(t *rapid.T) {
		list := history(t, true)
		a, b := deliver(t, schedule(t, list)), deliver(t, schedule(t, list))
		if !bytes.Equal(a.encode(), b.encode()) {
			t.Fatal("another order, another state")
		}
		for index := range uint32(2) {
			id := pass.ID{Day: today, Index: index}
			if x, y := a.Of(id, 0, gate.In), b.Of(id, 0, gate.In); x != y {
				t.Fatalf("%+v and %+v", x, y)
			}
		}
		if a.Stats() != b.Stats() {
			t.Fatalf("%+v and %+v", a.Stats(), b.Stats())
		}
		a.Forget(today + 1)
		if s := a.Stats(); s.Records != 0 || s.Inside != 0 || s.Others != 0 || a.total != 0 {
			t.Fatalf("after the day: %+v", s)
		}
		tried += len(list)
	})
	if tried < 500 {
		t.Errorf("only %d walks were tried", tried)
	}
}
