package office

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// Webhooks keeps where programs are told of what happens.
type Webhooks interface {
	// Add stores a webhook, which is told of what happens from then on, and returns
	// the secret that its deliveries are signed with, which cannot be had again.
	// ErrInvalid: a URL that webhooks do not go to. ErrConflict: there are too many.
	Add(ctx context.Context, by string, n NewWebhook) (w Webhook, secret string, err error)
	// List returns all of them by id.
	List(ctx context.Context) ([]Webhook, error)
	// Enable puts a disabled one into force again; it goes on where it stopped. ErrNotFound.
	Enable(ctx context.Context, by, id string) error
	// Remove forgets one and its deliveries; or ErrNotFound.
	Remove(ctx context.Context, by, id string) error
}

// Deliveries tells how webhooks were told.
type Deliveries interface {
	// Test sends an event of the type test at once; or ErrNotFound.
	Test(ctx context.Context, id string) (Delivery, error)
	// List returns up to limit deliveries with a number below before, the newest
	// first; or ErrNotFound.
	List(ctx context.Context, id string, before int64, limit int) ([]Delivery, error)
}

// The events that a webhook can ask for, and the permission to read each.
const (
	EventRevocation = "revocation"
	EventAlarm      = "alarm"
	EventPassage    = "passage"
)

func eventNeeds(event string) rights.Permission {
	if event == EventRevocation {
		return rights.PassesRead
	}
	return rights.PassagesRead
}

// NewWebhook asks for a webhook.
type NewWebhook struct {
	URL    string
	Events []string    // EventRevocation ...
	Types  []string    // of passages; none: all
	Kinds  []pass.Kind // of the passes that passages are of; none: all
	Lanes  []string    // lane controllers of passages and alarms; none: all
}

// Webhook is where a program is told.
type Webhook struct {
	NewWebhook
	ID        string
	Created   time.Time
	CreatedBy string
	Disabled  time.Time // zero: in force
	Why       string
	Failing   time.Time // since when nothing is taken; zero: it works
	Delivered time.Time // last success; zero: none
	Retry     time.Time // of what was not taken; zero: nothing waits
}

// Delivery is one try to tell a webhook.
type Delivery struct {
	Number  int64
	At      time.Time
	Event   string // id
	Type    string
	Attempt int
	Status  int // of HTTP; 0 without an answer
	Took    time.Duration
	Problem string // "" if it was taken
}

// RevocationEvent is the data of pass.revoked, pass.held and pass.released.
type RevocationEvent struct {
	Pass    string `json:"pass"`
	Status  string `json:"status"`
	Epoch   uint32 `json:"epoch"`
	FeedSeq uint64 `json:"feed_seq"` // from this event on lanes know it
}

// RevocationOf returns the type and the data of a feed event; ok is false for one
// that is about no pass.
func RevocationOf(epoch uint32, seq uint64, e link.Event) (event string, data RevocationEvent, ok bool) {
	s, ok := map[link.EventType]link.Status{link.Revoke: link.Revoked, link.Hold: link.Held, link.Release: link.Good}[e.Type]
	event = map[link.Status]string{link.Revoked: "pass.revoked", link.Held: "pass.held", link.Good: "pass.released"}[s]
	return event, RevocationEvent{pass.ID{Day: e.Day, Index: e.Value}.String(), statusName(s), epoch, seq}, ok
}

// PassageEvent returns the data of passage.recorded: the passage as the API shows
// it to those who may not see names. Names are for who asks for them.
func PassageEvent(p Passage, zone *time.Location) PassageBody { return passageBody(p, zone, false) }

// AlarmEvent returns the data of alarm.raised.
func AlarmEvent(r Alarm, zone *time.Location) AlarmBody {
	return AlarmBody{Number: r.Number, Time: r.At.In(zone), Controller: r.Lane, Code: r.Code, Detail: r.Detail, Next: r.Next}
}

// NewWebhookBody asks for a webhook.
type NewWebhookBody struct {
	URL    string   `json:"url" minLength:"8" maxLength:"500" example:"https://hooks.example.edu/turnstile"`
	Events []string `json:"events" minItems:"1" maxItems:"3" uniqueItems:"true" enum:"revocation,alarm,passage"`
	Types  []string `json:"types,omitempty" maxItems:"30" uniqueItems:"true" maxLength:"30" doc:"Of passages: granted, denied, passed ...; missing: all."`
	Kinds  []string `json:"kinds,omitempty" maxItems:"4" uniqueItems:"true" enum:"ecard,guest,staff,test" doc:"Of the passes that passages are of; missing: all, and passages without one."`
	Lanes  []string `json:"lanes,omitempty" maxItems:"50" uniqueItems:"true" pattern:"^[A-Za-z0-9_-]{1,32}$" doc:"Lane controllers of passages and alarms; missing: all."`
}

