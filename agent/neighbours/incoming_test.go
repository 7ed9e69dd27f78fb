package neighbours

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

var address = netip.MustParseAddr("192.0.2.7")

var topics = link.Topics{Site: site}

// TestRelayed: uses that central passes on.
func TestRelayed(t *testing.T) {
	south := newHouse(t, "south")
	south.learn(t, lanes(1, 1, "north", "south"))
	good := entry(link.EntryGranted, 4, 1, 9)
	elsewhere := entry(link.EntryGranted, 4, 2, 9)
	site2, err := link.Seal(signer("north"), link.TypeUse, "other", link.Use{Lane: "north", Zone: 1})
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(*link.Entry)) []byte {
		e := good
		f(&e)
		return use(t, "north", 1, now, e)
	}
	for _, c := range []struct {
		name  string
		data  []byte
		want  error
		count func(Counts) uint64
	}{
		{"own", use(t, "south", 1, now, good), nil, func(c Counts) uint64 { return 1 - min(c.Messages, 1) }},
		{"stranger", use(t, "east", 1, now, good), nil, func(c Counts) uint64 { return c.Strangers }},
		{"another's name", seal(t, signer("north"), link.TypeUse, link.Use{Lane: "west", Zone: 1}), link.ErrForged, func(c Counts) uint64 { return c.Forged }},
		{"another site", site2, link.ErrForged, func(c Counts) uint64 { return c.Forged }},
		{"another type", seal(t, signer("north"), link.TypeAsk, link.Use{Lane: "north", Zone: 1}), link.ErrMalformed, func(c Counts) uint64 { return c.Malformed }},
		{"a zone without it", use(t, "north", 2, now, elsewhere), nil, func(c Counts) uint64 { return c.Foreign }},
		{"zone 200", use(t, "north", 200, now), nil, func(c Counts) uint64 { return c.Foreign }},
		{"entries of two zones", use(t, "north", 1, now, good, elsewhere), link.ErrMalformed, func(c Counts) uint64 { return c.Malformed }},
		{"supervisor code", change(func(e *link.Entry) { e.Kind = pass.Supervisor }), link.ErrMalformed, nil},
		{"free passage", change(func(e *link.Entry) { e.Flags = link.FlagFreePassage }), link.ErrMalformed, nil},
		{"denied", change(func(e *link.Entry) { e.Type = link.EntryDenied }), link.ErrMalformed, nil},
		{"no direction", change(func(e *link.Entry) { e.Direction = 0 }), link.ErrMalformed, nil},
		{"no lane", change(func(e *link.Entry) { e.Lane = 0 }), link.ErrMalformed, nil},
		{"result without grant", change(func(e *link.Entry) { e.Type = link.EntryPassed }), link.ErrMalformed, nil},
		{"result before its grant", change(func(e *link.Entry) { e.Type, e.Grant = link.EntryPassed, 4 }), link.ErrMalformed, nil},
		{"grant with a grant", change(func(e *link.Entry) { e.Grant = 3 }), link.ErrMalformed, nil},
		{"too long", bytes.Repeat([]byte{0xa5}, link.MaxUse+1), link.ErrOversized, nil},
		{"nothing", nil, link.ErrMalformed, nil},
		{"only a head", useHead, link.ErrMalformed, nil},
	} {
		before := south.Status(now).Counts
		err := south.Handle(topics.ZoneUse(1), c.data, now)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		after := south.Status(now).Counts
		if c.count != nil && c.count(after) == 0 || c.count == nil && after.Malformed == before.Malformed {
			t.Errorf("%s was not counted: %+v", c.name, after)
		}
	}
	if got := south.all(); len(got) != 0 {
		t.Fatalf("took %+v", got)
	}
	if err := south.Handle(topics.ZoneUse(2), use(t, "north", 1, now, good), now); !errors.Is(err, link.ErrMalformed) {
		t.Errorf("on another zone's topic: %v", err)
	}
	m := use(t, "north", 1, now.Add(time.Second), good)
	for range 2 {
		if err := south.Handle(topics.ZoneUse(1), m, now); err != nil {
			t.Fatal(err)
		}
	}
	if got := south.all(); len(got) != 1 || got[0] != (taken{"north", journalOf("north"), good}) {
		t.Errorf("took %+v", got)
	}
	if err := south.Handle("tg/1/campus/z/9/use", []byte("x"), now); err != nil {
		t.Errorf("a topic of another zone: %v", err)
	}
}

