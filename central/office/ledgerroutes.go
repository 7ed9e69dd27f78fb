package office

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

func (a *api) ledgerRoutes(h huma.API) {
	huma.Register(h, operation(rights.PassagesRead, "search-passages", http.MethodGet, "/passages/search", "Find passages, the latest first"), a.searchPassages)
	huma.Register(h, operation(rights.PassagesRead, "count-passages", http.MethodGet, "/passages/hours", "Count passages by hour"), a.countPassages)
	huma.Register(h, operation(rights.PassagesRead, "count-passages-by-lane", http.MethodGet, "/passages/lanes", "Count passages by lane"), a.countLanes)
	export := operation(rights.PassagesExport, "export-passages", http.MethodGet, "/passages/export", "Take passages away as a file of any size")
	export.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
		CSV.ContentType(): {Schema: &huma.Schema{Type: huma.TypeString}}, JSON.ContentType(): {Schema: &huma.Schema{Type: huma.TypeObject}},
		NDJSON.ContentType(): {Schema: &huma.Schema{Type: huma.TypeString}},
	}}}
	huma.Register(h, export, a.exportPassages)
	huma.Register(h, operation(rights.PassagesRead, "get-passage", http.MethodGet, "/passages/{number}", "Show one passage", http.StatusNotFound), a.getPassage)
	huma.Register(h, operation(rights.PassagesRead, "explain-passage", http.MethodGet, "/passages/{number}/explain", "Explain one passage", http.StatusNotFound), a.explainPassage)
}

// SearchQuery selects passages; exported because the API library looks into exported parts alone.
type SearchQuery struct {
	Day       string    `query:"day" format:"date" doc:"Campus day of the lane's clock; in place of from and until."`
	From      time.Time `query:"from" doc:"By the lane's clock, at or after this." example:"2026-11-21T08:00:00+08:00"`
	Until     time.Time `query:"until" doc:"By the lane's clock, before this."`
	Lane      string    `query:"lane" pattern:"^[A-Za-z0-9_-]{1,32}$" doc:"Lane controller."`
	Index     int       `query:"index" minimum:"1" maximum:"255" doc:"Number of the lane on that controller."`
	Zone      []int     `query:"zone" maxItems:"16" doc:"Any of these." example:"[0]"`
	Type      []string  `query:"type" maxItems:"32" doc:"Any of these, as type in the answer: denied, passed, not_passed, unknown, forced, tailgated, conflict ..." example:"[\"denied\"]"`
	Reason    []string  `query:"reason" maxItems:"40" doc:"Any of these." example:"[\"REVOKED\"]"`
	Kind      []string  `query:"kind" maxItems:"8" doc:"Any of ecard, guest, staff, test, supervisor, command."`
	Direction string    `query:"direction" enum:"in,out"`
	Pass      string    `query:"pass" maxLength:"19" example:"2026-11-21/004711"`
	Name      string    `query:"name" maxLength:"100" doc:"Each word begins one of the holder's id or the guest's name. Needs passes.read as well."`
}

// search returns what the query asks for, or a problem.
func (a *api) search(ctx context.Context, q *SearchQuery) (s Search, err error) {
	s = Search{From: q.From, Until: q.Until, Words: strings.TrimSpace(q.Name)}
	if q.Day != "" {
		d, err := dayFilter(q.Day)
		if err != nil {
			return s, err
		}
		s.From, s.Until = DayBounds(*d, a.zone)
	}
	if q.Lane != "" {
		s.Lanes = []LaneRef{{q.Lane, uint8(q.Index)}}
	}
	for _, z := range q.Zone {
		if z < 0 || z > 15 {
			return s, wrong("query.zone", "zones are 0 to 15", z)
		}
		s.Zones = append(s.Zones, uint8(z))
	}
	if q.Pass != "" {
		id, err := pass.ParseID(q.Pass)
		if err != nil {
			return s, wrong("query.pass", err.Error(), q.Pass)
		}
		s.Pass = &id
	}
	if s.Words != "" && !seesNames(ctx) {
		return s, problemForbidden.say("Names stand with passes: a search for one needs the permission " + string(rights.PassesRead) + " as well.")
	}
	if !printable(s.Words) {
		return s, wrong("query.name", "has control characters", nil)
	}
	return s, s.named(q)
}

