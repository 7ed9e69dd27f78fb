package office

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/pass"
	"turnstile/central/rights"
)

// Supervisor issues supervisor codes and tells what became of them.
type Supervisor interface {
	// Issue makes a sheet; all of its codes or none. Only here do codes have a
	// text: it is kept nowhere. ErrInvalid: the order; ErrNotFound: no such lane;
	// ErrConflict: the lane has had its codes for this week, or the day is full.
	Issue(ctx context.Context, by string, o SupervisorOrder) ([]SupervisorCode, error)
	// List returns codes, the newest sheet first.
	List(ctx context.Context, f SupervisorFilter) ([]SupervisorCode, error)
	// Revoke makes lanes refuse a sheet, or one code by its id, and returns the
	// codes that were still good. ErrNotFound. ErrConflict: too many are revoked.
	Revoke(ctx context.Context, by, what, reason string) ([]SupervisorCode, error)
}

// SupervisorOrder asks for a sheet of codes for one lane.
type SupervisorOrder struct {
	Controller string
	Lane       uint8
	Action     pass.Action
	Cause      pass.Cause
	Count      int
	Days       int
	Officer    string // who gets the sheet; stays at central
}

// SupervisorFilter selects codes; zero fields select all that are not long over.
type SupervisorFilter struct {
	Controller string
	Sheet      string
	Used       *bool
	All        bool // also those that were over a week ago
}

// SupervisorCode is a code as central knows it.
type SupervisorCode struct {
	ID         pass.ID
	Sheet      string
	Place      int // on its sheet, from 1
	Controller string
	Lane       uint8
	Action     pass.Action
	Cause      pass.Cause
	From, Till time.Time
	Text       string // of Issue alone
	Officer    string
	Issued     time.Time
	IssuedBy   string
	Status     string // unused, open, used, unsure, given_back, expired, revoked
	UsedAt     time.Time
	UsedBy     string // controller
	UsedLane   uint8
	Ledger     int64 // number of the entry that Status rests on, 0 for none
	Tried      int   // times that a lane refused it
	Revoked    time.Time
	RevokedBy  string
	Reason     string // given with the revocation
}

// SupervisorOrderBody asks for a sheet.
type SupervisorOrderBody struct {
	Controller string `json:"controller" pattern:"^[A-Za-z0-9_-]{1,32}$" example:"north-1"`
	Lane       int    `json:"lane" minimum:"1" maximum:"255"`
	Action     string `json:"action" enum:"open-in,open-out,lockdown,free-passage,normal" doc:"What each code does, once."`
	Cause      string `json:"cause" enum:"outage,code,assistance,visitor,rescue,incident,evacuation,maintenance,event,drill" doc:"What it may be used for."`
	Count      int    `json:"count" minimum:"1" maximum:"20"`
	Days       int    `json:"days" minimum:"1" maximum:"7" doc:"Campus days that they are valid, today the first."`
	Officer    string `json:"officer" minLength:"1" maxLength:"60" doc:"Who gets the sheet. Stays at central."`
}

// SupervisorCodeBody is a code.
type SupervisorCodeBody struct {
	ID         string     `json:"id" example:"2026-11-21/000815"`
	Sheet      string     `json:"sheet"`
	Place      int        `json:"place"`
	Controller string     `json:"controller"`
	Lane       int        `json:"lane"`
	Action     string     `json:"action"`
	Cause      string     `json:"cause"`
	From       time.Time  `json:"from"`
	Until      time.Time  `json:"until"`
	Code       string     `json:"code,omitempty" doc:"A secret, in the answer to the order alone."`
	Officer    string     `json:"officer"`
	Issued     time.Time  `json:"issued"`
	IssuedBy   string     `json:"issued_by"`
	Status     string     `json:"status" enum:"unused,open,used,unsure,given_back,expired,revoked" doc:"open: granted, the result is to come; unsure: used up, nobody knows whether somebody went through; given_back: nobody did."`
	UsedAt     *time.Time `json:"used_at,omitempty" doc:"By the lane's clock."`
	UsedBy     string     `json:"used_by,omitempty"`
	UsedLane   int        `json:"used_lane,omitempty"`
	Ledger     int64      `json:"ledger,omitempty" doc:"Number of the entry in the ledger."`
	Tried      int        `json:"tried,omitempty" doc:"Times that a lane refused it."`
	Revoked    *time.Time `json:"revoked,omitempty"`
	RevokedBy  string     `json:"revoked_by,omitempty"`
	Reason     string     `json:"reason,omitempty"`
}

