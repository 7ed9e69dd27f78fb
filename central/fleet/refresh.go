package fleet

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
)

// Refresh takes in what other centrals of the database changed: who is invited,
// enrolled, renewed, removed. Enrolled and Removed are called for theirs as for
// one's own. It reads one number if nothing has changed.
func (f *Fleet) Refresh(ctx context.Context) error {
	f.changing.Lock()
	defer f.changing.Unlock()
	return f.refresh(ctx)
}

// Know refreshes if a lane controller that says something is not known as enrolled:
// it may have come through another central a moment ago.
func (f *Fleet) Know(ctx context.Context, lane string) error {
	if f.Keys(lane) != nil {
		return nil
	}
	return f.Refresh(ctx)
}

// refresh is Refresh with changing held.
func (f *Fleet) refresh(ctx context.Context) error {
	revision, err := f.config.DB.Revision(ctx, database.LaneRevision)
	if err != nil {
		return fmt.Errorf("load lanes: %w", err)
	}
	if revision == f.revision {
		return nil
	}
	rows, err := f.config.DB.Lanes(ctx)
	if err != nil {
		return fmt.Errorf("load lanes: %w", err)
	}
	enrolled, removed, err := f.merge(rows)
	if err != nil {
		return err
	}
	f.revision = revision
	for _, lane := range removed {
		f.config.Removed(ctx, lane)
	}
	for _, lane := range enrolled {
		f.config.Enrolled(ctx, lane)
	}
	return nil
}

// merge makes the map what the rows say, and keeps what was heard. It returns who
// enrolled and who lost the enrolment.
func (f *Fleet) merge(rows []database.Lane) (enrolled, removed []string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gone := map[string]bool{}
	for id, m := range f.lanes {
		gone[id] = m.row.Enrolled != 0
	}
	for _, row := range rows {
		old := f.lanes[row.ID]
		delete(gone, row.ID)
		if old != nil && sameKeys(old.row, row) {
			n := *old
			n.row.Certificate, n.row.Expires = row.Certificate, row.Expires
			f.put(row.ID, &n)
			continue
		}
		m, err := newMember(f.config.Site, row)
		if err != nil {
			return nil, nil, fmt.Errorf("load lane %s: %w", row.ID, err)
		}
		m.heard = f.config.Now()
		f.put(row.ID, m)
		switch {
		case row.Enrolled != 0:
			enrolled = append(enrolled, row.ID)
		case old != nil && old.row.Enrolled != 0:
			removed = append(removed, row.ID)
		}
	}
	for id, was := range gone {
		delete(f.lanes, id)
		delete(f.others, id)
		f.version++
		if was {
			removed = append(removed, id)
		}
	}
	return enrolled, removed, nil
}

// sameKeys reports whether two rows are of one enrolment.
func sameKeys(a, b database.Lane) bool {
	return a.Enrolled == b.Enrolled && bytes.Equal(a.JournalKey, b.JournalKey) && bytes.Equal(a.SealKey, b.SealKey)
}

func (f *Fleet) mine(lane string) bool { return f.config.Mine == nil || f.config.Mine(lane) }

// queue hands a report to Run, or keeps it in case this central has to; mu is held.
func (f *Fleet) queue(r database.Report) {
	if !f.mine(r.Lane) {
		f.others[r.Lane] = r
		return
	}
	delete(f.others, r.Lane)
	f.reports = append(f.reports, r)
	f.wake()
}

func (f *Fleet) wake() {
	select {
	case f.flush <- struct{}{}:
	default:
	}
}

// Adopt stores the latest report of each lane that became this central's: the one
// that had it may have died before it did.
func (f *Fleet) Adopt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for lane, r := range f.others {
		if f.mine(lane) {
			delete(f.others, lane)
			f.reports = append(f.reports, r)
		}
	}
	f.wake()
}

// healAfter is how old a report is that another central has to store and has not:
// it may have moved between nodes of the broker when it came.
const healAfter = 5 * time.Second

// Reconcile takes in the reports that other centrals stored and this one did not
// hear, and stores those that it heard and nobody stored. Lanes report again within
// a minute by themselves.
func (f *Fleet) Reconcile(ctx context.Context) error {
	rows, err := f.config.DB.Lanes(ctx)
	if err != nil {
		return fmt.Errorf("load lanes: %w", err)
	}
	now := f.config.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, row := range rows {
		m := f.lanes[row.ID]
		if m == nil || m.keys == nil || bytes.Equal(row.State, m.row.State) {
			continue
		}
		stored, err := link.Open[link.LaneState](row.State, link.TypeState, f.config.Site, m.keys, link.MaxState)
		if err == nil && (m.state == nil || isNewer(stored, m.state)) {
			n := *m
			n.state, n.heard = stored, now
			n.row.State, n.row.Alive, n.row.Since = row.State, row.Alive, row.Since
			f.put(row.ID, &n)
			continue
		}
		if r, ok := f.others[row.ID]; ok && now.UnixMilli()-r.At >= healAfter.Milliseconds() {
			delete(f.others, row.ID)
			f.reports = append(f.reports, r)
		}
	}
	f.wake()
	return nil
}

// isNewer reports whether a lane said a after b.
func isNewer(a, b *link.LaneState) bool {
	return !stale(b, a) && (stale(a, b) || a.Sent > b.Sent)
}
