package lanes_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/console"
	"turnstile/central/console/lanes"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

var hongKong = time.FixedZone("HKT", 8*3600)

// noon is the time of the fakes.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, hongKong)

// yard is a fleet in memory behind the pages.
type yard struct {
	mu       sync.Mutex // guards the following
	role     rights.Role
	board    office.Board
	retired  []office.RetiredLane
	done     []string // deeds, in words
	fail     error    // what deeds return
	commands map[string]office.Command
	slow     chan struct{} // who has looked at the board waits for it; nil: does not
}

func (y *yard) Wrap(next http.Handler) http.Handler { return next }

func (y *yard) Principal(*http.Request) (console.Principal, bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	return console.Principal{Name: "guard", Roles: []rights.Role{y.role}, Permissions: y.role.Permissions(), Proved: noon}, y.role != ""
}

func (y *yard) do(format string, args ...any) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.fail == nil {
		y.done = append(y.done, fmt.Sprintf(format, args...))
	}
	return y.fail
}

func (y *yard) Board(context.Context) (*office.Board, error) {
	y.mu.Lock()
	b, slow := y.board, y.slow
	y.mu.Unlock()
	if slow != nil {
		<-slow
	}
	return &b, nil
}

func (y *yard) version(context.Context) (string, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	return fmt.Sprint(y.board.Version), nil
}

// hold has whoever looks at the board from now on wait for c; nil: nobody.
func (y *yard) hold(c chan struct{}) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.slow = c
}

// change changes the board as central would.
func (y *yard) change(f func(*office.Board)) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.board.Lanes = append([]office.BoardLane(nil), y.board.Lanes...)
	y.board.Version++
	f(&y.board)
}

func (y *yard) Retire(_ context.Context, by, lane, reason string) error {
	return y.do("%s retires %s: %s", by, lane, reason)
}

func (y *yard) Revoke(_ context.Context, by, lane, reason string) error {
	return y.do("%s revokes %s: %s", by, lane, reason)
}

func (y *yard) Retired(context.Context) ([]office.RetiredLane, error) { return y.retired, nil }

func (y *yard) Dossier(_ context.Context, lane string) (office.Dossier, error) {
	for _, l := range y.board.Lanes {
		if l.ID == lane {
			return office.Dossier{Lane: l.Lane, Place: l.Place, Serial: "0badcafe", Passages: l.Sights,
				Journals: []office.Journal{{ID: link.JournalID{1, 2}, Durable: l.Durable, Started: noon, Gaps: []office.Gap{{From: 7, To: 9, At: noon}}}},
				Alarms:   []office.Alarm{{Number: 1, At: noon, Lane: lane, Code: "journal_gap", Detail: "<b>3</b> entries", Next: "look at the disk"}},
				Deeds:    []office.Deed{{At: noon, By: "user:office", Action: "enrol"}, {At: noon, By: "lane " + lane, Action: "renew"}}}, nil
		}
	}
	for i, r := range y.retired {
		if r.ID == lane {
			return office.Dossier{Lane: office.Lane{ID: lane}, Place: office.Place{Lane: lane, Name: "Old"}, Retired: &y.retired[i]}, nil
		}
	}
	return office.Dossier{}, office.Refuse(office.ErrNotFound, "There is no lane controller %q.", lane)
}

func (y *yard) Entrances(context.Context) ([]office.Entrance, error) { return y.board.Entrances, nil }

func (y *yard) SetEntrance(_ context.Context, by string, e office.Entrance) error {
	return y.do("%s sets entrance %+v", by, e)
}

func (y *yard) RemoveEntrance(_ context.Context, by, id string) error {
	return y.do("%s removes entrance %s", by, id)
}

func (y *yard) Places(context.Context) ([]office.Place, error) { return nil, nil }

func (y *yard) SetPlace(_ context.Context, by string, p office.Place) error {
	return y.do("%s places %+v", by, p)
}

func (y *yard) List(context.Context) (list []office.Lane, err error) {
	for _, l := range y.board.Lanes {
		list = append(list, l.Lane)
	}
	return list, nil
}

func (y *yard) Invite(_ context.Context, by, id string) (office.Invitation, error) {
	return office.Invitation{Token: link.NewEnrolToken(link.Hash{1}).Text(), Expires: noon.Add(time.Hour)}, y.do("%s invites %s", by, id)
}

func (y *yard) Remove(context.Context, string, string) error { return nil }

// orders are the yard's commands and modes.
type orders struct{ *yard }

func (y orders) Open(_ context.Context, by string, o office.Opening) (office.Command, error) {
	return office.Command{ID: o.Lane + ".1"}, y.do("%s opens %s/%d %d %s %q", by, o.Lane, o.Index, o.Direction, o.Cause, o.Reason)
}

func (y orders) Identify(_ context.Context, by, lane string, index uint8) (office.Command, error) {
	return office.Command{ID: lane + ".2"}, y.do("%s identifies %s/%d", by, lane, index)
}

func (y orders) Find(_ context.Context, id string) (office.Command, error) {
	c, ok := y.commands[id]
	if !ok {
		return c, office.Refuse(office.ErrNotFound, "There is no command %q.", id)
	}
	return c, nil
}

func (y orders) List(context.Context, string, int) (list []office.Command, err error) {
	for _, c := range y.commands {
		list = append(list, c)
	}
	return list, nil
}

func (y orders) SetModes(_ context.Context, by string, zones []uint8, m link.Mode, reason string) (link.Rules, error) {
	return link.Rules{}, y.do("%s sets zones %d to %d: %s", by, zones, m, reason)
}

