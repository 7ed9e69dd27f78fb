package database

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

// insertion puts many rows into a table, several with one statement, which is
// prepared once for a connection.
type insertion struct {
	table   string
	columns []string
	end     string // ON CONFLICT ...
}

// Rows that share one statement. To SQLite each $N is a name that it looks for
// in a list: the time of a statement grows with the square of their number. To
// PostgreSQL each statement is a way there and back.
const (
	rowsSQLite   = 8
	rowsPostgres = 100
)

// text returns the statement for a number of rows.
func (x *insertion) text(rows int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + x.table + " (" + strings.Join(x.columns, ", ") + ") VALUES ")
	for i := range rows * len(x.columns) {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%len(x.columns) == 0:
			b.WriteString("),(")
		default:
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteString(")" + x.end)
	return b.String()
}

// inserter runs insertions in one transaction, with which its statements end.
type inserter struct {
	ctx  context.Context
	tx   *sql.Tx
	most int // rows in a statement
	list map[prepared]*sql.Stmt
}

type prepared struct {
	*insertion
	rows int
}

func newInserter(ctx context.Context, tx *sql.Tx, postgres bool) *inserter {
	x := &inserter{ctx, tx, rowsSQLite, map[prepared]*sql.Stmt{}}
	if postgres {
		x.most = rowsPostgres
	}
	return x
}

// insert stores n rows; row appends the values of one to its argument.
func (x *inserter) insert(into *insertion, n int, row func(i int, args []any) []any) error {
	args := make([]any, 0, x.most*len(into.columns))
	for i := 0; i < n; {
		rows := x.most
		if n-i < rows {
			rows = 1
		}
		args = args[:0]
		for range rows {
			args = row(i, args)
			i++
		}
		s, err := x.statement(prepared{into, rows})
		if err != nil {
			return err
		}
		if _, err := s.ExecContext(x.ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func (x *inserter) statement(p prepared) (s *sql.Stmt, err error) {
	if s = x.list[p]; s == nil {
		if s, err = x.tx.PrepareContext(x.ctx, p.text(p.rows)); err != nil {
			return nil, err
		}
		x.list[p] = s
	}
	return s, nil
}
