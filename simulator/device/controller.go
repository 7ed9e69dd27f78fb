// Package device is a lane without steel, at the level of bytes: a QR scanner and a serial lane controller on
// pseudo-terminals that any program can open.
//
// The controller keeps to firmware-bridge/frame/FORMAT.md and is the measure for
// the firmware; people, fire and cables are moved by its methods.
package device

import (
	"context"
	"math/rand/v2"
	"os"
	"time"

	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/serialport/serialtest"
)

// Lamp is what a person sees and hears of one signal.
type Lamp struct {
	LED    string // such as "green, steady"
	Buzzer string // such as "one tone"; "off"
}

// patterns is FORMAT.md's table.
var patterns = [gate.Signals]Lamp{
	gate.Idle:       {"blue, steady", "off"},
	gate.Wait:       {"blue, 2 Hz", "off"},
	gate.Granted:    {"green, steady", "one tone of 100 ms"},
	gate.Denied:     {"red, steady", "two tones of 200 ms"},
	gate.Again:      {"yellow, 2 Hz", "one tone of 200 ms"},
	gate.Guard:      {"red and blue in turn, 2 Hz", "three tones of 100 ms"},
	gate.Closed:     {"red, steady", "off"},
	gate.OutOfOrder: {"red, 1 Hz", "off"},
}

// ControllerState is what an onlooker sees of a lane controller.
type ControllerState struct {
	Relay     bool           // the coil is on
	Locked    bool           // nobody can walk; its contact says so
	Fire      bool           //
	Tamper    bool           //
	Attended  bool           // a host is connected
	Plugged   bool           // its cable is in
	Signal    gate.Signal    // pattern shown
	Lamp      Lamp           // how that looks and sounds
	Tones     uint64         // signals with a tone so far
	Grant     uint32         // passage under way, 0 if none
	Walking   gate.Direction // of who is on the way, 0 for nobody
	LastGrant uint32         // since power-up
	Openings  uint64         // how often the relay went on, ever
	Waiting   int            // events the host has not seen
	Garbled   uint16         // frames of the host refused since power-up
}

// ControllerConfig sets up a virtual lane controller.
type ControllerConfig struct {
	Link     string                // where its port appears
	Model    string                // at most 16 bytes; "virtual lane" if empty
	AutoWalk time.Duration         // a person walks this long after each opening; 0 for nobody
	Changed  func(ControllerState) // called by Run's goroutine after each change; must not block; may be nil
	// CardOut is called by Run's goroutine with each card that the host sends
	// out on the Wiegand output; must not block; may be nil.
	CardOut   func(frame.Card)
	Potential bool // set up for a gate in potential mode: the relay stays on for the whole passage
}

// Controller is a virtual serial lane controller. All methods may be called
// from any goroutine; those that move something return once it has moved, and
// do nothing after Run has ended. Use NewController.
type Controller struct {
	config ControllerConfig
	line   *serialtest.Line
	do     chan func(now time.Time) // work for Run's goroutine
	ended  chan struct{}            // closed when Run returns

	rules  rules // owned by Run, like all below
	seq    uint8
	dec    frame.Decoder
	bad    uint64 // of dec, already counted
	walks  []walk
	sensor sensor
	pairs  bool
	noise  noise
	time   steelTime
	shown  ControllerState // as last published
}

// steelTime is a controller's own time. Real steel has a processor to itself; while this
// program gets none, its time stands still as well, or it would take a busy machine for
// a host that fell silent, and lock.
type steelTime struct {
	last time.Time
	lost time.Duration
}

// starved is a gap between two looks that a loop of 5 ms has only without a processor.
const starved = 250 * time.Millisecond

func (s *steelTime) now() time.Time {
	t := time.Now()
	if gap := t.Sub(s.last); !s.last.IsZero() && gap > starved {
		s.lost += gap
	}
	s.last = t
	return t.Add(-s.lost)
}

// behind is how far the second of a pair follows the first.
const behind = 400 * time.Millisecond

// walk is a person on the way.
type walk struct {
	at        time.Time
	direction gate.Direction
	grant     uint32 // walks only while this is under way; 0 whatever happens
}