// stand returns a lane controller with one lane as it stands on the board.
func stand(id, entrance, name string, change func(*link.LaneState)) office.BoardLane {
	s := &link.LaneState{Lane: id, Boot: 3, Alive: true, Epoch: 1, Seq: 40, Keyset: 2, Rules: 5, Clock: link.ClockTrusted, Bound: 1, Last: 120,
		Program: "1.4.0", Lanes: []link.LaneInfo{{Number: 1, Name: name, State: "idle"}}, Sent: noon.UnixMilli()}
	alive := true
	if change != nil {
		change(s)
		alive = s.Alive
	}
	l := office.BoardLane{Lane: office.Lane{ID: id, Enrolled: noon, Expires: noon.Add(90 * 24 * time.Hour), Alive: alive, Since: noon.Add(-2 * time.Hour),
		UpToDate: s.Seq == 40, Durable: 120, State: s}, Place: office.Place{Lane: id, Entrance: entrance}}
	for i, x := range []office.Sight{
		{Type: link.EntryPassed, Kind: pass.ECard, Direction: 1}, {Type: link.EntryDenied, Reason: pass.Expired, Kind: pass.Guest, Direction: 1},
		{Type: link.EntryPassed, Kind: pass.Guest, Direction: 2}, {Type: link.EntryNotPassed, Kind: pass.Staff, Direction: 1}, {Type: link.EntryPassed, Kind: pass.Command, Direction: 1},
	} {
		x.Number, x.Lane, x.At = int64(900-i), 1, noon.Add(-time.Duration(i)*37*time.Second)
		l.Sights = append(l.Sights, x)
	}
	return l
}

func newYard() *yard {
	y := &yard{role: rights.Admin, commands: map[string]office.Command{}}
	y.board = office.Board{Source: "here", Version: 10, Layout: 3, Seq: 40, Rules: 5, Retired: 1,
		Entrances: []office.Entrance{{ID: "main", Name: "Main gate", NameZH: "正門", Position: 1}, {ID: "library", Name: "Library", NameZH: "圖書館", Position: 2}},
		Zones: []office.ZoneState{{Zone: link.Zone{ID: 0, Name: "Campus", NameZH: "校園"}, Version: 1},
			{Zone: link.Zone{ID: 1, Name: "Library", NameZH: "圖書館", Mode: link.Lockdown}, Version: 5, By: "user:chief", Since: noon.Add(-time.Hour), Reason: "incident: flood"},
			{Zone: link.Zone{ID: 2, Name: "Hall", NameZH: "禮堂", Mode: link.FreePassage}, Version: 5, By: "user:chief", Since: noon.Add(-3 * time.Hour), Reason: "event"}},
	}
	zone := func(id uint8) func(*link.LaneState) { return func(s *link.LaneState) { s.Lanes[0].Zone = id } }
	y.board.Lanes = []office.BoardLane{
		stand("north-1", "main", "North 1", nil),
		stand("north-2", "main", "North 2", func(s *link.LaneState) { s.Warnings = []string{"gate.forced", "feed.replayed"} }),
		stand("north-3", "main", "North 3", func(s *link.LaneState) { s.Alive = false }),
		stand("north-4", "main", "North 4", func(s *link.LaneState) { s.Warnings, s.Lanes[0].State = []string{"gate.lost"}, "down" }),
		stand("north-5", "main", "North 5", func(s *link.LaneState) {
			s.Warnings, s.Clock = []string{"clock.untrusted"}, link.ClockUntrusted
			s.Seq = 38
			s.Last = 150
		}),
		stand("library-1", "library", "Library 1", zone(1)),
		stand("library-2", "library", "Library 2", func(s *link.LaneState) { s.Lanes[0].Zone, s.Rules = 1, 4 }),
		stand("hall", "library", "Hall", zone(2)),
		stand("fire", "library", "Fire", func(s *link.LaneState) { s.Warnings = []string{"gate.fire"} }),
		{Lane: office.Lane{ID: "new-1"}, Place: office.Place{Lane: "new-1"}},
	}
	y.board.Lanes[0].Changed = y.board.Version
	y.retired = []office.RetiredLane{{ID: "old-1", At: noon, By: "user:office", Reason: "sold", Enrolled: noon}}
	y.commands["north-1.1"] = office.Command{ID: "north-1.1", Lane: "north-1", Index: 1, Action: link.CommandOpen, Direction: 1, Cause: pass.CauseVisitor,
		Reason: "visitor: the dean's guest", By: "user:guard", Issued: noon, Expires: noon.Add(30 * time.Second), State: office.CommandDone, Result: link.EntryPassed, Answered: noon.Add(4 * time.Second)}
	return y
}

// serve makes the console over a yard.
func serve(t *testing.T, y *yard) *console.Console {
	t.Helper()
	c, err := console.New(console.Options{Auth: y, Site: "campus", Version: "test", Zone: hongKong, Now: func() time.Time { return noon },
		Nav:  []console.Nav{{Path: "/lanes", Text: "Lanes", Need: rights.LanesRead}},
		Live: map[string]console.Version{"lanes": y.version},
		Routes: lanes.Routes(lanes.Deps{Lanes: y, Places: y, Fleet: y, Commands: orders{y}, Modes: orders{y}, Log: slog.New(slog.DiscardHandler),
			Enrol: func() string { return "https://office.example:8443" }})})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ask sends a request; body is a form for POST.
func ask(t *testing.T, c *console.Console, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://office.example/office"+path, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}
