package office

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/pass"
	"turnstile/central/rights"
)

// BulkInput asks to revoke, hold or release many passes.
type BulkInput struct {
	Status string   `json:"status" enum:"revoked,held,good" doc:"What they become. Good ones are held, good and held ones revoked, held ones released; of passes named one by one, revoked ones are released too."`
	Passes []string `json:"passes,omitempty" maxItems:"500" doc:"These, or by the fields below." example:"[\"2026-11-21/004711\"]"`
	Holder string   `json:"holder,omitempty" maxLength:"64" doc:"All of this person's, guests included, from yesterday on."`
	Day    string   `json:"day,omitempty" format:"date" doc:"All of this day."`
	Zone   *int     `json:"zone,omitempty" minimum:"0" maximum:"15" doc:"All that open this zone, perhaps among others."`
	Reason string   `json:"reason" minLength:"1" maxLength:"200" doc:"Why; kept with each pass, never sent to a lane."`
}

// BulkBody is such a change.
type BulkBody struct {
	ID        string         `json:"id"`
	State     string         `json:"state" enum:"proposed,running,done,withdrawn,expired" doc:"proposed: a second person has to confirm it at the console."`
	Status    string         `json:"status" enum:"revoked,held,good"`
	Reason    string         `json:"reason"`
	By        string         `json:"by"`
	Time      time.Time      `json:"time"`
	Expires   *time.Time     `json:"expires,omitempty" doc:"Of a proposal: until then it can be confirmed."`
	SettledBy string         `json:"settled_by,omitempty" doc:"The second person."`
	Passes    int            `json:"passes" doc:"How many it is of; they were fixed when it was asked for."`
	Changed   int            `json:"changed"`
	Skipped   int            `json:"skipped" doc:"Somebody else had changed them meanwhile, their day is over, or their eCard is withdrawn."`
	RefusedBy *RefusedByBody `json:"refused_by,omitempty" doc:"When it is done: which lane controllers know of all of it."`
}

type bulkAnswer struct{ Body BulkBody }

type bulkPath struct {
	ID string `path:"id" pattern:"^[A-Z2-7]{26}$"`
}

func (a *api) bulkRoutes(h huma.API) {
	huma.Register(h, operation(rights.PassesStatus, "change-passes", http.MethodPost, "/bulk-changes", "Revoke, hold or release many passes; above a set size a second person confirms at the console", http.StatusNotFound, http.StatusConflict), a.changePasses)
	huma.Register(h, operation(rights.PassesRead, "list-bulk-changes", http.MethodGet, "/bulk-changes", "List changes of many passes, the newest first"), a.listBulk)
	huma.Register(h, operation(rights.PassesRead, "get-bulk-change", http.MethodGet, "/bulk-changes/{id}", "Show a change of many passes", http.StatusNotFound), a.findBulk)
	huma.Register(h, operation(rights.PassesStatus, "withdraw-bulk-change", http.MethodPost, "/bulk-changes/{id}/withdraw", "Withdraw a proposal", http.StatusNotFound, http.StatusConflict), a.withdrawBulk)
	send := operation(rights.PassesCode, "mail-code", http.MethodPost, "/passes/{day}/{index}/mail", "Mail the code to an address", http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable)
	send.DefaultStatus = http.StatusAccepted
	huma.Register(h, send, a.mailCode)
}

func (a *api) changePasses(ctx context.Context, in *struct{ Body BulkInput }) (*bulkAnswer, error) {
	c, err := in.Body.change()
	if err != nil {
		return nil, err
	}
	b, err := a.Bulk.Propose(ctx, caller(ctx), c, 0)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &bulkAnswer{a.bulkBody(b)}, nil
}

func (b *BulkInput) change() (c StatusChange, err error) {
	c.Status, _ = parseStatus(b.Status) // the schema let only known ones through
	c.Holder, c.Reason = b.Holder, b.Reason
	if !printable(b.Reason) {
		return c, wrong("body.reason", "has control characters", nil)
	}
	if b.Day != "" {
		d, err := pass.ParseDay(b.Day)
		if err != nil {
			return c, wrong("body.day", err.Error(), b.Day)
		}
		c.Day = &d
	}
	if b.Zone != nil {
		z := uint8(*b.Zone)
		c.Zone = &z
	}
	for _, text := range b.Passes {
		id, err := pass.ParseID(text)
		if err != nil {
			return c, wrong("body.passes", err.Error(), text)
		}
		c.IDs = append(c.IDs, id)
	}
	if len(c.IDs) > 0 && (c.Holder != "" || c.Day != nil || c.Zone != nil) {
		return c, wrong("body.passes", "either passes, or the fields that select them", nil)
	}
	return c, nil
}

func (a *api) bulkBody(b BulkChange) BulkBody {
	out := BulkBody{
		ID: b.ID, State: string(b.State), Status: statusName(b.Status), Reason: b.Reason, By: b.By, Time: a.at(b.At), SettledBy: b.SettledBy,
		Passes: b.Passes, Changed: b.Changed, Skipped: b.Skipped, RefusedBy: a.refusedBody(b.RefusedBy),
	}
	if b.State == BulkProposed {
		out.Expires = a.maybe(b.Expires)
	}
	return out
}

// BulkList lists changes.
type BulkList struct {
	Changes []BulkBody `json:"changes"`
}

type bulkListInput struct {
	Open  bool `query:"open" doc:"Only those that wait for a second person."`
	Limit int  `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (a *api) listBulk(ctx context.Context, in *bulkListInput) (*struct{ Body BulkList }, error) {
	list, err := a.Bulk.List(ctx, in.Open, in.Limit)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := BulkList{Changes: make([]BulkBody, 0, len(list))}
	for _, b := range list {
		out.Changes = append(out.Changes, a.bulkBody(b))
	}
	return &struct{ Body BulkList }{out}, nil
}

func (a *api) findBulk(ctx context.Context, in *bulkPath) (*bulkAnswer, error) {
	b, err := a.Bulk.Find(ctx, in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &bulkAnswer{a.bulkBody(b)}, nil
}

// withdrawBulk is there for programs as well; who confirms is a person at the
// console, so that one token is never both.
func (a *api) withdrawBulk(ctx context.Context, in *bulkPath) (*bulkAnswer, error) {
	b, err := a.Bulk.Settle(ctx, caller(ctx), in.ID, false)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &bulkAnswer{a.bulkBody(b)}, nil
}

type mailInput struct {
	PassPath
	Body struct {
		Address string `json:"address" minLength:"3" maxLength:"254" format:"email" example:"guest@example.org"`
	}
}

func (a *api) mailCode(ctx context.Context, in *mailInput) (*struct{}, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	if err := a.Mails.Send(ctx, caller(ctx), id, in.Body.Address); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}
