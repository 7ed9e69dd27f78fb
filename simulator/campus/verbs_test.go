package campus

import (
	"net/http"
	"slices"
	"testing"

	"turnstile/agent/daemon"
	"turnstile/central/office"
)

// step is an act and what is to be seen of it.
type step struct {
	act  string
	sees func(View) bool // nil: nothing more than that it is done
}

// decided returns a check for a lane's last decision.
func decided(lane, reason string) func(View) bool {
	return func(v View) bool { return v.last(lane).Reason == reason }
}

// came returns a check for a lane's last result.
func came(lane, name, result string) func(View) bool {
	return func(v View) bool { return v.last(lane).Pass == name && v.last(lane).Result == result }
}

// warned returns a check for a lane's warning.
func warned(lane, code string) func(View) bool {
	return func(v View) bool {
		for _, w := range v.on(lane).Warnings {
			if w.Code == code {
				return true
			}
		}
		return false
	}
}

// happened returns a check for a row of the ledger about a lane.
func happened(lane, what string) func(View) bool {
	return func(v View) bool {
		return slices.ContainsFunc(v.Passages, func(p Passage) bool { return p.Lane == lane && p.Type == what })
	}
}

func stand(n int) func(View) bool { return func(v View) bool { return len(v.Standing) == n } }

// obeys returns a check that a controller goes by the rules that central has now.
func (s *stage) obeys(controller string) func(View) bool {
	return func(View) bool {
		var r office.RulesBody
		err := s.api.Load().Do(s.t.Context(), http.MethodGet, "/rules", nil, &r)
		feed, silent := s.feedOf(controller)
		return err == nil && silent == nil && feed.Rules >= r.Version
	}
}

// hasHeard returns a check that a controller has all of central's feed.
func (s *stage) hasHeard(controller string) func(View) bool {
	return func(View) bool {
		var f office.FeedBody
		err := s.api.Load().Do(s.t.Context(), http.MethodGet, "/feed", nil, &f)
		feed, silent := s.feedOf(controller)
		return err == nil && silent == nil && feed.Seq >= f.Seq
	}
}

func (s *stage) feedOf(controller string) (daemon.FeedStatus, error) {
	k, err := s.controller(controller)
	if err != nil {
		s.t.Fatal(err)
	}
	now, err := k.agent.Ask(s.t.Context())
	return now.Feed, err
}

// perform does steps, each of which has to be seen, and returns the verbs that were used.
func (s *stage) perform(steps []step) map[string]bool {
	s.t.Helper()
	used := map[string]bool{}
	for _, st := range steps {
		s.do(st.act)
		if st.sees != nil {
			s.until(st.act, st.sees)
		}
		a, _ := Parse(st.act)
		used[a.Verb] = true
	}
	return used
}

