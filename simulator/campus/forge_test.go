package campus

import (
	"slices"
	"testing"
)

// TestForgeries has each kind of forged code refused for its own reason, by a lane
// that would let the pass in.
func TestForgeries(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{Lanes: DefaultLanes()[:1]})
	s.do("issue plain ecard", "issue live ecard live=yes")
	words, _ := verb("forge")
	seen := 0
	for _, word := range words.Words[0] {
		name := "plain"
		if word == "tag" || word == "bare" {
			name = "live"
		}
		s.do("forge "+name+" "+word, "scan north "+name+" forged")
		s.until(word, decided("north", Forgeries()[word]))
		seen++
	}
	if seen != len(forgeries) || seen < 12 {
		t.Errorf("%d of %d forgeries", seen, len(forgeries))
	}
	for _, name := range []string{"plain", "live"} { // what they were made of is good
		s.do("scan north " + name)
		s.until(name, came("north", name, "passed"))
	}
	if v := s.View(); slices.ContainsFunc(v.Passages, func(p Passage) bool { return p.Type == "granted" && p.Pass == "" }) {
		t.Error("a grant for nobody")
	}
	s.whole()
}
