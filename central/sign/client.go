package sign

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"

	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// ErrAway tells that nobody serves the socket.
var ErrAway = errors.New("central sign does not answer: start it with: central sign, and look at its log; it answers to users who are named in sign.users alone")

// ErrForeign tells that the socket's keys are another site's.
var ErrForeign = errors.New("central sign serves another site")

// Client is the issuer.Service over a socket; safe for concurrent use.
type Client struct {
	socket    string
	refused   func(detail string)
	authority *x509.Certificate

	mu   sync.Mutex // guards the following
	idle []net.Conn
	now  standing // as of the last Renew
}

var _ issuer.Service = (*Client)(nil)

// maxIdle bounds connections kept open. callLimit is how long one call may take;
// waitLimit how long a restart of central sign is waited for.
const (
	maxIdle   = 8
	callLimit = 5 * time.Second
	waitLimit = 3 * time.Second
	retryIn   = 100 * time.Millisecond
)

// Dial connects to the socket of a site's keys. refused is told of each refusal
// for a right or limit; it must not block.
func Dial(socket, site string, refused func(detail string)) (*Client, error) {
	c := &Client{socket: socket, refused: refused}
	w, err := c.greet()
	if err != nil {
		return nil, err
	}
	if w.Site != site {
		return nil, fmt.Errorf("%w: %q, not %q", ErrForeign, w.Site, site)
	}
	if c.authority, err = x509.ParseCertificate(w.Authority); err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	return c, nil
}

// greet asks for what every user may know, and keeps what stands now.
func (c *Client) greet() (w welcome, err error) {
	r, err := c.call(request{Op: opHello})
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal(r.Data, &w); err != nil {
		return w, fmt.Errorf("%w: %w", errFrame, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = w.standing
	return w, nil
}

// Close ends the connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.idle {
		n.Close()
	}
	c.idle = nil
}

// call asks, and asks again after a restart of the other side: each operation
// can be done twice.
func (c *Client) call(r request) (reply, error) {
	deadline := time.Now().Add(waitLimit)
	for {
		out, err := c.once(r)
		if err == nil || errors.Is(err, errFrame) || time.Now().After(deadline) {
			return c.judged(out, err)
		}
		<-time.After(retryIn)
	}
}

// judged turns a reply's code into an error.
func (c *Client) judged(r reply, err error) (reply, error) {
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrAway, err)
	}
	if r.Code == "" {
		return r, nil
	}
	known, ok := codes[r.Code]
	if !ok {
		return r, fmt.Errorf("ask central sign: %w", errors.New(r.Text))
	}
	if errors.Is(known, issuer.ErrRefused) {
		c.refused(r.Text)
	}
	return r, &answerError{known, r.Text}
}

// answerError is an error of the other side.
type answerError struct {
	kind error
	text string
}

func (e *answerError) Error() string { return "central sign: " + e.text }

func (e *answerError) Unwrap() error { return e.kind }

func (c *Client) once(r request) (out reply, err error) {
	n, err := c.take()
	if err != nil {
		return out, err
	}
	n.SetDeadline(time.Now().Add(callLimit))
	if err = write(n, r); err == nil {
		err = read(n, &out, nil)
	}
	if err != nil {
		n.Close()
		return out, err
	}
	c.give(n)
	return out, nil
}

func (c *Client) take() (net.Conn, error) {
	c.mu.Lock()
	if k := len(c.idle); k > 0 {
		n := c.idle[k-1]
		c.idle = c.idle[:k-1]
		c.mu.Unlock()
		return n, nil
	}
	c.mu.Unlock()
	return net.DialTimeout("unix", c.socket, callLimit)
}

func (c *Client) give(n net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) >= maxIdle {
		n.Close()
		return
	}
	c.idle = append(c.idle, n)
}

// Mint implements issuer.Passes.
func (c *Client) Mint(p pass.Pass) (pass.Pass, []byte, error) {
	r, err := c.call(request{Op: opMint, Pass: &p})
	if err != nil || r.Pass == nil {
		return p, nil, errors.Join(err, missing(r.Pass == nil && err == nil))
	}
	return *r.Pass, r.Data, nil
}

func missing(is bool) error {
	if is {
		return fmt.Errorf("%w: a field is missing", errFrame)
	}
	return nil
}

// Index implements issuer.Passes.
func (c *Client) Index(day pass.Day, number, capacity uint32) (uint32, error) {
	r, err := c.call(request{Op: opIndex, Day: day, Number: uint64(number), Of: capacity})
	return uint32(r.Number), err
}

// Holder implements issuer.Passes.
func (c *Client) Holder(day pass.Day, person string) (ref [8]byte, err error) {
	r, err := c.call(request{Op: opHolder, Day: day, Name: person})
	copy(ref[:], r.Data)
	return ref, err
}

// LiveKey implements issuer.Passes.
func (c *Client) LiveKey(p *pass.Pass) (k pass.LiveKey, err error) {
	r, err := c.call(request{Op: opLive, Pass: p})
	copy(k[:], r.Data)
	return k, err
}

