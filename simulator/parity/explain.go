package parity

import (
	"fmt"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// bands name the ages of the feed as in FORMAT.md, "Default policy".
var bands = [4]string{"< 2 min", "< 30 min", "< 24 h", "older"}

// Cell is one cell of the policy: a kind of pass, shown in one form, at one age
// of the feed.
type Cell struct {
	Kind   string `json:"kind"`
	Form   string `json:"form"` // live, single, still
	Age    string `json:"age"`
	Policy string `json:"policy"` // what FORMAT.md says of it

	Scans   int `json:"scans"`
	Equal   int `json:"equal"`
	Policed int `json:"refused_by_policy"` // admitted online, STATUS_UNKNOWN offline, as the cell says
	Change  int `json:"changed_after_cut"` // the office changed the pass after the cut
	Follows int `json:"follows"`           // from an earlier difference of the same pass, or of the staff who vouched
	Clock   int `json:"clock_in_holdover"` // live slots are taken within 60 s instead of 15
	Unknown int `json:"unexplained"`
}

// forms of a pass, as the policy tells them apart.
const (
	formStill  = "still"
	formSingle = "single entry"
	formLive   = "live"
)

var actions = map[link.Action]string{link.Refuse: "refused", link.ByRules: "by the rules", link.Stamped: "stamped",
	link.LiveOnly: "live only", link.LiveOrSingle: "live or single", link.Alarmed: "alarmed"}

// judge compares what two lanes decided on one scan, with the policy as stated.
type judge struct {
	policies []link.KindPolicy
	cut      time.Time
	apart    map[pass.ID]bool  // passes of which the two lanes remember different things
	vouched  map[int]time.Time // lanes where only one of the two let staff through, and when
	cells    map[string]*Cell
}

func newJudge(policies []link.KindPolicy, cut time.Time) *judge {
	return &judge{policies: policies, cut: cut, apart: map[pass.ID]bool{}, vouched: map[int]time.Time{}, cells: map[string]*Cell{}}
}

func (j *judge) action(k pass.Kind, band int) link.Action {
	r := link.Rules{Policies: j.policies}
	return r.Policy(k).Ages[band]
}

func formOf(v *visit) string {
	switch {
	case v.holder.live && !v.picture:
		return formLive
	case v.holder.row.Entries == 1:
		return formSingle
	}
	return formStill
}

// Refuses reports whether an action keeps a good pass out.
func Refuses(a link.Action, live, single bool) bool {
	switch a {
	case link.Refuse:
		return true
	case link.LiveOnly:
		return !live
	case link.LiveOrSingle:
		return !live && !single
	}
	return false
}

// Marks are what an action writes on the entry of an admitted pass.
func Marks(a link.Action) link.EntryFlags {
	switch a {
	case link.ByRules:
		return 0
	case link.Alarmed:
		return link.FlagStamped | link.FlagAlarm
	}
	return link.FlagStamped
}

// alone is the mark of a lane that is cut off from the zone's others, on passes of
// which these may know more: with a number of entries, or in a zone with hard
// anti-passback.
func alone(v *visit) link.EntryFlags {
	p := &v.holder.row
	hard := laneZones[v.lane] == hardZone && p.Flags&pass.PassbackExempt == 0
	if v.direction == gate.In && (p.Entries != 0 || hard) {
		return link.FlagStamped
	}
	return 0
}

// compare files one scan under its cell. It returns why the two decisions
// cannot be explained, "" if they can.
func (j *judge) compare(v *visit, online, offline verdict) string {
	form, band := formOf(v), link.AgeBand(int64(v.at.Sub(j.cut)/time.Second), true)
	action := j.action(v.holder.row.Kind, band)
	c := j.cell(v.holder.row.Kind, form, band, action)
	c.Scans++
	why := j.file(c, v, online, offline, Refuses(action, form == formLive, form == formSingle))
	if why == "" {
		why = badMarks(online, offline, Marks(action)|alone(v))
	}
	if why != "" {
		c.Unknown++
	}
	j.remember(v, online.reason, offline.reason)
	return why
}

func (j *judge) cell(k pass.Kind, form string, band int, a link.Action) *Cell {
	key := fmt.Sprintf("%d %d %s", k, band, form)
	if j.cells[key] == nil {
		j.cells[key] = &Cell{Kind: k.String(), Form: form, Age: bands[band], Policy: actions[a]}
	}
	return j.cells[key]
}

// file counts a scan as equal or as one of the stated differences.
func (j *judge) file(c *Cell, v *visit, online, offline verdict, policed bool) string {
	on, off := online.reason, offline.reason
	switch {
	case off == pass.Granted && policed:
		return fmt.Sprintf("online %s, offline %s, where the policy refuses", on, off)
	case on == off:
		c.Equal++
	case off == pass.StatusUnknown && policed:
		c.Policed++
	case j.changed(v) && (off == before(v, j.cut) || !listed(off) && (listed(on) || on == pass.Granted || later(on))):
		c.Change++
	case j.follows(v, on, off):
		c.Follows++
	case formOf(v) == formLive && on == pass.LiveStale && near(v.skew):
		c.Clock++
	default:
		return fmt.Sprintf("online %s, offline %s", on, off)
	}
	return ""
}

// changed reports whether the office changed the pass between the cut and the scan.
func (j *judge) changed(v *visit) bool {
	for _, ch := range v.holder.changes {
		if ch.at.After(j.cut) && !ch.at.After(v.at) {
			return true
		}
	}
	return false
}

// before is what the lists of the cut say of a pass.
func before(v *visit, cut time.Time) pass.Reason {
	r := pass.Granted
	for _, ch := range v.holder.changes {
		if ch.at.After(cut) {
			break
		}
		r = map[link.Status]pass.Reason{link.Revoked: pass.Revoked, link.Held: pass.Held, link.Good: pass.Granted}[ch.to]
	}
	return r
}

// listed reports whether a list refuses for r.
func listed(r pass.Reason) bool { return r == pass.Revoked || r == pass.Held }

// later reports whether r is checked after the lists.
func later(r pass.Reason) bool {
	return r > pass.StatusUnknown && r <= pass.AlreadyUsed || r == pass.NotInside
}

// follows reports whether two decisions differ because the two lanes remember
// different things, which an earlier explained difference left.
func (j *judge) follows(v *visit, on, off pass.Reason) bool {
	memory := func(r pass.Reason) bool {
		return r == pass.AlreadyInside || r == pass.AlreadyUsed || r == pass.LiveReplayed || r == pass.NotInside
	}
	if j.apart[v.holder.row.ID()] && (memory(on) || memory(off)) {
		return true
	}
	at, ok := j.vouched[v.lane]
	return ok && v.at.Sub(at) <= time.Minute && (on == pass.EscortNeeded || off == pass.EscortNeeded)
}

// near reports whether a phone's clock is so wrong that only a lane in holdover
// takes its codes: by 2 to 4 slots.
func near(skew int) bool { return skew >= 2 && skew <= 4 || skew <= -2 && skew >= -4 }

func (j *judge) remember(v *visit, on, off pass.Reason) {
	if (on == pass.Granted) == (off == pass.Granted) {
		return
	}
	j.apart[v.holder.row.ID()] = true
	if v.holder.row.Kind == pass.Staff && v.direction == gate.In {
		j.vouched[v.lane] = v.at
	}
}

// badMarks says what is wrong with the marks of two grants.
func badMarks(online, offline verdict, want link.EntryFlags) string {
	const policy = link.FlagStamped | link.FlagAlarm
	if online.reason == pass.Granted && online.flags&policy != 0 {
		return fmt.Sprintf("online marked %#x with a fresh feed", online.flags)
	}
	if offline.reason == pass.Granted && offline.flags&policy != want {
		return fmt.Sprintf("offline marked %#x, the policy says %#x", offline.flags, want)
	}
	return ""
}
