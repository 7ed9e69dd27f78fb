package chaos

import (
	"context"
	"time"

	"turnstile/central/office"
	"turnstile/simulator/promise"
)

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
		d.world.Locked(promise.Lock{Zone: uint8(zone), Version: version})
	}
	d.world.Note("lockdown of zone %d: rules %d, %t", zone, version, ok)
	d.world.Count("lockdowns", 1)
}

// put puts rules into force. What central answered too late may be in force too.
func (d *desk) put(ctx context.Context, r office.RulesBody) (version uint64, ok bool) {
	d.world.Asked(promise.Rules{Version: r.Version + 1, At: time.Now()})
	var set office.RulesBody
	r.Issued = nil
	err := d.api.Do(ctx, "PUT", "/rules", r, &set)
	return set.Version, err == nil
}

// unlock puts all zones back to normal; it is tried again until central says so.
func (d *desk) unlock(ctx context.Context) {
	d.world.Unlocked(time.Now())
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
		d.world.Obeys(l.ID, l.Rules)
	}
}