// Short implements issuer.Passes.
func (c *Client) Short(p *pass.Pass, generation uint8) (pass.Short, error) {
	r, err := c.call(request{Op: opShort, Pass: p, Number: uint64(generation)})
	if err != nil {
		return pass.Short{}, err
	}
	s, reason := pass.ParseShort(pass.ShortBits, fmt.Appendf(nil, "%016X", r.Number))
	return s, missing(reason != pass.Granted)
}

// signer signs with one role over the socket.
type signer struct {
	client *Client
	op     op
}

func (s signer) KeyID() (id link.KeyID) {
	now := s.client.standing()
	if s.op == opStatus {
		copy(id[:], now.StatusID)
	} else {
		copy(id[:], now.KeysetID)
	}
	return id
}

// Sign signs with the key of KeyID. ErrKeyChanged if that is in force no more;
// the next message is signed with the one that is.
func (s signer) Sign(message []byte) ([]byte, error) {
	id := s.KeyID()
	r, err := s.client.call(request{Op: s.op, Data: message, Signer: id[:]})
	if errors.Is(err, link.ErrKeyChanged) {
		_, again := s.client.greet()
		err = errors.Join(err, again)
	}
	return r.Data, err
}

// Status implements issuer.Feed.
func (c *Client) Status() link.Signer { return signer{c, opStatus} }

// Keyset implements issuer.Custody.
func (c *Client) Keyset() link.Signer { return signer{c, opKeyset} }

// StatusKeys implements issuer.Feed.
func (c *Client) StatusKeys() link.Keys {
	var keys []ed25519.PublicKey
	for _, k := range c.standing().Status {
		keys = append(keys, k)
	}
	return link.KeysOf(keys...)
}

func (c *Client) standing() standing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Renew implements issuer.Feed.
func (c *Client) Renew(from, to pass.Day, test bool, _ time.Time) error {
	r, err := c.call(request{Op: opRenew, Day: from, To: to, Test: test})
	if err != nil {
		return err
	}
	return c.learn(r)
}

// learn keeps what stands now.
func (c *Client) learn(r reply) error {
	var now standing
	if err := json.Unmarshal([]byte(r.Text), &now); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
	return nil
}

// Keys implements issuer.Feed.
func (c *Client) Keys() (link.Keyset, []byte, error) {
	r, err := c.call(request{Op: opKeys})
	if err != nil || r.Keyset == nil {
		return link.Keyset{}, nil, errors.Join(err, missing(err == nil))
	}
	return *r.Keyset, r.Data, c.learn(r)
}

// SealGateKeys implements issuer.Feed.
func (c *Client) SealGateKeys(g issuer.GateKeys) ([]byte, error) {
	r, err := c.call(request{Op: opGateKeys, Name: g.Lane, Number: g.Version, Data: g.To.Bytes(), Days: g.Days})
	return r.Data, err
}

// Authority implements issuer.Certificates.
func (c *Client) Authority() *x509.Certificate { return c.authority }

// AuthorityHash implements issuer.Certificates.
func (c *Client) AuthorityHash() link.Hash { return sha256.Sum256(c.authority.Raw) }

// Root implements issuer.Certificates: as of the last Renew.
func (c *Client) Root() link.Root { return c.standing().Root }

// certificate asks for one and checks that it is the authority's.
func (c *Client) certificate(r request) (*x509.Certificate, error) {
	out, err := c.call(r)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(out.Data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	return cert, nil
}

// SignLane implements issuer.Certificates.
func (c *Client) SignLane(csr []byte, lane string, _ time.Time) (*x509.Certificate, error) {
	return c.certificate(request{Op: opLane, Data: csr, Name: lane})
}

// SignServer implements issuer.Servers.
func (c *Client) SignServer(csr []byte, hosts []string, _ time.Time) (*x509.Certificate, error) {
	return c.certificate(request{Op: opServer, Data: csr, Hosts: hosts})
}

// SignCentral implements issuer.Servers.
func (c *Client) SignCentral(csr []byte, _ time.Time) (*x509.Certificate, error) {
	return c.certificate(request{Op: opCentral, Data: csr})
}

// RevocationList implements issuer.Servers.
func (c *Client) RevocationList(serials []*big.Int, _ time.Time) ([]byte, error) {
	r := request{Op: opRevoked}
	for _, s := range serials {
		r.Serials = append(r.Serials, s.Bytes())
	}
	out, err := c.call(r)
	return out.Data, err
}

// PassKeys implements issuer.Custody: the newest few hundred.
func (c *Client) PassKeys() (list []issuer.KeyState, err error) {
	r, err := c.call(request{Op: opPassKeys})
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(r.Data, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	return list, nil
}

// Withdraw implements issuer.Custody.
func (c *Client) Withdraw(id uint16, _ time.Time) error {
	_, err := c.call(request{Op: opWithdraw, Number: uint64(id)})
	return err
}

// Delegation implements issuer.Custody.
func (c *Client) Delegation() (issuer.DelegationState, error) {
	r, err := c.call(request{Op: opDelegation})
	if err != nil {
		return issuer.DelegationState{}, err
	}
	var w delegationWire
	if err := json.Unmarshal(r.Data, &w); err != nil {
		return w.DelegationState, fmt.Errorf("%w: %w", errFrame, err)
	}
	if w.Problem != "" {
		w.DelegationState.Problem = errors.New(w.Problem)
	}
	return w.DelegationState, nil
}
