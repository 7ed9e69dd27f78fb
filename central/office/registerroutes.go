package office

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/register"
	"turnstile/central/rights"
)

// maxRowsBody bounds the rows of one request, in bytes.
const maxRowsBody = 1 << 20

// PersonBody is a person of the register.
type PersonBody struct {
	ID            string       `json:"id" example:"A1234567" doc:"The holder id of passes."`
	Surname       string       `json:"surname,omitempty"`
	Given         string       `json:"given,omitempty"`
	NameZH        string       `json:"name_zh,omitempty"`
	Born          string       `json:"born,omitempty" example:"1988-04-30"`
	HasPersonalID bool         `json:"has_personal_id" doc:"Central keeps a keyed hash of it and tells it to nobody."`
	Email         string       `json:"email,omitempty"`
	Phone         string       `json:"phone,omitempty"`
	Aliases       []string     `json:"aliases,omitempty" doc:"Ids that were merged into this one."`
	Cards         []CardBody   `json:"cards,omitempty"`
	Degrees       []DegreeBody `json:"degrees,omitempty"`
	NetIDs        []string     `json:"netids,omitempty"`
	Since         time.Time    `json:"since"`
	Changed       time.Time    `json:"changed"`
}

// CardBody is a campus card.
type CardBody struct {
	Kind   string `json:"kind" enum:"student,staff,cpce,ptec,visitor,retiree,emeritus"`
	Number string `json:"number"`
	From   string `json:"from,omitempty"`
	Until  string `json:"until,omitempty"`
}

// DegreeBody is an award.
type DegreeBody struct {
	Award       string `json:"award"`
	Programme   string `json:"programme,omitempty"`
	Institution string `json:"institution"`
	Graduated   string `json:"graduated"`
}

// InstitutionBody is a part of the campus that gives degrees.
type InstitutionBody struct {
	ID     string `json:"id" example:"university"`
	Name   string `json:"name"`
	NameZH string `json:"name_zh,omitempty"`
}

// RegisterBody is how much the register holds.
type RegisterBody struct {
	Persons      int               `json:"persons"`
	Cards        int               `json:"cards"`
	Degrees      int               `json:"degrees"`
	NetIDs       int               `json:"netids"`
	Institutions []InstitutionBody `json:"institutions"`
}

// FoundBody is what a search found.
type FoundBody struct {
	Persons []PersonBody `json:"persons"`
	More    bool         `json:"more" doc:"There are more: give more of the name."`
}

// SyncBody is a file or many rows on the way into the register.
type SyncBody struct {
	ID          string     `json:"id"`
	Kind        string     `json:"kind" enum:"persons,cards,degrees,netids"`
	Name        string     `json:"name,omitempty"`
	Full        bool       `json:"full" doc:"What it does not have is removed."`
	State       string     `json:"state" enum:"reading,preview,running,done,discarded"`
	By          string     `json:"by"`
	At          time.Time  `json:"at"`
	Good        int        `json:"good"`
	Bad         int        `json:"bad"`
	Adds        int        `json:"adds" doc:"Rows that would add something, or that did."`
	Changes     int        `json:"changes"`
	Same        int        `json:"same"`
	Removes     int        `json:"removes"`
	Total       int        `json:"total" doc:"How many of the kind there were at the preview."`
	Held        bool       `json:"held" doc:"Nothing is removed: a bad row might be about what looks missing."`
	Heavy       bool       `json:"heavy" doc:"So much would be removed that the confirmation has to say removals."`
	Added       int        `json:"added" doc:"Done so far."`
	Changed     int        `json:"changed"`
	Removed     int        `json:"removed"`
	Failed      int        `json:"failed"`
	Confirmed   *time.Time `json:"confirmed,omitempty"`
	ConfirmedBy string     `json:"confirmed_by,omitempty"`
	Ended       *time.Time `json:"ended,omitempty"`
}

// SyncList are the newest syncs.
type SyncList struct {
	Syncs []SyncBody `json:"syncs"`
}

// SyncRowBody is one row of a sync.
type SyncRowBody struct {
	Line    int               `json:"line" doc:"Of the file; of what is to be removed -1, -2, ..."`
	Effect  string            `json:"effect,omitempty" enum:"add,change,remove"`
	Columns []string          `json:"columns,omitempty" doc:"That it changes."`
	Values  map[string]string `json:"values,omitempty"`
	Faults  []RowFault        `json:"faults,omitempty"`
}

