package register

import (
	"errors"
	"io"
	"strconv"

	"turnstile/central/sheet"
)

// Bounds of a file.
const (
	MaxRows = 500_000
	MaxFile = 128 << 20 // bytes
)

// Row is one row of a file or a batch.
type Row struct {
	Line   int
	Record Record
	Faults []Fault // none: the row is good
}

// Read reads a CSV file of one kind of rows and hands each to each, in order. That
// two are about the same is not looked at. A file that is none of this kind is a
// *sheet.Error; other errors are the file's or each's.
func (rules Rules) Read(file io.Reader, kind Kind, each func(Row) error) error {
	lines, err := OpenFile(file, kind)
	if err != nil {
		return err
	}
	for {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		row := Row{Line: line.Line}
		if line.Fault != nil {
			row.Faults = []Fault{{"", line.Fault.Text, line.Fault.Arg}}
		} else {
			row.Record, row.Faults = rules.Parse(kind, Values(lines.Header, line.Values))
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

// OpenFile opens a CSV file of one kind of rows.
func OpenFile(file io.Reader, kind Kind) (*sheet.Reader, error) {
	return sheet.Open(file, sheet.Rules{Columns: kind.Columns(), Needed: kind.Needed(), MaxRows: MaxRows, MaxFile: MaxFile})
}

// Values returns the values of a line by column.
func Values(header, line []string) map[string]string {
	values := make(map[string]string, len(header))
	for i, column := range header {
		values[column] = line[i]
	}
	return values
}

// Seen has the keys of the rows so far, and the line of each.
type Seen map[string]int

// Check gives a good row a fault if a row before is about the same.
func (s Seen) Check(row *Row) {
	if len(row.Faults) > 0 {
		return
	}
	if line, twice := s[row.Record.Key]; twice {
		row.Faults = append(row.Faults, Twice(line))
		return
	}
	s[row.Record.Key] = row.Line
}

// Twice is the fault of a row that is about the same as the one of a line before.
func Twice(line int) Fault {
	return Fault{"", "is about the same as line %s: one of them is too many", strconv.Itoa(line)}
}
