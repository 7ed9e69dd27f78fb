package campus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"turnstile/agent/daemon"
	"turnstile/agent/health"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/simulator/device"
)

// How often the campus is looked at, and how soon onlookers are told of a change:
// changes that come together are told together.
const (
	agentsEvery = 100 * time.Millisecond
	ledgerEvery = 200 * time.Millisecond
	alarmsEvery = 500 * time.Millisecond
	passesEvery = 250 * time.Millisecond
	tellAfter   = 25 * time.Millisecond
	deadAfter   = 3 * time.Second // that central says nothing
)

// Bounds of a View; what is older is still at central, and can still be acted on.
const (
	maxPasses   = 200
	maxPassages = 200
	maxAlarms   = 100
	maxFollowed = 20 // passes asked about in one round
)

// watch starts the pollers.
func (c *Campus) watch() {
	c.polling, c.stop = context.WithCancel(context.Background())
	for _, k := range c.controllers {
		c.pollers.Go(func() { every(c.polling, agentsEvery, func(ctx context.Context) { c.poll(ctx, k) }) })
	}
	c.pollers.Go(func() { every(c.polling, ledgerEvery, c.pollLedger) })
	c.pollers.Go(func() { every(c.polling, alarmsEvery, c.pollAlarms) })
	c.pollers.Go(func() { every(c.polling, passesEvery, c.pollPasses) })
	c.pollers.Go(func() { every(c.polling, passesEvery, c.pollRules) })
	if c.mails != nil {
		c.pollers.Go(func() { every(c.polling, passesEvery, c.pollMails) })
	}
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

// tell wakes onlookers soon. mu is held.
func (c *Campus) tell() {
	if c.telling {
		return
	}
	c.telling = true
	time.AfterFunc(tellAfter, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.telling = false
		close(c.changed)
		c.changed = make(chan struct{})
	})
}

// Changed returns a channel that is closed at the next change of the View. Changes
// that come together close it once.
func (c *Campus) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// seen takes the state of one lane's steel, as it is published.
func (c *Campus) seen(l *lane, s device.ControllerState) {
	c.witness.Watch(l.controller.id, l.view.Number, s)
	c.mu.Lock()
	defer c.mu.Unlock()
	l.shown = s
	c.tell()
}

// poll asks a controller how it is.
func (c *Campus) poll(ctx context.Context, k *controller) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if _, err := c.ask(ctx, k); err != nil {
		c.lost(k)
	}
}

// ask asks a controller how it is, and takes that in.
func (c *Campus) ask(ctx context.Context, k *controller) (daemon.Status, error) {
	asked := time.Now()
	s, err := k.agent.Ask(ctx)
	if err == nil {
		c.take(k, &s, asked)
	}
	return s, err
}

// lost notes that a controller does not answer; what it said last stands.
func (c *Campus) lost(k *controller) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.answers {
		k.answers = false
		c.tell()
	}
}

// take takes in what a controller says of itself, unless somebody who asked later, or at
// the same time, has heard something newer: a View does not go back.
func (c *Campus) take(k *controller, s *daemon.Status, asked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	late := k.said.Sub(s.At) // clocks may have been set meanwhile
	if s.Started.Equal(k.started) && (asked.Before(k.asked) || late > 0 && late <= answerTime) {
		return
	}
	k.said, k.asked, k.started = s.At, asked, s.Started
	k.answers = true
	k.feed, k.feedAge, k.trust, k.backlog = s.Feed.Seq, s.Feed.AgeSec, s.Clock.State, s.Journal.Waiting
	for _, l := range c.lanes {
		if l.controller != k {
			continue
		}
		l.view.Display = fmt.Sprintf("%s/lane/%d", s.HTTP, l.view.Number)
		l.view.Warnings = ownWarnings(s.Warnings, l.view.Number)
		for i := range s.Lanes {
			if int(s.Lanes[i].Number) == l.view.Number {
				c.takeLane(l, &s.Lanes[i])
			}
		}
	}
	c.tell()
}

