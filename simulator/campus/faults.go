package campus

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"turnstile/agent/daemon"
	"turnstile/central/office"
	"turnstile/simulator/device"
	"turnstile/simulator/harm"
	"turnstile/simulator/site"
)

// How bad the faults are.
const (
	slowBy      = 300 * time.Millisecond // each piece on a slow cable
	noisyEvery  = 60                     // bytes from one wrong bit to the next on a bad line
	babbleEvery = 700 * time.Millisecond
	bootLimit   = time.Minute
	plugTime    = 10 * time.Second // until a driver has found what was plugged in
)

// scanner breaks a lane's scanner for the way in, and mends it.
func (c *Campus) scanner(ctx context.Context, a Act) error {
	l, err := c.lane(a.Target)
	if err != nil {
		return err
	}
	l.scanning.Lock()
	defer l.scanning.Unlock()
	switch a.word(0) {
	case "out":
		l.steel.Scanner.Unplug()
	case "babble":
		c.babble(l)
	case "in":
		if err := mendScanner(l); err != nil {
			return err
		}
		c.plugged(ctx, l, func(s *daemon.LaneStatus) bool { return s.Scanners[0].Connected })
	default:
		l.steel.Scanner.Suffer(moods[a.word(0)])
	}
	return nil
}

// mendScanner undoes whatever is wrong; l.scanning is held.
func mendScanner(l *lane) error {
	if l.babble != nil {
		l.babble()
		l.babble = nil
	}
	l.steel.Scanner.Suffer(device.Well)
	if l.steel.Scanner.Plugged() {
		return nil
	}
	return l.steel.Scanner.Plug()
}

// babble has a scanner talk nonsense until it is mended; l.scanning is held.
func (c *Campus) babble(l *lane) {
	ctx, cancel := context.WithCancel(c.polling)
	l.babble = cancel
	c.pollers.Go(func() {
		seed := uint64(0)
		every(ctx, babbleEvery, func(ctx context.Context) {
			l.scanning.Lock()
			defer l.scanning.Unlock()
			if ctx.Err() != nil {
				return
			}
			seed++
			if err := harm.Babble(ctx, l.steel, seed); err != nil {
				c.witness.Note("%s babbles to nobody: %v", l.spec.ID, err)
			}
		})
	})
}

// gate breaks a lane's gate, and mends it.
func (c *Campus) gate(ctx context.Context, a Act) error {
	l, err := c.lane(a.Target)
	if err != nil {
		return err
	}
	g := l.steel.Controller
	switch a.word(0) {
	case "out":
		g.Unplug()
	case "stuck":
		g.Jam(true)
	case "noisy":
		g.Noise(noisyEvery)
	case "restart":
		g.PowerCut()
	case "bounce":
		g.Bounce(true)
	case "backwards":
		g.Backwards(true)
	case "in":
		g.Jam(false)
		g.Noise(0)
		g.Bounce(false)
		g.Backwards(false)
		return c.plugGate(ctx, l)
	}
	return nil
}

func (c *Campus) plugGate(ctx context.Context, l *lane) error {
	if l.steel.Controller.State().Plugged {
		return nil
	}
	if err := l.steel.Controller.Plug(); err != nil {
		return err
	}
	c.plugged(ctx, l, func(s *daemon.LaneStatus) bool { return s.Gate.Connected })
	return nil
}

func (c *Campus) fire(_ context.Context, a Act) error {
	l, err := c.lane(a.Target)
	if err == nil {
		l.steel.Controller.Fire(a.word(0) == "on")
	}
	return err
}

func (c *Campus) tamper(_ context.Context, a Act) error {
	l, err := c.lane(a.Target)
	if err == nil {
		l.steel.Controller.Tamper(a.word(0) == "on")
	}
	return err
}

// cable breaks a controller's network, and mends it.
func (c *Campus) cable(_ context.Context, a Act) error {
	k, err := c.controller(a.Target)
	if err != nil {
		return err
	}
	switch a.word(0) {
	case "cut":
		k.agent.Cable.Cut()
	case "hold":
		k.agent.Cable.Hold(true)
	case "slow":
		k.agent.Cable.Slow(slowBy)
	case "join":
		k.agent.Cable.Join()
		k.agent.Cable.Hold(false)
		k.agent.Cable.Slow(0)
	}
	return nil
}

// broker kills and starts a broker that is a process of its own.
func (c *Campus) broker(_ context.Context, a Act) error {
	if c.site.Broker() == nil {
		return refuse("the broker is central's own, and falls with it: central kill; or start the simulator with --mosquitto PATH")
	}
	if a.word(0) == "kill" {
		c.site.Broker().Kill()
		return nil
	}
	if _, down := c.stands(a); !down {
		return nil
	}
	return c.site.StartBroker()
}

// power cuts a controller's power in the middle of whatever it does. Where it is
// played it can only end in order, which is the same as long as nobody is on the way.
func (c *Campus) power(ctx context.Context, a Act) error {
	k, err := c.controller(a.Target)
	if err != nil {
		return err
	}
	if a.word(0) == "on" {
		if !k.down {
			return nil
		}
		k.down = false
		return c.boot(k)
	}
	if !c.config.Real && c.busy(ctx, k) {
		return refuse("somebody is on the way through %s: a power cut just now needs the programs as processes; wait, or start the demo without --played, a scenario with --real", k.id)
	}
	k.agent.Process().Kill()
	for _, l := range k.agent.Lanes {
		l.Controller.PowerCut() // the gate's board has the same supply
	}
	k.down = true
	c.lost(k)
	return nil
}

