package office

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/rights"
)

// Attention is what somebody should look at: alarms, conflicts among them, until
// somebody acknowledged them.
type Attention interface {
	// Alarms returns one page, the latest first. A cursor that it did not make is
	// ErrInvalid.
	Alarms(ctx context.Context, f AlarmFilter) (AlarmPage, error)
	// Open counts the alarms that nobody acknowledged.
	Open(ctx context.Context) (int, error)
	// Acknowledge writes down who looked at an alarm, with a note. One that is
	// raised again later is open again. ErrNotFound; ErrConflict if it was raised
	// again since the caller saw it count times, or is acknowledged already.
	Acknowledge(ctx context.Context, by string, number, count int64, note string) error
}

// AlarmFilter selects alarms; zero fields select all.
type AlarmFilter struct {
	Open   bool   // those that nobody acknowledged
	Code   string // such as conflict
	Lane   string
	Limit  int    // 1..500
	Cursor string // AlarmPage.Next of the page before
}

// AlarmPage is one page of alarms.
type AlarmPage struct {
	Alarms []AlarmState
	Next   string // "" on the last one
}

// AlarmState is an alarm and who looked at it.
type AlarmState struct {
	Alarm        // At: when it was raised first
	Subject      string
	Latest       time.Time
	Count        int64     // how often it was raised
	Acknowledged time.Time // zero: never
	By           string
	Note         string
	Again        bool  // raised again since
	Entry        int64 // number of the ledger row that it is about, 0 if it is about none
	Conflict     bool  // two lanes let the same pass in
}

// IsOpen tells that somebody should look.
func (a *AlarmState) IsOpen() bool { return a.Acknowledged.IsZero() || a.Again }

// MaxNote is how many characters a note at an acknowledgement has.
const MaxNote = 200

// AlarmStateBody is an alarm and who looked at it.
type AlarmStateBody struct {
	Number         int64      `json:"number"`
	Code           string     `json:"code" example:"journal_gap"`
	Controller     string     `json:"controller,omitempty"`
	First          time.Time  `json:"first"`
	Latest         time.Time  `json:"latest"`
	Count          int64      `json:"count" doc:"How often it was raised."`
	Detail         string     `json:"detail"`
	Next           string     `json:"next" doc:"What to do."`
	Passage        int64      `json:"passage,omitempty" doc:"Number of the ledger row that it is about."`
	Open           bool       `json:"open" doc:"Nobody acknowledged it, or it was raised again since."`
	Acknowledged   *time.Time `json:"acknowledged,omitempty"`
	AcknowledgedBy string     `json:"acknowledged_by,omitempty"`
	Note           string     `json:"note,omitempty"`
}

// AlarmStateList is a page of alarms.
type AlarmStateList struct {
	Open   int              `json:"open" doc:"How many alarms nobody acknowledged, of all."`
	Alarms []AlarmStateBody `json:"alarms"`
	Next   string           `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

func (a *api) attentionRoutes(h huma.API) {
	huma.Register(h, operation(rights.PassagesRead, "list-attention", http.MethodGet, "/attention", "Show the alarms that somebody should look at"), a.listAttention)
	huma.Register(h, operation(rights.AlarmsAcknowledge, "acknowledge-alarm", http.MethodPost, "/alarms/{number}/acknowledge", "Write down that somebody looked at an alarm", http.StatusNotFound, http.StatusConflict), a.acknowledge)
}

type attentionInput struct {
	All    bool   `query:"all" doc:"Those that were acknowledged as well."`
	Code   string `query:"code" maxLength:"40" pattern:"^[a-z_]*$" example:"conflict"`
	Lane   string `query:"lane" pattern:"^[A-Za-z0-9_-]{1,32}$" doc:"Lane controller."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Cursor string `query:"cursor" maxLength:"200" doc:"The next of the page before."`
}

func (a *api) listAttention(ctx context.Context, in *attentionInput) (*paged[AlarmStateList], error) {
	place, err := placeOf(ctx, "attention", in.Cursor)
	if err != nil {
		return nil, err
	}
	open, err := a.Attention.Open(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	page, err := a.Attention.Alarms(ctx, AlarmFilter{Open: !in.All, Code: in.Code, Lane: in.Lane, Limit: in.Limit, Cursor: place})
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := AlarmStateList{Open: open, Alarms: make([]AlarmStateBody, 0, len(page.Alarms))}
	for _, s := range page.Alarms {
		out.Alarms = append(out.Alarms, a.alarmStateBody(s))
	}
	if page.Next != "" {
		out.Next = cursorOf(ctx, "attention", page.Next)
	}
	return answerPage(ctx, out, out.Next), nil
}

func (a *api) alarmStateBody(s AlarmState) AlarmStateBody {
	return AlarmStateBody{
		Number: s.Number, Code: s.Code, Controller: s.Lane, First: a.at(s.At), Latest: a.at(s.Latest), Count: s.Count, Detail: s.Detail, Next: s.Next,
		Passage: s.Entry, Open: s.IsOpen(), Acknowledged: a.maybe(s.Acknowledged), AcknowledgedBy: s.By, Note: s.Note,
	}
}

type acknowledgeInput struct {
	Number int64 `path:"number" minimum:"1"`
	Body   struct {
		Count int64  `json:"count" minimum:"1" doc:"The alarm's count as you saw it: one that was raised again since stays open."`
		Note  string `json:"note,omitempty" maxLength:"200" doc:"What was found."`
	}
}

func (a *api) acknowledge(ctx context.Context, in *acknowledgeInput) (*struct{}, error) {
	if !printable(in.Body.Note) {
		return nil, wrong("body.note", "has control characters", nil)
	}
	if err := a.Attention.Acknowledge(ctx, caller(ctx), in.Number, in.Body.Count, in.Body.Note); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}
