package web

import (
	"net"
	"net/http"
	"strings"
)

// onlyHere refuses requests for another host than this one: a foreign page whose
// name was made to point here (DNS rebinding) could press every button.
func onlyHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		ip := net.ParseIP(host)
		if err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "ask this computer by 127.0.0.1 or localhost", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// onlyOwn refuses what another site's page loads from here without being opened itself:
// it could not read a picture or a stream of events, and would hold them open all the same.
func onlyOwn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		if (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			http.Error(w, "cross-origin request: open the page itself", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// policy lets a page have what this server has, the camera's frames, the lanes' own
// displays, which are served by their controllers on other ports, and the holders'
// portal, if there is one.
func policy(portal string) string {
	return "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-src " +
		strings.TrimSpace("http://127.0.0.1:* "+portal) + "; frame-ancestors 'none'"
}

// secure sets the headers that keep foreign content out.
func secure(next http.Handler, portal string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy(portal))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "camera=(self), display-capture=(self), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