// TestEveryBit flips each bit of a USE.
func TestEveryBit(t *testing.T) {
	south := newHouse(t, "south")
	south.learn(t, lanes(1, 1, "north", "south"))
	m := use(t, "north", 1, now, entry(link.EntryGranted, 4, 1, 9), entry(link.EntryPassed, 5, 1, 9))
	at := now
	for i := range len(m) * 8 {
		b := bytes.Clone(m)
		b[i/8] ^= 1 << (i % 8)
		at = at.Add(time.Minute) // the limits are another test's
		south.datagram(b, address, at)
	}
	if c := south.Status(now).Counts; len(south.all()) != 0 || c.Messages != 0 || c.Forged < 1000 || c.Busy != 0 {
		t.Errorf("took %d: %+v", len(south.all()), c)
	}
	south.datagram(m, address, at)
	if len(south.all()) != 2 {
		t.Error("the message itself is not taken")
	}
}

// TestDays: passes of other days are left out, unless the clock does not tell the day.
func TestDays(t *testing.T) {
	sure := true
	south := newHouse(t, "south", func(c *Config) { c.Day = func(time.Time) (pass.Day, bool) { return today, sure } })
	south.learn(t, lanes(1, 1, "north", "south"))
	var all []link.Entry
	for i, d := range []pass.Day{today - 2, today - 1, today, today + 1, today + 2} {
		e := entry(link.EntryGranted, uint64(i+1), 1, 9)
		e.Pass.Day = d
		all = append(all, e)
	}
	south.datagram(use(t, "north", 1, now, all...), address, now)
	if got := south.all(); len(got) != 3 || !south.has("north", all[1:4]...) || south.Status(now).Counts.Old != 2 {
		t.Errorf("took %+v", got)
	}
	if known := south.Status(now).Zones[0].Peers[0].Known; known != 5 {
		t.Errorf("north's uses are known up to %d, want 5", known)
	}
	sure = false
	south.datagram(use(t, "north", 1, now.Add(time.Second), all...), address, now)
	if !south.has("north", all...) {
		t.Error("a lane that does not know the day does not take all")
	}
}

// TestFlood: whoever is on the gate network and knows a neighbour's key id makes a
// controller check a bounded number of signatures, and does not silence those that
// come from other addresses.
func TestFlood(t *testing.T) {
	south := newHouse(t, "south")
	south.learn(t, lanes(1, 1, "north", "south"))
	south.datagram(use(t, "north", 1, now), address, now)
	forged := use(t, "north", 1, now, entry(link.EntryGranted, 4, 1, 9))
	const seconds, each = 10, 5000
	for s := range seconds {
		at := now.Add(time.Duration(s) * time.Second)
		for i := range each {
			forged[len(forged)-1-i%32]++
			from := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			if s%2 == 0 {
				from = netip.MustParseAddr("10.9.9.9")
			}
			south.datagram(forged, from, at)
		}
		south.datagram(use(t, "north", 1, at.Add(time.Second), entry(link.EntryGranted, uint64(10+s), 1, 9)), address, at)
	}
	c := south.Status(now).Counts
	if c.Forged == 0 || c.Forged > (seconds+burst)*strangerRate || c.Forged+c.Busy < seconds*each*9/10 {
		t.Errorf("%+v", c)
	}
	if got := len(south.all()); got != seconds {
		t.Errorf("%d of the neighbour's %d uses were taken: %+v", got, seconds, c)
	}
	if n := len(south.limits.sources); n > maxSources {
		t.Errorf("%d addresses are told apart", n)
	}
}

// TestBrokerFlood: neither does a broker.
func TestBrokerFlood(t *testing.T) {
	south := newHouse(t, "south")
	south.learn(t, lanes(1, 1, "north", "south"))
	forged := use(t, "north", 1, now, entry(link.EntryGranted, 4, 1, 9))
	refused := 0
	for i := range 5000 {
		forged[len(forged)-1-i%32]++
		if south.Handle(topics.ZoneUse(1), forged, now) != nil {
			refused++
		}
	}
	if refused != burst*brokerRate {
		t.Errorf("%d signatures were checked", refused)
	}
}

// TestTakeRecords: Take may write to the journal, which calls Took.
func TestTakeRecords(t *testing.T) {
	var south *house
	south = newHouse(t, "south", func(c *Config) {
		c.Take = func(string, link.JournalID, link.Entry, time.Time) {
			south.Took(entry(link.EntryGranted, 77, 1, 9))
			south.Apart(1, now)
			south.Home(1, pass.ID{})
		}
	})
	south.learn(t, lanes(1, 1, "north", "south"))
	south.datagram(use(t, "north", 1, now, entry(link.EntryGranted, 4, 1, 9)), address, now)
	if _, ok := south.message(1, now, (*told).next); !ok {
		t.Error("the entry was not taken")
	}
}

