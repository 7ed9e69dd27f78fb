package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// TestBehindProxies believes the headers of configured proxies and of nobody else.
func TestBehindProxies(t *testing.T) {
	proxies, err := parseProxies([]string{"10.1.0.0/16", "192.0.2.7", "2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	var client string
	var safe bool
	h := behindProxies(proxies, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		client, safe = r.RemoteAddr, r.TLS != nil
		for _, name := range forwarded {
			if r.Header.Get(name) != "" {
				t.Errorf("%s comes through", name)
			}
		}
	}))
	many := strings.Repeat("10.1.0.9, ", 10000)
	for _, c := range []struct {
		peer, forwardedFor, proto, client string
		safe                              bool
	}{
		{"203.0.113.5:1000", "", "", "203.0.113.5:1000", false},
		{"203.0.113.5:1000", "198.51.100.1", "https", "203.0.113.5:1000", false}, // a liar
		{"10.1.2.3:1000", "198.51.100.1", "https", "198.51.100.1:1000", true},
		{"10.1.2.3:1000", "1.1.1.1, 198.51.100.1", "http", "198.51.100.1:1000", false}, // a client that lies to an honest proxy
		{"10.1.2.3:1000", "198.51.100.1, 192.0.2.7", "http, https", "198.51.100.1:1000", true},
		{"10.1.2.3:1000", "198.51.100.1, 192.0.2.8", "https, http", "192.0.2.8:1000", false},
		{"192.0.2.7:1000", "198.51.100.1:5555", "https", "198.51.100.1:1000", true},
		{"[2001:db8::1]:1000", "2001:db9::2", "https", "[2001:db9::2]:1000", true},
		{"[::ffff:10.1.2.3]:1000", "::ffff:198.51.100.1", "", "198.51.100.1:1000", false},
		{"10.1.2.3:1000", "unknown", "https", "10.1.2.3:1000", true},
		{"10.1.2.3:1000", "198.51.100.1, <script>", "", "10.1.2.3:1000", false},
		{"10.1.2.3:1000", "198.51.100.1, " + many + "10.1.0.9", "", "10.1.0.9:1000", false}, // too long to be believed
		{"10.1.2.3:1000", "", "", "10.1.2.3:1000", false},
		{"@", "198.51.100.1", "https", "@", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.forwardedFor != "" {
			r.Header.Set("X-Forwarded-For", c.forwardedFor)
		}
		r.Header.Set("X-Forwarded-Proto", c.proto)
		r.Header.Set("Forwarded", "for=6.6.6.6")
		h.ServeHTTP(httptest.NewRecorder(), r)
		if client != c.client || safe != c.safe {
			t.Errorf("%s with %.40q, %s: %s, safe %v; want %s, %v", c.peer, c.forwardedFor, c.proto, client, safe, c.client, c.safe)
		}
	}
	for _, bad := range []string{"", "proxy.example", "10.0.0.0/33", "10.0.0.0/8/8"} {
		if p, err := parseProxies([]string{bad}); err == nil {
			t.Errorf("%q is %v", bad, p)
		}
	}
}

func FuzzClientOf(f *testing.F) {
	for _, s := range []string{"", "1.2.3.4", "1.2.3.4,10.1.0.1", "[::1]:5,::1", "fe80::1%eth0", ",,,"} {
		f.Add(s)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	peer := netip.MustParseAddr("10.0.0.1")
	f.Fuzz(func(t *testing.T, header string) {
		if a := clientOf(proxies, peer, []string{header}); !a.IsValid() || a.Zone() != "" {
			t.Errorf("%q: %v", header, a)
		}
	})
}
