package scenario

import (
	"slices"

	"turnstile/simulator/campus"
)

// isLane reports whether the scenario's campus has the lane; each has a controller of
// its name.
func (p *parser) isLane(id string) bool {
	lanes := p.Lanes
	if lanes == nil {
		lanes = campus.DefaultLanes()
	}
	return slices.ContainsFunc(lanes, func(l campus.LaneSpec) bool { return l.ID == id })
}

// names takes in the passes that an act makes, and finds what an act is about that is
// not there: it would end the run in the middle.
func (p *parser) names(a campus.Act) {
	if what := campus.TargetOf(a); (what == "lane" || what == "controller") && !p.isLane(a.Target) {
		p.fault(1, "there is no %s %q", what, a.Target)
	}
	switch a.Verb {
	case "issue":
		p.passes[a.Target] = true
	case "supervisor":
		p.passes[a.Words[0]] = true
	default:
		if name := named(a); name != "" && !p.passes[name] {
			p.fault(1, "no pass %q was issued above", name)
		}
	}
}
