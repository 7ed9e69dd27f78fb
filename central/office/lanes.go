package office

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/link"
	"turnstile/central/rights"
)

// LaneBody is a lane controller.
type LaneBody struct {
	ID          string         `json:"id"`
	Enrolled    *time.Time     `json:"enrolled,omitempty" doc:"Missing: invited only."`
	Certificate *time.Time     `json:"certificate_until,omitempty"`
	Alive       bool           `json:"alive"`
	Since       *time.Time     `json:"since,omitempty" doc:"Since when it is alive, or is not; missing: never heard of."`
	UpToDate    bool           `json:"up_to_date" doc:"It refuses everything that is revoked by now."`
	AppliedSeq  uint64         `json:"applied_seq" doc:"The newest event of the feed that it applied."`
	Keyset      uint64         `json:"keyset"`
	Rules       uint64         `json:"rules"`
	Clock       string         `json:"clock,omitempty" enum:"trusted,holdover,untrusted"`
	ClockBound  int            `json:"clock_bound,omitempty" doc:"Seconds."`
	Journal     uint64         `json:"journal" doc:"Number of its newest journal entry."`
	Backlog     uint64         `json:"backlog" doc:"Entries that are not in the ledger yet."`
	Program     string         `json:"program,omitempty" doc:"Version of the agent."`
	Boot        uint32         `json:"boot,omitempty"`
	Warnings    []string       `json:"warnings"`
	Lanes       []LaneInfoBody `json:"lanes"`
}

// LaneInfoBody is one lane of a controller.
type LaneInfoBody struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
	Zone   int    `json:"zone"`
	State  string `json:"state"`
}

// LaneList is one page of the fleet.
type LaneList struct {
	Lanes []LaneBody `json:"lanes"`
	Next  string     `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

// InvitationBody lets one lane controller enrol.
type InvitationBody struct {
	ID      string    `json:"id"`
	Token   string    `json:"token" doc:"Secret, for one use. Hand it over as a file."`
	Expires time.Time `json:"expires"`
}

func (a *api) laneRoutes(h huma.API) {
	huma.Register(h, operation(rights.LanesRead, "list-lanes", http.MethodGet, "/lanes", "Show all lane controllers"), a.listLanes)
	invite := operation(rights.LanesManage, "add-lane", http.MethodPost, "/lanes", "Make an enrolment token", http.StatusConflict)
	invite.DefaultStatus = http.StatusCreated
	huma.Register(h, invite, a.addLane)
	huma.Register(h, operation(rights.LanesManage, "remove-lane", http.MethodDelete, "/lanes/{id}", "Take a lane controller's rights away", http.StatusNotFound), a.removeLane)
}

type lanesInput struct {
	Lane   string `query:"lane" pattern:"^[A-Za-z0-9_-]{1,32}$" doc:"This lane controller alone."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"500"`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}

func (a *api) listLanes(ctx context.Context, in *lanesInput) (*paged[LaneList], error) {
	rows, err := a.Lanes.List(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	if in.Lane != "" {
		rows = slices.DeleteFunc(rows, func(l Lane) bool { return l.ID != in.Lane })
	}
	rows, next, err := pageByKey(ctx, "lanes", in.Cursor, in.Limit, rows, func(l Lane) string { return l.ID })
	if err != nil {
		return nil, err
	}
	out := LaneList{Lanes: make([]LaneBody, 0, len(rows)), Next: next}
	for _, l := range rows {
		out.Lanes = append(out.Lanes, a.laneBody(l))
	}
	return answerPage(ctx, out, next), nil
}

func (a *api) laneBody(l Lane) LaneBody {
	out := LaneBody{
		ID: l.ID, Enrolled: a.maybe(l.Enrolled), Certificate: a.maybe(l.Expires), Alive: l.Alive, Since: a.maybe(l.Since),
		UpToDate: l.UpToDate, Warnings: []string{}, Lanes: []LaneInfoBody{},
	}
	if l.State != nil {
		out.report(l.State, l.Durable)
	}
	return out
}

// report fills in what the controller said itself.
func (b *LaneBody) report(s *link.LaneState, durable uint64) {
	b.AppliedSeq, b.Keyset, b.Rules, b.Program, b.Boot = s.Seq, s.Keyset, s.Rules, s.Program, s.Boot
	b.Clock, b.ClockBound, b.Journal = s.Clock.String(), int(s.Bound), s.Last
	b.Backlog = max(s.Last, durable) - durable
	b.Warnings = append(b.Warnings, s.Warnings...)
	for _, l := range s.Lanes {
		b.Lanes = append(b.Lanes, LaneInfoBody{int(l.Number), l.Name, int(l.Zone), l.State})
	}
}

type inviteInput struct {
	Body struct {
		ID string `json:"id" pattern:"^[A-Za-z0-9_-]{1,32}$" patternDescription:"1 to 32 of A-Z a-z 0-9 _ -" example:"north-1"`
	}
}

func (a *api) addLane(ctx context.Context, in *inviteInput) (*struct{ Body InvitationBody }, error) {
	i, err := a.Lanes.Invite(ctx, caller(ctx), in.Body.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body InvitationBody }{InvitationBody{in.Body.ID, i.Token, a.at(i.Expires)}}, nil
}

type laneInput struct {
	ID string `path:"id" pattern:"^[A-Za-z0-9_-]{1,32}$"`
}

func (a *api) removeLane(ctx context.Context, in *laneInput) (*struct{}, error) {
	if err := a.Lanes.Remove(ctx, caller(ctx), in.ID); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}
