package officetest

import (
	"context"
	"slices"

	"turnstile/central/office"
)

// places is the fake's office.Places.
type places struct{ f *Fake }

func (s places) Entrances(context.Context) ([]office.Entrance, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return slices.Clone(s.f.entrances), nil
}

func (s places) SetEntrance(_ context.Context, _ string, e office.Entrance) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.entrances = append(slices.DeleteFunc(s.f.entrances, func(x office.Entrance) bool { return x.ID == e.ID }), e)
	return nil
}

func (s places) RemoveEntrance(_ context.Context, _, id string) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if slices.ContainsFunc(s.f.places, func(p office.Place) bool { return p.Entrance == id }) {
		return office.Refuse(office.ErrConflict, "Lanes stand at this entrance; move them to another one first.")
	}
	n := len(s.f.entrances)
	s.f.entrances = slices.DeleteFunc(s.f.entrances, func(x office.Entrance) bool { return x.ID == id })
	if len(s.f.entrances) == n {
		return office.Refuse(office.ErrNotFound, "There is no entrance %q.", id)
	}
	return nil
}

func (s places) Places(context.Context) ([]office.Place, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return slices.Clone(s.f.places), nil
}

func (s places) SetPlace(_ context.Context, _ string, p office.Place) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if !slices.ContainsFunc(s.f.lanes, func(l office.Lane) bool { return l.ID == p.Lane }) {
		return office.Refuse(office.ErrNotFound, "There is no lane controller %q.", p.Lane)
	}
	if p.Entrance != "" && !slices.ContainsFunc(s.f.entrances, func(e office.Entrance) bool { return e.ID == p.Entrance }) {
		return office.Refuse(office.ErrInvalid, "There is no entrance %q; make it first.", p.Entrance)
	}
	s.f.places = append(slices.DeleteFunc(s.f.places, func(x office.Place) bool { return x.Lane == p.Lane }), p)
	return nil
}

// laneFleet is the fake's office.Fleet.
type laneFleet struct{ f *Fake }

func (s laneFleet) Retire(ctx context.Context, by, lane, reason string) error {
	if err := (lanes{s.f}).Remove(ctx, by, lane); err != nil {
		return err
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.retired = append(s.f.retired, office.RetiredLane{ID: lane, At: s.f.Now(), By: by, Reason: reason})
	return nil
}

func (s laneFleet) Revoke(_ context.Context, _, lane, _ string) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	i := slices.IndexFunc(s.f.lanes, func(l office.Lane) bool { return l.ID == lane && !l.Enrolled.IsZero() })
	if i < 0 {
		return office.Refuse(office.ErrNotFound, "There is no lane controller %q that is enrolled.", lane)
	}
	s.f.lanes[i] = office.Lane{ID: lane, Since: s.f.Now()}
	return nil
}

func (s laneFleet) Retired(context.Context) ([]office.RetiredLane, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return slices.Clone(s.f.retired), nil
}

func (s laneFleet) Dossier(_ context.Context, lane string) (office.Dossier, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, l := range s.f.lanes {
		if l.ID == lane {
			return office.Dossier{Lane: l, Place: office.Place{Lane: lane}}, nil
		}
	}
	return office.Dossier{}, office.Refuse(office.ErrNotFound, "There is no lane controller %q.", lane)
}

func (s laneFleet) Board(context.Context) (*office.Board, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	b := &office.Board{Entrances: s.f.entrances, Retired: len(s.f.retired)}
	for _, l := range s.f.lanes {
		b.Lanes = append(b.Lanes, office.BoardLane{Lane: l, Place: office.Place{Lane: l.ID}})
	}
	return b, nil
}
