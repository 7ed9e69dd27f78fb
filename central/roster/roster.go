// Package roster reads a CSV file of passes to issue, row by row, and names every
// fault with its line and column.
package roster

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/sheet"
)

// Bounds of a file.
const (
	MaxRows = 100_000
	MaxFile = 32 << 20 // bytes
)

// Row is one row below the header.
type Row struct {
	Line   int // of the file; the header's is 1 or more
	Order  office.Order
	Email  string
	Faults []office.RowFault // none: the row is good
}

// Rules are what rows are held to.
type Rules struct {
	Zones []link.Zone
	// Check says what is wrong with an order whose fields are fine; nil error: nothing.
	Check func(office.Order) *office.RowFault
}

// reader reads one file.
type reader struct {
	rules  Rules
	header []string
	seen   map[[16]byte]int // hash of a row: its line
}

// Read reads a file and hands each row to each, in order. A file that is none of
// this kind is an office.Refusal; other errors are r's or each's.
func Read(file io.Reader, rules Rules, each func(Row) error) error {
	lines, err := sheet.Open(file, sheet.Rules{Columns: office.OrderFields(), Needed: []string{"kind", "holder", "day"}, MaxRows: MaxRows, MaxFile: MaxFile})
	if err != nil {
		return refused(err)
	}
	r := &reader{rules: rules, header: lines.Header, seen: map[[16]byte]int{}}
	for {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return refused(err)
		}
		if err := each(r.row(line)); err != nil {
			return err
		}
	}
}

// refused words what is wrong with a whole file.
func refused(err error) error {
	if e, ok := errors.AsType[*sheet.Error](err); ok {
		return office.Refuse(office.ErrInvalid, e.Text, e.Args...)
	}
	return err
}

// row reads one line.
func (r *reader) row(line sheet.Row) Row {
	row := Row{Line: line.Line}
	if line.Fault != nil {
		row.Faults = []office.RowFault{{Text: line.Fault.Text, Arg: line.Fault.Arg}}
		return row
	}
	row.Order, row.Email, row.Faults = office.ParseOrder(func(name string) string {
		if i := slices.Index(r.header, name); i >= 0 {
			return line.Values[i]
		}
		return ""
	}, r.rules.Zones)
	r.check(&row, line.Values)
	return row
}

// check looks at what only the whole row shows.
func (r *reader) check(row *Row, values []string) {
	if len(row.Faults) > 0 {
		return
	}
	if f := r.rules.Check(row.Order); f != nil {
		row.Faults = append(row.Faults, *f)
		return
	}
	sum := sha256.Sum256([]byte(strings.Join(values, "\x00")))
	hash := [16]byte(sum[:16])
	if line := r.seen[hash]; line > 0 {
		row.Faults = append(row.Faults, office.RowFault{Text: "is the same as line %s: one of them is too many", Arg: fmt.Sprint(line)})
		return
	}
	r.seen[hash] = row.Line
}
