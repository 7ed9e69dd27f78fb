package endtoend

import (
	"testing"

	"turnstile/central/office"
	"turnstile/simulator/site"
)

// mosquitto is Debian's, which make test installs.
const mosquitto = "/usr/sbin/mosquitto"

// TestMosquitto does the main job over a stock mosquitto, which is killed and
// started again in the middle: nothing is lost, nothing is there twice.
func TestMosquitto(t *testing.T) {
	s := campus(t, site.Config{Mosquitto: mosquitto}, "north", "south")
	passes := throughOutage(t, s, s.Broker().Kill, s.StartBroker)
	if _, err := s.API.Set(t.Context(), passes[0].ID, "revoke", "test"); err != nil {
		t.Fatal(err)
	}
	synced(t, s)
	for _, a := range s.Agents {
		refused(t, a, passes[0].Code, "REVOKED")
	}
	gapless(t, s)
}

// throughOutage lets six people walk through two lanes. Something goes down
// behind the second and comes back behind the fourth; in the end every passage is
// in the ledger exactly once. It returns the six passes.
func throughOutage(t *testing.T, s *site.Site, down func(), up func() error) (passes []office.PassBody) {
	t.Helper()
	synced(t, s)
	for range 6 {
		passes = append(passes, issue(t, s, nil))
	}
	for i, p := range passes {
		if i == 2 {
			down()
		}
		if i == 4 {
			if err := up(); err != nil {
				t.Fatal(err)
			}
		}
		walk(t, s.Agents[i%2], p.Code)
	}
	for _, p := range passes {
		ledger(t, s, p.ID, "granted", "passed")
	}
	synced(t, s)
	gapless(t, s)
	return passes
}
