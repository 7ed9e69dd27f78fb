package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"turnstile/central/account"
	"turnstile/central/broker"
	"turnstile/central/console"
	"turnstile/central/database"
	"turnstile/central/exchange"
	"turnstile/central/fleet"
	"turnstile/central/identity"
	"turnstile/central/issuer"
	"turnstile/central/lease"
	"turnstile/central/ledger"
	"turnstile/central/link"
	"turnstile/central/netid"
	"turnstile/central/netid/provider"
	"turnstile/central/office"
	"turnstile/central/photo"
	"turnstile/central/portal"
	"turnstile/central/register"
	"turnstile/central/retention"
	"turnstile/central/status"
	"turnstile/central/supervisor"
)

// central is a central with all its parts.
type central struct {
	config    Config
	location  *time.Location
	endpoints Endpoints

	db     *database.DB
	issuer issuer.Service
	alarms *ledger.Alarms

	closeKeys func()           // nil: not open
	refusals  chan string      // by central sign, to be written down
	embedded  *broker.Embedded // nil with an external broker
	session   *broker.Session
	leases    *lease.Keeper
	fleet     *fleet.Fleet
	exchange  *exchange.Exchange
	feed      *status.Feed
	ledger    *ledger.Ledger
	eraser    *retention.Eraser
	codes     *supervisor.Codes
	webhooks  *webhooks
	board     *board
	identity  *identity.Identity
	photos    *photo.Maker
	campus    *register.Register
	chores    *chores
	console   *console.Console
	portal    *portal.Portal // nil: there is none
	holders   holderside
	netids    *netid.Directory   // nil: no portal, or the campus has its own
	provider  *provider.Provider // with netids
	accounts  *account.Accounts  // of holders; nil without a portal

	withdrawing sync.Mutex // one withdrawal at a time
	waiting     waiting    // commands that lanes have not answered

	stopping    chan struct{} // closed when central was told to stop
	pages       *pageMetrics  // of the console
	holderPages *pageMetrics  // of the portal
	published   chan struct{} // closed when the feed was published for the first time
	first       sync.Once

	api, enrol, portalServer                   *http.Server // portalServer nil: no portal
	apiListener, enrolListener, portalListener net.Listener
}

// open opens and builds everything; close undoes a half of it as well.
func (s *central) open(ctx context.Context, phrase []byte) (err error) {
	if s.location, err = time.LoadLocation(s.config.Timezone); err != nil {
		return fmt.Errorf("%w: timezone: %w", ErrConfig, err)
	}
	if s.apiListener, err = listen(s.config.HTTP.Listen, "http.listen"); err != nil {
		return err
	}
	if s.enrolListener, err = listen(s.config.Enrol.Listen, "enrol.listen"); err != nil {
		return err
	}
	if err := s.listenPortal(); err != nil {
		return err
	}
	if s.db, err = s.config.OpenDatabase(ctx); err != nil {
		return err
	}
	s.alarms, s.board = &ledger.Alarms{DB: s.db, Now: s.config.Now}, newBoard(s)
	if s.issuer, s.closeKeys, err = s.config.openService(ctx, s.db, phrase, s.signRefused); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.openLeases, s.openFleet, s.openBroker, s.openExchange, s.openFeed, s.openSupervisor, s.openRetention, s.openRegister, s.openChores, s.openWebhooks, s.openNetID, s.openLetters, s.openServers} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// OpenDatabase opens central's database; the data folder is made if it is new.
func (c *Config) OpenDatabase(ctx context.Context) (*database.DB, error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	return database.Open(ctx, c.DatabaseName())
}

// DatabaseName is what database.Open takes. It may hold a password.
func (c *Config) DatabaseName() string {
	if c.Database != "" {
		return c.Database
	}
	return filepath.Join(c.Data, "central.db")
}

