package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"turnstile/central/account"
	"turnstile/central/console"
	"turnstile/central/identity"
	"turnstile/central/netid"
	"turnstile/central/netid/provider"
	"turnstile/central/openid"
	"turnstile/central/password"
	"turnstile/central/portal"
	pages "turnstile/central/portal/netid"
)

// ownProvider is the setting that this central is the provider of NetIDs.
const ownProvider = "own"

// NetID says who knows the NetIDs: this central, or the campus's own provider.
type NetID struct {
	// Provider is own, or the issuer's URL of the campus's OpenID provider, which
	// portal and console then sign in with; ours is off. Default own.
	Provider string `yaml:"provider"`
	// Client and SecretFile are what the campus's provider gave; not for own.
	Client     string `yaml:"client"`
	SecretFile string `yaml:"secret_file"`
	// PersonClaim is the claim of the campus's provider that holds the register's id.
	// Default none: a holder links the account once, with a one-time password.
	PersonClaim string `yaml:"person_claim"`
	// Domain is behind the email aliases: tai-man.chan@DOMAIN. Default none: an alias
	// stands alone.
	Domain string `yaml:"domain"`
	// Breached is the list of stolen passwords as Pwned Passwords is downloaded: a
	// folder with a file for each five hexadecimal digits, or one file. Default none
	// but a small one.
	Breached string `yaml:"breached"`
	// Clients are other systems that sign people in with the NetID.
	Clients []NetIDClient `yaml:"clients"`
}

// NetIDClient is one of them.
type NetIDClient struct {
	ID   string `yaml:"id"`   // 1 to 32 of a-z 0-9 -
	Name string `yaml:"name"` // on the sign-in page
	// SecretFile holds the secret alone, at least 16 characters.
	SecretFile string `yaml:"secret_file"`
	// Auth is how it sends the secret: header or post. Default header.
	Auth         string   `yaml:"auth"`
	RedirectURIs []string `yaml:"redirect_uris"` // exactly
	LogoutURIs   []string `yaml:"logout_uris"`   // where people may be sent after signing out
}

var clientName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func (n *NetID) own() bool { return n.Provider == "" || n.Provider == ownProvider }

func (n *NetID) problems(wrong func(bad bool, key, format string, args ...any)) {
	if !n.own() {
		wrong(!safeURL(n.Provider), "netid.provider", "want own, or an issuer that begins with https://")
		wrong(n.Client == "" || n.SecretFile == "", "netid.client", "client and secret_file are what the campus's provider gave")
		wrong(len(n.Clients) > 0, "netid.clients", "those of the campus's provider are registered there")
	} else {
		wrong(n.Client != "" || n.SecretFile != "", "netid.client", "client and secret_file are for a provider of the campus, which provider names")
	}
	wrong(n.Domain != "" && (!strings.Contains(n.Domain, ".") || strings.ContainsAny(n.Domain, "@/ ")), "netid.domain", "want a domain such as alumni.campus.example")
	for i, c := range n.Clients {
		wrong(!clientName.MatchString(c.ID) || slices.Contains([]string{portalClient, consoleClient}, c.ID), "netid.clients", "want an id of 1 to 32 of a-z 0-9 -, not %s or %s", portalClient, consoleClient)
		wrong(slices.ContainsFunc(n.Clients[:i], func(o NetIDClient) bool { return o.ID == c.ID }), "netid.clients", "%s stands twice", c.ID)
		wrong(c.SecretFile == "", "netid.clients", "%s has no secret_file", c.ID)
		wrong(!slices.Contains([]string{"", "header", "post"}, c.Auth), "netid.clients", "%s: auth: want header or post", c.ID)
		wrong(len(c.RedirectURIs) == 0, "netid.clients", "%s has no redirect_uris", c.ID)
		for _, u := range slices.Concat(c.RedirectURIs, c.LogoutURIs) {
			wrong(!safeURL(u), "netid.clients", "%s: %.100q: want an address that begins with https://", c.ID, u)
		}
	}
}

// safeURL reports whether an address is of HTTPS, or of this machine.
func safeURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Fragment != "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()+":0")
}

// The clients that central itself is.
const (
	portalClient  = "portal"
	consoleClient = "console"
)

// netIDProvider is the id of the provider of NetIDs where central is its client, and
// the end of the redirect URIs.
const netIDProvider = "netid"

// remindersJob is the job of the central that reminds of NetPasswords.
const remindersJob = "reminders"

