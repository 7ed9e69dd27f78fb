package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"turnstile/agent/uplink"
	"turnstile/central/broker"
	"turnstile/central/issuer"
	"turnstile/central/link"
)

// What goes over the bare broker, in bytes, as the product's messages are: a head,
// a delta of one event, a lane's report, an acknowledgement. A batch has so many
// bytes for each entry, deflated.
const (
	headSize   = 500
	deltaSize  = 400
	reportSize = 450
	ackSize    = 220
	entrySize  = 40
)

// bare is a broker alone, with clients that check, decide and keep nothing: what
// the broker, TLS and paho cost by themselves on this machine.
type bare struct {
	topics  link.Topics
	broker  *process
	center  *broker.Session
	clients []*client
	named   map[string]*client
	counted tally // reports at the center
	began   time.Time
	end     context.CancelFunc
	wait    sync.WaitGroup
}

// client is one bare client.
type client struct {
	id      string
	options uplink.LinkOptions
	turns   queue

	mu                 sync.Mutex  // guards the following
	link               uplink.Link // nil: none
	heard, told, acked time.Time   // first retained message, first other one, answer; zero: not yet
}

// note keeps the time of what happens for the first time, and reports whether it did.
func (c *client) note(to *time.Time) (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first = to.IsZero(); first {
		*to = time.Now()
	}
	return first
}

func (c *client) times() (heard, told, acked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard, c.told, c.acked
}

func (c *client) mark() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard, c.told, c.acked = time.Time{}, time.Time{}, time.Time{}
}

// bare measures the limits of each part beside which the product stands.
func (r *run) bare(ctx context.Context) (err error) {
	folder := filepath.Join(r.Folder, "bare")
	i, err := openBare(folder)
	if err != nil {
		return err
	}
	b := &bare{topics: link.Topics{Site: bareSite}}
	if b.broker, err = r.startBare(ctx, folder, i, ""); err != nil {
		return err
	}
	defer func() { b.close() }()
	var before, after Sample
	before.Broker, err = usageOf(b.broker.pid())
	if err != nil {
		return err
	}
	if err := b.make(i, r.Options.Lanes, r.bar); err != nil {
		return err
	}
	debug.FreeOSMemory()
	before.Lanes, _ = usageOf(os.Getpid())
	b.run(ctx, r.Heads)
	if err := r.bareStep(ctx, b, Step{Name: "connect"}, "heard"); err != nil {
		return err
	}
	wait(ctx, settled(r.Options.Lanes))
	runtime.GC()
	debug.FreeOSMemory()
	after.Broker, err = usageOf(b.broker.pid())
	after.Lanes, _ = usageOf(os.Getpid())
	r.report.BareMemory = memoryOf(before, after, r.Options.Lanes)
	if err != nil {
		return err
	}
	return r.bareParts(ctx, b, folder, i)
}

func (r *run) bareParts(ctx context.Context, b *bare, folder string, i *issuer.Issuer) error {
	if slices.Contains(r.Only, "storm") {
		b.began = time.Now()
		b.broker.kill()
		if err := r.until(ctx, "bare clients that noticed", len(b.clients), b.offline); err != nil {
			return err
		}
		b.mark()
		next, err := r.startBare(ctx, folder, i, b.broker.addr)
		if err != nil {
			return err
		}
		b.broker = next
		if err := r.bareStep(ctx, b, Step{Name: "restart"}, "back"); err != nil {
			return err
		}
	}
	if slices.Contains(r.Only, "revoke") {
		if err := r.bareFanOut(ctx, b); err != nil {
			return err
		}
	}
	if slices.Contains(r.Only, "ingest") {
		return r.bareBacklog(ctx, b)
	}
	return nil
}

