package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// What publishing and subscribing can end in.
var (
	ErrOffline = errors.New("no connection to the broker")
	ErrRefused = errors.New("the broker refuses a subscription")
)

// Message is one message from the broker.
type Message struct {
	Topic    string
	Payload  []byte
	Retained bool
}

// Subscription is a filter with its handler. Handle runs in a goroutine of its
// own, one message after another; up to Queue messages wait, more are dropped,
// which the senders heal by sending again.
type Subscription struct {
	Filter string
	// Parts returns what to subscribe to in place of Filter, which covers all of it;
	// nil: Filter. It is called at each connect and Resubscribe.
	Parts  func() []string
	QoS    byte
	Queue  int
	Handle func(context.Context, Message)
}

func (s *Subscription) filters() []string {
	if s.Parts == nil {
		return []string{s.Filter}
	}
	return s.Parts()
}

// SessionConfig says where the broker is and who we are.
type SessionConfig struct {
	URL           string      // ssl://host:port; of a cluster's nodes all, with commas between
	TLS           *tls.Config // authority and client certificate
	ClientID      string
	Subscriptions []Subscription
	// Connected runs after each connect, once all subscriptions stand; ctx ends
	// with the connection.
	Connected func(ctx context.Context)
	Log       *slog.Logger
}

// Session keeps one connection to an MQTT 3.1.1 broker, over and over. Each
// connection is a new paho client without its reconnecting: that one forgets
// subscriptions, comes back in lockstep and swallows what is published meanwhile.
type Session struct {
	config SessionConfig
	queues []chan Message
	nodes  []string
	node   int           // of nodes, the next to try; owned by Run
	again  chan struct{} // holds one value while Parts may tell something new

	current atomic.Pointer[connection]
	dropped atomic.Uint64
	lost    atomic.Uint64
}

type connection struct {
	client mqtt.Client
	down   chan struct{} // closed when the connection is lost
	once   sync.Once
}

func (c *connection) end() { c.once.Do(func() { close(c.down) }) }

// Time limits of a session. A half-open link is found in keepAlive+pingTimeout,
// a blocked write in writeTimeout.
const (
	keepAlive      = 10 * time.Second
	pingTimeout    = 5 * time.Second
	writeTimeout   = 5 * time.Second
	connectTimeout = 10 * time.Second
	tokenTimeout   = 5 * time.Second
	firstPause     = 250 * time.Millisecond
	longestPause   = 5 * time.Second // central is one client: no storm comes of it
)

// NewSession returns a session that Run connects.
func NewSession(c SessionConfig) *Session {
	s := &Session{config: c, nodes: strings.Split(c.URL, ","), again: make(chan struct{}, 1)}
	s.node = rand.N(len(s.nodes)) // several centrals do not all sit on one node
	for _, sub := range c.Subscriptions {
		s.queues = append(s.queues, make(chan Message, sub.Queue))
	}
	return s
}

// Run connects, and again after each loss, until ctx ends; then it disconnects
// and waits for the handlers.
func (s *Session) Run(ctx context.Context) error {
	var handlers sync.WaitGroup
	defer handlers.Wait()
	for i, sub := range s.config.Subscriptions {
		handlers.Go(func() { s.handle(ctx, sub, s.queues[i]) })
	}
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		if err := s.once(ctx); err != nil && ctx.Err() == nil {
			s.config.Log.Warn("broker connection ended", "url", s.nodes[s.node], "error", err)
			s.node = (s.node + 1) % len(s.nodes)
		}
		if time.Since(began) > longestPause {
			pause = firstPause
		}
		wait(ctx, rand.N(pause)+time.Millisecond) // full jitter
		pause = min(2*pause, longestPause)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (s *Session) handle(ctx context.Context, sub Subscription, queue <-chan Message) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-queue:
			sub.Handle(ctx, m)
		}
	}
}

// once makes one connection and returns when it is over.
func (s *Session) once(ctx context.Context) error {
	c := &connection{down: make(chan struct{})}
	c.client = mqtt.NewClient(s.options(c))
	defer c.client.Disconnect(0)
	if err := done(ctx, c.client.Connect(), connectTimeout); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	standing := s.wanted()
	if err := subscribe(ctx, c.client, standing); err != nil {
		return err
	}
	alive, cancel := context.WithCancel(ctx)
	defer cancel()
	s.current.Store(c)
	defer s.current.Store(nil)
	s.config.Log.Info("broker connected", "url", s.nodes[s.node])
	s.config.Connected(alive)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.down:
			s.lost.Add(1)
			return ErrOffline
		case <-s.again:
			wanted := s.wanted()
			if err := change(ctx, c.client, standing, wanted); err != nil {
				return err
			}
			standing = wanted
		}
	}
}

