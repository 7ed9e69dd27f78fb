package endtoend

import (
	"net/http"
	"strings"
	"testing"

	"turnstile/simulator/site"
)

// TestConsoleOfTheDemo: the link that the demo prints is a page, and the second time
// the address to sign in at.
func TestConsoleOfTheDemo(t *testing.T) {
	s := campus(t, site.Config{})
	for n, path := range []string{"/office/join?token=", "/office/"} {
		link, err := s.Console(t.Context(), "demo")
		if err != nil || !strings.Contains(link, path) || n == 1 && !strings.HasSuffix(link, path) {
			t.Fatalf("time %d: %q, %v", n+1, link, err)
		}
		answer, err := http.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", link, answer.Status)
		}
	}
}
