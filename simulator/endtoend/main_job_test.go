package endtoend

import (
	"encoding/base32"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/symbol"
	"turnstile/simulator/site"
)

// TestMainJob issues a code, reads it from its picture, walks, and finds the
// passage in the ledger exactly once; then revokes it.
func TestMainJob(t *testing.T) {
	s := campus(t, site.Config{}, "north", "south")
	synced(t, s)
	north, south := s.Agents[0], s.Agents[1]

	p := issue(t, s, nil)
	picture, err := s.API.Picture(t.Context(), p.ID, "png")
	if err != nil {
		t.Fatal(err)
	}
	text, err := symbol.ReadPicture(picture)
	if err != nil || text != p.Code {
		t.Fatalf("the picture reads %q, %v", text, err)
	}
	walk(t, north, text)
	rows := ledger(t, s, p.ID, "granted", "passed")
	if rows[0].Reason != "GRANTED" || rows[1].Grant != rows[0].Seq || rows[0].Holder != "A1234567" {
		t.Errorf("rows: %+v", rows)
	}

	revoked, err := s.API.Set(t.Context(), p.ID, "revoke", "test")
	if err != nil || revoked.Status != "revoked" {
		t.Fatal(revoked.Status, err)
	}
	until(t, "both lanes refuse it, and central knows", func() bool {
		found, err := s.API.Find(t.Context(), p.ID)
		return err == nil && found.RefusedBy != nil && found.RefusedBy.Lanes == 2 && found.RefusedBy.Of == 2
	})
	refused(t, north, text, "REVOKED")
	refused(t, south, text, "REVOKED")

	// Durably: with a dead network, after a power cut.
	for _, a := range s.Agents {
		a.Cable.Cut()
		a.Process().Kill()
		if err := a.Start(); err != nil {
			t.Fatal(err)
		}
		refused(t, a, text, "REVOKED")
	}
	for _, a := range s.Agents {
		a.Cable.Join()
	}
	ledger(t, s, p.ID, "granted", "passed", "denied", "denied", "denied", "denied")
	gapless(t, s)
}

// TestHoldAndRelease holds a pass and lets it go again.
func TestHoldAndRelease(t *testing.T) {
	s := campus(t, site.Config{}, "north")
	synced(t, s)
	a, p := s.Agents[0], issue(t, s, guest)
	for _, step := range []struct{ verb, reason string }{{"hold", "HELD"}, {"revoke", "REVOKED"}} {
		if _, err := s.API.Set(t.Context(), p.ID, step.verb, "test"); err != nil {
			t.Fatal(err)
		}
		synced(t, s)
		refused(t, a, p.Code, step.reason)
	}
	if _, err := s.API.Set(t.Context(), p.ID, "release", "test"); err != nil {
		t.Fatal(err)
	}
	synced(t, s)
	walk(t, a, p.Code)
	refused(t, a, p.Code, "ALREADY_USED")
}

// TestLiveCode walks with a live code, and is refused with its screenshot and
// with the plain code in it.
func TestLiveCode(t *testing.T) {
	s := campus(t, site.Config{}, "north")
	synced(t, s)
	a := s.Agents[0]
	p := issue(t, s, func(o *office.OrderBody) { o.Live = true })
	if len(p.Code) != 154 {
		t.Fatalf("a live code has %d characters", len(p.Code))
	}
	until(t, "the lane has today's gate key", func() bool { return gateKeyThere(t, a, p.Code) })
	walk(t, a, p.Code)
	refused(t, a, p.Code, "LIVE_REPLAYED")
	refused(t, a, withoutTail(t, p.Code), "LIVE_REQUIRED")
}

// withoutTail returns the plain code that stands in a live one.
func withoutTail(t *testing.T, live string) string {
	t.Helper()
	encoding := base32.StdEncoding.WithPadding(base32.NoPadding)
	raw, err := encoding.DecodeString(live)
	if err != nil || len(raw) != pass.LiveSize {
		t.Fatal(len(raw), err)
	}
	return encoding.EncodeToString(raw[:pass.Size])
}

// gateKeyThere asks the agent's own check, which decides without opening.
func gateKeyThere(t *testing.T, a *site.Agent, code string) bool {
	t.Helper()
	out, err := a.Check(code)
	return err == nil && out.Reason == "GRANTED"
}

// TestTwoLanesOfOneAgent walks through both lanes of one controller.
func TestTwoLanesOfOneAgent(t *testing.T) {
	lanes := []site.LaneSetup{{Name: "left", AutoWalk: walkTime}, {Name: "right", AutoWalk: walkTime, Zone: 1}}
	s := campus(t, site.Config{Agents: []site.AgentSetup{{ID: "pair", Lanes: lanes}}})
	synced(t, s)
	p := issue(t, s, func(o *office.OrderBody) { o.Zones = []int{1} })
	a := s.Agents[0]
	refused(t, a, p.Code, "WRONG_ZONE")
	right := a.Lanes[1]
	if err := right.Scanner.Scan(t.Context(), p.Code); err != nil {
		t.Fatal(err)
	}
	until(t, "the right lane opens", func() bool { return right.Controller.State().Openings == 1 })
	rows := ledger(t, s, p.ID, "denied", "granted", "passed")
	if rows[0].Lane != 1 || rows[1].Lane != 2 {
		t.Errorf("lanes %d and %d", rows[0].Lane, rows[1].Lane)
	}
}

// TestNobodyWalks gives the entry back when nobody walked.
func TestNobodyWalks(t *testing.T) {
	lane := site.LaneSetup{Name: "north", Window: time.Second}
	s := campus(t, site.Config{Agents: []site.AgentSetup{{ID: "north", Lanes: []site.LaneSetup{lane}}}})
	synced(t, s)
	a, p := s.Agents[0], issue(t, s, guest)
	hasGate(t, a)
	scan(t, a, p.Code)
	ledger(t, s, p.ID, "granted", "not_passed")
	a.Lanes[0].Controller.SetAutoWalk(walkTime)
	until(t, "the lane takes the next scan", func() bool { return a.Lanes[0].Controller.State().Locked })
	walk(t, a, p.Code)
	ledger(t, s, p.ID, "granted", "not_passed", "granted", "passed")
}
