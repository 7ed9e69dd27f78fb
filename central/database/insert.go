package database

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// insertion puts many rows of numbers and bytes into a table, several with one
// statement that is prepared once.
type insertion struct {
	table   string
	columns []string
	end     string // ON CONFLICT ...
}

// Rows that share one statement. To SQLite each $N is a name that it looks for
// in a list: the time of a statement grows with the square of their number.
// PostgreSQL gets each column as one array: a statement is a way there and back,
// and to read and plan one of many values takes longer than to run it.
const (
	rowsSQLite   = 8
	rowsPostgres = 1000
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

// arrays returns the statement for columns as arrays; values are of a row.
func (x *insertion) arrays(values []any) string {
	types := make([]string, len(values))
	for i, v := range values {
		types[i] = fmt.Sprintf("$%d::bigint[]", i+1)
		if _, ok := v.([]byte); ok {
			types[i] = fmt.Sprintf("$%d::bytea[]", i+1)
		}
	}
	return "INSERT INTO " + x.table + " (" + strings.Join(x.columns, ", ") + ") SELECT * FROM unnest(" + strings.Join(types, ", ") + ") AS rows" + x.end
}

// inserter runs insertions in one transaction, with which its statements end.
type inserter struct {
	ctx      context.Context
	conn     *sql.Conn // of the transaction
	tx       *sql.Tx
	postgres bool
	list     map[prepared]*sql.Stmt
}

type prepared struct {
	*insertion
	rows int
}

func newInserter(ctx context.Context, conn *sql.Conn, tx *sql.Tx, postgres bool) *inserter {
	return &inserter{ctx, conn, tx, postgres, map[prepared]*sql.Stmt{}}
}

// insert stores n rows; row appends the values of one to its argument, each an
// int64 or bytes.
func (x *inserter) insert(into *insertion, n int, row func(i int, args []any) []any) error {
	switch {
	case n == 0:
		return nil
	case x.postgres && into.end == "":
		return x.copy(into, n, row)
	case x.postgres:
		for first := 0; first < n; first += rowsPostgres {
			if err := x.insertArrays(into, first, min(n, first+rowsPostgres), row); err != nil {
				return err
			}
		}
		return nil
	}
	args := make([]any, 0, rowsSQLite*len(into.columns))
	for i := 0; i < n; {
		rows := rowsSQLite
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

// copy stores rows by PostgreSQL's COPY, which is the quickest way in, and can do
// nothing about rows that are there already.
func (x *inserter) copy(into *insertion, n int, row func(i int, args []any) []any) error {
	rows := pgx.CopyFromSlice(n, func(i int) ([]any, error) { return row(i, make([]any, 0, len(into.columns))), nil })
	return x.conn.Raw(func(c any) error {
		_, err := c.(*stdlib.Conn).Conn().CopyFrom(x.ctx, pgx.Identifier{into.table}, into.columns, rows)
		return err
	})
}

// insertArrays stores the rows first .. end-1 with one array a column.
func (x *inserter) insertArrays(into *insertion, first, end int, row func(i int, args []any) []any) error {
	numbers, blobs := make([][]int64, len(into.columns)), make([][][]byte, len(into.columns))
	var values []any
	for i := first; i < end; i++ {
		values = row(i, values[:0])
		for c, v := range values {
			switch v := v.(type) {
			case int64:
				numbers[c] = append(numbers[c], v)
			case []byte:
				blobs[c] = append(blobs[c], v)
			default:
				return fmt.Errorf("insert into %s: column %s is a %T", into.table, into.columns[c], v)
			}
		}
	}
	args := make([]any, len(values))
	for c := range args {
		if args[c] = numbers[c]; numbers[c] == nil {
			args[c] = blobs[c]
		}
	}
	_, err := x.tx.ExecContext(x.ctx, into.arrays(values), args...) // pgx prepares it once for a connection
	return err
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
