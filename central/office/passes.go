package office

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/rights"
	"turnstile/central/symbol"
)

// OrderBody is the request for a pass.
type OrderBody struct {
	Kind           string `json:"kind" enum:"ecard,guest,staff,test" doc:"For whom. To a holder whose eCard is withdrawn no ecard is issued (409): give it back first."`
	Holder         string `json:"holder" minLength:"1" maxLength:"64" doc:"Who answers for the pass: the person's id. It stays at central." example:"A1234567"`
	GuestName      string `json:"guest_name,omitempty" maxLength:"120" doc:"Of a guest's pass. It stays at central."`
	Purpose        string `json:"purpose,omitempty" maxLength:"200"`
	Day            string `json:"day" format:"date" doc:"Campus day." example:"2026-11-21"`
	Zones          []int  `json:"zones,omitempty" minItems:"1" maxItems:"16" uniqueItems:"true" minimum:"0" maximum:"15" default:"[0]"`
	Start          string `json:"start,omitempty" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" default:"00:00" doc:"Campus time on that day."`
	Length         string `json:"length,omitempty" maxLength:"12" default:"24h" doc:"In steps of 10 minutes, up to 25h." example:"8h30m"`
	Live           bool   `json:"live,omitempty" doc:"Only valid as a live code: a screenshot is refused."`
	Escort         bool   `json:"escort,omitempty" doc:"Only valid right after a staff pass at the same lane."`
	PassbackExempt bool   `json:"passback_exempt,omitempty" doc:"Anti-passback does not apply."`
	Entries        int    `json:"entries,omitempty" minimum:"0" maximum:"15" doc:"How often it lets in; 0 is without limit."`
	Exception      string `json:"exception,omitempty" maxLength:"200" doc:"Of a guest's pass: why it is issued beyond the rules for guests, for the audit. Needs applications.judge as well."`
}

// PassBody is a pass.
type PassBody struct {
	ID             string         `json:"id" example:"2026-11-21/004711"`
	Kind           string         `json:"kind" enum:"ecard,guest,staff,test"`
	Status         string         `json:"status" enum:"good,revoked,held"`
	Holder         string         `json:"holder"`
	GuestName      string         `json:"guest_name,omitempty"`
	Purpose        string         `json:"purpose,omitempty"`
	Day            string         `json:"day" format:"date"`
	From           time.Time      `json:"from"`
	Until          time.Time      `json:"until"`
	Zones          []int          `json:"zones"`
	Live           bool           `json:"live"`
	Escort         bool           `json:"escort"`
	PassbackExempt bool           `json:"passback_exempt"`
	Entries        int            `json:"entries"`
	Generation     int            `json:"generation"`
	KeyID          int            `json:"key_id"`
	Issued         time.Time      `json:"issued"`
	IssuedBy       string         `json:"issued_by"`
	Changed        *time.Time     `json:"changed,omitempty" doc:"When the status was last changed."`
	ChangedBy      string         `json:"changed_by,omitempty"`
	Reason         string         `json:"reason,omitempty" doc:"Given with that change."`
	Code           string         `json:"code,omitempty" doc:"In the answer to an issue only; of a live pass the code of that moment."`
	RefusedBy      *RefusedByBody `json:"refused_by,omitempty" doc:"Of one revoked or held pass: which lane controllers refuse it."`
}

// RefusedByBody tells how far a revocation has come.
type RefusedByBody struct {
	Seq     uint64            `json:"seq" doc:"Number of the event in the feed."`
	Lanes   int               `json:"lanes" doc:"Lane controllers that have applied it."`
	Of      int               `json:"of" doc:"Enrolled lane controllers."`
	Since   *time.Time        `json:"since,omitempty" doc:"When the last of them did."`
	Missing []MissingLaneBody `json:"missing" doc:"The others."`
}

// MissingLaneBody is a lane controller that has not applied an event yet.
type MissingLaneBody struct {
	ID    string     `json:"id"`
	Alive bool       `json:"alive"`
	Since *time.Time `json:"since,omitempty"`
}

// PassPath names a pass in a path. It is exported because huma overlooks embedded
// structs that are not.
type PassPath struct {
	Day   string `path:"day" format:"date" example:"2026-11-21"`
	Index uint32 `path:"index" maximum:"16777215" example:"4711"`
}

