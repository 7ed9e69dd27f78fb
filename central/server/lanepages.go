package server

import (
	"turnstile/central/console"
	pages "turnstile/central/console/lanes"
)

// lanePages are the console's pages about lanes.
func (s *central) lanePages() []console.Route {
	return pages.Routes(pages.Deps{Lanes: lanes{s}, Places: places{s}, Fleet: laneFleet{s}, Commands: commands{s}, Modes: rules{s}, Log: s.config.Log,
		Enrol: func() string { return s.endpoints.Enrol }})
}
