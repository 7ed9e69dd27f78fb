package office_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"turnstile/central/office"
	"turnstile/central/rights"
)

const opened = office.Base + "/lanes/north/open"

func opening(change func(b m)) m {
	b := m{"lane": 1, "direction": "in", "reason": "Delivery for the library", "cause": "visitor"}
	if change != nil {
		change(b)
	}
	return b
}

// TestOpenLane opens once, shows what became of it, and refuses a second one
// while the first waits.
func TestOpenLane(t *testing.T) {
	d := newDesk(t)
	d.AddLane(office.Lane{ID: "north", Enrolled: d.Now()})
	c := ask[office.CommandBody](t, d, "security", "POST", opened, opening(nil), 202)
	if c.State != "sent" || c.By != "security" || c.Action != "open" || c.Direction != "in" || c.Cause != "visitor" || c.Lane != 1 || c.Controller != "north" ||
		c.Expires.Sub(c.Issued).Seconds() != 30 || c.Answered != nil {
		t.Errorf("%+v", c)
	}
	if w := d.do(t, "security", "POST", opened, opening(nil)); w.Code != 409 {
		t.Errorf("a second one: %d %s", w.Code, w.Body)
	}
	shown := ask[office.CommandBody](t, d, "security", "POST", office.Base+"/lanes/north/identify", m{"lane": 1}, 202)
	if shown.Action != "identify" || shown.Direction != "" || shown.Cause != "" {
		t.Errorf("%+v", shown)
	}
	d.clock.add(c.Expires.Sub(c.Issued))
	if again := ask[office.CommandBody](t, d, "viewer", "GET", office.Base+"/commands/"+c.ID, nil, 200); again.State != "expired" || again.ID != c.ID {
		t.Errorf("%+v", again)
	}
	list := ask[office.CommandList](t, d, "viewer", "GET", office.Base+"/commands?lane=north", nil, 200)
	if len(list.Commands) != 2 || list.Commands[0].ID != shown.ID {
		t.Errorf("%+v", list)
	}
	if other := ask[office.CommandList](t, d, "viewer", "GET", office.Base+"/commands?lane=south", nil, 200); len(other.Commands) != 0 {
		t.Errorf("%+v", other)
	}
}

// TestWrongOpenings: none of them is a command.
func TestWrongOpenings(t *testing.T) {
	d := newDesk(t)
	d.AddLane(office.Lane{ID: "north", Enrolled: d.Now()})
	for what, x := range map[string]struct {
		path   string
		body   any
		status int
	}{
		"no body":           {opened, nil, 400},
		"no reason":         {opened, opening(func(b m) { delete(b, "reason") }), 422},
		"an empty reason":   {opened, opening(func(b m) { b["reason"] = "" }), 422},
		"blanks":            {opened, opening(func(b m) { b["reason"] = "   " }), 422},
		"a long reason":     {opened, opening(func(b m) { b["reason"] = strings.Repeat("理", 201) }), 422},
		"a line break":      {opened, opening(func(b m) { b["reason"] = "a\nb" }), 422},
		"no direction":      {opened, opening(func(b m) { delete(b, "direction") }), 422},
		"both directions":   {opened, opening(func(b m) { b["direction"] = "both" }), 422},
		"no lane":           {opened, opening(func(b m) { delete(b, "lane") }), 422},
		"lane 0":            {opened, opening(func(b m) { b["lane"] = 0 }), 422},
		"lane 256":          {opened, opening(func(b m) { b["lane"] = 256 }), 422},
		"an unknown cause":  {opened, opening(func(b m) { b["cause"] = "because" }), 422},
		"an unknown field":  {opened, opening(func(b m) { b["hold"] = true }), 422},
		"an unknown lane":   {office.Base + "/lanes/south/open", opening(nil), 404},
		"an impossible one": {office.Base + "/lanes/a.b/open", opening(nil), 422},
		"no zone":           {office.Base + "/zones/9/mode", m{"mode": "lockdown", "reason": "drill"}, 404},
		"zone 16":           {office.Base + "/zones/16/mode", m{"mode": "lockdown", "reason": "drill"}, 422},
		"no mode":           {office.Base + "/zones/0/mode", m{"reason": "drill"}, 422},
		"another mode":      {office.Base + "/zones/0/mode", m{"mode": "open", "reason": "drill"}, 422},
		"a mode for free":   {office.Base + "/zones/0/mode", m{"mode": "lockdown", "reason": "\t"}, 422},
	} {
		if w := d.do(t, "admin", "POST", x.path, x.body); w.Code != x.status {
			t.Errorf("%s: %d %s, want %d", what, w.Code, w.Body, x.status)
		}
	}
	for _, id := range []string{"north.5", "north.0", "x", "north.", ".5", "north.99999999999999999999", "north.5.5"} {
		if w := d.do(t, "admin", "GET", office.Base+"/commands/"+id, nil); w.Code != 404 && w.Code != 422 {
			t.Errorf("command %s: %d", id, w.Code)
		}
	}
	if list := ask[office.CommandList](t, d, "admin", "GET", office.Base+"/commands", nil, 200); len(list.Commands) != 0 {
		t.Errorf("%+v", list)
	}
}