// NewController makes a controller; Run brings it to life.
func NewController(c ControllerConfig) *Controller {
	if c.Model == "" {
		c.Model = "virtual lane"
	}
	v := &Controller{config: c, line: serialtest.New(c.Link), do: make(chan func(time.Time)), ended: make(chan struct{})}
	v.rules.model = c.Model
	v.rules.can = frame.CanIn | frame.CanOut | frame.HasContact | frame.HasFire | frame.HasTamper | frame.HasLED | frame.HasBuzzer | frame.HasTailgate |
		frame.HasReader0 | frame.HasReader1 | frame.HasCardOut | frame.HasReply
	v.rules.potential, v.rules.out = c.Potential, c.CardOut
	v.rules.send = v.send
	return v
}

// Run plugs the controller in and plays it until ctx ends; then it vanishes. It
// is called once.
func (v *Controller) Run(ctx context.Context) error {
	defer close(v.ended)
	if err := v.line.Plug(); err != nil {
		return err
	}
	defer v.line.Unplug()
	v.rules.powerUp(rand.Uint32()|1, v.time.now())
	reading, stop := context.WithCancel(ctx)
	chunks := make(chan []byte)
	go v.read(reading, chunks)
	v.play(ctx, chunks)
	stop()
	v.line.Unplug() // ends the reader's Read
	for range chunks {
	}
	return nil
}

// play is the controller's main loop.
func (v *Controller) play(ctx context.Context, chunks <-chan []byte) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		now := v.time.now()
		v.moveWalkers(now)
		v.rules.tick(now)
		v.publish()
		select {
		case <-ctx.Done():
			return
		case f := <-v.do:
			f(v.time.now())
		case b := <-chunks:
			v.receive(b)
		case <-tick.C:
		}
	}
}

// read passes on what the host sends until ctx ends, whatever the cable does.
func (v *Controller) read(ctx context.Context, chunks chan<- []byte) {
	defer close(chunks)
	for ctx.Err() == nil {
		b := make([]byte, 256)
		n := 0
		far, err := v.line.Far()
		if err == nil {
			n, err = far.Read(b)
		}
		if err != nil {
			pause(ctx, 5*time.Millisecond)
			continue
		}
		select {
		case chunks <- b[:n]:
		case <-ctx.Done():
		}
	}
}

// pause returns after d or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// receive takes bytes of the host in.
func (v *Controller) receive(b []byte) {
	now := v.time.now()
	v.noise.disturb(b)
	opened := v.rules.openings
	v.dec.Feed(b, func(f frame.Frame) {
		m, err := frame.Read(f)
		if err != nil || f.Type&0x80 != 0 {
			v.rules.garbled = min(v.rules.garbled, 0xFFFE) + 1
			return
		}
		v.rules.take(m, now)
	})
	bad, _ := v.dec.Garbled()
	v.rules.garbled = uint16(min(uint64(v.rules.garbled)+bad-v.bad, 0xFFFF))
	v.bad = bad
	if v.config.AutoWalk > 0 && v.rules.openings > opened {
		g := v.rules.grant
		v.walks = append(v.walks, walk{now.Add(v.config.AutoWalk), gate.Direction(g.Direction), g.Number})
		if v.pairs {
			v.walks = append(v.walks, walk{now.Add(v.config.AutoWalk + behind), gate.Direction(g.Direction), 0})
		}
	}
}

// send puts one message on the wire. What finds no room there is lost, as on a
// real line.
func (v *Controller) send(m frame.Message) {
	v.seq++
	b := frame.Encode(nil, v.seq, m)
	v.noise.disturb(b)
	_ = v.write(b)
}

func (v *Controller) write(b []byte) error {
	far, err := v.line.Far()
	if err != nil {
		return err
	}
	return writeSoon(far, b)
}

// writeSoon writes b unless nobody reads at the other end.
func writeSoon(far *os.File, b []byte) error {
	if err := far.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return err
	}
	_, err := far.Write(b)
	return err
}

// moveWalkers lets everybody walk whose time has come.
func (v *Controller) moveWalkers(now time.Time) {
	left := v.walks[:0]
	for _, w := range v.walks {
		switch {
		case now.Before(w.at):
			left = append(left, w)
		case w.grant == 0 || v.rules.passing && v.rules.grant.Number == w.grant && !v.rules.barred():
			v.sensor.rotate(w.direction, now)
		}
	}
	v.walks = left
	v.count(now)
}

// count has the rules hear what the sensor's contact says by now.
func (v *Controller) count(now time.Time) {
	for _, d := range v.sensor.due(now) {
		v.rules.walk(uint8(d), now)
	}
}

