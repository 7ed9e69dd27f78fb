package replay

import (
	"time"

	"turnstile/central/link"
)

// Steps of an alignment: what the best one up to a scan and an entry does last.
const (
	pair  byte = iota // they belong together
	scan              // the scan has no decision: the same text again, or one that the lane dropped
	entry             // the entry has no scan: a command, or bytes that the capture lost
)

// apart is what a scan or an entry costs that is left alone: more than half of the
// latest decision, so that two that can belong together do.
const apart = around

// align gives scans their decisions: both are in the order of time, a lane decides in
// the order of its scans, and of all ways to pair them the one with the least delay in
// all is taken.
func align(scans []*Scan, entries []*link.Entry) {
	steps := make([][]byte, len(scans)+1)
	above := make([]time.Duration, len(entries)+1)
	steps[0] = make([]byte, len(entries)+1)
	for j := range entries {
		steps[0][j+1], above[j+1] = entry, above[j]+apart
	}
	for i, s := range scans {
		row := make([]time.Duration, len(entries)+1)
		steps[i+1] = make([]byte, len(entries)+1)
		steps[i+1][0], row[0] = scan, above[0]+apart
		for j, e := range entries {
			steps[i+1][j+1], row[j+1] = cheapest(s, e, above[j], above[j+1], row[j])
		}
		above = row
	}
	for i, j := len(scans), len(entries); i > 0; {
		switch steps[i][j] {
		case pair:
			i, j = i-1, j-1
			scans[i].then = entries[j]
		case scan:
			i--
		case entry:
			j--
		}
	}
}

// cheapest is the best last step, and what it costs in all, behind what the three that
// can come before it cost.
func cheapest(s *Scan, e *link.Entry, both, scanAlone, entryAlone time.Duration) (byte, time.Duration) {
	step, cost := scan, scanAlone+apart
	if entryAlone+apart < cost {
		step, cost = entry, entryAlone+apart
	}
	late := time.UnixMilli(e.Wall).Sub(s.At)
	if late < -early || late > around {
		return step, cost
	}
	if c := both + late.Abs(); c <= cost {
		step, cost = pair, c
	}
	return step, cost
}
