package gpio

import (
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
)

// eighth is the step of every pattern.
const eighth = time.Second / 8

// pattern is what one signal looks and sounds like. The lowest bit is the first
// eighth of a second.
type pattern struct {
	granted, denied uint8  // one second, again and again
	beep            uint16 // two seconds, once
}

// patterns are those of gate's signals. A person who sees no colours tells them
// apart by rhythm and sound: walk is steady with one beep, refused is steady with
// three, the rest blinks.
var patterns = [gate.Signals]pattern{
	gate.Idle:       {},
	gate.Wait:       {granted: 0b0011_0011},
	gate.Granted:    {granted: 0b1111_1111, beep: 0b11},
	gate.Denied:     {denied: 0b1111_1111, beep: 0b1_0101},
	gate.Again:      {denied: 0b0101_0101, beep: 0b101},
	gate.Guard:      {granted: 0b0000_1111, denied: 0b1111_0000, beep: 0b1111_1111},
	gate.Closed:     {denied: 0b1111_1111},
	gate.OutOfOrder: {denied: 0b0000_0011},
}

// at returns which of granted, denied and buzzer are on when the signal has been
// shown for d, and how long that stays so; 0 means for ever.
func (p pattern) at(d time.Duration) (on [3]bool, stays time.Duration) {
	step := int(max(d, 0) / eighth)
	on = [3]bool{p.granted>>(step%8)&1 == 1, p.denied>>(step%8)&1 == 1, step < 16 && p.beep>>step&1 == 1}
	if steady := func(b uint8) bool { return b == 0 || b == 0xff }; steady(p.granted) && steady(p.denied) && (step >= 16 || p.beep>>step == 0) {
		return on, 0
	}
	return on, eighth - max(d, 0)%eighth
}

// shown is what Show asked for.
type shown struct {
	signal gate.Signal
	since  time.Time
	until  time.Time // zero: until the next
}

// at returns the pattern of now and when it began.
func (s shown) at(now time.Time) (pattern, time.Duration) {
	if s.signal >= gate.Signals || !s.until.IsZero() && !now.Before(s.until) {
		return patterns[gate.Idle], 0
	}
	return patterns[s.signal], now.Sub(s.since)
}

// Show implements gate.Gate. It does nothing on a gate without lights and buzzer.
func (g *Gate) Show(s gate.Signal, d time.Duration) {
	now := time.Now()
	next := shown{signal: s, since: now}
	if d > 0 {
		next.until = now.Add(d)
	}
	g.mu.Lock()
	g.shown = next
	g.mu.Unlock()
	select {
	case g.show <- struct{}{}:
	default: // Run has not taken the one before; it will see this
	}
}

// light brings lights and buzzer to what they should show at now. The result is
// how long that stays so.
func (g *Gate) light(now time.Time) (time.Duration, error) {
	if len(g.lights) == 0 {
		return time.Hour, nil
	}
	g.mu.Lock()
	s := g.shown
	g.mu.Unlock()
	p, d := s.at(now)
	on, stays := p.at(d)
	for _, l := range g.lights {
		if l.on == on[l.which] {
			continue
		}
		if err := l.line.Set(!l.on); err != nil {
			return 0, fmt.Errorf("switch light: %w", err)
		}
		l.on = !l.on
	}
	if stays == 0 {
		stays = time.Hour
	}
	if now.Before(s.until) {
		stays = min(stays, s.until.Sub(now))
	}
	return stays, nil
}

// lamp is a light or the buzzer.
type lamp struct {
	which int // index into what pattern.at returns
	line  Output
	on    bool
}
