package capture

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	// room is how many bytes of records wait in memory: 100 s of a line at 9600
	// baud in small pieces while a memory card thinks.
	room = 1 << 20
	// piece is the greatest number of bytes in one record.
	piece = 4096
)

// Writer records a line; it is a serialport.Tap. Use NewWriter or Create.
//
// Received and Sent put a record in memory and return: a slow disk does not hold
// up the line. Run, or whoever calls Flush, writes. When there is no room left, or
// after an error of writing, bytes are lost and counted, and the line goes on.
type Writer struct {
	source string
	wake   chan struct{} // something waits in queue

	mu    sync.Mutex // guards the following
	queue []byte     // whole lines
	begun bool       // the first record was made
	last  uint64     // bytes lost since the last record
	lost  uint64     // bytes lost in all
	err   error      // the first one of writing

	writing sync.Mutex // held while w is written; taken before mu
	w       io.Writer
}

// NewWriter records to w and names source as the tool. Nothing is written before
// Run or Flush.
func NewWriter(w io.Writer, source string) *Writer {
	return &Writer{source: source, w: w, wake: make(chan struct{}, 1)}
}

// Create makes a new file at path that only its owner reads, to record to. It
// refuses one that exists. The caller closes the file after Run or the last Flush.
func Create(path, source string) (*Writer, *os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("create capture (name a new file in a folder that you may write): %w", err)
	}
	return NewWriter(f, source), f, nil
}

// Received records bytes that came in at the instant at.
func (w *Writer) Received(at time.Time, b []byte) { w.keep(at, "input", b) }

// Sent records bytes that went out at the instant at.
func (w *Writer) Sent(at time.Time, b []byte) { w.keep(at, "output", b) }

// Err returns the first error of writing, nil if there was none.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Lost is how many bytes passed and are not in the capture.
func (w *Writer) Lost() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Run writes what is recorded until ctx ends, then the rest, and returns Err.
func (w *Writer) Run(ctx context.Context) error {
	for {
		select {
		case <-w.wake:
			_ = w.Flush() // told at the end; the line goes on without
		case <-ctx.Done():
			return w.Flush()
		}
	}
}

// Flush writes what was recorded so far and returns Err.
func (w *Writer) Flush() error {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.mu.Lock()
	queue, err := w.queue, w.err
	w.queue = nil
	w.mu.Unlock()
	if err != nil || len(queue) == 0 {
		return err
	}
	if _, err = w.w.Write(queue); err != nil {
		err = fmt.Errorf("write capture: %w", err)
		w.mu.Lock()
		w.err = err
		w.mu.Unlock()
	}
	return err
}

// keep puts b in the queue in pieces.
func (w *Writer) keep(at time.Time, direction string, b []byte) {
	w.mu.Lock()
	for len(b) > 0 {
		n := min(len(b), piece)
		w.enqueue(at, direction, b[:n])
		b = b[n:]
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// enqueue makes one record; mu is held.
func (w *Writer) enqueue(at time.Time, direction string, b []byte) {
	r := record{
		TimeSec: number(strconv.FormatInt(at.Unix(), 10)), TimeNano: number(fmt.Sprintf("%09d", at.Nanosecond())),
		IO: direction, Data: hex.EncodeToString(b), Version: traceVersion, Source: w.source, Lost: w.last,
	}
	if !w.begun {
		by := at.Add(Keep).UTC().Truncate(time.Second)
		r.Note, r.DeleteBy = note, &by
	}
	line, err := json.Marshal(r)
	if err != nil || w.err != nil || len(w.queue)+len(line) >= room {
		w.last += uint64(len(b))
		w.lost += uint64(len(b))
		return
	}
	w.begun, w.last = true, 0
	w.queue = append(append(w.queue, line...), '\n')
}
