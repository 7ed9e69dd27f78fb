package enrol

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"turnstile/central/link"
)

// What a renewal can fail with, beside ErrAuthority, ErrAnswer, ErrUnreached and
// ErrRefused.
var (
	ErrNoCentral   = errors.New("where central takes renewals is not known: enrol this machine again, which notes it")
	ErrNotEnrolled = errors.New("central does not know this lane any more: enrol it again with a token of `central lane add`")
	ErrEnded       = errors.New("the certificate ended too long ago: enrol this machine again with a token of `central lane add`")
	ErrReplaced    = errors.New("another machine has renewed this lane's certificate: find out who copied its keys, and enrol it again")
	ErrTooEarly    = errors.New("central says it is too early to renew the certificate: compare this machine's clock with central's")
)

// renewals maps the codes of a refused renewal.
var renewals = map[string]error{"not_enrolled": ErrNotEnrolled, "certificate_ended": ErrEnded, "certificate_replaced": ErrReplaced, "too_early": ErrTooEarly}

// PendingName is the file in the data folder that holds the next TLS key from
// before it is sent until its certificate is stored. Mode 0600.
const PendingName = "renewal.json"

// pending is that file's content.
type pending struct {
	Version int    `json:"version"`
	TLSKey  []byte `json:"tls_key"` // PKCS #8
}

// RenewAt returns when the certificate is to be renewed: in the last third of its
// life, spread over a day by the lane's id, so that lanes that were enrolled
// together do not come together.
func (i Identity) RenewAt() time.Time {
	h := fnv.New32a()
	h.Write([]byte(i.Lane))
	c := i.Certificate.Leaf
	return link.RenewFrom(c.NotBefore, c.NotAfter).Add(time.Duration(h.Sum32()%86400) * time.Second)
}

// Due reports whether Renew is to be called at now: it is time, or a renewal was
// begun and central may not take the present certificate any more.
func Due(dataDir string, i Identity, now time.Time) bool {
	return begun(dataDir) || !now.Before(i.RenewAt())
}

// begun reports whether a renewal waits for its certificate.
func begun(dataDir string) bool {
	_, err := os.Stat(filepath.Join(dataDir, PendingName))
	return err == nil
}

// Renew gets the next certificate from central and stores it with its key in
// place of the present ones. centralURL is central's enrolment address; "" is
// where this lane enrolled.
//
// It can be cut off anywhere: the next key is on the disk before central hears of
// it, and central answers the same key with the same certificate, also when that
// is the one that counts already; the identity's file changes as a whole.
func Renew(ctx context.Context, dataDir, centralURL string) (Identity, error) {
	s, present, err := load(dataDir)
	if err != nil {
		return Identity{}, err
	}
	if centralURL == "" {
		centralURL = s.Central
	}
	if centralURL == "" {
		return present, ErrNoCentral
	}
	base, err := parseCentral(centralURL)
	if err != nil {
		return present, err
	}
	key, err := nextKey(dataDir, present)
	if err != nil {
		return present, err
	}
	certificate, err := askRenewal(ctx, base.JoinPath(link.RenewPath), present, key)
	if err != nil {
		return present, fmt.Errorf("renew certificate at %s: %w", base.Host, err)
	}
	next, err := s.renewed(certificate, key)
	if err != nil {
		return present, fmt.Errorf("renew certificate at %s: %w", base.Host, err)
	}
	if err := next.write(dataDir); err != nil {
		return present, err
	}
	if err := forget(dataDir); err != nil {
		return present, err
	}
	return Load(dataDir)
}

// nextKey returns the key of a renewal that was begun, or a new one that is on
// the disk when it returns.
func nextKey(dataDir string, present Identity) (*ecdsa.PrivateKey, error) {
	key, err := readPending(dataDir)
	switch {
	case err == nil && !key.PublicKey.Equal(present.Certificate.Leaf.PublicKey):
		return key, nil
	case err == nil: // it was stored, and only the file was left
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrDamaged): // a damaged one was cut off before it was sent
		return nil, err
	}
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make TLS key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode TLS key: %w", err)
	}
	return key, writeJSON(dataDir, PendingName, pending{version, der})
}