func (c *Campus) takeLane(l *lane, s *daemon.LaneStatus) {
	l.view.State, l.view.Decisions = s.State, int(s.Granted)
	for _, n := range s.Denied {
		l.view.Decisions += int(n)
	}
	l.view.Last = nil
	if d := s.Last; d != nil {
		l.view.Last = &Decision{At: d.At.In(zone), Pass: c.named(d.Pass), Kind: d.Kind, Reason: d.Reason, Result: d.Result}
	}
}

// named is the name that acts use for a pass; its id if it has none. mu is held.
func (c *Campus) named(id string) string {
	if name, ok := c.names[id]; ok {
		return name
	}
	return id
}

// ownWarnings leaves out those of a controller's other lanes.
func ownWarnings(all []health.Entry, number int) []health.Entry {
	own := fmt.Sprintf("lane %d", number)
	return slices.DeleteFunc(slices.Clone(all), func(e health.Entry) bool {
		of, _, _ := strings.Cut(e.Subject, ",")
		return strings.HasPrefix(e.Subject, "lane ") && of != own
	})
}

// pollLedger asks central for what is new in the ledger.
func (c *Campus) pollLedger(ctx context.Context) {
	short, cancel := context.WithTimeout(ctx, deadAfter)
	defer cancel()
	rows, err := c.api.Load().Passages(short, c.newest) // only this poll writes newest
	c.mu.Lock()
	defer c.mu.Unlock()
	if up := err == nil; up != c.up && ctx.Err() == nil {
		c.up = up
		c.tell()
	}
	for _, r := range rows {
		c.newest = max(c.newest, r.Number)
		c.passages = slices.Insert(c.passages, 0, c.passage(&r))
	}
	if len(rows) > 0 {
		c.passages = c.passages[:min(len(c.passages), maxPassages)]
		c.tell()
	}
}

// passage is a row of the ledger in a View. mu is held.
func (c *Campus) passage(r *office.PassageBody) Passage {
	return Passage{Number: r.Number, At: r.Time.In(zone), Lane: c.laneOf(r.Controller, r.Lane), Type: r.Type, Way: r.Direction, Pass: c.named(r.Pass), Reason: r.Reason}
}

// Ledger asks central for up to 1000 rows of its ledger behind a number, the oldest
// first: a View has the newest alone.
func (c *Campus) Ledger(ctx context.Context, after int64) ([]Passage, error) {
	rows, err := c.api.Load().Passages(ctx, after)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Passage, len(rows))
	for i := range rows {
		list[i] = c.passage(&rows[i])
	}
	return list, nil
}

// Occupancy asks central how full it takes each zone to be.
func (c *Campus) Occupancy(ctx context.Context) ([]office.ZoneCountBody, error) {
	var o office.OccupancyBody
	err := c.api.Load().Do(ctx, "GET", "/occupancy", nil, &o)
	return o.Zones, err
}

// laneOf is a lane's id; of what is the controller's own, the controller's. mu is held.
func (c *Campus) laneOf(controller string, number int) string {
	for _, l := range c.lanes {
		if l.controller.id == controller && l.view.Number == number {
			return l.spec.ID
		}
	}
	return controller
}