// Resubscribe makes the subscriptions what Parts tells now; it does not wait.
func (s *Session) Resubscribe() {
	select {
	case s.again <- struct{}{}:
	default:
	}
}

// wanted returns all filters with their QoS.
func (s *Session) wanted() map[string]byte {
	filters := map[string]byte{}
	for i := range s.config.Subscriptions {
		sub := &s.config.Subscriptions[i]
		for _, f := range sub.filters() {
			filters[f] = sub.QoS
		}
	}
	return filters
}

// change subscribes to what is new, and only then ends what is not wanted any more.
func change(ctx context.Context, c mqtt.Client, standing, wanted map[string]byte) error {
	fresh := maps.Clone(wanted)
	maps.DeleteFunc(fresh, func(f string, _ byte) bool { _, there := standing[f]; return there })
	if err := subscribe(ctx, c, fresh); err != nil {
		return err
	}
	var over []string
	for f := range standing {
		if _, still := wanted[f]; !still {
			over = append(over, f)
		}
	}
	if len(over) == 0 {
		return nil
	}
	if err := done(ctx, c.Unsubscribe(over...), tokenTimeout); err != nil {
		return fmt.Errorf("end subscriptions: %w", err)
	}
	return nil
}

func (s *Session) options(c *connection) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().AddBroker(s.nodes[s.node]).SetTLSConfig(s.config.TLS).SetClientID(s.config.ClientID).
		SetProtocolVersion(4). // no fall-back to 3.1, which doubles the attempts
		SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).SetOrderMatters(true).
		SetKeepAlive(keepAlive).SetPingTimeout(pingTimeout).SetWriteTimeout(writeTimeout).SetConnectTimeout(connectTimeout).
		SetDefaultPublishHandler(s.receive). // stands before Connect: no message comes too early
		SetConnectionLostHandler(func(mqtt.Client, error) { c.end() })
}

// done waits for a token, which paho itself may leave open for ever.
func done(ctx context.Context, t mqtt.Token, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("%w: no answer within %s", ErrOffline, limit)
	}
}

// subscriptionFailed is the return code of a refused subscription; the token
// reports no error for it.
const subscriptionFailed = 0x80

func subscribe(ctx context.Context, c mqtt.Client, filters map[string]byte) error {
	if len(filters) == 0 {
		return nil
	}
	token := c.SubscribeMultiple(filters, nil)
	if err := done(ctx, token, tokenTimeout); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	result, ok := token.(*mqtt.SubscribeToken)
	if !ok {
		return nil
	}
	for filter, code := range result.Result() {
		if code == subscriptionFailed {
			return fmt.Errorf("%w: %s; check the broker's access list", ErrRefused, filter)
		}
	}
	return nil
}

// receive puts a message into its subscription's queue and never blocks: paho
// acknowledges and pings from the same goroutine.
func (s *Session) receive(_ mqtt.Client, m mqtt.Message) {
	for i, sub := range s.config.Subscriptions {
		if !matches(sub.Filter, m.Topic()) {
			continue
		}
		select {
		case s.queues[i] <- Message{m.Topic(), m.Payload(), m.Retained()}:
		default:
			s.dropped.Add(1)
		}
		return
	}
}

// matches reports whether an MQTT topic filter covers a topic.
func matches(filter, topic string) bool {
	for {
		f, restF, moreF := strings.Cut(filter, "/")
		t, restT, moreT := strings.Cut(topic, "/")
		switch {
		case f == "#":
			return true
		case f != "+" && f != t:
			return false
		case !moreF || !moreT:
			return moreF == moreT || moreF && restF == "#"
		}
		filter, topic = restF, restT
	}
}

// Publish hands a message to the broker; ErrOffline if there is none. With QoS 1
// it returns when the broker acknowledged, which is no promise that anybody
// got it.
func (s *Session) Publish(ctx context.Context, topic string, payload []byte, qos byte, retained bool) error {
	c := s.current.Load()
	if c == nil {
		return ErrOffline
	}
	token := c.client.Publish(topic, qos, retained, payload)
	if err := done(ctx, token, tokenTimeout); err != nil {
		if !errors.Is(err, context.Canceled) {
			c.end() // a connection that does not take a message is of no use
		}
		return fmt.Errorf("%w: %w", ErrOffline, err)
	}
	return nil
}

// Online reports whether the session is connected.
func (s *Session) Online() bool { return s.current.Load() != nil }

// Dropped counts messages that found their queue full, Lost the connections.
func (s *Session) Dropped() uint64 { return s.dropped.Load() }

// Lost counts the connections that broke.
func (s *Session) Lost() uint64 { return s.lost.Load() }
