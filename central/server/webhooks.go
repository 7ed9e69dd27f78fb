package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/seal"
	"turnstile/central/webhook"
)

// Webhooks says where webhooks may go. Public addresses over HTTPS they may
// always go to.
type Webhooks struct {
	// Allow lists further addresses and networks: 10.1.2.3 or 10.1.2.0/24.
	Allow []string `yaml:"allow"`
	// HTTP allows URLs without TLS, whose deliveries others on the way can read.
	HTTP bool `yaml:"http"`
	// CA is a PEM file of authorities beside those of the system.
	CA string `yaml:"ca"`
}

func (w Webhooks) problems(wrong func(bad bool, key, format string, args ...any)) {
	_, err := w.guard()
	wrong(err != nil, "webhooks.allow", "want addresses or networks such as 10.1.2.0/24: %v", err)
}

func (w Webhooks) guard() (g webhook.Guard, err error) {
	g.HTTP = w.HTTP
	for _, text := range w.Allow {
		p, err := netip.ParsePrefix(text)
		if a, single := netip.ParseAddr(text); single == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return g, err
		}
		g.Allow = append(g.Allow, p.Masked())
	}
	return g, nil
}

func (w Webhooks) tls() (*tls.Config, error) {
	if w.CA == "" {
		return nil, nil
	}
	text, err := os.ReadFile(w.CA)
	if err != nil {
		return nil, fmt.Errorf("%w: webhooks.ca: %w", ErrConfig, err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%w: webhooks.ca: %s holds no certificate", ErrConfig, w.CA)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// openWebhooks makes what tells programs of revocations, alarms and passages.
func (s *central) openWebhooks(context.Context) error {
	guard, err := s.config.Webhooks.guard()
	if err != nil {
		return fmt.Errorf("%w: webhooks.allow: %w", ErrConfig, err)
	}
	authorities, err := s.config.Webhooks.tls()
	if err != nil {
		return err
	}
	box, err := s.box()
	if err != nil {
		return err
	}
	s.webhooks = &webhooks{db: s.db, box: box, guard: guard, now: s.config.Now}
	s.webhooks.dispatcher = webhook.New(webhook.Config{
		DB: s.db, Source: happenings{s}, Box: box, Guard: guard, TLS: authorities, Now: s.config.Now, Log: s.config.Log,
		Alarm: func(ctx context.Context, id, detail, next string) {
			if err := s.alarms.Raise(ctx, "webhook_disabled", "", id, detail, next); err != nil {
				s.config.Log.Error("store alarm", "error", err)
			}
		},
	})
	return nil
}

// webhooks is the API's office.Webhooks.
type webhooks struct {
	db         *database.DB
	box        seal.Box
	guard      webhook.Guard
	dispatcher *webhook.Dispatcher
	now        func() time.Time
}

// webhookID is how many characters name a webhook.
const webhookID = 10

func (s *webhooks) Add(ctx context.Context, by string, n office.NewWebhook) (office.Webhook, string, error) {
	if err := s.guard.CheckURL(n.URL); err != nil {
		return office.Webhook{}, "", office.Refuse(office.ErrInvalid, "%s.", strings.TrimSuffix(capital(err.Error()), "."))
	}
	id, secret := strings.ToLower(rand.Text()[:webhookID]), webhook.NewSecret()
	row := database.Webhook{
		ID: id, URL: n.URL, Events: strings.Join(n.Events, " "), Types: strings.Join(n.Types, " "), Lanes: strings.Join(n.Lanes, " "),
		Secret: s.box.Seal(webhook.Purpose(id), []byte(secret)), Created: s.now().UnixMilli(), CreatedBy: by,
	}
	var kinds []string
	for _, k := range n.Kinds {
		kinds = append(kinds, k.String())
	}
	row.Kinds = strings.Join(kinds, " ")
	err := s.db.AddWebhook(ctx, row)
	if errors.Is(err, database.ErrConflict) {
		return office.Webhook{}, "", office.Refuse(office.ErrConflict, "There are %d webhooks, as many as there can be; remove one first.", database.MaxWebhooks)
	}
	if err != nil {
		return office.Webhook{}, "", fmt.Errorf("store webhook: %w", err)
	}
	return officeWebhook(row), secret, nil
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// wanted is what a webhook asked for.
func wanted(row database.Webhook) office.NewWebhook {
	n := office.NewWebhook{URL: row.URL, Events: strings.Fields(row.Events), Types: strings.Fields(row.Types), Lanes: strings.Fields(row.Lanes)}
	for _, name := range strings.Fields(row.Kinds) {
		if k, ok := pass.ParseKind(name); ok {
			n.Kinds = append(n.Kinds, k)
		}
	}
	return n
}

func officeWebhook(row database.Webhook) office.Webhook {
	out := office.Webhook{NewWebhook: wanted(row), ID: row.ID, Created: time.UnixMilli(row.Created), CreatedBy: row.CreatedBy, Why: row.Why}
	for _, x := range []struct {
		to *time.Time
		ms int64
	}{{&out.Disabled, row.Disabled}, {&out.Failing, row.Failing}, {&out.Delivered, row.Delivered}, {&out.Retry, row.NextTry}} {
		if x.ms != 0 {
			*x.to = time.UnixMilli(x.ms)
		}
	}
	return out
}

func (s *webhooks) List(ctx context.Context) ([]office.Webhook, error) {
	rows, err := s.db.Webhooks(ctx)
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	out := make([]office.Webhook, 0, len(rows))
	for _, r := range rows {
		out = append(out, officeWebhook(r))
	}
	return out, nil
}

func (s *webhooks) Enable(ctx context.Context, by, id string) error {
	return noWebhook(s.db.EnableWebhook(ctx, id, by, s.now().UnixMilli()), id)
}

func (s *webhooks) Remove(ctx context.Context, by, id string) error {
	return noWebhook(s.db.RemoveWebhook(ctx, id, by, s.now().UnixMilli()), id)
}

// noWebhook says that there is none of the id, if that is what err means.
func noWebhook(err error, id string) error {
	if errors.Is(err, database.ErrNotFound) {
		return office.Refuse(office.ErrNotFound, "There is no webhook %.40s.", id)
	}
	return err
}

// deliveries is the API's office.Deliveries.
type deliveries struct{ *webhooks }

func (s deliveries) Test(ctx context.Context, id string) (office.Delivery, error) {
	d, err := s.dispatcher.Test(ctx, id)
	return officeDelivery(d), noWebhook(err, id)
}

func (s deliveries) List(ctx context.Context, id string, before int64, limit int) ([]office.Delivery, error) {
	if _, err := s.db.Webhook(ctx, id); err != nil {
		return nil, noWebhook(err, id)
	}
	rows, err := s.db.Deliveries(ctx, id, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	out := make([]office.Delivery, 0, len(rows))
	for _, r := range rows {
		out = append(out, officeDelivery(r))
	}
	return out, nil
}

func officeDelivery(d database.Delivery) office.Delivery {
	return office.Delivery{Number: d.Number, At: time.UnixMilli(d.At), Event: d.Event, Type: d.Type, Attempt: int(d.Attempt), Status: int(d.Status),
		Took: time.Duration(d.Took) * time.Millisecond, Problem: d.Problem}
}

// happenings is the webhook.Source: the feed's log, the alarms and the ledger.
type happenings struct{ *central }

// rowsAtOnce is how many rows of each log are looked at for one answer.
const rowsAtOnce = 500

func (s happenings) After(ctx context.Context, h database.Webhook, limit int) (events []webhook.Event, looked database.Position, err error) {
	n, looked := wanted(h), h.At
	read := map[string]func(context.Context, office.NewWebhook, *database.Position, int) ([]webhook.Event, error){
		office.EventRevocation: s.revocations, office.EventAlarm: s.raised, office.EventPassage: s.passages,
	}
	newest, err := s.db.Newest(ctx)
	if err != nil {
		return nil, h.At, err
	}
	// A log that the webhook does not ask for is passed over whole.
	skip := map[string]func(){
		office.EventRevocation: func() { looked.Epoch, looked.Seq = newest.Epoch, newest.Seq },
		office.EventAlarm:      func() { looked.Alarm = newest.Alarm }, office.EventPassage: func() { looked.Entry = newest.Entry },
	}
	for _, e := range n.Events {
		delete(skip, e)
	}
	for _, f := range skip {
		f()
	}
	for _, e := range []string{office.EventRevocation, office.EventAlarm, office.EventPassage} {
		if skip[e] != nil || len(events) >= limit {
			continue
		}
		more, err := read[e](ctx, n, &looked, limit-len(events))
		if err != nil {
			return nil, h.At, err
		}
		events = append(events, more...)
	}
	return events, looked, nil
}

// told builds events of rows: each stands behind its own row, and looked behind
// the last row that was looked at before there were enough.
func told[R any](rows []R, limit int, looked *database.Position, move func(*database.Position, R), event func(R) (webhook.Event, bool)) (events []webhook.Event) {
	for _, r := range rows {
		if len(events) == limit {
			break
		}
		move(looked, r)
		if e, ok := event(r); ok {
			e.Next = *looked
			events = append(events, e)
		}
	}
	return events
}

func (s happenings) revocations(ctx context.Context, _ office.NewWebhook, looked *database.Position, limit int) ([]webhook.Event, error) {
	rows, err := s.db.FeedAfter(ctx, looked.Epoch, looked.Seq, rowsAtOnce)
	if err != nil {
		return nil, fmt.Errorf("read feed log: %w", err)
	}
	return told(rows, limit, looked, func(p *database.Position, r database.Logged) { p.Epoch, p.Seq = r.Epoch, r.Seq }, func(r database.Logged) (webhook.Event, bool) {
		kind, data, ok := office.RevocationOf(r.Epoch, r.Seq, r.Event)
		return webhook.Event{ID: fmt.Sprintf("feed-%d-%d", r.Epoch, r.Seq), Type: kind, At: time.UnixMilli(r.At), Data: data}, ok
	}), nil
}

func (s happenings) raised(ctx context.Context, n office.NewWebhook, looked *database.Position, limit int) ([]webhook.Event, error) {
	rows, err := records{s.central}.Alarms(ctx, looked.Alarm, rowsAtOnce)
	if err != nil {
		return nil, err
	}
	return told(rows, limit, looked, func(p *database.Position, r office.Alarm) { p.Alarm = r.Number }, func(r office.Alarm) (webhook.Event, bool) {
		return webhook.Event{ID: fmt.Sprintf("alarm-%d", r.Number), Type: "alarm.raised", At: r.At, Data: office.AlarmEvent(r, s.location)}, n.WantsLane(r.Lane)
	}), nil
}

func (s happenings) passages(ctx context.Context, n office.NewWebhook, looked *database.Position, limit int) ([]webhook.Event, error) {
	rows, err := records{s.central}.Passages(ctx, office.PassageFilter{After: looked.Entry, Limit: rowsAtOnce})
	if err != nil {
		return nil, err
	}
	return told(rows, limit, looked, func(p *database.Position, r office.Passage) { p.Entry = r.Number }, func(r office.Passage) (webhook.Event, bool) {
		return webhook.Event{ID: fmt.Sprintf("passage-%d", r.Number), Type: "passage.recorded", At: r.Received, Data: office.PassageEvent(r, s.location)}, n.Wants(r)
	}), nil
}
