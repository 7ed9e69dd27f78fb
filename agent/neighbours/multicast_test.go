package neighbours

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// loopback is a group on the loopback interface with a port of its own.
func loopback(t testing.TB) Multicast {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return Multicast{Group: fmt.Sprintf("239.84.83.1:%d", c.LocalAddr().(*net.UDPAddr).Port), Interface: "lo"}
}

// has reports whether a controller took the uses of a lane, in this order.
func (h *house) has(lane string, want ...link.Entry) bool {
	at := 0
	for _, k := range h.all() {
		if at < len(want) && k.lane == lane && k.journal == journalOf(lane) && k.entry == want[at] {
			at++
		}
	}
	return at == len(want)
}

// TestMulticast has three controllers on a network without any broker. Central
// was there once, to send the LANES documents, and is gone since before they were
// started anew.
func TestMulticast(t *testing.T) {
	t.Parallel()
	group := loopback(t)
	ids := []string{"north", "south", "west"}
	houses := map[string]*house{}
	for _, id := range ids {
		dir := filepath.Join(t.TempDir(), id)
		newHouse(t, id, func(c *Config) { c.Dir = dir }).learn(t, lanes(1, 7, ids...))
		h := newHouse(t, id, func(c *Config) { c.Dir, c.Multicast = dir, group })
		h.clock = time.Time{}
		houses[id] = h
	}
	north, south, west := houses["north"], houses["south"], houses["west"]
	north.runs(t)
	south.runs(t)
	eventually(t, "the hello of north", func() bool { return south.Status(time.Now()).Zones[0].Peers[0].There })
	if !south.Apart(1, time.Now()) {
		t.Error("south is not apart though west was never heard")
	}
	grant, passed := entry(link.EntryGranted, 4, 1, 9), entry(link.EntryPassed, 5, 1, 9)
	north.Took(grant)
	eventually(t, "the grant at south", func() bool { return south.has("north", grant) })
	north.Took(passed)
	eventually(t, "the passage at south", func() bool { return south.has("north", grant, passed) })

	west.runs(t)
	eventually(t, "what happened before west was there", func() bool { return west.has("north", grant, passed) })
	back := entry(link.EntryGranted, 11, 1, 9)
	back.Direction = 2
	west.Took(back)
	for _, h := range []*house{north, south} {
		eventually(t, "the use of west", func() bool { return h.has("west", back) })
	}
	for id, h := range houses {
		eventually(t, "hearing all others at "+id, func() bool { return !h.Apart(1, time.Now()) })
		if !h.Apart(2, time.Now()) {
			t.Errorf("%s is not apart in zone 2, of which it knows nobody", id)
		}
		if s := h.Status(time.Now()); s.Counts.Forged+s.Counts.Malformed+s.Counts.Strangers != 0 || s.Counts.Sent == 0 {
			t.Errorf("%s: %+v", id, s.Counts)
		}
		for _, k := range h.all() {
			if k.lane == id {
				t.Errorf("%s took its own use", id)
			}
		}
	}
}

func TestMulticastCheck(t *testing.T) {
	for _, m := range []Multicast{{}, {"239.84.83.1:7744", "eth0"}, {"[ff02::5453]:7744", "eth0"}} {
		if err := m.Check(); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
	}
	for _, m := range []Multicast{
		{"239.84.83.1:7744", ""}, {"", "eth0"}, {"239.84.83.1", "eth0"}, {"10.0.0.1:7744", "eth0"}, {"239.84.83.1:0", "eth0"},
		{"[ff02::1%eth0]:7744", "eth0"}, {"[::ffff:239.1.1.1]:7744", "eth0"}, {"gates:7744", "eth0"},
	} {
		if err := m.Check(); !errors.Is(err, ErrMulticast) {
			t.Errorf("%+v: %v", m, err)
		}
		if _, err := New(Config{Multicast: m, Dir: t.TempDir()}); !errors.Is(err, ErrMulticast) {
			t.Errorf("%+v: New: %v", m, err)
		}
	}
}

// say gives one controller what another would send now.
func say(h *house, from *house, pick func(*told) *piece) {
	if m, ok := from.message(1, from.clock, pick); ok {
		h.datagram(m, address, h.clock)
	}
}

