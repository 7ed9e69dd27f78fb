package status

import (
	"context"
	"errors"
	"fmt"

	"turnstile/central/database"
	"turnstile/central/link"
)

// WithdrawKey tells lanes to refuse everything that a pass key signed; the event
// is durable when it returns, and goes out with the next head right after the
// keys that stand in. A key that is withdrawn already changes nothing.
func (f *Feed) WithdrawKey(ctx context.Context, by string, id uint16, reason string) error {
	var err error
	called := f.call(ctx, func(ctx context.Context) { err = f.withdraw(ctx, by, id, reason) })
	return errors.Join(called, err)
}

func (f *Feed) withdraw(ctx context.Context, by string, id uint16, reason string) error {
	f.daily(ctx) // lanes get the new spare before they lose a key
	w, err := f.transact(ctx, func(tx *database.FeedTx, w *work) error {
		if w.before.IsWithdrawn(id) {
			return nil
		}
		w.add(link.Event{Type: link.WithdrawKey, Value: uint32(id)})
		w.urgent = true
		return tx.Audit(w.now, by, "withdraw_key", fmt.Sprint(id), reason)
	})
	if err != nil {
		return fmt.Errorf("withdraw key %d: %w", id, err)
	}
	f.took(w)
	if w.grew() {
		f.publishChange(ctx, w)
	}
	return nil
}
