package provider

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

// TestKeysRotate: a new key is published for a day before it signs, an old one two
// days longer, and tokens in hand stay good.
func TestKeysRotate(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	token, err := b.exchange(b.code())
	if err != nil {
		t.Fatal(err)
	}
	p := c.serving.Load()
	published := func() (ids []string) {
		t.Helper()
		var set struct {
			Keys []struct {
				ID string `json:"kid"`
				D  string `json:"d"`
			} `json:"keys"`
		}
		if err := json.Unmarshal([]byte(b.get(c.url+Path+"/jwks").text), &set); err != nil {
			t.Fatal(err)
		}
		for _, k := range set.Keys {
			if k.D != "" {
				t.Fatal("a private key is published")
			}
			ids = append(ids, k.ID)
		}
		return ids
	}
	signer := func() string {
		t.Helper()
		set, err := p.keys.set(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return set.Keys[0].KeyID
	}
	first := published()
	if len(first) != 1 || signer() != first[0] {
		t.Fatal(first)
	}
	forward := func(by time.Duration) {
		t.Helper()
		c.skew.Add(by.Milliseconds())
		for range 2 { // a second central finds it done
			if err := p.keys.rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	forward(keyLife + time.Minute)
	second := published()
	if len(second) != 2 || signer() != first[0] {
		t.Errorf("at once: %v, signs %s", second, signer())
	}
	if got := b.verified(token); got.Sub != "tmchan" {
		t.Error(got)
	}
	forward(keyNotice)
	if len(published()) != 2 || signer() == first[0] {
		t.Errorf("after a day: %v, signs %s", published(), signer())
	}
	forward(keyLife)
	forward(keyLife)
	if list := published(); slices.Contains(list, first[0]) || len(list) > 3 {
		t.Errorf("after two months: %v", list)
	}
}
