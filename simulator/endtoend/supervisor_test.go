package endtoend

import (
	"testing"

	"turnstile/central/office"
	"turnstile/simulator/site"
)

// sheetFor has central issue supervisor codes for an agent's first lane.
func sheetFor(t *testing.T, s *site.Site, agent, action string, count int) []office.SupervisorCodeBody {
	t.Helper()
	var list office.SupervisorList
	if err := s.API.Do(t.Context(), "POST", "/supervisor-codes", office.SupervisorOrderBody{
		Controller: agent, Lane: 1, Action: action, Cause: "drill", Count: count, Days: 7, Officer: "the officer of the day",
	}, &list); err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Codes {
		keepSecret(s, "supervisor code "+c.ID, c.Code[40:])
	}
	return list.Codes
}

// byHand scans a supervisor code that sets the lane's mode, and waits until it has.
func byHand(t *testing.T, a *site.Agent, text string) {
	t.Helper()
	before := status(t, a).Lanes[0].Modes
	scan(t, a, text)
	until(t, a.ID+" changes its mode", func() bool { return status(t, a).Lanes[0].Modes == before+1 })
}

// TestByHandWithEverythingDown: central and broker are gone, the agent starts
// again; a sheet opens, locks and unlocks its lane, each code once and at its lane
// alone; when central is back it knows what was done.
func TestByHandWithEverythingDown(t *testing.T) {
	s := campus(t, site.Config{}, "north", "south")
	synced(t, s)
	north, south := s.Agents[0], s.Agents[1]
	open := sheetFor(t, s, "north", "open-in", 3)
	lock, free, normal := sheetFor(t, s, "north", "lockdown", 1)[0], sheetFor(t, s, "north", "free-passage", 1)[0], sheetFor(t, s, "north", "normal", 1)[0]
	one := issue(t, s, nil)

	s.Central().Kill()
	again := func() {
		if err := north.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := north.Start(); err != nil {
			t.Fatal(err)
		}
	}
	again()
	refused(t, south, open[0].Code, "WRONG_LANE")
	walk(t, north, open[0].Code)
	refused(t, north, open[0].Code, "ALREADY_USED")
	byHand(t, north, lock.Code)
	refused(t, north, one.Code, "LOCKDOWN")
	again()
	refused(t, north, one.Code, "LOCKDOWN")
	refused(t, north, lock.Code, "ALREADY_USED")
	walk(t, north, open[1].Code)
	byHand(t, north, free.Code)
	walk(t, north, one.Code)
	byHand(t, north, normal.Code)

	if err := s.StartCentral(); err != nil {
		t.Fatal(err)
	}
	became := map[string]string{}
	until(t, "central knows what became of each code", func() bool {
		var list office.SupervisorList
		if err := s.API.Do(t.Context(), "GET", "/supervisor-codes", nil, &list); err != nil {
			return false
		}
		used := 0
		for _, c := range list.Codes {
			became[c.ID] = c.Status
			if c.Status == "used" && c.UsedBy == "north" && c.Ledger != 0 {
				used++
			}
		}
		return used == 5
	})
	if len(became) != 6 || became[open[2].ID] != "unused" {
		t.Errorf("codes %v", became)
	}
	var alarms office.AlarmList
	if err := s.API.Do(t.Context(), "GET", "/alarms", nil, &alarms); err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	for _, a := range alarms.Alarms {
		told[a.Code]++
	}
	if told["supervisor_used"] != 5 || told["supervisor_unissued"]+told["supervisor_twice"]+told["supervisor_lane"] != 0 {
		t.Errorf("alarms %v", told)
	}
	gapless(t, s)
}

// TestLostSheet: revoked codes are refused by a lane that hears of it, also one
// that starts again, and by name.
func TestLostSheet(t *testing.T) {
	s := campus(t, site.Config{}, "north")
	synced(t, s)
	north, sheet := s.Agents[0], sheetFor(t, s, "north", "open-in", 2)
	var done office.SupervisorList
	if err := s.API.Do(t.Context(), "POST", "/supervisor-codes/revoke", map[string]string{"what": sheet[0].Sheet, "reason": "lost"}, &done); err != nil || len(done.Codes) != 2 {
		t.Fatal(len(done.Codes), err)
	}
	synced(t, s)
	refused(t, north, sheet[0].Code, "REVOKED")
	s.Central().Kill()
	if err := north.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := north.Start(); err != nil {
		t.Fatal(err)
	}
	refused(t, north, sheet[1].Code, "REVOKED")
	if err := s.StartCentral(); err != nil {
		t.Fatal(err)
	}
}
