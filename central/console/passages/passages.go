// Package passages is the office's pages about who passed, when, where, and why others did not.
//
// It finds rows of the ledger, explains each, counts them, lists who is inside, and
// shows alarms until somebody has looked. Names of holders and guests are shown to
// who may look at passes, since they stand with these.
package passages

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net/http"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/rights"
)

//go:embed pages/*.html
var files embed.FS

var pages = console.MustParse(sub(), words)

func sub() fs.FS {
	f, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return f
}

// Services are what the pages stand on.
type Services struct {
	Ledger    office.Ledger
	Tally     office.Tally
	Presence  office.Presence
	Attention office.Attention
	Zones     Zones
	Lanes     Lanes
	Places    Places
	Site      string // names export files
}

// Zones tells the rules in force; office.Rules does.
type Zones interface {
	Rules(ctx context.Context) (link.Rules, error)
}

// Lanes lists the lane controllers; office.Lanes does.
type Lanes interface {
	List(ctx context.Context) ([]office.Lane, error)
}

// Places tells where lanes stand and what they are called; office.Places does.
type Places interface {
	Entrances(ctx context.Context) ([]office.Entrance, error)
	Places(ctx context.Context) ([]office.Place, error)
}

// desk has the handlers.
type desk struct{ Services }

// Routes returns the pages below /passages.
func Routes(s Services) []console.Route {
	d := &desk{s}
	read := func(pattern string, handle func(*console.Request) error) console.Route {
		return console.Route{Method: http.MethodGet, Pattern: pattern, Need: rights.PassagesRead, Handle: handle}
	}
	return []console.Route{
		read("/passages", d.list),
		{Method: http.MethodPost, Pattern: "/passages", Need: rights.PassagesRead, Handle: d.find},
		read("/passages/rows", d.rows),
		read("/passages/fresh", d.fresh),
		{Method: http.MethodPost, Pattern: "/passages/export", Need: rights.PassagesExport, Slow: true, Handle: d.export},
		read("/passages/charts", d.charts),
		read("/passages/occupancy", d.occupancy),
		read("/passages/zones", d.zones),
		read("/passages/muster", d.muster),
		{Method: http.MethodPost, Pattern: "/passages/muster", Need: rights.PassagesRead, Handle: d.musterFile},
		read("/passages/attention", d.attention),
		read("/passages/alarms", d.alarms),
		{Method: http.MethodPost, Pattern: "/passages/attention/{number}/acknowledge", Need: rights.AlarmsAcknowledge, Handle: d.acknowledge},
		read("/passages/{number}", d.one),
	}
}

// seesNames tells whether the person may see whose passages these are.
func seesNames(r *console.Request) bool { return r.Who.Permissions.Has(rights.PassesRead) }

// names is what things are called, in the language of one request.
type names struct {
	lang      string
	zones     []link.Zone
	entrances []office.Entrance
	places    map[string]office.Place
	lanes     []option // every lane that can be searched for
}

// option is a choice of a select.
type option struct{ Value, Text string }

func (d *desk) names(r *console.Request) (*names, error) {
	ctx := r.Context()
	rules, err := d.Zones.Rules(ctx)
	if err != nil {
		return nil, fmt.Errorf("read zones: %w", err)
	}
	entrances, err := d.Places.Entrances(ctx)
	if err != nil {
		return nil, fmt.Errorf("read entrances: %w", err)
	}
	places, err := d.Places.Places(ctx)
	if err != nil {
		return nil, fmt.Errorf("read places: %w", err)
	}
	lanes, err := d.Lanes.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list lanes: %w", err)
	}
	n := &names{lang: string(r.Lang()), zones: rules.Zones, entrances: entrances, places: map[string]office.Place{}}
	for _, p := range places {
		n.places[p.Lane] = p
	}
	for _, l := range lanes {
		n.addLane(l)
	}
	return n, nil
}

func (n *names) addLane(l office.Lane) {
	whole := office.LaneRef{Controller: l.ID}
	n.lanes = append(n.lanes, option{whole.String(), n.lane(whole)})
	if l.State == nil || len(l.State.Lanes) < 2 {
		return
	}
	for _, x := range l.State.Lanes {
		ref := office.LaneRef{Controller: l.ID, Number: x.Number}
		n.lanes = append(n.lanes, option{ref.String(), n.lane(ref)})
	}
}

// lane returns what people call a lane, with its id where that differs.
func (n *names) lane(ref office.LaneRef) string {
	p := n.places[ref.Controller]
	name := n.pick(p.Name, p.NameZH)
	for _, l := range p.Lanes {
		if own := n.pick(l.Name, l.NameZH); l.Number == ref.Number && own != "" {
			name = own
		}
	}
	if name == "" {
		return ref.String()
	}
	return name + " (" + ref.String() + ")"
}

func (n *names) pick(english, chinese string) string {
	if n.lang == string(console.Chinese) && chinese != "" {
		return chinese
	}
	return english
}

// zone returns a zone's name, or its number if the rules have none of it.
func (n *names) zone(id uint8) string {
	for _, z := range n.zones {
		if z.ID == id {
			return n.pick(z.Name, z.NameZH)
		}
	}
	return fmt.Sprint(id)
}

// text returns a text in the request's language.
func (n *names) text(t office.Text) string { return t.In(n.lang) }

// at lists the lanes of an entrance.
func (n *names) at(entrance string) (lanes []office.LaneRef) {
	for _, p := range n.places {
		if p.Entrance == entrance {
			lanes = append(lanes, office.LaneRef{Controller: p.Lane})
		}
	}
	return lanes
}
