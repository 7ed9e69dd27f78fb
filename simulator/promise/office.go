package promise

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"turnstile/central/office"
	"turnstile/simulator/site"
)

// Acknowledged keeps which lane controllers refuse a pass by now.
func (w *Witness) Acknowledged(id string, r *office.RefusedByBody, s *site.Site) {
	now := time.Now()
	w.Change(id, func(p *Pass) {
		p.Revoked = r.Seq
		if p.Refused == nil {
			p.Refused = map[string]time.Time{}
		}
		for _, a := range s.Agents {
			if _, known := p.Refused[a.ID]; !known && !misses(r, a.ID) {
				p.Refused[a.ID] = now
			}
		}
	})
}

func misses(r *office.RefusedByBody, id string) bool {
	for _, m := range r.Missing {
		if m.ID == id {
			return true
		}
	}
	return false
}

// Locked notes that a lockdown began.
func (w *Witness) Locked(l Lock) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.locks = append(w.locks, l)
}

// Unlocked notes that all lockdowns may be over from now on.
func (w *Witness) Unlocked(now time.Time) { w.unlock(now, func(Lock) bool { return true }) }

// UnlockedZone notes that a zone's lockdown may be over from now on.
func (w *Witness) UnlockedZone(zone uint8, now time.Time) {
	w.unlock(now, func(l Lock) bool { return l.Zone == zone })
}

func (w *Witness) unlock(now time.Time, which func(Lock) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, l := range w.locks {
		if l.Until.IsZero() && which(l) {
			w.locks[i].Until = now
		}
	}
}

// Obeys notes which rules a lane controller has.
func (w *Witness) Obeys(controller string, version uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.locks {
		l := &w.locks[i]
		if _, known := l.Since[controller]; known || version < l.Version || !l.Until.IsZero() {
			continue
		}
		l.Since = maps.Clone(l.Since) // pictures share the old one
		if l.Since == nil {
			l.Since = map[string]time.Time{}
		}
		l.Since[controller] = time.Now()
	}
}

// Waits reports that a lockdown stands: that not all are known to obey it.
func (w *Witness) Waits() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.locks, func(l Lock) bool { return l.Until.IsZero() })
}

// Commanded notes that central is about to open a lane once.
func (w *Witness) Commanded(controller string, lane uint8) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commands[fmt.Sprintf("%s/%d", controller, lane)]++
}

// CommandedAtLeast notes openings that somebody else asked central for, all so far by
// controller/lane.
func (w *Witness) CommandedAtLeast(given map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for at, n := range given {
		w.commands[at] = max(w.commands[at], n)
	}
}

// Asked notes rules that central was asked to put into force.
func (w *Witness) Asked(r Rules) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rules = append(w.rules, r)
}

// IssuedCode notes a supervisor code of central.
func (w *Witness) IssuedCode(id string, c Code) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.codes[id] = c
}

// Withdrew notes that whoever has applied the event refuses a key's passes.
func (w *Witness) Withdrew(key uint16, event uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.withdrawn[key] = event
}
