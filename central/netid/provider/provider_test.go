package provider

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/seal"
)

func TestConfig(t *testing.T) {
	c := newCampus(t)
	for name, spoil := range map[string]func(*Config){
		"no portal": func(c *Config) { c.Portal = "" }, "a short secret": func(c *Config) { c.Clients = []Client{{ID: "x", Secret: "x", RedirectURIs: []string{back}}} },
		"no redirect": func(c *Config) { c.Clients = []Client{{ID: "x", Secret: secret}} }, "twice": func(c *Config) { c.Clients = append(c.Clients, c.Clients[0]) },
	} {
		conf := c.config
		conf.Clients = slices.Clone(conf.Clients)
		spoil(&conf)
		if _, err := Open(t.Context(), conf); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a, b := ClientSecret([32]byte{1}, "a"), ClientSecret([32]byte{1}, "b"); a == b || len(a) < 40 || a != ClientSecret([32]byte{1}, "a") {
		t.Errorf("%s %s", a, b)
	}
}

// FuzzRequest: what the browser brings back opens only as it was sealed.
func FuzzRequest(f *testing.F) {
	box, err := seal.New([32]byte{7})
	if err != nil {
		f.Fatal(err)
	}
	p := &Provider{box: sealed{box}, config: Config{Now: time.Now}}
	good, err := p.state(requestPlace, map[string]string{"sub": "x", "client_id": "y"})
	if err != nil {
		f.Fatal(err)
	}
	other, err := p.state(logoutPlace, map[string]string{"sub": "x"})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, other, "", "x", good[1:], good + "A", strings.Repeat("A", maxQuery+1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, state string) {
		s, err := requests{p}.SessionByCallbackID(t.Context(), state)
		same := strings.NewReplacer("\r", "", "\n", "").Replace(state) == good // base64 passes over line ends
		// Who fuzzes in several processes has a good one of each: all say what was sealed.
		if same && err != nil || err == nil && s.ClientID != "y" {
			t.Errorf("%q: %+v, %v", state, s, err)
		}
	})
}
