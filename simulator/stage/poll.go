package stage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"turnstile/agent/daemon"
	"turnstile/central/office"
	"turnstile/simulator/site"
	"turnstile/simulator/web"
)

// pollAgents reads what each agent says of itself.
func (s *Stage) pollAgents(context.Context) {
	for _, a := range s.site.Agents {
		status, err := a.Status()
		if err != nil {
			continue // it is starting, or being killed: the page keeps what it had
		}
		s.mu.Lock()
		s.take(a, status)
		s.mu.Unlock()
	}
}

func (s *Stage) take(a *site.Agent, status daemon.Status) {
	for i := range s.lanes {
		l := &s.lanes[i]
		if l.agent != a {
			continue
		}
		l.http, l.feed = status.HTTP, status.Feed
		for _, r := range status.Lanes {
			if int(r.Number) == l.steel.Number {
				l.status = r
			}
		}
	}
	s.tell()
}

// pollPassages asks central for what is new in the ledger.
func (s *Stage) pollPassages(ctx context.Context) {
	rows, err := s.site.API.Passages(ctx, s.newest) // only this poll writes newest
	s.mu.Lock()
	defer s.mu.Unlock()
	if up := err == nil; up != s.up {
		s.up = up
		s.tell()
	}
	for _, r := range rows {
		s.newest = max(s.newest, r.Number)
		if row, ok := s.row(r); ok {
			s.passages = slices.Insert(s.passages, 0, row)
			s.tell()
		}
	}
	s.passages = s.passages[:min(len(s.passages), maxPassages)]
}

// words tell what an entry of the journal means; others are not shown.
var words = map[string]string{
	"granted": "let in", "denied": "refused", "passed": "walked through", "not_passed": "nobody walked through",
	"unknown": "power failed: not known who walked", "forced": "forced", "tailgated": "two on one code",
	"fire": "fire", "tamper": "housing open", "gate_lost": "gate does not answer", "scanner_lost": "scanner gone",
}

func (s *Stage) row(p office.PassageBody) (web.Passage, bool) {
	what, ok := words[p.Type]
	if !ok {
		return web.Passage{}, false
	}
	row := web.Passage{
		Number: p.Number, Time: p.Time.Local().Format(time.TimeOnly), Lane: s.name(p), What: what, Pass: p.Pass,
		Good: p.Type == "passed", Bad: p.Type == "denied" || p.Type == "forced",
	}
	if p.Type == "denied" {
		row.Why = p.Reason
	}
	return row, true
}

func (s *Stage) name(p office.PassageBody) string {
	if l := s.find(laneID(p.Controller, p.Lane)); l != nil {
		return l.steel.Setup.Name
	}
	return p.Controller
}

// pollPasses asks central which lanes refuse a pass by now.
func (s *Stage) pollPasses(ctx context.Context) {
	s.mu.Lock()
	passes := slices.Clone(s.passes)
	s.mu.Unlock()
	for _, p := range passes {
		found, err := s.site.API.Find(ctx, p.ID)
		if err != nil {
			return // central is down; the next round asks again
		}
		s.mu.Lock()
		s.refresh(found)
		s.mu.Unlock()
	}
}

func (s *Stage) refresh(found office.PassBody) {
	for i := range s.passes {
		p := &s.passes[i]
		if p.ID != found.ID {
			continue
		}
		reach := ""
		if r := found.RefusedBy; r != nil {
			reach = fmt.Sprintf("%d of %d lane controllers refuse it", r.Lanes, r.Of)
		}
		if p.Status != found.Status || p.Reach != reach {
			p.Status, p.Reach = found.Status, reach
			s.tell()
		}
	}
}
