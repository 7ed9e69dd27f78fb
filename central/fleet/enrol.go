package fleet

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/link"
)

// The codes of a refused enrolment (link.EnrolProblem).
const (
	codeUnknown   = "token_unknown"
	codeUsed      = "token_used"
	codeExpired   = "token_expired"
	codeMalformed = "request_malformed"
	codeTooMany   = "too_many"
	codeTryAgain  = "try_again"
)

// problem is a refused enrolment on its way to the lane.
type problem struct {
	status int
	link.EnrolProblem
}

func (p *problem) Error() string { return p.Code }

func refuse(status int, code, detail string) error {
	return &problem{status, link.EnrolProblem{Code: code, Detail: detail}}
}

const newToken = "make a new one with: central lane add ID"

// Handler serves link.EnrolPath and link.RenewPath; to be served over TLS with a
// certificate of the authority alone, by a server that asks for client
// certificates and verifies nothing but that their keys are there
// (tls.RequestClientCert): an enrolling lane has none, and one that renews may
// come with an ended one. Everything else is not found.
func (f *Fleet) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+link.EnrolPath, func(w http.ResponseWriter, r *http.Request) {
		answer, err := f.enrolFrom(w, r)
		f.reply(w, r, "enrol lane", answer, err)
	})
	mux.HandleFunc("POST "+link.RenewPath, func(w http.ResponseWriter, r *http.Request) {
		answer, err := f.renewFrom(w, r)
		f.reply(w, r, "renew certificate", answer, err)
	})
	return mux
}

// reply answers with body, or with why not.
func (f *Fleet) reply(w http.ResponseWriter, r *http.Request, what string, body any, err error) {
	status := http.StatusOK
	if err != nil {
		var p *problem
		if !errors.As(err, &p) {
			f.config.Log.Error(what, "error", err)
			p = &problem{http.StatusServiceUnavailable, link.EnrolProblem{Code: codeTryAgain, Detail: "central could not do it now; try again, and see central's log"}}
		}
		f.config.Log.Warn("refused", "what", what, "address", r.RemoteAddr, "code", p.Code)
		status, body = p.status, p.EnrolProblem
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		f.config.Log.Warn("answer", "what", what, "error", err)
	}
}

func (f *Fleet) enrolFrom(w http.ResponseWriter, r *http.Request) (*link.EnrolAnswer, error) {
	if !f.gate.allow(r.RemoteAddr, f.config.Now()) {
		return nil, refuse(http.StatusTooManyRequests, codeTooMany, "wait a minute and try again")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, link.MaxEnrol))
	if err != nil {
		return nil, refuse(http.StatusRequestEntityTooLarge, codeMalformed, fmt.Sprintf("send at most %d bytes", link.MaxEnrol))
	}
	request, err := ParseRequest(body)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, codeMalformed, "update the agent so that it fits this central")
	}
	return f.enrol(r.Context(), request)
}

// errRequest tells that an enrolment request is not one.
var errRequest = errors.New("enrolment request malformed")

// ParseRequest reads the JSON of an enrolment request and checks all lengths.
func ParseRequest(body []byte) (*link.EnrolRequest, error) {
	var r link.EnrolRequest
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", errRequest, err)
	}
	var t link.EnrolToken
	if len(r.TokenID) != len(t.ID) || len(r.TokenSecret) != len(t.Secret) || len(r.CSR) == 0 ||
		len(r.JournalKey) != ed25519.PublicKeySize || len(r.SealKey) != 32 {
		return nil, fmt.Errorf("%w: a field has the wrong length", errRequest)
	}
	return &r, nil
}