// close releases what stages do not own.
func (s *central) close() {
	for _, l := range []net.Listener{s.apiListener, s.enrolListener, s.portalListener} {
		if l != nil {
			l.Close() // closed already after a clean stop
		}
	}
	if s.leases != nil {
		s.leases.Leave(context.Background()) // again after a clean stop: no-op
	}
	if s.closeKeys != nil {
		s.closeKeys()
	}
	if s.db != nil {
		s.db.Close()
	}
}

func (s *central) openFleet(ctx context.Context) (err error) {
	s.fleet, err = fleet.Open(ctx, fleet.Config{
		Site: s.config.Site, DB: s.db, Issuer: s.issuer, Broker: func() string { return s.endpoints.Broker },
		TrustRetained: s.config.Broker.External != nil,
		Mine:          s.leases.Mine,
		Enrolled:      s.laneEnrolled, Removed: s.laneRemoved, Alarm: s.alarm, Now: s.config.Now, Log: s.config.Log,
	})
	return err
}

// alarm writes an alarm about what a lane controller sent.
func (s *central) alarm(ctx context.Context, code, lane, subject, detail string) {
	const next = "Somebody with the lane's certificate sends what its own key did not sign. Remove the lane and enrol it again."
	if err := s.alarms.Raise(ctx, code, lane, subject, detail, next); err != nil {
		s.config.Log.Error("store alarm", "error", err)
	}
}

// laneEnrolled ends sessions with an earlier certificate and sends the keys.
func (s *central) laneEnrolled(ctx context.Context, lane string) {
	if s.embedded != nil {
		s.embedded.Disconnect(lane)
	}
	if err := s.feed.Enrolled(ctx, lane); err != nil {
		s.config.Log.Warn("send gate keys", "lane", lane, "error", err) // it asks, or gets them at midnight
	}
}

func (s *central) laneRemoved(ctx context.Context, lane string) {
	if s.embedded != nil {
		s.embedded.Disconnect(lane)
	}
	if err := s.feed.Removed(ctx, lane); err != nil {
		s.config.Log.Warn("clear retained messages", "lane", lane, "error", err)
	}
}

func (s *central) openBroker(context.Context) (err error) {
	if s.config.Broker.External != nil {
		return s.openSession(*s.config.Broker.External, "")
	}
	server := &renewing{make: func(now time.Time) (tls.Certificate, error) {
		return issuer.ServerCertificate(s.issuer, s.config.Broker.Hosts, now)
	}, now: s.config.Now}
	s.embedded, err = broker.Start(broker.Config{
		Site: s.config.Site, Listen: s.config.Broker.Listen, Store: filepath.Join(s.config.Data, "broker"),
		TLS:     &tls.Config{GetCertificate: server.forServer, ClientCAs: s.authority(), Time: s.config.Now},
		Central: issuer.CentralNamed(s.config.Name), Allow: s.fleet.Allow, Log: s.config.Log,
	})
	if err != nil {
		return err
	}
	// Central reaches its own broker by address, and knows it by the name that lanes
	// use: the address need not stand in the certificate.
	host, _, err := net.SplitHostPort(s.config.Broker.Listen)
	if err != nil {
		return fmt.Errorf("%w: broker.listen: %w", ErrConfig, err)
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	port := fmt.Sprint(s.embedded.Port())
	return s.openSession(External{
		URL:       "ssl://" + net.JoinHostPort(host, port),
		Advertise: "ssl://" + net.JoinHostPort(s.config.Broker.Hosts[0], port),
	}, s.config.Broker.Hosts[0])
}

// authority is the pool with central's own authority.
func (s *central) authority() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.issuer.Authority())
	return pool
}

// Waiting messages a subscription may have: journals wait at the ledger, and a
// lane sends again what was dropped. Ten thousand lanes say at once that they refuse
// a pass, half a kilobyte each; what was dropped would be said again after a minute.
const (
	logQueue   = 2048
	stateQueue = 32_768
	askQueue   = 1024
	useQueue   = 1024
)

