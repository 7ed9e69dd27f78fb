package status

import (
	"context"
	"errors"
	"fmt"

	"turnstile/central/database"
	"turnstile/central/link"
)

// renewEpoch begins a new epoch if the database asks for one, because it was
// restored from a copy: lanes may know events that it does not, and would take
// the next ones for a fork. They take a higher epoch with its snapshots as the
// truth, because the status role signed it. All keys that were withdrawn stay
// withdrawn, and what the restored passes say stands; the rules get a version above
// any that lanes may have.
func (f *Feed) renewEpoch(ctx context.Context) error {
	least, restored, err := f.config.DB.LeastEpoch(ctx)
	if err != nil || f.state.Epoch >= least {
		return err
	}
	now := f.config.Now()
	if again := uint64(now.Unix()); f.rules.Version < again {
		f.rules.Version = again
	}
	why := database.Deed{By: "restore", Action: "rules", Subject: fmt.Sprintf("version %d", f.rules.Version+1)}
	if err := f.keepRules(ctx, f.rules, why); err != nil {
		return fmt.Errorf("keep rules: %w", err)
	}
	next := link.NewState(max(least, uint32(now.Unix())))
	w := &work{feed: f, now: now.UnixMilli(), today: f.Today(), known: next, before: next, after: next}
	err = f.config.DB.Feed(ctx, func(tx *database.FeedTx) error {
		w.events = nil
		if err := w.beginEpoch(tx, f.state); err != nil {
			return err
		}
		return tx.Audit(w.now, "restore", "begin_epoch", fmt.Sprint(next.Epoch), fmt.Sprintf("behind event %d of epoch %d", restored.Seq, restored.Epoch))
	})
	if errors.Is(err, errEpoch) { // another central has begun it
		return f.load(ctx)
	}
	if err != nil {
		return fmt.Errorf("begin epoch %d: %w", next.Epoch, err)
	}
	f.state, f.snaps = w.after, snapshots{}
	f.config.Log.Warn("the feed begins a new epoch, from a restored database: what was revoked after the copy was made has to be revoked again",
		"epoch", next.Epoch, "before", restored.Epoch, "event", restored.Seq)
	return nil
}

// beginEpoch tells again what still matters of the epoch before, and opens the days.
func (w *work) beginEpoch(tx *database.FeedTx, before *link.State) error {
	if epoch, err := tx.Epoch(); err != nil || epoch != before.Epoch {
		return errors.Join(err, errEpoch)
	}
	if err := tx.ForgetBases(); err != nil {
		return err
	}
	for _, id := range before.Withdrawn {
		w.add(link.Event{Type: link.WithdrawKey, Value: uint32(id)})
	}
	for day := w.today - 1; day <= w.today+1; day++ {
		if err := w.open(tx, day); err != nil {
			return err
		}
	}
	return w.append(tx)
}
