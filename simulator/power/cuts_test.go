package power

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"turnstile/simulator/machine/disk"
)

// cutsOfDisk is how many cuts one disk goes through before a new one.
const cutsOfDisk = 10

// TestCuts cuts the power of the real agent on a real kernel, over and over on the
// same disk, and judges the disk after each cut.
func TestCuts(t *testing.T) {
	began := time.Now()
	t.Run("on", func(t *testing.T) { // waits for all of its parallel parts
		for run := 0; run*cutsOfDisk < *cuts; run++ {
			t.Run(fmt.Sprint(run), func(t *testing.T) {
				t.Parallel()
				c := newCampaign(t, "cuts", run, false)
				for i := range min(cutsOfDisk, *cuts-run*cutsOfDisk) {
					c.cycle(i)
				}
				c.last()
			})
		}
	})
	total.add("cuts", func(n *tally) { n.Seed, n.Seconds = *seed, time.Since(began).Seconds() })
	n := total.of("cuts")
	t.Log(n)
	if n.Cuts != *cuts || n.Lost+n.Twice+n.Spoilt > 0 {
		t.Errorf("%d of %d cuts; lost %d, twice %d, spoilt %d", n.Cuts, *cuts, n.Lost, n.Twice, n.Spoilt)
	}
	// A few cuts can do without what is drawn seldom.
	if *cuts >= 10 && (n.Unflushed*3 < n.Cuts || n.Openings < n.Cuts || n.Results == 0 || n.UsedRefused < n.Cuts/4) ||
		*cuts >= 100 && (n.Torn == 0 || n.AtStart == 0 || n.Worn == 0) {
		t.Errorf("these cuts cut nothing of interest: %s", n)
	}
}

// TestLiarIsCaught: the campaign finds a disk that ignores flushes.
func TestLiarIsCaught(t *testing.T) {
	c := newCampaign(t, "liar", 0, true)
	for i := range 5 {
		if c.cycleOnLiar(i); t.Failed() {
			return
		}
		if n := c.counts.of("liar"); n.Lost+n.Twice+n.Spoilt > 0 {
			t.Logf("caught after %d cuts: %s", n.Cuts, n)
			return
		}
	}
	t.Error("a disk that ignores flushes was not found out")
}

// campaign is one disk and what happens to it.
type campaign struct {
	*controller
	t      *testing.T
	counts *counts
	name   string
	run    int
	fate   *rand.Rand // decides what survives the next cut
}

// newCampaign makes the lane of one run. Every second one has a history; every
// fourth has a slow disk.
func newCampaign(t *testing.T, name string, run int, lies bool) *campaign {
	t.Helper()
	r := rand.New(rand.NewPCG(*seed, uint64(run)))
	l := newController(t, r, run%2 == 1, filepath.Join(results, fmt.Sprintf("%s-%d.log", name, run)))
	if run%4 == 2 {
		l.disk.Slow(time.Duration(1+r.IntN(15)) * time.Millisecond)
	}
	tallies := &total
	if lies {
		tallies = &counts{} // what a liar loses is no loss
		l.disk.Lie()
	}
	tallies.add(name, func(n *tally) { n.Runs++ })
	return &campaign{controller: l, t: t, counts: tallies, name: name, run: run}
}

// draw begins a cycle: what is drawn in it does not depend on how far the one
// before came.
func (c *campaign) draw(i int) {
	at := uint64(c.run)<<32 | uint64(i)<<1
	c.rand, c.fate = rand.New(rand.NewPCG(*seed, at)), rand.New(rand.NewPCG(*seed, at|1))
}

// plan is what happens in one cycle.
type plan struct {
	early bool      // the disk's trip is set before it is mounted, else when the agent is ready
	trip  disk.Trip // none: the power goes when the visits are over
	worn  bool      // the disk refuses to write after the visits, and one more person comes
	visit int       // how many people come at most
}

func (c *campaign) plan() plan {
	p := plan{visit: 2 + c.rand.IntN(8)}
	switch n := c.rand.IntN(20); {
	case n == 0: // at any moment
	case n == 1:
		p.worn = true
	case n < 7: // while it starts, mostly
		p.early, p.trip.Writes = true, 1+c.rand.IntN(20)
	case n < 9:
		p.early, p.trip.Flushes = true, 1+c.rand.IntN(6)
	case n < 12:
		p.trip.Flushes = 1 + c.rand.IntN(2*p.visit)
	default:
		p.trip.Writes = 1 + c.rand.IntN(3*p.visit)
	}
	return p
}

// cycle gives the computer power, has people come until the disk freezes or the
// plan is over, cuts the power, and judges the disk.
func (c *campaign) cycle(i int) {
	c.t.Helper()
	c.draw(i)
	if err := c.live(c.plan()); err != nil {
		c.t.Fatalf("cut %d: %v\n%s\n%s", i, err, c.keep(i, c.disk.Content()), c.words())
	}
	if err := c.cut(i); err != nil {
		c.t.Fatalf("cut %d: %v", i, err)
	}
}

