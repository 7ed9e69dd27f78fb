package measure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"turnstile/agent/enrol"
	"turnstile/central/broker"
	"turnstile/central/link"
	"turnstile/simulator/fleet"
	"turnstile/simulator/site"
)

// memoryBound is what central may hold for each lane controller, bytes: ten
// thousand of them in 2 GB.
const memoryBound = (2 << 30) / 10_000

// memory measures what central's process holds for each connected lane controller,
// the embedded broker in it: what is resident when all are connected and have
// reported, less what was when the same central had started and knew them all. The
// controllers have certificates of their own, subscribe to what an agent does and
// report as it does, but keep nothing.
func (r *rig) memory(ctx context.Context) error {
	s, err := site.Start(ctx, site.Config{Programs: r.programs, Data: filepath.Join(r.folder, "memory"), Heads: 10 * time.Second})
	if err != nil {
		return err
	}
	e := &fleet.Enrolment{Site: s, Prefix: "held-"}
	for _, n := range r.Connected {
		if err := errors.Join(s.Central().Stop(), e.Enrol(ctx, n), s.StartCentral()); err != nil {
			return errors.Join(err, s.Close())
		}
		if err := r.connected(ctx, s, e.Lanes[:n]); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Close()
}

// together is how many controllers connect at a time.
const together = 8

// each runs f for 0 .. n-1, some at a time, and ends with the first errors.
func each(n int, f func(k int) error) error {
	work := make(chan int, n)
	for k := range n {
		work <- k
	}
	close(work)
	errs := make(chan error, together)
	for range together {
		go func() {
			for k := range work {
				if err := f(k); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var all error
	for range together {
		all = errors.Join(all, <-errs)
	}
	return all
}

// connected connects the controllers to a central that has just started, and adds
// a row.
func (r *rig) connected(ctx context.Context, s *site.Site, lanes []enrol.Identity) error {
	if err := poll(ctx, "central ready", func() (bool, error) {
		list, err := s.API.Lanes(ctx)
		return len(list) >= len(lanes), err
	}); err != nil {
		return err
	}
	before, _, err := resident(s.Central().PID())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	began := time.Now()
	if err := each(len(lanes), func(k int) error { return hold(ctx, &running, s.BrokerAddr(), &lanes[k]) }); err != nil {
		return err
	}
	if err := alive(ctx, s, len(lanes)); err != nil {
		return err
	}
	after, peak, err := resident(s.Central().PID())
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d lane controllers connected in %s: central's memory %d MB, %d MB before, %d MB at most\n",
		len(lanes), time.Since(began).Round(time.Second), after>>20, before>>20, peak>>20)
	share := float64(after-before) / float64(len(lanes))
	r.rows = append(r.rows, Row{Measure: fmt.Sprintf("memory of central per connected lane controller, of %d", len(lanes)), Limit: "10,000 in 2 GB", Unit: "B", Mark: 1,
		Product: share, Bound: memoryBound, Ratio: share / memoryBound})
	return nil
}

// hold connects a controller until ctx ends, and reports for it.
func hold(ctx context.Context, running *sync.WaitGroup, to string, c *enrol.Identity) error {
	topics := link.Topics{Site: c.Site}
	authority := x509.NewCertPool()
	authority.AddCert(c.Authority)
	ignore := func(context.Context, broker.Message) {}
	s := broker.NewSession(broker.SessionConfig{
		URL: "ssl://" + to, ClientID: c.Lane, Log: slog.New(slog.DiscardHandler),
		TLS:           &tls.Config{Certificates: []tls.Certificate{c.Certificate}, RootCAs: authority},
		Subscriptions: []broker.Subscription{{Filter: topics.Feed(), Queue: 1, Handle: ignore}, {Filter: topics.Down(c.Lane), Queue: 1, Handle: ignore}},
		Connected:     func(context.Context) {},
	})
	running.Go(func() { s.Run(ctx) }) // ends with ctx
	if err := poll(ctx, c.Lane+" online", func() (bool, error) { return s.Online(), nil }); err != nil {
		return err
	}
	report, err := link.Seal(c.Journal, link.TypeState, c.Site, link.LaneState{Lane: c.Lane, Boot: 1, Alive: true, Program: "bench",
		Lanes: []link.LaneInfo{{Number: 1, Name: c.Lane}}, Sent: time.Now().UnixMilli()})
	if err != nil {
		return err
	}
	return poll(ctx, c.Lane+" heard", func() (bool, error) {
		err := s.Publish(ctx, topics.State(c.Lane), report, 1, true)
		if errors.Is(err, broker.ErrOffline) { // or no answer in time: thousands are served at once
			return false, nil
		}
		return err == nil, err
	})
}

// alive waits until central says that n controllers are.
func alive(ctx context.Context, s *site.Site, n int) error {
	return poll(ctx, "all lane controllers alive", func() (bool, error) {
		list, err := s.API.Lanes(ctx)
		up := 0
		for _, l := range list {
			if l.Alive {
				up++
			}
		}
		return up == n, err
	})
}

// resident returns a process's resident memory, and the most that it was, bytes.
func resident(pid int) (now, peak int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		to := map[string]*int64{"VmRSS": &now, "VmHWM": &peak}[name]
		if to == nil {
			continue
		}
		if _, err := fmt.Sscanf(value, "%d kB", to); err != nil {
			return 0, 0, fmt.Errorf("read memory: %w", err)
		}
		*to <<= 10
	}
	return now, peak, nil
}
