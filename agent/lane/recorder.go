package lane

import (
	"fmt"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/presence"
	"turnstile/central/link"
)

// Journal is where entries become durable; agent/journal implements it.
type Journal interface {
	// Append sets the entry's Seq and Boot and returns the Seq. The entry is
	// durable when it returns; after an error it counts as not written.
	Append(e link.Entry) (seq uint64, err error)
}

// Recorder writes entries of all lanes of an agent: stamped with time, clock
// and feed, durable, and taken in by the presence. Safe for concurrent use.
type Recorder struct {
	Journal  Journal
	Presence *presence.Presence
	Facts    func() access.Facts // of this moment, without lane and pass
	Now      func() time.Time    // the lane's clock, which may lie
	Start    time.Time           // of the agent, with a monotonic reading
	// Took is told of each entry when it is durable; nil if nobody is to be. It
	// must not block and must not write entries.
	Took func(e link.Entry)
}

// noAge is the feed age of a lane that never had a feed or does not know.
const noAge = 0xffffffff

// stamp fills in what all entries have.
func (r *Recorder) stamp(e *link.Entry, f *access.Facts, now time.Time) {
	e.Wall, e.Mono = now.Add(f.Offset).UnixMilli(), uint64(time.Since(r.Start).Milliseconds())
	e.Clock, e.Bound = f.Clock, uint16(min(f.Bound/time.Second, 65535))
	if f.Clock == link.ClockUntrusted {
		e.Bound = 65535
	}
	e.FeedAge = noAge
	if f.Head != 0 && f.Age >= 0 {
		e.FeedAge = uint32(min(int64(f.Age/time.Second), noAge-1))
	}
	if f.State != nil {
		e.FeedSeq = f.State.Seq
	}
}

// Record stamps e, makes it durable and returns its Seq.
func (r *Recorder) Record(e link.Entry) (uint64, error) {
	f := r.Facts()
	r.stamp(&e, &f, r.Now())
	r.Presence.Lock(e.Pass)
	defer r.Presence.Unlock(e.Pass)
	return r.write(e)
}

// write makes a stamped entry durable and takes it in. The caller holds the
// presence's lock of the pass.
func (r *Recorder) write(e link.Entry) (uint64, error) {
	seq, err := r.Journal.Append(e)
	if err != nil {
		return 0, fmt.Errorf("write entry: %w", err)
	}
	e.Seq = seq
	r.Presence.Apply(e)
	if r.Took != nil {
		r.Took(e)
	}
	return seq, nil
}

// result is the entry that ends the passage of a grant.
func result(grant link.Entry, t link.EntryType) link.Entry {
	e := grant
	e.Type, e.Grant, e.Seq, e.Detail = t, grant.Seq, 0, 0
	return e
}

// Recover ends, as unknown, each grant whose result a crash cut off: what the
// presence had unresolved when the journal was replayed, before any lane ran. It
// returns those that the journal did not take, to be tried again.
func (r *Recorder) Recover(cutOff []link.Entry) (left []link.Entry, err error) {
	for i, g := range cutOff {
		if _, err := r.Record(result(g, link.EntryUnknown)); err != nil {
			return cutOff[i:], fmt.Errorf("end grant %d: %w", g.Seq, err)
		}
	}
	return nil, nil
}