// publish tells the onlooker about a change.
func (v *Controller) publish() {
	r := &v.rules
	_, err := v.line.Far()
	s := ControllerState{
		Relay: !r.relayUntil.IsZero(), Locked: !r.contact(), Fire: r.fire, Tamper: r.tamper,
		Attended: r.attended, Plugged: err == nil, Signal: gate.Signal(r.pattern), Lamp: patterns[r.pattern],
		Tones: r.tones, LastGrant: r.last, Openings: r.openings, Waiting: len(r.queue), Garbled: r.garbled,
	}
	if r.passing {
		s.Grant = r.grant.Number
	}
	for _, w := range v.walks {
		if w.grant == 0 || w.grant == s.Grant {
			s.Walking = w.direction
			break
		}
	}
	if s != v.shown {
		v.shown = s
		if v.config.Changed != nil {
			v.config.Changed(s)
		}
	}
}

// order has Run's goroutine do f and waits for it.
func (v *Controller) order(f func(now time.Time)) {
	done := make(chan struct{})
	select {
	case v.do <- func(now time.Time) { f(now); v.rules.tick(now); v.publish(); close(done) }:
		<-done
	case <-v.ended:
	}
}

// State is what an onlooker sees now; before Run it waits for Run.
func (v *Controller) State() (s ControllerState) {
	v.order(func(now time.Time) { v.rules.tick(now); v.publish(); s = v.shown })
	return s
}

// Walk sends one person through in direction d after a while; without a grant
// for that direction the lane reports it as forced.
func (v *Controller) Walk(d gate.Direction, after time.Duration) {
	v.order(func(now time.Time) {
		if after <= 0 {
			v.sensor.rotate(d, now)
			v.count(now)
			return
		}
		v.walks = append(v.walks, walk{at: now.Add(after), direction: d})
	})
}

// Pairs has a second person, without a grant, walk close behind each that is let in.
func (v *Controller) Pairs(on bool) { v.order(func(time.Time) { v.pairs = on }) }

// SetAutoWalk lets a person walk that long after each opening from now on; 0 for nobody.
func (v *Controller) SetAutoWalk(after time.Duration) {
	v.order(func(time.Time) { v.config.AutoWalk = after })
}

// Fire switches the fire input.
func (v *Controller) Fire(on bool) { v.order(func(now time.Time) { v.rules.setFire(on, now) }) }

// Tamper opens and closes the controller's case.
func (v *Controller) Tamper(open bool) { v.order(func(now time.Time) { v.rules.setTamper(open, now) }) }

// Card has a Wiegand reader, 0 or 1, read a card.
func (v *Controller) Card(reader int, card frame.Card) {
	v.order(func(now time.Time) { v.rules.card(reader, card, now) })
}

// Disturb has a reader hear a pulse that is none.
func (v *Controller) Disturb(reader int) {
	v.order(func(time.Time) { v.rules.disturb(reader) })
}

// Jam stops the lock where it stands, and frees it.
func (v *Controller) Jam(on bool) { v.order(func(time.Time) { v.rules.setJam(on) }) }

// Bounce lets the rotation sensor's worn contact close once more behind each
// rotation, later than debouncing covers.
func (v *Controller) Bounce(on bool) { v.order(func(time.Time) { v.sensor.bounces = on }) }

// Backwards has the gate turn the other way than people walk.
func (v *Controller) Backwards(on bool) { v.order(func(time.Time) { v.sensor.backwards = on }) }

// Noise flips one bit in every n-th byte in both directions; 0 for a clean line.
func (v *Controller) Noise(n int) { v.order(func(time.Time) { v.noise = noise{every: n} }) }

// Unplug pulls the cable; the controller itself keeps its power.
func (v *Controller) Unplug() { v.order(func(time.Time) { v.line.Unplug() }) }

// Plug puts the cable back.
func (v *Controller) Plug() (err error) {
	v.order(func(time.Time) { err = v.line.Plug() })
	return err
}

// PowerCut restarts the controller: it forgets its last grant and its events.
func (v *Controller) PowerCut() {
	v.order(func(now time.Time) { v.walks = nil; v.rules.powerUp(rand.Uint32()|1, now) })
}

// noise is a bad line.
type noise struct {
	every int // bytes from one flipped bit to the next; 0 for none
	seen  int
}

// disturb spoils b in place.
func (n *noise) disturb(b []byte) {
	if n.every <= 0 {
		return
	}
	for i := range b {
		if n.seen++; n.seen%n.every == 0 {
			b[i] ^= 1 << (n.seen / n.every % 8)
		}
	}
}
