package office_test

import (
	"slices"
	"strings"
	"testing"

	"turnstile/central/office"
)

func TestEntrancesAndPlaces(t *testing.T) {
	d := newDesk(t)
	d.AddLane(office.Lane{ID: "north-1", Enrolled: d.clock.now(), Alive: true})
	e := ask[office.EntranceBody](t, d, "admin", "PUT", "/api/v1/entrances/main", m{"name": "Main gate", "name_zh": "正門", "position": 2}, 200)
	if e != (office.EntranceBody{ID: "main", Name: "Main gate", NameZH: "正門", Position: 2}) {
		t.Errorf("entrance %+v", e)
	}
	ask[office.EntranceBody](t, d, "admin", "PUT", "/api/v1/entrances/south", m{"name": "South"}, 200)
	list := ask[office.EntranceList](t, d, "viewer", "GET", "/api/v1/entrances", nil, 200)
	if len(list.Entrances) != 2 || list.Entrances[1].NameZH != "South" {
		t.Errorf("entrances %+v", list)
	}
	place := m{"entrance": "main", "name": "North", "lanes": []m{{"number": 1, "name": "Left", "name_zh": "左"}}}
	p := ask[office.PlaceBody](t, d, "admin", "PUT", "/api/v1/lanes/north-1/place", place, 200)
	if p.ID != "north-1" || p.Entrance != "main" || len(p.Lanes) != 1 || p.Lanes[0].NameZH != "左" {
		t.Errorf("place %+v", p)
	}
	if list := ask[office.PlaceList](t, d, "viewer", "GET", "/api/v1/places", nil, 200); len(list.Places) != 1 || list.Places[0].Name != "North" {
		t.Errorf("places %+v", list)
	}
	ask[problem](t, d, "admin", "DELETE", "/api/v1/entrances/main", nil, 409)
	ask[problem](t, d, "admin", "DELETE", "/api/v1/entrances/moon", nil, 404)
	if w := d.do(t, "admin", "DELETE", "/api/v1/entrances/south", nil); w.Code != 204 {
		t.Errorf("remove: %d %s", w.Code, w.Body)
	}
	ask[problem](t, d, "admin", "PUT", "/api/v1/lanes/nobody/place", place, 404)
	ask[problem](t, d, "admin", "PUT", "/api/v1/lanes/north-1/place", m{"entrance": "moon"}, 422)
	for _, bad := range []m{{"name": ""}, {"name": strings.Repeat("x", 61)}, {"name": "x", "position": 1000}, {"name": "x", "colour": "red"}} {
		ask[problem](t, d, "admin", "PUT", "/api/v1/entrances/main", bad, 422)
	}
	for _, bad := range []m{{"lanes": []m{{"number": 0}}}, {"position": -1}, {"name_zh": strings.Repeat("字", 61)}} {
		ask[problem](t, d, "admin", "PUT", "/api/v1/lanes/north-1/place", bad, 422)
	}
	ask[problem](t, d, "admin", "PUT", "/api/v1/entrances/a.b", m{"name": "x"}, 422)
}

func TestRetireAndRevoke(t *testing.T) {
	d := newDesk(t)
	for _, id := range []string{"north-1", "north-2"} {
		d.AddLane(office.Lane{ID: id, Enrolled: d.clock.now(), Alive: true})
	}
	ask[problem](t, d, "admin", "POST", "/api/v1/lanes/north-1/retire", m{}, 422)
	for path, id := range map[string]string{"retire": "north-1", "revoke": "north-2"} {
		if w := d.do(t, "admin", "POST", "/api/v1/lanes/"+id+"/"+path, m{"reason": "stolen"}); w.Code != 204 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		ask[problem](t, d, "admin", "POST", "/api/v1/lanes/"+id+"/"+path, m{"reason": "stolen"}, 404)
	}
	list := ask[office.RetiredList](t, d, "viewer", "GET", "/api/v1/retired-lanes", nil, 200)
	if len(list.Lanes) != 1 || list.Lanes[0].ID != "north-1" || list.Lanes[0].Reason != "stolen" {
		t.Errorf("retired %+v", list)
	}
	lanes := ask[office.LaneList](t, d, "viewer", "GET", "/api/v1/lanes", nil, 200).Lanes
	if i := slices.IndexFunc(lanes, func(l office.LaneBody) bool { return l.ID == "north-2" }); len(lanes) != 1 || i < 0 || lanes[i].Enrolled != nil {
		t.Errorf("lanes %+v", lanes)
	}
}
