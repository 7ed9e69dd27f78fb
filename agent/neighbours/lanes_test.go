package neighbours

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

func TestLanes(t *testing.T) {
	dir := t.TempDir()
	inDir := func(c *Config) { c.Dir = dir }
	h := newHouse(t, "south", inDir)
	handle := func(by string, zone uint8, l link.Lanes) error {
		return h.Handle(topics.ZoneLanes(zone), seal(t, signer(by), link.TypeLanes, l), now)
	}
	if err := handle("keyset", 1, lanes(1, 5, "north", "south")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		by   string
		l    link.Lanes
		want error
	}{
		{"the status role's", "status", lanes(1, 6, "north"), link.ErrUnknown},
		{"a lane's", "north", lanes(1, 6, "north"), link.ErrUnknown},
		{"another zone's", "keyset", lanes(2, 6, "north"), link.ErrMalformed},
		{"ids twice", "keyset", lanes(1, 6, "north", "north"), link.ErrMalformed},
		{"another of the same version", "keyset", lanes(1, 5, "east", "south"), link.ErrForged},
		{"the same again", "keyset", lanes(1, 5, "north", "south"), nil},
		{"an older one", "keyset", lanes(1, 4, "east", "south"), nil},
	} {
		if err := handle(c.by, 1, c.l); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if z := h.Status(now).Zones[0]; z.Version != 5 || len(z.Peers) != 1 || z.Peers[0].Lane != "north" || !z.Member {
			t.Fatalf("%s: %+v", c.name, z)
		}
	}
	h.floor = 8
	if err := handle("keyset", 1, lanes(1, 7, "east", "south")); err != nil || h.version() != 0 || !h.Status(now).Zones[0].Behind {
		t.Errorf("below the head: %v, %+v", err, h.Status(now).Zones[0])
	}
	if err := handle("keyset", 2, lanes(2, 8, "east")); err != nil {
		t.Fatal(err)
	}
	again := newHouse(t, "south", inDir)
	if s := again.Status(now); s.Zones[0].Version != 5 || s.Zones[1].Version != 8 || s.Zones[1].Member || len(s.Zones[1].Peers) != 1 {
		t.Errorf("after a restart: %+v", s.Zones)
	}
	if v := again.version(); v != 5 {
		t.Errorf("the lowest version is %d", v)
	}
}

// TestLanesFiles: a file that cannot be used is as none, and is replaced.
func TestLanesFiles(t *testing.T) {
	dir := t.TempDir()
	inDir := func(c *Config) { c.Dir = dir }
	good := seal(t, signer("keyset"), link.TypeLanes, lanes(1, 5, "north", "south"))
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, data := range map[string][]byte{
		"empty": {}, "cut": good[:40], "flipped": flipped, "zeroed": make([]byte, len(good)), "long": make([]byte, link.MaxDocument+1),
		"another zone's": seal(t, signer("keyset"), link.TypeLanes, lanes(2, 5, "north")),
	} {
		if err := os.WriteFile(filepath.Join(dir, lanesFile(1)), data, 0o600); err != nil {
			t.Fatal(err)
		}
		h := newHouse(t, "south", inDir)
		if v := h.Status(now).Zones[0].Version; v != 0 || h.log.Len() == 0 {
			t.Errorf("%s: version %d, log %q", name, v, h.log.String())
		}
		h.learn(t, lanes(1, 5, "north", "south"))
		if v := newHouse(t, "south", inDir).Status(now).Zones[0].Version; v != 5 {
			t.Errorf("%s: version %d after it came again", name, v)
		}
	}
	// without the cache's delegation at first
	var d *link.Delegation
	late := newHouse(t, "south", inDir, func(c *Config) { c.Delegation = func() *link.Delegation { return d } })
	if err := late.Handle(topics.ZoneLanes(2), good, now); err != nil || late.version() != 0 {
		t.Errorf("a document before there are keys: %v", err)
	}
	d = delegation()
	late.readFiles()
	if v := late.Status(now).Zones[0].Version; v != 5 {
		t.Errorf("version %d once there is a delegation", v)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := late.Handle(topics.ZoneLanes(1), seal(t, signer("keyset"), link.TypeLanes, lanes(1, 6, "south")), now); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is gone: %v", err)
	}
	if v := late.Status(now).Zones[0].Version; v != 5 {
		t.Errorf("version %d that is not on the disk is in force", v)
	}
}

