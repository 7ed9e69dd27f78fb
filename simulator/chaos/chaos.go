// Package chaos breaks a running campus by a seeded schedule, and checks what the product promises after every step.
//
// Central, a broker and three lane controllers run as the processes that are
// installed; scanners and gates are virtual and hang on pseudo-terminals, the
// network goes over links that can be cut, slowed and held. People scan all the
// time while processes are killed and frozen, disks are full, a clock jumps,
// cables are out, and wires carry garbage. After each step everything is
// healed, and then Check compares what was seen on the wires with the lanes'
// journals, central's ledger and the feed.
//
// The schedule of a seed is the same each time; what the machine makes of it in
// between is not, as in life.
package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/simulator/device"
	"turnstile/simulator/promise"
	"turnstile/simulator/site"
)

// Options of a campaign.
type Options struct {
	Seed      uint64
	For       time.Duration // how long steps are begun
	Steps     int           // that are done however long they take, unless a promise is broken
	Programs  string        // folder of agent, central and simulator
	Folder    string        // "": a temporary one, kept only after a failure
	Mosquitto string        // path of an external broker; "": central's own
	Progress  io.Writer     // one line a step; nil: nowhere
}

// campaign is one run.
type campaign struct {
	Options
	site     *site.Site
	world    *promise.Witness
	desk     *desk
	breaker  *breaker
	schedule *Schedule
	observer *promise.Observer
	report   Report
}

// healLimit is how long a healed campus may take to be whole again: lanes come
// back to the broker with growing pauses, up to a minute.
const healLimit = 150 * time.Second

// slowHealing is a healing whose faults are worth a look.
const slowHealing = 15 * time.Second

// tellEvery is how often it is told what is still missing.
const tellEvery = 10 * time.Second

// Run runs a campaign. The error says that it could not be run; broken promises
// are in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	temporary := o.Folder == ""
	if temporary {
		var err error
		if o.Folder, err = os.MkdirTemp("", "turnstile-chaos-"); err != nil {
			return nil, fmt.Errorf("make data folder: %w", err)
		}
	}
	c := &campaign{Options: o, world: promise.NewWitness()}
	began := time.Now()
	err := c.open(ctx)
	if err == nil {
		err = c.play(ctx, began)
		err = errors.Join(err, c.site.Close())
		err = errors.Join(err, c.leaks())
	}
	c.finish(began)
	if err != nil {
		return &c.report, fmt.Errorf("%w\nlogs are in %s", err, filepath.Join(o.Folder, "logs"))
	}
	if temporary && !c.report.Failed() {
		err = os.RemoveAll(o.Folder)
	}
	return &c.report, err
}

// open starts the campus: two lane controllers with a true clock, one of them
// with a second lane in another zone, that hear each other by multicast, and one
// whose clock lies, which hears the others by the broker alone.
func (c *campaign) open(ctx context.Context) error {
	clock := filepath.Join(c.Folder, "clock")
	group, err := multicast()
	if err != nil {
		return err
	}
	setup := func(id string, lanes int, group string, command ...string) site.AgentSetup {
		a := site.AgentSetup{ID: id, Command: command, Multicast: group}
		for i := range lanes {
			watch := func(s device.ControllerState) { c.world.Watch(id, i+1, s) }
			a.Lanes = append(a.Lanes, site.LaneSetup{Name: fmt.Sprintf("%s %d", id, i+1), Zone: i, Window: time.Second, Changed: watch})
		}
		return a
	}
	agents := []site.AgentSetup{setup("north", 2, group), setup("south", 1, group),
		setup("liar", 1, "", filepath.Join(c.Programs, "simulator"), "lane", "--clock", clock)}
	c.site, err = site.Start(context.WithoutCancel(ctx), site.Config{Programs: c.Programs, Data: c.Folder, Agents: agents, Mosquitto: c.Mosquitto, Heads: time.Second})
	if err != nil {
		return err
	}
	c.observer = promise.NewObserver(c.site, c.world, filepath.Join(c.Folder, "copies"))
	cast := Cast{Lying: 2, External: c.Mosquitto != ""}
	for _, a := range agents {
		cast.Lanes = append(cast.Lanes, len(a.Lanes))
	}
	c.schedule = NewSchedule(c.Seed, cast)
	c.breaker = &breaker{site: c.site, world: c.world, clock: clock, down: map[string]bool{}}
	c.desk = newDesk(c.site, c.world, c.Seed)
	if err := c.desk.print(ctx); err != nil {
		return errors.Join(err, c.site.Close())
	}
	for len(c.desk.guests) < wantGuests && len(c.desk.good) < wantGood && ctx.Err() == nil {
		c.desk.stock(ctx)
	}
	return nil
}

// play runs steps until the time is over and enough are done, or a promise is broken.
func (c *campaign) play(ctx context.Context, began time.Time) error {
	for (time.Since(began) < c.For || c.report.Steps < c.Steps) && ctx.Err() == nil {
		c.report.Steps++
		faults := c.schedule.Step()
		healed := time.Now()
		violations, err := c.step(ctx, faults)
		if err != nil {
			return fmt.Errorf("step %d of seed %d: %w", c.report.Steps, c.Seed, err)
		}
		c.progress("step %d: %d faults, %d openings so far, %.1f s", c.report.Steps, len(faults), c.world.Openings(), time.Since(healed).Seconds())
		if time.Since(healed) > stepTime+slowHealing {
			c.progress("  slow after %v", faults)
		}
		if len(violations) > 0 {
			c.report.Step, c.report.Violations, c.report.History, c.report.Folder = c.report.Steps, violations, c.world.History(), c.Folder
			for _, f := range faults {
				c.report.Schedule = append(c.report.Schedule, f.String())
			}
			return nil
		}
	}
	return nil
}

