package campus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/central/link"
	"turnstile/simulator/device"
	"turnstile/simulator/promise"
	"turnstile/simulator/site"
)

// Config says what campus to open.
type Config struct {
	Real      bool          // the programs run as processes, at 1x; false: in this process, by a played clock
	Programs  string        // folder of agent, central and simulator; Real alone
	Mosquitto string        // path of a mosquitto to use in place of central's own broker; Real alone
	Data      string        // folder for everything; "": a temporary one that Close removes
	Captures  string        // folder for a capture of each scanner, LANE-in.osdpcap and LANE-out.osdpcap, for its owner alone; "": none are made
	Lanes     []LaneSpec    // nil: DefaultLanes
	Start     time.Time     // of the played clock; zero: 2026-11-23 09:00 on the campus. Real: must be zero
	Walk      time.Duration // how long a person takes through a lane; 0: 700 ms
	Portal    *Portal       // nil: holders have no pages, and nothing is mailed
	Log       *slog.Logger  // nil: thrown away. The programs write to files in Data/logs
}

// LaneSpec is one lane.
type LaneSpec struct {
	ID         string // as acts name it: link.ValidID
	Name       string
	Controller string // several lanes may have one
	Zone       int    // 0 to 15
}

// DefaultLanes are two lanes at the main gate and one at the library, each with a
// controller of its own.
func DefaultLanes() []LaneSpec {
	return []LaneSpec{
		{ID: "north", Name: "North", Controller: "north", Zone: 0},
		{ID: "south", Name: "South", Controller: "south", Zone: 0},
		{ID: "library", Name: "Library", Controller: "library", Zone: 1},
	}
}

// Refusal is an act that cannot be done now, and what to do instead: nothing broke.
type Refusal struct{ What string }

// Error says what to do instead.
func (r *Refusal) Error() string { return r.What }

var errClosed = refuse("the campus is closed; open it again")

// heads is how often lanes hear from central: as fast as a busy machine keeps up with.
const heads = time.Second

// window is how long a person has to walk through.
const window = 5 * time.Second

// firstRepeat is what central's first rules have.
const firstRepeat = 3 * time.Second

// Campus is a running campus. All methods are safe for concurrent use. Use Open.
type Campus struct {
	config    Config
	temporary bool
	site      *site.Site
	clock     *clock
	captures  captures
	mails     *mails // nil without a portal
	holders   *Holders
	witness   *promise.Witness
	observer  *promise.Observer
	api       atomic.Pointer[site.API] // another one after each start of central
	began     time.Time
	stop      context.CancelFunc // of the pollers
	pollers   sync.WaitGroup
	polling   context.Context // ends with stop

	// acting lets ordinary acts happen side by side, and keeps them off while central,
	// a controller or the clock is changed, or the campus is checked.
	acting sync.RWMutex
	closed bool // guarded by acting

	mu          sync.Mutex // guards the following
	lanes       []*lane
	controllers []*controller
	passes      map[string]*ticket
	order       []*ticket         // oldest first
	names       map[string]string // by pass id
	standing    []standing
	up          bool
	passages    []Passage
	newest      int64
	alarms      []Alarm
	mail        *Mail // the newest
	newestAlarm int64
	repeat      time.Duration // the same text again at the same lane within this time is the same passage
	recorders   []func(time.Duration, Act)
	changed     chan struct{}
	telling     bool // changed is about to be closed
}

// controller is one lane controller.
type controller struct {
	id        string
	agent     *site.Agent
	lie       *lie
	clockFile string // Real alone
	lying     bool   // it runs with a clock of that file; guarded by acting
	down      bool   // without power; guarded by acting
	answers   bool   // guarded by Campus.mu, like the following
	feed      uint64
	feedAge   int64
	trust     string
	backlog   uint64
	said      time.Time // by its own clock, when it said so
	asked     time.Time // by the machine's, when that was asked for
	started   time.Time
}

// lane is one lane.
type lane struct {
	spec       LaneSpec
	controller *controller
	steel      *site.Lane

	scanning sync.Mutex         // one at a time holds a code before it
	babble   context.CancelFunc // guarded by scanning; nil: it does not

	scanned time.Time // last, by the machine's clock; guarded by Campus.mu, like the following
	shown   device.ControllerState
	view    Lane
	reading int // codes that are before the scanners
}

// Open starts central and the lanes; it takes seconds. Close ends them.
func Open(ctx context.Context, c Config) (_ *Campus, err error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	k := &Campus{config: c, clock: &clock{}, witness: promise.NewWitness(), passes: map[string]*ticket{}, names: map[string]string{}, changed: make(chan struct{}), began: time.Now(), repeat: firstRepeat}
	if c.Data == "" {
		k.temporary = true
		if k.config.Data, err = os.MkdirTemp("", "turnstile-campus-"); err != nil {
			return nil, fmt.Errorf("make data folder: %w", err)
		}
	}
	if !c.Real {
		k.clock.move(c.Start.Sub(k.began))
	}
	if err := k.start(ctx); err != nil {
		if k.site != nil {
			err = errors.Join(err, k.site.Close(), k.captures.close())
		}
		return nil, errors.Join(err, k.mails.close(), k.remove())
	}
	k.watch()
	return k, nil
}

