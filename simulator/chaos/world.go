package chaos

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

// world is what an onlooker sees and what the office knows. Its methods are safe
// for concurrent use.
type world struct {
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
}

func newWorld() *world {
	return &world{steel: map[string]device.ControllerState{}, passes: map[string]Pass{}, counts: map[string]int{}, codes: map[string]Code{}, withdrawn: map[uint16]uint64{}}
}

// note keeps one line of history.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(format, args...)
}

func (w *world) noteLocked(format string, args ...any) {
	w.events = append(w.events, stamp(time.Now())+" "+fmt.Sprintf(format, args...))
	if len(w.events) > 2*keptEvents {
		w.events = slices.Clone(w.events[len(w.events)-keptEvents:])
	}
}

// count adds to a number of the report.
func (w *world) count(what string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what] += n
}

// watch takes the state of a gate's controller, as it is published.
func (w *world) watch(controller string, lane int, s device.ControllerState) {
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

// change changes what is known of a pass.
func (w *world) change(id string, f func(*Pass)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.passes[id]
	p.Refused = maps.Clone(p.Refused) // pictures share the old one
	f(&p)
	w.passes[id] = p
}

// picture returns what is known now, without journals and ledger.
func (w *world) picture() *Picture {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &Picture{Openings: slices.Clone(w.openings), Passes: maps.Clone(w.passes), Codes: maps.Clone(w.codes),
		Withdrawn: maps.Clone(w.withdrawn), Locks: slices.Clone(w.locks), Rules: slices.Clone(w.rules)}
}

// history returns the newest lines.
func (w *world) history() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events[max(0, len(w.events)-keptEvents):])
}
