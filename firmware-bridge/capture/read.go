package capture

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// latest is the last second that a record may name: the year 2262, where
// nanoseconds of time.Duration end.
const latest = 1 << 33

// Read returns what passed on the line. Its errors are those of Load.
func Read(r io.Reader) ([]Chunk, error) {
	c, err := Load(r)
	return c.Chunks, err
}

// Load reads a whole capture. Its errors name the line, and wrap ErrForm,
// ErrTooLarge or what r said; what was read before comes with them. A file without
// any byte of a line is ErrForm: whoever plays it would prove nothing.
func Load(r io.Reader) (Capture, error) {
	var c Capture
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 4096), MaxLine)
	line, size := 0, 0
	for in.Scan() {
		line++
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		n, err := c.add(in.Bytes())
		if size += n; err == nil && (size > MaxBytes || len(c.Chunks) > MaxRecords) {
			err = fmt.Errorf("%w: over %d bytes or %d records; split it", ErrTooLarge, MaxBytes, MaxRecords)
		}
		if err != nil {
			return c, fmt.Errorf("read capture, line %d: %w", line, err)
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return c, fmt.Errorf("read capture, line %d: %w: a line over %d bytes", line+1, ErrTooLarge, MaxLine)
	case err != nil:
		return c, fmt.Errorf("read capture after line %d: %w", line, err)
	case len(c.Chunks) == 0:
		return c, fmt.Errorf("read capture: %w: %d lines and no byte of a line in them", ErrForm, line)
	}
	return c, nil
}

// add reads one line and returns how many bytes it holds.
func (c *Capture) add(line []byte) (int, error) {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrForm, err)
	}
	if r.Version != traceVersion {
		return 0, fmt.Errorf("%w: osdpTraceVersion %.20q; only 1 is known", ErrForm, r.Version)
	}
	at, err := r.at()
	if err != nil {
		return 0, err
	}
	switch r.IO {
	case "input", "in", "output", "out", "trace":
	default:
		return 0, fmt.Errorf("%w: io %.20q; it is input, output or trace", ErrForm, r.IO)
	}
	if strings.ContainsAny(r.Data, " -") {
		r.Data = strings.ReplaceAll(strings.ReplaceAll(r.Data, " ", ""), "-", "")
	}
	data, err := hex.DecodeString(r.Data)
	if err != nil {
		return 0, fmt.Errorf("%w: data: %w", ErrForm, err)
	}
	if c.Source == "" {
		c.Source = r.Source
	}
	if r.DeleteBy != nil && c.DeleteBy.IsZero() {
		c.DeleteBy = *r.DeleteBy
	}
	c.Lost += r.Lost
	if len(data) > 0 {
		c.Chunks = append(c.Chunks, Chunk{At: at, Sent: r.IO == "output" || r.IO == "out", Data: data})
	}
	return len(data), nil
}

// at reads the two times.
func (r record) at() (time.Time, error) {
	sec, err := strconv.ParseUint(string(r.TimeSec), 10, 64)
	if err != nil || sec > latest {
		return time.Time{}, fmt.Errorf("%w: timeSec %.30q; it is seconds since 1970", ErrForm, r.TimeSec)
	}
	nano, err := strconv.ParseUint(string(r.TimeNano), 10, 64)
	if err != nil || nano > 999_999_999 {
		return time.Time{}, fmt.Errorf("%w: timeNano %.30q; it is 0 to 999999999", ErrForm, r.TimeNano)
	}
	return time.Unix(int64(sec), int64(nano)), nil
}
