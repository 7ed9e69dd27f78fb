package status

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// Change is what somebody wants lanes to think of a pass.
type Change struct {
	ID     pass.ID
	Status link.Status
	// Was is what the pass has to be still; another status stays as it is. Nil: any.
	Was    *link.Status
	By     string
	Reason string
}

// change is a Change on its way through Run.
type change struct {
	Change
	pass database.Pass
	err  error
	done chan struct{}
}

// SetStatus changes a pass's status and returns its row when that is durable;
// the delta goes out right after. The status that stands already changes
// nothing. ErrClosed for a day whose list lanes no longer have,
// database.ErrNotFound for an unknown pass, database.ErrWithdrawn, with the row as it
// stands, for the release of a code of an eCard that was taken back.
func (f *Feed) SetStatus(ctx context.Context, c Change) (database.Pass, error) {
	r := &change{Change: c, done: make(chan struct{})}
	select {
	case f.changes <- r:
	case <-ctx.Done():
		return database.Pass{}, ctx.Err()
	}
	select {
	case <-r.done:
		return r.pass, r.err
	case <-ctx.Done():
		return database.Pass{}, ctx.Err() // it may still become durable
	}
}

// change takes all waiting changes into one transaction and publishes them.
func (f *Feed) change(ctx context.Context, first *change) {
	batch := []*change{first}
	for len(batch) < maxChanges && len(f.changes) > 0 {
		batch = append(batch, <-f.changes)
	}
	w, err := f.transact(ctx, func(tx *database.FeedTx, w *work) error {
		for _, c := range batch {
			if err := w.apply(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range batch {
		if err != nil {
			c.err = fmt.Errorf("change status: %w", err)
		}
	}
	if err == nil {
		f.took(w) // before the answers: who asks next sees the new state
	}
	for _, c := range batch {
		close(c.done)
	}
	if err == nil && w.grew() {
		f.publishChange(ctx, w)
	}
}

// Together does a deed and changes the passes that it names, all in one transaction:
// lanes are told if all of it is durable, and else nothing is. deed is given the time
// (Unix ms) that the changes get; it may run twice, and takes its effect through tx
// alone. A pass that cannot be changed, as by SetStatus, undoes the deed.
func (f *Feed) Together(ctx context.Context, deed func(tx *database.FeedTx, now int64) ([]Change, error)) (done []database.Pass, err error) {
	called := f.call(ctx, func(ctx context.Context) { done, err = f.together(ctx, deed) })
	return done, errors.Join(called, err)
}

func (f *Feed) together(ctx context.Context, deed func(tx *database.FeedTx, now int64) ([]Change, error)) (done []database.Pass, err error) {
	w, err := f.transact(ctx, func(tx *database.FeedTx, w *work) error {
		done = nil
		list, err := deed(tx, w.now)
		if err != nil {
			return err
		}
		for _, x := range list {
			c := &change{Change: x}
			if err := w.apply(tx, c); err != nil || c.err != nil {
				return errors.Join(err, c.err)
			}
			done = append(done, c.pass)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("change status with a deed: %w", err)
	}
	f.took(w)
	if w.grew() {
		f.publishChange(ctx, w)
	}
	return done, nil
}

// work collects the events of one transaction.
type work struct {
	feed   *Feed
	now    int64
	today  pass.Day
	known  *link.State  // when the transaction began
	others []link.Event // that other centrals appended behind it
	before *link.State  // with these
	after  *link.State
	events []link.Event
	urgent bool
}

func (w *work) add(e link.Event) (seq uint64) {
	w.events = append(w.events, e)
	w.urgent = w.urgent || isUrgent(e)
	return w.before.Seq + uint64(len(w.events))
}

// grew reports whether there is something to publish.
func (w *work) grew() bool { return len(w.others)+len(w.events) > 0 }

// isUrgent reports whether lanes that refuse somebody from this event on are to
// say so at once.
func isUrgent(e link.Event) bool { return e.Type == link.Revoke || e.Type == link.Hold }

// errEpoch tells that the log has begun anew.
var errEpoch = errors.New("the feed's log is of another epoch")

// transact runs do in one transaction, and appends what it collects behind all
// that stands in the log. Another central may have begun the log anew: then the
// feed is loaded, and do runs once more.
func (f *Feed) transact(ctx context.Context, do func(*database.FeedTx, *work) error) (*work, error) {
	w, err := f.attempt(ctx, do)
	if !errors.Is(err, errEpoch) {
		return w, err
	}
	if err := f.load(ctx); err != nil {
		return nil, err
	}
	return f.attempt(ctx, do)
}

func (f *Feed) attempt(ctx context.Context, do func(*database.FeedTx, *work) error) (w *work, err error) {
	err = f.config.DB.Feed(ctx, func(tx *database.FeedTx) error {
		w = &work{feed: f, now: f.config.Now().UnixMilli(), today: f.Today(), known: f.state}
		if err := w.catchUp(tx); err != nil {
			return err
		}
		if err := do(tx, w); err != nil {
			return err
		}
		return w.append(tx)
	})
	return w, err
}

// catchUp takes in what other centrals appended.
func (w *work) catchUp(tx *database.FeedTx) error {
	epoch, err := tx.Epoch()
	if err != nil {
		return err
	}
	if epoch != 0 && epoch != w.known.Epoch {
		return fmt.Errorf("%w: %d, not %d", errEpoch, epoch, w.known.Epoch)
	}
	if w.others, err = tx.After(w.known.Epoch, w.known.Seq); err != nil {
		return err
	}
	if w.before, err = w.known.Apply(w.others); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	w.after = w.before
	w.urgent = slices.ContainsFunc(w.others, isUrgent)
	return nil
}

var eventOf = map[link.Status]link.EventType{link.Good: link.Release, link.Revoked: link.Revoke, link.Held: link.Hold}

// actions name the changes in the audit.
var actions = map[link.Status]string{link.Good: "release", link.Revoked: "revoke", link.Held: "hold"}

// apply makes one change. What is wrong with the change itself goes to its
// caller; an error returned here undoes the whole transaction.
func (w *work) apply(tx *database.FeedTx, c *change) error {
	event, known := eventOf[c.Status]
	p, err := tx.Pass(c.ID)
	switch {
	case errors.Is(err, database.ErrNotFound):
		c.err = err
		return nil
	case err != nil:
		return err
	case !known:
		c.err = fmt.Errorf("%w: status %d", link.ErrMalformed, c.Status)
		return nil
	case c.ID.Day+1 < w.today:
		c.err = fmt.Errorf("%w: %s", ErrClosed, c.ID.Day)
		return nil
	}
	if p.Status != c.Status && (c.Was == nil || *c.Was == p.Status) {
		err = w.set(tx, c, &p, event)
	}
	if errors.Is(err, database.ErrWithdrawn) {
		c.err, err = err, nil
	}
	c.pass = p
	return err
}

// set gives a pass another status.
func (w *work) set(tx *database.FeedTx, c *change, p *database.Pass, event link.EventType) error {
	if c.Status == link.Good && p.Kind == pass.ECard {
		if err := tx.NotWithdrawn(p.Holder); err != nil {
			return err
		}
	}
	p.Status, p.StatusSeq = c.Status, 0
	p.Changed, p.ChangedBy, p.Reason = w.now, c.By, c.Reason
	if w.before.Day(c.ID.Day) != nil {
		p.StatusSeq = w.add(link.Event{Type: event, Day: c.ID.Day, Value: c.ID.Index})
	}
	if err := tx.SetStatus(p); err != nil {
		return err
	}
	return tx.Audit(w.now, c.By, actions[c.Status], c.ID.String(), c.Reason)
}

// append applies the collected events to the state and writes them to the log.
func (w *work) append(tx *database.FeedTx) (err error) {
	if len(w.events) == 0 {
		return nil
	}
	if w.after, err = w.before.Apply(w.events); err != nil {
		return err
	}
	return tx.Append(w.before.Epoch, w.before.Seq+1, w.before.Chain, w.now, w.events)
}

// took makes the committed state the feed's.
func (f *Feed) took(w *work) {
	f.state = w.after
	f.show(f.head())
}

// renewal tells what of the feed's documents is new.
type renewal struct{ keys, days, snapshots, roles bool }

// roll closes and opens lists so that yesterday's, today's and tomorrow's are
// open, renews the keys, and takes new snapshots if the days changed or the old
// ones are out of date.
func (f *Feed) roll(ctx context.Context) (n renewal, err error) {
	now := f.config.Now()
	today := f.Today()
	if err := f.config.Issuer.Renew(today-1, today+MaxAhead+keysAhead, f.rules.TestPass, now); err != nil {
		return n, err
	}
	keyset, message, err := f.config.Issuer.Keys()
	if err != nil {
		return n, err
	}
	n.keys = !bytes.Equal(message, f.keys) // another keyset, or another delegation
	f.keyset, f.keys = keyset, message
	signer := f.config.Issuer.Status().KeyID()
	n.roles, f.signer = signer != f.signer, signer // lanes refuse what the key before signed
	if !f.leading {
		return n, nil // the signer does the rest for all
	}
	if n.days, err = f.rollDays(ctx, today); err != nil {
		return n, err
	}
	stale := f.snaps.seq != f.state.Seq && now.Sub(f.snaps.taken) >= snapshotEvery
	n.snapshots = n.days || n.roles || stale || len(f.snaps.sealed) == 0
	if n.snapshots {
		err = f.takeSnapshots(ctx)
	}
	return n, err
}

func (f *Feed) rollDays(ctx context.Context, today pass.Day) (bool, error) {
	wanted := []pass.Day{today - 1, today, today + 1}
	if slices.EqualFunc(f.state.Days, wanted, func(l *link.List, d pass.Day) bool { return l.Day == d }) {
		return false, nil
	}
	w, err := f.transact(ctx, func(tx *database.FeedTx, w *work) error {
		if err := f.fence(tx); err != nil {
			return err
		}
		for _, l := range w.before.Days {
			if !slices.Contains(wanted, l.Day) {
				w.add(link.Event{Type: link.CloseDay, Day: l.Day})
				f.cleared[l.Day] = true
			}
		}
		for _, d := range wanted {
			if w.before.Day(d) != nil {
				continue
			}
			if err := w.open(tx, d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	f.took(w)
	f.publishDeltas(ctx, w)
	f.config.Log.Info("lists open", "today", today.String(), "seq", f.state.Seq)
	return true, nil
}

// open opens a day with what is refused of it already.
func (w *work) open(tx *database.FeedTx, d pass.Day) error {
	capacity, err := tx.Capacity(d, w.feed.config.Capacity)
	if err != nil {
		return err
	}
	w.add(link.Event{Type: link.OpenDay, Day: d, Value: capacity})
	refused, err := tx.Refused(d)
	if err != nil {
		return err
	}
	for i := range refused {
		p := &refused[i]
		p.StatusSeq = w.add(link.Event{Type: eventOf[p.Status], Day: d, Value: p.Index})
		if err := tx.SetStatus(p); err != nil {
			return err
		}
	}
	return w.block(tx, d)
}