// SyncRowList is one page of rows.
type SyncRowList struct {
	Rows []SyncRowBody `json:"rows"`
	Next int           `json:"next,omitempty" doc:"Send it as after for the next page; missing on the last one."`
}

// MergeBody is a merge.
type MergeBody struct {
	ID       string     `json:"id"`
	Kept     string     `json:"kept"`
	Gone     string     `json:"gone" doc:"An alias of kept since."`
	Reason   string     `json:"reason"`
	At       time.Time  `json:"at"`
	By       string     `json:"by"`
	Undone   *time.Time `json:"undone,omitempty"`
	UndoneBy string     `json:"undone_by,omitempty"`
	Final    bool       `json:"final" doc:"Something was issued since: it cannot be undone."`
}

// MergeList are the newest merges.
type MergeList struct {
	Merges []MergeBody `json:"merges"`
}

// SuggestionBody is two persons who may be one.
type SuggestionBody struct {
	A          PersonBody `json:"a"`
	B          PersonBody `json:"b"`
	PersonalID bool       `json:"personal_id" doc:"They have one personal id; else one birth date and name."`
}

// SuggestionList are suggestions.
type SuggestionList struct {
	Suggestions []SuggestionBody `json:"suggestions"`
}

func (a *api) registerRoutes(h huma.API) {
	const base = "/register"
	read := func(id, path, summary string, problems ...int) huma.Operation {
		return operation(rights.RegisterRead, id, http.MethodGet, base+path, summary, problems...)
	}
	write := func(id, path, summary string, problems ...int) huma.Operation {
		op := operation(rights.RegisterWrite, id, http.MethodPost, base+path, summary, problems...)
		op.MaxBodyBytes = maxRowsBody
		return op
	}
	huma.Register(h, read("get-register", "", "Say how much the register holds"), a.aboutRegister)
	huma.Register(h, read("search-register", "/persons", "Find people by name, id, card number or NetID"), a.searchRegister)
	huma.Register(h, read("get-registered", "/persons/{person}", "Show a person", http.StatusNotFound), a.registered)
	huma.Register(h, operation(rights.RegisterWrite, "remove-registered", http.MethodDelete, base+"/persons/{person}", "Take a person out of the register", http.StatusNotFound), a.removeRegistered)
	huma.Register(h, repeatable(write("put-register", "/rows", "Bring up to 500 rows into the register: all, or none")), a.putRegister)
	begin := write("begin-sync", "/syncs", "Begin a sync of many rows")
	begin.DefaultStatus = http.StatusCreated
	huma.Register(h, begin, a.beginSync)
	huma.Register(h, read("list-syncs", "/syncs", "List the newest syncs"), a.listSyncs)
	huma.Register(h, read("get-sync", "/syncs/{id}", "Show a sync", http.StatusNotFound), a.getSync)
	huma.Register(h, read("get-sync-rows", "/syncs/{id}/rows", "Show what a sync adds, changes, removes or cannot read", http.StatusNotFound), a.syncRows)
	huma.Register(h, repeatable(write("add-sync-rows", "/syncs/{id}/rows", "Add up to 1000 rows to a sync", http.StatusNotFound, http.StatusConflict)), a.addSyncRows)
	huma.Register(h, write("compare-sync", "/syncs/{id}/compare", "End the rows of a sync and say what they would do", http.StatusNotFound, http.StatusConflict), a.compareSync)
	huma.Register(h, write("confirm-sync", "/syncs/{id}/confirm", "Bring a sync into the register", http.StatusNotFound, http.StatusConflict), a.confirmSync)
	huma.Register(h, write("discard-sync", "/syncs/{id}/discard", "Discard a sync", http.StatusNotFound, http.StatusConflict), a.discardSync)
	a.mergeRoutes(h, base)
}

func (a *api) mergeRoutes(h huma.API, base string) {
	huma.Register(h, operation(rights.RegisterRead, "suggest-merges", http.MethodGet, base+"/suggestions", "List pairs that may be one human being"), a.suggestMerges)
	huma.Register(h, operation(rights.RegisterRead, "list-merges", http.MethodGet, base+"/merges", "List the newest merges"), a.listMerges)
	merge := operation(rights.RegisterMerge, "merge-registered", http.MethodPost, base+"/merges", "Make one person of two", http.StatusNotFound, http.StatusConflict)
	merge.DefaultStatus = http.StatusCreated
	huma.Register(h, merge, a.mergeRegistered)
	huma.Register(h, operation(rights.RegisterMerge, "undo-merge", http.MethodPost, base+"/merges/{id}/undo", "Take a merge apart, as long as nothing was issued since", http.StatusNotFound, http.StatusConflict), a.undoMerge)
}

