// Package fault makes the faults that a lane meets in the street, on demand.
package fault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Link is a TCP cable between a lane and what it talks to, which can be cut and
// joined again, slowed down, and held: then nothing comes through, and nobody is
// told (a half-open connection). All methods are safe for concurrent use.
type Link struct {
	listener net.Listener
	target   string
	wait     sync.WaitGroup

	mu      sync.Mutex // guards the following
	changed sync.Cond  // on mu: held or cut changed
	cut     bool
	held    bool
	delay   time.Duration
	live    map[net.Conn]bool
}

// NewLink listens on a free loopback port and forwards to target, host:port.
// Nothing is forwarded before Run.
func NewLink(target string) (*Link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a link: %w", err)
	}
	k := &Link{listener: l, target: target, live: map[net.Conn]bool{}}
	k.changed.L = &k.mu
	return k, nil
}

// Addr returns the host:port to connect to.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Run forwards connections until ctx ends, and waits for all of them.
func (l *Link) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { l.listener.Close(); l.Cut(); l.Hold(false) })
	defer stop()
	defer l.wait.Wait()
	for {
		c, err := l.listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept on a link: %w", err)
		}
		l.wait.Go(func() { l.forward(c) })
	}
}

// Cut ends every connection and lets no new one through.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for c := range l.live {
		c.Close()
	}
	l.changed.Broadcast()
}

// Hold keeps back, or no longer, what is sent in either direction. Connections
// stay open; what was kept back is delivered at the end of it.
func (l *Link) Hold(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = on
	l.changed.Broadcast()
}

// Slow delays each piece that is sent, in either direction, by d.
func (l *Link) Slow(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

// Join lets connections through again.
func (l *Link) Join() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
}

// IsCut reports whether the link is cut.
func (l *Link) IsCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

func (l *Link) forward(near net.Conn) {
	defer near.Close()
	if !l.hold(near) {
		return
	}
	defer l.release(near)
	far, err := net.Dial("tcp", l.target)
	if err != nil {
		return // the target is down: the near end sees its connection close, as in life
	}
	defer far.Close()
	if !l.hold(far) {
		return
	}
	defer l.release(far)
	back := make(chan struct{})
	go func() { l.pipe(near, far); close(back) }()
	l.pipe(far, near)
	<-back
}

// hold registers a connection to be cut; false if the link is cut already.
func (l *Link) hold(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return false
	}
	l.live[c] = true
	return true
}

func (l *Link) release(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, c)
}

// pipe copies until either end is gone and then closes both, so that the other
// direction ends too.
func (l *Link) pipe(to, from net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if n > 0 && l.pass() {
			_, wrong := to.Write(b[:n])
			err = errors.Join(err, wrong)
		}
		if err != nil {
			break // however it ends, the cable ends with it
		}
	}
	to.Close()
	from.Close()
}

// pass waits as long as the link makes a piece wait, and reports whether it
// comes through at all.
func (l *Link) pass() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.held && !l.cut {
		l.changed.Wait()
	}
	if l.delay > 0 && !l.cut {
		woken := time.AfterFunc(l.delay, func() { l.mu.Lock(); defer l.mu.Unlock(); l.changed.Broadcast() })
		defer woken.Stop()
		for until := time.Now().Add(l.delay); !l.cut && time.Now().Before(until); {
			l.changed.Wait()
		}
	}
	return !l.cut
}