func TestApart(t *testing.T) {
	h := newHouse(t, "south")
	if !h.Apart(1, now) || !h.Apart(9, now) {
		t.Error("not apart though nobody is known")
	}
	h.learn(t, lanes(1, 1, "north", "south", "west"))
	hello := func(lane string, sent, at time.Time) { h.datagram(use(t, lane, 1, sent), address, at) }
	hello("north", now, now)
	if !h.Apart(1, now) {
		t.Error("not apart though west is missing")
	}
	recorded := use(t, "west", 1, now.Add(time.Second))
	h.datagram(recorded, address, now.Add(time.Second))
	if h.Apart(1, now.Add(2*time.Second)) {
		t.Error("apart though all were heard")
	}
	if !h.Apart(1, now.Add(-time.Hour)) || !h.Apart(1, now.Add(heardFor+time.Millisecond)) {
		t.Error("not apart though north was not heard in this time")
	}
	at := now.Add(time.Minute)
	hello("north", at, at)
	h.datagram(recorded, address, at)
	if !h.Apart(1, at) {
		t.Error("a hello that was played again at once shows west alive")
	}
	h.known = memory{} // as if more had come since than is remembered
	late := now.Add(sentWithin + 2*time.Second)
	hello("north", late, late)
	h.datagram(recorded, address, late)
	if !h.Apart(1, late) {
		t.Error("a hello from long ago shows west alive")
	}
	hello("west", late.Add(-time.Minute), late) // its clock is a minute behind
	if h.Apart(1, late) {
		t.Error("west is not heard")
	}
	hello("west", late.Add(-2*time.Minute), late.Add(heardFor))
	if z := h.Status(late.Add(heardFor)).Zones[0]; z.Peers[1].Lane != "west" || !z.Peers[1].Heard.Equal(late) {
		t.Errorf("an older hello counts: %+v", z)
	}
	back := late.Add(heardFor + time.Second)
	hello("west", late.Add(-2*time.Minute).Add(time.Second), back) // its clock was set back
	if z := h.Status(back).Zones[0]; !z.Peers[1].Heard.Equal(back) {
		t.Errorf("west is not heard after its clock was set back: %+v", z)
	}
	h.learn(t, lanes(1, 2, "south", "west"))
	if h.Apart(1, back) {
		t.Error("apart though the only other lane was heard before the new list")
	}
	h.learn(t, lanes(1, 3, "south"))
	if h.Apart(1, back.Add(time.Hour)) {
		t.Error("the only lane of a zone is apart")
	}
	h.datagram(use(t, "west", 1, back.Add(time.Minute), entry(link.EntryGranted, 4, 1, 9)), address, back)
	if len(h.all()) != 0 {
		t.Error("a lane that was taken off the list is believed")
	}
}

// TestHome fixes the hash, so that every implementation finds the same home.
func TestHome(t *testing.T) {
	l := lanes(1, 1, "north", "south", "west")
	got := ""
	for i := range uint32(12) {
		got += HomeOf(&l, pass.ID{Day: today, Index: i << 8})[:1]
	}
	if want := "wsssnnnwwnwn"; got != want {
		t.Errorf("homes %s, want %s", got, want)
	}
	if h := HomeOf(&link.Lanes{}, pass.ID{}); h != "" {
		t.Errorf("home %q without lanes", h)
	}
	south, west := newHouse(t, "south"), newHouse(t, "west")
	if south.Home(1, pass.ID{}) || south.Home(9, pass.ID{}) {
		t.Error("at home without a list")
	}
	south.learn(t, l)
	west.learn(t, l)
	fewer := lanes(1, 2, "north", "south")
	counts, moved := map[string]int{}, 0
	const passes = 3000
	for i := range uint32(passes) {
		id := pass.ID{Day: today, Index: i}
		home := HomeOf(&l, id)
		counts[home]++
		if south.Home(1, id) != (home == "south") || west.Home(1, id) != (home == "west") {
			t.Fatalf("pass %d: the home %s is not", i, home)
		}
		if h := HomeOf(&fewer, id); h != home {
			moved++
			if home != "west" {
				t.Fatalf("pass %d moves from %s to %s", i, home, h)
			}
		}
	}
	for _, id := range []string{"north", "south", "west"} {
		if counts[id] < passes/3*9/10 {
			t.Errorf("%s is home of %d", id, counts[id])
		}
	}
	if moved != counts["west"] {
		t.Errorf("%d moved", moved)
	}
	other := lanes(2, 1, "north", "south", "west")
	same := 0
	for i := range uint32(100) {
		if HomeOf(&l, pass.ID{Index: i}) == HomeOf(&other, pass.ID{Index: i}) {
			same++
		}
	}
	if same > 60 {
		t.Errorf("%d of 100 have the same home in another zone", same)
	}
}

func BenchmarkHome(b *testing.B) {
	var ids []string
	for i := range 40 {
		ids = append(ids, fmt.Sprintf("gate-%02d", i))
	}
	l := lanes(1, 1, ids...)
	for b.Loop() {
		HomeOf(&l, pass.ID{Day: today, Index: 7})
	}
}