// cycleOnLiar is a cycle of which everything but a sound disk is a success.
func (c *campaign) cycleOnLiar(i int) {
	c.t.Helper()
	c.draw(i)
	err := c.live(plan{trip: disk.Trip{Writes: 10 + i}, visit: 8})
	if err != nil {
		c.counts.add(c.name, func(n *tally) { n.Spoilt++ })
	}
	if err := errors.Join(err, c.cut(i)); err != nil {
		c.t.Logf("cut %d: %v", i, err)
	}
}

// words is the end of what the console shows.
func (c *campaign) words() string {
	if c.computer == nil {
		return ""
	}
	return c.computer.Console.Tail(30)
}

// live runs the computer to the moment of the cut. An error is what should not
// have happened before it.
func (c *campaign) live(p plan) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if err := c.on(ctx); err != nil {
		return err
	}
	var trip <-chan struct{}
	if p.early {
		trip = c.disk.Freeze(p.trip)
	} else {
		trip = make(chan struct{})
	}
	ended := make(chan error, 1)
	armed := make(chan (<-chan struct{}), 1)
	go func() { ended <- c.people(ctx, p, armed) }()
	for {
		select {
		case trip = <-armed:
		case <-trip: // whatever waits for the disk ends with the computer
			cancel()
			err := c.computer.Close()
			<-ended
			err = c.detach(err)
			if !c.ledger.at(never).isReady() {
				c.counts.add(c.name, func(n *tally) { n.AtStart++ })
			}
			return err
		case err := <-ended:
			return err
		}
	}
}

// people is one life of the agent: it starts, used passes are shown, new people
// come, now and then the agent is stopped and started.
func (c *campaign) people(ctx context.Context, p plan, armed chan<- (<-chan struct{})) error {
	last, walked := c.used(0)
	if err := c.mount(); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	if walked {
		if err := c.again(ctx, last); err != nil {
			return err
		}
		c.counts.add(c.name, func(n *tally) { n.UsedRefused++ })
	}
	if !p.early && p.trip != (disk.Trip{}) {
		armed <- c.disk.Freeze(p.trip)
	}
	for range p.visit {
		if err := c.step(ctx); err != nil {
			return err
		}
	}
	if p.worn {
		return c.wornOut(ctx)
	}
	return nil
}

// step is one thing that happens at a lane.
func (c *campaign) step(ctx context.Context) error {
	switch n := c.rand.IntN(16); n {
	case 0:
		if err := c.stop(); err != nil {
			return err
		}
		return c.start(ctx)
	case 1:
		if id, ok := c.used(1 + c.rand.IntN(4)); ok {
			return c.again(ctx, id)
		}
	}
	return c.visit(ctx)
}

// wornOut has somebody come when the disk takes nothing any more: the gate stays shut.
func (c *campaign) wornOut(ctx context.Context) error {
	c.disk.Fail()
	c.ledger.wear()
	c.counts.add(c.name, func(n *tally) { n.Worn++ })
	id, _ := c.pass()
	if _, err := c.show(ctx, id, false, 5*time.Second); err != nil && !errors.Is(err, errSilent) {
		return err
	}
	return nil
}

// cut takes the power and judges what the disk holds then.
func (c *campaign) cut(i int) error {
	c.disk.Stop()
	if err := c.off(); err != nil {
		return err
	}
	if s := c.gate.State(); s.Relay && s.Grant == 0 { // of one moment: a pulse may end meanwhile
		return fmt.Errorf("the gate's relay is on without a grant")
	}
	loss := c.disk.Cut(c.fate)
	c.counts.add(c.name, func(n *tally) { n.cut(loss) })
	return c.judged(i, c.disk.Image())
}

// judged judges a disk; one that is condemned is kept.
func (c *campaign) judged(i int, image []byte) error {
	seen := c.ledger.at(never)
	f, err := judgeImage(image, seen, room(c.t))
	c.counts.add(c.name, func(n *tally) { n.verdict(f, seen, err) })
	if err != nil {
		if c.disk.Lies() {
			return err
		}
		return fmt.Errorf("%w\n%s", err, c.keep(i, image))
	}
	c.ledger.know(f.entries)
	if f.healed != nil {
		c.disk.Load(f.healed)
	}
	return nil
}

// last starts the computer once more, lets somebody in, stops the agent and
// judges the disk as it is when everything was flushed.
func (c *campaign) last() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*patience)
	defer cancel()
	err := c.on(ctx)
	if err == nil {
		err = c.people(ctx, plan{visit: 1}, nil)
	}
	if err == nil {
		err = errors.Join(c.stop(), c.computer.Sync())
	}
	if err != nil {
		c.t.Fatalf("after the last cut: %v\n%s\n%s", err, c.keep(cutsOfDisk, c.disk.Content()), c.words())
	}
	if err := c.judged(cutsOfDisk, c.disk.Image()); err != nil {
		c.t.Fatalf("after the last cut: %v", err)
	}
	c.counts.add(c.name, func(n *tally) { n.Revived++ })
	if err := c.off(); err != nil {
		c.t.Error(err)
	}
}

// keep keeps a disk with what was seen, and says how to judge it again.
func (c *campaign) keep(i int, image []byte) string {
	c.t.Helper()
	path := filepath.Join(results, fmt.Sprintf("%s-seed%d-run%d-cut%d.img", c.name, *seed, c.run, i))
	return keep(c.t, path, image, c.ledger.at(never))
}
