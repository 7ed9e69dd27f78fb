package endtoend

import (
	"slices"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/simulator/site"
)

func live(o *office.OrderBody) { o.Live = true }

// phone shows the code of a live pass as it stands at the beginning of a slot, so
// that it is good for more than one slot still; it returns the slot too.
func phone(t *testing.T, s *site.Site, p office.PassBody) (text string, slot uint32) {
	t.Helper()
	now := time.Now().Unix()
	if now%15 > 5 {
		reach(t, pass.SlotAt(now)+1)
	}
	text, err := s.API.Code(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	code, r := pass.Parse([]byte(text))
	if r != pass.Granted || !code.Live {
		t.Fatalf("the phone shows %v, live %v", r, code.Live)
	}
	keepSecret(s, "live code of "+p.ID, text[141:])
	return text, pass.SlotAt(time.Now().Unix())
}

// reach waits until a slot begins, at most three of them.
func reach(t *testing.T, slot uint32) {
	t.Helper()
	wait := time.Until(time.Unix(15*int64(slot), 0))
	if wait > 3*15*time.Second {
		t.Fatalf("slot %d is %v away", slot, wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

// hesitate shows a code that must open, and does not walk; it waits until central
// knows.
func hesitate(t *testing.T, s *site.Site, a *site.Agent, p office.PassBody, text string) {
	t.Helper()
	a.Lanes[0].Controller.SetAutoWalk(0)
	defer a.Lanes[0].Controller.SetAutoWalk(walkTime)
	walk(t, a, text) // the gate opens and locks again
	until(t, "the ledger knows that nobody walked", func() bool {
		rows, err := s.API.Passages(t.Context(), 0)
		return err == nil && slices.ContainsFunc(rows, func(r office.PassageBody) bool { return r.Pass == p.ID && r.Type == "not_passed" })
	})
}

// TestLiveCodes shows live codes at two gates, as holders do and as people do who
// photographed a holder's phone.
func TestLiveCodes(t *testing.T) {
	t.Parallel()
	s := campus(t, site.Config{}, "north", "south")
	synced(t, s)
	north, south := s.Agents[0], s.Agents[1]
	until(t, "both know of each other", func() bool { return members(t, north) == 1 && members(t, south) == 1 })
	one, other := issue(t, s, live), issue(t, s, live)
	if one.Code == other.Code || !one.Live {
		t.Fatal("no live passes")
	}
	screenshot, taken := phone(t, s, other)

	// Nobody walks: the same code is good once more, here and at the other gate.
	shown, _ := phone(t, s, one)
	hesitate(t, s, north, one, shown)
	walk(t, north, shown)
	refused(t, north, shown, "LIVE_REPLAYED")
	ledger(t, s, one.ID, "granted", "not_passed", "granted", "passed", "denied")
	knowsAll(t, s, north, south)
	refused(t, south, shown, "LIVE_REPLAYED") // a copy
	next, slot := phone(t, s, other)
	hesitate(t, s, south, other, next)
	knowsAll(t, s, south, north)
	walk(t, north, next)
	ledger(t, s, other.ID, "granted", "not_passed", "granted", "passed")
	knowsAll(t, s, north, south)
	refused(t, south, next, "LIVE_REPLAYED")

	// The holder is let in at a second gate by what the phone shows then; a picture of what it showed before is old.
	reach(t, max(slot+1, taken+2))
	refused(t, north, screenshot, "LIVE_STALE")
	refused(t, south, screenshot, "LIVE_STALE")
	again, _ := phone(t, s, other)
	walk(t, south, again)
	recorded(t, s, other)
	apartLive(t, s, one)
	gapless(t, s)
}

// recorded waits for central's word of a pass that was in twice. The gates' entries
// come as they come.
func recorded(t *testing.T, s *site.Site, p office.PassBody) {
	t.Helper()
	count := map[string]int{}
	until(t, "central knows all of "+p.ID, func() bool {
		all, err := s.API.Passages(t.Context(), 0)
		clear(count)
		for _, r := range all {
			switch {
			case r.Pass != p.ID:
			case r.Type == "granted" && !r.Live:
				t.Fatalf("entry %d of %s was not shown live", r.Seq, r.Controller)
			case r.Type == "granted" && slices.Contains(r.Marks, "passback"): // in twice, and the zone's rule is soft
				count["marked"]++
				fallthrough
			default:
				count[r.Type]++
			}
		}
		return err == nil && count["passed"] == 2 && count["denied"] == 3
	})
	if count["granted"] != 3 || count["not_passed"] != 1 || count["marked"] != 1 || len(count) != 5 {
		t.Errorf("central has %v", count)
	}
}

// apartLive cuts both gates off: they need nobody to check what the phone shows;
// a copy is good once at each, as FORMAT.md says, until word of it comes, and then
// it is a conflict.
func apartLive(t *testing.T, s *site.Site, p office.PassBody) {
	t.Helper()
	north, south := s.Agents[0], s.Agents[1]
	for _, a := range s.Agents {
		a.Cable.Cut()
		until(t, a.ID+" is cut off", func() bool { return !status(t, a).Feed.Connected })
	}
	text, _ := phone(t, s, p)
	walk(t, north, text)
	refused(t, north, text, "LIVE_REPLAYED")
	walk(t, south, text)
	refused(t, south, text, "LIVE_REPLAYED")
	for _, a := range s.Agents {
		a.Cable.Join()
	}
	until(t, "the office sees that a copy was used", func() bool {
		rows, err := s.API.Passages(t.Context(), 0)
		return err == nil && slices.ContainsFunc(rows, func(r office.PassageBody) bool { return r.Pass == p.ID && r.Type == "conflict" })
	})
	synced(t, s)
}
