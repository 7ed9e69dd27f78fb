package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/status"
)

// board makes what the guards look at, once for all who look, and again only
// when something of it has changed.
type board struct {
	central *central
	source  string // tells this board's versions from another central's

	mu     sync.Mutex // guards the following
	now    *office.Board
	key    string
	sights sights
	zones  []office.ZoneState
	rules  uint64 // version that zones were made from
}

func newBoard(s *central) *board {
	return &board{central: s, source: rand.Text()[:8], now: &office.Board{}, sights: sights{db: s.db}}
}

// version changes whenever the board does. It asks the database two numbers.
func (b *board) version(ctx context.Context) (string, error) {
	s := b.central
	last, err := s.db.LastEntry(ctx)
	if err != nil {
		return "", err
	}
	places, err := s.db.Revision(ctx, database.PlaceRevision)
	if err != nil {
		return "", err
	}
	v := s.feed.View()
	return fmt.Sprintf("%s.%d.%d.%d.%d.%d", b.source, s.fleet.Version(), places, last, v.Rules.Version, v.State.Seq), nil
}

// get returns the board as it is.
func (b *board) get(ctx context.Context) (*office.Board, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, err := b.version(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at lanes: %w", err)
	}
	if key == b.key {
		return b.now, nil
	}
	next, err := b.make(ctx)
	if err != nil {
		return nil, err
	}
	b.now, b.key = next, key
	return next, nil
}

// make builds the board that follows now; mu is held.
func (b *board) make(ctx context.Context) (next *office.Board, err error) {
	s := b.central
	next = &office.Board{Source: b.source, Version: b.now.Version + 1, Layout: b.now.Layout, Seq: s.feed.View().State.Seq, Rules: s.feed.View().Rules.Version}
	if next.Entrances, err = (places{s}).Entrances(ctx); err != nil {
		return nil, err
	}
	if next.Zones, err = b.zoneStates(ctx, s.feed.View().Rules); err != nil {
		return nil, err
	}
	retired, err := (laneFleet{s}).Retired(ctx)
	if err != nil {
		return nil, err
	}
	next.Retired = len(retired)
	if err := b.standing(ctx, next); err != nil {
		return nil, err
	}
	b.mark(next)
	return next, nil
}

// standing fills in the lane controllers in the order of the map.
func (b *board) standing(ctx context.Context, next *office.Board) error {
	s := b.central
	all, err := lanes{s}.List(ctx)
	if err != nil {
		return err
	}
	list, err := places{s}.Places(ctx)
	if err != nil {
		return err
	}
	if err := b.sights.catchUp(ctx); err != nil {
		return err
	}
	place, order := map[string]office.Place{}, map[string]int{"": math.MaxInt}
	for _, p := range list {
		place[p.Lane] = p
	}
	for i, e := range next.Entrances {
		order[e.ID] = i
	}
	for _, l := range all {
		x := office.BoardLane{Lane: l, Place: place[l.ID]}
		x.Place.Lane = l.ID
		if x.Sights, err = b.sights.of(ctx, l.ID); err != nil {
			return err
		}
		next.Lanes = append(next.Lanes, x)
	}
	slices.SortFunc(next.Lanes, func(x, y office.BoardLane) int {
		return cmp.Or(cmp.Compare(order[x.Place.Entrance], order[y.Place.Entrance]), cmp.Compare(x.Place.Position, y.Place.Position), cmp.Compare(x.ID, y.ID))
	})
	return nil
}

// mark tells which lanes are another than before, and whether the map is.
func (b *board) mark(next *office.Board) {
	before := map[string]*office.BoardLane{}
	for i := range b.now.Lanes {
		before[b.now.Lanes[i].ID] = &b.now.Lanes[i]
	}
	for i := range next.Lanes {
		l := &next.Lanes[i]
		l.Changed = next.Version
		if old := before[l.ID]; old != nil {
			l.Changed = old.Changed
			if !reflect.DeepEqual(old, l) {
				l.Changed = next.Version
			}
		}
	}
	if !reflect.DeepEqual(layoutOf(b.now), layoutOf(next)) {
		next.Layout = next.Version
	}
}

// layout is what the map consists of; the state of lanes is no part of it.
type layout struct {
	entrances []office.Entrance
	zones     []office.ZoneState
	places    []office.Place
	lanes     [][]link.LaneInfo
	retired   int
}

func layoutOf(b *office.Board) layout {
	out := layout{entrances: b.Entrances, zones: b.Zones, retired: b.Retired}
	for _, l := range b.Lanes {
		out.places = append(out.places, l.Place)
		var infos []link.LaneInfo
		if l.State != nil {
			for _, i := range l.State.Lanes {
				infos = append(infos, link.LaneInfo{Number: i.Number, Zone: i.Zone})
			}
		}
		out.lanes = append(out.lanes, infos)
	}
	return out
}

// Versions of the rules that are searched for the one that set a mode.
const (
	versionsPage  = 50
	versionsPages = 10
)

// zoneStates tells who set the zones' modes; mu is held.
func (b *board) zoneStates(ctx context.Context, r link.Rules) ([]office.ZoneState, error) {
	if b.zones != nil && b.rules == r.Version {
		return b.zones, nil
	}
	open := map[uint8]*office.ZoneState{} // not known yet since when
	list := make([]office.ZoneState, len(r.Zones))
	for i, z := range r.Zones {
		list[i] = office.ZoneState{Zone: z}
		open[z.ID] = &list[i]
	}
	below := uint64(0) // from the newest on
	for range versionsPages {
		rows, err := b.central.db.DocumentVersions(ctx, status.RulesDocument, below, versionsPage)
		if err != nil {
			return nil, fmt.Errorf("read versions of the rules: %w", err)
		}
		for _, v := range rows {
			below = v.Version
			if err := since(open, v.Body, v.By, v.At, v.Version == 1); err != nil {
				return nil, err
			}
		}
		if len(rows) < versionsPage || len(open) == 0 {
			break
		}
	}
	if err := b.reasons(ctx, list); err != nil {
		return nil, err
	}
	b.zones, b.rules = list, r.Version
	return list, nil
}

// since notes for each open zone that its mode stood in a version already, and
// closes those whose mode was another one there.
func since(open map[uint8]*office.ZoneState, body, by string, at int64, first bool) error {
	var r link.Rules
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		return fmt.Errorf("read a version of the rules: %w", err)
	}
	for id, z := range open {
		i := slices.IndexFunc(r.Zones, func(old link.Zone) bool { return old.ID == id && old.Mode == z.Mode })
		if i < 0 {
			delete(open, id)
			continue
		}
		z.By, z.Since, z.Version = by, time.UnixMilli(at), r.Version
		if first {
			z.By = "" // as configured
		}
	}
	return nil
}

// reasons adds why a mode was set, as the audit has it.
func (b *board) reasons(ctx context.Context, list []office.ZoneState) error {
	for i := range list {
		deeds, err := b.central.db.AuditOf(ctx, fmt.Sprintf("zone %d", list[i].ID), 1)
		if err != nil {
			return fmt.Errorf("read who set modes: %w", err)
		}
		for _, d := range deeds {
			if _, reason, ok := strings.Cut(d.Detail, ": "); ok && d.Action == "mode" && d.By == list[i].By {
				list[i].Reason = reason
			}
		}
	}
	return nil
}
