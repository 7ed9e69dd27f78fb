package sign

import (
	"fmt"
	"reflect"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"turnstile/central/issuer"
)

// Limits are how much one minute may take at most, for each role (of Lookups: one
// day). What is above is refused and alarmed. 0 is the default.
type Limits struct {
	Mint int `yaml:"mint"` // passes signed; default 3000
	// Reissues are passes that are signed once more, within an hour after a pass key
	// was withdrawn; else they count as others do. Default 60000.
	Reissues     int `yaml:"reissues"`
	Live         int `yaml:"live"`         // live keys and short codes; default 6000
	Feed         int `yaml:"feed"`         // heads, deltas, snapshots, rules; default 6000
	Releases     int `yaml:"releases"`     // revoked or held passes that are good again; default 600
	Answers      int `yaml:"answers"`      // acknowledgements, time, uses; default 120000
	Certificates int `yaml:"certificates"` // of lanes and of central's servers; default 600
	GateKeys     int `yaml:"gate_keys"`    // messages with gate keys; default 6000
	Withdrawals  int `yaml:"withdrawals"`  // pass keys; default 10
	Codes        int `yaml:"codes"`        // supervisor codes; default 100, five sheets
	Commands     int `yaml:"commands"`     // that open a lane once or make it show itself; default 60
	// Lookups are orders of indexes and pseudonyms, of a whole day and not of a
	// minute: issuing a pass takes two. Who asks for all people of a city is stopped.
	// Default 1000000.
	Lookups int `yaml:"lookups"`
}

// DefaultLimits are what a campus of 30,000 passes a day and 500 lanes needs at
// its busiest minute, a few times over.
func DefaultLimits() Limits {
	return Limits{Mint: 3000, Reissues: 60000, Live: 6000, Feed: 6000, Releases: 600, Answers: 120000, Certificates: 600, GateKeys: 6000, Withdrawals: 10, Codes: 100, Commands: 60, Lookups: 1_000_000}
}

// limit names one of Limits.
type limit string

const (
	limitMint         limit = "mint"
	limitReissues     limit = "reissues"
	limitLive         limit = "live"
	limitFeed         limit = "feed"
	limitReleases     limit = "releases"
	limitAnswers      limit = "answers"
	limitCertificates limit = "certificates"
	limitGateKeys     limit = "gate_keys"
	limitWithdrawals  limit = "withdrawals"
	limitCodes        limit = "codes"
	limitCommands     limit = "commands"
	limitLookups      limit = "lookups"
)

// period is the time that a limit is of, and its name.
func (l limit) period() (time.Duration, string) {
	if l == limitLookups {
		return 24 * time.Hour, "day"
	}
	return time.Minute, "minute"
}

// Check returns an error for a negative limit.
func (l Limits) Check() error {
	for i, v := 0, reflect.ValueOf(l); i < v.NumField(); i++ {
		if v.Field(i).Int() < 0 {
			return fmt.Errorf("%s: want 1 or more, or 0 for the default", v.Type().Field(i).Tag.Get("yaml"))
		}
	}
	return nil
}

// complete puts defaults where nothing is set.
func (l Limits) complete() Limits {
	have, want := reflect.ValueOf(&l).Elem(), reflect.ValueOf(DefaultLimits())
	for i := range have.NumField() {
		if have.Field(i).Int() == 0 {
			have.Field(i).Set(want.Field(i))
		}
	}
	return l
}

// budget is what is left of the minute; safe for concurrent use.
type budget struct {
	mu      sync.Mutex
	buckets map[limit]*rate.Limiter
}

func newBudget(l Limits) *budget {
	l = l.complete()
	b := &budget{buckets: map[limit]*rate.Limiter{}}
	v := reflect.ValueOf(l)
	for i := range v.NumField() {
		n, l := int(v.Field(i).Int()), limit(v.Type().Field(i).Tag.Get("yaml"))
		period, _ := l.period()
		b.buckets[l] = rate.NewLimiter(rate.Limit(float64(n)/period.Seconds()), n)
	}
	return b
}

// take takes n of a limit, or nothing: issuer.ErrRefused.
func (b *budget) take(l limit, n int, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.buckets[l].AllowN(now, n) {
		_, period := l.period()
		return fmt.Errorf("%w: more than %d a %s (sign.limits.%s)", issuer.ErrRefused, b.buckets[l].Burst(), period, l)
	}
	return nil
}
