package chaos

import (
	"context"
	"net/http"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/simulator/harm"
	"turnstile/simulator/site"
)

// patience bounds what a campus may take for anything in this test.
const patience = time.Minute

// await asks again and again until done, or fails.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// TestRevocationAfterFullDisk fills central's disk while heads are due and the
// lane's network breaks, and revokes a pass when both are well again: the lane refuses it, and central's
// ledger goes on, without a start of anything.
func TestRevocationAfterFullDisk(t *testing.T) {
	t.Parallel()
	s, err := site.Start(t.Context(), site.Config{Programs: programs, Data: t.TempDir(), Heads: time.Second,
		Agents: []site.AgentSetup{{ID: "north", Lanes: []site.LaneSetup{{Name: "North", AutoWalk: 50 * time.Millisecond, Window: time.Second}}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, central := t.Context(), s.Central()
	healthy := func() bool {
		res, err := http.Get(s.API.URL + "/healthz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	}
	p, err := s.API.Issue(ctx, office.OrderBody{Kind: "ecard", Day: site.Today(time.Now()), Zones: []int{0}, Start: "00:00", Length: "25h", Holder: "A0000001"})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "central is well", healthy)
	if err := harm.Limit(central, 0); err != nil {
		t.Fatal(err)
	}
	await(t, "central says that its disk is full", func() bool { return !healthy() })
	if _, err := s.API.Set(ctx, p.ID, "revoke", "on a full disk"); err == nil {
		t.Fatal("a revocation on a full disk is said to be stored")
	}
	if err := s.Agents[0].Lanes[0].Scanner.Scan(ctx, p.Code); err != nil {
		t.Fatal(err)
	}
	await(t, "the lane lets in meanwhile", func() bool { return s.Agents[0].Lanes[0].Controller.State().Openings == 1 })
	wait(ctx, 3*time.Second) // three heads
	s.Agents[0].Cable.Cut()  // a broker that is stuck takes no new connection either
	await(t, "the lane is gone", func() bool {
		lanes, err := s.API.Lanes(ctx)
		return err == nil && len(lanes) == 1 && !lanes[0].Alive
	})
	if err := harm.Limit(central, harm.Unlimited); err != nil {
		t.Fatal(err)
	}
	s.Agents[0].Cable.Join()
	await(t, "central is well again", healthy)
	if _, err := s.API.Set(ctx, p.ID, "revoke", "there is room"); err != nil {
		t.Fatal(err)
	}
	await(t, "the lane refuses", func() bool {
		p, err := s.API.Find(ctx, p.ID)
		return err == nil && p.RefusedBy != nil && p.RefusedBy.Lanes == 1
	})
	await(t, "the lane's entries are in the ledger", func() bool {
		lanes, err := s.API.Lanes(ctx)
		return err == nil && len(lanes) == 1 && lanes[0].Journal > 2 && lanes[0].Backlog == 0
	})
	if s.Central() != central {
		t.Error("central was started again")
	}
}
