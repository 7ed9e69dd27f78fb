package neighbours

import (
	"net/netip"
	"time"
)

// How much is checked. A signature costs about 50 us, so all of it is at most a
// twentieth of one core; a hundred controllers at rush hour send about 300
// messages a second.
const (
	brokerRate   = 400.0 // a second
	trustedRate  = 400.0 // from addresses that good messages come from
	strangerRate = 100.0 // from all others together
	sourceRate   = 40.0  // from one address
	forgedCost   = 20.0  // what a bad signature costs its address beside
	burst        = 2.0   // seconds' worth that may come at once
	maxSources   = 1024  // addresses that are told apart
	sourceLife   = time.Minute
)

// bucket is a token bucket. A clock that jumps fills it or does nothing.
type bucket struct {
	rate, left float64
	at         time.Time
}

func newBucket(rate float64) bucket { return bucket{rate: rate, left: burst * rate} }

// take takes amount tokens; false if they are not there.
func (b *bucket) take(now time.Time, amount float64) bool {
	if d := now.Sub(b.at); d > 0 {
		b.left = min(b.left+b.rate*d.Seconds(), burst*b.rate)
	}
	b.at = now
	if b.left < amount {
		return false
	}
	b.left -= amount
	return true
}

// limits are the bounds on what others make this controller do.
type limits struct {
	broker, trusted, strange bucket
	sources                  map[netip.Addr]*source
}

// source is an address on the gate network.
type source struct {
	bucket
	good time.Time // when the last good message came
	last time.Time
}

func newLimits() limits {
	return limits{broker: newBucket(brokerRate), trusted: newBucket(trustedRate), strange: newBucket(strangerRate), sources: map[netip.Addr]*source{}}
}

// source returns an address's bucket; nil if too many addresses are told apart.
func (l *limits) source(from netip.Addr, now time.Time) *source {
	s := l.sources[from]
	if s == nil {
		if len(l.sources) >= maxSources {
			l.forget(now)
		}
		if len(l.sources) >= maxSources {
			return nil
		}
		s = &source{bucket: newBucket(sourceRate)}
		l.sources[from] = s
	}
	s.last = now
	return s
}

// forget drops addresses from which nothing good comes, or nothing at all.
func (l *limits) forget(now time.Time) {
	for a, s := range l.sources {
		if now.Sub(s.good) > sourceLife || now.Sub(s.last) > sourceLife {
			delete(l.sources, a)
		}
	}
}

// allow reports whether a signature from the address may be checked.
func (l *limits) allow(s *source, now time.Time, amount float64) bool {
	if s == nil {
		return l.strange.take(now, amount)
	}
	if !s.take(now, amount) {
		return false
	}
	if now.Sub(s.good) <= sourceLife {
		return l.trusted.take(now, amount)
	}
	return l.strange.take(now, amount)
}
