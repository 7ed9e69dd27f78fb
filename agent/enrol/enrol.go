// Package enrol makes this machine a lane controller: it makes the keys, gets a
// certificate from central against a one-time token, and keeps both.
//
// The token carries the hash of the authority's certificate, so the machine
// knows whom it talks to before it says anything. Private keys are made here and
// never leave it.
package enrol

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"turnstile/central/link"
)

// What an enrolment can fail with; each says what to do.
var (
	ErrAddress   = errors.New("central's address must begin with https:// and name a host, like https://central.example:8443")
	ErrAuthority = errors.New("that is not the central which made the token: check the address, or ask for a new token")
	ErrUsed      = errors.New("the token was used before: make a new one with `central lane add`")
	ErrExpired   = errors.New("the token has expired: make a new one with `central lane add`")
	ErrUnknown   = errors.New("central does not know the token: make a new one with `central lane add`")
	ErrRefused   = errors.New("central refused")
	ErrAnswer    = errors.New("central's answer does not fit: update central and agent to matching versions")
	ErrUnreached = errors.New("central cannot be reached: check its address and the network")
)

// timeLimit bounds the whole exchange.
const timeLimit = 30 * time.Second

// keys are the lane's three private keys.
type keys struct {
	tls     *ecdsa.PrivateKey  // of the client certificate
	journal ed25519.PrivateKey // signs what the lane says
	seal    *ecdh.PrivateKey   // gate keys are sealed to it
}

func newKeys() (k keys, err error) {
	if k.tls, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return k, fmt.Errorf("make TLS key: %w", err)
	}
	if _, k.journal, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return k, fmt.Errorf("make journal key: %w", err)
	}
	if k.seal, err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
		return k, fmt.Errorf("make sealing key: %w", err)
	}
	return k, nil
}

// Enrol spends the token at central and writes the identity into the data
// folder, in place of an earlier one. After an error nothing is changed there;
// whether the token is spent, the next try tells.
func Enrol(ctx context.Context, centralURL string, token link.EnrolToken, dataDir string) (Identity, error) {
	base, err := parseCentral(centralURL)
	if err != nil {
		return Identity{}, err
	}
	if err := writable(dataDir); err != nil { // before the token is spent
		return Identity{}, err
	}
	k, err := newKeys()
	if err != nil {
		return Identity{}, err
	}
	answer, err := post(ctx, base.JoinPath(link.EnrolPath), token, k)
	if err != nil {
		return Identity{}, fmt.Errorf("enrol at %s: %w", base.Host, err)
	}
	s, err := k.store(answer, token.Authority)
	if err != nil {
		return Identity{}, fmt.Errorf("enrol at %s: %w", base.Host, err)
	}
	s.Central = base.String()
	if err := s.write(dataDir); err != nil {
		return Identity{}, err
	}
	if err := forget(dataDir); err != nil { // a renewal of the earlier identity
		return Identity{}, err
	}
	return Load(dataDir)
}

func parseCentral(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.User != nil {
		return nil, ErrAddress
	}
	return u, nil
}

func (k keys) request(t link.EnrolToken) ([]byte, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, k.tls)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	return json.Marshal(link.EnrolRequest{
		TokenID: t.ID[:], TokenSecret: t.Secret[:], CSR: csr,
		JournalKey: k.journal.Public().(ed25519.PublicKey), SealKey: k.seal.PublicKey().Bytes(),
	})
}

// post sends the request over a connection whose chain ends in the pinned
// authority.
func post(ctx context.Context, to *url.URL, t link.EnrolToken, k keys) (*link.EnrolAnswer, error) {
	body, err := k.request(t)
	if err != nil {
		return nil, err
	}
	data, err := exchange(ctx, to, pinned(t.Authority, to.Hostname()), body, refusals)
	if err != nil {
		return nil, err
	}
	return parseAnswer(data)
}

// exchange posts JSON and returns the answer's; codes are the refusals by code.
func exchange(ctx context.Context, to *url.URL, t *tls.Config, body []byte, codes map[string]error) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, ErrAddress
	}
	r.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{TLSClientConfig: t}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	switch {
	case errors.Is(err, ErrAuthority):
		return nil, ErrAuthority // nothing was sent
	case err != nil:
		return nil, fmt.Errorf("%w (%w)", ErrUnreached, err)
	}
	defer response.Body.Close()
	return readAnswer(response, codes)
}

// pinned accepts a chain that ends in the certificate with the hash, for the
// host. The time is not asked: this machine may not know it yet, and the
// authority's certificates are replaced by new tokens.
func pinned(authority link.Hash, host string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: host,
		InsecureSkipVerify: true, // VerifyConnection does it: by the pin, and not by the system's authorities
		VerifyConnection: func(s tls.ConnectionState) error {
			return checkChain(s.PeerCertificates, authority, host)
		},
	}
}

func checkChain(chain []*x509.Certificate, authority link.Hash, host string) error {
	for _, c := range chain {
		if sha256.Sum256(c.Raw) != authority {
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(c)
		leaf := chain[0]
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: leaf.NotBefore.Add(time.Second)}); err != nil {
			return fmt.Errorf("%w (%w)", ErrAuthority, err)
		}
		return nil
	}
	return ErrAuthority
}

// readAnswer tells a good answer from each refusal.
func readAnswer(r *http.Response, codes map[string]error) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r.Body, link.MaxEnrol+1))
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrUnreached, err)
	}
	if len(data) > link.MaxEnrol {
		return nil, fmt.Errorf("%w (more than %d bytes)", ErrAnswer, link.MaxEnrol)
	}
	if r.StatusCode != http.StatusOK {
		return nil, refusal(r.StatusCode, data, codes)
	}
	return data, nil
}

func parseAnswer(data []byte) (*link.EnrolAnswer, error) {
	var a link.EnrolAnswer
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrAnswer, err)
	}
	if _, err := Brokers(brokersOf(&a)); !link.ValidID(a.Lane) || !link.ValidID(a.Site) || err != nil {
		return nil, fmt.Errorf("%w (lane, site or broker)", ErrAnswer)
	}
	if !usableRoot(a.Root) {
		return nil, fmt.Errorf("%w (root)", ErrAnswer)
	}
	return &a, nil
}

// brokersOf returns the broker's addresses as Brokers takes them.
func brokersOf(a *link.EnrolAnswer) string {
	if len(a.Brokers) > 0 {
		return strings.Join(a.Brokers, ",")
	}
	return a.Broker
}

// refusals maps the codes of link.EnrolProblem.
var refusals = map[string]error{"token_unknown": ErrUnknown, "token_used": ErrUsed, "token_expired": ErrExpired}

func refusal(status int, data []byte, codes map[string]error) error {
	var p link.EnrolProblem
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("%w: status %d: is this central's enrolment address?", ErrRefused, status)
	}
	if err, ok := codes[p.Code]; ok {
		return err
	}
	return fmt.Errorf("%w: %.40q: %.200q", ErrRefused, p.Code, p.Detail)
}
