package lane

import (
	"testing"
	"time"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// cutOff is a zone whose other controllers cannot be reached, and counts who asks
// for a pass's home.
type cutOff struct {
	home  bool
	asked int
}

func (c *cutOff) Apart(uint8, time.Time) bool { return true }

func (c *cutOff) Home(uint8, pass.ID) bool {
	c.asked++
	return c.home
}

// TestHomeIsComputedWhereTheZoneAsks: where lanes that are cut off admit and flag,
// a decision does not cost one hash for each controller of the zone.
func TestHomeIsComputedWhereTheZoneAsks(t *testing.T) {
	for name, c := range map[string]struct {
		policy link.Apart
		home   bool
		change func(p *pass.Pass)
		want   pass.Reason
		asked  int
	}{
		"soft":                 {link.ApartSoft, false, single, pass.Granted, 0},
		"home, unlimited pass": {link.ApartHome, false, nil, pass.Granted, 0},
		"home, at home":        {link.ApartHome, true, single, pass.Granted, 1},
		"home, elsewhere":      {link.ApartHome, false, single, pass.HomeLane, 1},
	} {
		others := &cutOff{home: c.home}
		at(t, func(p *place) {
			p.change(func(f *access.Facts) { f.Rules.Zones[0].Apart = c.policy })
			p.lane.setup.Others = others
			p.scan(codeOf(1, c.change))
			if e := p.journal.about(); len(e) == 0 || e[0].Reason != c.want || others.asked != c.asked {
				t.Errorf("%s: %+v, asked %d times", name, e, others.asked)
			}
		})
	}
}
