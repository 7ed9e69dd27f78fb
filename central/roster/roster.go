// Package roster reads a CSV file of passes to issue, row by row, and names every
// fault with its line and column.
//
// A row is one line: no value of a pass has a line break, and so a quotation mark
// that nobody closed spoils its own row and not all behind it.
package roster

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"turnstile/central/link"
	"turnstile/central/office"
)

// Bounds of a file.
const (
	MaxRows = 100_000
	MaxFile = 32 << 20 // bytes
	maxLine = 4 << 10  // bytes
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
	lines  *bufio.Reader
	line   int
	comma  rune
	header []string
	seen   map[[16]byte]int // hash of a row: its line
}

// Read reads a file and hands each row to each, in order. A file that is none of
// this kind is an office.Refusal; other errors are r's or each's.
func Read(file io.Reader, rules Rules, each func(Row) error) error {
	r := &reader{rules: rules, lines: bufio.NewReaderSize(&bounded{file, MaxFile}, maxLine), seen: map[[16]byte]int{}}
	if err := r.readHeader(); err != nil {
		return err
	}
	for rows := 0; ; {
		text, long, err := r.next()
		if errors.Is(err, io.EOF) {
			if rows == 0 {
				return refuse("The file has no row below its header.")
			}
			return nil
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(text)) == 0 && !long {
			continue
		}
		if rows++; rows > MaxRows {
			return refuse("The file has more than %d rows; split it.", MaxRows)
		}
		if err := each(r.row(text, long)); err != nil {
			return err
		}
	}
}

func refuse(format string, args ...any) error {
	return office.Refuse(office.ErrInvalid, format, args...)
}

// bounded refuses what is beyond left bytes.
type bounded struct {
	io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, refuse("The file has more than %d MB; split it.", MaxFile>>20)
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// next returns the next line without its end; long tells that it was cut.
func (r *reader) next() (text []byte, long bool, err error) {
	text, err = r.lines.ReadSlice('\n')
	r.line++
	for errors.Is(err, bufio.ErrBufferFull) { // skip the rest
		long = true
		_, err = r.lines.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) && (len(text) > 0 || long) {
		err = nil
	}
	return bytes.TrimRight(text, "\r\n"), long, err
}

// commas are what can stand between values: some programs write semicolons or
// tabs where a comma is the decimal sign.
var commas = []rune{',', ';', '\t'}

func (r *reader) readHeader() error {
	text, long, err := r.next()
	switch {
	case errors.Is(err, io.EOF):
		return refuse("The file is empty.")
	case err != nil:
		return err
	case bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")):
		return refuse("The file is UTF-16 text; save it as “CSV UTF-8”.")
	case bytes.HasPrefix(text, []byte("PK\x03\x04")) || bytes.HasPrefix(text, []byte("\xd0\xcf\x11\xe0")):
		return refuse("The file is a workbook; save it as “CSV UTF-8”.")
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if long || !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return refuse("The first line is no header in UTF-8; save the file as “CSV UTF-8”.")
	}
	r.comma = slices.MaxFunc(commas, func(a, b rune) int {
		return strings.Count(string(text), string(a)) - strings.Count(string(text), string(b))
	})
	if r.header, err = r.split(text); err != nil {
		return refuse("The first line cannot be read as a header: a quotation mark is not closed.")
	}
	return r.checkHeader()
}

func (r *reader) checkHeader() error {
	for i, name := range r.header {
		name = strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(name)))
		if !slices.Contains(office.OrderFields(), name) {
			return refuse("There is no column %.40q; those that there are: %s.", r.header[i], strings.Join(office.OrderFields(), ", "))
		}
		if slices.Contains(r.header[:i], name) {
			return refuse("The column %s stands twice in the header.", name)
		}
		r.header[i] = name
	}
	for _, name := range []string{"kind", "holder", "day"} {
		if !slices.Contains(r.header, name) {
			return refuse("The column %s is missing in the header; it is the first line of the file.", name)
		}
	}
	return nil
}

// split returns the values of one line.
func (r *reader) split(text []byte) ([]string, error) {
	c := csv.NewReader(bytes.NewReader(text))
	c.Comma, c.FieldsPerRecord = r.comma, -1
	return c.Read()
}

// row reads one line.
func (r *reader) row(text []byte, long bool) Row {
	row := Row{Line: r.line}
	fault := func(text, arg string) Row {
		row.Faults = append(row.Faults, office.RowFault{Text: text, Arg: arg})
		return row
	}
	switch {
	case long:
		return fault("the line is too long: at most %s characters", fmt.Sprint(maxLine))
	case !utf8.Valid(text):
		return fault("the line is not UTF-8: save the file as “CSV UTF-8”", "")
	}
	values, err := r.split(text)
	switch {
	case err != nil:
		return fault("a quotation mark is not closed on this line; a value cannot have a line break", "")
	case len(values) > len(r.header):
		return fault("the line has more values than the header: put one with a comma in quotation marks", "")
	case len(values) < len(r.header):
		return fault("the line has fewer values than the header", "")
	}
	row.Order, row.Email, row.Faults = office.ParseOrder(func(name string) string {
		if i := slices.Index(r.header, name); i >= 0 {
			return values[i]
		}
		return ""
	}, r.rules.Zones)
	r.check(&row, values)
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
