package office

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"

	"turnstile/central/rights"
)

// Tries with a bad token that one address has: ten at once, then one in 6 s.
const (
	badTokenBurst = 10
	badTokenEvery = 6 * time.Second
)

// Bounds of what the gate remembers.
const (
	maxAddresses = 4096
	maxGood      = 1024
	maxSecret    = 256 // characters of a token
)

var errTooMany = errors.New("too many bad tokens")

// tokenGate checks tokens and slows down those who guess. A guesser's address is
// locked for unknown tokens only: everybody behind one proxy, or on this machine,
// has the same address and works on with a token that was good before.
type tokenGate struct {
	tokens Tokens
	now    func() time.Time

	mu   sync.Mutex // guards the following
	bad  map[netip.Prefix]*rate.Limiter
	good map[[sha256.Size]byte]bool // hashes of tokens that were good
}

func newTokenGate(t Tokens, now func() time.Time) *tokenGate {
	return &tokenGate{tokens: t, now: now, bad: map[netip.Prefix]*rate.Limiter{}, good: map[[sha256.Size]byte]bool{}}
}

// check returns the token of a secret, ErrNotFound, errTooMany, or an error of
// the store.
func (g *tokenGate) check(ctx context.Context, from netip.Addr, secret string) (Token, error) {
	hash := sha256.Sum256([]byte(secret))
	if g.locked(from, hash) {
		return Token{}, errTooMany
	}
	if secret == "" || len(secret) > maxSecret {
		g.note(from, hash, false)
		return Token{}, ErrNotFound
	}
	t, err := g.tokens.Check(ctx, secret)
	if err == nil || errors.Is(err, ErrNotFound) {
		g.note(from, hash, err == nil)
	}
	return t, err
}

func (g *tokenGate) locked(from netip.Addr, hash [sha256.Size]byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.bad[network(from)]
	return l != nil && !g.good[hash] && l.TokensAt(g.now()) < 1
}

// note remembers how a check came out.
func (g *tokenGate) note(from netip.Addr, hash [sha256.Size]byte, good bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if good {
		makeRoom(g.good, maxGood)
		g.good[hash] = true
		return
	}
	delete(g.good, hash)
	n := network(from)
	if g.bad[n] == nil {
		makeRoom(g.bad, maxAddresses)
		g.bad[n] = rate.NewLimiter(rate.Every(badTokenEvery), badTokenBurst)
	}
	g.bad[n].AllowN(g.now(), 1)
}

// makeRoom drops any one element of a full map: forgetting one costs little,
// growing without bound would be an attack.
func makeRoom[K comparable, V any](m map[K]V, limit int) {
	for k := range m {
		if len(m) < limit {
			return
		}
		delete(m, k)
	}
}

// network is what one guesser can have at will: an IPv4 address, an IPv6 /64.
func network(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address at all: one bucket for these
	}
	return p
}

// needKey is where an operation's metadata has the permission that it needs.
const needKey = "permission"

// operation completes the description of a route: what it may be called by and
// how much it reads.
func operation(need rights.Permission, id, method, path, summary string, problems ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: Base + path, Summary: summary, MaxBodyBytes: MaxBody,
		Description: "Needs the permission " + string(need) + ".",
		Errors:      append([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}, problems...),
		Security:    []map[string][]string{{"token": {}}},
		Metadata:    map[string]any{needKey: need},
	}
}

type callerKey struct{}

// caller returns the name of the token that the request came with.
func caller(ctx context.Context) string {
	t, _ := ctx.Value(callerKey{}).(Token)
	return t.Name
}

// authorize lets a request through to its handler, before anything of it is
// read, if its token's role has the permission that the operation needs.
func (a *api) authorize(h huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		scheme, secret, _ := strings.Cut(ctx.Header("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			secret = ""
		}
		t, err := a.gate.check(ctx.Context(), remote(ctx.RemoteAddr()), strings.TrimSpace(secret))
		if err != nil {
			a.refuseToken(h, ctx, err)
			return
		}
		need, _ := ctx.Operation().Metadata[needKey].(rights.Permission)
		if !t.Role.Permissions().Has(need) {
			huma.WriteErr(h, ctx, http.StatusForbidden, "The token "+t.Name+" has the role "+string(t.Role)+", which lacks "+string(need)+
				". An operator makes another one with: central token create NAME --role ROLE")
			return
		}
		next(huma.WithValue(ctx, callerKey{}, t))
		if ctx.Method() != http.MethodGet {
			a.log.Info("request", "operation", ctx.Operation().OperationID, "by", t.Name, "path", ctx.URL().Path, "status", ctx.Status())
		}
	}
}

func (a *api) refuseToken(h huma.API, ctx huma.Context, err error) {
	switch {
	case errors.Is(err, errTooMany):
		ctx.SetHeader("Retry-After", "6")
		huma.WriteErr(h, ctx, http.StatusTooManyRequests, "Too many bad tokens from this address; wait a few seconds and check the token.")
	case errors.Is(err, ErrNotFound):
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="turnstile"`)
		huma.WriteErr(h, ctx, http.StatusUnauthorized, "No valid token. Send Authorization: Bearer TOKEN; an operator makes one with: central token create NAME --role viewer")
	default:
		a.log.Error("check token", "cause", err)
		huma.WriteErr(h, ctx, http.StatusInternalServerError, "Central could not check the token; its log has the cause.")
	}
}
