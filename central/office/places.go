package office

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// Places keeps where lanes stand and what people call them.
type Places interface {
	// Entrances returns all entrances in their order.
	Entrances(ctx context.Context) ([]Entrance, error)
	// SetEntrance stores an entrance, new or in place of the one of its id.
	// ErrInvalid: id or names.
	SetEntrance(ctx context.Context, by string, e Entrance) error
	// RemoveEntrance removes an entrance. ErrNotFound; ErrConflict: lanes stand there.
	RemoveEntrance(ctx context.Context, by, id string) error
	// Places returns the place of each lane controller that has one or a name, also
	// of those that are retired, by id.
	Places(ctx context.Context) ([]Place, error)
	// SetPlace stores where a controller stands and all its names. ErrNotFound: no
	// such controller; ErrInvalid: names, or there is no such entrance.
	SetPlace(ctx context.Context, by string, p Place) error
}

// Bounds of what people write.
const (
	MaxName     = 60  // characters of a name
	MaxReason   = 200 // characters of a reason
	MaxPosition = 999
)

// OneLine reports whether text is at most n characters on one line, without blanks
// around it: what names and reasons have to be.
func OneLine(text string, n int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= n && strings.TrimSpace(text) == text && printable(text)
}

// Entrance is a place with lanes.
type Entrance struct {
	ID       string // link.ValidID
	Name     string // 1..MaxName characters
	NameZH   string // "": Name
	Position int    // entrances are shown in this order, 0..MaxPosition
}

// Place says where a lane controller stands and what it and its lanes are called.
type Place struct {
	Lane     string // controller id, which never changes
	Entrance string // "": nowhere yet
	Position int    // among the controllers of the entrance, 0..MaxPosition
	Name     string // "": the id
	NameZH   string // "": Name
	Lanes    []LaneName
}

// LaneName is what people call one lane of a controller.
type LaneName struct {
	Number uint8  // from 1
	Name   string // "": as the controller calls it
	NameZH string // "": Name
}

// Fleet ends lane controllers' rights and knows all that was with each.
type Fleet interface {
	// Retire takes a controller's rights away for good; what it reported stays.
	// ErrNotFound; ErrInvalid: the reason has more than MaxReason characters.
	Retire(ctx context.Context, by, lane, reason string) error
	// Revoke takes its certificate and keys away at once; it keeps its place and
	// may be invited again. ErrNotFound: it is not enrolled. ErrInvalid: reason.
	Revoke(ctx context.Context, by, lane, reason string) error
	// Retired lists the retired controllers by id.
	Retired(ctx context.Context) ([]RetiredLane, error)
	// Dossier returns all about one controller, also a retired one; or ErrNotFound.
	Dossier(ctx context.Context, lane string) (Dossier, error)
	// Board returns what the guards look at. It costs little when nothing changed;
	// what it returns is shared and not to be changed.
	Board(ctx context.Context) (*Board, error)
}

// RetiredLane is a lane controller that lost its rights for good.
type RetiredLane struct {
	ID       string
	At       time.Time
	By       string
	Reason   string
	Enrolled time.Time // zero: it never was
}

// Dossier is all that central knows about one lane controller.
type Dossier struct {
	Lane         Lane
	Place        Place
	Retired      *RetiredLane // nil: it is not
	Serial       string       // of its certificate, hexadecimal; "" if it has none
	Invited      time.Time    // until when an enrolment token is good; zero: there is none
	Certificates []OldCertificate
	Journals     []Journal // the one last begun first
	Passages     []Sight   // the newest first
	Alarms       []Alarm   // the latest first
	Deeds        []Deed    // the newest first
}

// OldCertificate is one that is refused now.
type OldCertificate struct {
	Serial  string
	Removed time.Time
	Expires time.Time
}

// Journal is how far central has one journal of a lane controller.
type Journal struct {
	ID      link.JournalID
	Durable uint64 // stored up to this entry
	Started time.Time
	Gaps    []Gap
}

// Gap is a stretch of a journal that the lane lost before central had it.
type Gap struct {
	From, To uint64
	At       time.Time // when the lane said so
}

// Deed is something that somebody did with a lane controller, from the audit.
type Deed struct {
	At     time.Time
	By     string
	Action string
	Detail string
}

// Sight is what was seen at a lane: one person with the result, or one event.
type Sight struct {
	Number    int64 // in the ledger; of the decision, not of its result
	Lane      uint8 // number on the controller, 0: the controller itself
	At        time.Time
	Direction uint8          // 1 in, 2 out, 0 neither
	Type      link.EntryType // EntryGranted: the result is not known yet; else the result or the event
	Reason    pass.Reason
	Kind      pass.Kind // 0: no pass
	Flags     link.EntryFlags

	Seq     uint64 // of the decision in the journal
	Journal link.JournalID
}

