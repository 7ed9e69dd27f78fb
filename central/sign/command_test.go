package sign

import (
	"errors"
	"strings"
	"testing"
	"time"

	"turnstile/central/issuer"
	"turnstile/central/issuer/issuertest"
	"turnstile/central/link"
)

// TestCommands: a command that opens a lane is limited and stands in the audit;
// one that lanes would not take, or of another time, is not signed.
func TestCommands(t *testing.T) {
	p := start(t, func(c *Config) {
		c.Limits = Limits{Commands: 3}
		c.Now = func() time.Time { return now }
	})
	c := p.dial(t)
	good := link.Command{Lane: "north-1", Number: 77, Action: link.CommandOpen, Index: 2, Direction: 1, Issued: now.UnixMilli(), Expires: now.UnixMilli() + 30_000,
		Cause: 3, Start: link.Nonce{1}}
	for what, change := range map[string]func(c *link.Command){
		"for an hour":        func(c *link.Command) { c.Expires += 3_600_000 },
		"of yesterday":       func(c *link.Command) { c.Issued -= 86_400_000; c.Expires -= 86_400_000 },
		"for tomorrow":       func(c *link.Command) { c.Issued += 86_400_000; c.Expires += 86_400_000 },
		"without a number":   func(c *link.Command) { c.Number = 0 },
		"to no lane":         func(c *link.Command) { c.Lane = "" },
		"for whatever start": func(c *link.Command) { c.Start = link.Nonce{} },
	} {
		bad := good
		change(&bad)
		if _, err := link.Seal(c.Status(), link.TypeCommand, issuertest.Site, bad); !errors.Is(err, issuer.ErrRefused) {
			t.Errorf("a command %s: %v", what, err)
		}
	}
	if _, err := link.Seal(c.Keyset(), link.TypeCommand, issuertest.Site, good); !errors.Is(err, issuer.ErrRefused) {
		t.Errorf("by the keyset role: %v", err)
	}
	for n := range 5 {
		wire, err := link.Seal(c.Status(), link.TypeCommand, issuertest.Site, good)
		if (err == nil) != (n < 3) || err != nil && !errors.Is(err, issuer.ErrRefused) {
			t.Errorf("command %d of a limit of 3: %v", n+1, err)
		}
		if err != nil {
			continue
		}
		if _, err := link.Open[link.Command](wire, link.TypeCommand, issuertest.Site, c.StatusKeys(), link.MaxCommand); err != nil {
			t.Error(err)
		}
	}
	p.stop()
	if l := find(p.lines(t), "command"); len(l) != 3 || !strings.Contains(l[0].Detail, "open north-1/2 number 77 direction 1 cause 3") {
		t.Errorf("%+v", l)
	}
}