func (f *Fleet) enrol(ctx context.Context, r *link.EnrolRequest) (*link.EnrolAnswer, error) {
	now := f.config.Now()
	i, err := f.invitation(ctx, r, now)
	if err != nil {
		return nil, err
	}
	row, err := f.admit(i.Lane, r, now)
	if err != nil {
		return nil, err
	}
	m, err := newMember(f.config.Site, row)
	if err != nil {
		return nil, err
	}
	f.changing.Lock()
	defer f.changing.Unlock()
	if err := f.refresh(ctx); err != nil {
		return nil, err
	}
	var old database.Removed
	if before := f.member(i.Lane); before != nil {
		old = removed(before, now.UnixMilli())
	}
	err = f.config.DB.Enrol(ctx, i, row, old)
	if errors.Is(err, database.ErrConflict) {
		return nil, refuse(http.StatusForbidden, codeUsed, "this token was used already; "+newToken)
	}
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.put(i.Lane, m)
	f.mu.Unlock()
	f.config.Log.Info("lane enrolled", "lane", i.Lane)
	f.config.Enrolled(ctx, i.Lane)
	brokers := strings.Split(f.config.Broker(), ",")
	answer := &link.EnrolAnswer{Lane: i.Lane, Site: f.config.Site, Certificate: row.Certificate,
		Authority: f.config.Issuer.Authority().Raw, Root: f.config.Issuer.Root(), Broker: brokers[0]}
	if len(brokers) > 1 {
		answer.Brokers = brokers
	}
	return answer, nil
}

// invitation finds the invitation that the request's token opens. A wrong secret
// is told like an unknown id.
func (f *Fleet) invitation(ctx context.Context, r *link.EnrolRequest, now time.Time) (database.Invitation, error) {
	i, err := f.config.DB.Invitation(ctx, r.TokenID)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return i, err
	}
	secret := sha256.Sum256(r.TokenSecret)
	if subtle.ConstantTimeCompare(secret[:], i.Secret[:]) != 1 || err != nil {
		return i, refuse(http.StatusForbidden, codeUnknown, "central does not know this token; "+newToken)
	}
	if i.Used != 0 {
		return i, refuse(http.StatusForbidden, codeUsed, "this token was used already; "+newToken)
	}
	if now.UnixMilli() >= i.Expires {
		return i, refuse(http.StatusForbidden, codeExpired, "this token has expired; "+newToken)
	}
	return i, nil
}

// admit signs the lane's certificate and checks its keys.
func (f *Fleet) admit(lane string, r *link.EnrolRequest, now time.Time) (row database.Lane, err error) {
	seal, err := ecdh.X25519().NewPublicKey(r.SealKey)
	if err == nil {
		_, err = link.SealGateKeys(f.config.Site, lane, 1, seal, nil) // fails for a key that seals nothing
	}
	if err != nil {
		return row, refuse(http.StatusBadRequest, codeMalformed, "the sealing key is none; delete the agent's keys and enrol again")
	}
	c, err := f.config.Issuer.SignLane(r.CSR, lane, now)
	if errors.Is(err, issuer.ErrRequest) {
		return row, refuse(http.StatusBadRequest, codeMalformed, "the certificate request is damaged; delete the agent's keys and enrol again")
	}
	if err != nil {
		return row, err
	}
	return database.Lane{ID: lane, Enrolled: now.UnixMilli(), Expires: c.NotAfter.UnixMilli(), Certificate: c.Raw,
		JournalKey: r.JournalKey, SealKey: r.SealKey}, nil
}

// limiter bounds enrolments: all together, and from one host.
type limiter struct {
	mu    sync.Mutex
	all   *rate.Limiter
	hosts map[string]*rate.Limiter
}

// Enrolling costs a signature; guessing a token is hopeless anyhow. All lanes of
// a campus may come from one address.
const (
	enrolPerSecond     = 50
	enrolBurst         = 500
	enrolHostPerSecond = 10
	enrolHostBurst     = 200
	maxHosts           = 1024 // then all are forgotten
)

// network is whom an address is counted with: an IPv4 address is one host, an
// IPv6 host has all 2^64 addresses of its network.
func network(address string) string {
	p, err := netip.ParseAddrPort(address)
	if err != nil {
		return address
	}
	a := p.Addr().Unmap().WithZone("")
	if a.Is6() {
		n, err := a.Prefix(64)
		if err == nil {
			return n.String()
		}
	}
	return a.String()
}

func (l *limiter) allow(address string, now time.Time) bool {
	host := network(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = rate.NewLimiter(enrolPerSecond, enrolBurst)
	}
	if l.hosts == nil || len(l.hosts) >= maxHosts {
		l.hosts = map[string]*rate.Limiter{}
	}
	h, ok := l.hosts[host]
	if !ok {
		h = rate.NewLimiter(enrolHostPerSecond, enrolHostBurst)
		l.hosts[host] = h
	}
	return h.AllowN(now, 1) && l.all.AllowN(now, 1)
}