// Board is the state of all lanes.
type Board struct {
	// Version rises with each change, and begins anew in each central: two boards
	// with one Source and one Version are the same.
	Source    string
	Version   uint64
	Layout    uint64 // the Version at which lanes, entrances or zones came or went
	Seq       uint64 // the feed's newest event
	Rules     uint64 // version in force
	Entrances []Entrance
	Zones     []ZoneState
	Lanes     []BoardLane // by entrance and position
	Retired   int
}

// ZoneState is a zone and who set its standing mode.
type ZoneState struct {
	link.Zone
	Version uint64 // of the rules that set the mode: lanes with this one or a later one obey
	By      string // "": it stands since the first start
	Since   time.Time
	Reason  string // "": none was given
}

// BoardLane is a lane controller as it stands on the board.
type BoardLane struct {
	Lane
	Place   Place
	Sights  []Sight // of each lane up to 5, the newest first
	Changed uint64  // the Board's Version when it became what it is
}

// EntranceBody is a place with lanes.
type EntranceBody struct {
	ID       string `json:"id" pattern:"^[A-Za-z0-9_-]{1,32}$"`
	Name     string `json:"name"`
	NameZH   string `json:"name_zh"`
	Position int    `json:"position" doc:"Entrances are shown in this order."`
}

// EntranceInput is what is told of an entrance.
type EntranceInput struct {
	Name     string `json:"name" minLength:"1" maxLength:"60" example:"Main gate"`
	NameZH   string `json:"name_zh,omitempty" maxLength:"60" doc:"The same as name unless told." example:"正門"`
	Position int    `json:"position,omitempty" minimum:"0" maximum:"999" doc:"Entrances are shown in this order."`
}

// EntranceList is all entrances.
type EntranceList struct {
	Entrances []EntranceBody `json:"entrances"`
}

// PlaceBody is where a lane controller stands and what it is called.
type PlaceBody struct {
	ID       string         `json:"id"`
	Entrance string         `json:"entrance,omitempty" doc:"Missing: nowhere yet."`
	Position int            `json:"position"`
	Name     string         `json:"name,omitempty" doc:"Missing: it is called by its id."`
	NameZH   string         `json:"name_zh,omitempty"`
	Lanes    []LaneNameBody `json:"lanes,omitempty"`
}

// PlaceInput is what is told of a place: all of it, what is left out is none.
type PlaceInput struct {
	Entrance string         `json:"entrance,omitempty" maxLength:"32" doc:"Id of an entrance; missing: nowhere." example:"main"`
	Position int            `json:"position,omitempty" minimum:"0" maximum:"999" doc:"Among the controllers of the entrance."`
	Name     string         `json:"name,omitempty" maxLength:"60" example:"North"`
	NameZH   string         `json:"name_zh,omitempty" maxLength:"60" example:"北"`
	Lanes    []LaneNameBody `json:"lanes,omitempty" maxItems:"255"`
}

// LaneNameBody is what people call one lane of a controller.
type LaneNameBody struct {
	Number int    `json:"number" minimum:"1" maximum:"255"`
	Name   string `json:"name,omitempty" maxLength:"60"`
	NameZH string `json:"name_zh,omitempty" maxLength:"60"`
}

// PlaceList is the places of all lane controllers.
type PlaceList struct {
	Places []PlaceBody `json:"places"`
}

// RetiredBody is a lane controller that lost its rights for good.
type RetiredBody struct {
	ID       string     `json:"id"`
	Retired  time.Time  `json:"retired"`
	By       string     `json:"by"`
	Reason   string     `json:"reason,omitempty"`
	Enrolled *time.Time `json:"enrolled,omitempty"`
}

// RetiredList is all of them.
type RetiredList struct {
	Lanes []RetiredBody `json:"lanes"`
}

func (a *api) placeRoutes(h huma.API) {
	huma.Register(h, operation(rights.LanesRead, "list-entrances", http.MethodGet, "/entrances", "Show all entrances"), a.listEntrances)
	huma.Register(h, operation(rights.LanesManage, "put-entrance", http.MethodPut, "/entrances/{id}", "Make or change an entrance"), a.putEntrance)
	huma.Register(h, operation(rights.LanesManage, "remove-entrance", http.MethodDelete, "/entrances/{id}", "Remove an entrance without lanes", http.StatusNotFound, http.StatusConflict), a.removeEntrance)
	huma.Register(h, operation(rights.LanesRead, "list-places", http.MethodGet, "/places", "Show where lane controllers stand and what they are called"), a.listPlaces)
	huma.Register(h, operation(rights.LanesManage, "put-place", http.MethodPut, "/lanes/{id}/place", "Rename a lane controller, or move it to another entrance", http.StatusNotFound), a.putPlace)
	huma.Register(h, operation(rights.LanesManage, "retire-lane", http.MethodPost, "/lanes/{id}/retire", "Take a lane controller's rights away for good", http.StatusNotFound), a.retireLane)
	huma.Register(h, operation(rights.LanesManage, "revoke-lane", http.MethodPost, "/lanes/{id}/revoke", "Revoke a lane controller's certificate and keys", http.StatusNotFound), a.revokeLane)
	huma.Register(h, operation(rights.LanesRead, "list-retired-lanes", http.MethodGet, "/retired-lanes", "Show the lane controllers that were retired"), a.listRetired)
}

