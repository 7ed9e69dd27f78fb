package uplink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"turnstile/agent/feed"
	"turnstile/agent/health"
	"turnstile/central/link"
)

// session is one connection. All of it runs in one goroutine.
type session struct {
	u     *Uplink
	link  Link
	inbox <-chan message

	window window
	report timer // a report is due
	ask    timer // questions are due
	askGap time.Duration
	pinged time.Time
	moveBy time.Time // to another node, if no head comes before
	timing timing
	looks  uint
}

// timer is a deadline that may not be set.
type timer struct {
	at time.Time
	t  *time.Timer
}

// by sets the deadline to d from now, unless an earlier one is set.
func (t *timer) by(now time.Time, d time.Duration) {
	at := now.Add(d)
	if !t.at.IsZero() && !at.Before(t.at) {
		return
	}
	t.at = at
	if t.t == nil {
		t.t = time.NewTimer(d)
	} else {
		t.t.Reset(d)
	}
}

// c is ready at the deadline; it blocks for ever if none is set.
func (t *timer) c() <-chan time.Time {
	if t.t == nil {
		return nil
	}
	return t.t.C
}

func (t *timer) stop() {
	t.at = time.Time{}
	if t.t != nil {
		t.t.Stop()
	}
}

const (
	reportJitter = time.Second
	reportEvery  = time.Minute // clock, backlog and warnings, without an occasion
	askDelay     = time.Second // what is asked for is mostly on its way already
	askFirst     = 2 * time.Second
	askLongest   = time.Minute
	lookEvery    = 250 * time.Millisecond

	looksPerSecond = uint(time.Second / lookEvery)
	shutdown       = time.Second // for the last report
	elsewhere      = time.Minute // without heads, at least; then another node is tried, within as long again
)

// run subscribes, tells that the lane lives, and works until the connection or
// ctx ends.
func (s *session) run(ctx context.Context) error {
	u := s.u
	if err := s.link.Subscribe(ctx, s.filters()...); err != nil {
		return err
	}
	if err := s.tell(true); err != nil {
		return err
	}
	u.setStatus(func(st *Status) {
		st.Connected, st.Since, st.LastError = true, u.c.Now(), ""
		st.Connects++
	})
	u.c.Health.Clear(health.UplinkDown, "")
	u.c.Health.Clear(health.UplinkRefused, "")
	u.c.Log.Info("connected to central", "broker", u.broker())
	s.pinged, s.askGap = u.c.Now(), askFirst
	s.report.by(u.c.Now(), reportEvery)
	s.ask.by(u.c.Now(), askDelay)
	defer s.report.stop()
	defer s.ask.stop()
	s.connected(true)
	err := s.loop(ctx)
	s.connected(false)
	if ctx.Err() != nil {
		s.leave()
		return ctx.Err()
	}
	return err
}