// bareStep waits until all clients have heard the retained message since b.began.
func (r *run) bareStep(ctx context.Context, b *bare, s Step, key string) error {
	if err := r.until(ctx, "bare clients: "+s.Name, len(b.clients), b.heard); err != nil {
		return err
	}
	var list []time.Duration
	for _, c := range b.clients {
		at, _, _ := c.times()
		list = append(list, at.Sub(b.began))
	}
	s.Seconds = time.Since(b.began).Seconds()
	s.Curves = []Curve{{key, "bare: until a client has its first retained message", latencyOf(list)}}
	r.report.Bare = append(r.report.Bare, s)
	return nil
}

// bareFanOut publishes to all, who answer at once.
func (r *run) bareFanOut(ctx context.Context, b *bare) error {
	var got, known, last []time.Duration
	began := time.Now()
	for round := range r.Rounds {
		b.mark()
		b.counted.take()
		at := time.Now()
		b.setBegan(at)
		if err := b.tell(ctx); err != nil {
			return err
		}
		what := fmt.Sprintf("bare fan-out %d of %d", round+1, r.Rounds)
		if err := r.until(ctx, what, len(b.clients), b.asking(ctx, at)); err != nil {
			return err
		}
		for _, c := range b.clients {
			_, told, _ := c.times()
			got = append(got, told.Sub(at))
		}
		list, _ := b.counted.take()
		known, last = append(known, list...), append(last, slices.Max(list))
	}
	r.report.Bare = append(r.report.Bare, Step{Name: "revoke", Seconds: time.Since(began).Seconds(), Last: latencyOf(last), Curves: []Curve{
		{"refused", "bare: until a client has the message", latencyOf(got)}, {"known", "bare: until its answer is back", latencyOf(known)}}})
	return nil
}

// sayAgain is after what time all are told once more.
const sayAgain = 10 * time.Second

func (b *bare) tell(ctx context.Context) error {
	return b.center.Publish(ctx, b.topics.Delta(), make([]byte, deltaSize), 0, false)
}

// asking counts who has answered, and tells all again after a while: at QoS 0 a broker
// drops what a client's queue does not take, and the product's lanes say it again too.
func (b *bare) asking(ctx context.Context, told time.Time) func() (int, error) {
	return func() (int, error) {
		if time.Since(told) > sayAgain {
			told = time.Now()
			if err := b.tell(ctx); err != nil {
				return 0, err
			}
		}
		return b.acknowledged()
	}
}

// bareBacklog has each client send a batch that the center answers.
func (r *run) bareBacklog(ctx context.Context, b *bare) error {
	b.mark()
	at := time.Now()
	for _, c := range b.clients {
		b.wait.Go(func() {
			c.publish(b.topics.Log(c.id), 300+entrySize*r.Entries) // a lost one is missed below
		})
	}
	if err := r.until(ctx, "bare batches", len(b.clients), b.acknowledged); err != nil {
		return err
	}
	var list []time.Duration
	for _, c := range b.clients {
		_, _, acked := c.times()
		list = append(list, acked.Sub(at))
	}
	took := time.Since(at)
	r.report.Bare = append(r.report.Bare, Step{Name: "backlog", Seconds: took.Seconds(), Rate: float64(r.Entries*len(b.clients)) / slices.Max(list).Seconds(),
		Curves: []Curve{{"acked", "bare: until the answer to a batch of as many bytes", latencyOf(list)}}})
	return nil
}

