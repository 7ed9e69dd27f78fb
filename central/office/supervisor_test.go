package office_test

import (
	"strings"
	"testing"

	"turnstile/central/office"
	"turnstile/central/pass"
)

func sheet(change func(b m)) m {
	b := m{"controller": "north", "lane": 1, "action": "open-in", "cause": "outage", "count": 3, "days": 2, "officer": "desk 3"}
	if change != nil {
		change(b)
	}
	return b
}

// TestSupervisorCodes issues a sheet, finds it without its secrets, and revokes it.
func TestSupervisorCodes(t *testing.T) {
	d := newDesk(t)
	d.AddLane(office.Lane{ID: "north", Enrolled: d.Now()})
	made := ask[office.SupervisorList](t, d, "admin", "POST", office.Base+"/supervisor-codes", sheet(nil), 201)
	if len(made.Codes) != 3 {
		t.Fatalf("%d codes", len(made.Codes))
	}
	for i, c := range made.Codes {
		s, r := pass.ParseSupervisor([]byte(c.Code))
		if r != pass.Granted || s.ID().String() != c.ID || c.Place != i+1 || c.Status != "unused" || c.IssuedBy != "admin" || c.Officer != "desk 3" {
			t.Errorf("%+v", c)
		}
	}
	name := made.Codes[0].Sheet
	listed := ask[office.SupervisorList](t, d, "admin", "GET", office.Base+"/supervisor-codes?used=no&sheet="+name, nil, 200)
	if len(listed.Codes) != 3 || listed.Codes[1].Code != "" || listed.Codes[1].ID != made.Codes[1].ID {
		t.Errorf("%+v", listed.Codes)
	}
	one := ask[office.SupervisorList](t, d, "admin", "POST", office.Base+"/supervisor-codes/revoke", m{"what": made.Codes[1].ID, "reason": "torn off"}, 200)
	rest := ask[office.SupervisorList](t, d, "admin", "POST", office.Base+"/supervisor-codes/revoke", m{"what": name, "reason": "lost"}, 200)
	if len(one.Codes) != 1 || one.Codes[0].Status != "revoked" || one.Codes[0].Revoked == nil || len(rest.Codes) != 2 {
		t.Errorf("%+v, then %d", one.Codes, len(rest.Codes))
	}
}

func TestSupervisorOrdersRefused(t *testing.T) {
	d := newDesk(t)
	tried := 0
	for name, change := range map[string]func(b m){
		"no lane":         func(b m) { b["lane"] = 0 },
		"no such action":  func(b m) { b["action"] = "explode" },
		"no such cause":   func(b m) { b["cause"] = "boredom" },
		"too many":        func(b m) { b["count"] = 21 },
		"too long":        func(b m) { b["days"] = 8 },
		"to nobody":       func(b m) { b["officer"] = "" },
		"control letters": func(b m) { b["officer"] = "a\x1b[2J" },
		"a long officer":  func(b m) { b["officer"] = strings.Repeat("x", 61) },
		"more":            func(b m) { b["pin"] = "1234" },
	} {
		if w := d.do(t, "admin", "POST", office.Base+"/supervisor-codes", sheet(change)); w.Code != 422 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		tried++
	}
	if w := d.do(t, "admin", "POST", office.Base+"/supervisor-codes", sheet(nil)); w.Code != 404 || tried != 9 {
		t.Errorf("an unknown lane: %d", w.Code)
	}
}
