package broker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"turnstile/central/issuer"
)

const site = "campus"

// patience bounds each wait of a test.
const patience = time.Minute

// house is a site's authority with certificates for central and lanes.
type house struct {
	issuer *issuer.Issuer
}

func newHouse(t *testing.T) house {
	t.Helper()
	i, err := issuer.Open(t.TempDir(), site, []byte("correct horse"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return house{i}
}

func (h house) lane(t *testing.T, id string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.issuer.SignLane(csr, id, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

func (h house) client(c tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(h.issuer.Authority())
	return &tls.Config{Certificates: []tls.Certificate{c}, RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func (h house) central(t *testing.T) *tls.Config {
	t.Helper()
	c, err := h.issuer.CentralCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return h.client(c)
}

func (h house) server(t *testing.T) *tls.Config {
	t.Helper()
	c, err := h.issuer.ServerCertificate([]string{"localhost", "127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(h.issuer.Authority())
	return &tls.Config{Certificates: []tls.Certificate{c}, ClientCAs: pool}
}

// peer is a plain paho client, as an attacker or a lane would use it.
type peer struct {
	mqtt.Client
	got  chan string
	down chan struct{}
}

func connect(t *testing.T, url, id string, c *tls.Config, change ...func(*mqtt.ClientOptions)) (*peer, error) {
	t.Helper()
	p := &peer{got: make(chan string, 100), down: make(chan struct{})}
	o := mqtt.NewClientOptions().AddBroker(url).SetClientID(id).SetTLSConfig(c).SetProtocolVersion(4).SetAutoReconnect(false).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { p.got <- m.Topic() + "=" + string(m.Payload()) }).
		SetConnectionLostHandler(func(mqtt.Client, error) { close(p.down) })
	for _, f := range change {
		f(o)
	}
	p.Client = mqtt.NewClient(o)
	token := p.Connect()
	if !token.WaitTimeout(patience) {
		t.Fatal("connect does not end")
	}
	t.Cleanup(func() { p.Disconnect(0) })
	return p, token.Error()
}

func mustConnect(t *testing.T, url, id string, c *tls.Config, change ...func(*mqtt.ClientOptions)) *peer {
	t.Helper()
	p, err := connect(t, url, id, c, change...)
	if err != nil {
		t.Fatalf("connect as %s: %v", id, err)
	}
	return p
}

func (p *peer) subscribe(t *testing.T, filter string) byte {
	t.Helper()
	token := p.Subscribe(filter, 0, nil)
	if !token.WaitTimeout(patience) {
		t.Fatal("no SUBACK")
	}
	return token.(*mqtt.SubscribeToken).Result()[filter]
}

func (p *peer) publish(t *testing.T, topic, payload string, qos byte, retained bool) {
	t.Helper()
	if !p.Publish(topic, qos, retained, payload).WaitTimeout(patience) {
		t.Fatal("publish does not end")
	}
}

func (p *peer) expect(t *testing.T, want string) {
	t.Helper()
	if got := p.next(t); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// next returns the next message that arrives.
func (p *peer) next(t *testing.T) string {
	t.Helper()
	select {
	case got := <-p.got:
		return got
	case <-time.After(patience):
		t.Fatal("nothing arrived")
		return ""
	}
}

// startEmbedded runs an embedded broker that refuses the lanes in the map.
func startEmbedded(t *testing.T, h house, refused *sync.Map) (*Embedded, string) {
	t.Helper()
	e, err := Start(Config{
		Site: site, Listen: "127.0.0.1:0", Store: t.TempDir(), TLS: h.server(t), Central: issuer.CentralName,
		Allow: func(lane string, _ *x509.Certificate) bool { _, no := refused.Load(lane); return !no },
		Log:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return e, fmt.Sprintf("ssl://127.0.0.1:%d", e.Port())
}

// TestRights tries, as lane N1 with a real client, everything that it may not
// do. What arrives is asserted, in order, at two observers: a forbidden message
// that was delivered would come before the allowed one behind it.
func TestRights(t *testing.T) {
	h := newHouse(t)
	_, url := startEmbedded(t, h, &sync.Map{})
	testRights(t, h, url)
}

func testRights(t *testing.T, h house, url string) {
	central := mustConnect(t, url, "central", h.central(t))
	if code := central.subscribe(t, "tg/1/campus/#"); code == subscriptionFailed {
		t.Fatal("central may not read its site")
	}
	n2 := mustConnect(t, url, "N2", h.client(h.lane(t, "N2")))
	n2.subscribe(t, "tg/1/campus/feed/#")
	n2.subscribe(t, "tg/1/campus/a/N2/dn/#")
	if code := n2.subscribe(t, "tg/1/campus/z/1/#"); code == subscriptionFailed {
		t.Fatal("a lane may not read a zone")
	}
	n1cert := h.lane(t, "N1")
	n1 := mustConnect(t, url, "N1", h.client(n1cert))
	n1.subscribe(t, "tg/1/campus/a/N1/dn/#")
	for _, filter := range []string{"#", "tg/1/campus/#", "tg/1/campus/a/N2/dn/#", "tg/1/campus/a/+/dn/#", "tg/1/campus/a/+/up/state", "tg/1/campus/a/N2/up/state"} {
		n1.subscribe(t, filter)
	}
	foreign := []string{"tg/1/campus/feed/head", "tg/1/campus/feed/delta", "tg/1/campus/a/N2/up/state", "tg/1/campus/a/N2/dn/ack",
		"tg/1/campus/a/N1/dn/ack", "tg/1/other/feed/head", "tg/1/campus/a/N1", "$SYS/x",
		"tg/1/campus/z/1/use", "tg/1/campus/z/1/lanes", "tg/1/campus/z", "tg/1/campus/a/N2/up/use"}
	for _, topic := range foreign {
		n1.publish(t, topic, "forged", 0, false)
		n1.publish(t, topic, "forged", 0, true)
	}
	n1.publish(t, "tg/1/campus/a/N1/up/state", "own", 1, false)
	central.expect(t, "tg/1/campus/a/N1/up/state=own")

	n1.publish(t, "tg/1/campus/a/N1/up/use", "use", 1, false)
	central.expect(t, "tg/1/campus/a/N1/up/use=use")
	central.publish(t, "tg/1/campus/z/1/use", "use", 1, false)
	central.expect(t, "tg/1/campus/z/1/use=use")
	n2.expect(t, "tg/1/campus/z/1/use=use")

	n2.publish(t, "tg/1/campus/a/N2/up/state", "secret", 1, false)
	central.expect(t, "tg/1/campus/a/N2/up/state=secret")
	central.publish(t, "tg/1/campus/feed/head", "head", 1, false)
	central.expect(t, "tg/1/campus/feed/head=head")
	n2.expect(t, "tg/1/campus/feed/head=head")
	central.publish(t, "tg/1/campus/a/N2/dn/ack", "for N2", 1, false)
	n2.expect(t, "tg/1/campus/a/N2/dn/ack=for N2")
	central.publish(t, "tg/1/campus/a/N1/dn/ack", "for N1", 1, false)
	for got := receive(t, n1.got, "the message for N1"); got != "tg/1/campus/a/N1/dn/ack=for N1"; got = receive(t, n1.got, "the message for N1") {
		if got != "tg/1/campus/feed/head=head" && got != "tg/1/campus/z/1/use=use" { // which N1 may read, also through the filter #
			t.Errorf("N1 got %q", got)
		}
	}
	for _, p := range []*peer{n1, n2} {
		select {
		case got := <-p.got:
			t.Errorf("%q was delivered", got)
		default:
		}
	}
}

// TestWill: a lane's will on its own topic is published, one on the feed is not.
func TestWill(t *testing.T) {
	h := newHouse(t)
	_, url := startEmbedded(t, h, &sync.Map{})
	testWill(t, h, url)
}

func testWill(t *testing.T, h house, url string) {
	central := mustConnect(t, url, "central", h.central(t))
	central.subscribe(t, "tg/1/campus/#")
	for _, will := range []struct{ lane, topic string }{
		{"N1", "tg/1/campus/feed/head"}, {"N1", "tg/1/campus/a/N2/up/state"}, {"N3", "tg/1/campus/a/N3/up/state"},
	} {
		raw := make(chan net.Conn, 1)
		_, err := connect(t, url, will.lane, h.client(h.lane(t, will.lane)), func(o *mqtt.ClientOptions) {
			o.SetWill(will.topic, "will of "+will.lane, 0, true)
			o.SetCustomOpenConnectionFn(cutable(h.client(h.lane(t, will.lane)), url, raw))
		})
		if err != nil {
			continue // refusing the connection with such a will is as good
		}
		(<-raw).Close() // without DISCONNECT: the broker sends the will
	}
	central.expect(t, "tg/1/campus/a/N3/up/state=will of N3")
	late := mustConnect(t, url, "N2", h.client(h.lane(t, "N2")))
	late.subscribe(t, "tg/1/campus/feed/#")
	central.publish(t, "tg/1/campus/feed/delta", "after", 1, false)
	late.expect(t, "tg/1/campus/feed/delta=after")
}

// TestStrangers: who is refused, and that nobody is thrown out meanwhile.
func TestStrangers(t *testing.T) {
	h, other := newHouse(t), newHouse(t)
	refused := &sync.Map{}
	e, url := startEmbedded(t, h, refused)
	n2 := mustConnect(t, url, "N2", h.client(h.lane(t, "N2")))

	wrong := other.client(other.lane(t, "N2"))
	wrong.RootCAs = h.client(tls.Certificate{}).RootCAs
	none := h.client(tls.Certificate{})
	none.Certificates = nil
	for name, try := range map[string]struct {
		id string
		c  *tls.Config
	}{
		"certificate of another authority": {"N2", wrong},
		"no certificate":                   {"N2", none},
		"foreign client id":                {"N2", h.client(h.lane(t, "N1"))},
		"no client id":                     {"", h.client(h.lane(t, "N1"))},
		"central's client id":              {"central", h.client(h.lane(t, "N1"))},
	} {
		if _, err := connect(t, url, try.id, try.c); err == nil {
			t.Errorf("%s: connected", name)
		}
	}
	refused.Store("N3", true)
	if _, err := connect(t, url, "N3", h.client(h.lane(t, "N3"))); err == nil {
		t.Error("removed lane: connected")
	}
	select {
	case <-n2.down:
		t.Fatal("N2 was thrown out")
	default:
	}
	refused.Store("N2", true)
	e.Disconnect("N2")
	select {
	case <-n2.down:
	case <-time.After(patience):
		t.Fatal("a removed lane stays connected")
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Start(Config{Site: site, Listen: l.Addr().String(), Store: t.TempDir(), TLS: &tls.Config{}, Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, ErrListen) || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Fatalf("got %v, want ErrListen that names %s", err, l.Addr())
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/#", "a/b/c", true}, {"a/#", "a", true}, {"a/+/c", "a/b/c", true}, {"a/+/c", "a/b/d", false},
		{"a/b", "a/b/c", false}, {"a/b/c", "a/b", false}, {"#", "x", true}, {"a/+", "a/b/c", false},
		{"tg/1/s/a/+/up/+/log", "tg/1/s/a/N1/up/7/log", true}, {"tg/1/s/a/+/up/state", "tg/1/s/a/N1/up/7/log", false},
	} {
		if got := matches(c.filter, c.topic); got != c.want {
			t.Errorf("matches(%q, %q) = %v", c.filter, c.topic, got)
		}
	}
}
