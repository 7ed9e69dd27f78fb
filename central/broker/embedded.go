// Package broker is the way between central and the lanes: the MQTT broker
// embedded in central (Embedded), the files that a mosquitto needs in its place
// (MosquittoFiles), and central's own session to either (Session).
//
// The broker is trusted with delivery only. What it enforces is who may speak
// on which topic: a lane controller reads the feed, the zones' topics and its own
// down topics, and writes its own up topics, by the name in its client certificate.
package broker

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"turnstile/central/link"
)

// ErrListen tells that the broker cannot listen where it should.
var ErrListen = errors.New("the broker cannot listen")

// Config of the embedded broker.
type Config struct {
	Site   string
	Listen string      // host:port of the MQTT listener; port 0 takes a free one
	Store  string      // folder that nats-server asks for; nothing is kept in it
	TLS    *tls.Config // server certificate, and ClientCAs that client certificates must come from
	// Central is the common name of central's own client certificate.
	Central string
	// Allow reports whether a lane controller may connect with a certificate that
	// the authority signed. Called for each connection, from many goroutines.
	Allow func(lane string, c *x509.Certificate) bool
	Log   *slog.Logger
}

// Embedded is a nats-server with nothing but its MQTT listener.
type Embedded struct {
	config Config
	server *server.Server
	token  string // of central's own connection within the process
	pace   *pace
	ready  chan struct{} // closed when clients may come
}

// Limits of the embedded broker.
const (
	maxPayload   = 2 * link.MaxDocument // the largest message and its topic
	maxMemory    = 256 << 20            // bytes of retained messages: some KB a lane
	maxFiles     = 1                    // bytes: nothing is kept in files (0 would be all there is)
	apiTimeout   = 10 * time.Second     // of the store in this process, which is busy and never dead: after it lanes are thrown out
	readyTimeout = 10 * time.Second
)

// Start starts the broker; it listens when Start returns. Run stops it.
func Start(c Config) (*Embedded, error) {
	host, port, err := probe(c.Listen)
	if err != nil {
		return nil, err
	}
	if err := forget(c.Store); err != nil {
		return nil, err
	}
	e := &Embedded{config: c, token: rand.Text(), pace: newPace(), ready: make(chan struct{})}
	options := &server.Options{
		ServerName: "turnstile-" + c.Site, DontListen: true, NoSigs: true, NoSystemAccount: true,
		JetStream: true, StoreDir: c.Store, JetStreamMaxStore: maxFiles, JetStreamMaxMemory: maxMemory,
		MaxPayload: maxPayload, CustomClientAuthentication: e,
		MQTT: server.MQTTOpts{Host: host, Port: port, TLSConfig: e.pace.limited(c.TLS), TLSTimeout: 5, AuthTimeout: 5, JSAPITimeout: apiTimeout},
	}
	if e.server, err = server.NewServer(options); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	e.server.SetLoggerV2(logger{c.Log}, false, false, false)
	e.server.Start()
	err = e.open()
	close(e.ready) // also those that waited in vain must end
	if err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

// open waits until the broker listens, and makes it keep everything in memory.
func (e *Embedded) open() error {
	if !e.server.ReadyForConnections(readyTimeout) || e.port() == 0 {
		return fmt.Errorf("%w on %s: see the log above for what the broker says", ErrListen, e.config.Listen)
	}
	if err := e.keepInMemory(); err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	return nil
}

// probe finds out whether the address is free: nats-server only logs that.
func probe(listen string) (host string, port int, err error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", 0, fmt.Errorf("%w on %s: %w; stop the program that uses the port, or set broker.listen", ErrListen, listen, err)
	}
	defer l.Close()
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("%w on %s: %w", ErrListen, listen, err)
	}
	if port, err = strconv.Atoi(text); err != nil || port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// port returns the port that the listener has.
func (e *Embedded) port() int {
	v, err := e.server.Varz(nil)
	if err != nil {
		return 0
	}
	return max(v.MQTT.Port, 0)
}