func readPending(dataDir string) (*ecdsa.PrivateKey, error) {
	data, err := readFile(dataDir, PendingName)
	if err != nil {
		return nil, err
	}
	return parsePending(data)
}

func parsePending(data []byte) (*ecdsa.PrivateKey, error) {
	var p pending
	if err := json.Unmarshal(data, &p); err != nil || p.Version != version {
		return nil, fmt.Errorf("%w: %s", ErrDamaged, PendingName)
	}
	private, err := x509.ParsePKCS8PrivateKey(p.TLSKey)
	key, ok := private.(*ecdsa.PrivateKey)
	if err != nil || !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: %s", ErrDamaged, PendingName)
	}
	return key, nil
}

// forget removes what a renewal left.
func forget(dataDir string) error {
	err := os.Remove(filepath.Join(dataDir, PendingName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end renewal: %w", err)
	}
	return syncFolder(dataDir)
}

// askRenewal posts the request over a connection that proves the present key.
func askRenewal(ctx context.Context, to *url.URL, present Identity, key *ecdsa.PrivateKey) ([]byte, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	signature, err := present.Journal.Sign(link.RenewSigned(present.Site, present.Lane, present.Certificate.Leaf.Raw, csr))
	if err != nil {
		return nil, fmt.Errorf("sign certificate request: %w", err)
	}
	body, err := json.Marshal(link.RenewRequest{CSR: csr, Signature: signature})
	if err != nil {
		return nil, fmt.Errorf("encode renewal: %w", err)
	}
	t := pinned(sha256.Sum256(present.Authority.Raw), to.Hostname())
	t.Certificates = []tls.Certificate{present.Certificate}
	data, err := exchange(ctx, to, t, body, renewals)
	if err != nil {
		return nil, err
	}
	return parseRenewal(data)
}

func parseRenewal(data []byte) ([]byte, error) {
	var a link.RenewAnswer
	if err := json.Unmarshal(data, &a); err != nil || len(a.Certificate) == 0 {
		return nil, fmt.Errorf("%w (certificate)", ErrAnswer)
	}
	return a.Certificate, nil
}

// renewed returns the identity's file with another certificate and its key, after
// checking that they fit each other, the authority and the lane.
func (s *stored) renewed(certificate []byte, key *ecdsa.PrivateKey) (*stored, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode TLS key: %w", err)
	}
	next := *s
	next.Certificate, next.TLSKey = certificate, der
	i, err := next.identity()
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrAnswer, err)
	}
	if i.Certificate.Leaf.Subject.CommonName != s.Lane {
		return nil, fmt.Errorf("%w (the certificate is of another lane)", ErrAnswer)
	}
	return &next, nil
}

// Renewal keeps a lane's certificate from ending. Run it once.
type Renewal struct {
	Data    string           // data folder
	Central string           // enrolment address; "": where the lane enrolled
	Now     func() time.Time // campus time
	Log     *slog.Logger
	// Done is told after each try: the identity that counts from now on, or why
	// there is no other.
	Done func(Identity, error)
}

// Pauses between looks. A renewal that was begun is ended soon: the broker may
// not let the present certificate in any more.
const (
	renewEvery = time.Hour
	retryBegun = time.Minute
)

// Run renews when it is due, until ctx ends.
func (r *Renewal) Run(ctx context.Context) error {
	for {
		pause := r.round(ctx)
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}

// round looks once and returns how long to wait for the next.
func (r *Renewal) round(ctx context.Context) time.Duration {
	i, err := Load(r.Data)
	if err == nil && !Due(r.Data, i, r.Now()) {
		return renewEvery
	}
	if err == nil {
		i, err = Renew(ctx, r.Data, r.Central)
	}
	if ctx.Err() != nil {
		return renewEvery
	}
	if err == nil {
		r.Log.Info("certificate renewed", "until", i.Certificate.Leaf.NotAfter)
	}
	r.Done(i, err)
	if errors.Is(err, ErrUnreached) && begun(r.Data) {
		return retryBegun
	}
	return renewEvery
}
