package daemon

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"turnstile/agent/health"
	"turnstile/agent/lane"
	"turnstile/agent/neighbours"
	"turnstile/agent/presence"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// StatusFile is the name of the status file in the data folder.
const StatusFile = "status.json"

// Status is the agent as of now: the answer of /status and the content of the
// status file.
type Status struct {
	Version    string            `json:"version"`
	Agent      string            `json:"agent"` // the lane controller's id
	Site       string            `json:"site"`
	HTTP       string            `json:"http"` // http://127.0.0.1:8090
	PID        int               `json:"pid"`
	Started    time.Time         `json:"started"`
	At         time.Time         `json:"at"`
	Boot       uint32            `json:"boot"`
	Lanes      []LaneStatus      `json:"lanes"`
	Feed       FeedStatus        `json:"feed"`
	Clock      ClockStatus       `json:"clock"`
	Journal    JournalStatus     `json:"journal"`
	Presence   presence.Stats    `json:"presence"`
	Neighbours neighbours.Status `json:"neighbours"`
	Warnings   []health.Entry    `json:"warnings"`
}

// LaneStatus is one lane.
type LaneStatus struct {
	Number     uint8             `json:"number"`
	Name       string            `json:"name"`
	Zone       uint8             `json:"zone"`
	State      string            `json:"state"`
	Shows      string            `json:"shows"`  // the reason on the display
	Signal     string            `json:"signal"` // of LED and buzzer
	Waiting    bool              `json:"waiting,omitempty"`
	Last       *LastStatus       `json:"last,omitempty"`
	Earlier    []*LastStatus     `json:"earlier,omitempty"` // decisions before the last, the newest first
	Scans      uint64            `json:"scans"`
	Repeats    uint64            `json:"repeats"`
	Stale      uint64            `json:"stale"`
	Garbled    uint64            `json:"garbled"`
	Granted    uint64            `json:"granted"`
	Denied     map[string]uint64 `json:"denied"`
	Passed     uint64            `json:"passed"`
	NotPassed  uint64            `json:"not_passed"`
	Unknown    uint64            `json:"unknown"`
	GateFaults uint64            `json:"gate_faults"`
	Alarms     uint64            `json:"alarms"`
	Unwritten  uint64            `json:"unwritten"`
	Modes      uint64            `json:"modes"`             // set by hand
	GivenUp    uint64            `json:"given_up"`          // entries that the journal never took
	ByHand     *ByHandStatus     `json:"by_hand,omitempty"` // the mode that a supervisor code set
	Gate       DeviceStatus      `json:"gate"`
	Scanners   []DeviceStatus    `json:"scanners"`
}

// ByHandStatus is a mode that a supervisor code set.
type ByHandStatus struct {
	Mode  string    `json:"mode"` // lockdown, free passage
	Since time.Time `json:"since"`
	Code  string    `json:"code"`
}

// byHand is nil if the lane's mode is central's.
func byHand(h lane.ByHand) *ByHandStatus {
	name := map[link.Mode]string{link.Lockdown: "lockdown", link.FreePassage: "free passage"}[h.Mode]
	if name == "" {
		return nil
	}
	return &ByHandStatus{name, h.Since, h.Code.String()}
}

// LastStatus is a lane's newest decision.
type LastStatus struct {
	At     time.Time `json:"at"`
	Pass   string    `json:"pass,omitempty"` // only behind a good signature
	Kind   string    `json:"kind,omitempty"`
	Reason string    `json:"reason"`
	Result string    `json:"result,omitempty"` // passed, not passed, unknown
}

// DeviceStatus is one device of a lane.
type DeviceStatus struct {
	Name      string `json:"name"`
	Direction string `json:"direction,omitempty"`
	Connected bool   `json:"connected"`
	Err       string `json:"error,omitempty"`
	Reopened  uint64 `json:"reopened,omitempty"`
	About     string `json:"about,omitempty"` // what it is, and what it could not be told
	Fire      bool   `json:"fire,omitempty"`
	Tamper    bool   `json:"tamper,omitempty"`
	Held      bool   `json:"held,omitempty"`    // the door or barrier stands open
	Unready   bool   `json:"unready,omitempty"` // the gate takes no grant now
}

// FeedStatus is what the lane has of central.
type FeedStatus struct {
	Connected bool       `json:"connected"` // the session with the broker is up
	Has       bool       `json:"has"`       // it can decide
	Epoch     uint32     `json:"epoch"`
	Seq       uint64     `json:"seq"`
	AgeSec    int64      `json:"age_seconds"` // of the newest head; -1: unknown or never
	HeadAt    *time.Time `json:"head_at,omitempty"`
	Keyset    uint64     `json:"keyset"`
	Rules     uint64     `json:"rules"`
	GateKeys  []string   `json:"gate_keys"` // the days
	Days      []string   `json:"days"`      // with a status list
	Refused   uint32     `json:"refused"`   // passes that the lists refuse
}

// ClockStatus is how far the clock can be trusted.
type ClockStatus struct {
	State     string  `json:"state"`
	BoundSec  int64   `json:"bound_seconds"`
	OffsetSec float64 `json:"offset_seconds,omitempty"` // the campus's time less this machine's
	By        string  `json:"by"`                       // what it rests on
	Disputed  bool    `json:"disputed,omitempty"`       // this machine's time server says otherwise
}