// openNetID makes the directory of NetIDs and its provider, where there is a portal
// and the campus has no provider of its own.
func (s *central) openNetID(ctx context.Context) error {
	if s.portalListener == nil || !s.config.NetID.own() {
		return nil
	}
	box, err := s.box()
	if err != nil {
		return err
	}
	breached, err := password.OpenBreached(s.config.NetID.Breached)
	if err != nil {
		return fmt.Errorf("%w: netid.breached: %w", ErrConfig, err)
	}
	s.netids = netid.New(netid.Config{
		DB: s.db, Register: s.campus, Box: box, Hasher: password.New(nil), Breached: breached,
		Portal: s.portalURL(), Office: s.config.Portal.Office, Domain: s.config.NetID.Domain, Issuer: provider.Issuer(s.portalURL()),
		Location: s.location, Now: s.config.Now, Log: s.config.Log, Posted: s.posted,
	})
	clients, err := s.netIDClients()
	if err != nil {
		return err
	}
	s.provider, err = provider.Open(ctx, provider.Config{DB: s.db, Directory: s.netids, Box: box, Portal: s.portalURL(), Site: s.campusName(), Clients: clients, Frames: s.config.Portal.Frames, Now: s.config.Now, Log: s.config.Log})
	if err != nil {
		return fmt.Errorf("open the provider of NetIDs: %w", err)
	}
	return nil
}

// netIDPages are the portal's pages of the NetID, where central knows them.
func (s *central) netIDPages() []portal.Route {
	if s.netids == nil {
		return nil
	}
	services := pages.Services{Self: s.netids, Strangers: s.netids, Secure: strings.HasPrefix(s.portalURL(), "https:")}
	if g := s.holders.guard; g != nil {
		services.Human, services.Challenge = g.Human, g.Challenge
	}
	return pages.Routes(services)
}

// netIDClients are central itself, and those of the configuration.
func (s *central) netIDClients() ([]provider.Client, error) {
	key, err := s.issuer.SecretsKey()
	if err != nil {
		return nil, fmt.Errorf("open the key of the secrets: %w", err)
	}
	list := []provider.Client{
		{ID: portalClient, Name: s.campusName(), Secret: provider.ClientSecret(key, portalClient), RedirectURIs: []string{s.portalURL() + account.ReturnPath + "/" + netIDProvider}, LogoutURIs: []string{s.portalURL() + "/"}},
		{ID: consoleClient, Name: "Office", Secret: provider.ClientSecret(key, consoleClient), RedirectURIs: []string{s.consoleURL() + console.Base + "/openid/" + netIDProvider}, LogoutURIs: []string{s.consoleURL() + console.Base + "/"}},
	}
	for _, c := range s.config.NetID.Clients {
		text, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("%w: netid.clients: %s: %w", ErrConfig, c.ID, err)
		}
		name := c.Name
		if name == "" {
			name = c.ID
		}
		list = append(list, provider.Client{ID: c.ID, Name: name, Secret: strings.TrimSpace(string(text)), Post: c.Auth == "post", RedirectURIs: c.RedirectURIs, LogoutURIs: c.LogoutURIs})
	}
	return list, nil
}

// netIDAt returns the provider of NetIDs as one of central's own clients knows it;
// found is false where there is none.
func (s *central) netIDAt(client string) (p openid.Provider, found bool, err error) {
	p = openid.Provider{ID: netIDProvider, Name: "NetID"}
	if c := &s.config.NetID; !c.own() {
		p.Issuer, p.Client, p.SecretFile = c.Provider, c.Client, c.SecretFile
		return p, true, nil
	}
	if s.provider == nil {
		return p, false, nil
	}
	key, err := s.issuer.SecretsKey()
	if err != nil {
		return p, false, fmt.Errorf("open the key of the secrets: %w", err)
	}
	p.Issuer, p.Client, p.Secret = provider.Issuer(s.portalURL()), client, provider.ClientSecret(key, client)
	return p, true, nil
}

// staffProviders are where staff sign in besides: those of the configuration, and
// with the NetID who was invited and has linked it.
func (s *central) staffProviders() ([]identity.Provider, error) {
	list := slices.Clone(s.config.SignIn.OpenID)
	p, found, err := s.netIDAt(consoleClient)
	if found && !slices.ContainsFunc(list, func(o identity.Provider) bool { return o.ID == p.ID || o.Issuer == p.Issuer }) {
		list = append(list, identity.Provider{Provider: p})
	}
	return list, err
}

// holderProviders are where holders sign in besides: with the NetID, whose word for
// the person is taken.
func (s *central) holderProviders(others []account.Provider) ([]account.Provider, error) {
	p, found, err := s.netIDAt(portalClient)
	if !found || err != nil {
		return others, err
	}
	claim := "person"
	if !s.config.NetID.own() {
		claim = s.config.NetID.PersonClaim
	}
	return append([]account.Provider{{Provider: p, PersonClaim: claim}}, others...), nil
}

// withProvider puts the provider of NetIDs beside the portal's pages.
func (s *central) withProvider(next http.Handler) http.Handler {
	if s.provider == nil {
		return next
	}
	mux := http.NewServeMux()
	mux.Handle(provider.Path+"/", s.provider)
	mux.Handle("/", next)
	return mux
}

// remind reminds of NetPasswords while this central has the job, until ctx ends.
func (s *central) remind(ctx context.Context) error {
	if s.netids == nil {
		<-ctx.Done()
		return nil
	}
	return s.leases.Job(remindersJob).While(ctx, s.netids.Run)
}

// rotate keeps the provider's keys young, until ctx ends.
func (s *central) rotate(ctx context.Context) error {
	if s.provider == nil {
		<-ctx.Done()
		return nil
	}
	return s.provider.Run(ctx)
}
