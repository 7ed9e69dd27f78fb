package lane

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/agent/journal"
	"turnstile/agent/presence"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// TestKilledAtEachStepByHand opens and changes modes by hand and kills the agent
// at each step: a code whose entry is durable is used up unless nobody walked, and
// a gate never opened without it.
func TestKilledAtEachStepByHand(t *testing.T) {
	for name, c := range map[string]struct {
		action  pass.Action
		outcome func(p *place)
		steps   int
		used    bool // at the end
	}{
		"passed":     {pass.ActOpenIn, func(p *place) { p.walk(gate.In) }, 6, true},
		"not passed": {pass.ActOpenIn, func(p *place) { p.after(gate.DefaultWindow) }, 6, false},
		"lockdown":   {pass.ActLockdown, func(p *place) { p.after(0) }, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			frames := filmByHand(t, handCode(1, c.action, nil), c.outcome)
			if len(frames) < c.steps {
				t.Fatalf("%d steps", len(frames))
			}
			for i, f := range frames {
				used, entries := afterCrashByHand(t, f)
				if want := entries > 0 && (c.used || i < len(frames)-1); used != want || f.openings > entries {
					t.Errorf("%d, %s: used %v with %d entries and %d openings", i, f.step, used, entries, f.openings)
				}
			}
		})
	}
}

func filmByHand(t *testing.T, text string, outcome func(p *place)) (frames []frame) {
	t.Helper()
	dir, outer := filepath.Join(t.TempDir(), "journal"), t
	synctest.Test(t, func(t *testing.T) {
		j, _, err := journal.Open(dir, small)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		p := newPlace(t, nil)
		c := &camera{t: outer, journal: j, dir: dir, gate: p.gate}
		p.record.Journal, p.lane.setup.Gate, p.lane.setup.Ref = c, watched{p.gate, c}, testRef
		p.change(everythingDown)
		p.start()
		p.scan(text)
		outcome(p)
		frames = c.frames // what the stop writes is not about the code
		p.end()
	})
	return frames
}

// afterCrashByHand starts again from a frame, and returns whether the code is used
// and how many entries use it.
func afterCrashByHand(t *testing.T, f frame) (used bool, entries int) {
	t.Helper()
	j, _, err := journal.Open(f.dir, small)
	if err != nil {
		t.Fatalf("%s: %v", f.step, err)
	}
	defer j.Close()
	p := presence.New()
	if err := j.Replay(max(1, j.First()), func(e link.Entry) error {
		p.Apply(e)
		if e.Type == link.EntryGranted || e.Type == link.EntryMode {
			entries++
		}
		return nil
	}); err != nil {
		t.Fatalf("%s: replay: %v", f.step, err)
	}
	r := Recorder{Journal: j, Presence: p, Facts: goodFacts, Now: func() time.Time { return noon }}
	if left, err := r.Recover(p.Unresolved()); err != nil || len(left) != 0 {
		t.Fatalf("%s: %d left: %v", f.step, len(left), err)
	}
	return p.Used(pass.ID{Day: testDay, Index: 1}), entries
}
