package endtoend

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"turnstile/simulator/site"
)

// told are the secrets that tests handed out, by site: codes and tokens.
var told = struct {
	sync.Mutex
	of map[*site.Site][]site.Secret
}{of: map[*site.Site][]site.Secret{}}

// keepSecret has the logs of a site searched for a text when its test is over.
func keepSecret(s *site.Site, what, text string) {
	told.Lock()
	defer told.Unlock()
	told.of[s] = append(told.of[s], site.Secret{What: what, Value: []byte(text)})
}

// noLeaks looks for secrets in all logs of a site that has ended. Every campus of
// this package's tests is searched, so a secret in a log of any fault fails the test of that fault.
func noLeaks(t *testing.T, s *site.Site) {
	t.Helper()
	told.Lock()
	defer told.Unlock()
	found, secrets, size, err := s.Leaks(told.of[s]...)
	if err != nil || secrets < 2 || size == 0 {
		t.Fatalf("compared %d secrets with %d bytes of logs: %v", secrets, size, err)
	}
	for _, line := range found {
		t.Error(line)
	}
}

// TestSecretsAreSearchedFor plants each kind of secret in a log and has it found;
// and a day's work, with a refusal, leaves none.
func TestSecretsAreSearchedFor(t *testing.T) {
	s := campus(t, site.Config{}, "north")
	synced(t, s)
	p := issue(t, s, nil)
	walk(t, s.Agents[0], p.Code)
	refused(t, s.Agents[0], strings.Replace(p.Code, p.Code[100:104], "2345", 1), "FORGED")
	if err := s.Agents[0].Stop(); err != nil {
		t.Fatal(err)
	}
	planted := site.Secret{What: "planted", Value: []byte(p.Code[40:])}
	if found, n, _, err := s.Leaks(planted); err != nil || len(found) != 0 || n < 7 { // with the gate keys of two days
		t.Fatalf("of %d secrets %v, %v", n, found, err)
	}
	file := filepath.Join(s.Data(), "logs", "planted.log")
	for _, text := range []string{p.Code, s.API.Token} {
		if err := os.WriteFile(file, []byte("level=INFO msg="+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if found, _, _, err := s.Leaks(planted); err != nil || len(found) != 1 {
			t.Errorf("found %v, %v", found, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}
