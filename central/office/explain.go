package office

import (
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Explanation is a row of the ledger with all that bears on it: what the lane knew
// when it wrote it, beside what central knows now.
type Explanation struct {
	Passage

	Grant  *Passage  // of a result or a conflict: the grant that it belongs to
	Result *Passage  // of a grant: what came of it, nil until it is reported
	Others []Passage // grants of the same pass at other lanes about the same time, for a conflict
	Scans  []Passage // of the same pass, the latest first, at most MaxScans

	Knew Knew

	Pass    *Pass        // as central has it now; nil: none of this number, or the entry is about none
	History []PassChange // what the office told lanes of the pass, the first first

	Supervisor *SupervisorCode // of a supervisor code
	Command    *Command        // of a command; nil: central never sent it, or it was erased
}

// MaxScans bounds Explanation.Scans.
const MaxScans = 200

// Knew is what a lane decided by.
type Knew struct {
	Floor      bool   // the fields to Delegation are known, from the lane's own record before the entry
	Epoch      uint32 // of the feed
	Keyset     uint64
	Rules      uint64
	Delegation uint16

	FeedSeq uint64
	Behind  uint64    // how many events of the feed central had beyond FeedSeq at that time
	Heard   time.Time // when the lane last heard central, zero: never, or not known
	// RulesKnown tells that the fields below are from those very rules. If it is
	// false central does not have that version any more.
	RulesKnown bool
	Zone       *link.Zone // nil: the rules have no such zone
	Open       bool       // by the zone's hours
	Mode       link.Mode  // standing mode of the zone, or of the lane if ByHand
	ByHand     *Passage   // the entry that changed the lane's mode with a supervisor code
	Policy     link.KindPolicy
	Band       int // which of Policy.Ages applied
}

// Action is the row of the policy that applied to the pass.
func (k *Knew) Action() link.Action { return k.Policy.Ages[k.Band] }

// PassChange is one thing that the office told lanes about a pass.
type PassChange struct {
	At     time.Time
	Status link.Status
	Seq    uint64    // the feed's event
	Known  bool      // to the lane when it wrote the entry, by the entry's feed number
	Heard  time.Time // when the lane told central that it has it; zero: not yet, or not kept
}

// Told returns what the lane had been told of the pass when it wrote the entry: by
// the feed's log, or by the entry itself, which knows better.
func (e *Explanation) Told() link.Status {
	if e.Entry.Type == link.EntryDenied {
		switch e.Entry.Reason {
		case pass.Revoked:
			return link.Revoked
		case pass.Held:
			return link.Held
		}
	}
	status := link.Good
	for _, c := range e.History {
		if c.Known {
			status = c.Status
		}
	}
	return status
}

// Late returns the first change that the lane had not heard of although the office
// had made it before the entry; nil if there is none.
func (e *Explanation) Late() *PassChange {
	for i, c := range e.History {
		if !c.Known && c.At.Before(e.At()) {
			return &e.History[i]
		}
	}
	return nil
}

// ageBands are the bounds of a policy's rows, in words.
var ageBands = [...]Text{
	{"feed younger than 2 minutes", "中央訊息不足 2 分鐘"},
	{"feed younger than 30 minutes", "中央訊息不足 30 分鐘"},
	{"feed younger than a day", "中央訊息不足一日"},
	{"feed older than a day, or no list of that day", "中央訊息超過一日，或沒有當日名單"},
}

// BandText names a row of the policy by the age of the feed.
func BandText(band int) Text {
	if band < 0 || band >= len(ageBands) {
		return Text{}
	}
	return ageBands[band]
}

// ActionText says what a lane does by a row of the policy.
func ActionText(a link.Action) Text {
	switch a {
	case link.ByRules:
		return Text{"decide by the rules", "按規則決定"}
	case link.Stamped:
		return Text{"decide by the rules, and mark the entry", "按規則決定，並標記紀錄"}
	case link.LiveOnly:
		return Text{"let in live codes only, and mark the entry", "只接受動態碼，並標記紀錄"}
	case link.LiveOrSingle:
		return Text{"let in live codes and passes with one entry, and mark the entry", "只接受動態碼及單次通行證，並標記紀錄"}
	case link.Alarmed:
		return Text{"decide by the rules, mark the entry and raise an alarm", "按規則決定，標記紀錄並發出警報"}
	}
	return Text{"refuse", "拒絕"}
}

// ModeText names a mode.
func ModeText(m link.Mode) Text {
	switch m {
	case link.Lockdown:
		return Text{"lockdown", "封鎖"}
	case link.FreePassage:
		return Text{"free passage", "自由通行"}
	}
	return Text{"normal", "正常"}
}

// StatusText names what a lane is told of a pass.
func StatusText(s link.Status) Text {
	switch s {
	case link.Revoked:
		return Text{"revoked", "已撤銷"}
	case link.Held:
		return Text{"held", "已暫停"}
	}
	return Text{"good", "有效"}
}

// KindText names a kind of pass.
func KindText(k pass.Kind) Text {
	switch k {
	case pass.ECard:
		return Text{"eCard", "校友電子證"}
	case pass.Guest:
		return Text{"guest", "訪客"}
	case pass.Staff:
		return Text{"staff", "職員"}
	case pass.Supervisor:
		return Text{"supervisor code", "主管碼"}
	case pass.Command:
		return Text{"command of the office", "辦公室指令"}
	case pass.Test:
		return Text{"test", "測試"}
	}
	return Text{k.String(), k.String()}
}
