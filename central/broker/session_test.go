package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"turnstile/central/issuer"
	"turnstile/central/porttest"
)

// cutable dials so that the test can cut the wire under the client.
func cutable(c *tls.Config, address string, raw chan<- net.Conn) mqtt.OpenConnectionFunc {
	return func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(address, "ssl://"))
		if err != nil {
			return nil, err
		}
		c = c.Clone()
		c.ServerName = "localhost"
		secure := tls.Client(conn, c)
		if err := secure.Handshake(); err != nil {
			return nil, err
		}
		raw <- conn
		return secure, nil
	}
}

// TestSession: subscriptions stand again after the broker was killed and
// started anew on its port, and Connected is called each time.
func TestSession(t *testing.T) {
	h := newHouse(t)
	store := t.TempDir()
	address := fmt.Sprintf("127.0.0.1:%d", porttest.Keep(t))
	start := func() (stop func()) {
		e, err := Start(Config{Site: site, Listen: address, Store: store, TLS: h.server(t), Central: issuer.CentralName,
			Allow: func(string, *x509.Certificate) bool { return true }, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		return func() { cancel(); <-ended }
	}
	stop := start()

	connected, got := make(chan struct{}, 10), make(chan Message, 10)
	s := NewSession(SessionConfig{
		URL: "ssl://" + address, TLS: h.central(t), ClientID: "central", Log: slog.New(slog.DiscardHandler),
		Subscriptions: []Subscription{{Filter: "tg/1/campus/a/+/up/state", Queue: 4, Handle: func(_ context.Context, m Message) { got <- m }}},
		Connected:     func(context.Context) { connected <- struct{}{} },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	if err := s.Publish(ctx, "x", nil, 0, false); !errors.Is(err, ErrOffline) {
		t.Fatalf("publish before connect: %v", err)
	}
	go func() { ended <- s.Run(ctx) }()
	roundTrip := func() {
		t.Helper()
		receive(t, connected, "Connected")
		n1 := mustConnect(t, "ssl://"+address, "N1", h.client(h.lane(t, "N1")))
		n1.subscribe(t, "tg/1/campus/feed/#")
		n1.publish(t, "tg/1/campus/a/N1/up/state", "alive", 1, false)
		if m := receive(t, got, "state"); string(m.Payload) != "alive" {
			t.Fatalf("got %q", m.Payload)
		}
		if err := s.Publish(ctx, "tg/1/campus/feed/head", []byte("head"), 0, true); err != nil {
			t.Fatal(err)
		}
		n1.expect(t, "tg/1/campus/feed/head=head")
	}
	roundTrip()
	stop()
	stop = start()
	roundTrip()
	if s.Lost() != 1 {
		t.Errorf("%d connections lost, want 1", s.Lost())
	}
	cancel()
	if err := receive(t, ended, "end of Run"); err != nil {
		t.Error(err)
	}
	stop()
}

func receive[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
	return v
}

// TestOverflow: a handler that hangs costs messages, counted, and never the
// connection's own goroutine.
func TestOverflow(t *testing.T) {
	s := NewSession(SessionConfig{Subscriptions: []Subscription{{Filter: "a/#", Queue: 2}}})
	for range 5 {
		s.receive(nil, fakeMessage{topic: "a/b"})
	}
	s.receive(nil, fakeMessage{topic: "other"})
	if s.Dropped() != 3 || len(s.queues[0]) != 2 {
		t.Fatalf("dropped %d, queued %d; want 3 and 2", s.Dropped(), len(s.queues[0]))
	}
}

type fakeMessage struct {
	mqtt.Message
	topic string
}

func (m fakeMessage) Topic() string   { return m.topic }
func (m fakeMessage) Payload() []byte { return nil }
func (m fakeMessage) Retained() bool  { return false }