// openSession connects to a broker that has a certificate of this name; "": of
// its URL's.
func (s *central) openSession(e External, name string) error {
	if s.endpoints.Broker = e.Advertise; e.Advertise == "" {
		s.endpoints.Broker = e.URL
	}
	t, err := s.sessionTLS(e)
	if err != nil {
		return err
	}
	if t.ServerName = name; name != "" {
		t.NextProtos = []string{broker.OwnProtocol}
	}
	topics := link.Topics{Site: s.config.Site}
	by := func(handle func(ctx context.Context, lane string, m broker.Message) error) func(context.Context, broker.Message) {
		return func(ctx context.Context, m broker.Message) {
			lane := topics.Lane(m.Topic)
			if len(m.Payload) == 0 || lane == "" {
				return // a cleared retained message
			}
			err := s.fleet.Know(ctx, lane)
			if err := errors.Join(err, handle(ctx, lane, m)); err != nil && ctx.Err() == nil {
				s.config.Log.Warn("message refused", "topic", m.Topic, "error", err)
			}
		}
	}
	s.session = broker.NewSession(broker.SessionConfig{
		URL: e.URL, TLS: t, ClientID: clientID(s.config.Name), Log: s.config.Log,
		Subscriptions: []broker.Subscription{
			{Filter: topics.AllLogs(), Parts: s.journals, Queue: logQueue, Handle: by(func(ctx context.Context, lane string, m broker.Message) error {
				return s.ledger.Take(ctx, lane, m.Payload)
			})},
			{Filter: topics.AllStates(), Queue: stateQueue, Handle: by(func(ctx context.Context, lane string, m broker.Message) error {
				return s.reported(ctx, lane, m)
			})},
			{Filter: topics.AllAsks(), Queue: askQueue, Handle: by(func(ctx context.Context, lane string, m broker.Message) error {
				return s.feed.Ask(ctx, lane, m.Payload)
			})},
			{Filter: topics.AllUses(), Queue: useQueue, Handle: by(func(ctx context.Context, lane string, m broker.Message) error {
				return s.exchange.Take(ctx, lane, m.Payload)
			})},
		},
		Connected: func(ctx context.Context) {
			if err := s.feed.Online(ctx); err != nil && ctx.Err() == nil {
				s.config.Log.Warn("publish the feed", "error", err)
			}
			s.first.Do(func() { close(s.published) })
		},
	})
	return nil
}

func (s *central) openFeed(ctx context.Context) error {
	seed, err := s.config.seed()
	if err != nil {
		return fmt.Errorf("%w: zones: %w", ErrConfig, err)
	}
	s.feed, err = status.Open(ctx, status.Config{
		Site: s.config.Site, Capacity: s.config.Capacity, Location: s.location, Heads: s.config.Heads, Seed: seed,
		DB: s.db, Issuer: s.issuer, Publisher: s.session, Lanes: s.sealTo, Keys: s.fleet.Keys, Exchange: s.exchange, Signer: s.leases.Job(lease.Signer), Mine: s.leases.Mine, Alarm: s.alarm,
		Now: s.config.Now, Log: s.config.Log,
	})
	if err != nil {
		return err
	}
	s.ledger = ledger.New(ledger.Config{
		Site: s.config.Site, DB: s.db, Signer: s.issuer.Status(), Publisher: s.session, Keys: s.fleet.Keys, Alarms: s.alarms,
		Location: s.location, Now: s.config.Now, Log: s.config.Log,
	})
	return nil
}

// reported takes a lane's report. One that is ahead of the ledger, which was
// restored from a backup then, is told where the ledger stands.
func (s *central) reported(ctx context.Context, lane string, m broker.Message) error {
	if err := s.fleet.Report(ctx, lane, m.Payload, m.Retained); err != nil {
		return err
	}
	l := s.fleet.Lane(lane)
	if l.State == nil || !l.State.Alive {
		return nil
	}
	if !s.leases.Mine(lane) {
		return nil
	}
	if err := s.compareFeed(ctx, lane, l.State); err != nil {
		return err
	}
	return s.ledger.Remind(ctx, lane, l.State.Journal, l.State.Acked)
}

