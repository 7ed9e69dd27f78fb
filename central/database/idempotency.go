package database

import (
	"context"
	"database/sql"
	"errors"

	"turnstile/central/link"
)

// RequestState is how far a request with an Idempotency-Key has come.
type RequestState int64

// The states. Append only.
const (
	RequestRunning  RequestState = 0 // nobody has written down that anything was done
	RequestMade     RequestState = 1 // done, in the transaction that made Made
	RequestAnswered RequestState = 2 // done, and answered with Answer
	RequestUnknown  RequestState = 3 // it failed in the middle
)

// RequestKey is the Idempotency-Key of a request.
type RequestKey struct {
	Token   string    // id of the API token
	Key     link.Hash // of the key's text
	Request link.Hash // of what was asked
	Claim   string    // of this attempt; another attempt has another one
}

// RequestRow is what is kept of a request with an Idempotency-Key.
type RequestRow struct {
	RequestKey
	State  RequestState
	Begun  int64  // Unix ms
	Made   string // id of what it made
	Answer []byte // sealed by the API; empty if it is not kept
}

// ErrKeysFull is what BeginRequest refuses: the token has too many keys.
var ErrKeysFull = errors.New("too many idempotency keys")

// ErrClaimLost is for a request that another attempt has taken the place of;
// nothing of it is done.
var ErrClaimLost = errors.New("another attempt has taken over this request")

// RequestTerms say how keys are taken; times are Unix ms.
type RequestTerms struct {
	At     int64
	Forget int64 // keys begun before are gone
	Stale  int64 // a key that is running since before is taken over by the same request
	Limit  int   // keys that a token can have at a time
}

// forgetAtOnce is how many outdated keys are deleted when one is added: keys go
// faster than they come.
const forgetAtOnce = 10

const requestColumns = `token, key, request, claim, state, begun, made, answer`

func scanRequest(r rowScanner) (q RequestRow, err error) {
	var key, request []byte
	err = r.Scan(&q.Token, &key, &request, &q.Claim, &q.State, &q.Begun, &q.Made, &q.Answer)
	copy(q.Key[:], key)
	copy(q.Request[:], request)
	return q, err
}

// BeginRequest takes a key and returns its row; with k.Claim the key is this
// attempt's, else it stands from before. ErrKeysFull beyond the limit.
func (d *DB) BeginRequest(ctx context.Context, k RequestKey, terms RequestTerms) (row RequestRow, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		if err := forgetRequests(ctx, tx, k, terms.Forget); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE request_keys SET claim = $1, begun = $2 WHERE token = $3 AND key = $4 AND request = $5 AND state = $6 AND begun < $7`,
			k.Claim, terms.At, k.Token, k.Key[:], k.Request[:], RequestRunning, terms.Stale)
		if err != nil {
			return err
		}
		row, err = scanRequest(tx.QueryRowContext(ctx, `SELECT `+requestColumns+` FROM request_keys WHERE token = $1 AND key = $2`, k.Token, k.Key[:]))
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		row = RequestRow{RequestKey: k, State: RequestRunning, Begun: terms.At}
		return addRequest(ctx, tx, row, terms.Limit)
	})
	return row, err
}

func forgetRequests(ctx context.Context, tx *sql.Tx, k RequestKey, before int64) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM request_keys WHERE token = $1 AND key = $2 AND begun < $3`, k.Token, k.Key[:], before)
	if err != nil {
		return err
	}
	old, err := all(ctx, tx, func(r rowScanner) (q RequestKey, err error) {
		var key []byte
		err = r.Scan(&q.Token, &key)
		copy(q.Key[:], key)
		return q, err
	}, `SELECT token, key FROM request_keys WHERE begun < $1 ORDER BY begun LIMIT $2`, before, forgetAtOnce)
	if err != nil {
		return err
	}
	for _, q := range old {
		if _, err := tx.ExecContext(ctx, `DELETE FROM request_keys WHERE token = $1 AND key = $2`, q.Token, q.Key[:]); err != nil {
			return err
		}
	}
	return nil
}

// EraseRequests deletes keys that were begun before a time (Unix ms), at most limit,
// and returns how many: BeginRequest does so when others come, and some never do.
func (d *DB) EraseRequests(ctx context.Context, before int64, limit int) (n int, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM request_keys WHERE (token, key) IN
			(SELECT token, key FROM request_keys WHERE begun < $1 ORDER BY begun LIMIT $2)`, before, limit)
		if err != nil {
			return err
		}
		deleted, err := r.RowsAffected()
		n = int(deleted)
		return err
	})
	return n, err
}

func addRequest(ctx context.Context, tx *sql.Tx, q RequestRow, limit int) error {
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM request_keys WHERE token = $1`, q.Token).Scan(&n); err != nil {
		return err
	}
	if n >= limit {
		return ErrKeysFull
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO request_keys (`+requestColumns+`) VALUES ($1, $2, $3, $4, $5, $6, '', $7)`,
		q.Token, q.Key[:], q.Request[:], q.Claim, q.State, q.Begun, []byte{})
	return err
}

// EndRequest writes down how a request that is still this attempt's own and
// running came out: answered with answer, or in another state. RequestMade it
// cannot become this way: the transaction that makes something says so.
func (d *DB) EndRequest(ctx context.Context, k RequestKey, state RequestState, answer []byte) error {
	if answer == nil {
		answer = []byte{}
	}
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE request_keys SET state = $1, answer = $2 WHERE token = $3 AND key = $4 AND claim = $5 AND state = $6`,
			state, answer, k.Token, k.Key[:], k.Claim, RequestRunning)
		return err
	})
}

// FreeRequest gives back the key of a request that did nothing.
func (d *DB) FreeRequest(ctx context.Context, k RequestKey) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM request_keys WHERE token = $1 AND key = $2 AND claim = $3 AND state = $4`,
			k.Token, k.Key[:], k.Claim, RequestRunning)
		return err
	})
}

type requestKey struct{}

// WithRequest returns a context whose deed is the one of a request: what makes
// something notes that in its own transaction.
func WithRequest(ctx context.Context, k RequestKey) context.Context {
	return context.WithValue(ctx, requestKey{}, k)
}

// made notes in the transaction that makes something which request it was made
// for: both stand, or none. Without a request in ctx it does nothing. ErrClaimLost
// undoes the transaction.
func made(ctx context.Context, tx *sql.Tx, id string) error {
	k, ok := ctx.Value(requestKey{}).(RequestKey)
	if !ok {
		return nil
	}
	r, err := tx.ExecContext(ctx, `UPDATE request_keys SET state = $1, made = $2 WHERE token = $3 AND key = $4 AND claim = $5 AND state = $6`,
		RequestMade, id, k.Token, k.Key[:], k.Claim, RequestRunning)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return errors.Join(ErrClaimLost, err)
	}
	return nil
}
