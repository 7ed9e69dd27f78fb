package chaos

import (
	"context"
	"maps"
	"time"

	"turnstile/central/office"
)

// Lock is one lockdown of a zone, by rules of central.
type Lock struct {
	Zone    uint8
	Version uint64               // of the rules
	Since   map[string]time.Time // lane controllers that have acknowledged them, and since when that is known
	Until   time.Time            // when other rules were first asked for; zero: it stands
}

// Rules is a version of the rules, and when it was asked for.
type Rules struct {
	Version uint64
	At      time.Time
}

// How long a zone is locked, and how often one is. A lane tells within a second
// that it has new rules, and some more pass until an opening is wrong.
const (
	lockTime  = 5 * time.Second
	lockEvery = 15 * time.Second
)

// locker is the part of the office that locks zones down and releases them. Used
// by one goroutine at a time.
type locker struct {
	next    time.Time // when the next lockdown begins
	release time.Time // when the one that stands ends; zero: none stands
}

// govern begins and ends lockdowns, and follows who has acknowledged one.
func (d *desk) govern(ctx context.Context) {
	now := time.Now()
	switch {
	case d.lock.release.IsZero() && now.After(d.lock.next):
		d.lock.next = now.Add(lockEvery)
		zone := 1
		if d.rand.IntN(5) < 2 {
			zone = 0
		}
		d.lockDown(ctx, zone)
	case !d.lock.release.IsZero() && now.After(d.lock.release):
		d.unlock(ctx)
	case !d.lock.release.IsZero():
		d.askLocked(ctx)
	}
}

func (d *desk) lockDown(ctx context.Context, zone int) {
	var r office.RulesBody
	if d.api.Do(ctx, "GET", "/rules", nil, &r) != nil {
		return
	}
	for i := range r.Zones {
		if r.Zones[i].ID == zone {
			r.Zones[i].Mode = "lockdown"
		}
	}
	d.lock.release = time.Now().Add(lockTime)
	version, ok := d.put(ctx, r)
	if ok {
		d.world.locked(Lock{Zone: uint8(zone), Version: version})
	}
	d.world.note("lockdown of zone %d: rules %d, %t", zone, version, ok)
	d.world.count("lockdowns", 1)
}

// put puts rules into force. What central answered too late may be in force too.
func (d *desk) put(ctx context.Context, r office.RulesBody) (version uint64, ok bool) {
	d.world.asked(Rules{r.Version + 1, time.Now()})
	var set office.RulesBody
	r.Issued = nil
	err := d.api.Do(ctx, "PUT", "/rules", r, &set)
	return set.Version, err == nil
}

// unlock puts all zones back to normal; it is tried again until central says so.
func (d *desk) unlock(ctx context.Context) {
	d.world.unlocked(time.Now())
	var r office.RulesBody
	if d.api.Do(ctx, "GET", "/rules", nil, &r) != nil {
		return
	}
	for i := range r.Zones {
		r.Zones[i].Mode = "normal"
	}
	if _, ok := d.put(ctx, r); ok {
		d.lock.release = time.Time{}
	}
}

func (d *desk) askLocked(ctx context.Context) {
	lanes, err := d.api.Lanes(ctx)
	if err != nil {
		return
	}
	for _, l := range lanes {
		d.world.obeys(l.ID, l.Rules)
	}
}

// locked notes that a lockdown began.
func (w *world) locked(l Lock) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.locks = append(w.locks, l)
}

// unlocked notes that the last lockdown may be over from now on.
func (w *world) unlocked(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.locks); n > 0 && w.locks[n-1].Until.IsZero() {
		w.locks[n-1].Until = now
	}
}

// obeys notes which rules a lane controller has.
func (w *world) obeys(controller string, version uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.locks)
	if n == 0 || version < w.locks[n-1].Version || !w.locks[n-1].Until.IsZero() {
		return
	}
	l := &w.locks[n-1]
	if _, known := l.Since[controller]; !known {
		l.Since = maps.Clone(l.Since) // pictures share the old one
		if l.Since == nil {
			l.Since = map[string]time.Time{}
		}
		l.Since[controller] = time.Now()
	}
}

// asked notes rules that central was asked to put into force.
func (w *world) asked(r Rules) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rules = append(w.rules, r)
}
