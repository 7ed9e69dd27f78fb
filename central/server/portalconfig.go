package server

import (
	"net"
	"net/url"
	"strings"

	"turnstile/central/office"
)

// Portal is the listener of the holders' pages. They have an origin of their own, so
// that nothing in them can act on the console.
type Portal struct {
	// Listen is host:port; port 0 takes a free one. Default none: there is no portal.
	Listen string `yaml:"listen"`
	// URL is the portal's address as browsers show it, https://host without a path:
	// passkeys, cookies and guests' links are bound to it. Default localhost with
	// Listen's port.
	URL string `yaml:"url"`
	// Public allows an address that other machines reach; it needs Certificate and Key.
	// Behind a proxy (see http.proxies) it is not needed.
	Public bool `yaml:"public"`
	// Certificate and Key are PEM files; with them the portal speaks HTTPS.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// Name is what holders call the campus. Default Site.
	Name string `yaml:"name"`
	// Office says who helps holders, in a few words with an address or a number; it
	// stands below each page. Default none.
	Office string `yaml:"office"`
	// SignIn says how holders sign in.
	SignIn HolderSignIn `yaml:"sign_in"`
	// Frames are origins that may show the portal in a frame: for a demo alone.
	Frames []string `yaml:"frames"`
}

// maxOffice bounds Office and Name, in characters.
const maxOffice = 120

func (p *Portal) problems(wrong func(bad bool, key, format string, args ...any)) {
	if p.Listen == "" {
		wrong(p.URL != "" || p.Public || p.Certificate != "", "portal.listen", "want host:port; without it there is no portal")
		return
	}
	_, _, err := net.SplitHostPort(p.Listen)
	wrong(err != nil, "portal.listen", "want host:port")
	wrong((p.Certificate == "") != (p.Key == ""), "portal.certificate", "certificate and key belong together")
	wrong(!loopback(p.Listen) && !p.Public, "portal.listen", "other machines reach this address: use 127.0.0.1 behind a proxy, or set portal.public with certificate and key")
	wrong(p.Public && p.Certificate == "", "portal.public", "needs portal.certificate and portal.key")
	wrong(p.URL != "" && !origin(p.URL), "portal.url", "want https://host without a path; http for localhost alone")
	p.SignIn.problems(wrong)
	for _, f := range p.Frames {
		wrong(!origin(f), "portal.frames", "want origins as http://localhost:8090; http for localhost alone")
	}
	for key, text := range map[string]string{"portal.name": p.Name, "portal.office": p.Office} {
		wrong(text != "" && !office.OneLine(text, maxOffice), key, "want at most %d characters on one line", maxOffice)
	}
}

// origin reports whether a text is one that a browser names so: of HTTPS, or of this
// machine.
func origin(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(text, " ;,'\"") {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || host == "127.0.0.1")
}
