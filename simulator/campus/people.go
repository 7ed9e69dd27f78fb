package campus

import (
	"context"
	"strconv"
	"time"

	"turnstile/agent/daemon"
	agentlane "turnstile/agent/lane"
	"turnstile/central/symbol"
	"turnstile/firmware-bridge/gate"
	"turnstile/simulator/device"
)

const (
	// readingTime is how long a code is in front of the scanner.
	readingTime = 400 * time.Millisecond
	// answerTime is how long an act waits for the lane to say what it made of it; a
	// lane that is broken says nothing.
	answerTime = time.Second
	answerTick = 15 * time.Millisecond
	// apart is how far people follow each other through a lane.
	apart = 400 * time.Millisecond
)

// Bounds of crowds.
const (
	maxPeople   = 5
	floodScans  = 40
	maxFlood    = 1000
	maxScanText = 2000 // bytes
)

// ways are the directions by name.
var ways = map[string]gate.Direction{"in": gate.In, "out": gate.Out, "": gate.In}

// scan holds a code before a lane's scanner.
func (c *Campus) scan(ctx context.Context, a Act) error {
	l, err := c.lane(a.Target)
	if err != nil {
		return err
	}
	way, ok := ways[a.Args["way"]]
	if !ok {
		return refuse("%q is no way; it is in or out", a.Args["way"])
	}
	text := a.Args["text"]
	switch name := a.word(0); {
	case (name == "") == (text == ""):
		return refuse("scan %s wants a pass's name, or text=", a.Target)
	case name != "":
		if text, err = c.shows(ctx, name, a.word(1)); err != nil {
			return err
		}
	}
	return c.hold(ctx, l, way, text)
}

// hold sends a text from one of a lane's scanners, and waits until the lane has said
// what it makes of it.
func (c *Campus) hold(ctx context.Context, l *lane, way gate.Direction, text string) error {
	if len(text) > maxScanText {
		return refuse("a code of %d bytes: no symbol holds more than %d that scanners read", len(text), maxScanText)
	}
	scanner := l.steel.Scanner
	if way == gate.Out {
		scanner = l.steel.Exit
	}
	l.scanning.Lock()
	defer l.scanning.Unlock()
	defer c.scanned(l)
	c.reading(l, 1)
	time.AfterFunc(readingTime, func() { c.reading(l, -1) })
	if !scanner.Reads() || l.controller.down {
		return nil // it is dark: nobody answers
	}
	return c.answered(ctx, l, func() error {
		err := scanner.Scan(ctx, text)
		if err != nil && c.well() {
			return err
		}
		return nil
	}, func(s *daemon.LaneStatus) uint64 {
		n := s.Granted + s.Repeats + s.Stale + s.Garbled
		for _, denied := range s.Denied {
			n += denied
		}
		return n
	})
}

func (c *Campus) scanned(l *lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.scanned = time.Now()
}

func (c *Campus) reading(l *lane, more int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.reading += more
	c.tell()
}

// well reports that no fault is on: what does not work now is a failure.
func (c *Campus) well() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.standing) == 0
}

// answered does something at a lane and waits, for a while, until the lane has
// counted it and is done with it, so that whoever looks next sees it.
func (c *Campus) answered(ctx context.Context, l *lane, do func() error, count func(*daemon.LaneStatus) uint64) error {
	ask := func() (*daemon.LaneStatus, bool) {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		s, err := c.ask(ctx, l.controller)
		if err != nil {
			return nil, false
		}
		return &s.Lanes[l.view.Number-1], true
	}
	before, ok := ask()
	if err := do(); err != nil || !ok {
		return err
	}
	c.await(ctx, answerTime, answerTick, func() bool {
		now, ok := ask()
		return !ok || count(now) != count(before) && !atWork(now)
	})
	return nil
}

// atWork reports that a lane has not asked its gate yet for what it decided.
func atWork(s *daemon.LaneStatus) bool {
	return s.State == agentlane.Deciding.String() || s.State == agentlane.Opening.String()
}

// await asks again and again until done, and reports whether it was within the limit.
func (c *Campus) await(ctx context.Context, limit, every time.Duration, done func() bool) bool {
	over := time.NewTimer(limit)
	defer over.Stop()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-over.C:
			return done()
		case <-tick.C:
		}
	}
	return true
}

// ScanPicture decodes the QR symbol in a PNG, JPEG or GIF file and scans its text at a
// lane. A picture that is none, too large, or without a symbol is a *Refusal.
func (c *Campus) ScanPicture(ctx context.Context, id string, picture []byte) error {
	text, err := symbol.ReadPicture(picture)
	if err != nil {
		return &Refusal{err.Error()}
	}
	a := Act{Verb: "scan", Target: id, Args: map[string]string{"text": text}}
	if _, err := Parse(a.String()); err == nil {
		return c.Do(ctx, a)
	}
	l, err := c.lane(id) // a text that stands in no line: it is scanned and not recorded
	if err != nil {
		return err
	}
	c.acting.RLock()
	defer c.acting.RUnlock()
	if c.closed {
		return errClosed
	}
	return c.hold(ctx, l, gate.In, text)
}

// number reads one of an act's numbers.
func number(a Act, key string, unless, limit int) (int, error) {
	text, ok := a.Args[key]
	if !ok {
		return unless, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > limit {
		return 0, refuse("%s=%s: want a number of 1 to %d", key, text, limit)
	}
	return n, nil
}

// walk sends people through a lane, granted or not.
func (c *Campus) walk(ctx context.Context, a Act) error {
	l, err := c.lane(a.Target)
	if err != nil {
		return err
	}
	people, err := number(a, "people", 1, maxPeople)
	if err != nil {
		return err
	}
	return c.answered(ctx, l, func() error {
		for i := range people {
			l.steel.Controller.Walk(ways[a.word(0)], c.config.Walk+time.Duration(i)*apart)
		}
		c.await(ctx, c.config.Walk+time.Duration(people)*apart+answerTime, answerTick, func() bool { return l.steel.Controller.State().Walking == 0 })
		return nil
	}, func(s *daemon.LaneStatus) uint64 { return s.Passed + s.NotPassed + s.Unknown + s.Alarms })
}

// crowd has people walk when they are let in, stay, or come in pairs.
func (c *Campus) crowd(_ context.Context, a Act) error {
	l, err := c.lane(a.Target)
	if err != nil {
		return err
	}
	after := c.config.Walk
	if a.word(0) == "stay" {
		after = 0
	}
	l.steel.Controller.SetAutoWalk(after)
	l.steel.Controller.Pairs(a.word(0) == "pairs")
	return nil
}

// flood holds many foreign codes before a scanner, one behind the other.
func (c *Campus) flood(ctx context.Context, a Act) error {
	l, err := c.lane(a.Target)
	if err != nil {
		return err
	}
	scans, err := number(a, "scans", floodScans, maxFlood)
	if err != nil {
		return err
	}
	l.scanning.Lock()
	defer l.scanning.Unlock()
	c.reading(l, 1)
	defer c.reading(l, -1)
	for i := range scans {
		if !l.steel.Scanner.Plugged() || l.controller.down || ctx.Err() != nil {
			return ctx.Err()
		}
		if err := l.steel.Scanner.Scan(ctx, foreignText+strconv.Itoa(i)); err != nil && c.well() {
			return err
		}
	}
	return nil
}

// Scanners that suffer.
var moods = map[string]device.Mood{"silent": device.Silent, "half": device.Half}