// TestEveryVerb does every act that a played campus can do, and looks for what an
// onlooker sees of it.
func TestEveryVerb(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	used := s.perform([]step{
		{"rules 1 repeat=0s", nil},
		{"issue alumna ecard", func(v View) bool { return len(v.Passes) == 1 && v.Passes[0].Name == "alumna" }},
		{"scan north alumna", came("north", "alumna", "passed")},
		{"scan north alumna way=out", func(v View) bool { return v.on("north").Decisions == 2 && v.last("north").Result == "passed" }},
		{"scan south text=https://example.org", decided("south", "FOREIGN")},
		{"issue live ecard live=yes", nil},
		{"shot live", func(v View) bool { return v.Passes[1].Shot && v.Passes[1].Live }},
		{"scan library live", came("library", "live", "passed")},
		{"advance 2m", nil},
		{"scan library live shot", decided("library", "LIVE_STALE")},
		{"forge alumna signature", func(v View) bool { return v.Passes[0].Forged == "signature" }},
		{"scan south alumna forged", decided("south", "FORGED")},
		{"hold alumna", func(v View) bool { return v.Passes[0].Status == "held" && v.Passes[0].Lanes == 3 }},
		{"scan south alumna", decided("south", "HELD")},
		{"release alumna", func(v View) bool { return v.Passes[0].Status == "good" }},
		{"shot alumna", nil},
		{"reissue alumna", nil},
		{"scan south alumna shot", nil},
		{"revoke alumna reason=\"lost phone\"", func(v View) bool { return v.Passes[1].Name == "alumna" && v.Passes[1].Lanes == 3 }},
		{"scan south alumna", decided("south", "REVOKED")},

		{"issue porter staff", nil}, {"issue ho staff", nil}, {"issue ng staff", nil},
		{"people north stay", stand(1)},
		{"scan north porter", func(v View) bool { return v.on("north").Open && v.on("north").Walking == "" }},
		{"walk north in", came("north", "porter", "passed")},
		{"people north pairs", nil},
		{"issue two staff", nil},
		{"scan north two", happened("north", "tailgated")},
		{"people north walk", stand(0)},
		{"walk library in people=2", happened("library", "forced")},
		{"flood library scans=5", func(v View) bool { return v.on("library").Decisions >= 5 }},

		{"scanner north out", warned("north", "scanner.lost")},
		{"scan north porter", nil},
		{"scanner north silent", stand(1)},
		{"scanner north babble", decided("north", "UNREADABLE")},
		{"scanner north half", nil},
		{"scan north porter", decided("north", "MALFORMED")},
		{"scanner north in", stand(0)},
		{"gate north out", warned("north", "gate.lost")},
		{"scan north porter", decided("north", "GATE_FAULT")},
		{"gate north in", nil},
		{"gate north bounce", nil},
		{"scan north ho", happened("north", "tailgated")},
		{"gate north in", nil},
		{"gate north backwards", nil},
		{"scan north ng", happened("north", "forced")},
		{"gate north noisy", stand(1)},
		{"gate north stuck", nil},
		{"gate north restart", nil},
		{"gate north in", stand(0)},
		{"fire north on", happened("north", "fire")},
		{"fire north off", stand(0)},
		{"tamper north on", warned("north", "gate.tamper")},
		{"tamper north off", stand(0)},

		{"cable north cut", stand(1)},
		{"cable north hold", stand(1)},
		{"cable north slow", stand(1)},
		{"cable north join", stand(0)},
		{"power south cut", func(v View) bool { return !v.on("south").Answers }},
		{"power south on", func(v View) bool { return v.on("south").Answers }},
		{"central kill", func(v View) bool { return !v.Central.Up }},
		{"central start", func(v View) bool { return v.Central.Up }},
		{"clock library -24h", nil},
		{"clock library 1970", nil},
		{"clock library right", stand(0)},
		{"wait 10ms", nil},

		{"mode 1 lockdown reason=drill", nil},
		{"scan library porter", nil},
		{"supervisor library slip open-in", nil},
		{"scan library slip", came("library", "slip", "passed")},
		{"mode 1 normal", stand(0)},
		{"issue late ecard", nil},
		// A command waits half a minute for a lane, and a lane perhaps as long before it comes back.
		{"revoke late", func(v View) bool { return refusedBy(v, "late") == 3 }},
		{"open south in", happened("south", "granted")},
		{"rules 0 passback=hard open=07:00 close=08:00", nil},
		{"issue lee ecard", nil},
		{"withdraw", nil},
		{"replace south", func(v View) bool { return v.on("south").Answers && v.on("south").FeedAge >= 0 }},
		{"cable south cut", nil}, {"gate north stuck", stand(2)},
		{"heal", stand(0)},
	})
	s.whole()
	for _, v := range Verbs() {
		if !used[v.Name] && !v.Real {
			t.Errorf("nobody has done: %s", v.Name)
		}
	}
	s.until("alarms", func(v View) bool { return len(v.Alarms) > 0 })
}

// refusedBy is how many lanes refuse a pass that was revoked.
func refusedBy(v View, name string) int {
	for _, p := range v.Passes {
		if p.Name == name {
			return p.Lanes
		}
	}
	return 0
}
