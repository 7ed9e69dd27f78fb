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
	synced(t, s)
	var passes []office.PassBody
	for range 6 {
		passes = append(passes, issue(t, s, nil))
	}
	for i, p := range passes {
		if i == 2 {
			s.Broker().Kill()
		}
		if i == 4 {
			if err := s.StartBroker(); err != nil {
				t.Fatal(err)
			}
		}
		walk(t, s.Agents[i%2], p.Code)
	}
	for _, p := range passes {
		ledger(t, s, p.ID, "granted", "passed")
	}
	if _, err := s.API.Set(t.Context(), passes[0].ID, "revoke", "test"); err != nil {
		t.Fatal(err)
	}
	synced(t, s)
	for _, a := range s.Agents {
		refused(t, a, passes[0].Code, "REVOKED")
	}
	gapless(t, s)
}
