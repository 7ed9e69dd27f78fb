package endtoend

import (
	"strings"
	"testing"

	"turnstile/simulator/site"
)

// TestCentralDown kills central; the lane goes on; central comes back; nothing
// is lost and nothing is there twice.
func TestCentralDown(t *testing.T) {
	s := campus(t, site.Config{}, "north", "south")
	throughOutage(t, s, s.Central().Kill, s.StartCentral)
}

// TestNetworkCut cuts one lane off; it goes on, and catches up.
func TestNetworkCut(t *testing.T) {
	s := campus(t, site.Config{}, "north", "south")
	synced(t, s)
	north, south := s.Agents[0], s.Agents[1]
	first, second := issue(t, s, nil), issue(t, s, nil)
	north.Cable.Cut()
	if _, err := s.API.Set(t.Context(), second.ID, "revoke", "lost"); err != nil {
		t.Fatal(err)
	}
	until(t, "one of two lanes refuses it", func() bool {
		p, err := s.API.Find(t.Context(), second.ID)
		return err == nil && p.RefusedBy.Lanes == 1 && p.RefusedBy.Missing[0].ID == "north"
	})
	refused(t, south, second.Code, "REVOKED")
	walk(t, north, first.Code)
	walk(t, north, second.Code) // it cannot know yet; the ledger will say so
	north.Cable.Join()
	synced(t, s)
	refused(t, north, second.Code, "REVOKED")
	ledger(t, s, first.ID, "granted", "passed")
	gapless(t, s)
}

// TestKillBetweenGrantAndPassage cuts an agent's power while the lane stands
// open: the outcome is unknown, and a single entry counts as used.
func TestKillBetweenGrantAndPassage(t *testing.T) {
	lane := site.LaneSetup{Name: "north"} // nobody walks by himself
	s := campus(t, site.Config{Agents: []site.AgentSetup{{ID: "north", Lanes: []site.LaneSetup{lane}}}})
	synced(t, s)
	a, p := s.Agents[0], issue(t, s, guest)
	hasGate(t, a)
	scan(t, a, p.Code)
	until(t, "the lane opens", func() bool { return a.Lanes[0].Controller.State().Openings == 1 })
	a.Process().Kill()
	until(t, "the controller locks by itself", func() bool {
		c := a.Lanes[0].Controller.State()
		return c.Locked && !c.Relay
	})
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	ledger(t, s, p.ID, "granted", "unknown")
	refused(t, a, p.Code, "ALREADY_USED")
	if n := a.Lanes[0].Controller.State().Openings; n != 1 {
		t.Errorf("the gate opened %d times for one entry", n)
	}
	gapless(t, s)
}

// TestBadScans sends what visitors and broken wires send; the next good scan works.
func TestBadScans(t *testing.T) {
	s := campus(t, site.Config{}, "north")
	synced(t, s)
	a := s.Agents[0]
	bad := []string{
		strings.Repeat("A", 5000) + "\r\n", // oversized
		"\x00\xff\x80\x01binary\x00\r\n",   // binary
		"https://example.org/menu\r\n",     // some other QR code
		"]Q1CEAAAA",                        // broken off
		strings.Repeat("7", 141) + "\r",    // the right length, not ours
		"%%NoRead\r\n\r\n\r\n",             // nothing
	}
	for _, text := range bad {
		if err := a.Lanes[0].Scanner.Send(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
		walk(t, a, issue(t, s, nil).Code)
	}
	p := issue(t, s, nil)
	twice := p.Code + "\r\n" + p.Code + "\r\n" // the engine reads it twice
	if err := a.Lanes[0].Scanner.Send(t.Context(), []byte(twice)); err != nil {
		t.Fatal(err)
	}
	ledger(t, s, p.ID, "granted", "passed")
	if n := a.Lanes[0].Controller.State().Openings; n != uint64(len(bad))+1 {
		t.Errorf("the gate opened %d times", n)
	}
}

// TestScannerUnplugged pulls and plugs the scanner; the next scan works.
func TestScannerUnplugged(t *testing.T) {
	s := campus(t, site.Config{}, "north")
	synced(t, s)
	a := s.Agents[0]
	for range 3 {
		a.Lanes[0].Scanner.Unplug()
		until(t, "the agent misses its scanner", func() bool { return !hasScanner(t, a) })
		if err := a.Lanes[0].Scanner.Plug(); err != nil {
			t.Fatal(err)
		}
		until(t, "the agent has its scanner again", func() bool { return hasScanner(t, a) })
		walk(t, a, issue(t, s, nil).Code)
	}
	ledgerHas(t, s, "scanner_lost")
	ledgerHas(t, s, "scanner_found")
}

func hasScanner(t *testing.T, a *site.Agent) bool {
	t.Helper()
	status, err := a.Status()
	if err != nil || len(status.Lanes) == 0 {
		t.Fatal(err)
	}
	return status.Lanes[0].Scanners[0].Connected
}

// ledgerHas waits for an entry of the type.
func ledgerHas(t *testing.T, s *site.Site, entry string) {
	t.Helper()
	until(t, "the ledger has "+entry, func() bool {
		all, err := s.API.Passages(t.Context(), 0)
		for _, r := range all {
			if r.Type == entry {
				return err == nil
			}
		}
		return false
	})
}
