package sign

import (
	"errors"
	"path/filepath"
	"testing"

	"turnstile/central/issuer"
	"turnstile/central/issuer/issuertest"
	"turnstile/central/link"
)

// TestRolesChange: with other role keys in force no message goes out that names
// the old ones, and the next one is good, also over a right that learns nothing else.
func TestRolesChange(t *testing.T) {
	p := start(t, nil)
	keys, dir := p.config.Keys, filepath.Join(filepath.Dir(p.config.Socket), "keys")
	renew := func() error { return keys.Renew(today, today+7, false, now) }
	if err := renew(); err != nil {
		t.Fatal(err)
	}
	c := p.dial(t)
	sealed := map[string]func() ([]byte, error){
		"status": func() ([]byte, error) { return link.Seal(c.Status(), link.TypeAck, issuertest.Site, link.Ack{}) },
		"keyset": func() ([]byte, error) { return link.Seal(c.Keyset(), link.TypeLanes, issuertest.Site, link.Lanes{}) },
	}
	old := c.Status().KeyID()
	for what, seal := range sealed {
		if _, err := seal(); err != nil {
			t.Fatal(err)
		}
		if _, err := issuer.NewRoles(issuer.Options{Dir: dir, Site: issuertest.Site, Passphrase: []byte("correct horse battery"), Now: now}); err != nil {
			t.Fatal(err)
		}
		if err := renew(); err != nil {
			t.Fatal(err)
		}
		if _, err := seal(); !errors.Is(err, link.ErrKeyChanged) {
			t.Errorf("%s: sealed with a key that is in force no more: %v", what, err)
		}
		if _, err := seal(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	ack, err := sealed["status"]()
	if err != nil {
		t.Fatal(err)
	}
	known := keys.StatusKeys()
	if _, err := link.Open[link.Ack](ack, link.TypeAck, issuertest.Site, link.Keys{keys.Status().KeyID(): known[keys.Status().KeyID()]}, link.MaxState); err != nil {
		t.Error(err)
	}
	if c.StatusKeys()[old] == nil || len(c.StatusKeys()) != 3 {
		t.Errorf("%d keys of the status role are known", len(c.StatusKeys()))
	}
}
