// Package server is the whole of central in one call: Run opens database and
// keys, starts the broker, the feed, the ledger, enrolment and the API, and
// stops them in order.
//
// The order of stopping: /readyz says so for http.drain; the API and enrolment
// finish what they have begun, within stopLimit, and live pages end; the session to the broker ends; feed, ledger and fleet end
// after their running transaction; the embedded broker stops; the database is
// closed. A crash at any point loses nothing that was acknowledged.
package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"turnstile/central/office"
)

// What starting can fail for, beside ErrConfig and the errors of the packages
// that are started.
var (
	ErrInUse     = errors.New("another central uses this data folder: stop it first")
	ErrKeysInUse = errors.New("another process has this key folder open: stop it first, or set sign.socket")
	ErrListen    = errors.New("cannot listen")
)

// Endpoints are the addresses of a running central; they stand in
// DATA/endpoints.json while it runs.
type Endpoints struct {
	HTTP   string `json:"http"`             // base URL of the API
	Enrol  string `json:"enrol"`            // base URL for agent enroll
	Broker string `json:"broker"`           // URL that lanes are told
	Portal string `json:"portal,omitempty"` // base URL of the holders' pages, "" without them
}

// EndpointsFile is the name of that file in the data folder.
const EndpointsFile = "endpoints.json"

// stopLimit is how long requests that run may take when central stops.
const stopLimit = 2 * time.Second

// Run runs central until ctx ends; ready is called once everything works. It
// returns nil after a clean stop.
func Run(ctx context.Context, c Config, ready func(Endpoints)) error {
	if err := c.complete(); err != nil {
		return err
	}
	phrase, err := c.phrase()
	if err != nil {
		return err
	}
	unlock, err := lockFolder(c.Data)
	if err != nil {
		return err
	}
	defer unlock()
	if c.Sign.Socket == "" {
		unlock, err := lockKeys(c.keyFolder())
		if err != nil {
			return err
		}
		defer unlock()
	}
	s := &central{config: c, published: make(chan struct{}), stopping: make(chan struct{}), refusals: make(chan string, maxRefusals)}
	defer s.close()
	if err := s.open(ctx, phrase); err != nil {
		return err
	}
	return s.serve(ctx, ready)
}

// complete sets defaults that a Config made in code may lack, and checks.
func (c *Config) complete() error {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Passphrase.File == "" && c.Passphrase.Env == "" && c.Passphrase.Credential == "" {
		c.Passphrase.Env = "TURNSTILE_PASSPHRASE"
	}
	return c.Check()
}

// lockFolder makes the data folder and takes it for this process alone; the
// lock ends with the process, however that ends.
func lockFolder(data string) (unlock func(), err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	return lockFile(filepath.Join(data, "lock"))
}

func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %s", ErrInUse, filepath.Dir(path))
	}
	return func() { f.Close() }, nil
}

// listen opens a listener; the error names the setting to change.
func listen(address, setting string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w on %s: %w; stop the program that uses the port, or set %s", ErrListen, address, err, setting)
	}
	return l, nil
}

// reach returns host:port under which others reach a listener: its own address
// if that is one, else the first of the names in its certificate.
func reach(l net.Addr, hosts []string) string {
	_, port, err := net.SplitHostPort(l.String())
	if err != nil || len(hosts) == 0 {
		return l.String()
	}
	return net.JoinHostPort(hosts[0], port)
}

