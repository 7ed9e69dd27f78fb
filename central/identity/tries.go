package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Sign-ins with a password are counted in SQL before they are judged, by account
// and by network. After some failures each next try has to wait, twice as long
// as the one before. Nobody can lock somebody else out with that for good: a
// passkey is not counted at all, and a browser in which the person has signed in
// before is counted by itself.
const (
	freeByAccount = 5
	freeByNetwork = 20 // an office behind one address
	freeByBrowser = 5
	maxWait       = 15 * time.Minute
	forgetTries   = 24 * time.Hour
)

// ErrSignIn refuses a sign-in. It says no more, so that nobody learns which
// accounts there are.
var ErrSignIn = errors.New("not signed in")

// Wait refuses a sign-in because of those before it; it is an ErrSignIn.
type Wait struct{ Until time.Time }

// Error says until when.
func (w *Wait) Error() string {
	return "too many tries: wait until " + w.Until.UTC().Format(time.TimeOnly)
}

// Unwrap makes errors.Is(err, ErrSignIn) true.
func (w *Wait) Unwrap() error { return ErrSignIn }

// delay returns how long (ms) to wait after that many failures of a subject.
func delay(subject string, failed int64) int64 {
	free := int64(freeByAccount)
	switch {
	case strings.HasPrefix(subject, networkSubject):
		free = freeByNetwork
	case strings.HasPrefix(subject, browserSubject):
		free = freeByBrowser
	}
	if failed < free {
		return 0
	}
	return min((time.Second << min(failed-free, 20)).Milliseconds(), maxWait.Milliseconds())
}

// Kinds of subjects.
const (
	accountSubject = "account "
	networkSubject = "network "
	browserSubject = "browser "
)

// byName names an account in the counts by a hash: what is typed there may be a
// password in the wrong field.
func byName(name string) string {
	sum := sha256.Sum256([]byte("turnstile-account-1\x00" + name))
	return accountSubject + base64.RawURLEncoding.EncodeToString(sum[:])
}

// byNetwork names what one guesser can have at will: an IPv4 address, an IPv6 /64.
func byNetwork(ip net.IP) string {
	if four := ip.To4(); four != nil {
		return networkSubject + four.String()
	}
	if ip == nil {
		return networkSubject + "?"
	}
	return networkSubject + ip.Mask(net.CIDRMask(64, 128)).String() + "/64"
}

// A browser in which somebody has signed in with a password has a cookie that
// says so.
const (
	knownBrowser     = "turnstile-known"
	knownBrowserTime = 180 * 24 * time.Hour
	sealedBrowser    = "known browser"
)

type browser struct {
	Person string `json:"person"`
	Nonce  string `json:"nonce"`
	Until  int64  `json:"until"` // Unix ms
}

func (i *Identity) browserCookie() string {
	if i.secure() {
		return "__Host-" + knownBrowser
	}
	return knownBrowser
}

// rememberBrowser sets that cookie.
func (i *Identity) rememberBrowser(w http.ResponseWriter, person string) error {
	data, err := json.Marshal(browser{person, rand.Text(), i.config.Now().Add(knownBrowserTime).UnixMilli()})
	if err != nil {
		return fmt.Errorf("encode cookie: %w", err)
	}
	http.SetCookie(w, &http.Cookie{Name: i.browserCookie(), Value: base64.RawURLEncoding.EncodeToString(i.config.Box.Seal(sealedBrowser, data)),
		Path: "/", MaxAge: int(knownBrowserTime / time.Second), HttpOnly: true, Secure: i.secure(), SameSite: http.SameSiteStrictMode})
	return nil
}

// subjects returns what a try of a person counts for; person is "" for an account
// that is not there.
func (i *Identity) subjects(r *http.Request, name, person string) []string {
	if b := i.knownBrowser(r); b != nil && b.Person == person && person != "" {
		return []string{browserSubject + b.Nonce}
	}
	return []string{byName(name), byNetwork(address(r))}
}

func (i *Identity) knownBrowser(r *http.Request) *browser {
	c, err := r.Cookie(i.browserCookie())
	if err != nil || len(c.Value) > 1024 {
		return nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil
	}
	data, err := i.config.Box.Open(sealedBrowser, sealed)
	var b browser
	if err != nil || json.Unmarshal(data, &b) != nil || b.Until < i.now() {
		return nil
	}
	return &b
}

// try counts a try; *Wait if it comes too early.
func (i *Identity) try(ctx context.Context, subjects []string) error {
	until, err := i.config.DB.Try(ctx, subjects, i.now(), forgetTries.Milliseconds(), delay)
	if err != nil {
		return fmt.Errorf("count a try: %w", err)
	}
	if until != 0 {
		i.counts.throttled.Add(1)
		return &Wait{time.UnixMilli(until)}
	}
	return nil
}

// succeeded forgets the account's failures. What others of the network did stays.
func (i *Identity) succeeded(ctx context.Context, subjects []string) error {
	back := ""
	if len(subjects) > 1 {
		subjects, back = subjects[:1], subjects[1]
	}
	if err := i.config.DB.Succeeded(ctx, subjects, back); err != nil {
		return fmt.Errorf("forget tries: %w", err)
	}
	return nil
}
