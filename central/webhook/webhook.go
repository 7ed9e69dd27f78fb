// Package webhook tells programs of revocations, alarms and passages by signed
// HTTP requests, each at least once and in the order of its log.
//
// Nothing waits in a queue: a webhook has a place in each log of central, and the
// place moves when an event was taken. A crash between the two sends the event
// once more, with the same id. Several centrals share the work: one at a time
// owns a webhook, for a while that is written beside its place.
package webhook

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/central/database"
)

// How often and how long an event is tried, and a webhook that takes nothing.
const (
	firstBackoff = 5 * time.Second
	maxBackoff   = time.Hour
	giveUpAfter  = 24 * time.Hour     // then the event is left out
	disableAfter = 3 * 24 * time.Hour // then the webhook is left alone, with an alarm
)

// How long one central keeps a webhook to itself. A slice of work ends well
// before, so that no other begins while an answer is waited for.
const (
	ownedFor = 60 * time.Second
	sliceFor = 20 * time.Second
	atOnce   = 8   // webhooks that are told at the same time
	batch    = 100 // events that are read at once
)

// Event is something that happened, as it is told.
type Event struct {
	ID   string            // the same each time the event is read
	Type string            // such as passage.recorded
	At   time.Time         // when it happened
	Data any               // JSON
	Next database.Position // where a webhook stands that was told of it
}

// Source reads the logs of central.
type Source interface {
	// After returns up to limit events that h wants behind h.At, in the order of
	// their logs, and the place behind all that was looked at for them.
	After(ctx context.Context, h database.Webhook, limit int) (events []Event, looked database.Position, err error)
}

// Box opens what is sealed in the database.
type Box interface {
	Open(purpose string, sealed []byte) ([]byte, error)
}

// Purpose is what the secret of a webhook is sealed for.
func Purpose(id string) string { return "webhook " + id }

// Config of a Dispatcher.
type Config struct {
	DB     *database.DB
	Source Source
	Box    Box
	Guard  Guard
	TLS    *tls.Config   // authorities beside the system's; nil: those alone
	Every  time.Duration // how often it looks for news; zero: 1 s
	// Alarm reports a webhook that was disabled.
	Alarm func(ctx context.Context, id, detail, next string)
	Now   func() time.Time
	Log   *slog.Logger
}

// Dispatcher tells webhooks. Its methods are safe for concurrent use.
type Dispatcher struct {
	config Config
	client *http.Client
	owner  string // of what this process has claimed

	sent, failed atomic.Uint64

	first string // the webhook that a round begins with; owned by Run

	mu     sync.Mutex // guards the following
	busy   map[string]bool
	peeked map[string]peek
}

// peek is what was looked at behind a webhook's position and not wanted: it need
// not be looked at again, nor be written down each second.
type peek struct{ from, looked database.Position }

// farAhead is how many ledger rows a peek may be ahead of what is written down.
const farAhead = 10_000

// New returns a Dispatcher that does nothing before Run.
func New(c Config) *Dispatcher {
	if c.Every <= 0 {
		c.Every = time.Second
	}
	return &Dispatcher{config: c, client: newClient(c.Guard, c.TLS), owner: rand.Text(), busy: map[string]bool{}, peeked: map[string]peek{}}
}

// Counts returns how many deliveries were taken, and how many were not.
func (d *Dispatcher) Counts() (sent, failed uint64) { return d.sent.Load(), d.failed.Load() }

