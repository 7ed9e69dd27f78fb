package status

import (
	"context"
	"errors"
	"fmt"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// ErrBlocked means that a day's list has no room for more blocked holders and
// revoked supervisor codes.
var ErrBlocked = errors.New("the day's list has no room for more revoked supervisor codes: withdraw the key that signed them")

// RevokeSupervisor revokes the codes of a sheet, or with id one code, that are not
// over, and returns them: each goes into every open day's list, and into that of
// each day that opens until its window is over. Lanes that are cut off do not hear
// of it. database.ErrNotFound for an unknown sheet or code.
func (f *Feed) RevokeSupervisor(ctx context.Context, by, sheet string, id *pass.ID, reason string) (done []database.SupervisorCode, err error) {
	called := f.call(ctx, func(ctx context.Context) { done, err = f.revokeSupervisor(ctx, by, sheet, id, reason) })
	return done, errors.Join(called, err)
}

func (f *Feed) revokeSupervisor(ctx context.Context, by, sheet string, id *pass.ID, reason string) (done []database.SupervisorCode, err error) {
	w, err := f.transact(ctx, func(tx *database.FeedTx, w *work) (err error) {
		w.urgent = true
		if done, err = tx.RevokeSupervisor(sheet, id, w.now, by, reason); err != nil {
			return err
		}
		for _, c := range done {
			for _, l := range w.before.Days {
				w.add(link.Event{Type: link.Block, Day: l.Day, Holder: c.RevokedRef()})
			}
			if err := tx.Audit(w.now, by, "revoke_supervisor_code", c.ID.String(), reason); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, link.ErrMalformed) {
		err = fmt.Errorf("%w: %w", ErrBlocked, err)
	}
	if err != nil {
		return nil, fmt.Errorf("revoke supervisor codes: %w", err)
	}
	f.took(w)
	if w.grew() {
		f.publishChange(ctx, w)
	}
	return done, nil
}

// block puts the revoked supervisor codes that are not over into the list of a day
// that opens, as many as it takes.
func (w *work) block(tx *database.FeedTx, d pass.Day) error {
	revoked, err := tx.RevokedSupervisor(w.now)
	if err != nil {
		return err
	}
	for _, id := range revoked[:min(len(revoked), link.MaxBlocked)] {
		w.add(link.Event{Type: link.Block, Day: d, Holder: id.RevokedRef()})
	}
	return nil
}
