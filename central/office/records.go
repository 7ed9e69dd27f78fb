package office

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// PassageBody is one row of the ledger.
type PassageBody struct {
	Number     int64     `json:"number" doc:"In the order in which central stored them."`
	Type       string    `json:"type" doc:"granted, denied, passed, not_passed, unknown, or an event of the lane." example:"passed"`
	Reason     string    `json:"reason,omitempty" doc:"Of a decision; GRANTED or why not." example:"REVOKED"`
	Controller string    `json:"controller" doc:"Lane controller."`
	Lane       int       `json:"lane" doc:"Lane of that controller; 0 is the controller itself."`
	Direction  string    `json:"direction,omitempty" enum:"in,out"`
	Zone       int       `json:"zone"`
	Time       time.Time `json:"time" doc:"By the lane's clock."`
	Received   time.Time `json:"received" doc:"By central's clock."`
	Pass       string    `json:"pass,omitempty" example:"2026-11-21/004711"`
	Kind       string    `json:"kind,omitempty"`
	Holder     string    `json:"holder,omitempty"`
	GuestName  string    `json:"guest_name,omitempty"`
	Live       bool      `json:"live,omitempty" doc:"Shown as a live code."`
	Grant      uint64    `json:"grant,omitempty" doc:"Of a result: the journal number of its grant."`
	Marks      []string  `json:"marks,omitempty" doc:"stamped, alarm, passback, free_passage, short_code."`
	Clock      string    `json:"clock" doc:"How far the lane's clock could be trusted." enum:"trusted,holdover,untrusted"`
	ClockBound int       `json:"clock_bound" doc:"Error bound of time in seconds; 65535 is unknown."`
	FeedSeq    uint64    `json:"feed_seq" doc:"The newest event that the lane knew."`
	FeedAge    *uint32   `json:"feed_age,omitempty" doc:"Seconds since the lane last heard from central; missing: never."`
	Journal    string    `json:"journal"`
	Boot       uint32    `json:"boot" doc:"Number of the agent's start."`
	SinceBoot  uint64    `json:"since_boot" doc:"Milliseconds since that start, by a clock that nobody sets."`
	Seq        uint64    `json:"seq" doc:"Number in that journal."`
}

// entryNames are the entry types in the API's words.
var entryNames = map[link.EntryType]string{
	link.EntryGranted: "granted", link.EntryDenied: "denied", link.EntryPassed: "passed", link.EntryNotPassed: "not_passed",
	link.EntryUnknown: "unknown", link.EntryForced: "forced", link.EntryTailgated: "tailgated", link.EntryFire: "fire",
	link.EntryFireOver: "fire_over", link.EntryTamper: "tamper", link.EntryTamperEnd: "tamper_over", link.EntryGateLost: "gate_lost",
	link.EntryGateFound: "gate_found", link.EntryScanLost: "scanner_lost", link.EntryScanFound: "scanner_found", link.EntryBoot: "boot",
	link.EntryFloor: "floor", link.EntryDropped: "dropped", link.EntryRefused: "message_refused", link.EntryFault: "gate_fault",
	link.EntryHeld: "held_open", link.EntryHeldOver: "shut_again", link.EntryConflict: "conflict", link.EntryMode: "mode_changed", link.EntryShown: "lane_shown",
}

func entryName(t link.EntryType) string {
	if n, ok := entryNames[t]; ok {
		return n
	}
	return fmt.Sprintf("type_%d", t) // of a newer lane
}

// AlarmBody is something that somebody should look at.
type AlarmBody struct {
	Number     int64     `json:"number" doc:"In the order in which they were raised."`
	Time       time.Time `json:"time"`
	Controller string    `json:"controller,omitempty"`
	Code       string    `json:"code" example:"journal_gap"`
	Detail     string    `json:"detail"`
	Next       string    `json:"next" doc:"What to do."`
}

func (a *api) recordRoutes(h huma.API) {
	huma.Register(h, operation(rights.PassagesRead, "list-passages", http.MethodGet, "/passages", "Read the ledger"), a.listPassages)
	huma.Register(h, operation(rights.PassagesRead, "list-alarms", http.MethodGet, "/alarms", "Read the alarms"), a.listAlarms)
}

type passagesInput struct {
	After  int64  `query:"after" minimum:"0" doc:"Only rows with a higher number: what was stored since."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
	Lane   string `query:"lane" pattern:"^[A-Za-z0-9_-]{1,32}$" doc:"Lane controller."`
	Day    string `query:"day" format:"date" doc:"Campus day of the lane's time stamp."`
	Pass   string `query:"pass" maxLength:"19" example:"2026-11-21/004711"`
}

// PassageList is a part of the ledger.
type PassageList struct {
	Passages []PassageBody `json:"passages"`
	Next     string        `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one. For what comes later ask with after, the number of the last row."`
}