// Port returns the port of the MQTT listener.
func (e *Embedded) Port() int { return e.port() }

// Run stops the broker when ctx ends and waits until it has stopped.
func (e *Embedded) Run(ctx context.Context) error {
	<-ctx.Done()
	e.stop()
	return nil
}

func (e *Embedded) stop() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// Check decides on a connection (server.Authentication): the certificate's name
// gives the rights, and a lane's client id must be that name, or it could throw
// another lane out.
func (e *Embedded) Check(c server.ClientAuthentication) bool {
	state := c.GetTLSConnectionState()
	if state == nil { // there is no listener without TLS: from within the process
		if subtle.ConstantTimeCompare([]byte(c.GetOpts().Token), []byte(e.token)) != 1 {
			return false
		}
		c.RegisterUser(&server.User{Username: e.config.Central})
		return true
	}
	if len(state.PeerCertificates) == 0 {
		return false
	}
	<-e.ready // the first client would have the streams made as files
	cert := state.PeerCertificates[0]
	name, id := cert.Subject.CommonName, e.clientID(c.GetID())
	switch {
	case name == e.config.Central:
		c.RegisterUser(&server.User{Username: name})
		return true
	case !link.ValidID(name) || id != name || !e.config.Allow(name, cert):
		e.config.Log.Warn("connection refused", "certificate", name, "client", fmt.Sprintf("%.40q", id), "address", c.RemoteAddress())
		return false
	}
	e.pace.arrived(c.RemoteAddress().String(), time.Now())
	c.RegisterUser(&server.User{Username: name, Permissions: rights(e.config.Site, name)})
	return true
}

// clientID returns the MQTT client id of a connection, which nats-server gives
// to nobody else.
func (e *Embedded) clientID(connection uint64) string {
	list, err := e.server.Connz(&server.ConnzOptions{CID: connection})
	if err != nil || len(list.Conns) != 1 {
		return ""
	}
	return list.Conns[0].MQTTClient
}

// rights returns what a lane controller may do, as NATS subjects ("/" is "."
// there). "x/#" needs the right to x itself and to all below it.
func rights(site, lane string) *server.Permissions {
	base := "tg.1." + site + "."
	own := base + "a." + lane + "."
	return &server.Permissions{
		// Each topic by its name: whoever may publish retained on any other could fill the broker's store.
		Publish: &server.SubjectPermission{Allow: []string{own + "up.state", own + "up.ask", own + "up.use", fmt.Sprintf("%sup.%d.log", own, link.Partition(lane))}},
		// All zones: which are a lane's own stands in its configuration, and what is said there has pseudonyms of a day only.
		Subscribe: &server.SubjectPermission{Allow: []string{base + "feed", base + "feed.>", base + "z", base + "z.>", own + "dn", own + "dn.>"}},
	}
}

// Disconnect ends the connections of a lane controller.
func (e *Embedded) Disconnect(lane string) {
	list, err := e.server.Connz(&server.ConnzOptions{MQTTClient: lane})
	if err != nil {
		return // only for wrong options
	}
	for _, c := range list.Conns {
		if err := e.server.DisconnectClientByID(c.Cid); err == nil {
			e.config.Log.Info("lane disconnected", "lane", lane)
		}
	}
}

// logger passes on what nats-server says; its notices are of no use to an operator.
type logger struct{ log *slog.Logger }

func (l logger) Noticef(format string, v ...any) { l.log.Debug("broker: " + fmt.Sprintf(format, v...)) }
func (l logger) Warnf(format string, v ...any)   { l.log.Warn("broker: " + fmt.Sprintf(format, v...)) }
func (l logger) Errorf(format string, v ...any)  { l.log.Warn("broker: " + fmt.Sprintf(format, v...)) }
func (l logger) Fatalf(format string, v ...any)  { l.log.Error("broker: " + fmt.Sprintf(format, v...)) }
func (l logger) Debugf(string, ...any)           {}
func (l logger) Tracef(string, ...any)           {}
