package campus

import (
	"testing"

	"turnstile/central/pass"
)

// TestReasons has lanes refuse for every reason that a campus can bring about, other
// than those of forged codes, wires and full disks, which have tests of their own.
func TestReasons(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	s.perform([]step{
		{"rules 0 repeat=0s", s.obeys("south")},
		{"issue zone1 ecard zones=1", nil}, {"scan north zone1", decided("north", "WRONG_ZONE")},
		{"issue short ecard from=09:00 for=10m", nil}, {"issue led ecard escort=yes", nil}, {"scan north led", decided("north", "ESCORT_NEEDED")},
		{"issue live ecard live=yes exempt=yes", nil}, {"shot live", nil}, {"scan south live shot", came("south", "live", "passed")}, {"scan south live shot", decided("south", "LIVE_REPLAYED")},
		{"issue once guest entries=1", nil}, {"scan south once", came("south", "once", "passed")}, {"scan south once", decided("south", "ALREADY_USED")},
		{"rules 0 passback=hard", s.obeys("south")}, {"issue alumna ecard", nil}, {"scan south alumna", came("south", "alumna", "passed")}, {"scan south alumna", decided("south", "ALREADY_INSIDE")},
		{"supervisor north slip open-in", nil}, {"scan south slip", decided("south", "WRONG_LANE")}, {"scan north slip", came("north", "slip", "passed")},
		{"mode 0 lockdown", s.obeys("north")}, {"scan north short", decided("north", "LOCKDOWN")}, {"mode 0 normal", s.obeys("north")},
		{"advance 20m", nil}, {"scan north short", decided("north", "EXPIRED")},
		{"rules 0 close=08:00", s.obeys("north")}, {"issue porter staff", nil}, {"scan north porter", decided("north", "CLOSED")}, {"rules 0 open=none", s.obeys("north")},
		{"shot porter", nil}, {"withdraw", s.hasHeard("north")}, {"scan north porter shot", decided("north", "KEY_REVOKED")}, {"scan north porter", came("north", "porter", "passed")},

		{"cable library cut", nil}, {"power library cut", nil}, {"clock library 1970", nil}, {"power library on", nil},
		{"issue visitor guest", nil}, {"scan library visitor", decided("library", "CLOCK_UNTRUSTED")},
		{"heal", func(v View) bool { return s.hasHeard("south")(v) && v.on("south").Backlog == 0 }},
		{"cable south cut", nil}, {"replace south", nil}, {"scan south alumna", decided("south", "NO_FEED")}, {"cable south join", nil},
	})
	s.whole()
	s.do("scan south porter")
	s.until("a new disk is filled", func(v View) bool {
		return v.last("south").Reason != pass.NoFeed.String() && v.last("south").Pass == "porter"
	})
	s.whole()
}