func (a *api) listPassages(ctx context.Context, in *passagesInput) (*paged[PassageList], error) {
	after, err := numberAfter(ctx, "passages", in.Cursor, in.After)
	if err != nil {
		return nil, err
	}
	f := PassageFilter{After: after, Limit: in.Limit + 1, Lane: in.Lane}
	if f.Day, err = dayFilter(in.Day); err != nil {
		return nil, err
	}
	if in.Pass != "" {
		id, err := pass.ParseID(in.Pass)
		if err != nil {
			return nil, wrong("query.pass", err.Error(), in.Pass)
		}
		f.Pass = &id
	}
	rows, err := a.Records.Passages(ctx, f)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	rows, next := pageByNumber(ctx, "passages", in.Limit, rows, func(p Passage) int64 { return p.Number })
	out := PassageList{Passages: make([]PassageBody, 0, len(rows)), Next: next}
	for _, r := range rows {
		out.Passages = append(out.Passages, a.passageBody(ctx, r))
	}
	return answerPage(ctx, out, next), nil
}

func (a *api) passageBody(ctx context.Context, p Passage) PassageBody {
	return passageBody(p, a.zone, seesNames(ctx))
}

// campusTime returns t by the campus clock, to the millisecond. A lane's clock can
// say anything, JSON only the years up to 9999: what is beyond becomes the epoch.
func campusTime(t time.Time, zone *time.Location) time.Time {
	if y := t.UTC().Year(); y < 1 || y > 9998 {
		t = time.Unix(0, 0)
	}
	return t.In(zone).Truncate(time.Millisecond)
}

// seesNames tells whether the caller may see whose passages these are. Names
// stand with passes: who may not look at these sees a pass's number alone.
func seesNames(ctx context.Context) bool {
	return callOf(ctx).token.Permissions().Has(rights.PassesRead)
}

// passageBody returns a row as API and files show it.
func passageBody(p Passage, zone *time.Location, names bool) PassageBody {
	e := p.Entry
	out := PassageBody{
		Number: p.Number, Type: entryName(e.Type), Controller: p.Lane, Lane: int(e.Lane), Direction: directionName(e.Direction),
		Zone: int(e.Zone), Time: campusTime(time.UnixMilli(e.Wall), zone), Received: campusTime(p.Received, zone),
		Live: e.Flags&link.FlagLive != 0, Grant: e.Grant, Marks: marks(e.Flags), Clock: e.Clock.String(), ClockBound: int(e.Bound),
		FeedSeq: e.FeedSeq, Journal: fmt.Sprintf("%x", p.Journal), Boot: e.Boot, SinceBoot: e.Mono, Seq: e.Seq,
	}
	if e.FeedAge != 1<<32-1 {
		out.FeedAge = &e.FeedAge
	}
	if e.Type == link.EntryGranted || e.Type == link.EntryDenied {
		out.Reason = e.Reason.String()
	}
	if e.Kind != 0 && e.Kind != pass.Command {
		out.Pass = e.Pass.String()
	}
	if e.Kind != 0 {
		out.Kind = e.Kind.String()
	}
	if names {
		out.Holder, out.GuestName = p.HolderName, p.GuestName
	}
	return out
}

func directionName(d uint8) string {
	switch d {
	case 1:
		return "in"
	case 2:
		return "out"
	}
	return ""
}

func marks(f link.EntryFlags) (list []string) {
	for _, m := range []struct {
		flag link.EntryFlags
		name string
	}{{link.FlagStamped, "stamped"}, {link.FlagAlarm, "alarm"}, {link.FlagPassback, "passback"}, {link.FlagFreePassage, "free_passage"}, {link.FlagShort, "short_code"}} {
		if f&m.flag != 0 {
			list = append(list, m.name)
		}
	}
	return list
}

// AlarmList is a part of the alarms.
type AlarmList struct {
	Alarms []AlarmBody `json:"alarms"`
	Next   string      `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one. For what comes later ask with after, the number of the last one."`
}

type alarmsInput struct {
	After  int64  `query:"after" minimum:"0" doc:"Only alarms with a higher number: what was raised since."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}

func (a *api) listAlarms(ctx context.Context, in *alarmsInput) (*paged[AlarmList], error) {
	after, err := numberAfter(ctx, "alarms", in.Cursor, in.After)
	if err != nil {
		return nil, err
	}
	rows, err := a.Records.Alarms(ctx, after, in.Limit+1)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	rows, next := pageByNumber(ctx, "alarms", in.Limit, rows, func(r Alarm) int64 { return r.Number })
	out := AlarmList{Alarms: make([]AlarmBody, 0, len(rows)), Next: next}
	for _, r := range rows {
		out.Alarms = append(out.Alarms, AlarmBody{r.Number, a.at(r.At), r.Lane, r.Code, r.Detail, r.Next})
	}
	return answerPage(ctx, out, next), nil
}
