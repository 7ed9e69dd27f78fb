package broker

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Handshakes that the listener takes on: a storm of all lanes at once is spread
// by refusing before the dear part of TLS; lanes come back with jitter. The pace is
// for a machine with nothing else to do. When those who are let in take long to be
// through, it slows down: more than can be served would time out, come again, and
// nobody would be served at all.
const (
	handshakesPerSecond = 400
	handshakeBurst      = 200
	leastPerSecond      = 25
	slowHandshake       = 500 * time.Millisecond // from hello to an authenticated session
	quicker             = 4                      // a second more, with each that was not slow
	slowerEvery         = 500 * time.Millisecond
	maxBegun            = 4096
	begunLife           = 10 * time.Second // the broker gives a handshake up before
)

// OwnProtocol is the name by which central's own session, over TLS and from the same
// machine, is let in before all lanes: without it there is nothing to come for.
const OwnProtocol = "turnstile-central"

var errTooMany = errors.New("too many connections at once")

// pace lets connections in as quickly as they can be served.
type pace struct {
	mu     sync.Mutex // guards the following
	bucket *rate.Limiter
	begun  map[string]time.Time // by the remote address
	slowed time.Time
}

func newPace() *pace {
	return &pace{bucket: rate.NewLimiter(handshakesPerSecond, handshakeBurst), begun: map[string]time.Time{}}
}

// limited demands client certificates, and TLS 1.2 or later, and puts the pace
// before the handshake; nats-server's own limit skips MQTT listeners.
func (p *pace) limited(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.ClientAuth, c.MinVersion = tls.RequireAndVerifyClientCert, tls.VersionTLS12
	c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if isOwn(h) || p.admit(h.Conn.RemoteAddr().String(), time.Now()) {
			return nil, nil
		}
		return nil, errTooMany
	}
	return c
}

// isOwn reports whether a connection comes from this machine and says that it is
// central's.
func isOwn(h *tls.ClientHelloInfo) bool {
	remote, ok := h.Conn.RemoteAddr().(*net.TCPAddr)
	local, fine := h.Conn.LocalAddr().(*net.TCPAddr)
	return ok && fine && (remote.IP.IsLoopback() || remote.IP.Equal(local.IP)) && slices.Contains(h.SupportedProtos, OwnProtocol)
}

// admit reports whether a handshake may go on.
func (p *pace) admit(address string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.bucket.AllowN(now, 1) {
		return false
	}
	if len(p.begun) >= maxBegun {
		p.forget(now)
	}
	if len(p.begun) < maxBegun { // else its time is not taken
		p.begun[address] = now
	}
	return true
}

// forget drops those that never came through; mu is held.
func (p *pace) forget(now time.Time) {
	for address, at := range p.begun {
		if now.Sub(at) > begunLife {
			delete(p.begun, address)
		}
	}
}

// arrived takes the time of one with a good certificate: nobody else can slow the
// pace down.
func (p *pace) arrived(address string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, known := p.begun[address]
	delete(p.begun, address)
	limit := p.bucket.Limit()
	switch {
	case !known:
	case now.Sub(at) < slowHandshake:
		p.set(now, min(limit+quicker, handshakesPerSecond))
	case now.Sub(p.slowed) >= slowerEvery: // those that were let in together are slow together
		p.slowed = now
		p.set(now, max(limit/2, leastPerSecond))
	}
}

// set changes the pace; a slow one has no bursts either. mu is held.
func (p *pace) set(now time.Time, limit rate.Limit) {
	p.bucket.SetLimitAt(now, limit)
	p.bucket.SetBurstAt(now, max(1, int(limit*handshakeBurst/handshakesPerSecond)))
}
