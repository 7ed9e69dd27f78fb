package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"turnstile/central/link"
)

// Lives of certificates. Each begins some days ago, so that a lane whose clock
// is behind takes it.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	authorityBack = 30 * 24 * time.Hour
	LaneLife      = 90 * 24 * time.Hour
	ServerLife    = 365 * 24 * time.Hour
	leafBack      = 7 * 24 * time.Hour
)

const authorityFile = "authority.crt"

// CentralName is the common name of central's own client certificate. It is no
// link.ValidID, so no lane can bear it.
const CentralName = "central."

// ErrRequest tells what is wrong with a certificate request.
var ErrRequest = errors.New("certificate request refused")

// authority signs certificates: ECDSA P-256, which every TLS stack takes.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

func openAuthority(v *vault, site string, create bool, now time.Time) (*authority, error) {
	if create {
		return newAuthority(v, site, now)
	}
	secret, err := v.get("authority")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamagedKeys, err)
	}
	key, err := x509.ParseECPrivateKey(secret)
	if err != nil {
		return nil, fmt.Errorf("%w: authority: %w", ErrDamagedKeys, err)
	}
	text, err := os.ReadFile(filepath.Join(v.dir, authorityFile))
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%w: %s", ErrDamagedKeys, authorityFile)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%w: %s is not of the authority's key", ErrDamagedKeys, authorityFile)
	}
	return &authority{key, cert}, nil
}

func newAuthority(v *vault, site string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	t := template(pkix.Name{CommonName: "Turnstile authority of " + site}, now.Add(-authorityBack), now.Add(authorityLife))
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	a := &authority{key: key, certificate: t}
	der, err := a.sign(t, key.Public())
	if err != nil {
		return nil, err
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	if err := v.put("authority", secret); err != nil {
		return nil, err
	}
	return a, writeFile(filepath.Join(v.dir, authorityFile), pemOf("CERTIFICATE", der))
}

func template(name pkix.Name, from, until time.Time) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return &x509.Certificate{SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: name, NotBefore: from, NotAfter: until}
}

func (a *authority) sign(t *x509.Certificate, public any) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, a.certificate, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	return der, nil
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// AuthorityHash is what an enrolment token carries.
func (i *Issuer) AuthorityHash() link.Hash { return sha256.Sum256(i.authority.certificate.Raw) }

// SignLane signs a lane controller's client certificate from its request (DER).
// Of the request only the key counts. ErrRequest if it is not self-signed or its
// key is neither ECDSA P-256 nor Ed25519.
func (i *Issuer) SignLane(csr []byte, lane string, now time.Time) (*x509.Certificate, error) {
	key, err := keyOf(csr)
	if err != nil {
		return nil, err
	}
	if !link.ValidID(lane) {
		return nil, fmt.Errorf("%w: lane id %.40q", ErrRequest, lane)
	}
	return i.client(lane, key, LaneLife, now)
}

// keyOf returns the key of a certificate request that proves to have it.
func keyOf(csr []byte) (any, error) {
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := r.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	ec, ok := r.PublicKey.(*ecdsa.PublicKey)
	if r.PublicKeyAlgorithm != x509.Ed25519 && (!ok || ec.Curve != elliptic.P256()) {
		return nil, fmt.Errorf("%w: want an ECDSA P-256 or Ed25519 key", ErrRequest)
	}
	return r.PublicKey, nil
}

func (i *Issuer) client(name string, public any, life time.Duration, now time.Time) (*x509.Certificate, error) {
	t := template(pkix.Name{CommonName: name, Organization: []string{i.site}}, now.Add(-leafBack), now.Add(life))
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return i.leaf(t, public)
}

