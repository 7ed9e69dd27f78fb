package office

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// IsText reports whether the path and the query of an address are text that a
// database takes: UTF-8 without NUL. SQLite would keep anything, PostgreSQL refuses
// it in the middle of a transaction.
func IsText(u *url.URL) bool {
	query, err := url.QueryUnescape(u.RawQuery)
	if err != nil {
		query = "" // the router refuses it, or drops the part
	}
	for _, s := range []string{u.Path, query} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return false
		}
	}
	return true
}

// withText refuses addresses that are no text.
func withText(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !IsText(r.URL) {
			writeProblem(w, problemInvalid, "The path or the query has NUL or bytes that are no UTF-8 text; send what was meant, percent-encoded.")
			return
		}
		next.ServeHTTP(w, r)
	})
}
