package engine

import (
	"time"

	"turnstile/firmware-bridge/scanner"
)

const (
	// misses is how many signs of life in a row may fail to come.
	misses = 3
	// hurry is how soon a sign of life is asked for after noise, because an engine
	// that was reset speaks at another rate, and after one that did not come.
	hurry = time.Second
	// renewals is how many signs of life fit between two renewals of the settings.
	renewals = 6
)

// pulse decides when to ask for a sign of life and when to make the settings
// anew: no I/O, no clock of its own.
type pulse struct {
	every  time.Duration
	asked  time.Time // the last time, or the last scan
	set    time.Time // when the settings were made; zero for at once
	before scanner.Stats
	missed int
}

func newPulse(every time.Duration, now time.Time, st scanner.Stats) *pulse {
	return &pulse{every: every, asked: now, set: now, before: st}
}

// due reports whether to ask now. A scan is a sign of life; noise is a reason
// to ask soon.
func (p *pulse) due(now time.Time, st scanner.Stats) bool {
	if st.Scans > p.before.Scans {
		p.before, p.asked, p.missed = st, now, 0
		return false
	}
	wait := p.every
	if p.missed > 0 || noise(st) > noise(p.before) {
		wait = min(wait, hurry)
	}
	if now.Sub(p.asked) < wait {
		return false
	}
	p.before = st
	return true
}

// worn reports whether to make the settings anew now, however many scans come.
func (p *pulse) worn(now time.Time) bool {
	return p.missed == 0 && now.Sub(p.set) >= renewals*p.every
}

// renewed notes that this was tried.
func (p *pulse) renewed(now time.Time) { p.set = now }

// beat notes what came of asking. A scan meanwhile is a sign of life too; one
// after a silence may be of an engine that had no power.
func (p *pulse) beat(now time.Time, st scanner.Stats, alive bool) {
	p.asked = now
	switch {
	case !alive && st.Scans == p.before.Scans:
		p.missed++
		return
	case p.missed > 0:
		p.set = time.Time{}
	}
	p.before, p.missed = st, 0
}

const (
	// askFirst is how many signs of life would fit between the fall-back to plain
	// lines and the next time that the sender is asked who it is: it may power up
	// later than this computer, or its reply was late. Each time it is twice as long,
	// up to askLast.
	askFirst = 1
	askLast  = 360
	// garbled is how many frames of noise in a row it takes to doubt a rate at which
	// a scan has come: some are what a visitor has printed.
	garbled = 5
)

// doubt decides when the sender of plain lines is asked again who it is: no I/O,
// no clock of its own.
type doubt struct {
	wait   time.Duration
	most   time.Duration // wait's
	asked  time.Time
	before scanner.Stats // at the last scan, or when asked
}

func newDoubt(every time.Duration, now time.Time, st scanner.Stats) *doubt {
	return &doubt{wait: askFirst * every, most: askLast * every, asked: now, before: st}
}

// garbled reports whether what comes looks like another rate, all of which are to
// be searched; proven is whether a scan has come at this one.
func (d *doubt) garbled(st scanner.Stats, proven bool) bool {
	if st.Scans > d.before.Scans {
		d.before = st
		return false
	}
	n := noise(st) - noise(d.before)
	return n >= garbled || n > 0 && !proven
}

// due reports whether to ask now at this rate, which disturbs no scan.
func (d *doubt) due(now time.Time) bool { return now.Sub(d.asked) >= d.wait }

// again notes that it was asked.
func (d *doubt) again(now time.Time, st scanner.Stats) {
	d.wait, d.asked, d.before = min(2*d.wait, d.most), now, st
}

// noise counts the frames that another rate may have made.
func noise(st scanner.Stats) uint64 { return st.Noise + st.Oversized }
