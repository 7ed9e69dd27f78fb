package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"turnstile/central/office"
	"turnstile/central/page"
	"turnstile/central/portal"
	"turnstile/central/portal/card"
	"turnstile/central/portal/guests"
	"turnstile/central/requestlog"
)

// holderside is what the portal stands on beside central's own services: who its
// holders are. What is nil is not known here.
type holderside struct {
	auth portal.Auth
	// contact reports whether the office can reach a person.
	contact func(ctx context.Context, person string) (bool, error)
	// describe returns a person's name and what makes them a holder, a line each.
	describe func(ctx context.Context, person string, lang portal.Language) (name string, lines []string, err error)
	// mailGuest sends a guest's link by mail; nil: mail cannot be sent.
	mailGuest func(ctx context.Context, m GuestMail) error
	// guard keeps programs from what sends mail or tries identities; nil: nothing does.
	guard interface {
		Human(*portal.Request) error
		Challenge(*portal.Request) (any, error)
	}
	// pages are routes of the folders that know the holders: sign-in, profile, NetID.
	pages []portal.Route
}

// listenPortal opens the portal's listener, if there is to be a portal.
func (s *central) listenPortal() (err error) {
	if s.config.Portal.Listen == "" {
		return nil
	}
	s.portalListener, err = listen(s.config.Portal.Listen, "portal.listen")
	return err
}

// portalURL is the portal's address as browsers show it, "" without a portal.
func (s *central) portalURL() string {
	p := &s.config.Portal
	switch {
	case p.Listen == "":
		return ""
	case p.URL != "":
		return strings.TrimSuffix(p.URL, "/")
	}
	scheme := "http://"
	if p.Certificate != "" {
		scheme = "https://"
	}
	_, port, err := net.SplitHostPort(s.portalListener.Addr().String())
	if err != nil {
		return scheme + s.portalListener.Addr().String()
	}
	return scheme + net.JoinHostPort("localhost", port)
}

// holderMenu is the portal's, in the order of what holders come for.
var holderMenu = []portal.Nav{
	{Path: "/card", Text: "My card", Icon: card.Icon},
	{Path: "/guests", Text: "Guests", Icon: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7M2.500 20c0-4 3-6 6.500-6s6.500 2 6.500 6M18 8v6M15 11h6"},
	{Path: "/profile", Text: "Profile", Icon: "M12 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4.500 21c0-4.500 3.500-7 7.500-7s7.500 2.500 7.500 7"},
	{Path: "/netid", Text: "NetID", Icon: "M8 11V8a4 4 0 0 1 8 0v3M6 11h12v10H6zM12 15v2"},
}

// openPortal makes the portal over the services that the API stands on.
func (s *central) openPortal() error {
	if s.portalListener == nil {
		return nil
	}
	if s.holders.auth == nil {
		if err := s.openHolders(); err != nil {
			return err
		}
	}
	routes := s.portalRoutes()
	p, err := portal.New(portal.Options{
		Auth: s.holders.auth, Routes: routes, Nav: slices.DeleteFunc(slices.Clone(holderMenu), func(n portal.Nav) bool { return !opens(routes, n.Path) }),
		Site: s.campusName(), Office: s.config.Portal.Office, Version: s.config.Version, Frames: s.config.Portal.Frames,
		Zone: s.location, Log: s.config.Log, Now: s.config.Now,
	})
	if err != nil {
		return fmt.Errorf("open portal: %w", err)
	}
	proxies, err := parseProxies(s.config.HTTP.Proxies)
	if err != nil {
		return fmt.Errorf("%w: http.proxies: %w", ErrConfig, err)
	}
	s.portal, s.portalServer = p, office.Server(s.portalLogged(behindProxies(proxies, s.withProvider(p))))
	if c := &s.config.Portal; c.Certificate != "" {
		if s.portalServer.TLSConfig, err = fileTLS(c.Certificate, c.Key); err != nil {
			return fmt.Errorf("%w: portal.certificate: %w", ErrConfig, err)
		}
	}
	s.endpoints.Portal = s.portalURL()
	return nil
}

// portalRoutes are the pages of the portal, a line for each folder of them.
func (s *central) portalRoutes() []portal.Route {
	return slices.Concat(card.Routes(cards{s}), guests.Routes(visits{s}, guestLinks{s}), s.netIDPages(), s.holders.pages)
}

func opens(routes []portal.Route, path string) bool {
	return slices.ContainsFunc(routes, func(r portal.Route) bool { return r.Method == http.MethodGet && r.Pattern == path })
}

// campusName is what holders call the campus.
func (s *central) campusName() string {
	if s.config.Portal.Name != "" {
		return s.config.Portal.Name
	}
	return s.config.Site
}

// portalLogged writes each request of the portal down and counts it.
func (s *central) portalLogged(next http.Handler) http.Handler {
	return requestlog.Wrap(next, requestlog.Options{Log: s.config.Log, Now: s.config.Now, Done: s.holderPages.observe, Quiet: []string{page.StaticPattern}})
}

// servePortal serves the holders' pages, if there is a portal, until ctx ends.
func (s *central) servePortal(ctx context.Context) error {
	if s.portalServer == nil {
		<-ctx.Done()
		return nil
	}
	return serveHTTP(ctx, s.portalServer, s.portalListener)
}

// contactComplete reports whether the office can reach a person.
func (h *holderside) contactComplete(ctx context.Context, person string) (bool, error) {
	if h.contact == nil {
		return true, nil // nothing is kept, so nothing lacks
	}
	return h.contact(ctx, person)
}

// describeHolder returns a person's name and lines; the name is the id of somebody
// whom nobody knows by name.
func (h *holderside) describeHolder(ctx context.Context, person string, lang portal.Language) (name string, lines []string, err error) {
	if h.describe != nil {
		name, lines, err = h.describe(ctx, person, lang)
	}
	if errors.Is(err, office.ErrNotFound) {
		err = nil
	}
	if name == "" {
		name = person
	}
	return name, lines, err
}
