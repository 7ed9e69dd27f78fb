package daemon

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"turnstile/agent/command"
	"turnstile/agent/enrol"
	"turnstile/agent/feed"
	"turnstile/agent/lane"
	"turnstile/agent/uplink"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
)

// central is what this agent has of central: who it is there, the feed, the
// session, and how far the clock can be trusted.
type central struct {
	*agent
	id     enrol.Identity
	wall   *wallclock.Clock
	feed   *feed.Feed
	uplink *uplink.Uplink
	leaf   atomic.Pointer[x509.Certificate] // of this lane, once it was renewed; nil: the identity's

	floor link.Floor // written last; owned by the session
	owed  bool       // a floor that the journal did not take; owned by the session
	kept  uint64     // version of the delegation whose root was kept last; owned by the session
	start link.Nonce // of this start, in memory alone: commands name it
}

// newCentral makes the agent's side of central. floor is where feed and clock
// must not go behind; nil: the journal has none.
func newCentral(a *agent, id enrol.Identity, floor *link.Floor) *central {
	if a.config.Broker != "" {
		id.Broker = a.config.Broker
	}
	c := &central{agent: a, id: id, kept: id.Delegation}
	rand.Read(c.start[:]) // never fails (crypto/rand)
	o := wallclock.Options{TrustSystem: a.config.Clock.TrustSystem, Ticks: a.o.Ticks}
	if floor != nil {
		c.floor, o.Floor = *floor, time.UnixMilli(floor.Time)
	}
	c.wall = wallclock.New(o)
	c.feed = feed.New(a.cache, feed.Identity{Site: id.Site, Lane: id.Lane, Root: id.Root, Delegation: id.Delegation, Seal: id.Seal},
		feed.Options{Floor: floor, Trusted: c.wall.Trusted, Campus: c.wall.Time})
	return c
}

// connect makes the session; the neighbours that it serves know the feed already.
func (c *central) connect() {
	a := c.agent
	c.uplink = uplink.New(uplink.Config{
		Identity: c.id, Journal: sending{a.journal, a.neighbours.Acked}, Feed: c.feed, Clock: c.wall, Peers: a.neighbours, Commands: c.commands(), Health: a.warnings, Log: a.log,
		State: c.report, Taken: c.taken, Refused: c.refused, Now: a.o.Now,
	})
}

// commands takes central's commands for the lanes.
func (c *central) commands() *command.Commands {
	return command.New(command.Config{
		Site: c.id.Site, Lane: c.id.Lane, Start: c.start, Delegation: c.feed.Delegation, Read: c.wall.Read, Order: c.order, Log: c.log,
	})
}

// order hands an order to its lane; false if there is none of that number.
func (c *central) order(o lane.Order) bool {
	for i, l := range c.lanes {
		if c.config.Lanes[i].Number == int(o.Index) {
			l.Order(o)
			return true
		}
	}
	return false
}

// campus is the time, and whether it can be gone by.
func (c *central) campus() (time.Time, bool) {
	r := c.wall.Read(c.agent.o.Now())
	return r.Time, r.State != link.ClockUntrusted
}

// clock returns how far the clock that showed now can be trusted, and its
// greatest error.
func (c *central) clock(now time.Time) (link.ClockState, time.Duration) {
	state, bound := c.wall.State(now)
	return state, time.Duration(bound) * time.Second
}

// report is what central is told of the lanes.
func (c *central) report() link.LaneState {
	s := link.LaneState{Boot: c.journal.Boot(), Program: c.o.Version, Start: c.start[:]}
	for _, l := range c.lanes {
		now := l.Status()
		s.Lanes = append(s.Lanes, link.LaneInfo{Number: now.Number, Name: now.Name, Zone: now.Zone, State: now.State.String()})
	}
	return s
}

// floorEvery is how often the time alone makes a floor: so far back a clock that
// was reset can be wrong unnoticed.
const floorEvery = time.Hour

// taken writes a floor when central's word changed what this lane knows.
func (c *central) taken(r feed.Result) {
	c.keepRoot()
	f := c.feed.Floor(c.reached())
	due := time.Duration(f.Time-c.floor.Time)*time.Millisecond >= floorEvery
	if !r.Changed && !due && !c.owed {
		return
	}
	if _, err := c.record.Record(link.Entry{Type: link.EntryFloor, Floor: f}); err != nil {
		if !c.owed {
			c.log.Error("floor was not written; it is tried again with each head", "err", err)
		}
		c.owed = true
		return
	}
	c.floor, c.owed = *f, false
}

// keepRoot writes down whom this lane trusts, should it lose its cache.
func (c *central) keepRoot() {
	d := c.feed.View().Delegation
	if d == nil || d.Version <= c.kept {
		return
	}
	if err := enrol.KeepRoot(c.config.Data, link.Root{Keys: d.Roots, Threshold: int(d.Threshold)}, d.Version); err != nil {
		c.log.Error("root was not kept", "err", err) // again with the next head
		return
	}
	c.kept = d.Version
}

// reached is the latest time that central has signed. The machine's own clock
// makes no floor, however sure the kernel is of it: one lie of a time server about
// the future would make every true clock a liar for ever.
func (c *central) reached() time.Time { return time.UnixMilli(c.cache.View().Head.Issued) }

// refusals are the Details of an EntryRefused, TOPICS.md.
var refusals = []error{nil, feed.ErrFork, feed.ErrRollback, link.ErrForged, link.ErrUnknown, link.ErrMalformed,
	link.ErrOversized, link.ErrVersion, feed.ErrOther, feed.ErrMismatch, feed.ErrExpired, feed.ErrTopic}

// refused writes that a message was refused with which somebody may have meant harm.
func (c *central) refused(r *feed.Refused) {
	e := link.Entry{Type: link.EntryRefused, Flags: link.FlagAlarm}
	for i, err := range refusals {
		if err != nil && errors.Is(r, err) {
			e.Detail = uint16(i)
			break
		}
	}
	if _, err := c.record.Record(e); err != nil {
		c.log.Error("refusal was not written", "err", fmt.Errorf("%w: %w", r, err))
	}
}