// WebhookBody is a webhook.
type WebhookBody struct {
	ID        string     `json:"id"`
	URL       string     `json:"url"`
	Events    []string   `json:"events"`
	Types     []string   `json:"types,omitempty"`
	Kinds     []string   `json:"kinds,omitempty"`
	Lanes     []string   `json:"lanes,omitempty"`
	State     string     `json:"state" enum:"working,failing,disabled"`
	Why       string     `json:"why,omitempty" doc:"Of a disabled one."`
	Since     *time.Time `json:"since,omitempty" doc:"Of a state other than working."`
	Delivered *time.Time `json:"delivered,omitempty" doc:"Last success."`
	Retry     *time.Time `json:"retry,omitempty" doc:"When what was not taken is sent again."`
	Created   time.Time  `json:"created"`
	CreatedBy string     `json:"created_by"`
}

// WebhookSecretBody is a new webhook with its secret.
type WebhookSecretBody struct {
	WebhookBody
	Secret string `json:"secret" doc:"Deliveries are signed with it (Standard Webhooks, v1). It is shown here and never again."`
}

// WebhookList is one page of webhooks.
type WebhookList struct {
	Webhooks []WebhookBody `json:"webhooks"`
	Next     string        `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

// DeliveryBody is one try to tell a webhook.
type DeliveryBody struct {
	Number    int64     `json:"number"`
	Time      time.Time `json:"time"`
	Event     string    `json:"event" doc:"The webhook-id; the same at each try."`
	Type      string    `json:"type" example:"pass.revoked"`
	Attempt   int       `json:"attempt"`
	Delivered bool      `json:"delivered"`
	Status    int       `json:"status,omitempty" doc:"Of HTTP; missing: there was no answer."`
	TookMS    int64     `json:"took_ms"`
	Problem   string    `json:"problem,omitempty"`
}

// DeliveryList is one page of deliveries.
type DeliveryList struct {
	Deliveries []DeliveryBody `json:"deliveries"`
	Next       string         `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

func (a *api) webhookRoutes(h huma.API) {
	huma.Register(h, operation(rights.WebhooksManage, "list-webhooks", http.MethodGet, "/webhooks", "List the webhooks"), a.listWebhooks)
	add := operation(rights.WebhooksManage, "add-webhook", http.MethodPost, "/webhooks", "Register a webhook", http.StatusConflict)
	add.DefaultStatus = http.StatusCreated
	huma.Register(h, add, a.addWebhook)
	huma.Register(h, operation(rights.WebhooksManage, "remove-webhook", http.MethodDelete, "/webhooks/{id}", "Remove a webhook", http.StatusNotFound), a.removeWebhook)
	huma.Register(h, operation(rights.WebhooksManage, "test-webhook", http.MethodPost, "/webhooks/{id}/test", "Send a test delivery and tell how it came out", http.StatusNotFound), a.testWebhook)
	enable := operation(rights.WebhooksManage, "enable-webhook", http.MethodPost, "/webhooks/{id}/enable", "Put a disabled webhook into force again", http.StatusNotFound)
	huma.Register(h, repeatable(enable), a.enableWebhook)
	huma.Register(h, operation(rights.WebhooksManage, "list-deliveries", http.MethodGet, "/webhooks/{id}/deliveries", "List the last deliveries, the newest first", http.StatusNotFound), a.listDeliveries)
}

func (a *api) webhookBody(w Webhook) WebhookBody {
	out := WebhookBody{
		ID: w.ID, URL: w.URL, Events: w.Events, Types: w.Types, Lanes: w.Lanes, State: "working", Why: w.Why,
		Delivered: a.maybe(w.Delivered), Retry: a.maybe(w.Retry), Created: a.at(w.Created), CreatedBy: w.CreatedBy,
	}
	for _, k := range w.Kinds {
		out.Kinds = append(out.Kinds, k.String())
	}
	switch {
	case !w.Disabled.IsZero():
		out.State, out.Since, out.Retry = "disabled", a.maybe(w.Disabled), nil
	case !w.Failing.IsZero():
		out.State, out.Since = "failing", a.maybe(w.Failing)
	}
	return out
}

type webhooksInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}

