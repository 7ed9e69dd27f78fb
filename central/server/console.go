package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"turnstile/central/console"
	"turnstile/central/console/audit"
	"turnstile/central/console/people"
	"turnstile/central/console/signin"
	"turnstile/central/identity"
	"turnstile/central/rights"
)

// menu is the console's, in the order of a working day.
var menu = []console.Nav{
	{Path: "/passes", Text: "Passes", Need: rights.PassesRead},
	{Path: "/approvals", Text: "Approvals", Need: rights.ApplicationsRead},
	{Path: "/lanes", Text: "Lanes", Need: rights.LanesRead},
	{Path: "/passages", Text: "Passages", Need: rights.PassagesRead},
	{Path: "/rules", Text: "Rules", Need: rights.RulesRead},
	{Path: "/register", Text: "Register", Need: rights.RegisterRead},
	{Path: "/people", Text: "People", Need: rights.PeopleRead},
	{Path: "/audit", Text: "Audit", Need: rights.AuditRead},
}

// openIdentity makes what knows the office's people.
func (s *central) openIdentity() (err error) {
	box, err := s.box()
	if err != nil {
		return err
	}
	providers, err := s.staffProviders()
	if err != nil {
		return err
	}
	s.identity, err = identity.Open(identity.Config{Site: s.config.Site, DB: s.db, Box: box, URL: s.consoleURL(), OpenID: providers, Now: s.config.Now, Log: s.config.Log})
	if err != nil {
		return fmt.Errorf("%w: http.url, sign_in: %w", ErrConfig, err)
	}
	return nil
}

// consoleURL is the address that browsers show: the configured one, else that of
// this machine by its name, which is what browsers bind a passkey to.
func (s *central) consoleURL() string {
	if s.config.HTTP.URL != "" {
		return s.config.HTTP.URL
	}
	u, err := url.Parse(s.baseURL())
	if err != nil {
		return s.baseURL()
	}
	return u.Scheme + "://localhost:" + u.Port()
}

// openConsole makes the console over the services that the API stands on.
func (s *central) openConsole() (err error) {
	routes := stepUp(s.consoleRoutes())
	s.console, err = console.New(console.Options{
		Auth: s.identity, Routes: routes, Nav: reachable(menu, routes), Live: s.live(),
		Site: s.config.Site, Version: s.config.Version, Zone: s.location, Log: s.config.Log, Now: s.config.Now,
	})
	if err != nil {
		return fmt.Errorf("open console: %w", err)
	}
	return nil
}

// consoleRoutes are the pages of the console, a line for each folder of them.
func (s *central) consoleRoutes() []console.Route {
	return slices.Concat(
		s.lanePages(),
		signin.Routes(s.identity), people.Routes(People{s.db, s.config.Now, s.consoleURL()}), audit.Routes(auditLog{s}),
		s.officePages(),
		s.rulesPages(),
		s.passagePages(),
	)
}

// reachable leaves out entries of the menu without a page.
func reachable(menu []console.Nav, routes []console.Route) []console.Nav {
	return slices.DeleteFunc(slices.Clone(menu), func(n console.Nav) bool {
		return !slices.ContainsFunc(routes, func(r console.Route) bool { return r.Method == http.MethodGet && r.Pattern == n.Path })
	})
}

// live tells open pages that something is new.
func (s *central) live() map[string]console.Version {
	return map[string]console.Version{
		"lanes": s.board.version,
		"passages": func(ctx context.Context) (string, error) {
			n, err := s.db.LastEntry(ctx)
			return strconv.FormatUint(n, 10), err
		},
		"feed":      func(context.Context) (string, error) { return s.acknowledged(), nil },
		"approvals": s.undecided,
		"alarms":    attention{s}.version,
	}
}

// surface joins API and console on one address.
func (s *central) surface(api http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(console.Base+"/", s.console)
	mux.Handle("GET /{$}", http.RedirectHandler(console.Base+"/", http.StatusSeeOther))
	mux.Handle("/", api)
	return mux
}
