package broker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

// routeAuthority signs the certificates by which the nodes of a cluster know each
// other. The site's authority signs what lanes have, and would not do.
type routeAuthority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// routeLife is for how long the nodes know each other: as the site's authority.
const routeLife = 20 * 365 * 24 * time.Hour

var errRouteKey = errors.New("routes.key is damaged: remove it, write the files again and restart all nodes")

// openRouteAuthority reads the authority's key and certificate from a file, or
// makes them.
func openRouteAuthority(path string) (*routeAuthority, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newRouteAuthority(path)
	}
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	second, _ := pem.Decode(rest)
	if block == nil || second == nil {
		return nil, fmt.Errorf("%w: %s", errRouteKey, path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: %s", errRouteKey, path)
	}
	certificate, err := x509.ParseCertificate(second.Bytes)
	if err != nil || !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, fmt.Errorf("%w: %s", errRouteKey, path)
	}
	return &routeAuthority{key, certificate}, nil
}

func newRouteAuthority(path string) (*routeAuthority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := routeTemplate("turnstile cluster")
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
	a := &routeAuthority{key, t}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return a, writePlain(path, append(encode("PRIVATE KEY", secret), encode("CERTIFICATE", der)...), 0o600)
}

func routeTemplate(name string) *x509.Certificate {
	serial := make([]byte, 16)
	rand.Read(serial) // never fails (crypto/rand)
	return &x509.Certificate{SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(routeLife)}
}

// node returns a certificate for one node, which calls others and is called.
func (a *routeAuthority) node(host string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := routeTemplate(host)
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if ip := net.ParseIP(host); ip != nil {
		t.IPAddresses = []net.IP{ip}
	} else {
		t.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
