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
	s, err := site.Start(ctx, site.Config{Programs: r.programs, Data: filepath.Join(r.folder, "memory"), Heads: 5 * time.Second})
	if err != nil {
		return err
	}
	var lanes []enrol.Identity
	for _, n := range r.Connected {
		if lanes, err = enrolled(ctx, s, filepath.Join(r.folder, "identities"), lanes, n); err == nil {
			err = r.connected(ctx, s, lanes)
		}
		if err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Close()
}

// together is how many controllers enrol, or connect, at a time.
const together = 8

// enrolled returns the first n controllers; more of them are enrolled if they are
// too few.
func enrolled(ctx context.Context, s *site.Site, folder string, lanes []enrol.Identity, n int) ([]enrol.Identity, error) {
	first := len(lanes)
	if first >= n {
		return lanes[:n], nil
	}
	lanes = append(lanes, make([]enrol.Identity, n-first)...)
	return lanes, each(n-first, func(k int) (err error) {
		path := filepath.Join(folder, fmt.Sprint(first+k))
		if err = os.MkdirAll(path, 0o700); err == nil {
			lanes[first+k], err = fleet.Enrol(ctx, s, path, fmt.Sprintf("held-%d", first+k+1))
		}
		return err
	})
}

// each runs f for 0 .. n-1, some at a time, and ends with the first error.
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

// connected restarts central, connects the controllers and adds a row.
func (r *rig) connected(ctx context.Context, s *site.Site, lanes []enrol.Identity) error {
	if err := errors.Join(s.Central().Stop(), s.StartCentral()); err != nil {
		return err
	}
	if err := poll(ctx, "central ready", func() (bool, error) {
		list, err := s.API.Lanes(ctx)
		return len(list) > 0, err
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
	if err := each(len(lanes), func(k int) error { return hold(ctx, &running, lanes[k]) }); err != nil {
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
func hold(ctx context.Context, running *sync.WaitGroup, i enrol.Identity) error {
	authority := x509.NewCertPool()
	authority.AddCert(i.Authority)
	topics := link.Topics{Site: i.Site}
	ignore := func(context.Context, broker.Message) {}
	s := broker.NewSession(broker.SessionConfig{
		URL: i.Broker, ClientID: i.Lane, Log: slog.New(slog.DiscardHandler),
		TLS: &tls.Config{Certificates: []tls.Certificate{i.Certificate}, RootCAs: authority},
		Subscriptions: []broker.Subscription{{Filter: topics.Feed(), Queue: 1, Handle: ignore}, {Filter: topics.Down(i.Lane), Queue: 1, Handle: ignore}},
		Connected:     func(context.Context) {},
	})
	running.Go(func() { s.Run(ctx) }) // ends with ctx
	if err := poll(ctx, i.Lane+" online", func() (bool, error) { return s.Online(), nil }); err != nil {
		return err
	}
	report, err := link.Seal(i.Journal, link.TypeState, i.Site, link.LaneState{Lane: i.Lane, Boot: 1, Alive: true, Program: "bench",
		Lanes: []link.LaneInfo{{Number: 1, Name: i.Lane}}, Sent: time.Now().UnixMilli()})
	if err != nil {
		return err
	}
	return s.Publish(ctx, topics.State(i.Lane), report, 1, true)
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