// complete sets defaults, and checks.
func (c *Config) complete() error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Lanes == nil {
		c.Lanes = DefaultLanes()
	}
	if c.Walk == 0 {
		c.Walk = 700 * time.Millisecond
	}
	switch {
	case c.Real && !c.Start.IsZero():
		return refuse("the programs as processes go by the machine's clock: leave the start out, or play the campus")
	case !c.Real && c.Mosquitto != "":
		return refuse("a mosquitto goes by the machine's clock: run the programs as processes with it")
	case c.Start.IsZero():
		c.Start = firstDay
	case !Holds(c.Start):
		return refuse("start %s: want a day from %s to %s", today(c.Start), today(earliest), today(latest))
	}
	seen := map[string]bool{}
	for _, l := range c.Lanes {
		if seen[l.ID] || !link.ValidID(l.ID) || !link.ValidID(l.Controller) || l.Zone < 0 || l.Zone > 15 {
			return refuse("lane %q: want an id of letters and digits that no other lane has, a controller's, and a zone of 0 to 15", l.ID)
		}
		seen[l.ID] = true
	}
	return nil
}

// start starts the site with all that is told in the configuration.
func (c *Campus) start(ctx context.Context) error {
	run := site.Config{Programs: c.config.Programs, Data: c.config.Data, Heads: heads, Mosquitto: c.config.Mosquitto, Agents: c.setups()}
	if !c.config.Real {
		run.Now, run.Ticks = c.clock.Now, c.clock.Ticks
	}
	if err := c.openPortal(&run); err != nil {
		return err
	}
	s, err := site.Start(context.WithoutCancel(ctx), run)
	if err != nil {
		return err
	}
	c.site, c.observer = s, promise.NewObserver(s, c.witness, filepath.Join(c.config.Data, "copies"))
	c.api.Store(s.API)
	c.up = true
	for i, a := range s.Agents {
		c.controllers[i].agent = a
	}
	for _, l := range c.lanes {
		l.steel = l.controller.agent.Lanes[l.view.Number-1]
		l.steel.Controller.SetAutoWalk(c.config.Walk)
	}
	if err := c.people(ctx); err != nil {
		return err
	}
	c.acquaint(ctx)
	return c.capture()
}

// setups makes the controllers and lanes, and returns what the site is to start.
func (c *Campus) setups() (list []site.AgentSetup) {
	for _, spec := range c.config.Lanes {
		i := slices.IndexFunc(c.controllers, func(x *controller) bool { return x.id == spec.Controller })
		if i < 0 {
			i = len(c.controllers)
			own := &controller{id: spec.Controller, lie: &lie{clock: c.clock}, clockFile: filepath.Join(c.config.Data, "clock-"+spec.Controller), feedAge: -1}
			c.controllers = append(c.controllers, own)
			setup := site.AgentSetup{ID: own.id}
			if !c.config.Real {
				setup.Now = own.lie.Now
			}
			list = append(list, setup)
		}
		l := &lane{spec: spec, controller: c.controllers[i]}
		l.view = Lane{ID: spec.ID, Name: spec.Name, Controller: spec.Controller, Zone: spec.Zone, Number: len(list[i].Lanes) + 1, FeedAge: -1}
		c.lanes = append(c.lanes, l)
		list[i].Lanes = append(list[i].Lanes, site.LaneSetup{Name: spec.Name, Zone: spec.Zone, Window: window, Exit: true, Changed: func(s device.ControllerState) { c.seen(l, s) }})
	}
	return list
}

// Close ends everything, and removes a temporary folder.
func (c *Campus) Close() error {
	c.stop()
	c.acting.Lock()
	defer c.acting.Unlock()
	c.closed = true // an act that waited meanwhile would start programs that nobody ends
	c.pollers.Wait()
	c.quiet()
	return errors.Join(c.site.Close(), c.mails.close(), c.captures.close(), c.remove())
}

func (c *Campus) remove() error {
	if !c.temporary {
		return nil
	}
	if err := os.RemoveAll(c.config.Data); err != nil {
		return fmt.Errorf("remove data folder: %w", err)
	}
	return nil
}

// Do does an act. A *Refusal or a *SyntaxError is something that a person can mend;
// any other error is a failure of the campus.
func (c *Campus) Do(ctx context.Context, a Act) error {
	a, err := Parse(a.String()) // whoever made it, it is held to the syntax
	if err != nil {
		return err
	}
	v, _ := verb(a.Verb)
	if err := c.possible(v, a); err != nil {
		return err
	}
	if err := c.locked(ctx, v, a); err != nil {
		c.witness.Note("%s: %v", a, err)
		return err
	}
	c.witness.Note("%s", a)
	c.record(a)
	return nil
}