// id returns the pass that the path names.
func (p PassPath) id() (pass.ID, error) {
	d, err := pass.ParseDay(p.Day)
	if err != nil {
		return pass.ID{}, wrong("path.day", err.Error(), p.Day)
	}
	return pass.ID{Day: d, Index: p.Index}, nil
}

type passAnswer struct{ Body PassBody }

func (a *api) passRoutes(h huma.API) {
	issue := operation(rights.PassesIssue, "issue-pass", http.MethodPost, "/passes", "Issue a pass", http.StatusConflict)
	issue.DefaultStatus = http.StatusCreated
	huma.Register(h, issue, a.issue)
	huma.Register(h, operation(rights.PassesRead, "list-passes", http.MethodGet, "/passes", "List passes, the newest first"), a.listPasses)
	huma.Register(h, operation(rights.PassesRead, "get-pass", http.MethodGet, "/passes/{day}/{index}", "Show a pass", http.StatusNotFound), a.findPass)
	code := operation(rights.PassesCode, "get-code", http.MethodGet, "/passes/{day}/{index}/code", "The code as text or QR symbol", http.StatusNotFound, http.StatusConflict)
	code.Responses = map[string]*huma.Response{"200": {Description: "The code", Content: map[string]*huma.MediaType{"text/plain": {}, "image/svg+xml": {}, "image/png": {}}}}
	huma.Register(h, code, a.code)
	for verb, s := range map[string]link.Status{"revoke": link.Revoked, "hold": link.Held, "release": link.Good} {
		op := operation(rights.PassesStatus, verb+"-pass", http.MethodPost, "/passes/{day}/{index}/"+verb, "Tell all lanes: "+verb, http.StatusNotFound, http.StatusConflict)
		huma.Register(h, repeatable(op), a.setStatus(s))
	}
}

func (a *api) issue(ctx context.Context, in *struct{ Body OrderBody }) (*passAnswer, error) {
	o, err := in.Body.order()
	if err != nil {
		return nil, err
	}
	if o.Exception != "" && !callOf(ctx).token.Permissions().Has(rights.ApplicationsJudge) {
		return nil, problemForbidden.say("An exception from the rules for guests needs the permission " + string(rights.ApplicationsJudge) + " as well; order without it, or ask somebody who has it.")
	}
	p, err := a.Passes.Issue(ctx, caller(ctx), o)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &passAnswer{a.issued(ctx, p)}, nil
}

// issued returns a pass with its code, for whoever ordered it. Without the code
// if there is none to have: the pass exists, and an error would make the caller
// issue a second one.
func (a *api) issued(ctx context.Context, p Pass) PassBody {
	body := a.passBody(p)
	c, err := a.Passes.Code(ctx, p.ID())
	if err != nil && !errors.Is(err, ErrConflict) {
		a.log.Error("code of a new pass", "pass", body.ID, "cause", err)
	}
	body.Code = c.Text
	return body
}

// issuedBefore answers a repeated order with the pass that the first one made, as
// it is now: of a live pass with the code of this moment, of a revoked one without.
func (a *api) issuedBefore(ctx context.Context, made string) (any, error) {
	id, err := pass.ParseID(made)
	if err != nil {
		return nil, err
	}
	p, err := a.Passes.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	return a.issued(ctx, p), nil
}

