// Package sheet reads a CSV file row by row as spreadsheets write it, and names
// each fault of its lines.
//
// A row is one line: no value has a line break, and so a quotation mark that nobody
// closed spoils its own row and not all behind it.
package sheet

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxLine bounds a line, in bytes.
const maxLine = 4 << 10

// Rules are what a file is held to.
type Rules struct {
	Columns []string // that there are
	Needed  []string // of these what the header must have
	MaxRows int
	MaxFile int // bytes
}

// Row is one line below the header.
type Row struct {
	Line   int      // of the file; the header's is 1 or more
	Values []string // as in Header; nil if Fault is set
	Fault  *Fault   // the line as a whole cannot be read
}

// Fault says what is wrong with a line. Text is English with at most one %s, for
// which Arg stands: pages translate it.
type Fault struct{ Text, Arg string }

// ErrFile is what a file that is none of this kind is refused with: an *Error.
var ErrFile = errors.New("no such file")

// Error says why a whole file is refused, in words for whoever chose it.
type Error struct {
	Text string // English, with Args to be filled in
	Args []any
}

// Error returns the words.
func (e *Error) Error() string { return fmt.Sprintf(e.Text, e.Args...) }

// Is makes errors.Is(err, ErrFile) true.
func (e *Error) Is(target error) bool { return target == ErrFile }

func refuse(format string, args ...any) error { return &Error{format, args} }

// Reader reads one file.
type Reader struct {
	Header []string // the columns' names as Rules has them, in the file's order

	rules Rules
	lines *bufio.Reader
	line  int
	rows  int
	comma rune
}

// Open reads the header. The error is an *Error, or the file's own.
func Open(file io.Reader, rules Rules) (*Reader, error) {
	r := &Reader{rules: rules, lines: bufio.NewReaderSize(&bounded{file, rules.MaxFile, rules.MaxFile}, maxLine)}
	return r, r.readHeader()
}

// Next returns the next row that is not blank; io.EOF behind the last. The error
// is an *Error, or the file's own.
func (r *Reader) Next() (Row, error) {
	for {
		text, long, err := r.next()
		switch {
		case errors.Is(err, io.EOF) && r.rows == 0:
			return Row{}, refuse("The file has no row below its header.")
		case err != nil:
			return Row{}, err
		case len(bytes.TrimSpace(text)) == 0 && !long:
			continue
		}
		if r.rows++; r.rows > r.rules.MaxRows {
			return Row{}, refuse("The file has more than %d rows; split it.", r.rules.MaxRows)
		}
		return r.row(text, long), nil
	}
}

// bounded refuses what is beyond left bytes.
type bounded struct {
	io.Reader
	left, most int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, refuse("The file has more than %d MB; split it.", b.most>>20)
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// next returns the next line without its end; long tells that it was cut.
func (r *Reader) next() (text []byte, long bool, err error) {
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

func (r *Reader) readHeader() error {
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
	if r.Header, err = r.split(text); err != nil {
		return refuse("The first line cannot be read as a header: a quotation mark is not closed.")
	}
	return r.checkHeader()
}

func (r *Reader) checkHeader() error {
	for i, name := range r.Header {
		name = strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(name)))
		if !slices.Contains(r.rules.Columns, name) {
			return refuse("There is no column %.40q; those that there are: %s.", r.Header[i], strings.Join(r.rules.Columns, ", "))
		}
		if slices.Contains(r.Header[:i], name) {
			return refuse("The column %s stands twice in the header.", name)
		}
		r.Header[i] = name
	}
	for _, name := range r.rules.Needed {
		if !slices.Contains(r.Header, name) {
			return refuse("The column %s is missing in the header; it is the first line of the file.", name)
		}
	}
	return nil
}

// split returns the values of one line.
func (r *Reader) split(text []byte) ([]string, error) {
	c := csv.NewReader(bytes.NewReader(text))
	c.Comma, c.FieldsPerRecord = r.comma, -1
	return c.Read()
}

// row reads one line.
func (r *Reader) row(text []byte, long bool) Row {
	fault := func(text, arg string) Row { return Row{Line: r.line, Fault: &Fault{text, arg}} }
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
	case len(values) > len(r.Header):
		return fault("the line has more values than the header: put one with a comma in quotation marks", "")
	case len(values) < len(r.Header):
		return fault("the line has fewer values than the header", "")
	}
	return Row{Line: r.line, Values: values}
}
