package status

import (
	"testing"

	"pgregory.net/rapid"

	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// TestModel: whatever is issued, revoked, held and released, over midnights and
// restarts, and whichever messages a lane loses, the lane comes to central's
// state by asking, and never sees a fork.
func TestModel(t *testing.T) {
	keys := must[*issuer.Issuer](t)(issuer.Open(t.TempDir(), site, []byte("correct horse"), noon))
	runs := 0
	rapid.Check(t, func(r *rapid.T) {
		runs++
		d := &desk{data: t.TempDir(), keys: keys, broker: &published{}}
		d.clock.Store(noon.UnixMilli())
		d.prepare(r)
		d.start(r)
		defer func() { d.stop() }()
		model := map[pass.ID]link.Status{}
		var ids []pass.ID
		f := newFollower(d)
		listen := func(lossy bool) {
			for _, m := range d.broker.take() {
				if !lossy || rapid.IntRange(0, 2).Draw(r, "loss") > 0 {
					f.hear(r, m)
				}
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"issue": func(r *rapid.T) {
				id := d.issue(r, d.Today()+pass.Day(rapid.IntRange(0, 3).Draw(r, "ahead")))
				ids, model[id] = append(ids, id), link.Good
			},
			"change": func(r *rapid.T) {
				if len(ids) == 0 {
					return // nothing is issued
				}
				id := rapid.SampledFrom(ids).Draw(r, "pass")
				if id.Day+1 < d.Today() {
					return // it is over
				}
				s := link.Status(rapid.IntRange(0, 2).Draw(r, "status"))
				d.set(r, id, s)
				model[id] = s
				d.sync(r)
				listen(true)
			},
			"midnight": func(r *rapid.T) {
				d.clock.Add(12 * 3600 * 1000)
				d.roll(r)
				listen(true)
			},
			"half a minute": func(r *rapid.T) {
				d.clock.Add(31_000)
				d.roll(r)
				listen(true)
			},
			"restart": func(r *rapid.T) {
				d.stop()
				d.start(r)
				listen(true)
			},
			"": func(r *rapid.T) {
				v := d.View()
				for id, s := range model {
					if l := v.State.Day(id.Day); l != nil && l.Status(id.Index) != s {
						r.Fatalf("central has %s as %d, want %d", id, l.Status(id.Index), s)
					}
				}
			},
		})
		f.converge(r, d, listen)
		if f.forks != 0 || f.state.Root() != d.View().State.Root() {
			r.Fatalf("lane at %d, central at %d, %d forks", f.state.Seq, d.View().State.Seq, f.forks)
		}
	})
	if runs < 5 {
		t.Errorf("only %d runs", runs)
	}
}

// converge lets the lane ask, without loss, until it wants nothing more.
func (f *follower) converge(r *rapid.T, d *desk, listen func(bool)) {
	if err := d.call(r.Context(), d.publishHead); err != nil {
		r.Fatalf("%v", err)
	}
	listen(false)
	for range 4 {
		a := f.ask()
		if a == nil {
			return
		}
		if err := d.ask(r, a); err != nil {
			r.Fatalf("ask: %v", err)
		}
		listen(false)
	}
	r.Fatalf("the lane still asks for %+v", f.ask())
}
