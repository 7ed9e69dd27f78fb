package officetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"turnstile/central/office"
)

// webhooks is the fake's office.Webhooks. It tells nobody.
type webhooks struct{ f *Fake }

func (s webhooks) Add(_ context.Context, by string, n office.NewWebhook) (office.Webhook, string, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if n.URL == "https://127.0.0.1/" {
		return office.Webhook{}, "", office.Refuse(office.ErrInvalid, "Webhooks do not go to 127.0.0.1.")
	}
	w := office.Webhook{NewWebhook: n, ID: fmt.Sprintf("hook%d", len(s.f.webhooks)+1), Created: s.f.Now(), CreatedBy: by}
	s.f.webhooks = append(s.f.webhooks, w)
	return w, "whsec_ZmFrZSBzZWNyZXQgb2YgYSB3ZWJob29rIGluIGEgdGVzdA==", nil
}

func (s webhooks) List(context.Context) ([]office.Webhook, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return slices.Clone(s.f.webhooks), nil
}

// find returns where a webhook is.
func (f *Fake) webhook(id string) (int, error) {
	i := slices.IndexFunc(f.webhooks, func(w office.Webhook) bool { return w.ID == id })
	if i < 0 {
		return 0, office.Refuse(office.ErrNotFound, "There is no webhook %s.", id)
	}
	return i, nil
}

func (s webhooks) Enable(_ context.Context, _, id string) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	_, err := s.f.webhook(id)
	return err
}

func (s webhooks) Remove(_ context.Context, _, id string) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	i, err := s.f.webhook(id)
	if err != nil {
		return err
	}
	s.f.webhooks = slices.Delete(s.f.webhooks, i, i+1)
	return nil
}

// deliveries is the fake's office.Deliveries.
type deliveries struct{ f *Fake }

func (s deliveries) Test(_ context.Context, id string) (office.Delivery, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if _, err := s.f.webhook(id); err != nil {
		return office.Delivery{}, err
	}
	d := office.Delivery{Number: int64(len(s.f.deliveries) + 1), At: s.f.Now(), Event: fmt.Sprintf("test-%d", len(s.f.deliveries)+1), Type: "test", Attempt: 1, Status: 204, Took: 42e6}
	s.f.deliveries = append(s.f.deliveries, d)
	return d, nil
}

func (s deliveries) List(_ context.Context, id string, before int64, limit int) (out []office.Delivery, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if _, err := s.f.webhook(id); err != nil {
		return nil, err
	}
	for _, d := range slices.Backward(s.f.deliveries) {
		if d.Number < before && len(out) < limit {
			out = append(out, d)
		}
	}
	return out, nil
}

// suiteWebhooks adds a webhook, and removes it.
func suiteWebhooks(t *testing.T, s office.Services) {
	ctx := context.Background()
	_, _, err := s.Webhooks.Add(ctx, "suite", office.NewWebhook{URL: "https://127.0.0.1/", Events: []string{office.EventAlarm}})
	wants(t, "a webhook to this machine", err, office.ErrInvalid)
	n := office.NewWebhook{URL: "https://hooks.example.edu/x", Events: []string{office.EventAlarm, office.EventPassage}, Types: []string{"passed"}, Lanes: []string{"north"}}
	w, secret, err := s.Webhooks.Add(ctx, "suite", n)
	if err != nil || w.ID == "" || len(secret) < 30 || w.CreatedBy != "suite" {
		t.Fatalf("%+v, %v", w, err)
	}
	list := must[[]office.Webhook](t)(s.Webhooks.List(ctx))
	if len(list) != 1 || list[0].URL != n.URL || !slices.Equal(list[0].Events, n.Events) || !slices.Equal(list[0].Types, n.Types) || !slices.Equal(list[0].Lanes, n.Lanes) {
		t.Errorf("%+v", list)
	}
	if d := must[[]office.Delivery](t)(s.Deliveries.List(ctx, w.ID, 1<<62, 10)); len(d) != 0 {
		t.Errorf("%+v", d)
	}
	for what, err := range map[string]error{
		"enable": s.Webhooks.Enable(ctx, "suite", "nohook"), "remove": s.Webhooks.Remove(ctx, "suite", "nohook"),
	} {
		wants(t, what+" an unknown webhook", err, office.ErrNotFound)
	}
	_, err = s.Deliveries.Test(ctx, "nohook")
	wants(t, "test an unknown webhook", err, office.ErrNotFound)
	_, err = s.Deliveries.List(ctx, "nohook", 1, 1)
	wants(t, "deliveries of an unknown webhook", err, office.ErrNotFound)
	if err := s.Webhooks.Enable(ctx, "suite", w.ID); err != nil {
		t.Error(err)
	}
	if err := s.Webhooks.Remove(ctx, "suite", w.ID); err != nil {
		t.Error(err)
	}
}