// possible refuses what needs the other kind of campus.
func (c *Campus) possible(v Verb, a Act) error {
	word := ""
	if len(a.Words) > 0 {
		word = a.Words[0]
	}
	switch {
	case !c.config.Real && (v.Real || slices.Contains(v.RealWords, word)):
		return refuse("%s needs the programs as processes, and here they are played: start the demo without --played, a scenario with --real", strings.TrimSpace(v.Name+" "+word))
	case c.config.Real && v.Played:
		return refuse("%s needs a played clock, and here the programs go by the machine's: start the demo with --played, a scenario without --real", v.Name)
	}
	return nil
}

// locked does an act with what it needs to itself.
func (c *Campus) locked(ctx context.Context, v Verb, a Act) error {
	switch {
	case v.Name == "wait":
		return c.act(ctx, v, a)
	case v.alone:
		c.acting.Lock()
		defer c.acting.Unlock()
	default:
		c.acting.RLock()
		defer c.acting.RUnlock()
	}
	if c.closed {
		return errClosed
	}
	return c.act(ctx, v, a)
}

// act does an act and keeps the list of what stands. The caller has locked acting.
func (c *Campus) act(ctx context.Context, v Verb, a Act) error {
	if v.Undo == "" || a.word(0) == v.Undo {
		if err := v.do(c, ctx, a); err != nil {
			return err
		}
		c.lift(v, a)
		return nil
	}
	if before, ok := c.stands(a); ok { // the one takes the place of the other
		if before.act.String() == a.String() {
			return nil
		}
		if err := c.act(ctx, v, before.undo); err != nil {
			return err
		}
	}
	if err := v.do(c, ctx, a); err != nil {
		return err
	}
	if !slices.Contains(v.passing, a.word(0)) {
		c.put(v, a)
	}
	return nil
}

// word is the act's word at i, "" if it has none.
func (a Act) word(i int) string {
	if i < len(a.Words) {
		return a.Words[i]
	}
	return ""
}

// standing is a fault that is on.
type standing struct {
	act, undo Act
	guard     string
	since     time.Time
}

func (s *standing) same(a Act) bool { return s.act.Verb == a.Verb && s.act.Target == a.Target }

// stands returns the fault that is on at what an act is about.
func (c *Campus) stands(a Act) (standing, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.standing, func(s standing) bool { return s.same(a) })
	if i < 0 {
		return standing{}, false
	}
	return c.standing[i], true
}

func (c *Campus) put(v Verb, a Act) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.standing = append(c.standing, standing{a, Act{Verb: v.Name, Target: a.Target, Words: []string{v.Undo}}, v.Guard, c.clock.Now()})
	c.tell()
}

func (c *Campus) lift(v Verb, a Act) {
	if v.Undo == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.standing = slices.DeleteFunc(c.standing, func(s standing) bool { return s.same(a) })
	c.tell()
}

// heal takes every fault off, the newest first.
func (c *Campus) heal(ctx context.Context, _ Act) error {
	c.mu.Lock()
	list := slices.Clone(c.standing)
	c.mu.Unlock()
	var errs []error
	for _, s := range slices.Backward(list) {
		v, _ := verb(s.undo.Verb)
		errs = append(errs, c.act(ctx, v, s.undo))
	}
	return errors.Join(errs...)
}

// Record tells f of each act that was done without error from now on, and how long
// after the campus's begin.
func (c *Campus) Record(f func(at time.Duration, a Act)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recorders = append(c.recorders, f)
}

func (c *Campus) record(a Act) {
	c.mu.Lock()
	list := slices.Clone(c.recorders)
	c.mu.Unlock()
	for _, f := range list {
		f(time.Since(c.began), a)
	}
}

// Console returns the link with which whoever opens it registers in central's console
// under the name, with every right there; of a name that is there already the address
// at which to sign in.
func (c *Campus) Console(ctx context.Context, name string) (string, error) {
	c.acting.RLock()
	defer c.acting.RUnlock()
	return c.site.Console(ctx, name)
}

// History returns the newest events, for a run that failed.
func (c *Campus) History() []string { return c.witness.History() }

// lane returns the lane that an act names.
func (c *Campus) lane(id string) (*lane, error) {
	var ids []string
	for _, l := range c.lanes {
		if l.spec.ID == id {
			return l, nil
		}
		ids = append(ids, l.spec.ID)
	}
	return nil, refuse("there is no lane %q; there are %s", id, strings.Join(ids, ", "))
}

// controller returns the lane controller that an act names.
func (c *Campus) controller(id string) (*controller, error) {
	var ids []string
	for _, x := range c.controllers {
		if x.id == id {
			return x, nil
		}
		ids = append(ids, x.id)
	}
	return nil, refuse("there is no lane controller %q; there are %s", id, strings.Join(ids, ", "))
}