// serve starts all parts, tells that they are ready, and stops them in order.
func (s *central) serve(ctx context.Context, ready func(Endpoints)) error {
	var parts stages
	defer parts.stop() // again after a clean stop: no-op
	if s.embedded != nil {
		parts.add("broker", s.embedded.Run)
	}
	parts.add("leases", s.leases.Run)
	parts.next()
	parts.add("feed", s.feed.Run)
	parts.add("ledger", s.ledger.Run)
	parts.add("fleet", s.fleet.Run)
	parts.add("supervisor codes", s.codes.Run)
	parts.add("exchange between lanes", s.exchange.Run)
	parts.add("commands", s.sendCommands)
	parts.add("other centrals", s.follow)
	parts.next()
	parts.add("session", s.session.Run)
	parts.next()
	parts.add("webhooks", s.webhooks.dispatcher.Run)
	parts.add("api", func(ctx context.Context) error { return serveHTTP(ctx, s.api, s.apiListener) })
	parts.add("enrolment", func(ctx context.Context) error { return serveHTTP(ctx, s.enrol, s.enrolListener) })
	parts.add("console", s.console.Run)
	parts.add("portal", s.servePortal)
	parts.add("reminders", s.remind)
	parts.add("provider of NetIDs", s.rotate)
	parts.add("accounts", s.runAccounts)
	parts.add("chores", s.chores.run)
	parts.add("retention", s.erase)
	parts.add("identity", s.identity.Run)
	parts.add("audit heads", s.signHeads)
	parts.add("keys", s.keepKeys)
	parts.add("watchdog", s.watchdog)

	s.awaitBroker(ctx, parts.failed())
	if err := s.announce(ready); err != nil {
		return errors.Join(err, parts.stop())
	}
	defer os.Remove(filepath.Join(s.config.Data, EndpointsFile))
	select {
	case <-ctx.Done():
	case <-parts.failed():
	}
	notify(s.config.Log, daemon.SdNotifyStopping)
	s.drain(parts.failed())
	err := parts.stop()
	s.config.Log.Info("central stopped")
	return err
}

// brokerLimit is how long the start waits for the feed to be published. With an
// external broker that is away central starts all the same.
const brokerLimit = 2 * time.Second

func (s *central) awaitBroker(ctx context.Context, failed <-chan struct{}) {
	limit := time.NewTimer(brokerLimit)
	defer limit.Stop()
	select {
	case <-s.published:
	case <-ctx.Done():
	case <-failed:
	case <-limit.C:
		s.config.Log.Warn("no connection to the broker yet; central goes on and tries again", "broker", s.endpoints.Broker)
	}
}

// announce writes endpoints.json and tells systemd and the caller.
func (s *central) announce(ready func(Endpoints)) error {
	data, err := json.MarshalIndent(s.endpoints, "", "  ")
	if err != nil {
		return fmt.Errorf("encode endpoints: %w", err)
	}
	path := filepath.Join(s.config.Data, EndpointsFile)
	temp := path + ".new"
	if err := os.WriteFile(temp, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	s.config.Log.Debug("announced", "http", s.endpoints.HTTP, "enrol", s.endpoints.Enrol, "broker", s.endpoints.Broker)
	notify(s.config.Log, daemon.SdNotifyReady)
	ready(s.endpoints)
	return nil
}

// notify tells systemd, if it started us.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("notify systemd", "error", err)
	}
}

// watchdog feeds systemd's watchdog as long as central does its work.
func (s *central) watchdog(ctx context.Context) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		<-ctx.Done()
		return nil
	}
	t := time.NewTicker(interval / 3)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if err := s.db.Ping(ctx); err == nil {
				notify(s.config.Log, daemon.SdNotifyWatchdog)
			}
		}
	}
}

// baseURL returns the API's URL.
func (s *central) baseURL() string {
	scheme := "http://"
	if s.config.HTTP.safe() {
		scheme = "https://"
	}
	address := s.apiListener.Addr().String()
	if strings.HasPrefix(address, "[::]:") || strings.HasPrefix(address, "0.0.0.0:") {
		address = reach(s.apiListener.Addr(), []string{"localhost"})
	}
	return scheme + address
}

// newAPI makes the API's server.
func newAPI(h http.Handler, c HTTP, data string) (_ *http.Server, err error) {
	api := office.Server(h)
	if c.ACME != nil {
		api.TLSConfig, err = c.ACME.tls(data)
		return api, err
	}
	if c.Certificate == "" {
		return api, nil
	}
	t, err := fileTLS(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: http.certificate: %w", ErrConfig, err)
	}
	api.TLSConfig = t
	return api, nil
}
