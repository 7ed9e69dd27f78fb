// Package daemontest has the part of central that a machine needs once: the enrolment.
package daemontest

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"turnstile/agent/enrol"
	"turnstile/central/link"
)

// Central takes enrolments over HTTPS, any number of them.
type Central struct {
	URL    string
	Token  link.EnrolToken
	Broker string // told to lanes; nobody answers there

	authority *x509.Certificate
	key       *ecdsa.PrivateKey
	root      ed25519.PublicKey
}

// Start starts a central that ends with the test.
func Start(t testing.TB) *Central {
	t.Helper()
	c := &Central{Broker: "ssl://127.0.0.1:1"}
	var err error
	if c.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if c.root, _, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	own := template("authority")
	own.IsCA, own.BasicConstraintsValid, own.KeyUsage = true, true, x509.KeyUsageCertSign
	c.authority = c.sign(t, own, own, c.key.Public())
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host := template("central")
	host.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	leaf := c.sign(t, host, c.authority, serverKey.Public())
	c.Token = link.NewEnrolToken(sha256.Sum256(c.authority.Raw))
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.enrol(t, w, r) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw, c.authority.Raw}, PrivateKey: serverKey}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	c.URL = s.URL
	return c
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

func (c *Central) sign(t testing.TB, what, by *x509.Certificate, public any) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, what, by, public, c.key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// enrol answers one request; it runs in the server's goroutine.
func (c *Central) enrol(t testing.TB, w http.ResponseWriter, r *http.Request) {
	var q link.EnrolRequest
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &q)
	}
	if err != nil || string(q.TokenSecret) != string(c.Token.Secret[:]) || r.URL.Path != link.EnrolPath {
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(link.EnrolProblem{Code: "token_unknown"})
		return
	}
	csr, err := x509.ParseCertificateRequest(q.CSR)
	if err != nil {
		t.Errorf("certificate request: %v", err)
		return
	}
	leaf := c.sign(t, template("lane-1"), c.authority, csr.PublicKey)
	json.NewEncoder(w).Encode(link.EnrolAnswer{
		Lane: "lane-1", Site: "campus", Certificate: leaf.Raw, Authority: c.authority.Raw,
		Root: link.Root{Keys: []ed25519.PublicKey{c.root}, Threshold: 1}, Broker: c.Broker,
	})
}

// Enrol gives the data folder an identity.
func Enrol(t testing.TB, dir string) {
	t.Helper()
	c := Start(t)
	if _, err := enrol.Enrol(context.Background(), c.URL, c.Token, dir); err != nil {
		t.Fatal(err)
	}
}
