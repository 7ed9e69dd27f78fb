package site

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"

	"turnstile/central/office"
	"turnstile/central/register"
	"turnstile/central/register/registertest"
)

// Portal is the holders' pages of a site's central, with NetIDs of its own.
type Portal struct {
	Mail   string   // host:port on this machine that takes central's mail, without TLS
	Frames []string // origins that may show the pages in a frame
}

// PortalURL is the address of the holders' pages, as browsers have to ask for it; ""
// without them.
func (s *Site) PortalURL() string { return s.endpoints.Portal }

// portalConfig is the part of central's configuration that the holders' pages need.
func (s *Site) portalConfig() string {
	p := s.config.Portal
	if p == nil {
		return ""
	}
	host, port, err := net.SplitHostPort(p.Mail)
	if err != nil {
		host, port = "127.0.0.1", "25" // central says that nobody answers there
	}
	frames := ""
	if len(p.Frames) > 0 {
		frames = fmt.Sprintf("  frames: [%s]\n", strings.Join(p.Frames, ", "))
	}
	text := fmt.Sprintf(`mail: {host: %q, port: %s, from: "Campus <campus@example.org>", security: none}
portal:
  listen: %q
  name: Campus of the demo
  office: office@example.org
%snetid: {provider: own, domain: alumni.example.org}
register:
  institutions:
`, host, port, s.listen(portPortal), frames)
	for _, i := range registertest.Institutions() {
		text += fmt.Sprintf("    - {id: %s, name: %s, name_zh: %s, keeps_netid: %t}\n", i.ID, i.Name, i.NameZH, i.KeepsNetID)
	}
	return text
}

// Invent puts people into the campus register as a registry's program does. People
// who are there already stay as they are.
func (s *Site) Invent(ctx context.Context, people []registertest.Invented) error {
	for _, kind := range []register.Kind{register.Persons, register.Cards, register.Degrees, register.NetIDs} {
		rows := registertest.Rows(people, kind)
		if len(rows) == 0 {
			continue
		}
		body := map[string]any{"kind": kind, "rows": rows}
		if err := s.API.Do(ctx, http.MethodPost, "/register/rows", body, nil); err != nil {
			return fmt.Errorf("register %s: %w", kind, err)
		}
	}
	return nil
}

// Instant has eCards and guests approved at once: nobody of an office is there.
func (s *Site) Instant(ctx context.Context) error {
	var p office.Policy
	if err := s.API.Do(ctx, http.MethodGet, "/approval-policy", nil, &p); err != nil {
		return fmt.Errorf("read what needs approval: %w", err)
	}
	if !p.ECards && !p.Guests {
		return nil
	}
	if err := s.API.Do(ctx, http.MethodPut, "/approval-policy", office.Policy{Version: p.Version}, nil); err != nil {
		return fmt.Errorf("change what needs approval: %w", err)
	}
	return nil
}
