// Package stage plays a site for the simulator's page: it watches the real
// programs and the virtual lanes, and carries out what the buttons ask for.
package stage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"turnstile/agent/daemon"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/symbol"
	"turnstile/firmware-bridge/gate"
	"turnstile/simulator/device"
	"turnstile/simulator/site"
	"turnstile/simulator/web"
)

// Bounds of what the page shows; older ones are still at central.
const (
	maxPasses   = 30
	maxPassages = 40
)

// readingTime is how long the drawn scanner shows that it reads.
const readingTime = 400 * time.Millisecond

// walkTime is how long a drawn person takes through an open lane.
const walkTime = 900 * time.Millisecond

// Stage implements web.Stage. Use New and Run.
type Stage struct {
	site *site.Site
	log  *slog.Logger

	mu       sync.Mutex // guards the following
	changed  chan struct{}
	lanes    []lane
	passes   []passRow
	passages []web.Passage
	newest   int64
	up       bool
}

// lane is a virtual lane and what the agent last said of it.
type lane struct {
	agent    *site.Agent
	steel    *site.Lane
	shown    device.ControllerState
	status   daemon.LaneStatus
	http     string
	feed     daemon.FeedStatus
	reading  bool
	hesitate bool
}

// passRow is a pass as its holder's phone has it.
type passRow struct {
	web.Pass
	live bool
	code string // as last shown; a live one is fetched anew while central gives it
}

// New returns a stage for a site; call its Watch from the lanes' Changed.
func New(log *slog.Logger) *Stage {
	return &Stage{log: log, changed: make(chan struct{})}
}

// Run watches the site until ctx ends.
func (s *Stage) Run(ctx context.Context, st *site.Site) error {
	s.open(st)
	var wait sync.WaitGroup
	defer wait.Wait()
	wait.Go(func() { every(ctx, 150*time.Millisecond, s.pollAgents) })
	wait.Go(func() { every(ctx, 300*time.Millisecond, s.pollPassages) })
	wait.Go(func() { every(ctx, 500*time.Millisecond, s.pollPasses) })
	<-ctx.Done()
	return nil
}

// every calls f at each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, f func(context.Context)) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		f(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (s *Stage) open(st *site.Site) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.site, s.up = st, true
	for _, a := range st.Agents {
		for _, steel := range a.Lanes {
			s.lanes = append(s.lanes, lane{agent: a, steel: steel, shown: steel.Controller.State()})
			steel.Controller.SetAutoWalk(walkTime)
		}
	}
	s.tell()
}

// Watch takes the state of one virtual lane; agent and number name it.
func (s *Stage) Watch(agent string, number int, c device.ControllerState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.find(laneID(agent, number)); l != nil {
		l.shown = c
		s.tell()
	}
}

func laneID(agent string, number int) string { return fmt.Sprintf("%s-%d", agent, number) }

// find returns the lane with the id, nil if there is none. mu is held.
func (s *Stage) find(id string) *lane {
	i := slices.IndexFunc(s.lanes, func(l lane) bool { return laneID(l.agent.ID, l.steel.Number) == id })
	if i < 0 {
		return nil
	}
	return &s.lanes[i]
}

// tell wakes everybody who waits for a change. mu is held.
func (s *Stage) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next change.
func (s *Stage) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Picture returns what the page shows at this moment.
func (s *Stage) Picture() web.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := web.State{Up: s.up, Central: "central runs", Lanes: []web.Lane{}, Passes: []web.Pass{}, Passages: slices.Clone(s.passages)}
	if !s.up {
		v.Central = "central does not answer; the lanes go on"
	}
	slot := fmt.Sprint(pass.SlotAt(time.Now().Unix()))
	for _, l := range s.lanes {
		v.Lanes = append(v.Lanes, l.draw())
	}
	for _, p := range s.passes {
		if p.live {
			p.Pass.Picture = slot
		}
		v.Passes = append(v.Passes, p.Pass)
	}
	return v
}

// lamps translate what the controller shows into the page's five states.
var lamps = map[gate.Signal]string{
	gate.Idle: "idle", gate.Wait: "wait", gate.Granted: "granted", gate.Denied: "denied", gate.Again: "denied",
	gate.Guard: "denied", gate.Closed: "dark", gate.OutOfOrder: "dark",
}

func (l *lane) draw() web.Lane {
	v := web.Lane{
		ID: laneID(l.agent.ID, l.steel.Number), Name: l.steel.Setup.Name, State: lamps[l.shown.Signal],
		Open: !l.shown.Locked, Walking: l.shown.Grant != 0 && !l.hesitate, Reading: l.reading,
		Cut: l.agent.Cable.IsCut(), Hesitate: l.hesitate, Verdict: l.verdict(), Facts: l.facts(),
	}
	if l.http != "" {
		v.Display = fmt.Sprintf("%s/lane/%d", l.http, l.steel.Number)
	}
	return v
}

func (l *lane) verdict() string {
	last := l.status.Last
	switch {
	case l.shown.Grant != 0 && l.status.State != "passage": // the steel is ahead of the report
		return "open"
	case last == nil:
		return "ready"
	case last.Reason != pass.Granted.String():
		return "refused: " + last.Reason
	case l.shown.Grant != 0:
		return "open: " + last.Kind + " " + last.Pass
	}
	return "let in: " + last.Kind + " " + last.Pass + ", " + last.Result
}