// order checks what the schema cannot say.
func (b OrderBody) order() (o Order, err error) {
	kind, ok := pass.ParseKind(b.Kind)
	if !ok {
		return o, wrong("body.kind", "unknown kind", b.Kind)
	}
	if o.Day, err = pass.ParseDay(b.Day); err != nil {
		return o, wrong("body.day", err.Error(), b.Day)
	}
	if o.Length, err = parseLength(b.Length); err != nil {
		return o, wrong("body.length", err.Error(), b.Length)
	}
	minute, err := parseMinute(b.Start)
	if err != nil {
		return o, wrong("body.start", err.Error(), b.Start)
	}
	for name, s := range map[string]string{"holder": b.Holder, "guest_name": b.GuestName, "purpose": b.Purpose, "exception": b.Exception} {
		if !printable(s) {
			return o, wrong("body."+name, "has control characters", nil)
		}
	}
	if b.GuestName != "" && kind != pass.Guest {
		return o, wrong("body.guest_name", "only a pass of kind guest has one", nil)
	}
	if b.Exception != "" && kind != pass.Guest {
		return o, wrong("body.exception", "only a pass of kind guest has one", nil)
	}
	o.Exception = strings.TrimSpace(b.Exception)
	o.Kind, o.Holder, o.GuestName, o.Purpose, o.Entries = kind, b.Holder, b.GuestName, b.Purpose, uint8(b.Entries)
	o.Start, o.Zones, o.Flags = time.Duration(minute)*time.Minute, zoneMask(b.Zones), b.flags()
	return o, nil
}

func (b OrderBody) flags() (f pass.Flags) {
	for flag, set := range map[pass.Flags]bool{pass.LiveRequired: b.Live, pass.Escort: b.Escort, pass.PassbackExempt: b.PassbackExempt} {
		if set {
			f |= flag
		}
	}
	return f
}

// parseLength reads a validity, 10 minutes to 25 hours in steps of 10 minutes.
func parseLength(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 10*time.Minute || d > pass.MaxLength*10*time.Minute || d%(10*time.Minute) != 0 {
		return 0, fmt.Errorf("want 10m to 25h in steps of 10 minutes, such as 24h or 1h30m")
	}
	return d, nil
}

// parseMinute reads a time of day, 00:00 to 24:00, as minutes after midnight.
func parseMinute(s string) (int, error) {
	if s == "24:00" {
		return 1440, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != 5 {
		return 0, fmt.Errorf("want a time such as 07:30")
	}
	return t.Hour()*60 + t.Minute(), nil
}

func printable(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return false
		}
	}
	return true
}

func zoneMask(zones []int) (mask uint16) {
	for _, z := range zones {
		mask |= 1 << z
	}
	return mask
}

func zoneList(mask uint16) []int {
	list := []int{}
	for z := range 16 {
		if mask&(1<<z) != 0 {
			list = append(list, z)
		}
	}
	return list
}

