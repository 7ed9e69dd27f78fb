package promise

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"turnstile/simulator/device"
)

// keptEvents is how much of the latest history a failed run shows.
const keptEvents = 300

// Witness is what an onlooker sees and what the office knows. Its methods are safe
// for concurrent use.
type Witness struct {
	mu       sync.Mutex // guards the following
	openings []Opening
	steel    map[string]device.ControllerState // by lane
	passes   map[string]Pass
	events   []string // the newest
	counts   map[string]int

	codes     map[string]Code   // supervisor codes, by pass id
	withdrawn map[uint16]uint64 // keys, with an event that comes after
	locks     []Lock            // by time
	rules     []Rules           // by time
	commands  map[string]int    // openings that central was asked for, by lane
}

// NewWitness returns one that has seen nothing.
func NewWitness() *Witness {
	return &Witness{steel: map[string]device.ControllerState{}, passes: map[string]Pass{}, counts: map[string]int{}, codes: map[string]Code{}, withdrawn: map[uint16]uint64{}, commands: map[string]int{}}
}

// Note keeps one line of history.
func (w *Witness) Note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(format, args...)
}

func (w *Witness) noteLocked(format string, args ...any) {
	w.events = append(w.events, stamp(time.Now())+" "+fmt.Sprintf(format, args...))
	if len(w.events) > 2*keptEvents {
		w.events = slices.Clone(w.events[len(w.events)-keptEvents:])
	}
}

// Count adds to a number of the report.
func (w *Witness) Count(what string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what] += n
}

// Watch takes the state of a gate's controller, as it is published.
func (w *Witness) Watch(controller string, lane int, s device.ControllerState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := fmt.Sprintf("%s/%d", controller, lane)
	if s.Openings > w.steel[at].Openings {
		w.openings = append(w.openings, Opening{controller, uint8(lane), s.LastGrant, time.Now()})
		w.noteLocked("%s opens for number %d", at, s.LastGrant)
		w.counts["openings"]++
	}
	w.steel[at] = s
}

// Change changes what is known of a pass.
func (w *Witness) Change(id string, f func(*Pass)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.passes[id]
	p.Refused = maps.Clone(p.Refused) // pictures share the old one
	f(&p)
	w.passes[id] = p
}

// Picture returns what is known now, without journals and ledger.
func (w *Witness) Picture() *Picture {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &Picture{Openings: slices.Clone(w.openings), Passes: maps.Clone(w.passes), Codes: maps.Clone(w.codes),
		Withdrawn: maps.Clone(w.withdrawn), Locks: slices.Clone(w.locks), Rules: slices.Clone(w.rules), Commands: maps.Clone(w.commands)}
}

// History returns the newest lines.
func (w *Witness) History() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events[max(0, len(w.events)-keptEvents):])
}

// Openings is how many there were.
func (w *Witness) Openings() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.openings)
}

// Counts returns a copy of what was counted.
func (w *Witness) Counts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.counts)
}
