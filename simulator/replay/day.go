package replay

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"turnstile/central/link"
	"turnstile/firmware-bridge/capture"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/simulator/promise"
)

const (
	// around is how far the journal's time of a decision lies from the end of its
	// scan at most: a lane that is busy takes a scan up when it is free.
	around = 20 * time.Second
	// early is by how much a decision can seem to come before its scan: clocks are read
	// at both.
	early = 1500 * time.Millisecond
	// maxCapture bounds the file of a capture in bytes: digits and words make four of one.
	maxCapture = 5 * capture.MaxBytes
)

// Scan is what one scanner sent in one go.
type Scan struct {
	At      time.Time // of its last byte
	Scanner Scanner
	raw     []byte
	then    *link.Entry // what the journal has of it, nil if nothing
	walked  bool        // that is a grant, and somebody passed
}

// day is a recorded day.
type day struct {
	controller string
	folder     string // the copy
	before     []link.Entry
	entries    []link.Entry // from the first scan on
	scans      []Scan       // by time
}

// load reads the journal and the captures.
func load(o Options, scratch string) (*day, error) {
	if _, err := os.Stat(filepath.Join(o.Data, "journal")); err != nil {
		return nil, fmt.Errorf("%w: %s has no journal; want a copy of a lane controller's data folder: %w", ErrNothing, o.Data, err)
	}
	d := &day{controller: "recorded", folder: o.Data}
	for s, path := range o.Captures {
		list, err := scansOf(s, path)
		if err != nil {
			return nil, err
		}
		d.scans = append(d.scans, list...)
	}
	if len(d.scans) == 0 {
		return nil, fmt.Errorf("%w: the captures hold no scan", ErrNothing)
	}
	slices.SortStableFunc(d.scans, func(a, b Scan) int { return a.At.Compare(b.At) })
	j, err := promise.CopyJournal(d.controller, o.Data, scratch)
	if err != nil {
		return nil, err
	}
	d.split(j.Entries)
	if len(d.entries) == 0 {
		return nil, fmt.Errorf("%w: the journal has no entry of the time of the captures, %s to %s", ErrNothing, clock(d.from()), clock(d.to()))
	}
	d.find()
	return d, nil
}

func (d *day) from() time.Time { return d.scans[0].At }
func (d *day) to() time.Time   { return d.scans[len(d.scans)-1].At }

// scansOf reads a capture.
func scansOf(s Scanner, path string) (list []Scan, err error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxCapture {
		err = capture.ErrTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("open capture: %w", err)
	}
	if info.Size() == 0 {
		return nil, nil // a scanner before which nobody stood
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open capture: %w", err)
	}
	c, err := capture.Load(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if !c.DeleteBy.IsZero() && time.Now().After(c.DeleteBy) {
		return nil, fmt.Errorf("%w: %s may not be kept since %s: delete it", ErrNothing, filepath.Base(path), c.DeleteBy.Format(time.DateOnly))
	}
	return joined(s, c.Chunks), nil
}

// joined makes scans of pieces as a lane's reader does: a line end or silence ends one.
func joined(s Scanner, chunks []capture.Chunk) (list []Scan) {
	var reader line.Assembler
	for _, c := range chunks {
		if c.Sent {
			continue
		}
		reader.Idle(c.At, nil)
		for i := range c.Data {
			between := reader.Between()
			reader.Feed(c.Data[i:i+1], c.At, nil)
			if between && !reader.Between() {
				list = append(list, Scan{Scanner: s})
			}
			if n := len(list) - 1; n >= 0 { // else it is noise before all
				list[n].At, list[n].raw = c.At, append(list[n].raw, c.Data[i])
			}
		}
	}
	return list
}

// split takes the journal apart at the first scan.
func (d *day) split(all []link.Entry) {
	from := d.from().Add(-time.Second).UnixMilli() // the clock's error and the line's time
	d.entries = slices.DeleteFunc(slices.Clone(all), func(e link.Entry) bool { return e.Wall < from })
	d.before = slices.DeleteFunc(slices.Clone(all), func(e link.Entry) bool { return e.Wall >= from })
}

// find finds the journal's decision on each scan, and whether somebody walked.
func (d *day) find() {
	results := map[uint64]link.EntryType{}
	for _, e := range d.entries {
		if e.Grant != 0 {
			results[e.Grant] = e.Type
		}
	}
	scans := map[Scanner][]*Scan{}
	for i := range d.scans {
		scans[d.scans[i].Scanner] = append(scans[d.scans[i].Scanner], &d.scans[i])
	}
	for scanner, list := range scans {
		align(list, d.decisions(scanner))
	}
	for i := range d.scans {
		s := &d.scans[i]
		s.walked = s.then != nil && results[s.then.Seq] == link.EntryPassed
	}
}

// decisions are those of the journal on what a scanner sent, in order.
func (d *day) decisions(s Scanner) (list []*link.Entry) {
	for i := range d.entries {
		e := &d.entries[i]
		if decision(e) && e.Lane == s.Lane && gate.Direction(e.Direction) == s.Direction {
			list = append(list, e)
		}
	}
	return list
}

func decision(e *link.Entry) bool { return e.Type == link.EntryGranted || e.Type == link.EntryDenied }

// zones are the lanes of the recorded scanners, with the zones that the journal names.
func (d *day) zones() map[uint8]uint8 {
	zones := map[uint8]uint8{}
	for _, s := range d.scans {
		zones[s.Scanner.Lane] = 0
	}
	for _, e := range slices.Concat(d.before, d.entries) {
		if _, ok := zones[e.Lane]; ok && decision(&e) {
			zones[e.Lane] = e.Zone
		}
	}
	return zones
}

// directions of a lane that were captured.
func (d *day) directions(lane uint8) (list []gate.Direction) {
	for _, s := range d.scans {
		if s.Scanner.Lane == lane && !slices.Contains(list, s.Scanner.Direction) {
			list = append(list, s.Scanner.Direction)
		}
	}
	slices.SortFunc(list, func(a, b gate.Direction) int { return cmp.Compare(a, b) })
	return list
}

func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05") }