type listInput struct {
	Day    string `query:"day" format:"date"`
	Status string `query:"status" enum:"good,revoked,held"`
	Kind   string `query:"kind" enum:"ecard,guest,staff,test"`
	Holder string `query:"holder" maxLength:"64"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}

// PassList is one page of passes.
type PassList struct {
	Passes []PassBody `json:"passes"`
	Next   string     `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

func (a *api) listPasses(ctx context.Context, in *listInput) (*paged[PassList], error) {
	f := PassFilter{Holder: in.Holder, Limit: in.Limit}
	f.Kind, _ = pass.ParseKind(in.Kind) // the schema let only known ones through
	if s, ok := parseStatus(in.Status); ok {
		f.Status = &s
	}
	var err error
	if f.Day, err = dayFilter(in.Day); err != nil {
		return nil, err
	}
	if f.Cursor, err = placeOf(ctx, "passes", in.Cursor); err != nil {
		return nil, err
	}
	page, err := a.Passes.List(ctx, f)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := PassList{Passes: make([]PassBody, 0, len(page.Passes))}
	for _, p := range page.Passes {
		out.Passes = append(out.Passes, a.passBody(p))
	}
	if page.Next != "" {
		out.Next = cursorOf(ctx, "passes", page.Next)
	}
	return answerPage(ctx, out, out.Next), nil
}

func dayFilter(s string) (*pass.Day, error) {
	if s == "" {
		return nil, nil
	}
	d, err := pass.ParseDay(s)
	if err != nil {
		return nil, wrong("query.day", err.Error(), s)
	}
	return &d, nil
}

func (a *api) findPass(ctx context.Context, in *PassPath) (*passAnswer, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	p, err := a.Passes.Find(ctx, id)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &passAnswer{a.passBody(p)}, nil
}

type statusInput struct {
	PassPath
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"200" doc:"Why; kept with the pass, never sent to a lane."`
	}
}

func (a *api) setStatus(s link.Status) func(context.Context, *statusInput) (*passAnswer, error) {
	return func(ctx context.Context, in *statusInput) (*passAnswer, error) {
		id, err := in.id()
		if err != nil {
			return nil, err
		}
		if !printable(in.Body.Reason) {
			return nil, wrong("body.reason", "has control characters", nil)
		}
		p, err := a.Passes.SetStatus(ctx, caller(ctx), id, s, in.Body.Reason)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return &passAnswer{a.passBody(p)}, nil
	}
}

type codeInput struct {
	PassPath
	Format string `query:"format" enum:"text,svg,png,short" default:"text" doc:"short: 16 hexadecimal digits for readers that carry only 64 bits. Weak, and a conflict unless the rules name zones for it."`
	Module int    `query:"module" minimum:"1" maximum:"64" default:"8" doc:"Pixels of one module in PNG."`
}

type codeAnswer struct {
	ContentType string `header:"Content-Type"`
	Until       string `header:"Turnstile-Until" format:"date-time" doc:"Of a live code: when the next one stands in its place."`
	Body        []byte
}

func (a *api) code(ctx context.Context, in *codeInput) (*codeAnswer, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	c, err := a.Passes.Code(ctx, id)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &codeAnswer{ContentType: "text/plain; charset=utf-8", Body: []byte(c.Text + "\n")}
	if !c.Until.IsZero() {
		out.Until = c.Until.In(a.zone).Format(time.RFC3339)
	}
	switch {
	case in.Format == "text":
		return out, nil
	case in.Format == "short" && c.Short == "":
		return nil, a.problem(ctx, Refuse(ErrConflict, "%s", c.NoShort))
	case in.Format == "short":
		out.Body = []byte(c.Short + "\n")
		return out, nil
	}
	s, err := symbol.Draw(c.Text)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	if in.Format == "svg" {
		out.ContentType, out.Body = "image/svg+xml", s.SVG()
		return out, nil
	}
	out.ContentType = "image/png"
	if out.Body, err = s.PNG(in.Module); err != nil {
		return nil, a.problem(ctx, err)
	}
	return out, nil
}

// passBody returns the pass as the API shows it.
func (a *api) passBody(p Pass) PassBody {
	from, until := p.Window()
	return PassBody{
		ID: p.ID().String(), Kind: p.Kind.String(), Status: statusName(p.Status), Holder: p.HolderName, GuestName: p.GuestName,
		Purpose: p.Purpose, Day: p.Day.String(), From: a.at(time.Unix(from, 0)), Until: a.at(time.Unix(until, 0)),
		Zones: zoneList(p.Zones), Live: p.Flags&pass.LiveRequired != 0, Escort: p.Flags&pass.Escort != 0,
		PassbackExempt: p.Flags&pass.PassbackExempt != 0, Entries: int(p.Entries), Generation: int(p.Generation), KeyID: int(p.KeyID),
		Issued: a.at(p.Issued), IssuedBy: p.IssuedBy, Changed: a.maybe(p.Changed), ChangedBy: p.ChangedBy, Reason: p.Reason,
		RefusedBy: a.refusedBody(p.RefusedBy),
	}
}

func (a *api) refusedBody(r *RefusedBy) *RefusedByBody {
	if r == nil {
		return nil
	}
	out := &RefusedByBody{Seq: r.Seq, Lanes: r.Lanes, Of: r.Of, Since: a.maybe(r.Since), Missing: []MissingLaneBody{}}
	for _, m := range r.Missing {
		out.Missing = append(out.Missing, MissingLaneBody{m.ID, m.Alive, a.maybe(m.Since)})
	}
	return out
}

// at returns t in campus time; see campusTime.
func (a *api) at(t time.Time) time.Time { return campusTime(t, a.zone) }

// maybe returns nil for the zero time.
func (a *api) maybe(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = a.at(t)
	return &t
}

// statusNames are the statuses in the API's words.
var statusNames = [...]string{link.Good: "good", link.Revoked: "revoked", link.Held: "held"}

func statusName(s link.Status) string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("status(%d)", s)
}

func parseStatus(name string) (link.Status, bool) {
	for s, n := range statusNames {
		if n == name {
			return link.Status(s), true
		}
	}
	return 0, false
}
