package office

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"

	"turnstile/central/requestlog"
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

// call is who asks for what.
type call struct {
	token  Token
	secret string // of the token
	url    url.URL
}

type callKey struct{}

func callOf(ctx context.Context) call {
	c, _ := ctx.Value(callKey{}).(call)
	return c
}

// caller returns the name of the token that the request came with.
func caller(ctx context.Context) string { return callOf(ctx).token.Name }

// authorize lets a request through to its handler, before anything of it is
// read, if its token has the permission that the operation needs.
func (a *api) authorize(ctx huma.Context, next func(huma.Context)) {
	secret := bearer(ctx.Header("Authorization"))
	t, err := a.gate.check(ctx.Context(), remote(ctx.RemoteAddr()), secret)
	if err != nil {
		a.refuseToken(ctx, err)
		return
	}
	requestlog.Actor(ctx.Context(), t.Name)
	if !a.allowed(ctx, t) || !withinLimit(a, ctx, a.byToken, t.ID) {
		return
	}
	next(huma.WithValue(ctx, callKey{}, call{t, secret, ctx.URL()}))
}

// allowed answers what a token may not ask for. A token that is limited to some
// lane controllers may only ask about one of these, in the path or as lane=: what
// is not about one lane controller it may not ask at all.
func (a *api) allowed(ctx huma.Context, t Token) bool {
	need, _ := ctx.Operation().Metadata[needKey].(rights.Permission)
	switch lane := laneOf(ctx); {
	case !t.Permissions().Has(need):
		a.refuse(ctx, problemForbidden, "The token "+t.Name+" "+t.mayDo()+", which lacks "+string(need)+
			". An operator makes another one with: central token create NAME --role ROLE, or --scope "+string(need))
		return false
	case len(t.Lanes) > 0 && !slices.Contains(t.Lanes, lane):
		a.refuse(ctx, problemLanes, "The token "+t.Name+" is limited to the lane controllers "+strings.Join(t.Lanes, ", ")+
			"; name one of them, in the path or as lane=, or use another token.")
		return false
	}
	return true
}

// laneOf returns the lane controller that a request is about, "" if it is not
// about one. A command's id begins with it.
func laneOf(ctx huma.Context) string {
	if strings.HasPrefix(ctx.Operation().Path, Base+"/commands/{id}") {
		lane, _, _ := strings.Cut(ctx.Param("id"), ".")
		return lane
	}
	if rest, ok := strings.CutPrefix(ctx.Operation().Path, Base+"/lanes/{"); ok {
		name, _, _ := strings.Cut(rest, "}")
		return ctx.Param(name)
	}
	return ctx.Query("lane")
}

func (a *api) refuseToken(ctx huma.Context, err error) {
	switch {
	case errors.Is(err, errTooMany):
		ctx.SetHeader("Retry-After", "6")
		a.refuse(ctx, problemGuessing, "Too many bad tokens from this address; wait a few seconds and check the token.")
	case errors.Is(err, ErrNotFound):
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="turnstile"`)
		a.refuse(ctx, problemToken, "No valid token. Send Authorization: Bearer TOKEN; an operator makes one with: central token create NAME --role viewer")
	default:
		a.log.Error("check token", "cause", err)
		a.refuse(ctx, problemInternal, "Central could not check the token; its log has the cause.")
	}
}
