package measure

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
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

	"turnstile/central/broker"
	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/server"
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
	e := &enrolment{site: s}
	for _, n := range r.Connected {
		if err := errors.Join(s.Central().Stop(), e.enrol(ctx, n), s.StartCentral()); err != nil {
			return errors.Join(err, s.Close())
		}
		if err := r.connected(ctx, s, e.lanes[:n]); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Close()
}

// enrolment enrols controllers in central's place, which does not run: it lets in
// ten a second from one address, so that ten thousand would take a quarter of an hour.
type enrolment struct {
	site  *site.Site
	lanes []controller
}

// controller is what a lane controller connects with.
type controller struct {
	id, site  string
	pair      tls.Certificate
	authority *x509.CertPool
	signer    laneSigner
}

// enrol enrols controllers until there are n.
func (e *enrolment) enrol(ctx context.Context, n int) error {
	conf, err := server.Load(filepath.Join(e.site.Data(), "central", "central.yaml"))
	if err != nil {
		return err
	}
	phrase, err := conf.Passphrase.Read()
	if err != nil {
		return err
	}
	i, err := issuer.Open(conf.Keys(), conf.Site, phrase, time.Now())
	if err != nil {
		return err
	}
	db, err := conf.OpenDatabase(ctx)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return errors.Join(fmt.Errorf("make key: %w", err), db.Close())
	}
	for err == nil && len(e.lanes) < n {
		err = e.add(ctx, db, i, key, controller{id: fmt.Sprintf("held-%d", len(e.lanes)+1), site: conf.Site})
	}
	return errors.Join(err, db.Close())
}

// add enrols one controller. All have one TLS key, which costs central nothing less.
func (e *enrolment) add(ctx context.Context, db *database.DB, i *issuer.Issuer, key *ecdsa.PrivateKey, c controller) error {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	now := time.Now()
	cert, err := i.SignLane(csr, c.id, now)
	if err != nil {
		return err
	}
	_, c.signer.PrivateKey, err = ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	seal, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	invitation := database.Invitation{Lane: c.id, Created: now.UnixMilli(), Expires: now.Add(time.Hour).UnixMilli()}
	rand.Read(invitation.ID[:]) // never fails
	lane := database.Lane{ID: c.id, Enrolled: now.UnixMilli(), Expires: cert.NotAfter.UnixMilli(), Certificate: cert.Raw,
		JournalKey: c.signer.public(), SealKey: seal.PublicKey().Bytes()}
	if err := db.Invite(ctx, invitation, "bench"); err != nil {
		return err
	}
	if err := db.Enrol(ctx, invitation, lane, database.Removed{}); err != nil {
		return err
	}
	c.pair, c.authority = tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}, x509.NewCertPool()
	c.authority.AddCert(i.Authority())
	e.lanes = append(e.lanes, c)
	return nil
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
func (r *rig) connected(ctx context.Context, s *site.Site, lanes []controller) error {
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
func hold(ctx context.Context, running *sync.WaitGroup, to string, c *controller) error {
	topics := link.Topics{Site: c.site}
	ignore := func(context.Context, broker.Message) {}
	s := broker.NewSession(broker.SessionConfig{
		URL: "ssl://" + to, ClientID: c.id, Log: slog.New(slog.DiscardHandler),
		TLS:           &tls.Config{Certificates: []tls.Certificate{c.pair}, RootCAs: c.authority},
		Subscriptions: []broker.Subscription{{Filter: topics.Feed(), Queue: 1, Handle: ignore}, {Filter: topics.Down(c.id), Queue: 1, Handle: ignore}},
		Connected:     func(context.Context) {},
	})
	running.Go(func() { s.Run(ctx) }) // ends with ctx
	if err := poll(ctx, c.id+" online", func() (bool, error) { return s.Online(), nil }); err != nil {
		return err
	}
	report, err := link.Seal(c.signer, link.TypeState, c.site, link.LaneState{Lane: c.id, Boot: 1, Alive: true, Program: "bench",
		Lanes: []link.LaneInfo{{Number: 1, Name: c.id}}, Sent: time.Now().UnixMilli()})
	if err != nil {
		return err
	}
	return poll(ctx, c.id+" heard", func() (bool, error) {
		err := s.Publish(ctx, topics.State(c.id), report, 1, true)
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
