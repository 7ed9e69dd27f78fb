package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"turnstile/central/rights"
)

// Populated is a central that listens and has something for each page to show.
type Populated struct {
	URL    string
	Routes []string          // "METHOD PATTERN", below console.Base
	Pages  map[string]string // by route: the address of one whole page
	Admin  *http.Cookie      // a session that began this moment
}

// OpenPopulated opens a populated central for tests outside of this package, which
// may use a browser, and closes it with the test.
func OpenPopulated(t *testing.T) *Populated {
	t.Helper()
	listener := httptest.NewUnstartedServer(nil)
	t.Cleanup(listener.Close)
	c := configure(t)
	c.HTTP.URL = strings.Replace("http://"+listener.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	c.Office.TwoPersonsAbove = 2
	c.Mail.Host, c.Mail.From = "127.0.0.1", "Passes <passes@campus.example>"
	s := openCentral(t, c)
	t.Cleanup(s.stop)
	b := s.populated(t)
	b.crawl(t)
	listener.Config.Handler = s.api.Handler
	listener.Start()
	p := &Populated{URL: listener.URL, Pages: b.pages, Admin: b.staff.begin(t, rights.Admin, 0)}
	for _, r := range s.console.Routes() {
		p.Routes = append(p.Routes, r.Method+" "+r.Pattern)
	}
	return p
}
