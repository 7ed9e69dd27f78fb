package campus

import "testing"

// TestReleased: a lane that has not heard of a release refuses the pass still.
func TestReleased(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{Lanes: DefaultLanes()[:1]})
	refusedBy := func(n int) func(View) bool { return func(v View) bool { return v.Passes[0].Lanes == n } }
	s.do("issue alumna ecard", "hold alumna")
	s.until("the lane refuses it", refusedBy(1))
	s.do("cable north cut", "release alumna")
	if v := s.View(); v.Passes[0].Status != "good" || !refusedBy(1)(v) {
		t.Errorf("released at central alone: %+v", v.Passes[0])
	}
	s.do("cable north join")
	s.until("the lane lets it in again", refusedBy(0))
	s.do("hold alumna")
	s.until("the lane refuses it again", refusedBy(1))
}
