package daemon

import (
	"cmp"
	"path/filepath"
	"time"

	"turnstile/agent/enrol"
	"turnstile/agent/journal"
	"turnstile/agent/neighbours"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// Neighbours configures how this controller reaches the others of its zones
// without central.
type Neighbours struct {
	// Multicast is the group and port that the controllers of a site share on the
	// gate network, such as 239.84.83.1:7744 or [ff02::5453]:7744. Default: none;
	// then they know of each other through central's broker alone.
	Multicast string `yaml:"multicast"`
	// Interface is the network interface at the gate network, such as eth0.
	Interface string `yaml:"interface"`
}

func (n Neighbours) multicast() neighbours.Multicast {
	return neighbours.Multicast{Group: n.Multicast, Interface: n.Interface}
}

// neighboursFolder holds what is known of the other controllers; it may be lost.
const neighboursFolder = "neighbours"

// openNeighbours makes the exchange with the other controllers. restored tells
// that the presence of before is known.
func (a *agent) openNeighbours(id enrol.Identity, restored bool) (err error) {
	var zones []uint8
	for _, l := range a.config.Lanes {
		zones = append(zones, uint8(l.Zone))
	}
	a.neighbours, err = neighbours.New(neighbours.Config{
		Lane: id.Lane, Site: id.Site, Signer: id.Journal, Journal: a.journal.ID(), Boot: a.journal.Boot(), Zones: zones,
		Dir: filepath.Join(a.config.Data, neighboursFolder), Multicast: a.config.Neighbours.multicast(), Resume: restored,
		Delegation: func() *link.Delegation { return a.central.feed.Delegation() },
		Version:    func() uint64 { return a.cache.View().Head.Lanes },
		Stale:      func(now time.Time) bool { return a.central.feed.Stale(now) },
		Campus:     func(now time.Time) time.Time { return a.central.wall.Time(now) },
		Day:        a.today, Take: a.took, Now: a.o.Now, Log: a.log,
	})
	if err != nil {
		return err
	}
	from := a.journal.Last() - min(a.journal.Last(), recalled)
	err = a.journal.Replay(max(from+1, a.journal.First()), func(e link.Entry) error {
		a.neighbours.Recall(e)
		return nil
	})
	if err != nil { // hellos tell less than they could; the others hear the rest from central
		a.log.Warn("newest entries cannot be told to neighbours", "err", err)
	}
	return nil
}

// recalled is how many entries of before the start the others are told again: an
// ordinary day's of a controller, so that whoever was off has them without central.
const recalled = 4096

// today returns the campus day, if the clock tells it.
func (a *agent) today(now time.Time) (pass.Day, bool) {
	v := a.cache.View()
	r := a.central.wall.Read(now)
	if v.Rules == nil || r.State == link.ClockUntrusted {
		return 0, false
	}
	day, _ := v.Rules.Campus(r.Time.Unix())
	return day, true
}

// took takes in what a pass did at another controller, or at this one before its
// journal was lost. That both let it in though one alone could is written down.
func (a *agent) took(lane string, journal link.JournalID, e link.Entry, now time.Time) {
	own := a.presence.Remote(lane, journal, e, now)
	if own == nil {
		return
	}
	a.log.Warn("two lanes admitted one pass, neither knowing of the other", "pass", e.Pass.String(), "lane", own.Lane, "grant", own.Seq, "other", cmp.Or(lane, "this one, before its journal was lost"))
	conflict := *own
	conflict.Type, conflict.Grant, conflict.Seq, conflict.Flags = link.EntryConflict, own.Seq, 0, own.Flags|link.FlagAlarm
	if _, err := a.record.Record(conflict); err != nil {
		a.log.Error("conflict was not written", "pass", e.Pass.String(), "err", err)
	}
}

// sending is the journal as the session sends it: the neighbours hear how far central
// has it.
type sending struct {
	*journal.Journal
	acked func(seq uint64)
}

// Ack takes central's word.
func (s sending) Ack(seq uint64, chain link.Hash, issued int64) error {
	err := s.Journal.Ack(seq, chain, issued)
	if err == nil {
		s.acked(s.Acked())
	}
	return err
}