// Run tells webhooks until ctx ends, and waits for the deliveries that run.
func (d *Dispatcher) Run(ctx context.Context) error {
	var working sync.WaitGroup
	defer d.client.CloseIdleConnections()
	defer working.Wait()
	room := make(chan struct{}, atOnce)
	tick := time.NewTicker(d.config.Every)
	defer tick.Stop()
	for {
		if err := d.round(ctx, &working, room); err != nil && ctx.Err() == nil {
			d.config.Log.Warn("look for webhooks", "cause", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// round begins work on each webhook that is due, behind the news, and nobody's. The
// first one that finds all hands busy begins the next round: receivers that are
// slow all the time never keep the others from their turn.
func (d *Dispatcher) round(ctx context.Context, working *sync.WaitGroup, room chan struct{}) error {
	hooks, err := d.config.DB.Webhooks(ctx)
	if err != nil || len(hooks) == 0 {
		return err
	}
	newest, err := d.config.DB.Newest(ctx)
	if err != nil {
		return err
	}
	now := d.config.Now().UnixMilli()
	for _, h := range from(hooks, d.first) {
		if h.Disabled != 0 || h.NextTry > now || d.ahead(h).At == newest || !d.begin(h.ID) {
			continue
		}
		select {
		case room <- struct{}{}:
		default: // all hands are busy; it comes next time
			d.end(h.ID)
			d.first = h.ID
			return nil
		}
		working.Go(func() {
			defer func() { <-room; d.end(h.ID) }()
			if err := d.tell(ctx, h); err != nil && ctx.Err() == nil {
				d.config.Log.Warn("tell webhook", "webhook", h.ID, "cause", err)
			}
		})
	}
	return nil
}

// from returns the webhooks, which are sorted by id, from one on, and those before
// it behind them.
func from(hooks []database.Webhook, id string) []database.Webhook {
	i, _ := slices.BinarySearchFunc(hooks, id, func(h database.Webhook, id string) int { return strings.Compare(h.ID, id) })
	return slices.Concat(hooks[i:], hooks[:i])
}

func (d *Dispatcher) begin(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy[id] {
		return false
	}
	d.busy[id] = true
	return true
}

func (d *Dispatcher) end(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, id)
}

// ahead returns a webhook behind what was looked at for it and not wanted.
func (d *Dispatcher) ahead(h database.Webhook) database.Webhook {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.peeked[h.ID]; ok && p.from == h.At {
		h.At = p.looked
	}
	return h
}

func (d *Dispatcher) look(id string, p peek) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.peeked) > database.MaxWebhooks {
		clear(d.peeked) // of webhooks that were removed
	}
	d.peeked[id] = p
}

// tell claims a webhook that something is new for and tells it, until it knows
// all, does not take an event, or the slice of time is over.
func (d *Dispatcher) tell(ctx context.Context, as database.Webhook) error {
	began := as.At
	as = d.ahead(as)
	events, looked, err := d.config.Source.After(ctx, as, batch)
	if err != nil {
		return err
	}
	if len(events) == 0 && looked.Entry-began.Entry < farAhead {
		d.look(as.ID, peek{began, looked})
		return nil
	}
	begun := d.config.Now()
	h, err := d.config.DB.ClaimWebhook(ctx, as.ID, d.owner, begun.UnixMilli(), begun.Add(ownedFor).UnixMilli())
	if errors.Is(err, database.ErrNotFound) {
		return nil // another central has it
	}
	if err != nil {
		return err
	}
	if h.At == began {
		h.At = as.At
	}
	secret, err := d.config.Box.Open(Purpose(h.ID), h.Secret)
	if err != nil {
		return d.disable(ctx, h, "Its secret does not open: "+err.Error(), nil)
	}
	for {
		more, err := d.slice(ctx, &h, string(secret))
		if errors.Is(err, database.ErrNotFound) {
			return nil // removed, disabled, or another's meanwhile
		}
		if err != nil || !more || d.config.Now().Sub(begun) > sliceFor {
			return errors.Join(err, d.release(ctx, h))
		}
	}
}

// release lets others have the webhook.
func (d *Dispatcher) release(ctx context.Context, h database.Webhook) error {
	if h.Disabled != 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := d.config.DB.MarkWebhook(ctx, h, d.owner, 0, nil); !errors.Is(err, database.ErrNotFound) {
		return err
	}
	return nil
}

// slice tells the next events; more is false when there are no others now.
func (d *Dispatcher) slice(ctx context.Context, h *database.Webhook, secret string) (more bool, err error) {
	events, looked, err := d.config.Source.After(ctx, *h, batch)
	if err != nil {
		return false, err
	}
	begun := d.config.Now()
	for _, e := range events {
		taken, err := d.deliver(ctx, h, secret, e)
		if err != nil || !taken {
			return false, err
		}
		if d.config.Now().Sub(begun) > sliceFor {
			return true, nil
		}
	}
	if h.At == looked {
		return false, nil
	}
	h.At = looked // over what it does not want
	return true, d.mark(ctx, *h, nil)
}

// mark writes down how far h was told and keeps it for a while more.
func (d *Dispatcher) mark(ctx context.Context, h database.Webhook, done *database.Delivery) error {
	until := d.config.Now().Add(ownedFor).UnixMilli()
	return d.config.DB.MarkWebhook(ctx, h, d.owner, until, done)
}

// deliver sends one event once and writes down how it came out. taken is false if
// it has to be sent again later.
func (d *Dispatcher) deliver(ctx context.Context, h *database.Webhook, secret string, e Event) (taken bool, err error) {
	body, err := Body(e)
	if err != nil {
		return false, err
	}
	o := d.send(ctx, h.URL, secret, e.ID, body)
	if ctx.Err() != nil {
		return false, ctx.Err() // we stop: it is nobody's fault
	}
	now := d.config.Now().UnixMilli()
	h.Attempt++
	done := database.Delivery{At: now, Event: e.ID, Type: e.Type, Attempt: h.Attempt, Status: int64(o.status), Took: o.took.Milliseconds(), Problem: o.problem}
	if o.problem == "" {
		d.sent.Add(1)
		h.At, h.Attempt, h.Tried, h.NextTry, h.Failing, h.Delivered = e.Next, 0, 0, 0, 0, now
		return true, d.mark(ctx, *h, &done)
	}
	d.failed.Add(1)
	if h.Failing == 0 {
		h.Failing = now
	}
	if h.Tried == 0 {
		h.Tried = now
	}
	switch {
	case o.gone:
		return false, d.disable(ctx, *h, o.problem, &done)
	case now-h.Failing >= disableAfter.Milliseconds():
		return false, d.disable(ctx, *h, "Nothing was taken for three days. Last: "+o.problem, &done)
	case now-h.Tried >= giveUpAfter.Milliseconds():
		done.Problem += " Left out after a day."
		h.At, h.Attempt, h.Tried = e.Next, 0, 0
	}
	h.NextTry = now + max(backoff(h.Attempt), o.later).Milliseconds()
	return false, d.mark(ctx, *h, &done)
}

// backoff returns how long to wait after so many tries, give or take a fifth: many
// webhooks of one receiver that was down come back one after the other.
func backoff(attempt int64) time.Duration {
	wait := maxBackoff
	if attempt < 20 {
		wait = min(firstBackoff<<max(attempt-1, 0), maxBackoff)
	}
	return wait - wait/5 + mathrand.N(2*wait/5)
}

// disable leaves a webhook alone from now on, and says so.
func (d *Dispatcher) disable(ctx context.Context, h database.Webhook, why string, done *database.Delivery) error {
	h.Disabled, h.Why = d.config.Now().UnixMilli(), why
	if err := d.config.DB.MarkWebhook(ctx, h, d.owner, 0, done); err != nil {
		return err
	}
	d.config.Alarm(ctx, h.ID, why, "Mend the receiver, then: central webhook enable "+h.ID+". It goes on where it stopped. Or: central webhook remove "+h.ID)
	return database.ErrNotFound // it is ours no more
}

// Body returns what is sent of an event.
func Body(e Event) ([]byte, error) {
	b, err := json.Marshal(struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      any       `json:"data"`
	}{e.Type, e.At.UTC(), e.Data})
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	return b, nil
}

// Test sends an event of the type test at once, also to a disabled webhook, and
// returns how that came out; or database.ErrNotFound.
func (d *Dispatcher) Test(ctx context.Context, id string) (database.Delivery, error) {
	h, err := d.config.DB.Webhook(ctx, id)
	if err != nil {
		return database.Delivery{}, err
	}
	secret, err := d.config.Box.Open(Purpose(h.ID), h.Secret)
	if err != nil {
		return database.Delivery{}, fmt.Errorf("open webhook secret: %w", err)
	}
	now := d.config.Now()
	e := Event{ID: "test-" + rand.Text()[:12], Type: "test", At: now, Data: map[string]string{"webhook": h.ID}}
	body, err := Body(e)
	if err != nil {
		return database.Delivery{}, err
	}
	o := d.send(ctx, h.URL, string(secret), e.ID, body)
	done := database.Delivery{At: now.UnixMilli(), Event: e.ID, Type: e.Type, Attempt: 1, Status: int64(o.status), Took: o.took.Milliseconds(), Problem: o.problem}
	return done, d.config.DB.AddDelivery(ctx, id, done)
}