// TestPublish: the broker gets each use while it is there, and nothing waits
// without bound.
func TestPublish(t *testing.T) {
	north, south := newHouse(t, "north"), newHouse(t, "south")
	south.learn(t, lanes(1, 1, "north", "south"))
	north.runs(t)
	off := entry(link.EntryGranted, 1, 1, 9)
	north.Took(off)
	eventually(t, "the first flush", func() bool {
		north.Neighbours.mu.Lock()
		defer north.Neighbours.mu.Unlock()
		return north.own[1].fresh == 0
	})
	north.Connected(true)
	want := []link.Entry{entry(link.EntryGranted, 2, 1, 9), entry(link.EntryPassed, 3, 1, 9)}
	for _, e := range want {
		north.Took(e)
	}
	for !south.has("north", want...) {
		select {
		case m := <-north.Outgoing():
			if err := south.Handle(topics.ZoneUse(1), m, now); err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("the uses are not published")
		}
	}
	for range 3 * outgoingSize {
		north.publish([]byte("m"))
	}
	if c := north.Status(now).Counts; c.Unpublished < outgoingSize || len(north.Outgoing()) != outgoingSize {
		t.Errorf("%+v", c)
	}
	if got := north.Topics(); !slices.Equal(got, []string{"tg/1/campus/z/1/#", "tg/1/campus/z/2/#"}) {
		t.Errorf("topics %v", got)
	}
}

// FuzzDatagram: whatever comes from the gate network, nothing is taken but what a
// neighbour signed.
func FuzzDatagram(f *testing.F) {
	good := use(f, "north", 1, now, entry(link.EntryGranted, 4, 1, 9), entry(link.EntryPassed, 5, 1, 9))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(append(bytes.Clone(good), 0))
	f.Add(use(f, "north", 1, now))
	f.Add(use(f, "north", 2, now))
	f.Add(use(f, "south", 1, now))
	f.Add(use(f, "east", 1, now))
	f.Add(use(f, "north", 1, now, entry(link.EntryDenied, 4, 1, 9)))
	f.Add(seal(f, signer("keyset"), link.TypeLanes, lanes(1, 9, "east")))
	f.Add(useHead)
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 65507))
	south := newHouse(f, "south")
	south.learn(f, lanes(1, 1, "north", "south"))
	at := now
	f.Fuzz(func(t *testing.T, data []byte) {
		at = at.Add(time.Minute)
		south.known = memory{}
		before, counts := len(south.all()), south.Status(at).Counts
		south.datagram(data, address, at)
		if len(south.all()) != before && !bytes.Equal(data, good) {
			t.Errorf("%x was taken", data)
		}
		if now := south.Status(at).Counts; now.Busy != counts.Busy || bytes.Equal(data, good) && now.Taken != counts.Taken+2 {
			t.Errorf("%+v, then %+v", counts, now)
		}
	})
}

// FuzzHandle: the same for what the broker delivers.
func FuzzHandle(f *testing.F) {
	document := seal(f, signer("keyset"), link.TypeLanes, lanes(1, 2, "east", "north", "south"))
	answer := seal(f, signer("status"), link.TypeUses, link.Uses{Lane: "south", Next: 9, Groups: []link.UseGroup{
		{Lane: "north", Journal: journalOf("north"), Entries: raw(entry(link.EntryGranted, 4, 1, 9))}}})
	good := use(f, "north", 1, now, entry(link.EntryGranted, 4, 1, 9))
	for _, m := range [][]byte{document, answer, good, document[:9], answer[:99], {}, {0xa5}} {
		for which := range byte(3) {
			f.Add(which, m)
		}
	}
	south := newHouse(f, "south")
	south.learn(f, lanes(1, 1, "north", "south"))
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		south.known = memory{}
		before, version := len(south.all()), south.version()
		topic := []string{topics.ZoneUse(1), topics.ZoneLanes(1), topics.Repeat("south")}[which%3]
		err := south.Handle(topic, data, now)
		if len(south.all()) != before && !bytes.Equal(data, good) && !bytes.Equal(data, answer) {
			t.Errorf("%x was taken: %v", data, err)
		}
		if south.version() != version && !bytes.Equal(data, document) {
			t.Errorf("%x is in force", data)
		}
	})
}

// TestRunEnds with an interface that is not there: Run goes on and says why.
func TestRunEnds(t *testing.T) {
	h := newHouse(t, "north", func(c *Config) { c.Multicast = Multicast{"239.84.83.1:7744", "nowhere0"} })
	stop := h.runs(t)
	eventually(t, "the reason", func() bool { return len(h.Status(now).Multicast) > len("opening") })
	stop()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Run(ctx); err != nil {
		t.Error(err)
	}
	if text := h.log.String(); bytes.Count([]byte(text), []byte("nowhere0")) == 0 {
		t.Errorf("the log says %q", fmt.Sprint(text))
	}
}
