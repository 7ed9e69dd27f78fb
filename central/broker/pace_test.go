package broker

import (
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// storm offers a thousand handshakes a second for some seconds; each one that is let
// in arrives after took. It returns how many were let in within the last second.
func storm(p *pace, from time.Time, seconds int, took time.Duration) (lately int) {
	type arrival struct {
		address string
		at      time.Time
	}
	var under []arrival
	for i := range seconds * 1000 {
		now := from.Add(time.Duration(i) * time.Millisecond)
		for len(under) > 0 && !under[0].at.After(now) {
			p.arrived(under[0].address, under[0].at)
			under = under[1:]
		}
		if address := fmt.Sprint(from, i); p.admit(address, now) {
			under = append(under, arrival{address, now.Add(took)})
			if i >= (seconds-1)*1000 {
				lately++
			}
		}
	}
	return lately
}

// TestPaceFollowsTheMachine: when who is let in takes long, fewer are let in, never
// none; when it is quick again, as many as before.
func TestPaceFollowsTheMachine(t *testing.T) {
	p := newPace()
	at := time.Unix(1_800_000_000, 0)
	if n := storm(p, at, 5, 20*time.Millisecond); n < handshakesPerSecond-10 || n > handshakesPerSecond+10 {
		t.Errorf("%d a second on a quick machine", n)
	}
	if n := storm(p, at.Add(time.Minute), 10, 2*time.Second); n < leastPerSecond-5 || n > 2*leastPerSecond {
		t.Errorf("%d a second though they take two seconds", n)
	}
	if n := storm(p, at.Add(2*time.Minute), 10, 20*time.Millisecond); n < handshakesPerSecond-10 {
		t.Errorf("%d a second when it is quick again", n)
	}
}

// TestPaceIsNotSlowedByStrangers: handshakes that never come through, as those of
// somebody without a certificate, change nothing and are forgotten.
func TestPaceIsNotSlowedByStrangers(t *testing.T) {
	p := newPace()
	at := time.Unix(1_800_000_000, 0)
	storm(p, at, 60, time.Hour)
	if p.bucket.Limit() != handshakesPerSecond || len(p.begun) > maxBegun {
		t.Errorf("%v a second, %d remembered", p.bucket.Limit(), len(p.begun))
	}
	p.arrived("never began", at.Add(time.Minute))
	if p.bucket.Limit() != handshakesPerSecond {
		t.Error("slowed by who was not let in")
	}
}

// addressed is a connection with addresses alone.
type addressed struct {
	net.Conn
	local, remote net.Addr
}

func (p addressed) LocalAddr() net.Addr  { return p.local }
func (p addressed) RemoteAddr() net.Addr { return p.remote }

// TestOwnSessionIsLetIn: central's session waits behind no lane, from this machine
// alone.
func TestOwnSessionIsLetIn(t *testing.T) {
	p := newPace()
	p.bucket.SetLimit(rate.Every(time.Hour)) // else there is room again 2.5 ms later
	for p.admit("storm", time.Now()) {
	}
	here, far := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9)}
	loop := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	for _, c := range []struct {
		remote net.Addr
		proto  string
		in     bool
	}{{loop, OwnProtocol, true}, {here, OwnProtocol, true}, {far, OwnProtocol, false}, {loop, "mqtt", false}} {
		h := &tls.ClientHelloInfo{Conn: addressed{local: here, remote: c.remote}, SupportedProtos: []string{c.proto}}
		_, err := p.limited(&tls.Config{}).GetConfigForClient(h)
		if (err == nil) != c.in {
			t.Errorf("%v with %q: %v", c.remote, c.proto, err)
		}
	}
}