// pollAlarms asks central for new alarms.
func (c *Campus) pollAlarms(ctx context.Context) {
	var list office.AlarmList
	if c.api.Load().Do(ctx, "GET", fmt.Sprintf("/alarms?limit=1000&after=%d", c.newestAlarm), nil, &list) != nil {
		return // central is down; the next round asks again
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range list.Alarms {
		c.newestAlarm = max(c.newestAlarm, a.Number)
		c.alarms = slices.Insert(c.alarms, 0, Alarm{Number: a.Number, At: a.Time.In(zone), Kind: a.Code, Lane: a.Controller, Detail: a.Detail, Next: a.Next})
	}
	if len(list.Alarms) > 0 {
		c.alarms = c.alarms[:min(len(c.alarms), maxAlarms)]
		c.tell()
	}
}

// pollPasses asks central which lanes refuse what is revoked or held.
func (c *Campus) pollPasses(ctx context.Context) {
	c.mu.Lock()
	var open []*ticket
	for _, t := range c.order {
		if t.sheet == "" && !t.followed && t.view.Status != "good" && len(open) < maxFollowed {
			open = append(open, t)
		}
	}
	c.mu.Unlock()
	for _, t := range open {
		found, err := c.api.Load().Find(ctx, t.id)
		if err != nil {
			return // central is down; the next round asks again
		}
		c.follow(t, &found)
	}
}

func (c *Campus) follow(t *ticket, found *office.PassBody) {
	r := found.RefusedBy
	if r != nil && found.Status == "revoked" {
		c.witness.Acknowledged(t.id, r, c.site)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t.view.Status, t.followed = found.Status, found.Status == "good"
	if r != nil {
		t.view.Lanes, t.view.Of, t.followed = r.Lanes, r.Of, r.Lanes == r.Of
	}
	c.tell()
}

// pollRules asks central which rules the controllers have.
func (c *Campus) pollRules(ctx context.Context) {
	if !c.witness.Waits() {
		return
	}
	lanes, err := c.api.Load().Lanes(ctx)
	if err != nil {
		return // central is down; the next round asks again
	}
	for _, l := range lanes {
		c.witness.Obeys(l.ID, l.Rules)
	}
}

// View returns the campus at this moment, as far as it was looked at.
func (c *Campus) View() View {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := View{Now: c.clock.Now().Round(0).In(zone), Played: !c.config.Real, Central: Central{Up: c.up, Console: c.console()},
		Lanes: []Lane{}, Passes: []Pass{}, Passages: append([]Passage{}, c.passages...), Alarms: append([]Alarm{}, c.alarms...), Standing: []Standing{}, Mail: c.mail}
	for _, l := range c.lanes {
		v.Lanes = append(v.Lanes, l.draw())
	}
	for _, t := range c.order[max(0, len(c.order)-maxPasses):] {
		p := t.draw(v.Now)
		if t.released > 0 {
			p.Lanes = min(p.Lanes, c.behind(t.released))
		}
		v.Passes = append(v.Passes, p)
	}
	for _, s := range c.standing {
		v.Standing = append(v.Standing, Standing{Act: s.act.String(), Undo: s.undo.String(), Guard: s.guard, Since: s.since.Round(0).In(zone)})
	}
	return v
}

// behind counts the controllers that have not heard of a feed event. mu is held.
func (c *Campus) behind(event uint64) (n int) {
	for _, k := range c.controllers {
		if k.feed < event {
			n++
		}
	}
	return n
}

// console is the address of the office's pages: passkeys and cookies are bound to
// this name, not to the address.
func (c *Campus) console() string {
	return strings.Replace(c.api.Load().URL, "127.0.0.1", "localhost", 1) + "/office/"
}

// draw is the lane as an onlooker sees it. mu is held.
func (l *lane) draw() Lane {
	v, k := l.view, l.controller
	v.Signal, v.LED, v.Buzzer = l.shown.Signal.String(), l.shown.Lamp.LED, l.shown.Lamp.Buzzer
	v.Open, v.Reading = !l.shown.Locked, l.reading > 0
	if l.shown.Walking != 0 {
		v.Walking = gate.Direction(l.shown.Walking).String()
	}
	v.Answers, v.FeedSeq, v.FeedAge, v.Clock, v.Backlog = k.answers, k.feed, k.feedAge, k.trust, k.backlog
	v.Warnings = append([]health.Entry{}, v.Warnings...) // an empty list, not null, for scripts
	if v.Last != nil {
		last := *v.Last
		v.Last = &last
	}
	if !k.answers {
		v.Display = ""
	}
	return v
}

// draw is the pass as its holder's phone has it. mu is held.
func (t *ticket) draw(now time.Time) Pass {
	p := t.view
	p.Symbol = t.id
	switch {
	case t.live:
		p.Symbol = fmt.Sprintf("%s at %d", t.id, pass.SlotAt(now.Unix()))
	case t.stale:
		p.Symbol = t.id + " anew"
	}
	return p
}

// Forgeries are the words of the act forge and the reason for which a lane refuses each.
func Forgeries() map[string]string {
	reasons := map[string]string{}
	for word := range maps.Keys(forgeries) {
		reasons[word] = forgeries[word].reason.String()
	}
	return reasons
}
