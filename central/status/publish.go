package status

import (
	"context"
	"errors"
	"slices"
	"time"

	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// headLife is how long a head says anything at all.
const headLife = 24 * time.Hour

// minReconnect is the shortest window in which lanes spread a reconnect.
const minReconnect = 2000 // ms

// head returns the head of the state as it stands.
func (f *Feed) head() link.Head {
	now := f.config.Now()
	return link.Head{
		Epoch: f.state.Epoch, Seq: f.state.Seq, Chain: f.state.Chain, Root: f.rootOf(f.state), Revoked: f.state.Refused(),
		SnapSeq: f.snaps.seq, Snapshots: f.snaps.hashes, Keyset: f.keyset.Version, Rules: f.rules.Version,
		Issued: now.UnixMilli(), Next: uint32(f.config.Heads.Milliseconds()), Expires: now.Add(headLife).UnixMilli(),
		Reconnect: max(minReconnect, uint32(len(f.config.Lanes()))), // lanes / 1000 s
		Lanes:     f.config.Exchange.Version(),
	}
}

// rootOf returns the root of a state; the newest one's is computed once.
func (f *Feed) rootOf(s *link.State) link.Hash {
	if v := f.view.Load(); v != nil && v.State.Epoch == s.Epoch && v.State.Seq == s.Seq {
		return v.Head.Root
	}
	return s.Root()
}

// send publishes; being offline is no fault, for Online sends all again.
func (f *Feed) send(ctx context.Context, topic string, payload []byte, retained bool) {
	if err := f.config.Publisher.Publish(ctx, topic, payload, 0, retained); err != nil {
		f.config.Log.Debug("publish", "topic", topic, "error", err)
	}
}

// seal signs a message of the status role.
func (f *Feed) seal(t link.Type, payload any) ([]byte, error) {
	return link.Seal(f.config.Issuer.Status(), t, f.config.Site, payload)
}

// sealAndSend logs what cannot be signed: a message that cannot be encoded.
func (f *Feed) sealAndSend(ctx context.Context, t link.Type, topic string, payload any, retained bool) {
	data, err := f.seal(t, payload)
	if err != nil {
		f.config.Log.Error("sign feed message", "topic", topic, "error", err)
		return
	}
	f.send(ctx, topic, data, retained)
}

// publishHead shows a new head to readers, and to lanes if this central is the
// signer. One that was taken for dead and wakes must not sign a head of the state
// that it knew: lanes would take a newer one for a fork.
func (f *Feed) publishHead(ctx context.Context) {
	h := f.head()
	f.show(h)
	if !f.publishes() {
		return
	}
	if err := f.confirm(ctx, h.Issued); err != nil {
		f.config.Log.Warn("no head is signed", "error", err)
		return
	}
	f.sealAndSend(ctx, link.TypeHead, f.topics.Head(), h, true)
}

// publishChange sends the deltas of a transaction, then the head.
func (f *Feed) publishChange(ctx context.Context, w *work) {
	f.publishDeltas(ctx, w)
	f.publishHead(ctx)
}

// deltaEvents is how many events fit into one delta: MaxDelta less the rest of
// the message.
const deltaEvents = (link.MaxDelta - 512) / link.EventSize

// publishDeltas sends what a transaction found and what it appended.
func (f *Feed) publishDeltas(ctx context.Context, w *work) {
	if !f.publishes() {
		return
	}
	state := w.known
	for chunk := range slices.Chunk(append(slices.Clip(w.others), w.events...), deltaEvents) {
		next, err := state.Apply(chunk)
		if err != nil {
			f.config.Log.Error("apply own events", "error", err) // append applied them before the commit
			return
		}
		root := f.rootOf(next)
		f.sealAndSend(ctx, link.TypeDelta, f.topics.Delta(), link.Delta{
			Epoch: next.Epoch, From: state.Seq, To: next.Seq, Before: state.Chain, After: next.Chain,
			Root: root[:], Data: link.EncodeEvents(chunk), Urgent: w.urgent,
		}, false)
		state = next
	}
}

// takeSnapshots seals a snapshot of each open day and saves them as the base
// that the next start begins from. They are published by the caller.
func (f *Feed) takeSnapshots(ctx context.Context) error {
	s := snapshots{seq: f.state.Seq, taken: f.config.Now(), sealed: map[pass.Day][]byte{}}
	var bases []database.Base
	for _, l := range f.state.Days {
		snap := link.SnapshotOf(f.state, l)
		data, err := f.seal(link.TypeSnapshot, snap)
		if err != nil {
			return err
		}
		s.sealed[l.Day] = data
		s.hashes = append(s.hashes, link.DayHash{Day: l.Day, Hash: snap.Hash})
		bases = append(bases, database.Base{Day: l.Day, Snapshot: data})
	}
	err := f.config.DB.Feed(ctx, func(tx *database.FeedTx) error {
		if err := f.fence(tx); err != nil {
			return err
		}
		return tx.SaveBases(bases)
	})
	if err != nil {
		return err
	}
	f.snaps = s
	return nil
}

func (f *Feed) publishSnapshots(ctx context.Context) {
	for _, l := range f.state.Days {
		delete(f.cleared, l.Day)
		f.send(ctx, f.topics.Day(l.Day), f.snaps.sealed[l.Day], true)
	}
	for d := range f.cleared {
		err := f.config.Publisher.Publish(ctx, f.topics.Day(d), nil, 0, true) // an empty payload clears what is retained
		if err == nil {
			delete(f.cleared, d)
		}
	}
}

func (f *Feed) publishKeys(ctx context.Context) { f.send(ctx, f.topics.Keys(), f.keys, true) }

func (f *Feed) publishRules(ctx context.Context) {
	if !f.publishes() {
		return
	}
	f.sealAndSend(ctx, link.TypeRules, f.topics.Rules(), f.rules, true)
}

// publishDocuments sends everything retained but the head, which refers to it
// and therefore comes last.
func (f *Feed) publishDocuments(ctx context.Context) {
	f.publishKeys(ctx)
	f.publishRules(ctx)
	f.publishSnapshots(ctx)
}

// publishAllGateKeys seals the gate keys to each lane. With ten thousand lanes that
// takes seconds, for which no head may wait: they come last.
func (f *Feed) publishAllGateKeys(ctx context.Context) {
	for _, l := range f.config.Lanes() {
		f.publishGateKeys(ctx, l, f.topics.GateKeys(l.ID), true)
	}
}

// clearBack is how many days before yesterday are cleared at each connect: what
// an external broker kept while central was off.
const clearBack = 7

// Online publishes everything retained if this central is the signer; to be called
// after each connect.
func (f *Feed) Online(ctx context.Context) error {
	var err error
	called := f.call(ctx, func(ctx context.Context) { err = f.publishAll(ctx) })
	return errors.Join(called, err)
}

// publishAll publishes everything retained.
func (f *Feed) publishAll(ctx context.Context) error {
	if !f.publishes() {
		return nil
	}
	if err := f.confirm(ctx, f.config.Now().UnixMilli()); err != nil {
		return err
	}
	err := f.config.Exchange.Online(ctx)
	for d := f.Today() - 2; d > f.Today()-2-clearBack; d-- {
		f.cleared[d] = true
	}
	f.publishDocuments(ctx)
	f.publishHead(ctx)
	f.publishAllGateKeys(ctx)
	return err
}

// Enrolled sends a lane controller that has just enrolled its gate keys.
func (f *Feed) Enrolled(ctx context.Context, lane string) error {
	return f.call(ctx, func(ctx context.Context) {
		if !f.publishes() {
			return
		}
		for _, l := range f.config.Lanes() {
			if l.ID == lane {
				f.publishGateKeys(ctx, l, f.topics.GateKeys(l.ID), true)
			}
		}
	})
}

// Removed clears what the broker keeps for a lane controller.
func (f *Feed) Removed(ctx context.Context, lane string) error {
	return f.call(ctx, func(ctx context.Context) {
		if !f.publishes() {
			return
		}
		f.send(ctx, f.topics.GateKeys(lane), nil, true)
		f.send(ctx, f.topics.State(lane), nil, true)
	})
}

// publishGateKeys seals the gate keys of the open days to one lane. The version
// rises with the day and, within a day, with an enrolment, which brings a new
// sealing key: day 32 bits, Unix second of the enrolment 32 bits.
func (f *Feed) publishGateKeys(ctx context.Context, l Lane, topic string, retained bool) {
	g := issuer.GateKeys{Lane: l.ID, Version: uint64(f.Today())<<32 | uint64(uint32(l.Enrolled.Unix())), To: l.SealKey}
	for _, day := range f.state.Days {
		g.Days = append(g.Days, day.Day)
	}
	data, err := f.config.Issuer.SealGateKeys(g)
	if err != nil {
		f.config.Log.Error("seal gate keys", "lane", l.ID, "error", err)
		return
	}
	f.send(ctx, topic, data, retained)
}
