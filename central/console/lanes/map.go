package lanes

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
)

// mapView is the map, or what changed on it.
type mapView struct {
	base
	Entrance string // "": all
	Trouble  bool   // only lanes with trouble
	Wall     bool
	Now      time.Time
	Groups   []group
	Choice   []option // entrances to choose from
	Zones    []modeView
	Cards    []card // of a refresh: those that changed
	Whole    bool   // of a refresh: the map is another one
	Shown    int
	Crowd    string // how large lanes are drawn on a wall: "", "many", "crowd"
	Bad      int
	Total    int
	Retired  int
	Refresh  string // where to ask for changes, below console.Base
	Here     string // this page with its filter, below console.Base
	Swap     bool   // parts replace themselves on a page that stands
}

// group is one entrance with its lanes.
type group struct {
	ID    string // "": lanes that stand nowhere
	Name  string
	Cards []card
	Bad   int
}

// option is one choice of a list.
type option struct {
	Value, Text string
	Chosen      bool
}

// mapPage shows all lanes by entrance.
func (s *desk) mapPage(r *console.Request) error {
	v, err := s.view(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "map.html", "Lanes", v)
}

// wall shows the same large and without anything to click: for a screen that
// everybody in the guard room sees.
func (s *desk) wall(r *console.Request) error {
	v, err := s.view(r)
	if err != nil {
		return err
	}
	return r.Fragment(pages, "wall.html", "wall", v)
}

// mapChanges answers a page that stands with what changed since it was made.
func (s *desk) mapChanges(r *console.Request) error {
	v, err := s.view(r)
	if err != nil {
		return err
	}
	v.Swap = true
	if v.Wall {
		return r.Fragment(pages, "wall.html", "changes", v)
	}
	return r.Fragment(pages, "map.html", "changes", v)
}

// view makes the map of a request: ?entrance=main&trouble=1, and with &at=... what
// changed since the cursor of an earlier answer.
func (s *desk) view(r *console.Request) (*mapView, error) {
	b, err := s.Fleet.Board(r.Context())
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	v := &mapView{base: newBase(), Entrance: q.Get("entrance"), Trouble: q.Get("trouble") == "1", Now: r.Now(), Retired: b.Retired,
		Wall: q.Get("view") == "wall" || strings.HasSuffix(r.URL.Path, "/wall")}
	w := newScribe(r, b)
	changed := v.fill(w)
	v.Zones, v.Crowd = w.modes(), crowd(v.Shown)
	v.Here = v.path("/lanes", "")
	cursor := fmt.Sprintf("%s.%d.%s", b.Source, b.Version, v.shape(b))
	v.Refresh = v.path("/lanes/map", cursor)
	v.since(b, q.Get("at"), changed)
	return v, nil
}

// fill groups the cards to show; it tells when each controller changed.
func (v *mapView) fill(w *scribe) map[string]uint64 {
	changed := map[string]uint64{}
	at := map[string]int{}
	v.Choice = []option{{"", w.say("All entrances"), v.Entrance == ""}}
	for _, e := range w.board.Entrances {
		v.Choice = append(v.Choice, option{e.ID, w.entrance(e), v.Entrance == e.ID})
		if v.Entrance == "" || v.Entrance == e.ID {
			at[e.ID] = len(v.Groups)
			v.Groups = append(v.Groups, group{ID: e.ID, Name: w.entrance(e)})
		}
	}
	for i := range w.board.Lanes {
		l := &w.board.Lanes[i]
		changed[l.ID] = l.Changed
		g, ok := at[l.Place.Entrance]
		if !ok {
			if v.Entrance != "" {
				continue
			}
			g = len(v.Groups)
			at[l.Place.Entrance] = g
			v.Groups = append(v.Groups, group{Name: w.say("At no entrance yet")})
		}
		v.add(&v.Groups[g], w.cards(l))
	}
	return changed
}

// How many lanes a wall screen shows large, and how many at all with a picture
// that is read from across the room. Nobody scrolls there.
const (
	fewLanes  = 16
	manyLanes = 60
)

func crowd(lanes int) string {
	switch {
	case lanes > manyLanes:
		return "crowd"
	case lanes > fewLanes:
		return "many"
	}
	return ""
}

// add counts cards and keeps those that the filter lets through.
func (v *mapView) add(g *group, list []card) {
	for _, c := range list {
		v.Total++
		if c.Look.Bad {
			v.Bad++
			g.Bad++
		}
		if c.Look.Bad || !v.Trouble {
			v.Shown++
			c.Wall = v.Wall
			g.Cards = append(g.Cards, c)
		}
	}
}

// shape names which cards stand on the map, and where: while it is the same,
// single cards can be replaced.
func (v *mapView) shape(b *office.Board) string {
	h := sha256.New()
	fmt.Fprint(h, b.Layout, v.Entrance, v.Trouble)
	for _, g := range v.Groups {
		fmt.Fprintf(h, "/%s", g.ID)
		for _, c := range g.Cards {
			fmt.Fprintf(h, " %s", c.Key)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// since keeps what changed behind a cursor; without one, or with one of another
// central or another map, everything did.
func (v *mapView) since(b *office.Board, cursor string, changed map[string]uint64) {
	source, rest, _ := strings.Cut(cursor, ".")
	number, shape, ok := strings.Cut(rest, ".")
	var version uint64
	if _, err := fmt.Sscan(number, &version); !ok || err != nil || source != b.Source || shape != v.shape(b) {
		v.Whole = true
		return
	}
	for _, g := range v.Groups {
		for _, c := range g.Cards {
			if changed[c.ID] > version {
				c.Swap = true
				v.Cards = append(v.Cards, c)
			}
		}
	}
}

// path is an address below console.Base with the page's filter.
func (v *mapView) path(path, cursor string) string {
	q := url.Values{}
	if v.Entrance != "" {
		q.Set("entrance", v.Entrance)
	}
	if v.Trouble {
		q.Set("trouble", "1")
	}
	if cursor != "" {
		q.Set("at", cursor)
	}
	if v.Wall {
		q.Set("view", "wall")
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// modes returns the zones with how far their mode is in force.
func (s *scribe) modes() []modeView {
	obey, of := map[uint8]int{}, map[uint8]int{}
	for _, l := range s.board.Lanes {
		if l.State == nil || l.Enrolled.IsZero() {
			continue
		}
		for _, info := range l.State.Lanes {
			of[info.Zone]++
			if l.State.Rules >= s.zones[info.Zone].Version {
				obey[info.Zone]++
			}
		}
	}
	var list []modeView
	for _, z := range s.board.Zones {
		m := s.mode(z)
		m.Obey, m.Of = obey[z.ID], of[z.ID]
		list = append(list, m)
	}
	return list
}

// locked reports whether every zone is locked down.
func locked(list []modeView) bool {
	for _, m := range list {
		if m.Mode != link.Lockdown {
			return false
		}
	}
	return len(list) > 0
}
