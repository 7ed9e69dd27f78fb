package office

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/rights"
)

// ApplicationInput is what a portal hands in.
type ApplicationInput struct {
	Kind      string      `json:"kind" enum:"ecard,guests" doc:"ecard: activate or renew the holder's eCard. guests: passes for guests of the holder."`
	Holder    string      `json:"holder" minLength:"1" maxLength:"64" doc:"The person's id. It stays at central." example:"A1234567"`
	Name      string      `json:"name" minLength:"1" maxLength:"120" doc:"The person's name as on the card."`
	Facts     []Fact      `json:"facts,omitempty" maxItems:"20" doc:"What the person states, for whoever decides; in this order beside the photo."`
	Photo     []byte      `json:"photo,omitempty" doc:"Of an eCard: JPEG or PNG in base64, at least 120 x 120 pixels, at most 16 million. It is kept as JPEG of at most 600 x 800, without anything else that the file carries."`
	PhotoType string      `json:"photo_type,omitempty" enum:"image/jpeg,image/png" doc:"What the photo's file says it is; another content is refused."`
	Guests    []string    `json:"guests,omitempty" maxItems:"20" doc:"Names of the guests; each gets a pass."`
	Visit     *VisitInput `json:"visit,omitempty" doc:"Of guests: what each pass is like."`
}

// VisitInput is what the passes of a request for guests are like.
type VisitInput struct {
	Purpose string `json:"purpose,omitempty" maxLength:"200"`
	Day     string `json:"day" format:"date" doc:"Campus day." example:"2026-11-21"`
	Zones   []int  `json:"zones,omitempty" minItems:"1" maxItems:"16" uniqueItems:"true" minimum:"0" maximum:"15" default:"[0]"`
	Start   string `json:"start,omitempty" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" default:"00:00" doc:"Campus time on that day."`
	Length  string `json:"length,omitempty" maxLength:"12" default:"24h" doc:"In steps of 10 minutes, up to 25h." example:"8h30m"`
	Live    bool   `json:"live,omitempty" doc:"Only valid as a live code."`
	Escort  bool   `json:"escort,omitempty" doc:"Only valid right after a staff pass at the same lane."`
	Entries int    `json:"entries,omitempty" minimum:"0" maximum:"15" doc:"How often each lets in; 0 is without limit."`
}

// ApplicationBody is an application.
type ApplicationBody struct {
	Number     int64      `json:"number" example:"17"`
	Kind       string     `json:"kind" enum:"ecard,guests"`
	State      string     `json:"state" enum:"open,approved,rejected"`
	Holder     string     `json:"holder"`
	Name       string     `json:"name"`
	Facts      []Fact     `json:"facts"`
	Photo      bool       `json:"photo" doc:"It has one to look at; erased with the decision."`
	Guests     []string   `json:"guests,omitempty"`
	Day        string     `json:"day,omitempty" format:"date"`
	HandedIn   time.Time  `json:"handed_in"`
	HandedInBy string     `json:"handed_in_by"`
	Decided    *time.Time `json:"decided,omitempty"`
	DecidedBy  string     `json:"decided_by,omitempty" doc:"A person, or policy where none is asked."`
	Reason     string     `json:"reason,omitempty" doc:"Given with the decision, for the holder."`
	Passes     []string   `json:"passes,omitempty" doc:"Issued with an approval." example:"[\"2026-11-21/004711\"]"`
}

// ApplicationPath names an application in a path; exported for huma.
type ApplicationPath struct {
	Number int64 `path:"number" minimum:"1" example:"17"`
}

type applicationAnswer struct{ Body ApplicationBody }

func (a *api) applicationRoutes(h huma.API) {
	hand := operation(rights.ApplicationsWrite, "hand-in-application", http.MethodPost, "/applications", "Hand in an eCard application, or a request for guests", http.StatusConflict)
	hand.DefaultStatus, hand.MaxBodyBytes = http.StatusCreated, MaxUpload
	huma.Register(h, hand, a.handIn)
	huma.Register(h, operation(rights.ApplicationsRead, "list-applications", http.MethodGet, "/applications", "List applications, the oldest first"), a.listApplications)
	huma.Register(h, operation(rights.ApplicationsRead, "get-application", http.MethodGet, "/applications/{number}", "Show an application", http.StatusNotFound), a.findApplication)
	photo := operation(rights.ApplicationsRead, "get-application-photo", http.MethodGet, "/applications/{number}/photo", "The photo of an open eCard application", http.StatusNotFound)
	photo.Responses = map[string]*huma.Response{"200": {Description: "The photo", Content: map[string]*huma.MediaType{"image/jpeg": {}}}}
	huma.Register(h, photo, a.applicationPhoto)
	for verb, approve := range map[string]bool{"approve": true, "reject": false} {
		op := operation(rights.ApplicationsJudge, verb+"-application", http.MethodPost, "/applications/{number}/"+verb, "Decide: "+verb, http.StatusNotFound, http.StatusConflict)
		huma.Register(h, op, a.decide(approve))
	}
	huma.Register(h, operation(rights.ApplicationsRead, "get-approval-policy", http.MethodGet, "/approval-policy", "What a person has to approve"), a.policy)
	huma.Register(h, operation(rights.RulesWrite, "set-approval-policy", http.MethodPut, "/approval-policy", "Change what a person has to approve", http.StatusConflict), a.setPolicy)
}

func (a *api) handIn(ctx context.Context, in *struct{ Body ApplicationInput }) (*applicationAnswer, error) {
	s, err := in.Body.submission()
	if err != nil {
		return nil, err
	}
	done, err := a.Approvals.HandIn(ctx, caller(ctx), s)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &applicationAnswer{a.applicationBody(done)}, nil
}

