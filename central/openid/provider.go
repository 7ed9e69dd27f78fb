package openid

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Kind is what a provider does otherwise than OpenID Connect says.
type Kind string

// The kinds.
const (
	Standard  Kind = "openid"
	Google    Kind = "google"
	Microsoft Kind = "microsoft" // of many tenants each has an issuer of its own
	Apple     Kind = "apple"     // answers by a POST; its secret is a signed token
	WeChat    Kind = "wechat"    // OAuth 2 in its own way
)

// Provider is a place where people sign in, and how it knows us.
type Provider struct {
	// ID stands in the path of the redirect URI: 1 to 32 of a-z 0-9 -.
	ID string `yaml:"id"`
	// Kind is openid, google, microsoft, apple or wechat. Default openid.
	Kind Kind `yaml:"kind"`
	// Name is on the button. Default, but for openid: the kind's.
	Name string `yaml:"name"`
	// Issuer is its URL, exactly as in its discovery document; https. Default, but
	// for openid: the kind's own. For microsoft
	// https://login.microsoftonline.com/TENANT/v2.0, or common instead of a tenant.
	Issuer string `yaml:"issuer"`
	// Client is the client id that it gave. SecretFile holds the secret alone; for
	// apple the key (.p8) that the secret is made with.
	Client     string `yaml:"client"`
	SecretFile string `yaml:"secret_file"`
	// Secret stands for SecretFile where central is the provider itself.
	Secret string `yaml:"-"`
	// Auth is how the secret is sent: header (client_secret_basic) or post
	// (client_secret_post). Default header; apple and microsoft: post.
	Auth string `yaml:"auth"`
	// Scopes beside openid. Default profile; apple: none.
	Scopes []string `yaml:"scopes"`
	// Tenants are the ids of those whose accounts microsoft's common may confirm.
	// Default all.
	Tenants []string `yaml:"tenants"`
	// Team and Key are apple's ids of the team and of the key.
	Team string `yaml:"team"`
	Key  string `yaml:"key"`
}

// providerID is what an id may be.
var providerID = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// preset is what a kind brings along.
type preset struct {
	name, issuer, auth string
	scopes             []string
}

func (k Kind) preset() (preset, bool) {
	switch k {
	case Standard, "":
		return preset{auth: "header", scopes: []string{"profile"}}, true
	case Google:
		return preset{"Google", "https://accounts.google.com", "header", []string{"profile"}}, true
	case Microsoft:
		return preset{"Microsoft", "https://login.microsoftonline.com/common/v2.0", "post", []string{"profile"}}, true
	case Apple:
		return preset{"Apple", "https://appleid.apple.com", "post", []string{}}, true
	case WeChat:
		return preset{name: "WeChat", issuer: weChatIssuer}, true
	}
	return preset{}, false
}

// Filled returns the provider with the defaults of its kind.
func (p Provider) Filled() Provider {
	k, _ := p.Kind.preset()
	if p.Kind == "" {
		p.Kind = Standard
	}
	for field, standard := range map[*string]string{&p.Name: k.name, &p.Issuer: k.issuer, &p.Auth: k.auth} {
		if *field == "" {
			*field = standard
		}
	}
	if p.Scopes == nil {
		p.Scopes = k.scopes
	}
	return p
}

// Check returns what is wrong with the setting, or "".
func (p *Provider) Check() string {
	_, known := p.Kind.preset()
	full := p.Filled()
	u, err := url.Parse(full.Issuer)
	switch {
	case !known:
		return "kind: want openid, google, microsoft, apple or wechat"
	case !providerID.MatchString(p.ID):
		return "id: want 1 to 32 of a-z 0-9 -"
	case full.Name == "" || len(full.Name) > 60:
		return "name: want what to write on the button, up to 60 bytes"
	case err != nil || u.Host == "" || u.Scheme != "https" && !IsLoopback(u):
		return "issuer: want an address that begins with https://"
	case p.Client == "" || p.SecretFile == "" && p.Secret == "":
		return "client and secret_file: want what the provider gave"
	case !slices.Contains([]string{"", "header", "post"}, p.Auth):
		return "auth: want header or post"
	case (p.Kind == Apple) != (p.Team != "" && p.Key != ""):
		return "team and key: want the ids that Apple gave, for apple alone"
	case len(p.Tenants) > 0 && !full.manyTenants():
		return "tenants: want them for microsoft's common issuer alone"
	}
	return ""
}

// manyTenants tells a provider whose tokens name issuers of their own.
func (p *Provider) manyTenants() bool {
	return p.Kind == Microsoft && (strings.Contains(p.Issuer, "/common/") || strings.Contains(p.Issuer, "/organizations/"))
}

// IsLoopback reports whether a URL is of this machine alone.
func IsLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Twice returns the id of a provider that stands twice in a list, or "".
func Twice(list []Provider) string {
	for n, p := range list {
		if slices.ContainsFunc(list[:n], func(q Provider) bool { return q.ID == p.ID || q.Filled().Issuer == p.Filled().Issuer }) {
			return p.ID
		}
	}
	return ""
}
