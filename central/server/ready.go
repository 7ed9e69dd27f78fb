package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"turnstile/central/console"
	"turnstile/central/office"
	"turnstile/central/requestlog"
)

// errStopping tells balancers to send requests to another central.
var errStopping = errors.New("central was told to stop")

// ready is what /readyz answers.
func (s *central) ready(ctx context.Context) error {
	select {
	case <-s.stopping:
		return errStopping
	default:
		return feed{s}.Healthy(ctx)
	}
}

// maxDrain bounds http.drain; the unit's TimeoutStopSec is longer than it and the
// stopping together.
const maxDrain = 20 * time.Second

// drain says that this central is about to go and works on for http.drain, so that
// a balancer which asks /readyz sends it nothing more when its listeners close.
func (s *central) drain(failed <-chan struct{}) {
	close(s.stopping)
	if s.config.HTTP.Drain == 0 {
		return
	}
	s.config.Log.Info("stopping; /readyz says so", "drain", s.config.HTTP.Drain)
	t := time.NewTimer(s.config.HTTP.Drain)
	defer t.Stop()
	select {
	case <-t.C:
	case <-failed: // there is nothing to wait for any more
	}
}

// cutLimit is how long requests may take to notice that they were cut off.
const cutLimit = time.Second

// serveHTTP serves until ctx ends, then lets running requests finish. What runs
// after stopLimit is cut off: its context ends and its connection closes, so that a
// file which is half sent does not look whole.
func serveHTTP(ctx context.Context, h *http.Server, l net.Listener) error {
	all := &underWay{idle: make(chan struct{})}
	h.Handler = all.count(h.Handler)
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	h.BaseContext = func(net.Listener) context.Context { return requests }
	ended := make(chan error, 1)
	go func() {
		if h.TLSConfig != nil {
			ended <- h.ServeTLS(l, "", "")
		} else {
			ended <- h.Serve(l)
		}
	}()
	select {
	case err := <-ended:
		return errServe(l, err)
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(requests, stopLimit)
	defer cancel()
	if err := h.Shutdown(limit); err != nil {
		cut()
		h.Close()
		all.wait(cutLimit)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return errServe(l, err)
	}
	return nil
}

func errServe(l net.Listener, err error) error { return fmt.Errorf("serve %s: %w", l.Addr(), err) }

// underWay counts the requests whose handlers run.
type underWay struct {
	mu     sync.Mutex // guards the following
	n      int
	ending bool
	idle   chan struct{} // closed when ending and none runs
}

func (u *underWay) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.add(1)
		defer u.add(-1)
		next.ServeHTTP(w, r)
	})
}

func (u *underWay) add(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n += n
	u.settle()
}

func (u *underWay) settle() {
	if u.ending && u.n == 0 && u.idle != nil {
		close(u.idle)
		u.idle = nil
	}
}

// wait returns when no handler runs, or after the limit: what still runs then waits
// for the database, which takes no orders once it is closed.
func (u *underWay) wait(limit time.Duration) {
	u.mu.Lock()
	idle := u.idle
	u.ending = true
	u.settle()
	u.mu.Unlock()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-idle:
	case <-t.C:
	}
}

// logged writes each request of API and console down, and counts the console's.
func (s *central) logged(next http.Handler) http.Handler {
	return requestlog.Wrap(next, requestlog.Options{
		Log: s.config.Log, Done: s.pages.count, Quiet: append(office.Probes(), console.Base+console.StaticPattern),
	})
}
