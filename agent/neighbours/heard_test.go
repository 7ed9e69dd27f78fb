package neighbours

import (
	"math/rand/v2"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// TestApartUntilCentralTold: to be connected is not to know. A broker may pass heads
// on and keep uses back, or play an old answer again.
func TestApartUntilCentralTold(t *testing.T) {
	stale := false
	h := newHouse(t, "south", func(c *Config) { c.Stale = func(time.Time) bool { return stale } })
	h.learn(t, lanes(1, 1, "north", "south"))
	apart := func(what string, at time.Time, want bool) {
		t.Helper()
		if h.Apart(1, at) != want {
			t.Errorf("%s: apart %v", what, !want)
		}
	}
	give := func(at time.Time, u link.Uses) []byte {
		t.Helper()
		u.Lane = "south"
		m := answer(t, u)
		if err := h.Handle(topics.Repeat("south"), m, at); err != nil {
			t.Fatal(err)
		}
		return m
	}
	ask := func(at time.Time) link.Ask {
		t.Helper()
		a, due := h.Ask(at)
		if !due || len(a.Nonce) != len(link.Nonce{}) {
			t.Fatalf("%+v", a)
		}
		return a
	}
	h.Connected(true)
	apart("connected", now, true)
	first := ask(now)
	give(now, link.Uses{Next: 5, More: true, Nonce: first.Nonce})
	apart("there is more", now, true)
	give(now, link.Uses{From: 5, Next: 9, Nonce: []byte("another question")})
	apart("the answer to another question", now, true)
	second := ask(now.Add(askEvery))
	old := give(now.Add(askEvery), link.Uses{From: 9, Next: 9, Nonce: second.Nonce})
	apart("told", now.Add(askEvery), false)
	apart("two answers are missing", now.Add(askEvery+toldFor), false)
	apart("three answers are missing", now.Add(askEvery+toldFor+1), true)
	apart("before it was asked", now, true)
	stale = true
	apart("without heads", now.Add(askEvery), true)
	stale = false
	third := ask(now.Add(3 * askEvery))
	if err := h.Handle(topics.Repeat("south"), old, now.Add(3*askEvery)); err != nil {
		t.Fatal(err)
	}
	apart("an answer that was played again", now.Add(askEvery+toldFor+1), true)
	give(now.Add(5*askEvery), link.Uses{From: 9, Next: 9, Nonce: third.Nonce})
	apart("an answer that was kept back is as old as its question", now.Add(3*askEvery+toldFor+1), true)
	apart("while that is not old", now.Add(3*askEvery+toldFor), false)
	h.Connected(false)
	h.Connected(true)
	apart("after a reconnect", now.Add(3*askEvery), true)
}

// TestApartUntilNeighboursTold: after a start, or a silence, a neighbour that is
// there may have let passes in of which nobody told.
func TestApartUntilNeighboursTold(t *testing.T) {
	north, south := newHouse(t, "north"), newHouse(t, "south")
	south.learn(t, lanes(1, 1, "north", "south"))
	let := func(from, to uint64) {
		for seq := from; seq <= to; seq++ {
			north.Took(entry(link.EntryGranted, 10*seq, 1, uint32(seq)))
		}
		for {
			if _, ok := north.message(1, north.clock, (*told).next); !ok {
				return // and nobody heard it
			}
		}
	}
	round := func(picks ...func(*told) *piece) bool {
		north.clock = north.clock.Add(helloEvery)
		south.clock = north.clock
		for _, pick := range picks {
			say(south, north, pick)
		}
		return south.Apart(1, south.clock)
	}
	if round((*told).newest) {
		t.Error("apart from a neighbour that has nothing to tell")
	}
	let(1, 10)
	if round((*told).newest) {
		t.Error("apart though one hello has all")
	}
	let(11, 60)
	if !round((*told).newest) {
		t.Error("not apart though uses are missing")
	}
	rounds := 0
	for ; rounds < 20 && round((*told).newest, (*told).again); rounds++ {
		if south.has("north", entry(link.EntryGranted, 110, 1, 11), entry(link.EntryGranted, 460, 1, 46)) {
			t.Fatal("apart though nothing is missing")
		}
	}
	if rounds < 1 || rounds > 5 {
		t.Errorf("%d hellos until all was told", rounds)
	}
	again := newHouse(t, "south")
	again.learn(t, lanes(1, 1, "north", "south"))
	again.clock, south = south.clock, again
	if !round((*told).newest) {
		t.Error("not apart after a start")
	}
	for range 6 {
		round((*told).newest, (*told).again)
	}
	if round() {
		t.Error("apart though all was told again")
	}
	let(61, 100)
	round((*told).newest)
	north.forget(1, today+1)
	if !round() || round((*told).newest) {
		t.Error("what is missing is of days that are over")
	}
}

// TestApartFromANewJournal: the numbers of a neighbour's new disk are not those of
// the one before.
func TestApartFromANewJournal(t *testing.T) {
	north, south := newHouse(t, "north"), newHouse(t, "south")
	south.learn(t, lanes(1, 1, "north", "south"))
	north.Took(entry(link.EntryGranted, 1000, 1, 1))
	say(south, north, (*told).newest)
	if south.Apart(1, now) {
		t.Error("apart though all was told")
	}
	north = newHouse(t, "north", func(c *Config) { c.Journal = journalOf("another disk") })
	for seq := range uint64(20) {
		north.Took(entry(link.EntryGranted, seq+1, 1, uint32(seq)))
	}
	north.clock = now.Add(time.Second)
	say(south, north, (*told).newest)
	if !south.Apart(1, now) {
		t.Error("not apart though the first uses of the new journal are missing")
	}
}

// TestHelloByTheCampusTime: the machine's clock says 1970 on one controller and is a
// day ahead on the other, and both know the campus's time.
func TestHelloByTheCampusTime(t *testing.T) {
	off := func(d time.Duration) func(*Config) {
		return func(c *Config) { c.Campus = func(at time.Time) time.Time { return at.Add(-d) } }
	}
	const ahead = 24 * time.Hour
	behind := time.Unix(1000, 0).Sub(now)
	north, south := newHouse(t, "north", off(behind)), newHouse(t, "south", off(ahead))
	north.clock, south.clock = now.Add(behind), now.Add(ahead)
	south.learn(t, lanes(1, 1, "north", "south"))
	say(south, north, (*told).newest)
	if south.Apart(1, south.clock) {
		t.Error("a neighbour is not heard")
	}
}

// Each decision asks whether the lane is apart, and if so for the pass's home.
func TestDecisionsAllocateNothing(t *testing.T) {
	north, south := newHouse(t, "north"), newHouse(t, "south")
	south.learn(t, lanes(1, 1, "north", "south", "west"))
	say(south, north, (*told).newest)
	apart, home := 0, 0
	n := testing.AllocsPerRun(100, func() {
		if south.Apart(1, now) {
			apart++
		}
		if south.Home(1, pass.ID{Day: today, Index: uint32(apart) << 8}) {
			home++
		}
	})
	if n != 0 || apart < 100 || home == 0 || home == apart {
		t.Errorf("%v allocations, %d times apart, %d at home", n, apart, home)
	}
}

// TestSpans compares with a set of numbers.
func TestSpans(t *testing.T) {
	whole := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		const size = 40
		s, set := &spans{}, [size + 1]bool{}
		for range 25 {
			from := r.Uint64N(size)
			to := from + r.Uint64N(size-from) + 1
			s.add(span{from, to})
			for i := from + 1; i <= to; i++ {
				set[i] = true
			}
			s.add(span{to, from})
			gaps := 0
			for i := uint64(1); i <= size; i++ {
				if set[i] && !set[i-1] {
					gaps++
				}
			}
			if len(s.list) != gaps {
				t.Fatalf("seed %d: %v of %v", seed, s.list, set)
			}
			if gaps == 1 && s.list[0].from == 0 {
				whole++
			}
		}
	}
	if whole < 100 {
		t.Errorf("%d without a gap", whole)
	}
	s := &spans{}
	for i := range uint64(3 * maxSpans) {
		s.add(span{4 * i, 4*i + 1})
	}
	if len(s.list) != maxSpans || s.list[0].from == 0 {
		t.Errorf("%d spans from %d", len(s.list), s.list[0].from)
	}
}
