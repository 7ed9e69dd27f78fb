// Package fault makes the faults that a lane meets in the street, on demand.
package fault

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// Link is a TCP cable between a lane and what it talks to, which can be cut and
// joined again. All methods are safe for concurrent use.
type Link struct {
	listener net.Listener
	target   string
	wait     sync.WaitGroup

	mu   sync.Mutex // guards the following
	cut  bool
	live map[net.Conn]bool
}

// NewLink listens on a free loopback port and forwards to target, host:port.
// Nothing is forwarded before Run.
func NewLink(target string) (*Link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a link: %w", err)
	}
	return &Link{listener: l, target: target, live: map[net.Conn]bool{}}, nil
}

// Addr returns the host:port to connect to.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Run forwards connections until ctx ends, and waits for all of them.
func (l *Link) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { l.listener.Close(); l.Cut() })
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
	go func() { pipe(near, far); close(back) }()
	pipe(far, near)
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
func pipe(to, from net.Conn) {
	io.Copy(to, from) // however it ends, the cable ends with it
	to.Close()
	from.Close()
}
