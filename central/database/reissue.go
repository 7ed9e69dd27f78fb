package database

import (
	"context"
	"database/sql"
	"errors"

	"turnstile/central/pass"
)

// Reissue hands passes of a day that one key signed to mint, by index from one
// on, and stores the code of what it returns; holder, status and history stay as
// they are. All of it is one transaction, of at most limit rows looked at. It
// returns where to go on, and how many passes were changed; more is false when
// the day is done.
func (d *DB) Reissue(ctx context.Context, day pass.Day, from uint32, limit int, key uint16, mint func(Pass) (pass.Pass, []byte, error)) (next uint32, n int, more bool, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		next, n, more = from, 0, false
		rows, err := all(ctx, tx, scanPass, `SELECT `+passColumns+` FROM passes WHERE day = $1 AND idx >= $2 ORDER BY idx LIMIT $3`, day, from, limit)
		if err != nil {
			return err
		}
		for _, p := range rows {
			next = p.Index + 1
			if p.KeyID != key {
				continue
			}
			signed, signature, err := mint(p)
			if errors.Is(err, ErrKeep) {
				continue
			}
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `UPDATE passes SET code = $1 WHERE day = $2 AND idx = $3`, signed.Text(signature), p.Day, p.Index)
			if err != nil {
				return err
			}
			n++
		}
		more = len(rows) == limit
		return nil
	})
	return next, n, more, err
}

// ErrKeep is what mint returns to Reissue for a pass that stays as it is.
var ErrKeep = errors.New("the pass stays as it is")
