package campus

import (
	"errors"
	"slices"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/firmware-bridge/gate"
	"turnstile/simulator/device"
	"turnstile/simulator/promise"
)

// TestCheckFinds plants what must never be seen, and looks whether Check does.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{Lanes: DefaultLanes()[:1]})
	s.do("issue alumna ecard", "scan north alumna")
	s.until("alumna is in", came("north", "alumna", "passed"))
	s.whole()
	rows, err := s.Ledger(t.Context(), 0)
	zones, asked := s.Occupancy(t.Context())
	if err != nil || asked != nil || len(rows) < 2 || !slices.ContainsFunc(rows, func(p Passage) bool {
		return p.Lane == "north" && p.Pass == "alumna" && p.Way == "in" && p.Type == "passed"
	}) || len(zones) == 0 || zones[0].Inside != 1 {
		t.Errorf("central has %v, %v and counts %v, %v", rows, err, zones, asked)
	}
	// What was done at central's console is no violation: only nobody here knows of it.
	api, ctx := s.api.Load(), t.Context()
	p, err := api.Issue(ctx, office.OrderBody{Kind: "guest", Holder: "h", GuestName: "g", Day: today(s.View().Now), Zones: []int{0}, Start: "00:00", Length: "24h"})
	if err != nil {
		t.Fatal(err)
	}
	s.do("scan north text=" + p.Code)
	s.until("the guest is in", came("north", p.ID, "passed"))
	if err := api.Do(ctx, "POST", "/lanes/north/open", map[string]any{"lane": 1, "direction": "in", "reason": "x"}, nil); err != nil {
		t.Fatal(err)
	}
	s.until("opened by command", func(v View) bool { return v.last("north").Kind == "command" && v.last("north").Result == "passed" })
	s.whole()
	s.do("cable north cut") // with a fault on, what is broken for good is found all the same
	s.witness.Watch("north", 1, device.ControllerState{Openings: 99, LastGrant: 777})
	found, err := s.Check(t.Context())
	if err != nil || !slices.ContainsFunc(found, func(v promise.Violation) bool { return !v.Eventual() }) {
		t.Errorf("an opening without its grant: %v, %v", found, err)
	}
	watched := make(chan error, 1)
	go func() { watched <- s.Watch(t.Context()) }()
	for seen := false; !seen; {
		s.do("wait 50ms") // Watch hears of one of these
		select {
		case err := <-watched:
			broken, ok := errors.AsType[*Broken](err)
			if seen = true; !ok || len(broken.Found) == 0 || len(broken.Events) == 0 {
				t.Errorf("watched: %v", err)
			}
		default:
		}
	}
	if len(s.History()) < 3 {
		t.Errorf("history %v", s.History())
	}
}

// TestRecord: what was done is told as it was done, and what was refused is not.
func TestRecord(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{Lanes: DefaultLanes()[:1]})
	var told []string
	var last time.Duration
	s.Record(func(at time.Duration, a Act) {
		if at < last {
			t.Errorf("%s at %v, behind %v", a, at, last)
		}
		last, told = at, append(told, a.String())
	})
	lines := []string{"issue alumna ecard", `scan north text="a b"`, "scanner north out", "scanner north silent", "cable north cut", "heal"}
	s.do(lines[:3]...)
	if err := s.Do(t.Context(), Act{Verb: "revoke", Target: "nobody"}); !refused(err) {
		t.Fatal(err)
	}
	s.do(lines[3:]...)
	if !slices.Equal(told, lines) {
		t.Errorf("told %q, want %q", told, lines)
	}
	if v := s.View(); len(v.Standing) != 0 {
		t.Errorf("healed, and there stands %v", v.Standing)
	}
}

// TestClocks moves all clocks over midnight and over days, and one of them alone.
func TestClocks(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{Lanes: DefaultLanes()[:2]})
	s.do("rules 0 repeat=0s")
	s.until("the lane has the rules", s.obeys("north"))
	s.do("issue today ecard", "issue tomorrow ecard day=tomorrow", "scan north tomorrow")
	s.until("it is too early", decided("north", "TOO_EARLY"))
	s.do("advance 16h", "scan north tomorrow")
	s.until("tomorrow has come", came("north", "tomorrow", "passed"))
	s.do("scan south today")
	s.until("today is over", decided("south", "EXPIRED"))
	s.do("advance 72h", "issue later guest entries=1", "scan south later")
	s.until("days later", came("south", "later", "passed"))
	s.do("issue other ecard", "clock north +24h", "scan north other")
	s.until("a clock a day ahead is put right by central", came("north", "other", "passed"))
	s.do("cable north cut", "clock north right", "heal")
	if now := s.View().Now; now.In(zone).Day() != 27 {
		t.Errorf("it is %v", now)
	}
	s.whole()
}

// TestApart: a lane that is cut off marks, refuses what is too old, and both scanners
// of a lane have their way.
func TestApart(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	s.do("rules 0 passback=hard exit=hard repeat=0s", "issue alumna ecard", "issue visitor guest entries=1")
	s.until("the lane has the rules", s.obeys("south"))
	s.do("scan south alumna way=out")
	s.until("alumna was never in", decided("south", "NOT_INSIDE"))
	s.do("scan north alumna")
	s.until("alumna is in", came("north", "alumna", "passed"))
	s.do("cable library cut", "advance 25h", "issue late guest day=today", "scan library visitor")
	s.until("the visitor is of yesterday", decided("library", "EXPIRED"))
	s.do("scan library late")
	s.until("a lane that heard nothing for a day lets no guest in", decided("library", "STATUS_UNKNOWN"))
	s.do("heal")
	s.whole()
}

// TestWays is about what the steel shows.
func TestWays(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{Lanes: []LaneSpec{{ID: "left", Name: "Left", Controller: "gate", Zone: 3}, {ID: "right", Name: "Right", Controller: "gate", Zone: 3}}, Walk: time.Second})
	s.do("issue alumna staff zones=3", "scan right alumna")
	s.until("who is let in walks", func(v View) bool {
		return v.on("right").Open && v.on("right").Walking == "in" && v.on("right").Signal == gate.Granted.String()
	})
	s.until("and is in", came("right", "alumna", "passed"))
	if v := s.View(); v.on("left").Decisions != 0 || v.on("right").Number != 2 || v.on("right").Display == v.on("left").Display {
		t.Errorf("%+v", v.Lanes)
	}
	s.do("mode 3 free_passage", "issue once guest entries=1 zones=3")
	s.until("the lanes are free", s.obeys("gate"))
	for n := 1; n <= 2; n++ {
		s.do("scan left once")
		s.until("once is in", func(v View) bool { return v.on("left").Decisions == n && came("left", "once", "passed")(v) })
	}
	s.whole()
}
