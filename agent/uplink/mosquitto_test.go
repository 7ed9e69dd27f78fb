package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"turnstile/central/link"
)

// mosquitto is a real broker with TLS on a free loopback port.
type mosquitto struct {
	t    testing.TB
	dir  string
	port int
	cmd  *exec.Cmd
}

func startMosquitto(t testing.TB, c *central) *mosquitto {
	t.Helper()
	m := &mosquitto{t: t, dir: t.TempDir(), port: freePort(t)}
	leaf, key := c.certificate("localhost", []string{"localhost"})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	m.write("ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.authority.Raw}))
	m.write("server.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}))
	m.write("server.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	m.write("mosquitto.conf", fmt.Appendf(nil, "listener %d 127.0.0.1\ncafile %[2]s/ca.crt\ncertfile %[2]s/server.crt\nkeyfile %[2]s/server.key\n"+
		"require_certificate true\nuse_identity_as_username true\nallow_anonymous false\nuser root\n", m.port, m.dir))
	m.start()
	t.Cleanup(m.kill)
	return m
}

// freePort returns a port that nobody listens on, of those that the kernel gives to
// nobody who does not ask for them: it stays free until the broker takes it, and while
// the broker is dead.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(20_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func (m *mosquitto) write(name string, data []byte) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), data, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mosquitto) start() {
	m.t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	m.cmd = exec.Command(program, "-c", filepath.Join(m.dir, "mosquitto.conf"))
	if err := m.cmd.Start(); err != nil {
		m.t.Fatalf("%v: install the Debian package mosquitto", err)
	}
	until(m.t, "the broker listens", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// kill ends the broker as a power cut does.
func (m *mosquitto) kill() {
	m.cmd.Process.Kill()
	m.cmd.Wait()
}

func (m *mosquitto) address() string { return fmt.Sprintf("ssl://localhost:%d", m.port) }

// until polls for a state with a deadline.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not reached: %s", what)
		}
	}
}

// connect puts central on the broker: it takes, acknowledges, and keeps the feed.
func (c *central) connect(t testing.TB, broker string) mqtt.Client {
	t.Helper()
	leaf, key := c.certificate("central", nil)
	roots := x509.NewCertPool()
	roots.AddCert(c.authority)
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(broker).SetClientID("central").SetAutoReconnect(false).SetOrderMatters(false).
		SetTLSConfig(&tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}}))
	if err := done(t.Context(), client.Connect(), connectTimeout); err != nil {
		t.Fatal(err)
	}
	err := done(t.Context(), client.Subscribe("tg/1/campus/a/+/up/#", 1, func(_ mqtt.Client, m mqtt.Message) {
		if ack := c.take(m.Topic(), m.Payload()); ack != nil {
			client.Publish(topics.Ack(laneID), 0, false, ack)
		}
	}), tokenTimeout)
	if err != nil {
		t.Fatal(err)
	}
	for topic, b := range c.retained() {
		if err := done(t.Context(), client.Publish(topic, 1, true, b), tokenTimeout); err != nil {
			t.Fatal(err)
		}
	}
	return client
}

func TestRealBroker(t *testing.T) {
	c := newCentral(t, time.Now)
	m := startMosquitto(t, c)
	c.lane.Broker = m.address()
	office := c.connect(t, m.address())
	a := c.agent(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- a.Run(ctx) }()

	until(t, "the feed is there", func() bool { return a.cache.View().HasFeed() && a.cache.View().State != nil })
	a.append(t, 20)
	until(t, "20 entries are acknowledged", func() bool { return a.journal.Acked() == 20 })
	office.Publish(topics.Delta(), 0, false, c.revoke(7, true))
	until(t, "the revocation is applied and reported", func() bool { n, _ := c.lastState(); return n.Seq == 2 })
	if a.cache.View().State.Day(2151).Status(7) != link.Revoked {
		t.Fatal("not revoked")
	}

	m.kill()
	until(t, "the loss is noticed", func() bool { return !a.Status().Connected && slices.Contains(a.health.Standing(), "uplink.down") })
	a.append(t, 1200)
	m.start()
	c.connect(t, m.address())
	until(t, "all entries are acknowledged", func() bool { return a.journal.Acked() == 1220 })
	if c.stored() != 1220 {
		t.Fatalf("central has %d", c.stored())
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	until(t, "the goodbye arrives", func() bool { n, _ := c.lastState(); return !n.Alive })
}

// TestWill closes the network under a connected lane.
func TestWill(t *testing.T) {
	c := newCentral(t, time.Now)
	m := startMosquitto(t, c)
	c.lane.Broker = m.address()
	c.connect(t, m.address())
	a := c.agent(t, nil)
	config, err := a.tls(a.broker())
	if err != nil {
		t.Fatal(err)
	}
	will, err := a.seal(false)
	if err != nil {
		t.Fatal(err)
	}
	l := dialPaho(LinkOptions{Broker: m.address(), ClientID: laneID, TLS: config, WillTopic: topics.State(laneID), Will: will, Receive: func(string, []byte) {}})
	if err := l.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Another connection with the same id throws this one out, which is a death
	// without a goodbye.
	second := dialPaho(LinkOptions{Broker: m.address(), ClientID: laneID, TLS: config, WillTopic: topics.State(laneID), Will: will, Receive: func(string, []byte) {}})
	if err := second.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := <-l.Lost(); err == nil {
		t.Fatal("lost without an error")
	}
	if _, err := l.Publish(topics.State(laneID), nil, false); !errors.Is(err, ErrOffline) {
		t.Fatalf("publish on a dead link: %v", err)
	}
	until(t, "the will arrives", func() bool { n, count := c.lastState(); return count > 0 && !n.Alive })
}

// TestForeignCertificates tries a broker of another authority, and a lane whose
// certificate the broker does not know.
func TestForeignCertificates(t *testing.T) {
	c, other := newCentral(t, time.Now), newCentral(t, time.Now)
	m := startMosquitto(t, c)
	for name, change := range map[string]func(){
		"the broker's authority is not ours": func() { other.lane.Certificate = c.lane.Certificate },
		"our certificate is not theirs":      func() { other.lane.Authority = c.authority },
	} {
		other.lane = newCentral(t, time.Now).lane
		change()
		other.lane.Broker = m.address()
		a := other.agent(t, nil)
		// With TLS 1.3 the broker's refusal comes after the handshake, and a reset
		// may overtake it; the agent tries again, and so does this test.
		until(t, name, func() bool {
			connected, err := a.once(t.Context())
			if connected || err == nil {
				t.Fatal("connected")
			}
			return errors.Is(err, ErrRefused)
		})
	}
}

// TestNobodyThere has no broker at the address.
func TestNobodyThere(t *testing.T) {
	c := newCentral(t, time.Now)
	c.lane.Broker = "ssl://127.0.0.1:1"
	a := c.agent(t, nil)
	if _, err := a.once(t.Context()); err == nil || errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
}

// TestHalfOpen connects to a server that takes the connection and never speaks.
func TestHalfOpen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := newCentral(t, time.Now)
	c.lane.Broker = "ssl://" + l.Addr().String()
	a := c.agent(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			accepted <- conn
		}
	}()
	ended := make(chan error, 1)
	go func() { _, err := a.once(ctx); ended <- err }()
	conn := <-accepted
	defer conn.Close()
	cancel() // the agent stops: it does not wait for the silent server
	if err := <-ended; !errors.Is(err, ErrOffline) {
		t.Fatal(err)
	}
}
