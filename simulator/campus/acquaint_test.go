package campus

import "testing"

// TestAcquainted: what happens right behind Open reaches the other lanes of the zone.
func TestAcquainted(t *testing.T) {
	s := opened(t, Config{})
	for _, x := range s.controllers {
		st, err := x.agent.Status()
		if err != nil || !st.Neighbours.Connected || !s.acquainted(st.Neighbours.Zones) {
			t.Errorf("%s: %v, %+v", x.id, err, st.Neighbours)
		}
		for _, z := range st.Neighbours.Zones {
			if want := map[uint8]int{0: 1, 1: 0}[z.Zone]; len(z.Peers) != want {
				t.Errorf("%s knows %d others in zone %d, want %d", x.id, len(z.Peers), z.Zone, want)
			}
		}
	}
}