// SupervisorList is codes; of a list one page.
type SupervisorList struct {
	Codes []SupervisorCodeBody `json:"codes"`
	Next  string               `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

type supervisorAnswer struct{ Body SupervisorList }

func (a *api) supervisorRoutes(h huma.API) {
	issue := operation(rights.SupervisorManage, "issue-supervisor-codes", http.MethodPost, "/supervisor-codes", "Issue a sheet of supervisor codes", http.StatusNotFound, http.StatusConflict)
	issue.DefaultStatus = http.StatusCreated
	huma.Register(h, issue, a.issueSupervisor)
	huma.Register(h, operation(rights.SupervisorManage, "list-supervisor-codes", http.MethodGet, "/supervisor-codes", "Show supervisor codes and what became of them"), a.listSupervisor)
	revoke := operation(rights.SupervisorManage, "revoke-supervisor-codes", http.MethodPost, "/supervisor-codes/revoke", "Revoke a sheet or one code", http.StatusNotFound, http.StatusConflict)
	huma.Register(h, repeatable(revoke), a.revokeSupervisor)
}

func (a *api) supervisorBody(c SupervisorCode) SupervisorCodeBody {
	return SupervisorCodeBody{
		ID: c.ID.String(), Sheet: c.Sheet, Place: c.Place, Controller: c.Controller, Lane: int(c.Lane), Action: c.Action.String(), Cause: c.Cause.String(),
		From: a.at(c.From), Until: a.at(c.Till), Code: c.Text, Officer: c.Officer, Issued: a.at(c.Issued), IssuedBy: c.IssuedBy, Status: c.Status,
		UsedAt: a.maybe(c.UsedAt), UsedBy: c.UsedBy, UsedLane: int(c.UsedLane), Ledger: c.Ledger, Tried: c.Tried,
		Revoked: a.maybe(c.Revoked), RevokedBy: c.RevokedBy, Reason: c.Reason,
	}
}

func (a *api) supervisorList(ctx context.Context, list []SupervisorCode, err error) (*supervisorAnswer, error) {
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := SupervisorList{Codes: make([]SupervisorCodeBody, 0, len(list))}
	for _, c := range list {
		out.Codes = append(out.Codes, a.supervisorBody(c))
	}
	return &supervisorAnswer{out}, nil
}

func (a *api) issueSupervisor(ctx context.Context, in *struct{ Body SupervisorOrderBody }) (*supervisorAnswer, error) {
	b := in.Body
	if !printable(b.Officer) {
		return nil, wrong("body.officer", "has control characters", nil)
	}
	action, _ := pass.ParseAction(b.Action) // both are of the enum
	cause, _ := pass.ParseCause(b.Cause)
	list, err := a.Supervisor.Issue(ctx, caller(ctx), SupervisorOrder{
		Controller: b.Controller, Lane: uint8(b.Lane), Action: action, Cause: cause, Count: b.Count, Days: b.Days, Officer: b.Officer,
	})
	return a.supervisorList(ctx, list, err)
}

type supervisorQuery struct {
	Controller string `query:"controller" pattern:"^[A-Za-z0-9_-]{1,32}$"`
	Sheet      string `query:"sheet" maxLength:"8"`
	Used       string `query:"used" enum:"yes,no" doc:"yes: used up or in use; no: the others."`
	All        bool   `query:"all" doc:"Also codes that were over a week ago."`
	Limit      int    `query:"limit" minimum:"1" maximum:"500" default:"200"`
	Cursor     string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}

// newestSheet orders codes by sheet, the newest first, and by place on it.
func newestSheet(c SupervisorCode) string {
	return fmt.Sprintf("%020d/%s/%03d", math.MaxInt64-c.Issued.UnixMilli(), c.Sheet, c.Place)
}

func (a *api) listSupervisor(ctx context.Context, in *supervisorQuery) (*paged[SupervisorList], error) {
	f := SupervisorFilter{Controller: in.Controller, Sheet: in.Sheet, All: in.All}
	if in.Used != "" {
		yes := in.Used == "yes"
		f.Used = &yes
	}
	list, err := a.Supervisor.List(ctx, f)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	slices.SortFunc(list, func(x, y SupervisorCode) int { return strings.Compare(newestSheet(x), newestSheet(y)) })
	page, next, err := pageByKey(ctx, "supervisor-codes", in.Cursor, in.Limit, list, newestSheet)
	if err != nil {
		return nil, err
	}
	out, err := a.supervisorList(ctx, page, nil)
	if err != nil {
		return nil, err
	}
	out.Body.Next = next
	return answerPage(ctx, out.Body, next), nil
}

type supervisorRevocation struct {
	Body struct {
		What   string `json:"what" minLength:"1" maxLength:"19" doc:"A sheet, or the id of one code." example:"K3ZQ4A7B"`
		Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"Why; stands in the audit."`
	}
}

func (a *api) revokeSupervisor(ctx context.Context, in *supervisorRevocation) (*supervisorAnswer, error) {
	if err := printableFields("what", in.Body.What, "reason", in.Body.Reason); err != nil {
		return nil, err
	}
	list, err := a.Supervisor.Revoke(ctx, caller(ctx), in.Body.What, in.Body.Reason)
	return a.supervisorList(ctx, list, err)
}
