package uplink

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"turnstile/agent/cache"
	"turnstile/agent/enrol"
	"turnstile/agent/feed"
	"turnstile/agent/health"
	"turnstile/agent/journal"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
	"turnstile/central/pass"
)

const site, laneID = "campus", "n1"

var topics = link.Topics{Site: site}

// central signs what a lane needs, and checks what it says.
type central struct {
	t         testing.TB
	now       func() time.Time
	key       enrol.Signer // root, keyset and status role in one
	lane      enrol.Identity
	state     *link.State
	authority *x509.Certificate
	caKey     *ecdsa.PrivateKey

	mu     sync.Mutex // guards the following
	ledger map[uint64]link.Entry
	twice  int
	chain  link.Hash
	acked  uint64
	states []link.LaneState
	asks   []link.Ask
	times  []link.Ask // the questions for the time
	issued int64
}

func newSigner(t testing.TB) enrol.Signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return enrol.NewSigner(k)
}

func newCentral(t testing.TB, now func() time.Time) *central {
	t.Helper()
	c := &central{t: t, now: now, key: newSigner(t), ledger: map[uint64]link.Entry{}}
	var err error
	if c.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	c.authority, _ = c.certificate("authority", nil)
	if c.state, err = link.NewState(1).Apply([]link.Event{{Type: link.OpenDay, Day: 2151, Value: 1024}}); err != nil {
		t.Fatal(err)
	}
	seal, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf, key := c.certificate(laneID, nil)
	c.lane = enrol.Identity{Lane: laneID, Site: site, Broker: "ssl://localhost:1", Authority: c.authority, Seal: seal, Journal: newSigner(t),
		Root:        link.Root{Keys: []ed25519.PublicKey{c.key.Public()}, Threshold: 1},
		Certificate: tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}}
	return c
}

// certificate signs one for a name; the first is the authority's own.
func (c *central) certificate(name string, hosts []string) (*x509.Certificate, *ecdsa.PrivateKey) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	n := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: hosts,
		NotBefore: c.now().Add(-time.Hour), NotAfter: c.now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature}
	parent := c.authority
	if parent == nil {
		parent, key, n.IsCA, n.BasicConstraintsValid, n.KeyUsage = n, c.caKey, true, true, x509.KeyUsageCertSign
	}
	if hosts != nil {
		n.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, n, parent, key.Public(), c.caKey)
	if err != nil {
		c.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	return cert, key
}

func (c *central) seal(t link.Type, v any) []byte {
	c.t.Helper()
	b, err := link.Seal(c.key, t, site, v)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// retained is what central keeps at the broker.
func (c *central) retained() map[string][]byte {
	c.t.Helper()
	own := []ed25519.PublicKey{c.key.Public()}
	m := link.KeysMessage{Version: link.Version, Keyset: c.seal(link.TypeKeyset, link.Keyset{Version: 1, Keys: []link.PassKey{{ID: 1, Public: own[0]}}}),
		Delegation: [][]byte{c.seal(link.TypeDelegation, link.Delegation{Version: 1, Roots: own, Threshold: 1, Keyset: own, Status: own, Expires: 1 << 40})}}
	keys, err := m.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	return map[string][]byte{topics.Keys(): keys, topics.Rules(): c.seal(link.TypeRules, link.Rules{Version: 1}),
		topics.Day(2151): c.seal(link.TypeSnapshot, link.SnapshotOf(c.state, c.state.Days[0])), topics.Head(): c.head()}
}

func (c *central) head() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.issued = max(c.issued+1, c.now().UnixMilli())
	return c.seal(link.TypeHead, link.Head{Epoch: 1, Seq: c.state.Seq, Chain: c.state.Chain, Root: c.state.Root(), SnapSeq: c.state.Seq,
		Snapshots: []link.DayHash{{Day: 2151, Hash: c.state.Days[0].Hash()}}, Keyset: 1, Rules: 1, Issued: c.issued, Next: 5000, Expires: c.issued + 60000, Reconnect: 2000})
}

