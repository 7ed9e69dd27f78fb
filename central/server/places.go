package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"turnstile/central/database"
	"turnstile/central/fleet"
	"turnstile/central/link"
	"turnstile/central/office"
)

// places is the API's office.Places.
type places struct{ *central }

func (s places) now() int64 { return s.config.Now().UnixMilli() }

func (s places) Entrances(ctx context.Context) ([]office.Entrance, error) {
	rows, err := s.db.Entrances(ctx)
	if err != nil {
		return nil, fmt.Errorf("read entrances: %w", err)
	}
	list := make([]office.Entrance, 0, len(rows))
	for _, r := range rows {
		list = append(list, office.Entrance(r))
	}
	return list, nil
}

func (s places) SetEntrance(ctx context.Context, by string, e office.Entrance) error {
	if e.NameZH == "" {
		e.NameZH = e.Name
	}
	switch {
	case !link.ValidID(e.ID):
		return office.Refuse(office.ErrInvalid, "The id of an entrance is 1 to 32 of A-Z a-z 0-9 _ -.")
	case e.Name == "" || !office.OneLine(e.Name, office.MaxName) || !office.OneLine(e.NameZH, office.MaxName):
		return office.Refuse(office.ErrInvalid, "A name is 1 to %d characters on one line.", office.MaxName)
	case !goodPosition(e.Position):
		return office.Refuse(office.ErrInvalid, "A position is 0 to %d.", office.MaxPosition)
	}
	if err := s.db.SetEntrance(ctx, database.Entrance(e), by, s.now()); err != nil {
		return fmt.Errorf("store entrance: %w", err)
	}
	return nil
}

func goodPosition(n int) bool { return n >= 0 && n <= office.MaxPosition }

func (s places) RemoveEntrance(ctx context.Context, by, id string) error {
	err := s.db.RemoveEntrance(ctx, id, by, s.now())
	switch {
	case errors.Is(err, database.ErrNotFound):
		return office.Refuse(office.ErrNotFound, "There is no entrance %.40q.", id)
	case errors.Is(err, database.ErrConflict):
		return office.Refuse(office.ErrConflict, "Lanes stand at this entrance; move them to another one first.")
	case err != nil:
		return fmt.Errorf("remove entrance: %w", err)
	}
	return nil
}

func (s places) Places(ctx context.Context) ([]office.Place, error) {
	rows, err := s.db.Places(ctx)
	if err != nil {
		return nil, fmt.Errorf("read places: %w", err)
	}
	list := []office.Place{}
	for _, r := range rows {
		if len(list) == 0 || list[len(list)-1].Lane != r.Lane {
			list = append(list, office.Place{Lane: r.Lane})
		}
		p := &list[len(list)-1]
		if r.Number == 0 {
			p.Entrance, p.Position, p.Name, p.NameZH = r.Entrance, r.Position, r.Name, r.NameZH
		} else {
			p.Lanes = append(p.Lanes, office.LaneName{Number: r.Number, Name: r.Name, NameZH: r.NameZH})
		}
	}
	return list, nil
}

func (s places) SetPlace(ctx context.Context, by string, p office.Place) error {
	if err := checkPlace(p); err != nil {
		return err
	}
	err := s.db.SetPlaces(ctx, placeRows(p), by, s.now())
	switch {
	case errors.Is(err, database.ErrNotFound):
		return office.Refuse(office.ErrNotFound, "There is no lane controller %.40q.", p.Lane)
	case errors.Is(err, database.ErrConflict):
		return office.Refuse(office.ErrInvalid, "There is no entrance %.40q; make it first.", p.Entrance)
	case err != nil:
		return fmt.Errorf("store place: %w", err)
	}
	return nil
}

func checkPlace(p office.Place) error {
	seen := map[uint8]bool{}
	good := office.OneLine(p.Name, office.MaxName) && office.OneLine(p.NameZH, office.MaxName)
	for _, l := range p.Lanes {
		good = good && office.OneLine(l.Name, office.MaxName) && office.OneLine(l.NameZH, office.MaxName)
		if l.Number == 0 || seen[l.Number] {
			return office.Refuse(office.ErrInvalid, "Lanes of a controller have numbers from 1 on, each one name.")
		}
		seen[l.Number] = true
	}
	switch {
	case !good:
		return office.Refuse(office.ErrInvalid, "A name has at most %d characters on one line.", office.MaxName)
	case !goodPosition(p.Position):
		return office.Refuse(office.ErrInvalid, "A position is 0 to %d.", office.MaxPosition)
	}
	return nil
}

func placeRows(p office.Place) []database.Place {
	rows := []database.Place{{Lane: p.Lane, Name: p.Name, NameZH: p.NameZH, Entrance: p.Entrance, Position: p.Position}}
	for _, l := range p.Lanes {
		if l.Name != "" || l.NameZH != "" {
			rows = append(rows, database.Place{Lane: p.Lane, Number: l.Number, Name: l.Name, NameZH: l.NameZH})
		}
	}
	slices.SortFunc(rows, func(a, b database.Place) int { return int(a.Number) - int(b.Number) })
	return rows
}

// laneFleet is the API's office.Fleet.
type laneFleet struct{ *central }

func (s laneFleet) Retire(ctx context.Context, by, lane, reason string) error {
	return s.end(ctx, s.fleet.Retire, by, lane, reason)
}

func (s laneFleet) Revoke(ctx context.Context, by, lane, reason string) error {
	return s.end(ctx, s.fleet.Revoke, by, lane, reason)
}

func (s laneFleet) end(ctx context.Context, deed func(context.Context, string, string, string) error, by, lane, reason string) error {
	if !office.OneLine(reason, office.MaxReason) {
		return office.Refuse(office.ErrInvalid, "A reason has at most %d characters on one line.", office.MaxReason)
	}
	err := deed(ctx, by, lane, reason)
	if errors.Is(err, fleet.ErrUnknown) {
		return office.Refuse(office.ErrNotFound, "There is no lane controller %.40q that is enrolled.", lane)
	}
	return err
}

func (s laneFleet) Retired(ctx context.Context) ([]office.RetiredLane, error) {
	rows, err := s.db.RetiredLanes(ctx)
	if err != nil {
		return nil, fmt.Errorf("read retired lanes: %w", err)
	}
	list := make([]office.RetiredLane, 0, len(rows))
	for _, r := range rows {
		list = append(list, office.RetiredLane{ID: r.Lane, At: time.UnixMilli(r.At), By: r.By, Reason: r.Reason, Enrolled: moment(r.Enrolled)})
	}
	return list, nil
}

// moment returns the time of Unix ms, the zero time for 0.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func (s laneFleet) Board(ctx context.Context) (*office.Board, error) { return s.board.get(ctx) }
