package broker

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"turnstile/central/issuer"
	"turnstile/central/porttest"
)

// cluster is three stock servers in this process, on files of NATSFiles.
type cluster struct {
	config  NATSCluster
	dir     string
	servers []*server.Server
	urls    []string
}

func startCluster(t *testing.T, h house, lanes ...string) *cluster {
	t.Helper()
	c := &cluster{dir: t.TempDir(), config: NATSCluster{Site: site, Centrals: []string{issuer.CentralName}, Lanes: lanes, Authority: h.issuer.Authority()}}
	for i := range 3 {
		certificate, err := h.issuer.ServerCertificate([]string{"127.0.0.1", "localhost"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		c.config.Nodes = append(c.config.Nodes, NATSNode{Host: "127.0.0.1", MQTT: porttest.Keep(t), Cluster: porttest.Keep(t), Client: porttest.Keep(t), Server: certificate})
		c.urls = append(c.urls, fmt.Sprintf("ssl://127.0.0.1:%d", c.config.Nodes[i].MQTT))
	}
	for _, path := range c.write(t) {
		o, err := server.ProcessConfigFile(path)
		if err != nil {
			t.Fatal(err)
		}
		o.NoSigs = true
		s, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		c.servers = append(c.servers, s)
	}
	until(t, "the cluster has a leader", func() bool {
		return slices.ContainsFunc(c.servers, func(s *server.Server) bool { return s.JetStreamIsLeader() }) &&
			!slices.ContainsFunc(c.servers, func(s *server.Server) bool { return !s.JetStreamIsCurrent() || s.NumRoutes() == 0 })
	})
	return c
}

func (c *cluster) write(t testing.TB) []string {
	t.Helper()
	paths, err := NATSFiles(c.dir, c.config)
	if err != nil || len(paths) != 3 {
		t.Fatalf("%d files: %v", len(paths), err)
	}
	return paths
}

// until waits for something that a peer promises.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick, over := time.NewTicker(50*time.Millisecond), time.After(2*patience)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("not within %s: %s", 2*patience, what)
		}
	}
}

// TestCluster: stock servers on our files give each client the rights that the
// embedded broker does, whichever node it is on, and a reload takes a lane's away.
func TestCluster(t *testing.T) {
	h := newHouse(t)
	c := startCluster(t, h, "N1", "N2", "N3")
	t.Run("rights", func(t *testing.T) { testRights(t, h, c.urls[0]) })
	t.Run("will", func(t *testing.T) { testWill(t, h, c.urls[1]) })
	t.Run("strangers", func(t *testing.T) {
		if _, err := connect(t, c.urls[0], "N9", h.client(h.lane(t, "N9"))); err == nil {
			t.Error("a lane that nobody named connects")
		}
		other := newHouse(t)
		wrong := other.client(other.lane(t, "N2"))
		wrong.RootCAs = h.client(h.lane(t, "N2")).RootCAs
		if _, err := connect(t, c.urls[0], "N2", wrong); err == nil {
			t.Error("a certificate of another authority connects")
		}
	})
	t.Run("other node", func(t *testing.T) {
		central := mustConnect(t, c.urls[0], "central:a", h.central(t))
		n1 := mustConnect(t, c.urls[2], "N1", h.client(h.lane(t, "N1")))
		n1.subscribe(t, "tg/1/campus/feed/#")
		until(t, "what central says on one node arrives at another", func() bool {
			central.publish(t, "tg/1/campus/feed/head", "head", 0, true)
			select {
			case <-n1.got:
				return true
			case <-time.After(time.Second):
				return false
			}
		})
	})
	t.Run("reload", func(t *testing.T) {
		n3 := mustConnect(t, c.urls[1], "N3", h.client(h.lane(t, "N3")))
		c.config.Lanes = []string{"N1", "N2", "N9"}
		authority, err := os.ReadFile(filepath.Join(c.dir, "routes.key"))
		if err != nil {
			t.Fatal(err)
		}
		c.write(t)
		for _, s := range c.servers {
			if err := s.Reload(); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-n3.down:
		case <-time.After(patience):
			t.Error("a removed lane stays connected")
		}
		if _, err := connect(t, c.urls[1], "N3", h.client(h.lane(t, "N3"))); err == nil {
			t.Error("a removed lane connects")
		}
		mustConnect(t, c.urls[1], "N9", h.client(h.lane(t, "N9")))
		if again, err := os.ReadFile(filepath.Join(c.dir, "routes.key")); err != nil || string(again) != string(authority) {
			t.Error("the nodes' authority changed")
		}
	})
}

// TestSessionMoves: the session goes on at another node, and subscribes to what it
// is told meanwhile.
func TestSessionMoves(t *testing.T) {
	h := newHouse(t)
	c := startCluster(t, h, "N1")
	parts := make(chan []string, 1)
	parts <- []string{"tg/1/campus/a/+/up/1/log"}
	current := func() []string { p := <-parts; parts <- p; return p }
	connected, got := make(chan struct{}, 10), make(chan Message, 1000)
	s := NewSession(SessionConfig{
		URL: strings.Join(c.urls, ","), TLS: h.central(t), ClientID: "central:a", Log: slog.New(slog.DiscardHandler),
		Subscriptions: []Subscription{{Filter: "tg/1/campus/a/+/up/+/log", Parts: current, Queue: 1000, Handle: func(_ context.Context, m Message) { got <- m }}},
		Connected:     func(context.Context) { connected <- struct{}{} },
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	receive(t, connected, "Connected")
	other := mustConnect(t, c.urls[0], "central:b", h.central(t))
	arrives := func(topic string) bool {
		other.publish(t, topic, "x", 0, false)
		select {
		case m := <-got:
			return m.Topic == topic
		case <-time.After(500 * time.Millisecond):
			return false
		}
	}
	until(t, "its partition", func() bool { return arrives("tg/1/campus/a/N1/up/1/log") })
	if arrives("tg/1/campus/a/N1/up/2/log") {
		t.Error("another's partition arrives")
	}
	<-parts
	parts <- []string{"tg/1/campus/a/+/up/2/log"}
	s.Resubscribe()
	until(t, "its new partition", func() bool { return arrives("tg/1/campus/a/N1/up/2/log") })
	until(t, "the old one has ended", func() bool { return !arrives("tg/1/campus/a/N1/up/1/log") })
	for i, server := range c.servers { // the node that it is on dies
		list, err := server.Connz(&natsClients)
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Conns) == 0 {
			continue
		}
		server.Shutdown()
		server.WaitForShutdown()
		if i == 0 {
			other = connectAgain(t, c.urls[1], "central:b", h.central(t))
		}
		break
	}
	receive(t, connected, "Connected again")
	until(t, "its partition on another node", func() bool { return arrives("tg/1/campus/a/N1/up/2/log") })
}

var natsClients = server.ConnzOptions{MQTTClient: "central:a"}

// connectAgain connects as a client does that lost its node: a cluster that is busy
// with the loss may break off what comes meanwhile.
func connectAgain(t *testing.T, url, id string, c *tls.Config) *peer {
	t.Helper()
	var p *peer
	until(t, "connect after the loss of a node", func() bool {
		again, err := connect(t, url, id, c)
		p = again
		return err == nil
	})
	return p
}
