package uplink

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
)

// tls is the configuration of one connection to a broker: the newest certificate
// of this lane, and the pinned authority for the broker's.
func (u *Uplink) tls(broker string) (*tls.Config, error) {
	at, err := url.Parse(broker)
	if err != nil {
		return nil, fmt.Errorf("read broker address: %w", err)
	}
	own := u.c.Identity.Certificate
	if next := u.renewed.Load(); next != nil {
		own = *next
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: at.Hostname(), Certificates: []tls.Certificate{own},
		InsecureSkipVerify: true, // VerifyConnection does it, at a time that depends on the certificate
		VerifyConnection:   func(s tls.ConnectionState) error { return u.verify(s.PeerCertificates, at.Hostname()) },
	}, nil
}

// verify checks the broker's chain at the time that package wallclock has for
// it: a machine whose clock runs ahead must still get to central, which alone can
// put it right.
func (u *Uplink) verify(chain []*x509.Certificate, host string) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(u.c.Identity.Authority)
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	leaf := chain[0]
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: host,
		CurrentTime: u.c.Clock.CheckAt(u.c.Now(), leaf.NotBefore, leaf.NotAfter)})
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
	}
	return nil
}

// Renewed gives the lane its next certificate, for the next connection. The one
// that stands goes on with the present one.
func (u *Uplink) Renewed(c tls.Certificate) { u.renewed.Store(&c) }