// make makes the center and the clients with their certificates.
func (b *bare) make(i *issuer.Issuer, n int, progress *bar) error {
	authority := x509.NewCertPool()
	authority.AddCert(i.Authority())
	own, err := i.CentralCertificate(time.Now())
	if err != nil {
		return err
	}
	b.center = broker.NewSession(broker.SessionConfig{
		URL: "ssl://" + b.broker.addr, ClientID: "center", Log: slog.New(slog.DiscardHandler), Connected: b.head,
		TLS: &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: authority},
		Subscriptions: []broker.Subscription{
			{Filter: b.topics.AllStates(), Queue: n + 64, Handle: b.reported},
			{Filter: b.topics.AllLogs(), Queue: n + 64, Handle: b.acknowledge},
		}})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	progress.begin("bare certificates", n)
	b.named = map[string]*client{}
	turns := make(queue, atOnce)
	for k := range n {
		c := &client{id: fmt.Sprintf("bare-%d", k), turns: turns}
		cert, err := i.SignLane(csr, c.id, time.Now())
		if err != nil {
			return err
		}
		c.options = uplink.LinkOptions{Broker: "ssl://" + b.broker.addr, ClientID: c.id, WillTopic: b.topics.State(c.id), Will: make([]byte, reportSize),
			TLS:     &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, RootCAs: authority},
			Receive: func(topic string, _ []byte) { b.received(c, topic) }}
		b.clients, b.named[c.id] = append(b.clients, c), c
		progress.set(k + 1)
	}
	return nil
}

// head publishes what is retained. Who subscribes at that moment may miss it, and
// gets the next.
func (b *bare) head(ctx context.Context) {
	b.center.Publish(ctx, b.topics.Head(), make([]byte, headSize), 0, true) // it connects again if that fails
}

// heads publishes it again and again, as central does.
func (b *bare) heads(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.head(ctx)
		}
	}
}

// received notes a message; what is not retained is answered.
func (b *bare) received(c *client, topic string) {
	switch topic {
	case b.topics.Ack(c.id):
		c.note(&c.acked)
	case b.topics.Delta():
		c.note(&c.told)
		if _, _, acked := c.times(); acked.IsZero() {
			c.publish(b.topics.State(c.id), reportSize)
		}
	default:
		c.note(&c.heard)
	}
}

// reported notes a client's first answer of a round.
func (b *bare) reported(_ context.Context, m broker.Message) {
	if c := b.named[b.topics.Lane(m.Topic)]; c != nil && c.note(&c.acked) {
		b.counted.add(b.roundBegan(), time.Now())
	}
}

func (b *bare) acknowledge(ctx context.Context, m broker.Message) {
	b.center.Publish(ctx, b.topics.Ack(b.topics.Lane(m.Topic)), make([]byte, ackSize), 0, false) // likewise by the client
}

// run connects all at the same moment.
func (b *bare) run(ctx context.Context, heads time.Duration) {
	ctx, b.end = context.WithCancel(ctx)
	b.wait.Go(func() { b.center.Run(ctx) }) // all end with ctx
	b.wait.Go(func() { b.heads(ctx, heads) })
	b.setBegan(time.Now())
	for _, c := range b.clients {
		b.wait.Go(func() { c.run(ctx, b.topics, max(leastWindow, time.Duration(len(b.clients))*time.Millisecond)) })
	}
}

func (b *bare) setBegan(at time.Time) {
	b.counted.mu.Lock()
	defer b.counted.mu.Unlock()
	b.began = at
}

func (b *bare) roundBegan() time.Time {
	b.counted.mu.Lock()
	defer b.counted.mu.Unlock()
	return b.began
}

func (b *bare) mark() {
	for _, c := range b.clients {
		c.mark()
	}
}

// count counts the clients for which is holds.
func (b *bare) count(is func(*client) bool) (n int, err error) {
	for _, c := range b.clients {
		if is(c) {
			n++
		}
	}
	return n, nil
}

func (b *bare) offline() (int, error) {
	return b.count(func(c *client) bool { return !c.online() })
}

func (b *bare) heard() (int, error) {
	return b.count(func(c *client) bool { heard, _, _ := c.times(); return !heard.IsZero() })
}

func (b *bare) acknowledged() (int, error) {
	return b.count(func(c *client) bool { _, _, acked := c.times(); return !acked.IsZero() })
}

func (b *bare) close() {
	if b.end != nil {
		b.end()
	}
	b.wait.Wait()
	b.broker.kill()
}
