package endtoend

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"turnstile/agent/neighbours"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/simulator/site"
)

// hard makes all zones refuse what is inside, and lanes that are cut off answer for
// their own passes alone.
func hard(t *testing.T, s *site.Site) {
	t.Helper()
	changeRules(t, s, 3, func(rules map[string]any) {
		for _, z := range rules["zones"].([]any) {
			zone := z.(map[string]any)
			zone["passback"], zone["apart"] = "hard", "home"
		}
	})
}

// TestInsideAtTheOtherGate lets somebody in at one gate; the other refuses the
// same pass at once, told by the broker.
func TestInsideAtTheOtherGate(t *testing.T) {
	s := campus(t, site.Config{}, "north", "south")
	synced(t, s)
	hard(t, s)
	north, south := s.Agents[0], s.Agents[1]
	until(t, "both know of each other", func() bool { return members(t, north) == 1 && members(t, south) == 1 })
	p, g := issue(t, s, nil), issue(t, s, guest)
	walk(t, north, p.Code)
	ledger(t, s, p.ID, "granted", "passed")
	knowsAll(t, s, north, south)
	refused(t, south, p.Code, "ALREADY_INSIDE")
	walk(t, north, g.Code)
	ledger(t, s, g.ID, "granted", "passed")
	knowsAll(t, s, north, south)
	refused(t, south, g.Code, "ALREADY_INSIDE")

	// Nobody walked: the entry is given back, at the other gate too.
	north.Lanes[0].Controller.SetAutoWalk(0)
	h := issue(t, s, guest)
	walk(t, north, h.Code) // the gate opens and locks again
	ledger(t, s, h.ID, "granted", "not_passed")
	knowsAll(t, s, north, south)
	walk(t, south, h.Code)
	ledger(t, s, h.ID, "granted", "not_passed", "granted", "passed")
}

// knowsAll waits until a controller has heard of each use at another one that central
// has: the other tells both, and either may know first.
func knowsAll(t *testing.T, s *site.Site, from, to *site.Agent) {
	t.Helper()
	rows, err := s.API.Passages(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var newest uint64
	for _, r := range rows {
		if used := r.Type == "granted" || r.Type == "passed" || r.Type == "not_passed"; used && r.Controller == from.ID {
			newest = max(newest, r.Seq)
		}
	}
	if newest == 0 {
		t.Fatalf("nobody was let in at %s", from.ID)
	}
	until(t, fmt.Sprintf("%s knows what %s did up to %d", to.ID, from.ID, newest), func() bool {
		return status(t, to).Neighbours.Zones[0].Peers[0].Known >= newest
	})
}

// TestInsideWithoutCentral does the same by multicast alone, with central and its
// broker dead and an agent started anew in between. Two lanes of another zone, which
// have no multicast, let in only whom they answer for.
func TestInsideWithoutCentral(t *testing.T) {
	var config site.Config
	for zone, ids := range [][]string{{"north", "south"}, {"west", "east"}} {
		for _, id := range ids {
			lane := site.LaneSetup{Name: id, Zone: zone, AutoWalk: walkTime}
			config.Agents = append(config.Agents, site.AgentSetup{ID: id, Lanes: []site.LaneSetup{lane}})
		}
	}
	config.Agents[0].Multicast, config.Agents[1].Multicast = "239.84.83.17:7744", "239.84.83.17:7744"
	s := campus(t, config)
	synced(t, s)
	hard(t, s)
	north, south, west := s.Agents[0], s.Agents[1], s.Agents[2]
	p := issue(t, s, nil)
	own, other := passAtHome(t, s, west.ID), passAtHome(t, s, "east")
	until(t, "all know of each other", func() bool {
		return heard(t, north, "south") && heard(t, south, "north") && members(t, west) == 1
	})
	s.Central().Kill()
	walk(t, north, p.Code)
	until(t, "south knows who went in", func() bool { return status(t, south).Neighbours.Zones[0].Peers[0].Known > 0 })
	refused(t, south, p.Code, "ALREADY_INSIDE")
	if err := south.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := south.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "south hears north again", func() bool { return heard(t, south, "north") })
	refused(t, south, p.Code, "ALREADY_INSIDE")
	until(t, "west is alone", func() bool { return status(t, west).Neighbours.Zones[0].Apart })
	walk(t, west, own.Code)
	refused(t, west, other.Code, "HOME_LANE")
	if err := s.StartCentral(); err != nil {
		t.Fatal(err)
	}
}

// passAtHome issues passes for the zone of west and east until one has that home:
// each has one of the two by its random number.
func passAtHome(t *testing.T, s *site.Site, home string) office.PassBody {
	t.Helper()
	for range 100 {
		p := issue(t, s, func(o *office.OrderBody) { o.Zones = []int{1} })
		var id pass.ID
		id.Day, id.Index = parseID(t, p.ID)
		if neighbours.HomeOf(&link.Lanes{Zone: 1, Lanes: []link.Peer{{ID: "east"}, {ID: "west"}}}, id) == home {
			return p
		}
	}
	t.Fatalf("none of 100 passes has its home at %s", home)
	return office.PassBody{}
}

func parseID(t *testing.T, id string) (day pass.Day, index uint32) {
	t.Helper()
	at := strings.LastIndexAny(id, "-/")
	day, err := pass.ParseDay(id[:at])
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(id[at+1:], 10, 24)
	if err != nil {
		t.Fatal(err)
	}
	return day, uint32(n)
}

// heard reports whether an agent hears another one by multicast.
func heard(t *testing.T, a *site.Agent, id string) bool {
	t.Helper()
	for _, p := range status(t, a).Neighbours.Zones[0].Peers {
		if p.Lane == id {
			return p.There
		}
	}
	return false
}

// members is how many other controllers of its zone an agent knows.
func members(t *testing.T, a *site.Agent) int { return len(status(t, a).Neighbours.Zones[0].Peers) }
