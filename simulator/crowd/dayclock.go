package crowd

import (
	"slices"
	"time"
)

// dayClock says what time of the played day it is, by the campus's own clock: the day
// goes faster than life, can be paused, and waits for long queues.
type dayClock struct {
	begin, end time.Duration // of the day
	rate       float64       // how much faster than life at pace 1
	pace       float64
	paused     bool
	held       bool     // a queue is too long
	turns      []anchor // whenever the speed changed, oldest first
}

// anchor is a moment from which on the day went at one speed.
type anchor struct {
	real  time.Time
	day   time.Duration
	speed float64
}

// start begins the day.
func (c *dayClock) start(now time.Time) { c.turns = []anchor{{now.Round(0), c.begin, c.speed()}} }

// speed is how fast the day goes now.
func (c *dayClock) speed() float64 {
	if c.paused || c.held {
		return 0
	}
	return c.rate * c.pace
}

// turn notes that the speed is another one from now on.
func (c *dayClock) turn(now time.Time) {
	if len(c.turns) > 0 && c.turns[len(c.turns)-1].speed != c.speed() {
		c.turns = append(c.turns, anchor{now.Round(0), c.at(now), c.speed()})
	}
}

// hold keeps the day from going on, or lets it.
func (c *dayClock) hold(now time.Time, held bool) {
	if c.held != held {
		c.held = held
		c.turn(now)
	}
}

// at is the time of the day at a moment; before the start its begin.
func (c *dayClock) at(now time.Time) time.Duration {
	now = now.Round(0)
	for _, a := range slices.Backward(c.turns) {
		if !now.Before(a.real) {
			return min(a.day+time.Duration(float64(now.Sub(a.real))*a.speed), c.end)
		}
	}
	return c.begin
}

func (c *dayClock) copy() dayClock {
	d := *c
	d.turns = slices.Clone(c.turns)
	return d
}
