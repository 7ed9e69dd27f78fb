package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"turnstile/agent/lane"
	"turnstile/central/link"
	"turnstile/central/pass"
)

const (
	houseEvery  = time.Second
	statusEvery = 30 * time.Second // the file is written that often though nothing changed
	stuckAfter  = 20 * time.Second // a lane that did not go round for so long hangs in a device or in the disk
	keepDays    = 2                // a pass of yesterday may reach into today
)

// housekeep does once a second what nobody waits for.
func (a *agent) housekeep(ctx context.Context) error {
	tick := time.NewTicker(houseEvery)
	defer tick.Stop()
	h := house{agent: a, failed: map[string]bool{}, forced: map[uint8]forced{}, unready: map[uint8]time.Time{}}
	for {
		h.round()
		select {
		case <-ctx.Done():
			h.writeStatus()
			return nil
		case <-tick.C:
		}
	}
}

// house is what housekeep remembers from round to round.
type house struct {
	*agent
	day        pass.Day
	lastShape  string
	reported   string
	written    time.Time
	failed     map[string]bool
	forced     map[uint8]forced
	unready    map[uint8]time.Time // since when a lane's gate takes no grant
	forgedUses uint64              // of neighbours, counted so far
	forgedAt   time.Time           // when there were more; zero: never
}

func (h *house) round() {
	statuses := make([]lane.Status, len(h.lanes))
	alive := true
	for i, l := range h.lanes {
		statuses[i] = l.Status()
		alive = alive && time.Since(statuses[i].Beat) < stuckAfter
	}
	if alive { // else systemd starts the agent anew: nothing in the process can free a blocked write
		h.notify(daemon.SdNotifyWatchdog)
	}
	if h.begun != nil {
		h.begun = h.begin()
		h.say("begin the journal", h.begun)
	}
	h.presence.Expire(h.o.Now())
	h.warn(statuses)
	h.report(statuses)
	h.say("write checkpoint", h.keeper.due(time.Now()))
	h.endDay()
	h.writeStatus()
}

// report tells central when a lane's state or the warnings have changed.
func (h *house) report(lanes []lane.Status) {
	shape := strings.Join(h.warnings.Standing(), " ")
	for _, l := range lanes {
		if l.State == lane.Down {
			shape += fmt.Sprintf(" down %d", l.Number)
		}
	}
	if shape != h.reported {
		h.reported = shape
		h.central.uplink.Report()
	}
}

// say logs an error when it begins, not each second.
func (h *house) say(what string, err error) {
	if err != nil && !h.failed[what] {
		h.log.Error("housekeeping failed; it is tried again", "what", what, "err", err)
	}
	h.failed[what] = err != nil
}

// endDay forgets what belongs to days that are over: passes, and the keys of
// live codes. Only a clock that is known may say so, and not before its bound.
func (h *house) endDay() {
	v, r := h.cache.View(), h.central.wall.Read(h.o.Now())
	if r.State == link.ClockUntrusted || v.Rules == nil {
		return
	}
	today, _ := v.Rules.Campus(r.Time.Add(-r.Bound).Unix())
	if today <= h.day || today < keepDays {
		return
	}
	h.presence.Forget(today - keepDays + 1)
	err := h.cache.ForgetGate(today - keepDays + 1)
	h.say("forget gate keys", err)
	if err == nil {
		h.day = today
	}
}

// writeStatus writes the status file if something but times and ages changed.
func (h *house) writeStatus() {
	s := h.status()
	shape := s
	shape.At, shape.Feed.AgeSec, shape.Clock.BoundSec, shape.Feed.HeadAt = time.Time{}, 0, 0, nil
	data, err := json.Marshal(shape)
	if err != nil || string(data) == h.lastShape && time.Since(h.written) < statusEvery {
		h.say("encode status", err)
		return
	}
	h.lastShape, h.written = string(data), time.Now()
	h.say("write status", writeStatus(h.config.Data, &s))
}

// status is the agent as of now.
func (a *agent) status() Status {
	now := a.o.Now()
	v := a.cache.View()
	r := a.central.wall.Read(now)
	f := FactsAt(v, now, r)
	s := Status{
		Version: a.o.Version, Agent: a.central.id.Lane, Site: a.central.id.Site, HTTP: a.address, PID: os.Getpid(),
		Started: a.started.Round(time.Second), At: now.Round(time.Millisecond), Boot: a.journal.Boot(),
		Lanes: []LaneStatus{}, Presence: a.presence.Stats(), Warnings: a.warnings.List(), Neighbours: a.neighbours.Status(now),
		Clock: clockStatus(r),
		Journal: JournalStatus{ID: fmt.Sprintf("%x", a.journal.ID()), First: a.journal.First(), Last: a.journal.Last(),
			Acked: a.journal.Acked(), Level: a.journal.Level()},
	}
	s.Journal.Waiting = s.Journal.Last - min(s.Journal.Acked, s.Journal.Last)
	for _, l := range a.lanes {
		s.Lanes = append(s.Lanes, laneStatus(l.Status()))
	}
	s.Feed = FeedStatus{Connected: a.central.uplink.Status().Connected, Has: f.HasFeed(), AgeSec: -1, Keyset: v.KeysetVersion, Rules: v.RulesVersion(), GateKeys: []string{}, Days: []string{}}
	if f.Age >= 0 {
		s.Feed.AgeSec = int64(f.Age / time.Second)
	}
	if v.Head.Issued != 0 {
		at := v.HeadAt.Round(time.Second)
		s.Feed.HeadAt = &at
	}
	if v.State != nil {
		s.Feed.Epoch, s.Feed.Seq, s.Feed.Refused = v.State.Epoch, v.State.Seq, a.refused(v.State)
		for _, d := range v.State.Days {
			s.Feed.Days = append(s.Feed.Days, d.Day.String())
		}
	}
	for d := range v.Gate {
		s.Feed.GateKeys = append(s.Feed.GateKeys, d.String())
	}
	slices.Sort(s.Feed.GateKeys)
	return s
}

// refused counts the refused passes of a state, once for each state: lists of
// full days are hundreds of kilobytes.
func (a *agent) refused(s *link.State) uint32 {
	a.countMu.Lock()
	defer a.countMu.Unlock()
	if a.counted != s {
		a.counted, a.refusals = s, s.Refused()
	}
	return a.refusals
}
