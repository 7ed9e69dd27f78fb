// Package command judges what central tells one lane to do now: whether it is central's word, for this start of this controller, and in time.
//
// TOPICS.md, "Commands", has the rules and why they hold. What only the lane
// knows (whether it was answered, whether it can be done) is asked there.
package command

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"turnstile/agent/feed"
	"turnstile/agent/lane"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
)

// Config binds the commands to a controller. All of it is needed.
type Config struct {
	Site, Lane string
	Start      link.Nonce // random, made for this start of the agent
	Delegation func() *link.Delegation
	Read       func(now time.Time) wallclock.Reading
	// Order hands an order to the lane with its number; false: there is none.
	Order func(o lane.Order) bool
	Log   *slog.Logger
}

// Commands takes COMMAND messages.
type Commands struct{ c Config }

// New returns what takes the commands of one start.
func New(c Config) *Commands { return &Commands{c} }

// Why a command that is central's word is passed over: it is dead, or comes again.
var (
	errStart = errors.New("the command was meant for another start of this agent")
	errClock = errors.New("the clock does not tell whether the command is in time; it comes again")
)

// Handle takes a message that came when the machine's clock showed now. The error
// is a *feed.Refused: somebody may have meant harm. What is dead or comes again is
// none.
func (c *Commands) Handle(payload []byte, now time.Time) error {
	m, err := c.open(payload)
	if err != nil {
		return &feed.Refused{Type: link.TypeCommand, Err: err}
	}
	until, err := c.judge(m, now)
	if err != nil {
		c.c.Log.Debug("command passed over", "command", m.Number, "cause", err)
		return nil
	}
	if !c.c.Order(lane.Order{Command: *m, Until: until}) {
		return &feed.Refused{Type: link.TypeCommand, Err: fmt.Errorf("%w: a command to lane %d, which is not here", link.ErrMalformed, m.Index)}
	}
	return nil
}

// open checks who signed, and that the command is for this controller and makes sense.
func (c *Commands) open(payload []byte) (*link.Command, error) {
	if len(payload) > link.MaxCommand {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", link.ErrOversized, len(payload), link.MaxCommand)
	}
	d := c.c.Delegation()
	if d == nil {
		return nil, feed.ErrNoKeys
	}
	m, err := link.Open[link.Command](payload, link.TypeCommand, c.c.Site, link.KeysOf(d.Status...), link.MaxCommand)
	switch {
	case err != nil:
		return nil, err
	case m.Lane != c.c.Lane:
		return nil, feed.ErrOther
	}
	return m, m.Check()
}

// judge returns until when the command holds, by the monotonic clock: as long as
// the latest time that it can be is not above its end. That may be over.
func (c *Commands) judge(m *link.Command, now time.Time) (until time.Time, err error) {
	if m.Start != c.c.Start {
		return until, errStart
	}
	r := c.c.Read(now)
	if r.State == link.ClockUntrusted {
		return until, errClock
	}
	left := time.UnixMilli(m.Expires).Sub(r.Time.Add(r.Bound))
	return time.Now().Add(min(left, link.MaxCommandLife)), nil
}
