package office

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"
)

// Rate bounds how often somebody may ask.
type Rate struct {
	PerSecond int // requests in the long run
	Burst     int // requests at once
}

// The rates of callers that Options names none for. An address is a whole
// network behind a gateway; this machine's own addresses have no rate, because
// a proxy on it would make all of its users one.
var (
	defaultTokenRate   = Rate{PerSecond: 200, Burst: 2000}
	defaultAddressRate = Rate{PerSecond: 400, Burst: 4000}
)

// generation is how many callers a limiter remembers of those that were seen
// lately, and how many of those before.
const generation = 4096

// limiter counts the requests of each caller. It remembers at most two
// generations: when the young one is full it becomes the old one, and who asks
// again moves into the young. Forgotten are those that have not asked for the
// longest, whose count is full again or nearly so.
type limiter[K comparable] struct {
	name string // in the RateLimit headers
	rate Rate
	now  func() time.Time

	mu         sync.Mutex // guards the following
	young, old map[K]*rate.Limiter
}

func newLimiter[K comparable](name string, r, standard Rate, now func() time.Time) *limiter[K] {
	if r.PerSecond <= 0 || r.Burst <= 0 {
		r = standard
	}
	return &limiter[K]{name: name, rate: r, now: now, young: map[K]*rate.Limiter{}}
}

// of returns a caller's limiter.
func (l *limiter[K]) of(k K) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.young[k]; r != nil {
		return r
	}
	r := l.old[k]
	if r == nil {
		r = rate.NewLimiter(rate.Limit(l.rate.PerSecond), l.rate.Burst)
	}
	if len(l.young) >= generation {
		l.old, l.young = l.young, map[K]*rate.Limiter{}
	}
	l.young[k] = r
	return r
}

// take counts a request; ok is false if it is one too many, and then wait is how
// long until there is room for one. left is how many more there is room for.
func (l *limiter[K]) take(k K) (left int, wait time.Duration, ok bool) {
	r, now := l.of(k), l.now()
	ok = r.AllowN(now, 1)
	tokens := r.TokensAt(now)
	if !ok {
		wait = time.Duration((1 - tokens) / float64(l.rate.PerSecond) * float64(time.Second))
	}
	return max(int(tokens), 0), wait, ok
}

// window is in how many seconds a whole burst comes back.
func (l *limiter[K]) window() int {
	return int(math.Ceil(float64(l.rate.Burst) / float64(l.rate.PerSecond)))
}

// withinLimit counts a request of a caller and answers it if it is one too many.
// The headers are those of draft-ietf-httpapi-ratelimit-headers.
func withinLimit[K comparable](a *api, ctx huma.Context, l *limiter[K], k K) bool {
	left, wait, ok := l.take(k)
	back := math.Ceil(float64(l.rate.Burst-left) / float64(l.rate.PerSecond))
	ctx.AppendHeader("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", l.name, l.rate.Burst, l.window()))
	ctx.AppendHeader("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", l.name, left, int(back)))
	if ok {
		return true
	}
	seconds := int(math.Ceil(wait.Seconds()))
	ctx.SetHeader("Retry-After", strconv.Itoa(max(seconds, 1)))
	a.refuse(ctx, problemRate, fmt.Sprintf("More than %d requests a second of this %s; wait %d s. For many passes there is the call for many at once.", l.rate.PerSecond, l.name, max(seconds, 1)))
	return false
}

// limitAddress counts requests by address, before anything else is done for them.
func (a *api) limitAddress(ctx huma.Context, next func(huma.Context)) {
	from := remote(ctx.RemoteAddr())
	if from.IsLoopback() || withinLimit(a, ctx, a.byAddress, network(from)) {
		next(ctx)
	}
}

// limiters are the two that the API has.
type limiters struct {
	byAddress *limiter[netip.Prefix]
	byToken   *limiter[string]
}
