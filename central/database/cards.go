package database

import (
	"context"
	"database/sql"
	"errors"

	"turnstile/central/pass"
)

// CardPass returns the pass that is a holder's code of a day, or ErrNotFound if none
// was issued.
func (d *DB) CardPass(ctx context.Context, holder string, day pass.Day) (Pass, error) {
	return cardPass(ctx, d.sql, holder, day)
}

func cardPass(ctx context.Context, q querier, holder string, day pass.Day) (Pass, error) {
	id := pass.ID{Day: day}
	if err := q.QueryRowContext(ctx, `SELECT idx FROM card_passes WHERE holder = $1 AND day = $2`, holder, day).Scan(&id.Index); err != nil {
		return Pass{}, named(err)
	}
	return findPass(ctx, q, id)
}

// IssueCardPass returns the pass that is a holder's code of a day, and issues it if
// there is none: once, however many ask at the same time. ErrNotFound: the holder
// has no active eCard; ErrDayFull.
func (d *DB) IssueCardPass(ctx context.Context, holder string, draft Draft, capacity uint32) (p Pass, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		if p, err = cardPass(ctx, tx, holder, draft.Day); !errors.Is(err, ErrNotFound) {
			return err
		}
		if err := activeECard(ctx, tx, holder); err != nil {
			return err
		}
		if p, err = issueDraft(ctx, tx, draft, capacity); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO card_passes (holder, day, idx) VALUES ($1, $2, $3)`, holder, p.Day, p.Index)
		return err
	})
	return p, err
}

// activeECard is ErrNotFound unless a holder has an eCard that is not withdrawn.
func activeECard(ctx context.Context, tx *sql.Tx, holder string) error {
	var active int
	if err := tx.QueryRowContext(ctx, `SELECT 1 FROM ecards WHERE holder = $1`, holder).Scan(&active); err != nil {
		return err
	}
	_, err := withdrawnECard(ctx, tx, holder)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err == nil:
		return ErrNotFound
	}
	return err
}

// LastApplication returns a holder's newest application of a kind, without its
// photo, or ErrNotFound.
func (d *DB) LastApplication(ctx context.Context, holder, kind string) (Application, error) {
	a, err := scanApplication(d.sql.QueryRowContext(ctx, `SELECT `+applicationColumns+` FROM applications WHERE holder = $1 AND kind = $2 ORDER BY number DESC LIMIT 1`, holder, kind))
	return a, named(err)
}
