package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
)

// Bounds of what is kept of the ledger in memory.
const (
	sightsPerLane = 5
	sightsPage    = 1000 // rows read at once
	sightsBehind  = 20   // pages; further behind it begins anew
	sightsLook    = 60   // newest entries of a journal that are looked at
)

// sights keeps the newest of what was seen at each lane. It reads the ledger as
// it grows, whoever wrote it. Used under board.mu.
type sights struct {
	db    *database.DB
	last  int64 // read up to this number; 0: not begun
	lanes map[string]map[uint8][]office.Sight
}

// catchUp reads what is new.
func (s *sights) catchUp(ctx context.Context) error {
	for range sightsBehind {
		if s.last == 0 {
			break
		}
		rows, err := s.db.EntriesAfter(ctx, s.last, sightsPage)
		if err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
		for _, r := range rows {
			if err := s.take(r); err != nil {
				return err
			}
		}
		if len(rows) < sightsPage {
			return nil
		}
	}
	last, err := s.db.LastEntry(ctx)
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	s.last, s.lanes = int64(last), map[string]map[uint8][]office.Sight{}
	return nil
}

func (s *sights) take(r database.Stored) error {
	e, _, err := link.ParseEntry(r.Entry)
	if err != nil {
		return fmt.Errorf("read ledger row %d: %w: %w", r.Number, database.ErrDamaged, err)
	}
	s.last = r.Number
	if known := s.lanes[r.Lane]; known != nil {
		known[e.Lane] = see(known[e.Lane], r, &e, sightsPerLane)
	}
	return nil
}

// of returns what was seen at a controller, the newest first of each lane.
func (s *sights) of(ctx context.Context, lane string) ([]office.Sight, error) {
	if s.lanes[lane] == nil {
		if err := s.begin(ctx, lane); err != nil {
			return nil, fmt.Errorf("read ledger of lane %s: %w", lane, err)
		}
	}
	return newestFirst(s.lanes[lane]), nil
}

// begin reads the end of a controller's newest journal.
func (s *sights) begin(ctx context.Context, lane string) error {
	journals, err := s.db.JournalsOf(ctx, lane)
	if err != nil {
		return err
	}
	known := map[uint8][]office.Sight{}
	if len(journals) > 0 {
		rows, err := s.db.LatestEntries(ctx, journals[0].Key, s.last, sightsLook)
		if err != nil {
			return err
		}
		for _, r := range slices.Backward(rows) {
			e, _, err := link.ParseEntry(r.Entry)
			if err != nil {
				return fmt.Errorf("row %d: %w: %w", r.Number, database.ErrDamaged, err)
			}
			known[e.Lane] = see(known[e.Lane], r, &e, sightsPerLane)
		}
	}
	s.lanes[lane] = known
	return nil
}

// newestFirst copies what was seen at all lanes into one list.
func newestFirst(byLane map[uint8][]office.Sight) (list []office.Sight) {
	for _, l := range byLane {
		list = append(list, l...)
	}
	slices.SortFunc(list, func(a, b office.Sight) int { return -cmp.Compare(a.Number, b.Number) })
	return list
}

// see adds an entry to what was seen at its lane, the newest first: a result
// completes its decision, and what only concerns the program is left out.
func see(list []office.Sight, r database.Stored, e *link.Entry, limit int) []office.Sight {
	switch e.Type {
	case link.EntryBoot, link.EntryFloor:
		return list
	case link.EntryPassed, link.EntryNotPassed, link.EntryUnknown:
		i := slices.IndexFunc(list, func(s office.Sight) bool {
			return s.Type == link.EntryGranted && s.Journal == r.Journal && s.Seq == e.Grant
		})
		if i >= 0 {
			list[i].Type = e.Type
			return list
		}
	}
	s := office.Sight{Number: r.Number, Lane: e.Lane, At: time.UnixMilli(e.Wall), Direction: e.Direction, Type: e.Type, Reason: e.Reason,
		Kind: e.Kind, Flags: e.Flags, Seq: e.Seq, Journal: r.Journal}
	return append([]office.Sight{s}, list[:min(len(list), limit-1)]...)
}