// named fills in what the query names by words.
func (s *Search) named(q *SearchQuery) error {
	for _, n := range q.Type {
		t, ok := ParseEntryType(n)
		if !ok {
			return wrong("query.type", "is no type of an entry", n)
		}
		s.Types = append(s.Types, t)
	}
	for _, n := range q.Reason {
		r, ok := pass.ParseReason(n)
		if !ok {
			return wrong("query.reason", "is no reason", n)
		}
		s.Reasons = append(s.Reasons, r)
	}
	for _, n := range q.Kind {
		k, ok := ParseKind(n)
		if !ok {
			return wrong("query.kind", "is no kind", n)
		}
		s.Kinds = append(s.Kinds, k)
	}
	s.Direction = map[string]uint8{"in": 1, "out": 2}[q.Direction]
	return nil
}

// SearchKinds are what a passage can be of.
var searchKinds = []pass.Kind{pass.ECard, pass.Guest, pass.Staff, pass.Test, pass.Supervisor, pass.Command}

// SearchKinds lists what a passage can be of: kinds of passes, codes and commands.
func SearchKinds() []pass.Kind { return slices.Clone(searchKinds) }

// ParseKind is the inverse of Kind.String for SearchKinds.
func ParseKind(name string) (pass.Kind, bool) {
	for _, k := range searchKinds {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// DayBounds returns when a campus day begins and when the next one does.
func DayBounds(d pass.Day, zone *time.Location) (from, until time.Time) {
	year, month, day := time.Unix(d.UTC(), 0).UTC().Date()
	return time.Date(year, month, day, 0, 0, 0, 0, zone), time.Date(year, month, day+1, 0, 0, 0, 0, zone)
}

type searchInput struct {
	SearchQuery
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor" maxLength:"200" doc:"The next of the page before."`
}

// FoundList is a page of passages.
type FoundList struct {
	Passages []PassageBody `json:"passages" doc:"The latest by the lanes' clocks first."`
	Next     string        `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

func (a *api) searchPassages(ctx context.Context, in *searchInput) (*paged[FoundList], error) {
	s, err := a.search(ctx, &in.SearchQuery)
	if err != nil {
		return nil, err
	}
	if s.Cursor, err = placeOf(ctx, "found", in.Cursor); err != nil {
		return nil, err
	}
	s.Limit = in.Limit
	page, err := a.Ledger.Search(ctx, s)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := FoundList{Passages: make([]PassageBody, 0, len(page.Passages))}
	for _, p := range page.Passages {
		out.Passages = append(out.Passages, a.passageBody(ctx, p))
	}
	if page.Next != "" {
		out.Next = cursorOf(ctx, "found", page.Next)
	}
	return answerPage(ctx, out, out.Next), nil
}

// HourBody is how many passages of one kind lie in one hour.
type HourBody struct {
	Hour      time.Time `json:"hour" doc:"Its begin."`
	Type      string    `json:"type" example:"denied"`
	Reason    string    `json:"reason,omitempty" doc:"Of a refusal."`
	Kind      string    `json:"kind,omitempty"`
	Zone      int       `json:"zone"`
	Direction string    `json:"direction,omitempty"`
	Count     int       `json:"count"`
}

// HourList is the counts of some hours.
type HourList struct {
	Hours []HourBody `json:"hours"`
}

func (a *api) countPassages(ctx context.Context, in *SearchQuery) (*struct{ Body HourList }, error) {
	s, err := a.search(ctx, in)
	if err != nil {
		return nil, err
	}
	if s.From.IsZero() || s.Until.Sub(s.From) <= 0 || s.Until.Sub(s.From) > MaxHours {
		return nil, wrong("query.until", "name a day, or from and until at most 93 days apart", nil)
	}
	counts, err := a.Tally.Hours(ctx, s)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := HourList{Hours: make([]HourBody, 0, len(counts))}
	for _, c := range counts {
		b := HourBody{Hour: a.at(c.Hour), Type: entryName(c.Type), Zone: int(c.Zone), Direction: directionName(c.Direction), Count: c.Count}
		if c.Type == link.EntryDenied {
			b.Reason = c.Reason.String()
		}
		if c.Kind != 0 {
			b.Kind = c.Kind.String()
		}
		out.Hours = append(out.Hours, b)
	}
	return &struct{ Body HourList }{out}, nil
}

type laneCountInput struct {
	Day   string    `query:"day" format:"date" doc:"Campus day; in place of from and until."`
	From  time.Time `query:"from" doc:"By the lane's clock, at or after this."`
	Until time.Time `query:"until" doc:"By the lane's clock, before this."`
}

// LaneCountBody is how many people one lane let through and refused.
type LaneCountBody struct {
	Controller string `json:"controller"`
	Lane       int    `json:"lane"`
	In         int    `json:"in" doc:"Passed inwards."`
	Out        int    `json:"out" doc:"Passed outwards."`
	Refused    int    `json:"refused"`
	Other      int    `json:"other" doc:"Not passed, unknown, forced, tailgated."`
}

// LaneCountList is the counts of all lanes that recorded anything.
type LaneCountList struct {
	Lanes []LaneCountBody `json:"lanes"`
}

func (a *api) countLanes(ctx context.Context, in *laneCountInput) (*struct{ Body LaneCountList }, error) {
	s, err := a.search(ctx, &SearchQuery{Day: in.Day, From: in.From, Until: in.Until})
	if err != nil {
		return nil, err
	}
	if s.From.IsZero() || s.Until.Sub(s.From) <= 0 || s.Until.Sub(s.From) > MaxLaneTime {
		return nil, wrong("query.until", "name a day, or from and until at most 32 days apart", nil)
	}
	counts, err := a.Tally.Lanes(ctx, s.From, s.Until)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := LaneCountList{Lanes: make([]LaneCountBody, 0, len(counts))}
	for _, c := range counts {
		out.Lanes = append(out.Lanes, LaneCountBody{c.Lane.Controller, int(c.Lane.Number), c.In, c.Out, c.Refused, c.Other})
	}
	return &struct{ Body LaneCountList }{out}, nil
}

type exportInput struct {
	SearchQuery
	Format string `query:"format" enum:"csv,json,ndjson" default:"csv"`
	Mark   bool   `query:"bom" doc:"Begin a CSV file with a byte order mark, for spreadsheets."`
}

// exportPassages answers with a stream. What fails in its middle breaks the
// connection off, so that no client takes a part for the whole.
func (a *api) exportPassages(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	s, err := a.search(ctx, &in.SearchQuery)
	if err != nil {
		return nil, err
	}
	first := s
	first.Limit = 1
	if _, err := a.Ledger.Search(ctx, first); err != nil {
		return nil, a.problem(ctx, err) // while there is still a way to say so
	}
	x := Exporter{Format: Format(in.Format), Zone: a.zone, Names: seesNames(ctx), Mark: in.Mark}
	by := caller(ctx)
	return &huma.StreamResponse{Body: func(c huma.Context) {
		r, w := humago.Unwrap(c)
		name := ExportName("", s, x.Format, a.zone)
		rows := func(each func(*Passage) error) error { return a.Ledger.Export(ctx, by, s, each) }
		if err := SendExport(r, w, name, x, rows); err != nil {
			a.log.Warn("export passages", "by", by, "cause", err)
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// SendExport answers a request with a file.
func SendExport(r *http.Request, w http.ResponseWriter, name string, x Exporter, rows func(func(*Passage) error) error) error {
	w.Header().Set("Content-Type", x.Format.ContentType())
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep a large file on its disk first
	return x.Write(Patient{w}, func(each func(*Passage) error) error {
		return rows(func(p *Passage) error {
			if err := r.Context().Err(); err != nil {
				return err
			}
			return each(p)
		})
	})
}

type passageInput struct {
	Number int64 `path:"number" minimum:"1"`
}

func (a *api) getPassage(ctx context.Context, in *passageInput) (*struct{ Body PassageBody }, error) {
	p, err := a.Ledger.Find(ctx, in.Number)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body PassageBody }{a.passageBody(ctx, p)}, nil
}
