package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/pressly/goose/v3"

	chain "turnstile/central/audit"
)

// Audit writes down who did what to what.
func (d *DB) Audit(ctx context.Context, at int64, by, action, subject, detail string) error {
	return d.write(ctx, func(tx *sql.Tx) error { return audit(ctx, tx, at, by, action, subject, detail) })
}

const auditColumns = `number, at, by, action, subject, detail, salt, content, hash`

func scanAudit(r rowScanner) (e chain.Entry, err error) {
	var content, hash []byte
	err = r.Scan(&e.Number, &e.At, &e.By, &e.Action, &e.Subject, &e.Detail, &e.Salt, &content, &hash)
	copy(e.Content[:], content)
	copy(e.Hash[:], hash)
	return e, err
}

// audit appends to the chain, in the transaction of the deed: both stand, or
// none. Only a transaction of the office does it, of which one runs at a time.
func audit(ctx context.Context, tx querier, at int64, by, action, subject, detail string) error {
	head, err := scanAudit(tx.QueryRowContext(ctx, `SELECT `+auditColumns+` FROM audit ORDER BY number DESC LIMIT 1`))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return named(err)
	}
	e := chain.Next(head.Hash, chain.Entry{Number: head.Number + 1, At: at, By: clip(by, chain.MaxWord), Action: clip(action, chain.MaxWord),
		Subject: clip(subject, chain.MaxWord), Detail: clip(detail, chain.MaxDetail)})
	return insertAudit(ctx, tx, e)
}

func insertAudit(ctx context.Context, tx querier, e chain.Entry) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO audit (`+auditColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		e.Number, e.At, e.By, e.Action, e.Subject, e.Detail, e.Salt, e.Content[:], e.Hash[:])
	return named(err)
}

// clip returns at most n bytes of valid text without NUL, which PostgreSQL does
// not take: the chain has to be over what is read back.
func clip(s string, n int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= n {
		return s
	}
	const more = "…"
	return strings.ToValidUTF8(s[:n-len(more)], "") + more
}

// AuditFilter selects entries; zero fields select all.
type AuditFilter struct {
	By       string // begins with it
	Action   string // exactly
	Subject  string // contains it
	From, To int64  // Unix ms, To is exclusive; 0: open
	Before   int64  // number; 0: from the newest
	Limit    int
}

// AuditPage returns entries that fit, the newest first.
func (d *DB) AuditPage(ctx context.Context, f AuditFilter) ([]chain.Entry, error) {
	where, args := []string{"1 = 1"}, []any{}
	and := func(use bool, condition string, value any) {
		if use {
			args = append(args, value)
			where = append(where, fmt.Sprintf(condition, len(args)))
		}
	}
	and(f.By != "", `LOWER(by) LIKE LOWER($%d) ESCAPE '!'`, like(f.By)+"%") // LIKE alone: SQLite takes a for A, PostgreSQL does not
	and(f.Action != "", `action = $%d`, f.Action)
	and(f.Subject != "", `LOWER(subject) LIKE LOWER($%d) ESCAPE '!'`, "%"+like(f.Subject)+"%")
	and(f.From != 0, `at >= $%d`, f.From)
	and(f.To != 0, `at < $%d`, f.To)
	and(f.Before != 0, `number < $%d`, f.Before)
	args = append(args, f.Limit)
	return all(ctx, d.sql, scanAudit, `SELECT `+auditColumns+` FROM audit WHERE `+strings.Join(where, " AND ")+
		fmt.Sprintf(` ORDER BY number DESC LIMIT $%d`, len(args)), args...)
}

// like takes a text's meaning as a pattern away.
func like(text string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text)
}

// AuditAfter returns up to limit entries in the order of the chain, from the one
// after a number: for verification and export.
func (d *DB) AuditAfter(ctx context.Context, number int64, limit int) ([]chain.Entry, error) {
	return all(ctx, d.sql, scanAudit, `SELECT `+auditColumns+` FROM audit WHERE number > $1 ORDER BY number LIMIT $2`, number, limit)
}

// AuditHead returns the newest entry, the zero one if there is none.
func (d *DB) AuditHead(ctx context.Context) (chain.Entry, error) {
	e, err := scanAudit(d.sql.QueryRowContext(ctx, `SELECT `+auditColumns+` FROM audit ORDER BY number DESC LIMIT 1`))
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return e, named(err)
}

// AuditActions lists the actions that there are, for a choice.
func (d *DB) AuditActions(ctx context.Context) ([]string, error) {
	return all(ctx, d.sql, func(r rowScanner) (s string, err error) { return s, r.Scan(&s) }, `SELECT DISTINCT action FROM audit ORDER BY action`)
}

// EraseAudit takes subject and detail out of the entries about one subject before
// a time (Unix ms), as when a person's data has to go; that, when and by whom
// something was done stays, and the chain stays whole. It returns how many.
func (d *DB) EraseAudit(ctx context.Context, subject string, before int64, by string, at int64) (n int64, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE audit SET subject = '', detail = '', salt = $1 WHERE subject = $2 AND at < $3`, []byte{}, subject, before)
		if err != nil {
			return err
		}
		if n, err = r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return audit(ctx, tx, at, by, "audit_erase", "", fmt.Sprintf("%d entries", n))
	})
	return n, err
}

