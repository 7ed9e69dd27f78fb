package database

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
)

// AccountCode is a one-time password that waits to be typed.
type AccountCode struct {
	Browser []byte // hash of the nonce of the browser that asked
	Purpose string
	Person  string // "": of nobody, and no code is right
	Address string // where it was sent
	Detail  string // what it confirms
	Code    []byte // keyed hash
	Tries   int    // left
	Expires int64  // Unix ms
}

// AddCodes stores codes, each in place of the one that the browser had for its
// purpose, and puts the letters that carry them into the outbox: all or none.
func (d *DB) AddCodes(ctx context.Context, codes []AccountCode, list ...Letter) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		for _, c := range codes {
			if _, err := tx.ExecContext(ctx, `INSERT INTO account_codes (browser, purpose, person, address, detail, code, tries, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
				ON CONFLICT (browser, purpose) DO UPDATE SET person = $3, address = $4, detail = $5, code = $6, tries = $7, expires = $8`,
				c.Browser, c.Purpose, c.Person, c.Address, c.Detail, c.Code, c.Tries, c.Expires); err != nil {
				return err
			}
		}
		return addLetters(ctx, tx, list)
	})
}

// WaitingCode returns the code that a browser was asked for, without trying one; or
// ErrNotFound.
func (d *DB) WaitingCode(ctx context.Context, browser []byte, purpose string, now int64) (AccountCode, error) {
	c, err := waitingCode(ctx, d.sql, browser, purpose, now)
	return c, named(err)
}

func waitingCode(ctx context.Context, q querier, browser []byte, purpose string, now int64) (c AccountCode, err error) {
	err = q.QueryRowContext(ctx, `SELECT browser, purpose, person, address, detail, code, tries, expires FROM account_codes
		WHERE browser = $1 AND purpose = $2 AND tries > 0 AND expires > $3`, browser, purpose, now).
		Scan(&c.Browser, &c.Purpose, &c.Person, &c.Address, &c.Detail, &c.Code, &c.Tries, &c.Expires)
	return c, err
}

// Typed is a code as somebody typed it.
type Typed struct {
	Browser []byte
	Purpose string
	Code    []byte // keyed hash
}

// WrongCode refuses a code; Left is how many tries there are still.
type WrongCode struct {
	Purpose string
	Left    int
}

func (e *WrongCode) Error() string { return "the code is not the one that was sent" }

// judgeCode counts a try of a code before it compares, so that tries at once are
// counted too. *WrongCode; ErrNotFound if none waits.
func judgeCode(ctx context.Context, tx *sql.Tx, t Typed, now int64) (AccountCode, error) {
	c, err := waitingCode(ctx, tx, t.Browser, t.Purpose, now)
	if err != nil {
		return c, err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE account_codes SET tries = tries - 1 WHERE browser = $1 AND purpose = $2`, t.Browser, t.Purpose); err != nil {
		return c, err
	}
	if subtle.ConstantTimeCompare(c.Code, t.Code) != 1 || c.Person == "" {
		return c, &WrongCode{t.Purpose, c.Tries - 1}
	}
	return c, nil
}

// withCodes runs f in the transaction that uses codes up, if all are right. If one
// is not, its *WrongCode comes back, all stay, and the try counts for each; what f
// refuses leaves everything as it was.
func (d *DB) withCodes(ctx context.Context, now int64, f func(tx *sql.Tx, c []AccountCode) error, typed ...Typed) error {
	var wrong *WrongCode
	err := d.write(ctx, func(tx *sql.Tx) error {
		var right []AccountCode
		wrong = nil
		for _, t := range typed {
			c, err := judgeCode(ctx, tx, t, now)
			if refused, ok := errors.AsType[*WrongCode](err); ok {
				if wrong == nil {
					wrong = refused
				}
				continue
			}
			if err != nil {
				return err
			}
			right = append(right, c)
		}
		if wrong != nil {
			return nil // the tries count
		}
		for _, t := range typed {
			if _, err := tx.ExecContext(ctx, `DELETE FROM account_codes WHERE browser = $1 AND purpose = $2`, t.Browser, t.Purpose); err != nil {
				return err
			}
		}
		return f(tx, right)
	})
	if err == nil && wrong != nil {
		return wrong
	}
	return err
}

// TakeCode uses a code up. *WrongCode, ErrNotFound.
func (d *DB) TakeCode(ctx context.Context, t Typed, now int64) (c AccountCode, err error) {
	err = d.withCodes(ctx, now, func(_ *sql.Tx, found []AccountCode) error { c = found[0]; return nil }, t)
	return c, err
}

// RegisterAddress uses a code up and gives the person's account the address that it
// was sent to; the account is made if there is none. Other sessions end if the
// address is another than before. ErrConflict, and the code is as it was, if the
// address is another account's.
func (d *DB) RegisterAddress(ctx context.Context, t Typed, fresh Account, at int64) (a Account, err error) {
	err = d.withCodes(ctx, at, func(tx *sql.Tx, codes []AccountCode) error {
		c := codes[0]
		fresh.Person, fresh.Address, fresh.Folded = c.Person, c.Address, c.Detail
		if a, err = addAccount(ctx, tx, fresh); err != nil {
			return err
		}
		if a.Folded == c.Detail {
			return nil
		}
		if a.Folded != "" {
			return ErrConflict // a registered address is changed by ChangeAddress alone
		}
		a.Address, a.Folded = c.Address, c.Detail
		if err := setAddress(ctx, tx, a.Person, a.Address, a.Folded); err != nil {
			return err
		}
		return audit(ctx, tx, at, byHolder(a.Person), "address_register", a.Person, "")
	}, t)
	return a, err
}