func (a *api) listEntrances(ctx context.Context, _ *struct{}) (*struct{ Body EntranceList }, error) {
	list, err := a.Places.Entrances(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := EntranceList{Entrances: make([]EntranceBody, 0, len(list))}
	for _, e := range list {
		out.Entrances = append(out.Entrances, EntranceBody(e))
	}
	return &struct{ Body EntranceList }{out}, nil
}

type entranceInput struct {
	ID   string `path:"id" pattern:"^[A-Za-z0-9_-]{1,32}$"`
	Body EntranceInput
}

func (a *api) putEntrance(ctx context.Context, in *entranceInput) (*struct{ Body EntranceBody }, error) {
	if err := printableFields("name", in.Body.Name, "name_zh", in.Body.NameZH); err != nil {
		return nil, err
	}
	e := Entrance{in.ID, in.Body.Name, in.Body.NameZH, in.Body.Position}
	if e.NameZH == "" {
		e.NameZH = e.Name
	}
	if err := a.Places.SetEntrance(ctx, caller(ctx), e); err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body EntranceBody }{EntranceBody(e)}, nil
}

func (a *api) removeEntrance(ctx context.Context, in *laneInput) (*struct{}, error) {
	if err := a.Places.RemoveEntrance(ctx, caller(ctx), in.ID); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}

func (a *api) listPlaces(ctx context.Context, _ *struct{}) (*struct{ Body PlaceList }, error) {
	list, err := a.Places.Places(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := PlaceList{Places: make([]PlaceBody, 0, len(list))}
	for _, p := range list {
		out.Places = append(out.Places, placeBody(p))
	}
	return &struct{ Body PlaceList }{out}, nil
}

func placeBody(p Place) PlaceBody {
	out := PlaceBody{ID: p.Lane, Entrance: p.Entrance, Position: p.Position, Name: p.Name, NameZH: p.NameZH}
	for _, l := range p.Lanes {
		out.Lanes = append(out.Lanes, LaneNameBody{int(l.Number), l.Name, l.NameZH})
	}
	return out
}

type placeInput struct {
	ID   string `path:"id" pattern:"^[A-Za-z0-9_-]{1,32}$"`
	Body PlaceInput
}

func (a *api) putPlace(ctx context.Context, in *placeInput) (*struct{ Body PlaceBody }, error) {
	b := in.Body
	if err := printableFields("name", b.Name, "name_zh", b.NameZH); err != nil {
		return nil, err
	}
	p := Place{Lane: in.ID, Entrance: b.Entrance, Position: b.Position, Name: b.Name, NameZH: b.NameZH}
	for i, l := range b.Lanes {
		if !printable(l.Name) || !printable(l.NameZH) {
			return nil, wrong("body.lanes["+strconv.Itoa(i)+"].name", "has control characters", nil)
		}
		p.Lanes = append(p.Lanes, LaneName{uint8(l.Number), l.Name, l.NameZH})
	}
	if err := a.Places.SetPlace(ctx, caller(ctx), p); err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body PlaceBody }{placeBody(p)}, nil
}

type endInput struct {
	ID   string `path:"id" pattern:"^[A-Za-z0-9_-]{1,32}$"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"200" example:"replaced by new hardware"`
	}
}

func (a *api) retireLane(ctx context.Context, in *endInput) (*struct{}, error) {
	if err := printableFields("reason", in.Body.Reason); err != nil {
		return nil, err
	}
	if err := a.Fleet.Retire(ctx, caller(ctx), in.ID, in.Body.Reason); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}

func (a *api) revokeLane(ctx context.Context, in *endInput) (*struct{}, error) {
	if err := printableFields("reason", in.Body.Reason); err != nil {
		return nil, err
	}
	if err := a.Fleet.Revoke(ctx, caller(ctx), in.ID, in.Body.Reason); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}

func (a *api) listRetired(ctx context.Context, _ *struct{}) (*struct{ Body RetiredList }, error) {
	list, err := a.Fleet.Retired(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := RetiredList{Lanes: make([]RetiredBody, 0, len(list))}
	for _, r := range list {
		out.Lanes = append(out.Lanes, RetiredBody{r.ID, a.at(r.At), r.By, r.Reason, a.maybe(r.Enrolled)})
	}
	return &struct{ Body RetiredList }{out}, nil
}
