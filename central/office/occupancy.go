package office

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/pass"
	"turnstile/central/rights"
)

// Presence tells who is inside, by what lanes reported so far. It cannot know of
// who went through without a scan: tailgating, free passage, a fire release.
type Presence interface {
	// Occupancy returns each zone of the rules with its numbers of this campus day.
	Occupancy(ctx context.Context) ([]ZoneCount, error)
	// Muster lists who is inside a zone, or all zones for -1, by name; that it was
	// asked for goes into the audit. ErrNotFound: no such zone.
	Muster(ctx context.Context, by string, zone int) (Muster, error)
}

// ZoneCount is how full a zone is.
type ZoneCount struct {
	Zone         uint8
	Name, NameZH string
	Inside       int // passes whose last passage was inwards
	In, Out      int // passages of this campus day
	Uncounted    int // tailgated, forced, free or unknown passages of this campus day: what makes Inside doubtful
	Latest       time.Time
}

// Muster is who is inside at one moment.
type Muster struct {
	At     time.Time
	Zones  []ZoneCount
	Inside []Insider
	Silent []string // lane controllers that are not connected: what they saw may lack
}

// Insider is one pass that is inside.
type Insider struct {
	Pass       pass.ID
	Kind       pass.Kind
	Zone       uint8
	HolderName string
	GuestName  string
	Since      time.Time // last passage inwards
	Lane       LaneRef   // where
}

// Person is whom the muster list calls: the guest, else the holder; "" if central
// has no such pass.
func (i *Insider) Person() string {
	if i.GuestName != "" {
		return i.GuestName
	}
	return i.HolderName
}

// ZoneCountBody is how full a zone is.
type ZoneCountBody struct {
	Zone      int    `json:"zone"`
	Name      string `json:"name"`
	Inside    int    `json:"inside" doc:"Passes whose last passage was inwards."`
	In        int    `json:"in" doc:"Passages inwards on this campus day."`
	Out       int    `json:"out" doc:"Passages outwards on this campus day."`
	Uncounted int    `json:"uncounted" doc:"Tailgated, forced, free or unknown passages of this campus day: so far may inside be wrong."`
}

// OccupancyBody is how full the zones are.
type OccupancyBody struct {
	Time  time.Time       `json:"time"`
	Zones []ZoneCountBody `json:"zones"`
}

// MusterBody is who is inside.
type MusterBody struct {
	Time   time.Time     `json:"time"`
	Inside []InsiderBody `json:"inside"`
	Silent []string      `json:"silent" doc:"Lane controllers that are not connected: what they saw may lack."`
}

// InsiderBody is one pass that is inside.
type InsiderBody struct {
	Pass       string    `json:"pass" example:"2026-11-21/004711"`
	Kind       string    `json:"kind"`
	Zone       int       `json:"zone"`
	Holder     string    `json:"holder,omitempty" doc:"Only for a token that may look at passes."`
	GuestName  string    `json:"guest_name,omitempty" doc:"Only for a token that may look at passes."`
	Since      time.Time `json:"since" doc:"Last passage inwards, by the lane's clock."`
	Controller string    `json:"controller"`
	Lane       int       `json:"lane"`
}

func (a *api) presenceRoutes(h huma.API) {
	huma.Register(h, operation(rights.PassagesRead, "get-occupancy", http.MethodGet, "/occupancy", "Count who is inside"), a.occupancy)
	huma.Register(h, operation(rights.PassagesRead, "get-muster", http.MethodGet, "/muster", "List who is inside", http.StatusNotFound), a.muster)
}

func (a *api) occupancy(ctx context.Context, _ *struct{}) (*struct{ Body OccupancyBody }, error) {
	zones, err := a.Presence.Occupancy(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := OccupancyBody{Time: a.at(a.now()), Zones: make([]ZoneCountBody, 0, len(zones))}
	for _, z := range zones {
		out.Zones = append(out.Zones, ZoneCountBody{int(z.Zone), z.Name, z.Inside, z.In, z.Out, z.Uncounted})
	}
	return &struct{ Body OccupancyBody }{out}, nil
}

type musterInput struct {
	Zone int `query:"zone" minimum:"-1" maximum:"15" default:"-1" doc:"-1: all zones."`
}

func (a *api) muster(ctx context.Context, in *musterInput) (*struct{ Body MusterBody }, error) {
	m, err := a.Presence.Muster(ctx, caller(ctx), in.Zone)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := MusterBody{Time: a.at(m.At), Inside: make([]InsiderBody, 0, len(m.Inside)), Silent: append([]string{}, m.Silent...)}
	names := seesNames(ctx)
	for _, i := range m.Inside {
		b := InsiderBody{Pass: i.Pass.String(), Kind: i.Kind.String(), Zone: int(i.Zone), Since: a.at(i.Since), Controller: i.Lane.Controller, Lane: int(i.Lane.Number)}
		if names {
			b.Holder, b.GuestName = i.HolderName, i.GuestName
		}
		out.Inside = append(out.Inside, b)
	}
	return &struct{ Body MusterBody }{out}, nil
}
