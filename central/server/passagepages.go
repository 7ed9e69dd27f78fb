package server

import (
	"turnstile/central/console"
	"turnstile/central/console/passages"
)

// passagePages are the console's pages about passages.
func (s *central) passagePages() []console.Route {
	o := s.services()
	return passages.Routes(passages.Services{
		Ledger: o.Ledger, Tally: o.Tally, Presence: o.Presence, Attention: o.Attention, Zones: o.Rules, Lanes: o.Lanes, Places: o.Places, Site: s.config.Site,
	})
}
