package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"turnstile/central/throttle"
)

// Sign-ins with a password are counted by account and by network. Nobody can lock
// somebody else out with that for good: a passkey is not counted at all, and a
// browser in which the person has signed in before is counted by itself.
const (
	freeByAccount = 5
	freeByNetwork = 20 // an office behind one address
	freeByBrowser = 5
)

// Kinds of subjects.
const (
	accountSubject = "account"
	networkSubject = "network"
	browserSubject = "browser"
)

func (c *Config) throttle() *throttle.Throttle {
	return throttle.New(c.DB, throttle.Free{accountSubject: freeByAccount, networkSubject: freeByNetwork, browserSubject: freeByBrowser}, c.Now)
}

func (i *Identity) knownBrowsers() throttle.Browsers {
	return throttle.Browsers{Box: i.config.Box, Cookie: "turnstile-known", Purpose: "known browser", Secure: i.secure(), Now: i.config.Now}
}

// ErrSignIn refuses a sign-in. It says no more, so that nobody learns which
// accounts there are.
var ErrSignIn = errors.New("not signed in")

// Wait comes with an ErrSignIn that is because of those before it.
type Wait = throttle.Wait

// subjects returns what a try of a person counts for; person is "" for an account
// that is not there.
func (i *Identity) subjects(r *http.Request, name, person string) []string {
	if nonce, ok := i.browsers.Known(r, person); ok {
		return []string{browserSubject + " " + nonce}
	}
	return []string{throttle.Named(accountSubject, name), byNetwork(r)}
}

func byNetwork(r *http.Request) string {
	return throttle.Network(networkSubject, throttle.Address(r))
}

// try counts a try; an ErrSignIn with a *Wait if it comes too early.
func (i *Identity) try(ctx context.Context, subjects []string) error {
	err := i.throttle.Try(ctx, subjects...)
	if errors.Is(err, throttle.ErrWait) {
		i.counts.throttled.Add(1)
		return fmt.Errorf("%w: %w", ErrSignIn, err)
	}
	return err
}
