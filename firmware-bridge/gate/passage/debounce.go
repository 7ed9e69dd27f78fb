package passage

import "time"

// Settle is how long a contact must be steady to count. Gates hold theirs for
// 100 ms and more; relay contacts bounce for some milliseconds.
const Settle = 20 * time.Millisecond

// Debounce turns a contact's raw level into a steady one: its times are the caller's.
type Debounce struct {
	Steady bool
	rival  time.Time // since when the level has been different; zero if it is not
}

// Sample takes a level read at now, and whether an edge is known to have come
// since the last one. It reports whether Steady changed.
func (d *Debounce) Sample(level, edge bool, now time.Time) bool {
	switch {
	case level == d.Steady:
		d.rival = time.Time{}
	case d.rival.IsZero() || edge:
		d.rival = now
	case now.Sub(d.rival) >= Settle:
		d.Steady, d.rival = level, time.Time{}
		return true
	}
	return false
}

// Due is when a level that is different now will count if it stays; zero if it
// is not different.
func (d *Debounce) Due() time.Time {
	if d.rival.IsZero() {
		return time.Time{}
	}
	return d.rival.Add(Settle)
}