func clockStatus(r wallclock.Reading) ClockStatus {
	return ClockStatus{r.State.String(), int64(r.Seconds()), r.Offset.Seconds(), r.By.String(), r.Disputed}
}

// JournalStatus is how much waits for central.
type JournalStatus struct {
	ID      string `json:"id"`
	First   uint64 `json:"first"`
	Last    uint64 `json:"last"`
	Acked   uint64 `json:"acked"`
	Waiting uint64 `json:"waiting"`       // entries that central does not have yet
	Level   int    `json:"level_percent"` // watermark that they have passed: 0, 50, 80, 95, 100
}

func laneStatus(s lane.Status) LaneStatus {
	c := s.Counts
	out := LaneStatus{
		Number: s.Number, Name: s.Name, Zone: s.Zone, State: s.State.String(),
		Shows: s.Answer.Reason.String(), Signal: s.Answer.Signal.String(), Waiting: s.Waiting,
		Scans: c.Scans, Repeats: c.Repeats, Stale: c.Stale, Garbled: c.Garbled, Granted: c.Granted,
		Denied: map[string]uint64{}, Passed: c.Passed, NotPassed: c.NotPassed, Unknown: c.Unknown,
		GateFaults: c.GateFaults, Alarms: c.Alarms, Unwritten: c.Unwritten, Modes: c.Modes, GivenUp: c.GivenUp, ByHand: byHand(s.ByHand),
		Gate: DeviceStatus{Name: s.Gate.Device, Connected: s.Gate.Connected, Err: text(s.Gate.Err),
			Reopened: s.Gate.Reopened, Fire: s.Gate.Fire, Tamper: s.Gate.Tamper, Held: s.Gate.Held, Unready: s.Gate.Unready},
	}
	for r, n := range c.Denied {
		out.Denied[r.String()] = n
	}
	for _, r := range s.Readers {
		out.Scanners = append(out.Scanners, DeviceStatus{Name: r.Name, Direction: r.Direction.String(),
			Connected: r.Stats.Connected, Err: text(r.Stats.Err), Reopened: r.Stats.Reopened, About: r.About})
	}
	if !s.Last.At.IsZero() {
		out.Last = lastStatus(s.Last)
	}
	for _, l := range s.Earlier {
		if !l.At.IsZero() {
			out.Earlier = append(out.Earlier, lastStatus(l))
		}
	}
	if s.Device != nil {
		out.Gate.Err = text(s.Device)
	}
	return out
}

func lastStatus(l lane.Last) *LastStatus {
	s := &LastStatus{At: l.At, Reason: l.Reason.String()}
	if l.Known {
		s.Kind = l.Kind.String()
	}
	if l.Known && l.Kind != pass.Command {
		s.Pass = l.Pass.String()
	}
	switch l.Result {
	case link.EntryPassed:
		s.Result = "passed"
	case link.EntryNotPassed:
		s.Result = "not passed"
	case link.EntryUnknown:
		s.Result = "unknown"
	}
	return s
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// CheckResult is the answer of /check and of `agent check`.
type CheckResult struct {
	Lane    uint8     `json:"lane"`
	Zone    uint8     `json:"zone"`
	At      time.Time `json:"at"` // by the lane's clock
	Reason  string    `json:"reason"`
	Granted bool      `json:"granted"`
	Flags   []string  `json:"flags,omitempty"`
	What    string    `json:"what"` // as the person at the lane reads it
	Next    string    `json:"next"`
	Code    *CodeInfo `json:"code,omitempty"` // what the code says; nothing of it is proved unless Signed
}

// CodeInfo is what a code says.
type CodeInfo struct {
	Pass       string    `json:"pass"`
	Kind       string    `json:"kind"`
	Signed     bool      `json:"signed"` // by a key that this lane knows
	KeyID      uint16    `json:"key_id"`
	From       time.Time `json:"from"`
	Until      time.Time `json:"until"`
	Zones      []int     `json:"zones"`
	Generation uint8     `json:"generation"`
	Entries    uint8     `json:"entries"` // 0: unlimited
	Live       bool      `json:"live"`
	Needs      []string  `json:"needs,omitempty"` // live, escort
}

// infoOf explains a code. signed is whether a known key signed it.
func infoOf(c *pass.Code, signed bool) *CodeInfo {
	from, until := c.Window()
	i := &CodeInfo{Pass: c.ID().String(), Kind: c.Kind.String(), Signed: signed, KeyID: c.KeyID,
		From: time.Unix(from, 0), Until: time.Unix(until, 0), Zones: []int{}, Generation: c.Generation, Entries: c.Entries, Live: c.Live}
	for z := range uint8(16) {
		if c.Permits(z) {
			i.Zones = append(i.Zones, int(z))
		}
	}
	if c.Flags&pass.LiveRequired != 0 {
		i.Needs = append(i.Needs, "live")
	}
	if c.Flags&pass.Escort != 0 {
		i.Needs = append(i.Needs, "escort")
	}
	return i
}

var flagNames = []string{"stamped", "alarm", "passback", "live", "free passage"}

func namesOf(f link.EntryFlags) (names []string) {
	for i, n := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// writeStatus replaces the status file. It is for people and programs of this
// moment, so it is not flushed: after a power cut it is written anew.
func writeStatus(dir string, s *Status) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	path := filepath.Join(dir, StatusFile)
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	return nil
}