// TestHealing loses every first message: what came after, hellos, and the older
// uses that hellos tell in turn bring all of it.
func TestHealing(t *testing.T) {
	north, south := newHouse(t, "north"), newHouse(t, "south")
	south.learn(t, lanes(1, 1, "north", "south"))
	var want []link.Entry
	for seq := uint64(1); seq <= 400; seq++ {
		e := entry(link.EntryGranted, seq, 1, uint32(seq))
		want = append(want, e)
		north.Took(e)
		if _, ok := north.message(1, now, (*told).next); !ok {
			t.Fatal("a fresh use is not sent")
		}
	}
	if _, ok := north.message(1, now, (*told).next); ok {
		t.Fatal("nothing fresh is sent")
	}
	e := entry(link.EntryGranted, 401, 1, 1)
	north.Took(e)
	say(south, north, (*told).next)
	if !south.has("north", append(want[397:], e)...) || len(south.all()) != 4 {
		t.Fatalf("a message has %d uses, not its own and three before", len(south.all()))
	}
	say(south, north, (*told).newest)
	if !south.has("north", append(want[387:], e)...) {
		t.Fatal("a hello does not have the newest uses")
	}
	rounds := 0
	for ; !south.has("north", append(want, e)...) && rounds < 100; rounds++ {
		north.clock = north.clock.Add(helloEvery)
		south.clock = north.clock
		say(south, north, (*told).again)
		say(south, north, (*told).newest)
	}
	if rounds < 2 || rounds > 30 {
		t.Errorf("%d hellos until all was told", rounds)
	}
}

// TestOrder: lanes of a controller finish in another order than they were numbered.
func TestOrder(t *testing.T) {
	north, south := newHouse(t, "north"), newHouse(t, "south")
	south.learn(t, lanes(1, 1, "north", "south"))
	for _, seq := range []uint64{3, 1, 2} {
		north.Took(entry(link.EntryGranted, seq, 1, uint32(seq)))
	}
	say(south, north, (*told).next)
	if got := south.all(); len(got) != 3 || got[0].entry.Seq != 1 || got[1].entry.Seq != 2 || got[2].entry.Seq != 3 {
		t.Errorf("%+v", got)
	}
}

// TestTook: what is no use of a pass is not told, and the memory is bounded.
func TestTook(t *testing.T) {
	north := newHouse(t, "north")
	for name, change := range map[string]func(*link.Entry){
		"denied":          func(e *link.Entry) { e.Type = link.EntryDenied },
		"supervisor code": func(e *link.Entry) { e.Kind = pass.Supervisor },
		"test pass":       func(e *link.Entry) { e.Kind = pass.Test },
		"free passage":    func(e *link.Entry) { e.Flags = link.FlagFreePassage },
		"another zone":    func(e *link.Entry) { e.Zone = 3 },
		"floor":           func(e *link.Entry) { *e = link.Entry{Type: link.EntryFloor, Zone: 1, Seq: 1, Floor: &link.Floor{}} },
	} {
		e := entry(link.EntryGranted, 1, 1, 1)
		change(&e)
		north.Took(e)
		if _, ok := north.message(1, now, (*told).next); ok {
			t.Errorf("%s is told", name)
		}
	}
	for seq := uint64(1); seq <= 3*maxKept; seq++ {
		north.Took(entry(link.EntryGranted, seq, 1, 1))
	}
	north.Recall(entry(link.EntryGranted, 3*maxKept+1, 1, 1))
	if n := len(north.own[1].kept); n > maxKept || n < maxKept-dropKept {
		t.Errorf("%d uses are kept", n)
	}
	if f := north.own[1].fresh; f >= len(north.own[1].kept) {
		t.Errorf("%d are fresh", f)
	}
	messages := 0
	for ; messages <= maxKept; messages++ {
		if _, ok := north.message(1, now, (*told).next); !ok {
			break
		}
	}
	if messages < maxKept/2/link.MaxUseEntries || messages > maxKept/link.MaxUseEntries*2 || north.own[1].fresh != 0 {
		t.Errorf("%d messages, %d fresh", messages, north.own[1].fresh)
	}
	north.forget(1, today+1)
	if len(north.own[1].kept) != 0 {
		t.Error("uses of days that are over are kept")
	}
}