// leaks looks for secrets in all that the programs logged.
func (c *campaign) leaks() error {
	found, secrets, size, err := c.site.Leaks(c.desk.secrets...)
	for _, f := range found {
		c.report.Violations = append(c.report.Violations, promise.Violation{Promise: promise.Secrets, Detail: f})
	}
	c.report.Secrets, c.report.Logged = secrets, size
	if len(found) > 0 && c.report.Folder == "" {
		c.report.Step, c.report.Folder = c.report.Steps, c.Folder
	}
	return err
}

func (c *campaign) progress(format string, args ...any) {
	c.world.Note(format, args...)
	if c.Progress != nil {
		fmt.Fprintf(c.Progress, format+"\n", args...)
	}
}

// step lets people scan while the faults come and go; then everybody goes home,
// and the campus is looked at.
func (c *campaign) step(ctx context.Context, faults []Fault) ([]promise.Violation, error) {
	people, home := context.WithCancel(ctx)
	defer home()
	var crowd sync.WaitGroup
	c.send(people, &crowd)
	violations, err := c.happen(ctx, faults)
	home()
	crowd.Wait()
	if err != nil || len(violations) > 0 {
		return violations, err
	}
	return c.whole(ctx)
}

// send sends the office to work and the people to the lanes.
func (c *campaign) send(ctx context.Context, wait *sync.WaitGroup) {
	seed := c.Seed<<16 + uint64(c.report.Steps)<<8
	c.desk.api = c.site.API // another one after each start of central
	wait.Go(func() { c.desk.run(ctx) })
	for i, a := range c.site.Agents {
		for j, l := range a.Lanes {
			p := &crowd{desk: c.desk, lane: l, name: fmt.Sprintf("%s/%d", a.ID, l.Number), world: c.world, rand: rand.New(rand.NewPCG(seed, uint64(i)<<8+uint64(j))), controller: a.ID}
			wait.Go(func() { p.run(ctx) })
		}
	}
}

// act is the begin or the end of a fault.
type act struct {
	at    time.Duration
	fault Fault
	end   bool
}

// happen plays the faults of a step. What is broken when the step ends is healed.
func (c *campaign) happen(ctx context.Context, faults []Fault) (found []promise.Violation, err error) {
	var acts []act
	for _, f := range faults {
		acts = append(acts, act{f.At, f, false}, act{f.At + f.For, f, true})
	}
	slices.SortStableFunc(acts, func(a, b act) int { return cmp.Compare(a.at, b.at) })
	began := time.Now()
	for _, a := range acts {
		wait(ctx, time.Until(began.Add(a.at)))
		if a.end {
			err = errors.Join(err, c.breaker.end(a.fault))
			continue
		}
		err = errors.Join(err, c.breaker.begin(a.fault))
		if a.fault.Kind == KillAgent && err == nil { // what a lane has promised is on its disk at this moment
			more, failed := c.killed(a.fault.Agent)
			found, err = append(found, more...), errors.Join(err, failed)
		}
	}
	wait(ctx, time.Until(began.Add(stepTime)))
	return found, err
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// killed looks at the journal of a lane controller that was just killed.
func (c *campaign) killed(agent int) ([]promise.Violation, error) {
	p, err := c.observer.Killed(c.site.Agents[agent])
	if err != nil {
		return nil, err
	}
	c.report.Checks++
	return promise.Check(p), nil
}

// whole waits until the campus is whole again and checks everything.
func (c *campaign) whole(ctx context.Context) ([]promise.Violation, error) {
	began, last := time.Now(), time.Now()
	found, err := c.observer.Settle(ctx, healLimit, c.finishWork, func(err error, found []promise.Violation) {
		if time.Since(last) > tellEvery {
			last = time.Now()
			c.progress("  not whole yet: %v %v", err, found[:min(len(found), 4)])
		}
	})
	if err != nil {
		return nil, err
	}
	c.report.SlowestSec = max(c.report.SlowestSec, time.Since(began).Seconds())
	c.report.Checks++
	return found, nil
}

// finishWork does what the office has to do before all can be whole.
func (c *campaign) finishWork(ctx context.Context) {
	c.desk.api = c.site.API
	c.desk.follow(ctx)
	if !c.desk.lock.release.IsZero() {
		c.desk.unlock(ctx)
	}
}

// finish completes the report.
func (c *campaign) finish(began time.Time) {
	r := &c.report
	r.Seed, r.Broker, r.Took, r.Rows = c.Seed, brokerOwn, time.Since(began).Round(100*time.Millisecond).String(), c.observer.Rows()
	if c.Mosquitto != "" {
		r.Broker = brokerExternal
	}
	r.Counts, r.Faults = map[string]int{}, map[string]int{}
	for k, n := range c.world.Counts() {
		if len(k) > 7 && k[:7] == "fault: " {
			r.Faults[k[7:]] = n
			continue
		}
		r.Counts[k] = n
	}
	for _, j := range c.observer.Journals() {
		r.Entries += len(j.Entries)
		for _, e := range j.Entries {
			switch {
			case e.Type == link.EntryConflict:
				r.Counts["conflicts"]++
			case e.Type == link.EntryMode && e.Kind == pass.Supervisor:
				r.Counts["modes by hand"]++
			case e.Type == link.EntryGranted:
				r.Grants++
				if e.Kind == pass.Supervisor {
					r.Counts["openings by hand"]++
				}
			case e.Type == link.EntryDenied:
				r.Counts["refused: "+e.Reason.String()]++
			}
		}
	}
}

// multicast is a group at a port that nobody has: campaigns may run side by side.
func multicast() (string, error) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer c.Close()
	return fmt.Sprintf("239.84.83.1:%d", c.LocalAddr().(*net.UDPAddr).Port), nil
}