func (a *api) personBody(p register.Person) PersonBody {
	b := PersonBody{ID: p.ID, Surname: p.Surname, Given: p.Given, NameZH: p.NameZH, Born: p.Born, HasPersonalID: len(p.PersonalID) > 0, Email: p.Email, Phone: p.Phone,
		Aliases: p.Aliases, NetIDs: p.NetIDs, Since: a.at(p.Since), Changed: a.at(p.Changed)}
	for _, c := range p.Cards {
		b.Cards = append(b.Cards, CardBody{string(c.Kind), c.Number, c.From, c.Until})
	}
	for _, d := range p.Degrees {
		b.Degrees = append(b.Degrees, DegreeBody{d.Award, d.Programme, d.Institution, d.Graduated})
	}
	return b
}

func (a *api) aboutRegister(ctx context.Context, _ *struct{}) (*struct{ Body RegisterBody }, error) {
	size, institutions, err := a.Register.About(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	b := RegisterBody{Persons: size.Persons, Cards: size.Cards, Degrees: size.Degrees, NetIDs: size.NetIDs, Institutions: []InstitutionBody{}}
	for _, i := range institutions {
		b.Institutions = append(b.Institutions, InstitutionBody{i.ID, i.Name, i.NameZH})
	}
	return &struct{ Body RegisterBody }{b}, nil
}

type searchRegisterInput struct {
	Words string `query:"words" required:"true" minLength:"1" maxLength:"120" doc:"Each begins a word of the name or the id; or a whole card number or NetID."`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (a *api) searchRegister(ctx context.Context, in *searchRegisterInput) (*struct{ Body FoundBody }, error) {
	list, more, err := a.Register.Search(ctx, in.Words, 0, in.Limit)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	b := FoundBody{Persons: []PersonBody{}, More: more}
	for _, p := range list {
		b.Persons = append(b.Persons, a.personBody(p))
	}
	return &struct{ Body FoundBody }{b}, nil
}

// RegisteredPath names a person of the register in a path.
type RegisteredPath struct {
	Person string `path:"person" maxLength:"64" example:"A1234567"`
}

func (a *api) registered(ctx context.Context, in *RegisteredPath) (*struct{ Body PersonBody }, error) {
	p, err := a.Register.Person(ctx, in.Person)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body PersonBody }{a.personBody(p)}, nil
}

func (a *api) removeRegistered(ctx context.Context, in *RegisteredPath) (*struct{}, error) {
	if err := a.Register.Remove(ctx, caller(ctx), in.Person); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}

type putRegisterInput struct {
	Body struct {
		Kind    string              `json:"kind" enum:"persons,cards,degrees,netids"`
		Rows    []map[string]string `json:"rows" minItems:"1" maxItems:"500" doc:"By column, as in a file: central/register/FORMAT.md. A column that is left out stays as it is."`
		Preview bool                `json:"preview,omitempty" doc:"Say what it would do, and do nothing."`
	}
}

func (a *api) putRegister(ctx context.Context, in *putRegisterInput) (*struct{ Body register.Counts }, error) {
	counts, bad, err := a.Register.Put(ctx, caller(ctx), register.Kind(in.Body.Kind), in.Body.Rows, in.Body.Preview)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	if len(bad) == 0 {
		return &struct{ Body register.Counts }{counts}, nil
	}
	p := problemInvalid.say("Rows are bad, and nothing was done; mend what errors names.")
	for _, r := range bad {
		for _, f := range r.Faults {
			at := "body.rows[" + strconv.Itoa(r.Line-1) + "]"
			if f.Column != "" {
				at += "." + f.Column
			}
			if len(p.Errors) < maxFaults {
				// Without the value: it may be a personal id.
				p.Errors = append(p.Errors, faultOf(&huma.ErrorDetail{Location: at, Message: RowFault(f).Said()}))
			}
		}
	}
	return nil, p
}