func (l *lane) facts() string {
	age := "never heard from central"
	if l.feed.AgeSec >= 0 {
		age = fmt.Sprintf("feed %d, heard %d s ago", l.feed.Seq, l.feed.AgeSec)
	}
	return fmt.Sprintf("%s · lamp %s · buzzer %s", age, l.shown.Lamp.LED, l.shown.Lamp.Buzzer)
}

// ErrNoLane, ErrNoPass and ErrNoOrder are what the page can get wrong.
var (
	ErrNoLane  = errors.New("no such lane; reload the page")
	ErrNoPass  = errors.New("no such pass here; make a new one")
	ErrNoOrder = errors.New("no such order; reload the page")
)

// Do carries out what a button asks for.
func (s *Stage) Do(ctx context.Context, what string, o web.Order) error {
	switch what {
	case "issue":
		return s.issue(ctx, o.What)
	case "scan":
		return s.scan(ctx, o)
	case "set":
		return s.set(ctx, o)
	case "network":
		return s.onLane(o.Lane, func(l *lane) { cut(l.agent, o.On) })
	case "hesitate":
		return s.hesitate(o)
	}
	return ErrNoOrder
}

func cut(a *site.Agent, on bool) {
	if on {
		a.Cable.Cut()
	} else {
		a.Cable.Join()
	}
}

func (s *Stage) onLane(id string, f func(*lane)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.find(id)
	if l == nil {
		return ErrNoLane
	}
	f(l)
	s.tell()
	return nil
}

func (s *Stage) hesitate(o web.Order) error {
	var c *device.Controller
	err := s.onLane(o.Lane, func(l *lane) { l.hesitate, c = o.On, l.steel.Controller })
	if err != nil {
		return err
	}
	after := walkTime
	if o.On {
		after = 0
	}
	c.SetAutoWalk(after) // without mu: the controller may be telling us something
	return nil
}

// orders are what the three buttons issue.
var orders = map[string]office.OrderBody{
	"ecard": {Kind: "ecard", Holder: "alumnus", Zones: []int{0}, Start: "00:00", Length: "25h"},
	"guest": {Kind: "guest", Holder: "alumnus", GuestName: "Guest", Zones: []int{0}, Start: "00:00", Length: "25h", Entries: 1},
	"live":  {Kind: "ecard", Holder: "alumnus", Zones: []int{0}, Start: "00:00", Length: "25h", Live: true},
}

var names = map[string]string{"ecard": "eCard code", "guest": "Guest code, one entry", "live": "Live code, new every 15 s"}

func (s *Stage) issue(ctx context.Context, what string) error {
	o, ok := orders[what]
	if !ok {
		return ErrNoOrder
	}
	o.Day = site.Today(time.Now())
	p, err := s.site.API.Issue(ctx, o)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passes = append(s.passes, passRow{web.Pass{ID: p.ID, Name: names[what], Status: p.Status}, o.Live, p.Code})
	s.passes = s.passes[max(0, len(s.passes)-maxPasses):]
	s.tell()
	return nil
}

// scan holds a code before a lane's scanner: a pass's code of this moment, or a text.
func (s *Stage) scan(ctx context.Context, o web.Order) error {
	text := o.Text
	if o.Pass != "" {
		var err error
		if text, err = s.code(ctx, o.Pass); err != nil {
			return err
		}
	}
	return s.show(ctx, o.Lane, text)
}

// show sends a text from a lane's scanner.
func (s *Stage) show(ctx context.Context, id, text string) error {
	var scanner *device.Scanner
	if err := s.onLane(id, func(l *lane) { l.reading, scanner = true, l.steel.Scanner }); err != nil {
		return err
	}
	time.AfterFunc(readingTime, func() { s.onLane(id, func(l *lane) { l.reading = false }) })
	return scanner.Scan(ctx, text)
}

// ScanPicture decodes the QR symbol in a picture and scans it at a lane.
func (s *Stage) ScanPicture(ctx context.Context, lane string, picture []byte) error {
	text, err := symbol.ReadPicture(picture)
	if err != nil {
		return err
	}
	return s.show(ctx, lane, text)
}

func (s *Stage) set(ctx context.Context, o web.Order) error {
	_, err := s.site.API.Set(ctx, o.Pass, o.Verb, "simulator")
	if err == nil {
		s.pollPasses(ctx)
	}
	return err
}

// code returns what the holder's phone shows at this moment: of a live pass the
// newest code that central gave, which is an old one when central does not answer
// or the pass was revoked.
func (s *Stage) code(ctx context.Context, id string) (string, error) {
	p := s.pass(id)
	if p == nil {
		return "", ErrNoPass
	}
	if !p.live {
		return p.code, nil
	}
	text, err := s.site.API.Code(ctx, id)
	if err != nil {
		return p.code, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.passes {
		if s.passes[i].ID == id {
			s.passes[i].code = text
		}
	}
	return text, nil
}

// pass returns a copy of a pass made on the page, nil if there is none.
func (s *Stage) pass(id string) *passRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.passes, func(p passRow) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	p := s.passes[i]
	return &p
}

// Symbol returns the SVG of a pass's code at this moment.
func (s *Stage) Symbol(ctx context.Context, id string) ([]byte, error) {
	text, err := s.code(ctx, id)
	if err != nil {
		return nil, err
	}
	drawn, err := symbol.Draw(text)
	if err != nil {
		return nil, err
	}
	return drawn.SVG(), nil
}
