package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// What a URL or an address is refused for.
var (
	ErrURL     = errors.New("not a URL that webhooks go to")
	ErrAddress = errors.New("not an address that webhooks go to")
)

// maxURL bounds a webhook's URL in bytes.
const maxURL = 500

// Guard says where webhooks may go. Whoever registers one chooses its URL, and
// central sends from inside the campus network: without a guard it would knock at
// doors that its users cannot reach.
type Guard struct {
	HTTP  bool           // also without TLS
	Allow []netip.Prefix // addresses beside the public ones
}

// CheckURL returns nil for a URL that a webhook may have, else an error that says
// why not. What its name resolves to is looked at when it is called.
func (g Guard) CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxURL || u.Hostname() == "" || u.Opaque != "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("%w: want an absolute URL of at most %d ASCII characters", ErrURL, maxURL)
	case u.Scheme != "https" && (u.Scheme != "http" || !g.HTTP):
		return fmt.Errorf("%w: want https://, so that nobody reads or changes it on the way", ErrURL)
	case u.User != nil:
		return fmt.Errorf("%w: a user or password does not belong in it; the signature tells who sends", ErrURL)
	case u.Fragment != "":
		return fmt.Errorf("%w: a fragment is not sent", ErrURL)
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return g.CheckAddress(a)
	}
	return nil
}

// special are the ranges of global-looking addresses that are not, or that
// another address hides in (IANA special-purpose address registries).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"),
}

// global is where public IPv6 addresses come from. All else embeds IPv4 addresses
// (64:ff9b::/96 and its kin), is local, or is not given out.
var global = netip.MustParsePrefix("2000::/3")

// CheckAddress returns nil for an address that webhooks may go to.
func (g Guard) CheckAddress(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	for _, p := range g.Allow {
		if p.Contains(a) {
			return nil
		}
	}
	bad := !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !global.Contains(a)
	for _, p := range special {
		bad = bad || p.Contains(a)
	}
	if bad {
		return fmt.Errorf("%w: %s is not public; an operator can name it in webhooks.allow", ErrAddress, a)
	}
	return nil
}

// control looks at the address that is about to be called, after its name was
// resolved: a name can resolve to another one each time.
func (g Guard) control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrAddress, address)
	}
	return g.CheckAddress(a.Addr())
}
