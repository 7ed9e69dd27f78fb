package status

import (
	"context"
	"fmt"
	"math"
	"slices"

	"turnstile/central/database"
)

// Wake tells that another central may have changed something, or that the lease of
// the signer has gone to somebody else. It does not wait.
func (f *Feed) Wake() {
	select {
	case f.woken <- struct{}{}:
	default:
	}
}

// held reports whether this central may publish now.
func (f *Feed) held() bool { return f.config.Signer == nil || f.config.Signer.Held() }

// publishes reports whether this central is the signer: it may publish, and knows
// what there is.
func (f *Feed) publishes() bool { return f.leading && f.held() }

// confirm asks the database whether this central is the signer still.
func (f *Feed) confirm(ctx context.Context, at int64) error {
	if f.config.Signer == nil {
		return nil
	}
	return f.config.Signer.Confirm(ctx, at)
}

// fence lets a transaction commit only while this central is the signer.
func (f *Feed) fence(tx *database.FeedTx) error {
	if f.config.Signer == nil {
		return nil
	}
	l, ok := f.config.Signer.Lease()
	if !ok {
		return database.ErrFenced
	}
	return tx.Fence(l)
}

// look follows what other centrals did, and takes over from a signer that is no more.
func (f *Feed) look(ctx context.Context) {
	if err := f.follow(ctx); err != nil {
		f.config.Log.Error("follow the feed's log", "error", err)
		return
	}
	held := f.held()
	if held == f.leading {
		return
	}
	f.leading = held
	if !held {
		f.config.Log.Info("another central signs the feed, or the database does not answer")
		return
	}
	if err := f.takeOver(ctx); err != nil {
		f.leading = false // the next look tries again
		f.config.Log.Error("take over the feed", "error", err)
	}
}

// takeOver makes this central the signer. What the one before did not come to
// publish goes out with the head, and lanes ask for what they lack.
func (f *Feed) takeOver(ctx context.Context) error {
	if err := f.load(ctx); err != nil {
		return err
	}
	if err := f.loadRules(ctx); err != nil {
		return err
	}
	if _, err := f.roll(ctx); err != nil {
		return err
	}
	f.show(f.head())
	f.config.Log.Info("this central signs the feed", "seq", f.state.Seq)
	return f.publishAll(ctx)
}

// follow takes in what other centrals wrote since, and publishes it if this one is
// the signer.
func (f *Feed) follow(ctx context.Context) error {
	epoch, err := f.config.DB.Epoch(ctx)
	if err != nil {
		return err
	}
	if epoch != 0 && epoch != f.state.Epoch { // another central was the first to write
		if err := f.load(ctx); err != nil {
			return err
		}
		f.show(f.head())
	}
	w, err := f.find(ctx)
	if err != nil {
		return err
	}
	rules, err := f.followRules(ctx)
	if err != nil {
		return err
	}
	if !w.grew() && !rules {
		return nil
	}
	f.took(w)
	if rules {
		f.publishRules(ctx)
	}
	f.publishChange(ctx, w)
	return nil
}

// find reads what is new in the log, outside of any transaction.
func (f *Feed) find(ctx context.Context) (*work, error) {
	w := &work{feed: f, known: f.state, after: f.state}
	var err error
	if w.others, err = f.config.DB.Events(ctx, f.state.Epoch, f.state.Seq, math.MaxInt64); err != nil || len(w.others) == 0 {
		return w, err
	}
	if w.after, err = f.state.Apply(w.others); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	chain, err := f.config.DB.Chain(ctx, f.state.Epoch, w.after.Seq)
	if err == nil && chain != w.after.Chain {
		err = fmt.Errorf("%w: event %d", ErrDamaged, w.after.Seq)
	}
	w.urgent = slices.ContainsFunc(w.others, isUrgent)
	return w, err
}
