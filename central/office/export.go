package office

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Format is what an export is written as.
type Format string

// The formats.
const (
	CSV    Format = "csv"
	JSON   Format = "json"   // {"passages":[...],"complete":true}
	NDJSON Format = "ndjson" // a passage a line
)

// ContentType returns the format's media type.
func (f Format) ContentType() string {
	switch f {
	case CSV:
		return "text/csv; charset=utf-8; header=present"
	case NDJSON:
		return "application/x-ndjson"
	}
	return "application/json"
}

// Exporter writes passages as they come and keeps none of them.
type Exporter struct {
	Format Format
	Zone   *time.Location // of the times
	Names  bool           // of holders and guests
	Mark   bool           // begins CSV with a byte order mark, by which spreadsheets know UTF-8
}

// Write writes what rows hands over, in order. If it fails the file is
// recognizably broken off: JSON has no end, CSV and NDJSON no last line end.
func (x Exporter) Write(w io.Writer, rows func(each func(*Passage) error) error) error {
	buffered := bufio.NewWriterSize(w, exportBuffer)
	var err error
	switch x.Format {
	case CSV:
		err = x.csv(buffered, rows)
	case NDJSON:
		err = x.lines(buffered, "", "\n", rows)
	case JSON:
		io.WriteString(buffered, `{"passages":[`) // a buffered error comes up at the end
		if err = x.lines(buffered, ",\n", "", rows); err == nil {
			io.WriteString(buffered, `],"complete":true}`+"\n")
		}
	default:
		return Refuse(ErrInvalid, "There are the formats csv, json and ndjson.")
	}
	if err != nil {
		return err
	}
	return buffered.Flush()
}

const exportBuffer = 32 << 10

// lines writes a JSON object for each row, with text between and behind them.
func (x Exporter) lines(w *bufio.Writer, between, behind string, rows func(func(*Passage) error) error) error {
	first := true
	return rows(func(p *Passage) error {
		if !first {
			w.WriteString(between)
		}
		first = false
		b, err := json.Marshal(passageBody(*p, x.Zone, x.Names))
		if err != nil {
			return fmt.Errorf("encode passage %d: %w", p.Number, err)
		}
		w.Write(b)
		_, err = w.WriteString(behind)
		return err
	})
}

// exportColumns are the columns of a CSV file, as the JSON names them.
var exportColumns = []string{"number", "time", "received", "controller", "lane", "direction", "zone", "type", "reason", "pass", "kind", "holder", "guest_name",
	"marks", "clock", "clock_bound", "feed_seq", "feed_age", "grant", "journal", "seq"}

func (x Exporter) csv(w *bufio.Writer, rows func(func(*Passage) error) error) error {
	if x.Mark {
		w.WriteString("\ufeff")
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true // RFC 4180
	if err := c.Write(exportColumns); err != nil {
		return err
	}
	err := rows(func(p *Passage) error { return c.Write(x.record(p)) })
	c.Flush()
	if err != nil {
		return err
	}
	return c.Error()
}

func (x Exporter) record(p *Passage) []string {
	b := passageBody(*p, x.Zone, x.Names)
	age := ""
	if b.FeedAge != nil {
		age = strconv.FormatUint(uint64(*b.FeedAge), 10)
	}
	fields := []string{strconv.FormatInt(b.Number, 10), b.Time.Format(stamp), b.Received.Format(stamp), b.Controller, strconv.Itoa(b.Lane), b.Direction, strconv.Itoa(b.Zone),
		b.Type, b.Reason, b.Pass, b.Kind, b.Holder, b.GuestName, strings.Join(b.Marks, " "), b.Clock, strconv.Itoa(b.ClockBound),
		strconv.FormatUint(b.FeedSeq, 10), age, strconv.FormatUint(b.Grant, 10), b.Journal, strconv.FormatUint(b.Seq, 10)}
	for i, f := range fields {
		fields[i] = Inert(f)
	}
	return fields
}

// stamp is how times stand in files.
const stamp = "2006-01-02T15:04:05.000Z07:00"

// Inert returns a CSV field that no spreadsheet takes for a formula: one that
// begins like one, white space aside, gets an apostrophe in front of it.
func Inert(field string) string {
	begin := strings.TrimLeft(field, " \u00a0\u3000")
	if begin == "" {
		return field
	}
	// The full-width signs are formulas as well where such keyboards are used.
	for _, sign := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(begin, sign) {
			return "'" + field
		}
	}
	return field
}

// ExportName is the file name of an export, with its range.
func ExportName(site string, s Search, f Format, zone *time.Location) string {
	name := "passages"
	if site != "" {
		name += "-" + site
	}
	if !s.From.IsZero() {
		name += "-" + s.From.In(zone).Format("20060102-1504")
	}
	if !s.Until.IsZero() {
		name += "-to-" + s.Until.In(zone).Format("20060102-1504")
	}
	return name + "." + string(f)
}

// Patient writes an answer of any length: each write has its own deadline, so that
// a file that takes an hour is fine and a client that stopped reading is not.
type Patient struct{ http.ResponseWriter }

// exportPatience is how long a client may take for one piece of a file.
const exportPatience = time.Minute

func (p Patient) Write(b []byte) (int, error) {
	// A recorder in a test has no deadlines, which is fine.
	http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(exportPatience))
	return p.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (p Patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
