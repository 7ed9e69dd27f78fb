package office

import (
	"turnstile/central/link"
	"turnstile/central/pass"
)

// NoShort returns why a pass may not be cut down to a short code under the
// rules, "" if it may: a short code opens the rules' zones all day long, so the
// pass must do that too.
func NoShort(p *pass.Pass, r *link.Rules) string {
	from, until := p.Window()
	first, minute := r.Campus(from)
	last, end := r.Campus(until)
	switch {
	case r.Short == 0:
		return "The rules admit no short codes: they are weak. An administrator can name zones for them in short_zones."
	case p.Kind != pass.ECard && p.Kind != pass.Guest:
		return "Only eCards and guests' passes have short codes."
	case p.Flags != 0:
		return "A short code cannot carry this pass's conditions; issue one without."
	case p.Zones&r.Short != r.Short:
		return "A short code opens all zones of short_zones, and this pass does not; issue one for these zones."
	case first != p.Day || minute != 0 || last != p.Day+1 || end != 0:
		return "A short code is valid all day long, and this pass is not; issue one for the whole day."
	}
	return ""
}