// replace gives a lane controller an empty disk and enrols it anew. What was on the
// old one must be at central, or it would be lost.
func (c *Campus) replace(ctx context.Context, a Act) error {
	k, err := c.running(a.Target)
	if err != nil {
		return err
	}
	waiting := true
	c.await(ctx, plugTime, answerTick, func() bool {
		s, err := k.agent.Ask(ctx)
		waiting = err != nil || s.Journal.Waiting > 0
		return !waiting
	})
	if waiting || c.busy(ctx, k) {
		return refuse("central does not have all entries of %s yet, and with its disk they would be gone: join its cable or wait, and try again", k.id)
	}
	var p office.FeedBody // somebody has to be there to enrol with
	if err := c.api.Load().Do(ctx, http.MethodGet, "/feed", nil, &p); err != nil {
		return c.answer(err)
	}
	if err := k.agent.Stop(); err != nil {
		return err
	}
	if err := c.observer.Retire(k.agent); err != nil {
		return err
	}
	if err := k.agent.Replace(ctx); err != nil {
		return err
	}
	return c.boot(k)
}

// busy reports that somebody is on the way through one of a controller's lanes, or
// is about to be let in.
func (c *Campus) busy(ctx context.Context, k *controller) bool {
	s, err := k.agent.Ask(ctx)
	for i := range s.Lanes {
		if err == nil && atWork(&s.Lanes[i]) {
			return true
		}
	}
	for _, l := range k.agent.Lanes {
		if l.Controller.State().Grant != 0 {
			return true
		}
	}
	return false
}

// boot starts a controller's program, and waits until it has all devices that are not
// broken.
func (c *Campus) boot(k *controller) error {
	if err := k.agent.Launch(); err != nil {
		return err
	}
	if _, full := c.stands(Act{Verb: "disk", Target: k.id}); full {
		if err := harm.Limit(k.agent.Process(), 0); err != nil {
			return err
		}
	}
	if !c.await(c.polling, bootLimit, answerTick, func() bool { return c.connected(c.polling, k) }) {
		return fmt.Errorf("start %s: it has not all its devices after %v; see %s", k.id, bootLimit, k.agent.Process().Log)
	}
	return nil
}

// connected reports that a controller has all devices that are not broken.
func (c *Campus) connected(ctx context.Context, k *controller) bool {
	s, err := c.ask(ctx, k)
	if err != nil {
		return false
	}
	for _, l := range c.lanes {
		if l.controller != k {
			continue
		}
		now := s.Lanes[l.view.Number-1]
		_, gate := c.stands(Act{Verb: "gate", Target: l.spec.ID})
		_, scanner := c.stands(Act{Verb: "scanner", Target: l.spec.ID})
		if !gate && !now.Gate.Connected {
			return false
		}
		for _, d := range now.Scanners {
			if !scanner && !d.Connected {
				return false
			}
		}
	}
	return true
}

// plugged waits, after something was plugged in, until the lane has it. A controller
// that does not run finds it when it does.
func (c *Campus) plugged(ctx context.Context, l *lane, ready func(*daemon.LaneStatus) bool) {
	c.await(ctx, plugTime, answerTick, func() bool {
		s, err := c.ask(ctx, l.controller)
		if err != nil {
			return l.controller.down
		}
		return ready(&s.Lanes[l.view.Number-1])
	})
}

// freeze has a controller stand still, and go on.
func (c *Campus) freeze(_ context.Context, a Act) error {
	k, err := c.running(a.Target)
	if err != nil {
		return err
	}
	return harm.Freeze(k.agent.Process(), a.word(0) == "on")
}

// running returns a controller that has power.
func (c *Campus) running(id string) (*controller, error) {
	k, err := c.controller(id)
	if err == nil && k.down {
		return nil, refuse("%s has no power: power %s on", id, id)
	}
	return k, err
}

// disk fills a controller's disk, and makes room.
func (c *Campus) disk(_ context.Context, a Act) error {
	k, err := c.running(a.Target)
	if err != nil {
		return err
	}
	return harm.Limit(k.agent.Process(), room(a.word(0) == "full"))
}

func room(full bool) uint64 {
	if full {
		return 0
	}
	return harm.Unlimited
}

// central breaks central, and mends it.
func (c *Campus) central(_ context.Context, a Act) error {
	p := c.site.Central()
	switch a.word(0) {
	case "kill":
		p.Kill()
		return nil
	case "freeze":
		return harm.Freeze(p, true)
	case "full":
		return harm.Limit(p, 0)
	}
	before, down := c.stands(a)
	switch {
	case !down:
		return nil
	case before.act.word(0) == "freeze":
		return harm.Freeze(p, false)
	case before.act.word(0) == "full":
		return harm.Limit(p, harm.Unlimited)
	}
	if err := c.site.StartCentral(); err != nil {
		return err
	}
	c.api.Store(c.site.API)
	return nil
}

// quiet ends what was begun at the wires, so that all can end.
func (c *Campus) quiet() {
	for _, l := range c.lanes {
		l.scanning.Lock()
		if l.babble != nil {
			l.babble()
			l.babble = nil
		}
		l.scanning.Unlock()
	}
	for _, frozen := range c.frozen() {
		if err := harm.Freeze(frozen, false); err != nil {
			c.config.Log.Warn("let go on", "process", frozen.Name, "error", err)
		}
	}
}

// frozen are the processes that stand still.
func (c *Campus) frozen() (list []*site.Process) {
	if s, on := c.stands(Act{Verb: "central"}); on && s.act.word(0) == "freeze" {
		list = append(list, c.site.Central())
	}
	for _, k := range c.controllers {
		if _, on := c.stands(Act{Verb: "freeze", Target: k.id}); on && !k.down {
			list = append(list, k.agent.Process())
		}
	}
	return list
}
