package server

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// renewing keeps one certificate of central's own authority and makes another
// when half of its life is over: a central runs for years.
type renewing struct {
	make func(now time.Time) (tls.Certificate, error)
	now  func() time.Time

	mu      sync.Mutex // guards the following
	current *tls.Certificate
	until   time.Time
}

func (r *renewing) get() (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if r.current != nil && now.Before(r.until) {
		return r.current, nil
	}
	c, err := r.make(now)
	if err != nil {
		return nil, err
	}
	r.current, r.until = &c, now.Add(c.Leaf.NotAfter.Sub(now)/2)
	return r.current, nil
}

func (r *renewing) forServer(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.get() }

// fileTLS reads a server certificate from files, and again when they change: it
// is renewed by others.
func fileTLS(certificate, key string) (*tls.Config, error) {
	f := &fromFiles{certificate: certificate, key: key}
	if _, err := f.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{GetCertificate: f.get, MinVersion: tls.VersionTLS12}, nil
}

type fromFiles struct {
	certificate, key string

	mu      sync.Mutex // guards the following
	current *tls.Certificate
	changed time.Time
}

func (f *fromFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.certificate)
	if err != nil && f.current == nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	if err != nil || f.current != nil && info.ModTime().Equal(f.changed) {
		return f.current, nil
	}
	c, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil && f.current == nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	if err == nil { // half-written files: the old one serves until they are whole
		f.current, f.changed = &c, info.ModTime()
	}
	return f.current, nil
}
