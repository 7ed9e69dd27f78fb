package crowd

import (
	"strings"
	"testing"
	"time"

	"turnstile/central/pass"
	"turnstile/simulator/campus"
	"turnstile/simulator/scenario"
)

func planned(t *testing.T, o Options) *Plan {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSame: one seed, one day; another seed, another day.
func TestSame(t *testing.T) {
	a, b := planned(t, Options{Seed: 7, People: 2000}), planned(t, Options{Seed: 7, People: 2000})
	if a.Text("") != b.Text("") {
		t.Error("the same seed made two days")
	}
	if c := planned(t, Options{Seed: 8, People: 2000}); a.Text("") == c.Text("") {
		t.Error("two seeds made one day")
	}
	if len(a.Text("")) < 100_000 {
		t.Errorf("a day of %d bytes", len(a.Text("")))
	}
	for _, o := range []Options{{People: MinPeople - 1}, {People: MaxPeople + 1}, {People: 60, Slot: time.Second}, {People: 60, Slot: MaxSlot + 1}, {People: 60, Lanes: campus.DefaultLanes()[:2]}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v: planned", o)
		}
	}
}

// TestShape: rush hours are where lectures begin and end, everything that can go
// wrong does, and everybody leaves.
func TestShape(t *testing.T) {
	for _, people := range []int{60, 2000} {
		p := planned(t, Options{Seed: 7, People: people})
		inside, stories, kinds := map[string]int{}, map[string]int{}, map[string]bool{}
		for i := range p.Turns {
			turn := &p.Turns[i]
			if i > 0 && turn.At < p.Turns[i-1].At || turn.At >= 23*time.Hour {
				t.Errorf("turn %d is at %v", i, turn.At)
			}
			stories[turn.Story]++
			for _, s := range turn.Steps {
				if _, err := campus.Parse(s.Act.String()); err != nil {
					t.Errorf("%s: %v", s.Act, err)
				}
				if _, ok := pass.ParseReason(s.Reason); !ok && s.Reason != "" {
					t.Errorf("%s: no reason %q", s.Act, s.Reason)
				}
				if s.Result == "passed" {
					inside[turn.Steps[0].Act.Target+" "+turn.Way]++
				}
				kinds[strings.Split(turn.Who, "-")[0]] = true
			}
		}
		for _, m := range Mishaps() {
			if stories[m] == 0 {
				t.Errorf("%d people: nobody for %q", people, m)
			}
		}
		if len(inside) < 2*len(p.Lanes)-2 || len(kinds) != 3 || stories[""] < people*3 || stories[""] > people*9 {
			t.Errorf("%d people: passages %v, kinds %v, %d ordinary turns", people, inside, kinds, stories[""])
		}
	}
}

// leaving counts who leaves the campus within a stretch.
func leaving(p *Plan, from, until time.Duration) (n int) {
	for i := range p.Turns {
		if t := &p.Turns[i]; t.Way == "out" && t.Zone == mainZone && t.At >= from && t.At < until {
			n++
		}
	}
	return n
}

func TestRush(t *testing.T) {
	p := planned(t, Options{Seed: 3, People: 2000})
	all := leaving(p, 0, 24*time.Hour)
	quarter := float64(all) / (14 * 4) // of an hour, over the day
	for _, l := range append(Lectures(), Evening()) {
		n := leaving(p, l.Until, l.Until+15*time.Minute)
		if float64(n) < 1.5*quarter {
			t.Errorf("%d leave within 15 minutes from %v on; a quarter of an hour has %.0f", n, l.Until, quarter)
		}
	}
	if all < 2000 {
		t.Errorf("%d leave", all)
	}
}

// TestText: a day can be played as a written scenario.
func TestText(t *testing.T) {
	p := planned(t, Options{Seed: 1, People: MinPeople})
	s, err := scenario.Parse("day", p.Text(""))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Lanes) != len(p.Lanes) || len(s.Steps) < 2*p.Acts() {
		t.Errorf("%d lanes, %d steps", len(s.Lanes), len(s.Steps))
	}
	who := p.Turns[len(p.Turns)-1].Who
	one, err := scenario.Parse("one", p.Text(who))
	if err != nil || len(one.Steps) >= len(s.Steps)/2 || len(one.Steps) < 4 {
		t.Errorf("%s alone: %v, %d steps", who, err, len(one.Steps))
	}
}

// TestDay plays a small day: every verdict as planned, and nobody is left inside.
func TestDay(t *testing.T) {
	t.Parallel()
	p := planned(t, Options{Seed: 7, People: 60, Slot: 90 * time.Minute, Lanes: few()})
	r, err := Run(t.Context(), p, RunOptions{Check: 150})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r.Text())
	if r.Failed() || r.Acts < p.Acts() || r.In < 60 || r.Out < 60 || len(r.Refused) < 9 || r.Checks < 2 || r.Waiting.Of < 120 {
		t.Errorf("%+v", r)
	}
}
