package feed

import (
	"testing"

	"pgregory.net/rapid"

	"turnstile/central/link"
)

// TestConverges lets a lane receive an arbitrary schedule: messages lost,
// doubled, late and out of order, restarts, a lost cache. It never shows a state
// that central did not have, never goes back, and is in step once messages and
// answers get through again.
func TestConverges(t *testing.T) {
	folder := t.TempDir
	rapid.Check(t, func(t *rapid.T) {
		s := newSenderIn(t, folder)
		r := s.receiver(nil)
		run := &schedule{t: t, s: s, r: r}
		s.start()
		steps := rapid.IntRange(5, 60).Draw(t, "steps")
		for range steps {
			run.step()
			run.check()
		}
		run.heal()
	})
}

type delivery struct {
	topic   string
	payload []byte
}

type schedule struct {
	t     *rapid.T
	s     *sender
	r     *receiver
	wire  []delivery
	floor *link.Floor
	seen  uint64
	index uint32
}

func (c *schedule) send(topic string, payload []byte) {
	c.wire = append(c.wire, delivery{topic, payload})
}

func (c *schedule) step() {
	switch rapid.IntRange(0, 9).Draw(c.t, "step") {
	case 0, 1, 2:
		c.change()
	case 3:
		c.send(topics.Head(), c.s.sealedHead())
	case 4:
		c.send(topics.Keys(), c.s.keys(0, 1))
		c.send(topics.Rules(), c.s.rules())
	case 5:
		c.s.snapSeq = c.s.state.Seq
		for topic, b := range c.s.snapshots() {
			c.send(topic, b)
		}
	case 6:
		c.restart()
	default:
		c.deliver()
	}
}

// change adds events and sends their delta.
func (c *schedule) change() {
	from := c.s.state.Seq
	for range rapid.IntRange(1, 5).Draw(c.t, "events") {
		c.index++
		c.s.add(revoke(c.index % 1024))
	}
	c.send(topics.Delta(), c.s.sealed(c.s.delta(from, c.s.state.Seq, true)))
}

// deliver takes any message of the wire; it may stay there and come again.
func (c *schedule) deliver() {
	if len(c.wire) == 0 {
		return
	}
	i := rapid.IntRange(0, len(c.wire)-1).Draw(c.t, "message")
	m := c.wire[i]
	if !rapid.Bool().Draw(c.t, "again") {
		c.wire = append(c.wire[:i:i], c.wire[i+1:]...)
	}
	if rapid.IntRange(0, 4).Draw(c.t, "lost") == 0 {
		return
	}
	res, _ := c.r.take(m.topic, m.payload)
	c.answer(res)
}

// answer is central's: on the wire, in parts.
func (c *schedule) answer(res Result) {
	for _, a := range res.Asks {
		switch {
		case a.Want == link.WantRange && a.Epoch == 1 && a.From < c.s.state.Seq:
			mid := (a.From + c.s.state.Seq + 1) / 2
			c.send(topics.Repeat(lane), c.s.sealed(c.s.delta(a.From, mid, false)))
			if mid < c.s.state.Seq {
				c.send(topics.Repeat(lane), c.s.sealed(c.s.delta(mid, c.s.state.Seq, false)))
			}
		case a.Want == link.WantSnapshots:
			for _, b := range c.s.snapshots() {
				c.send(topics.Repeat(lane), b)
			}
		case a.Want == link.WantKeys:
			c.send(topics.Repeat(lane), c.s.keys(1, 2))
			c.send(topics.Repeat(lane), c.s.rules())
		}
	}
}

// restart keeps the cache, or loses it and has the journal's floor alone.
func (c *schedule) restart() {
	c.floor = c.r.Floor(c.r.now())
	if rapid.Bool().Draw(c.t, "cache lost") {
		c.r.c.Close()
		c.r = c.s.receiver(c.floor)
		c.seen = c.floor.Seq
		return
	}
	c.r.restart(c.floor)
}

// check holds the invariants.
func (c *schedule) check() {
	got := c.r.c.View().State
	if got == nil {
		return
	}
	if got.Seq < c.seen {
		c.t.Fatalf("went back from %d to %d", c.seen, got.Seq)
	}
	c.seen = got.Seq
	if want := c.s.states[got.Seq]; got.Root() != want.Root() || got.Chain != want.Chain {
		c.t.Fatalf("shows a state %d that central never had", got.Seq)
	}
}

// heal delivers everything new in order, with answers, for a few heads.
func (c *schedule) heal() {
	c.wire = nil
	c.s.snapSeq = c.s.state.Seq
	c.send(topics.Keys(), c.s.keys(0, 1))
	c.send(topics.Rules(), c.s.rules())
	for range 5 {
		c.send(topics.Head(), c.s.sealedHead())
		for n := 0; len(c.wire) > 0 && n < 100; n++ {
			m := c.wire[0]
			c.wire = c.wire[1:]
			res, _ := c.r.take(m.topic, m.payload)
			c.answer(res)
			c.check()
		}
	}
	c.r.checkIn(c.s.state)
	if !c.r.c.View().HasFeed() || c.r.Stale(c.r.now()) {
		c.t.Fatal("in step, but without a fresh feed")
	}
	c.r.c.Close()
}

// FuzzHandle gives a lane arbitrary messages on every topic: it refuses them,
// or they change nothing.
func FuzzHandle(f *testing.F) {
	s := newSender(f)
	s.start()
	r := s.receiver(nil)
	r.sync()
	s.add(revoke(9))
	all := []string{topics.Head(), topics.Delta(), topics.Keys(), topics.Rules(), topics.Day(2151), topics.GateKeys(lane), topics.Repeat(lane), "tg/1/x"}
	for i, b := range [][]byte{flipped(s.sealedHead()), flipped(s.sealed(s.delta(5, 6, true))), s.keys(0, 1), s.rules(), flipped(s.gate(lane, 1)), {}, {0xa5, 0, 1}} {
		f.Add(uint8(i), b)
	}
	f.Fuzz(func(t *testing.T, topic uint8, payload []byte) {
		before := r.c.View()
		res, err := r.take(all[int(topic)%len(all)], payload)
		if r.c.View() != before || res.Changed || err == nil && res.Head != nil {
			t.Fatalf("an unsigned message changed something: %+v", res)
		}
	})
}
