// Package throttle counts tries in SQL, and makes who failed often wait.
//
// A try is counted before it is judged, as failed, for each subject that it is
// of: an account, a network, a browser. After some failures each next try has to
// wait, twice as long as the one before. What succeeded is forgotten. Counts
// outlive a restart, and hold for all centrals on one database.
package throttle

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// How long a subject waits at most, and is remembered.
const (
	MaxWait = 15 * time.Minute
	forget  = 24 * time.Hour
)

// ErrWait is what every *Wait is.
var ErrWait = errors.New("too many tries")

// Wait refuses a try because of those before it; it is an ErrWait.
type Wait struct{ Until time.Time }

// Error says until when.
func (w *Wait) Error() string {
	return "too many tries: wait until " + w.Until.UTC().Format(time.TimeOnly)
}

// Unwrap makes errors.Is(err, ErrWait) true.
func (w *Wait) Unwrap() error { return ErrWait }

// Counter keeps the counts; *database.DB is one.
type Counter interface {
	Try(ctx context.Context, subjects []string, at, forget int64, delay func(subject string, failed int64) int64) (until int64, err error)
	Succeeded(ctx context.Context, subjects []string, back string) error
}

// Free is how many failures of a kind of subject cost nothing. The kind is the
// first word of a subject.
type Free map[string]int64

// Throttle slows down who tries much. Safe for concurrent use.
type Throttle struct {
	count Counter
	free  Free
	now   func() time.Time
}

// New returns a Throttle; a kind that free does not name has none free.
func New(count Counter, free Free, now func() time.Time) *Throttle {
	return &Throttle{count, free, now}
}

// delay returns how long (ms) to wait after that many failures of a subject.
func (t *Throttle) delay(subject string, failed int64) int64 {
	kind, _, _ := strings.Cut(subject, " ")
	free := t.free[kind]
	if failed < free {
		return 0
	}
	return min((time.Second << min(failed-free, 20)).Milliseconds(), MaxWait.Milliseconds())
}

// Try counts a try of each subject; *Wait, and nothing is counted, if it comes too
// early for one of them.
func (t *Throttle) Try(ctx context.Context, subjects ...string) error {
	until, err := t.count.Try(ctx, subjects, t.now().UnixMilli(), forget.Milliseconds(), t.delay)
	if err != nil {
		return fmt.Errorf("count a try: %w", err)
	}
	if until != 0 {
		return &Wait{time.UnixMilli(until)}
	}
	return nil
}

// Succeeded forgets the failures of the first subject of a try, and takes the one
// back that Try counted of the second: what others of a network did stays.
func (t *Throttle) Succeeded(ctx context.Context, subjects ...string) error {
	back := ""
	if len(subjects) > 1 {
		subjects, back = subjects[:1], subjects[1]
	}
	if err := t.count.Succeeded(ctx, subjects, back); err != nil {
		return fmt.Errorf("forget tries: %w", err)
	}
	return nil
}

// Named is the subject of a kind for what somebody typed, by a hash: that may be
// a password in the wrong field.
func Named(kind, typed string) string {
	sum := sha256.Sum256([]byte("turnstile-" + kind + "-1\x00" + typed))
	return kind + " " + base64.RawURLEncoding.EncodeToString(sum[:])
}

// Network is the subject of a kind for what one guesser can have at will: an IPv4
// address, an IPv6 /64.
func Network(kind string, ip net.IP) string {
	if four := ip.To4(); four != nil {
		return kind + " " + four.String()
	}
	if ip == nil {
		return kind + " ?"
	}
	return kind + " " + ip.Mask(net.CIDRMask(64, 128)).String() + "/64"
}

// Address is the network address that a request came from; nil if it has none.
func Address(r *http.Request) net.IP {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return net.ParseIP(host)
}
