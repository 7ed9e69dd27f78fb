package lane

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/journal"
	"turnstile/agent/presence"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
)

// camera copies the journal's folder at each step of a passage: what a kill -9
// at that moment would leave behind.
type camera struct {
	t       *testing.T // outlives the lane's bubble
	journal *journal.Journal
	dir     string
	gate    *gatetest.Fake

	mu     sync.Mutex // guards the following
	frames []frame
}

type frame struct {
	step     string
	dir      string
	openings int
}

func (c *camera) shoot(step string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir := c.t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "journal"), os.DirFS(c.dir)); err != nil {
		c.t.Errorf("copy journal: %v", err)
	}
	c.frames = append(c.frames, frame{step, filepath.Join(dir, "journal"), c.gate.Openings()})
}

// Append implements Journal.
func (c *camera) Append(e link.Entry) (uint64, error) {
	c.shoot("before append")
	defer c.shoot("after append")
	return c.journal.Append(e)
}

// watched is a gate that is photographed too.
type watched struct {
	*gatetest.Fake
	camera *camera
}

func (w watched) Open(ctx context.Context, g gate.Grant) error {
	w.camera.shoot("before open")
	defer w.camera.shoot("after open")
	return w.Fake.Open(ctx, g)
}

// TestKilledAtEachStep lets a single-entry guest walk in, or not, and kills the
// agent at each step in between.
func TestKilledAtEachStep(t *testing.T) {
	for name, outcome := range map[string]func(p *place){
		"passed":     func(p *place) { p.walk(gate.In) },
		"not passed": func(p *place) { p.after(gate.DefaultWindow) },
		"gate lost":  func(p *place) { p.gate.Lose(); p.after(0) },
		"refused":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			frames := film(t, outcome)
			if len(frames) < 6 {
				t.Fatalf("only %d steps", len(frames))
			}
			seen := map[link.EntryType]int{}
			for _, f := range frames {
				seen[afterCrash(t, f)]++
			}
			if seen[0] == 0 || seen[link.EntryUnknown] == 0 && name != "refused" {
				t.Errorf("results after the crashes: %v", seen)
			}
		})
	}
}

func film(t *testing.T, outcome func(p *place)) (frames []frame) {
	t.Helper()
	dir, outer := filepath.Join(t.TempDir(), "journal"), t
	synctest.Test(t, func(t *testing.T) {
		j, _, err := journal.Open(dir, small)
		if err != nil {
			t.Fatal(err)
		}
		p := newPlace(t, nil)
		c := &camera{t: outer, journal: j, dir: dir, gate: p.gate}
		p.record.Journal = c
		p.lane.setup.Gate = watched{p.gate, c}
		if outcome == nil {
			p.gate.Refuse(gate.ErrRefused)
		}
		p.start()
		p.scan(codeOf(1, single))
		if outcome != nil {
			outcome(p)
		}
		p.end()
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		frames = c.frames
	})
	return frames
}

var small = journal.Options{SegmentSize: 64 << 10}

// afterCrash starts again from a frame, as the daemon does, and returns how the
// grant ended, 0 if there was none.
func afterCrash(t *testing.T, f frame) (end link.EntryType) {
	t.Helper()
	j, _, err := journal.Open(f.dir, small)
	if err != nil {
		t.Fatalf("%s: %v", f.step, err)
	}
	defer j.Close()
	p := presence.New()
	if err := j.Replay(1, func(e link.Entry) error { p.Apply(e); return nil }); err != nil {
		t.Fatalf("%s: replay: %v", f.step, err)
	}
	cutOff := p.Unresolved()
	r := Recorder{Journal: j, Presence: p, Facts: func() access.Facts { return goodFacts() }, Now: func() time.Time { return noon }}
	if left, err := r.Recover(cutOff); err != nil || len(left) != 0 {
		t.Fatalf("%s: %d of %d left: %v", f.step, len(left), len(cutOff), err)
	}
	grants := 0
	if err := j.Replay(1, func(e link.Entry) error {
		switch e.Type {
		case link.EntryGranted:
			grants++
			end = 0
		case link.EntryPassed, link.EntryNotPassed, link.EntryUnknown:
			if end != 0 {
				t.Errorf("%s: two results for one grant", f.step)
			}
			end = e.Type
		}
		return nil
	}); err != nil {
		t.Fatalf("%s: replay: %v", f.step, err)
	}
	if f.openings > grants {
		t.Errorf("%s: the gate opened without an entry", f.step)
	}
	if grants > 0 && end == 0 {
		t.Errorf("%s: a grant without a result", f.step)
	}
	check(t, f.step, p, end)
	return end
}

// check compares the presence with the result that the journal tells.
func check(t *testing.T, step string, p *presence.Presence, end link.EntryType) {
	t.Helper()
	got := p.Of(pass.ID{Day: testDay, Index: 1}, testZone, gate.In)
	want := map[link.EntryType]access.Past{
		link.EntryPassed:  {Inside: true, Used: 1, Entered: noon.UnixMilli()},
		link.EntryUnknown: {Unknown: 1, Maybe: true},
	}[end]
	if got != want {
		t.Errorf("%s, ended %d: %+v, want %+v", step, end, got, want)
	}
}
