package measure

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"turnstile/central/broker"
	"turnstile/central/issuer"
	"turnstile/central/link"
)

// What goes over the bare broker, in bytes: a delta of one event, a lane's report.
const (
	deltaSize  = 400
	reportSize = 450
)

// bare is the embedded broker with clients that do nothing but receive and answer.
type bare struct {
	topics  link.Topics
	center  *broker.Session
	lanes   []*broker.Session
	files   []*flat
	arrived chan struct{} // a lane got the message
	acked   chan struct{} // the center got an answer
	cancel  context.CancelFunc
	wait    sync.WaitGroup
}

func newBare(ctx context.Context, folder string, n int) (*bare, error) {
	b := &bare{topics: link.Topics{Site: "bench"}, arrived: make(chan struct{}, n), acked: make(chan struct{}, n)}
	ctx, b.cancel = context.WithCancel(ctx)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	i, err := issuer.Open(filepath.Join(folder, "keys"), "bench", []byte(rand.Text()), time.Now())
	if err != nil {
		return nil, err
	}
	if err := b.open(ctx, i, folder, n); err != nil {
		b.close()
		return nil, err
	}
	return b, b.online(ctx)
}

func (b *bare) open(ctx context.Context, i *issuer.Issuer, folder string, n int) error {
	authority := x509.NewCertPool()
	authority.AddCert(i.Authority())
	own, err := i.ServerCertificate([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		return err
	}
	e, err := broker.Start(broker.Config{
		Site: "bench", Listen: "127.0.0.1:0", Store: filepath.Join(folder, "store"), Central: issuer.CentralName,
		TLS: &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: authority}, Log: slog.New(slog.DiscardHandler),
		Allow: func(string, *x509.Certificate) bool { return true },
	})
	if err != nil {
		return err
	}
	b.wait.Go(func() { e.Run(ctx) }) // ends with ctx
	url := fmt.Sprintf("ssl://127.0.0.1:%d", e.Port())
	central, err := i.CentralCertificate(time.Now())
	if err != nil {
		return err
	}
	b.center = b.session(ctx, url, central, authority, "center", b.topics.AllStates(), b.acked)
	return b.openLanes(ctx, i, url, authority, folder, n)
}

func (b *bare) openLanes(ctx context.Context, i *issuer.Issuer, url string, authority *x509.CertPool, folder string, n int) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	for k := range n {
		id := fmt.Sprintf("bare-%d", k)
		cert, err := i.SignLane(csr, id, time.Now())
		if err != nil {
			return err
		}
		pair := tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
		b.lanes = append(b.lanes, b.session(ctx, url, pair, authority, id, b.topics.Feed(), b.arrived))
		file, err := newFlat(filepath.Join(folder, id))
		if err != nil {
			return err
		}
		b.files = append(b.files, file)
	}
	return nil
}

// session connects a client that sends on got for each message that is not retained.
func (b *bare) session(ctx context.Context, url string, own tls.Certificate, authority *x509.CertPool, id, filter string, got chan<- struct{}) *broker.Session {
	s := broker.NewSession(broker.SessionConfig{
		URL: url, ClientID: id, Log: slog.New(slog.DiscardHandler),
		TLS: &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: authority},
		Subscriptions: []broker.Subscription{{Filter: filter, Queue: 64 + cap(got), Handle: func(context.Context, broker.Message) {
			select {
			case got <- struct{}{}:
			case <-ctx.Done():
			}
		}}},
		Connected: func(context.Context) {},
	})
	b.wait.Go(func() { s.Run(ctx) }) // ends with ctx
	return s
}

func (b *bare) online(ctx context.Context) error {
	return poll(ctx, "bare clients online", func() (bool, error) {
		for _, s := range append(b.lanes, b.center) {
			if !s.Online() {
				return false, nil
			}
		}
		return true, nil
	})
}

// round returns the nanoseconds of one fan-out, one flush per lane, one answer
// per lane, one after the other.
func (b *bare) round(ctx context.Context) (float64, error) {
	began := time.Now()
	if err := b.center.Publish(ctx, b.topics.Delta(), make([]byte, deltaSize), 0, false); err != nil {
		return 0, err
	}
	if err := count(ctx, b.arrived, len(b.lanes)); err != nil {
		return 0, err
	}
	if err := b.each(func(k int) error { return b.flush(k) }); err != nil {
		return 0, err
	}
	err := b.each(func(k int) error {
		return b.lanes[k].Publish(ctx, b.topics.State(fmt.Sprintf("bare-%d", k)), make([]byte, reportSize), 1, true)
	})
	if err != nil {
		return 0, err
	}
	err = count(ctx, b.acked, len(b.lanes))
	return float64(time.Since(began)), err
}

// laneFlushes is how often a lane has to flush before it may say that it refuses a
// pass: a commit of bbolt twice, its pages and then its root, and the journal once.
const laneFlushes = 3

func (b *bare) flush(k int) error {
	for range laneFlushes {
		if err := b.files[k].append(); err != nil {
			return err
		}
	}
	return nil
}

// each runs f for all lanes at once.
func (b *bare) each(f func(k int) error) error {
	errs := make(chan error, len(b.lanes))
	for k := range b.lanes {
		go func() { errs <- f(k) }()
	}
	var all error
	for range b.lanes {
		all = errors.Join(all, <-errs)
	}
	return all
}

// count waits for n messages.
func count(ctx context.Context, c <-chan struct{}, n int) error {
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for k := range n {
		select {
		case <-c:
		case <-late.C:
			return fmt.Errorf("only %d of %d bare messages came", k, n)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (b *bare) close() {
	b.cancel()
	b.wait.Wait()
	for _, f := range b.files {
		f.Close()
	}
}