func (i *Issuer) leaf(t *x509.Certificate, public any) (*x509.Certificate, error) {
	if t.NotAfter.After(i.authority.certificate.NotAfter) {
		t.NotAfter = i.authority.certificate.NotAfter
	}
	der, err := i.authority.sign(t, public)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// CentralNamed returns the common name of the central that has this name among those
// of its site, "" if it is the only one. No lane's id is like it.
func CentralNamed(name string) string { return CentralName + name }

// SignCentral signs a client certificate for central itself. Of the request the key
// counts, and the common name if it is one of CentralNamed.
func (i *Issuer) SignCentral(csr []byte, now time.Time) (*x509.Certificate, error) {
	key, err := keyOf(csr)
	if err != nil {
		return nil, err
	}
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	name, of := strings.CutPrefix(r.Subject.CommonName, CentralName)
	switch {
	case !of:
		name = ""
	case name != "" && !link.ValidID(name):
		return nil, fmt.Errorf("%w: a central's name is 1 to 32 of A-Z a-z 0-9 _ -", ErrRequest)
	}
	return i.client(CentralNamed(name), key, ServerLife, now)
}

// maxHosts bounds the names of one server.
const maxHosts = 64

// SignServer signs a certificate for a server that is reached under the hosts
// (names and IP addresses).
func (i *Issuer) SignServer(csr []byte, hosts []string, now time.Time) (*x509.Certificate, error) {
	key, err := keyOf(csr)
	if err != nil {
		return nil, err
	}
	if len(hosts) > maxHosts {
		return nil, fmt.Errorf("%w: %d hosts, at most %d", ErrRequest, len(hosts), maxHosts)
	}
	t := template(pkix.Name{CommonName: "Turnstile central of " + i.site}, now.Add(-leafBack), now.Add(ServerLife))
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return i.leaf(t, key)
}

// certifier is the part of a Service that makes certificates for this process.
type certifier interface {
	Servers
	Authority() *x509.Certificate
}

// CentralCertificate returns a new client certificate for central itself, whose
// key is made here.
func CentralCertificate(c certifier, now time.Time) (tls.Certificate, error) {
	return NamedCertificate(c, "", now)
}

// NamedCertificate is CentralCertificate for one of several centrals.
func NamedCertificate(c certifier, name string, now time.Time) (tls.Certificate, error) {
	return certificate(c, CentralNamed(name), func(csr []byte) (*x509.Certificate, error) { return c.SignCentral(csr, now) })
}

// ServerCertificate returns a new certificate for a server that is reached under
// the hosts (names and IP addresses), whose key is made here.
func ServerCertificate(c certifier, hosts []string, now time.Time) (tls.Certificate, error) {
	return certificate(c, "", func(csr []byte) (*x509.Certificate, error) { return c.SignServer(csr, hosts, now) })
}

// CentralCertificate is the function of that name.
func (i *Issuer) CentralCertificate(now time.Time) (tls.Certificate, error) {
	return CentralCertificate(i, now)
}

// ServerCertificate is the function of that name.
func (i *Issuer) ServerCertificate(hosts []string, now time.Time) (tls.Certificate, error) {
	return ServerCertificate(i, hosts, now)
}

// certificate makes a key and has it signed. The authority's certificate is sent
// along: an enrolling lane knows only its hash.
func certificate(c certifier, name string, sign func(csr []byte) (*x509.Certificate, error)) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make key: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate request: %w", err)
	}
	signed, err := sign(csr)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{signed.Raw, c.Authority().Raw}, PrivateKey: key, Leaf: signed}, nil
}

// RevocationList returns a signed list (DER) of client certificates that are
// refused, for an external broker.
func (i *Issuer) RevocationList(serials []*big.Int, now time.Time) ([]byte, error) {
	t := &x509.RevocationList{Number: big.NewInt(now.UnixMilli()), ThisUpdate: now.Add(-leafBack), NextUpdate: now.Add(ServerLife)}
	for _, s := range serials {
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: now})
	}
	der, err := x509.CreateRevocationList(rand.Reader, t, i.authority.certificate, i.authority.key)
	if err != nil {
		return nil, fmt.Errorf("sign revocation list: %w", err)
	}
	return der, nil
}
