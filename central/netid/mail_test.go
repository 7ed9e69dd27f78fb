package netid

import (
	"context"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/devmail"
	"turnstile/central/letters"
	"turnstile/central/mail"
	"turnstile/central/mail/mailtest"
)

// TestByMail: a registration over real SMTP with STARTTLS, from the code to the
// mail that has the NetID.
func TestByMail(t *testing.T) {
	d := newDesk(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	inbox := postOffice(t, ctx, d)
	p := d.add("a", "CHAN", "Tai Man", 2005)
	token, err := d.Begin(ctx, d.as(p, "a@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	read := func(n int) *devmail.Mail {
		t.Helper()
		list, err := inbox.Wait(ctx, "a@example.org", n)
		if err != nil {
			t.Fatal(err)
		}
		return list[0]
	}
	m := eight.FindStringSubmatch(read(1).Text)
	if m == nil || !read(1).TLS {
		t.Fatalf("%+v", read(1))
	}
	if _, err := d.Confirm(ctx, token, m[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Complete(ctx, token, "Tai Man CHAN", good); err != nil {
		t.Fatal(err)
	}
	if done := read(2); done.Subject != "Completion of NetID registration" || done.HTML == "" || done.Wrong != "" {
		t.Errorf("%+v", done)
	}
}

// postOffice sends what the directory writes to a catcher, over TLS.
func postOffice(t *testing.T, ctx context.Context, d *desk) *devmail.Catcher {
	t.Helper()
	own, ca := mailtest.Certificate(t)
	inbox, err := devmail.Open(devmail.Options{TLS: own})
	if err != nil {
		t.Fatal(err)
	}
	worker, err := mail.New(mail.Config{
		Server: mail.Server{Host: "localhost", Port: inbox.Port(), From: "passes@campus.example", Security: mail.StartTLS, CA: ca},
		Store:  d.db, Location: hongKong, Now: d.now, Log: d.config.Log,
		Compose: func(_ context.Context, m database.Mail) (letters.Letter, error) {
			return letters.Open(d.config.Box, m.ID, m.Sealed)
		}})
	if err != nil {
		t.Fatal(err)
	}
	d.config.Posted = worker.Wake
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 2)
	go func() { ended <- inbox.Run(ctx) }()
	go func() { ended <- worker.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return inbox
}