func (s *session) loop(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	grown := s.u.c.Journal.Grown()
	var uses <-chan []byte
	if p := s.u.c.Peers; p != nil {
		uses = p.Outgoing()
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err = <-s.link.Lost():
			return fmt.Errorf("%w: %w", ErrOffline, err)
		case m := <-s.inbox:
			err = s.take(m)
		case <-grown:
			err = s.send()
		case b := <-uses:
			_, err = s.link.Publish(s.u.topics.Use(s.u.c.Identity.Lane), b, false)
		case <-s.u.nudge:
			s.report.by(s.u.c.Now(), rand.N(reportJitter))
		case <-s.report.c():
			s.report.stop()
			s.report.by(s.u.c.Now(), reportEvery)
			err = s.tell(false)
		case <-s.ask.c():
			s.ask.stop()
			err = s.question()
		case <-look.C:
			err = s.look(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// look is done some times a second: what waits is sent, what was not
// acknowledged is sent again. Once a second the warnings, the clock and the
// connection are looked at: that asks the kernel, and ten thousand lanes in one
// process would do little else.
func (s *session) look(ctx context.Context) error {
	if err := s.send(); err != nil {
		return err
	}
	if s.looks++; s.looks%looksPerSecond != 1 {
		return nil
	}
	s.u.watch()
	if err := s.askTime(); err != nil {
		return err
	}
	if err := s.askPeers(); err != nil {
		return err
	}
	return s.doubt(ctx)
}

// doubt gives the connection up if three heads are missing and the broker does
// not answer either. Missing heads alone are central's absence: reconnecting
// then would turn its restart into a storm. But of a cluster the node may be cut off
// from the others, and answer all the same.
func (s *session) doubt(ctx context.Context) error {
	u := s.u
	now := u.c.Now()
	stale := u.c.Feed.Stale(now)
	switch {
	case !stale || s.moveBy.IsZero():
		s.moveBy = now.Add(elsewhere + rand.N(elsewhere))
	case len(u.nodes) > 1 && now.After(s.moveBy):
		return ErrCut
	}
	if !stale || now.Sub(s.pinged) < keepAlive+pingTimeout {
		return nil
	}
	s.pinged = now
	if err := s.link.Subscribe(ctx, u.topics.Down(u.c.Identity.Lane)); err != nil {
		return fmt.Errorf("%w: %w", ErrSilent, err)
	}
	return nil
}

// watch keeps the warnings that only time brings.
func (u *Uplink) watch() {
	now := u.c.Now()
	v := u.c.Feed.View()
	u.c.Health.Put(!v.HasFeed(), health.FeedNone, "", "no lists, rules or keys yet")
	stale := u.c.Feed.Stale(now)
	detail := ""
	if stale && v.Head.Issued != 0 {
		detail = fmt.Sprintf("newest head %d is %s old", v.Head.Seq, now.Sub(v.HeadAt).Round(time.Second))
	}
	u.c.Health.Put(stale, health.FeedStale, "", detail)
	for code, at := range u.raised {
		if now.Sub(at) > refusalStands {
			u.c.Health.Clear(code, "")
			delete(u.raised, code)
		}
	}
}

// refusalStands is how long a refused message is shown; the journal has it for good.
const refusalStands = 10 * time.Minute

// take handles one message. An error ends the connection.
func (s *session) take(m message) error {
	u := s.u
	if m.topic == u.topics.Ack(u.c.Identity.Lane) {
		s.ack(m.payload)
		return nil
	}
	now := u.c.Now()
	if s.ofTime(m) {
		s.takeTime(m.payload, now)
		return nil
	}
	if u.c.Commands != nil && m.topic == u.topics.Command(u.c.Identity.Lane) {
		if err := u.c.Commands.Handle(m.payload, now); err != nil {
			u.refuse(err)
		}
		return nil
	}
	if s.ofPeers(m) {
		if err := u.c.Peers.Handle(m.topic, m.payload, now); err != nil {
			u.refuse(err)
		}
		return nil
	}
	r, err := u.c.Feed.Handle(m.topic, m.payload, now)
	if err != nil {
		u.refuse(err)
	}
	if r.Head != nil {
		u.c.Clock.Observe(time.UnixMilli(r.Head.Issued), now)
	}
	if r.Head != nil || r.Changed {
		u.c.Taken(r)
	}
	if r.Changed { // what was asked for comes
		s.ask.stop()
		s.askGap = askFirst
	}
	if len(r.Asks) > 0 && s.ask.at.IsZero() {
		s.ask.by(now, askDelay)
	}
	switch {
	case r.Urgent:
		return s.urgent(now)
	case r.Changed:
		s.report.by(now, rand.N(reportJitter))
	}
	return nil
}

// urgent reports before anything else is done. All lanes report to one central at
// the same moment: the floor that each of them wrote follows when entries are
// gathered, behind the reports.
func (s *session) urgent(now time.Time) error {
	s.window.last = now
	s.report.stop()
	s.report.by(now, reportEvery)
	return s.tell(false)
}

// codeOf maps refusals to warnings; 0, false for what is none.
func codeOf(err error) (health.Code, bool) {
	for _, row := range []struct {
		err  error
		code health.Code
	}{
		{feed.ErrFork, health.FeedFork}, {feed.ErrRollback, health.FeedRollback}, {feed.ErrExpired, health.FeedRoleExpired},
		{link.ErrForged, health.FeedForged}, {link.ErrUnknown, health.FeedForged}, {feed.ErrOther, health.FeedForged},
		{link.ErrMalformed, health.FeedMalformed}, {link.ErrOversized, health.FeedMalformed}, {link.ErrVersion, health.FeedMalformed},
		{feed.ErrMismatch, health.FeedMalformed}, {feed.ErrOld, health.FeedReplayed}, {feed.ErrGap, health.FeedReplayed},
	} {
		if errors.Is(err, row.err) {
			return row.code, true
		}
	}
	return 0, errors.Is(err, feed.ErrNoKeys) || errors.Is(err, feed.ErrTopic)
}

// refuse names a refused message. What is no refusal of the feed is the disk's.
func (u *Uplink) refuse(err error) {
	code, known := codeOf(err)
	switch {
	case !known:
		u.c.Health.Raise(health.CacheFault, "", err.Error())
		u.c.Log.Error("store message of central", "error", err)
		return
	case code == 0:
		return
	}
	fresh := u.c.Health.Raise(code, "", err.Error())
	u.raised[code] = u.c.Now()
	if !fresh {
		return
	}
	u.c.Log.Warn("message of central refused", "code", code.String(), "error", err)
	var refused *feed.Refused
	if errors.As(err, &refused) && feed.Alarming(err) {
		u.c.Refused(refused)
	}
}

// question asks for what is missing, with pauses that double while it stays so.
func (s *session) question() error {
	u := s.u
	asks := u.c.Feed.Needs()
	if len(asks) == 0 {
		s.askGap = askFirst
		return nil
	}
	for _, a := range asks {
		if err := s.publishAsk(a); err != nil {
			return err
		}
	}
	s.ask.by(u.c.Now(), s.askGap)
	s.askGap = min(2*s.askGap, askLongest)
	return nil
}

// publishAsk signs a question and sends it.
func (s *session) publishAsk(a link.Ask) error {
	u := s.u
	a.Sent = u.c.Clock.Time(u.c.Now()).UnixMilli()
	b, err := link.Seal(u.c.Identity.Journal, link.TypeAsk, u.c.Identity.Site, a)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	if _, err := s.link.Publish(u.topics.Ask(u.c.Identity.Lane), b, false); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	return nil
}

// tell reports the lane's state; at birth it is kept by the broker.
func (s *session) tell(birth bool) error {
	b, err := s.u.seal(true)
	if err != nil {
		return err
	}
	if _, err := s.link.Publish(s.u.topics.State(s.u.c.Identity.Lane), b, birth); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// leave says goodbye: a connection that is closed in order leaves no will.
func (s *session) leave() {
	b, err := s.u.seal(false)
	if err != nil {
		return
	}
	taken, err := s.link.Publish(s.u.topics.State(s.u.c.Identity.Lane), b, true)
	if err != nil {
		return
	}
	t := time.NewTimer(shutdown)
	defer t.Stop()
	select {
	case <-taken:
	case <-t.C:
	}
}

// seal makes a signed LaneState. One that is too large loses its warnings and
// names first.
func (u *Uplink) seal(alive bool) ([]byte, error) {
	n := u.laneState(alive)
	for {
		b, err := link.Seal(u.c.Identity.Journal, link.TypeState, u.c.Identity.Site, n)
		if err != nil {
			return nil, fmt.Errorf("report: %w", err)
		}
		switch {
		case len(b) <= link.MaxState:
			return b, nil
		case len(n.Warnings) > 0:
			n.Warnings = n.Warnings[:len(n.Warnings)/2]
		case len(n.Lanes) > 0:
			n.Lanes = n.Lanes[:len(n.Lanes)/2]
		default:
			return nil, fmt.Errorf("report: %w: %d bytes", link.ErrOversized, len(b))
		}
	}
}

func (u *Uplink) laneState(alive bool) link.LaneState {
	n := u.c.State()
	now := u.c.Now()
	v := u.c.Feed.View()
	n.Lane, n.Alive, n.Sent = u.c.Identity.Lane, alive, u.c.Clock.Time(now).UnixMilli()
	n.Keyset, n.Rules = v.KeysetVersion, v.RulesVersion()
	if v.State != nil {
		n.Epoch, n.Seq, n.Chain = v.State.Epoch, v.State.Seq, v.State.Chain
	}
	n.Clock, n.Bound = u.c.Clock.State(now)
	n.Journal = u.c.Journal.ID()
	_, n.Last, n.Acked = u.c.Journal.Bounds()
	n.Warnings = u.c.Health.Standing()
	return n
}