// TestSetMode changes one zone's mode and nothing else.
func TestSetMode(t *testing.T) {
	d := newDesk(t)
	before := ask[office.RulesBody](t, d, "viewer", "GET", office.Base+"/rules", nil, 200)
	after := ask[office.RulesBody](t, d, "security", "POST", office.Base+"/zones/0/mode", m{"mode": "lockdown", "reason": "Fire drill"}, 200)
	if after.Version != before.Version+1 || after.Zones[0].Mode != "lockdown" || after.Zones[0].Name != before.Zones[0].Name || len(after.Policies) != len(before.Policies) {
		t.Errorf("%+v", after)
	}
	if again := ask[office.RulesBody](t, d, "security", "POST", office.Base+"/zones/0/mode", m{"mode": "lockdown", "reason": "Fire drill"}, 200); again.Version != after.Version {
		t.Errorf("the same mode made version %d", again.Version)
	}
}

// TestSetModes changes all zones in one version of the rules, or none.
func TestSetModes(t *testing.T) {
	d := newDesk(t)
	before := ask[office.RulesBody](t, d, "viewer", "GET", office.Base+"/rules", nil, 200)
	before.Zones = append(before.Zones, office.ZoneBody{ID: 9, Name: "Annex", Mode: "free_passage", Passback: "off"})
	before = ask[office.RulesBody](t, d, "admin", "PUT", office.Base+"/rules", before, 200)
	ask[problem](t, d, "security", "POST", office.Base+"/zones/mode", m{"zones": []int{0, 11}, "mode": "lockdown", "reason": "Fire drill"}, 404)
	if now := ask[office.RulesBody](t, d, "viewer", "GET", office.Base+"/rules", nil, 200); now.Version != before.Version || now.Zones[0].Mode != "normal" {
		t.Errorf("a refused change changed %+v", now)
	}
	ask[problem](t, d, "security", "POST", office.Base+"/zones/mode", m{"zones": []int{}, "mode": "lockdown", "reason": "x"}, 422) // no zone is not all zones
	ask[problem](t, d, "viewer", "POST", office.Base+"/zones/mode", m{"mode": "lockdown", "reason": "x"}, 403)
	after := ask[office.RulesBody](t, d, "security", "POST", office.Base+"/zones/mode", m{"mode": "lockdown", "reason": "Fire drill"}, 200)
	if len(after.Zones) != 2 || after.Version != before.Version+1 || after.Zones[0].Mode != "lockdown" || after.Zones[1].Mode != "lockdown" {
		t.Errorf("%+v", after)
	}
}

// TestCommandsOfOwnLanes: a token that is limited to a lane controller follows the
// commands that it gave, and sees none of the others.
func TestCommandsOfOwnLanes(t *testing.T) {
	d := newDesk(t)
	for _, id := range []string{"north", "north-2", "south"} {
		d.AddLane(office.Lane{ID: id, Enrolled: d.clock.now(), Alive: true})
	}
	secret, err := d.Services().Tokens.Create(t.Context(), "test", office.NewToken{Name: "north-guard", Role: rights.Security, Lanes: []string{"north"}})
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) int {
		r := httptest.NewRequest("GET", office.Base+path, nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		w := httptest.NewRecorder()
		d.http.ServeHTTP(w, r)
		return w.Code
	}
	open := m{"lane": 1, "direction": "in", "reason": "expected"}
	for lane, want := range map[string]int{"north": 200, "north-2": 403, "south": 403} {
		c := ask[office.CommandBody](t, d, "security", "POST", office.Base+"/lanes/"+lane+"/open", open, 202)
		if got := get("/commands/" + c.ID); got != want {
			t.Errorf("command %s: %d, want %d", c.ID, got, want)
		}
	}
	for path, want := range map[string]int{"/commands?lane=north": 200, "/commands?lane=south": 403, "/commands": 403, "/commands?lane=north&lane=south": 200,
		"/commands/south.1?lane=north": 403, "/commands/north.1": 404, "/feed?lane=north": 422, "/tokens?lane=north": 403} {
		if got := get(path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}
