package fleet

import (
	"context"
	"fmt"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
)

// Report takes what came on a lane controller's state topic. An older boot's
// message is ignored: a will that the broker was late with, or a replay. A
// message that is not the lane's own is alarmed and changes nothing.
func (f *Fleet) Report(ctx context.Context, lane string, message []byte, retained bool) error {
	keys := f.Keys(lane)
	if keys == nil {
		return fmt.Errorf("%w: %.40q", ErrUnknown, lane)
	}
	s, err := link.Open[link.LaneState](message, link.TypeState, f.config.Site, keys, link.MaxState)
	if err == nil && s.Lane != lane {
		err = fmt.Errorf("%w: lane %.40q reports for %.40q", link.ErrMalformed, lane, s.Lane)
	}
	if err != nil {
		if f.mine(lane) {
			f.config.Alarm(ctx, "forged_state", lane, "", err.Error())
		}
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.lanes[lane]
	if m == nil || stale(m.state, s) {
		return nil
	}
	f.put(lane, f.heard(m, s, message, retained))
	return nil
}

// stale reports whether s is older than what is known: of an earlier boot, or
// of the same boot with less of the feed applied. A will tells nothing but death.
// Boots count anew with a new journal.
func stale(known, s *link.LaneState) bool {
	if known == nil || s.Boot > known.Boot || s.Journal != known.Journal {
		return false
	}
	return s.Boot < known.Boot || s.Alive && s.Epoch == known.Epoch && s.Seq < known.Seq
}

// heard returns the member after a report and queues it for the database; mu is
// held.
func (f *Fleet) heard(m *member, s *link.LaneState, message []byte, retained bool) *member {
	now := f.config.Now().UnixMilli()
	n := *m
	alive := s.Alive && (!retained || f.config.TrustRetained || m.row.Alive)
	n.heard = f.config.Now()
	if alive != m.row.Alive || m.row.Since == 0 {
		n.row.Alive, n.row.Since = alive, now
	}
	report := database.Report{Lane: m.row.ID, At: now}
	if s.Alive || m.state == nil {
		n.state, n.row.State = s, message
		report.Epoch, report.Seq = s.Epoch, s.Seq
	}
	if m.state != nil && m.state.Epoch == s.Epoch && m.state.Seq == s.Seq {
		report.Seq = 0 // in the history already
	}
	report.State, report.Alive, report.Since = n.row.State, n.row.Alive, n.row.Since
	f.queue(report)
	return &n
}

// Who applied what, and when, is kept for historyLife.
const (
	historyLife  = 90 * 24 * time.Hour
	historyPrune = 6 * time.Hour
)

// Run writes reports into the database until ctx ends. Reports that come
// together share a transaction; one that is lost in a crash comes again with
// the lane's next, or from the broker.
func (f *Fleet) Run(ctx context.Context) error {
	prune, silent := time.NewTicker(historyPrune), time.NewTicker(silentEvery)
	defer prune.Stop()
	defer silent.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-prune.C:
			if err := f.config.DB.PruneApplied(ctx, f.config.Now().Add(-historyLife).UnixMilli()); err != nil {
				f.config.Log.Error("forget old lane reports", "error", err)
			}
		case <-silent.C:
			f.silence(f.config.Now())
		case <-f.flush:
			if err := f.save(ctx); err != nil && ctx.Err() == nil {
				f.config.Log.Error("store lane reports", "error", err)
			}
		}
	}
}

// Lanes report each minute at least. Who has not for silentLife is dead, though no
// will says so: a broker that was killed has published none.
const (
	silentLife  = 200 * time.Second
	silentEvery = 20 * time.Second
)

// silence marks the lanes that are silent as dead.
func (f *Fleet) silence(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, m := range f.lanes {
		if !m.row.Alive || now.Sub(m.heard) < silentLife {
			continue
		}
		n := *m
		n.row.Alive, n.row.Since = false, now.UnixMilli()
		f.put(id, &n)
		f.queue(database.Report{Lane: id, State: n.row.State, Since: n.row.Since, At: now.UnixMilli()})
		f.config.Log.Warn("lane is silent", "lane", id, "last", m.heard)
	}
}

// save writes the waiting reports.
func (f *Fleet) save(ctx context.Context) error {
	f.saving.Lock()
	defer f.saving.Unlock()
	f.mu.Lock()
	reports := f.reports
	f.reports = nil
	f.mu.Unlock()
	if len(reports) == 0 {
		return nil
	}
	return f.config.DB.SaveReports(ctx, reports)
}

// RefusedBy tells which enrolled lane controllers have applied an event.
type RefusedBy struct {
	Lanes   int       // that applied it
	Of      int       // enrolled ones
	Since   time.Time // when the last of Lanes reported it; zero if none did
	Missing []Lane    // the others, by id
}

// RefusedBy returns who has applied event seq of an epoch, and since when.
func (f *Fleet) RefusedBy(ctx context.Context, epoch uint32, seq uint64) (RefusedBy, error) {
	if err := f.save(ctx); err != nil {
		return RefusedBy{}, fmt.Errorf("store lane reports: %w", err)
	}
	rows, err := f.config.DB.AppliedBy(ctx, epoch, seq)
	if err != nil {
		return RefusedBy{}, fmt.Errorf("read who applied event %d: %w", seq, err)
	}
	since := map[string]int64{}
	for _, r := range rows {
		since[r.Lane] = r.At
	}
	var r RefusedBy
	for _, l := range f.Lanes() {
		if l.Enrolled.IsZero() {
			continue
		}
		r.Of++
		at, ok := since[l.ID]
		if !ok {
			r.Missing = append(r.Missing, l)
			continue
		}
		r.Lanes++
		if t := time.UnixMilli(at); t.After(r.Since) {
			r.Since = t
		}
	}
	return r, nil
}