// openExchange makes what passes on uses between lanes.
func (s *central) openExchange(ctx context.Context) (err error) {
	s.exchange, err = exchange.Open(ctx, exchange.Config{
		Site: s.config.Site, DB: s.db, Keyset: s.issuer.Keyset(), Status: s.issuer.Status(), Publisher: s.session, Signer: s.leases.Job(lease.Signer), Mine: s.leases.Mine,
		Lanes: s.tellers, Keys: s.fleet.Keys, Alarm: s.alarm, Location: s.location, Now: s.config.Now, Log: s.config.Log,
	})
	return err
}

// tellers lists the enrolled lane controllers with the zones that they report.
func (s *central) tellers() []exchange.Lane {
	var list []exchange.Lane
	for _, l := range s.fleet.Lanes() {
		if l.Enrolled.IsZero() {
			continue
		}
		t := exchange.Lane{ID: l.ID}
		for _, key := range s.fleet.Keys(l.ID) { // it has one
			t.Key = key
		}
		if l.State != nil {
			for _, lane := range l.State.Lanes {
				t.Zones |= 1 << (lane.Zone & 15)
			}
		}
		list = append(list, t)
	}
	return list
}

// sealTo lists the enrolled lane controllers for the feed.
func (s *central) sealTo() []status.Lane {
	var list []status.Lane
	for _, l := range s.fleet.Lanes() {
		if !l.Enrolled.IsZero() {
			list = append(list, status.Lane{ID: l.ID, SealKey: l.SealKey, Enrolled: l.Enrolled})
		}
	}
	return list
}

func (s *central) openServers(context.Context) (err error) {
	metrics := prometheus.NewRegistry()
	s.register(metrics)
	handler := office.New(s.services(), office.Options{Version: s.config.Version, Zone: s.location, Log: s.config.Log, Metrics: metrics, Now: s.config.Now, Ready: s.ready})
	if err := errors.Join(s.openIdentity(), s.openConsole(), s.openPortal()); err != nil {
		return err
	}
	proxies, err := parseProxies(s.config.HTTP.Proxies)
	if err != nil {
		return fmt.Errorf("%w: http.proxies: %w", ErrConfig, err)
	}
	if s.api, err = newAPI(s.logged(behindProxies(proxies, s.surface(handler))), s.config.HTTP, s.config.Data); err != nil {
		return err
	}
	server := &renewing{make: func(now time.Time) (tls.Certificate, error) {
		return issuer.ServerCertificate(s.issuer, s.config.Enrol.Hosts, now)
	}, now: s.config.Now}
	s.enrol = office.Server(s.fleet.Handler())
	s.enrol.TLSConfig = &tls.Config{GetCertificate: server.forServer, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert} // a lane that renews; fleet verifies
	s.endpoints.HTTP = s.baseURL()
	s.endpoints.Enrol = "https://" + reach(s.enrolListener.Addr(), s.config.Enrol.Hosts)
	return nil
}

// sessionTLS makes the client side of the session from files, or from central's
// own authority.
func (s *central) sessionTLS(e External) (*tls.Config, error) {
	t := &tls.Config{RootCAs: s.authority(), MinVersion: tls.VersionTLS12, Time: s.config.Now}
	if e.CA != "" {
		text, err := os.ReadFile(e.CA)
		if err != nil {
			return nil, fmt.Errorf("%w: broker.external.ca: %w", ErrConfig, err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%w: broker.external.ca: %s holds no certificate", ErrConfig, e.CA)
		}
	}
	if e.Certificate != "" {
		c, err := tls.LoadX509KeyPair(e.Certificate, e.Key)
		if err != nil {
			return nil, fmt.Errorf("%w: broker.external.certificate: %w", ErrConfig, err)
		}
		t.Certificates = []tls.Certificate{c}
		return t, nil
	}
	own := &renewing{make: func(now time.Time) (tls.Certificate, error) {
		return issuer.NamedCertificate(s.issuer, s.config.Name, now)
	}, now: s.config.Now}
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own.get() }
	return t, nil
}