// revoke adds an event and returns its delta.
func (c *central) revoke(index uint32, urgent bool) []byte {
	c.t.Helper()
	e := []link.Event{{Type: link.Revoke, Day: 2151, Value: index}}
	next, err := c.state.Apply(e)
	if err != nil {
		c.t.Fatal(err)
	}
	d := link.Delta{Epoch: 1, From: c.state.Seq, To: next.Seq, Before: c.state.Chain, After: next.Chain, Data: link.EncodeEvents(e), Urgent: urgent}
	c.mu.Lock()
	c.state = next
	c.mu.Unlock()
	return c.seal(link.TypeDelta, d)
}

// take checks a lane's message and returns an acknowledgement for a batch.
func (c *central) take(topic string, payload []byte) (ack []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := link.KeysOf(c.lane.Journal.Public())
	switch topic {
	case topics.State(laneID):
		if n, err := link.Open[link.LaneState](payload, link.TypeState, site, keys, link.MaxState); err != nil {
			c.t.Errorf("state: %v", err)
		} else {
			c.states = append(c.states, *n)
		}
	case topics.Ask(laneID):
		if a, err := link.Open[link.Ask](payload, link.TypeAsk, site, keys, link.MaxState); err != nil {
			c.t.Errorf("ask: %v", err)
		} else if a.Want == link.WantTime {
			c.times = append(c.times, *a)
		} else {
			c.asks = append(c.asks, *a)
		}
	case topics.Log(laneID):
		return c.store(payload, keys)
	}
	return nil
}

func (c *central) store(payload []byte, keys link.Keys) []byte {
	b, err := link.Open[link.Batch](payload, link.TypeBatch, site, keys, link.MaxDocument)
	if err != nil {
		c.t.Errorf("batch: %v", err)
		return nil
	}
	entries, _, err := b.Entries()
	if err != nil {
		c.t.Errorf("batch: %v", err)
		return nil
	}
	for _, e := range entries {
		if _, known := c.ledger[e.Seq]; known {
			c.twice++
		}
		c.ledger[e.Seq] = e
	}
	if b.First <= c.acked+1 && b.First+uint64(b.Count)-1 > c.acked {
		c.acked, c.chain = b.First+uint64(b.Count)-1, b.After
	}
	return c.seal(link.TypeAck, link.Ack{Lane: laneID, Journal: b.Journal, Seq: c.acked, Chain: c.chain, Issued: c.now().UnixMilli()})
}

func (c *central) stored() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ledger)
}

func (c *central) lastState() (n link.LaneState, count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.states) == 0 {
		return n, 0
	}
	return c.states[len(c.states)-1], len(c.states)
}

// agent is a lane controller without lanes.
type agent struct {
	*Uplink
	cache   *cache.Cache
	journal *journal.Journal
	health  *health.Set
	refused []*feed.Refused
	changes int
}

func (c *central) agent(t testing.TB, dial func(LinkOptions) Link) *agent {
	t.Helper()
	dir := t.TempDir()
	ca, _, err := cache.Open(filepath.Join(dir, "cache.bolt"), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	j, _, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close(); ca.Close() })
	a := &agent{cache: ca, journal: j, health: health.New(c.now)}
	f := feed.New(ca, feed.Identity{Site: site, Lane: laneID, Root: c.lane.Root, Seal: c.lane.Seal}, feed.Options{})
	began := c.now()
	clock := wallclock.New(wallclock.Options{TrustSystem: true, Ticks: func() wallclock.Ticks { return wallclock.Ticks{Elapsed: c.now().Sub(began)} }})
	a.Uplink = New(Config{Identity: c.lane, Journal: j, Feed: f, Clock: clock, Health: a.health,
		Log: slog.New(slog.DiscardHandler), Now: c.now, Dial: dial,
		State:   func() link.LaneState { return link.LaneState{Boot: j.Boot(), Program: "test"} },
		Taken:   func(feed.Result) { a.changes++ },
		Refused: func(r *feed.Refused) { a.refused = append(a.refused, r) }})
	return a
}

func (a *agent) append(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		if _, err := a.journal.Append(link.Entry{Type: link.EntryGranted, Lane: 1, Kind: pass.ECard, Pass: pass.ID{Day: 2151, Index: uint32(i)}}); err != nil {
			t.Fatal(err)
		}
	}
}