// AddAnchor stores a signed head; one of that number that stands stays.
func (d *DB) AddAnchor(ctx context.Context, number, at int64, sealed []byte) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO audit_anchors (number, at, sealed) VALUES ($1, $2, $3) ON CONFLICT (number) DO NOTHING`, number, at, sealed)
		return err
	})
}

// Anchor is a stored head of the audit's chain.
type Anchor struct {
	Number int64
	At     int64 // Unix ms
	Sealed []byte
}

// Anchors returns up to limit signed heads above a number, ascending.
func (d *DB) Anchors(ctx context.Context, above int64, limit int) ([]Anchor, error) {
	return all(ctx, d.sql, func(r rowScanner) (a Anchor, err error) { return a, r.Scan(&a.Number, &a.At, &a.Sealed) },
		`SELECT number, at, sealed FROM audit_anchors WHERE number > $1 ORDER BY number LIMIT $2`, above, limit)
}

// auditMigration is number 11: SQL cannot hash, so it is written in Go. What was
// written down before becomes the beginning of the chain, in one transaction.
func auditMigration() *goose.Migration {
	return goose.NewGoMigration(11, &goose.GoFunc{RunTx: chainAudit}, nil)
}

func chainAudit(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range []string{
		`ALTER TABLE audit RENAME TO audit_before`,
		`DROP INDEX audit_at`,
		`CREATE TABLE audit (
			number  BIGINT NOT NULL PRIMARY KEY,
			at      BIGINT NOT NULL,
			by      TEXT   NOT NULL,
			action  TEXT   NOT NULL,
			subject TEXT   NOT NULL,
			detail  TEXT   NOT NULL,
			salt    BYTEA  NOT NULL,
			content BYTEA  NOT NULL,
			hash    BYTEA  NOT NULL
		)`,
		`CREATE INDEX audit_at ON audit (at)`,
		`CREATE INDEX audit_by ON audit (by, number)`,
		`CREATE TABLE audit_anchors (
			number BIGINT NOT NULL PRIMARY KEY,
			at     BIGINT NOT NULL,
			sealed BYTEA  NOT NULL
		)`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("chain the audit: %w", err)
		}
	}
	before, err := all(ctx, tx, func(r rowScanner) (e chain.Entry, err error) {
		return e, r.Scan(&e.At, &e.By, &e.Action, &e.Subject, &e.Detail)
	},
		`SELECT at, by, action, subject, detail FROM audit_before ORDER BY at, by, action, subject, detail`)
	if err != nil {
		return fmt.Errorf("chain the audit: %w", err)
	}
	for _, e := range before {
		if err := audit(ctx, tx, e.At, e.By, e.Action, e.Subject, e.Detail); err != nil {
			return fmt.Errorf("chain the audit: %w", err)
		}
	}
	_, err = tx.ExecContext(ctx, `DROP TABLE audit_before`)
	return err
}
