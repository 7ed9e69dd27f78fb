package database

import (
	"turnstile/central/link"
	"turnstile/central/pass"
)

// facet packs what ledger rows are searched by, beside lane, time and pass: entry
// type, reason, pass kind, zone and direction. Few combinations occur, some
// hundred on a campus. Each has its rows in an index of their own in the order of
// time, so that the newest of any selection are the newest of a few ends.
//
// The numbers stand in the database: a change needs a migration.
type facet int64

// newFacet is of an entry; what this version does not know becomes 255, so that a
// lane controller that was taken over cannot make combinations without end.
func newFacet(e *link.Entry) facet {
	direction, zone, reason, kind := e.Direction, e.Zone, uint8(e.Reason), uint8(e.Kind)
	if direction > 2 {
		direction = 0
	}
	if zone >= zones {
		zone = 255
	}
	if int(reason) >= len(pass.Reasons()) {
		reason = 255
	}
	if e.Kind > pass.Command && e.Kind != pass.Test {
		kind = 255
	}
	if !ofPass(e.Type) {
		reason, kind = 0, 0
	}
	return facet(e.Type)<<32 | facet(reason)<<24 | facet(kind)<<16 | facet(zone)<<8 | facet(direction)
}

// ofPass tells which entries say something of a pass.
func ofPass(t link.EntryType) bool {
	return t <= link.EntryUnknown || t == link.EntryTailgated || t == link.EntryConflict || t == link.EntryMode
}

func (f facet) entryType() link.EntryType { return link.EntryType(f >> 32) }
func (f facet) reason() pass.Reason       { return pass.Reason(f >> 24) }
func (f facet) kind() pass.Kind           { return pass.Kind(f >> 16) }
func (f facet) zone() uint8               { return uint8(f >> 8) }
func (f facet) direction() uint8          { return uint8(f) }

// zones is how many a campus can have, as bits of a pass.
const zones = 16

// hourMs is how long the counters' hours are, in ms from the Unix epoch on.
const hourMs = 3_600_000

// maxAhead is how far a lane's stamp may lie behind its arrival at central in the
// future, in ms: clocks differ.
const maxAhead = 10 * 60 * 1000

// columns are what the ledger's search needs of an entry, beside its pass.
type columns struct {
	at    int64 // Unix ms: the lane's stamp, or the arrival if the stamp cannot be true
	lane  int64 // see laneKey
	facet facet
	entry link.Entry
	known bool // entry could be read
}

// laneKey names one lane of the controller that a journal is of.
func laneKey(journal int64, number uint8) int64 { return journal<<8 | int64(number) }

func columnsOf(journal, received int64, raw []byte) columns {
	e, _, err := link.ParseEntry(raw)
	if err != nil {
		return columns{at: received, lane: laneKey(journal, 0)}
	}
	c := columns{at: e.Wall, lane: laneKey(journal, e.Lane), facet: newFacet(&e), entry: e, known: true}
	if c.at/1000 < pass.Day(0).UTC() || c.at > received+maxAhead {
		c.at = received
	}
	return c
}