// submission checks what the schema cannot say.
func (b *ApplicationInput) submission() (s Submission, err error) {
	s = Submission{Kind: ApplicationKind(b.Kind), Holder: b.Holder, Name: b.Name, Facts: b.Facts, Photo: b.Photo, PhotoType: b.PhotoType, Guests: b.Guests}
	if !printable(b.Holder) || !printable(b.Name) {
		return s, wrong("body.name", "holder or name has control characters", nil)
	}
	for i, f := range b.Facts {
		if !printable(f.Name) || !printable(f.Value) {
			return s, wrong("body.facts["+strconv.Itoa(i)+"]", "has control characters", nil)
		}
	}
	if s.Kind == ApplyECard {
		switch {
		case len(b.Photo) == 0:
			return s, wrong("body.photo", "an eCard needs a photo", nil)
		case len(b.Guests) > 0 || b.Visit != nil:
			return s, wrong("body.guests", "an eCard has no guests", nil)
		}
		return s, nil
	}
	return s, b.visit(&s)
}

func (b *ApplicationInput) visit(s *Submission) (err error) {
	switch {
	case len(b.Photo) > 0:
		return wrong("body.photo", "a request for guests has no photo", nil)
	case b.Visit == nil:
		return wrong("body.visit", "is missing: say for which day", nil)
	case len(b.Guests) == 0:
		return wrong("body.guests", "is missing: name the guests", nil)
	}
	for i, g := range b.Guests {
		at := "body.guests[" + strconv.Itoa(i) + "]"
		switch {
		case g == "" || len([]rune(g)) > 120 || !printable(g):
			return wrong(at, "want 1 to 120 characters, none of them a control character", nil)
		case slices.Contains(b.Guests[:i], g):
			return wrong(at, "stands twice", nil)
		}
	}
	v := b.Visit
	s.Order, err = OrderBody{Kind: "guest", Holder: b.Holder, Purpose: v.Purpose, Day: v.Day, Zones: v.Zones, Start: v.Start, Length: v.Length,
		Live: v.Live, Escort: v.Escort, Entries: v.Entries}.order()
	return err
}

func (a *api) applicationBody(x Application) ApplicationBody {
	out := ApplicationBody{
		Number: x.Number, Kind: string(x.Kind), State: string(x.State), Holder: x.Holder, Name: x.Name, Facts: append([]Fact{}, x.Facts...), Photo: x.HasPhoto,
		Guests: x.Guests, HandedIn: a.at(x.HandedIn), HandedInBy: x.HandedInBy, Decided: a.maybe(x.Decided), DecidedBy: x.DecidedBy, Reason: x.Reason,
	}
	if x.Kind == ApplyGuests {
		out.Day = x.Order.Day.String()
	}
	for _, id := range x.Passes {
		out.Passes = append(out.Passes, id.String())
	}
	return out
}

type applicationsInput struct {
	Kind   string `query:"kind" enum:"ecard,guests"`
	State  string `query:"state" enum:"open,approved,rejected"`
	Holder string `query:"holder" maxLength:"64"`
	After  int64  `query:"after" minimum:"0" doc:"Only those with a higher number."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}

// ApplicationList is one page of applications.
type ApplicationList struct {
	Applications []ApplicationBody `json:"applications"`
	Next         string            `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

func (a *api) listApplications(ctx context.Context, in *applicationsInput) (*paged[ApplicationList], error) {
	after, err := numberAfter(ctx, "applications", in.Cursor, in.After)
	if err != nil {
		return nil, err
	}
	rows, err := a.Approvals.List(ctx, ApplicationFilter{Kind: ApplicationKind(in.Kind), State: ApplicationState(in.State), Holder: in.Holder, After: after, Limit: in.Limit + 1})
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	rows, next := pageByNumber(ctx, "applications", in.Limit, rows, func(x Application) int64 { return x.Number })
	out := ApplicationList{Applications: make([]ApplicationBody, 0, len(rows)), Next: next}
	for _, x := range rows {
		out.Applications = append(out.Applications, a.applicationBody(x))
	}
	return answerPage(ctx, out, next), nil
}

func (a *api) findApplication(ctx context.Context, in *ApplicationPath) (*applicationAnswer, error) {
	x, err := a.Approvals.Find(ctx, in.Number)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &applicationAnswer{a.applicationBody(x)}, nil
}

type photoAnswer struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *api) applicationPhoto(ctx context.Context, in *ApplicationPath) (*photoAnswer, error) {
	jpeg, err := a.Approvals.Photo(ctx, in.Number)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &photoAnswer{"image/jpeg", jpeg}, nil
}

type decideInput struct {
	ApplicationPath
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"200" doc:"Why; the holder is told. A rejection needs one."`
	}
}

func (a *api) decide(approve bool) func(context.Context, *decideInput) (*applicationAnswer, error) {
	return func(ctx context.Context, in *decideInput) (*applicationAnswer, error) {
		if !printable(in.Body.Reason) {
			return nil, wrong("body.reason", "has control characters", nil)
		}
		x, err := a.Approvals.Decide(ctx, caller(ctx), Decision{in.Number, approve, in.Body.Reason})
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return &applicationAnswer{a.applicationBody(x)}, nil
	}
}

func (a *api) policy(ctx context.Context, _ *struct{}) (*struct{ Body Policy }, error) {
	p, err := a.Policies.Policy(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body Policy }{p}, nil
}

func (a *api) setPolicy(ctx context.Context, in *struct{ Body Policy }) (*struct{ Body Policy }, error) {
	if err := a.Policies.SetPolicy(ctx, caller(ctx), in.Body); err != nil {
		return nil, a.problem(ctx, err)
	}
	return a.policy(ctx, nil)
}