func (a *api) listWebhooks(ctx context.Context, in *webhooksInput) (*paged[WebhookList], error) {
	all, err := a.Webhooks.List(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	page, next, err := pageByKey(ctx, "webhooks", in.Cursor, in.Limit, all, func(w Webhook) string { return w.ID })
	if err != nil {
		return nil, err
	}
	out := WebhookList{Webhooks: make([]WebhookBody, 0, len(page)), Next: next}
	for _, w := range page {
		out.Webhooks = append(out.Webhooks, a.webhookBody(w))
	}
	return answerPage(ctx, out, next), nil
}

func (a *api) addWebhook(ctx context.Context, in *struct{ Body NewWebhookBody }) (*struct{ Body WebhookSecretBody }, error) {
	n, err := in.Body.webhook()
	if err != nil {
		return nil, err
	}
	me := callOf(ctx).token
	for _, e := range n.Events {
		if need := eventNeeds(e); !me.Permissions().Has(need) {
			return nil, problemForbidden.say("The webhook would be told of each " + e + ", which needs " + string(need) + "; your token (" + me.Name + ") lacks that.")
		}
	}
	w, secret, err := a.Webhooks.Add(ctx, me.Name, n)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body WebhookSecretBody }{WebhookSecretBody{a.webhookBody(w), secret}}, nil
}

// webhook checks what the schema cannot say.
func (b NewWebhookBody) webhook() (NewWebhook, error) {
	n := NewWebhook{URL: b.URL, Events: b.Events, Types: b.Types, Lanes: b.Lanes}
	for i, t := range b.Types {
		if !isEntryName(t) {
			return n, wrong("body.types["+strconv.Itoa(i)+"]", "is no type of passage", t)
		}
	}
	for _, name := range b.Kinds {
		k, _ := pass.ParseKind(name) // the schema let only known ones through
		n.Kinds = append(n.Kinds, k)
	}
	if !slices.Contains(b.Events, EventPassage) && len(b.Types)+len(b.Kinds) > 0 {
		return n, wrong("body.events", "types and kinds are of passages: add passage, or leave them out", nil)
	}
	return n, nil
}

func isEntryName(name string) bool {
	for _, n := range entryNames {
		if n == name {
			return true
		}
	}
	return false
}

// Wants reports whether the webhook is told of a passage. What is about no pass
// is told if no kind is named.
func (n NewWebhook) Wants(p Passage) bool {
	return (len(n.Types) == 0 || slices.Contains(n.Types, entryName(p.Entry.Type))) &&
		(len(n.Kinds) == 0 || slices.Contains(n.Kinds, p.Entry.Kind)) && n.WantsLane(p.Lane)
}

// WantsLane reports whether the webhook is told of alarms of a lane controller,
// "" for those of none.
func (n NewWebhook) WantsLane(lane string) bool {
	return len(n.Lanes) == 0 || slices.Contains(n.Lanes, lane)
}

type webhookInput struct {
	ID string `path:"id" pattern:"^[a-z0-9]{1,32}$" example:"mhq5w2c7t4"`
}

func (a *api) removeWebhook(ctx context.Context, in *webhookInput) (*struct{}, error) {
	if err := a.Webhooks.Remove(ctx, caller(ctx), in.ID); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}

func (a *api) enableWebhook(ctx context.Context, in *webhookInput) (*struct{}, error) {
	if err := a.Webhooks.Enable(ctx, caller(ctx), in.ID); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}

func (a *api) deliveryBody(d Delivery) DeliveryBody {
	return DeliveryBody{d.Number, a.at(d.At), d.Event, d.Type, d.Attempt, d.Problem == "", d.Status, d.Took.Milliseconds(), strings.TrimSpace(d.Problem)}
}

func (a *api) testWebhook(ctx context.Context, in *webhookInput) (*struct{ Body DeliveryBody }, error) {
	d, err := a.Deliveries.Test(ctx, in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body DeliveryBody }{a.deliveryBody(d)}, nil
}

type deliveriesInput struct {
	ID     string `path:"id" pattern:"^[a-z0-9]{1,32}$"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}

func (a *api) listDeliveries(ctx context.Context, in *deliveriesInput) (*paged[DeliveryList], error) {
	before, err := numberAfter(ctx, "deliveries "+in.ID, in.Cursor, 1<<62)
	if err != nil {
		return nil, err
	}
	rows, err := a.Deliveries.List(ctx, in.ID, before, in.Limit+1)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	rows, next := pageByNumber(ctx, "deliveries "+in.ID, in.Limit, rows, func(d Delivery) int64 { return d.Number })
	out := DeliveryList{Deliveries: make([]DeliveryBody, 0, len(rows)), Next: next}
	for _, d := range rows {
		out.Deliveries = append(out.Deliveries, a.deliveryBody(d))
	}
	return answerPage(ctx, out, next), nil
}
