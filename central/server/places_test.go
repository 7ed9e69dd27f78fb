package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// enrolled makes a lane controller of an opened central, without a network.
func (s *opened) enrolled(t *testing.T, id string) *lane {
	t.Helper()
	token, _, err := s.fleet.Invite(t.Context(), "test", id)
	if err != nil {
		t.Fatal(err)
	}
	l := &lane{id: id, topics: link.Topics{Site: s.config.Site}}
	body, err := json.Marshal(l.request(t, token))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.fleet.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, link.EnrolPath, bytes.NewReader(body)))
	if w.Code != http.StatusOK {
		t.Fatalf("enrol %s: %d %s", id, w.Code, w.Body)
	}
	return l
}

// report tells central the state of a controller with two lanes in zone 0.
func (s *opened) report(t *testing.T, l *lane, change func(*link.LaneState)) {
	t.Helper()
	state := link.LaneState{Lane: l.id, Boot: 1, Alive: true, Epoch: s.feed.View().State.Epoch, Seq: s.feed.View().State.Seq, Rules: s.feed.View().Rules.Version,
		Journal: link.JournalID{9}, Lanes: []link.LaneInfo{{Number: 1, Name: "One", State: "idle"}, {Number: 2, Name: "Two", State: "idle"}}, Sent: time.Now().UnixMilli()}
	if change != nil {
		change(&state)
	}
	message, err := link.Seal(l, link.TypeState, s.config.Site, state)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.fleet.Report(t.Context(), l.id, message, false); err != nil {
		t.Fatal(err)
	}
}

// wrote puts entries into the ledger as if a controller had sent them.
func (s *opened) wrote(t *testing.T, id string, entries ...link.Entry) {
	t.Helper()
	err := s.db.Ledger(t.Context(), func(tx *database.LedgerTx) error {
		j, err := tx.Journal(id, link.JournalID{9})
		if errors.Is(err, database.ErrNotFound) {
			j = database.Journal{Lane: id, ID: link.JournalID{9}}
			err = tx.AddJournal(&j)
		}
		if err != nil {
			return err
		}
		var rows []database.Row
		for _, e := range entries {
			j.Last++
			e.Seq, e.Wall = j.Last, time.Now().UnixMilli()
			rows = append(rows, database.Row{Seq: e.Seq, Pass: e.Pass, Entry: e.Append(nil)})
		}
		if err := tx.Append(j.Key, 1, rows); err != nil {
			return err
		}
		return tx.SetJournal(j)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *opened) look(t *testing.T) *office.Board {
	t.Helper()
	b, err := laneFleet{s.central}.Board(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s *opened) on(t *testing.T, id string) office.BoardLane {
	t.Helper()
	b := s.look(t)
	i := slices.IndexFunc(b.Lanes, func(l office.BoardLane) bool { return l.ID == id })
	if i < 0 {
		t.Fatalf("%s is not on the board", id)
	}
	return b.Lanes[i]
}

// seen writes what a board shows of a lane in a line, the newest first.
func seen(l office.BoardLane, number uint8) string {
	var words []string
	for _, x := range l.Sights {
		if x.Lane == number {
			words = append(words, fmt.Sprintf("%d:%d:%s", x.Number, x.Type, x.Reason))
		}
	}
	return strings.Join(words, " ")
}

func TestBoard(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	north, south := s.enrolled(t, "north"), s.enrolled(t, "south")
	s.report(t, north, nil)
	s.report(t, south, nil)
	first := s.look(t)
	if again := s.look(t); again != first {
		t.Error("the board is made anew though nothing changed")
	}
	key, err := s.board.version(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	s.wrote(t, "north", link.Entry{Type: link.EntryBoot}, link.Entry{Type: link.EntryGranted, Lane: 1, Direction: 1, Kind: pass.ECard},
		link.Entry{Type: link.EntryDenied, Lane: 2, Reason: pass.Expired, Kind: pass.Guest})
	if now, err := s.board.version(t.Context()); err != nil || now == key {
		t.Errorf("no page learns of a passage: %v", err)
	}
	b := s.look(t)
	l := s.on(t, "north")
	if seen(l, 1) != "2:1:GRANTED" || seen(l, 2) != "3:2:EXPIRED" {
		t.Errorf("seen %q and %q", seen(l, 1), seen(l, 2))
	}
	if l.Changed != b.Version || s.on(t, "south").Changed == b.Version || b.Layout == b.Version {
		t.Errorf("board %d, north changed at %d, south at %d, the map at %d", b.Version, l.Changed, s.on(t, "south").Changed, b.Layout)
	}
	s.wrote(t, "north", link.Entry{Type: link.EntryPassed, Lane: 1, Grant: 2})
	for range 9 {
		s.wrote(t, "north", link.Entry{Type: link.EntryForced, Lane: 2})
	}
	if l := s.on(t, "north"); seen(l, 1) != "2:3:GRANTED" || len(strings.Fields(seen(l, 2))) != sightsPerLane {
		t.Errorf("the result does not complete its decision, or the list is long: %q, %q", seen(l, 1), seen(l, 2))
	}
	if seen(l, 1) != "2:1:GRANTED" {
		t.Error("a board that somebody shows has changed")
	}
	// Who begins later, as after a restart, sees the same.
	fresh := newBoard(s.central)
	other, err := fresh.get(t.Context())
	if err != nil || seen(other.Lanes[0], 1) != "2:3:GRANTED" || seen(other.Lanes[0], 2) != seen(s.on(t, "north"), 2) || other.Source == b.Source {
		t.Errorf("a second board: %+v, %v", other.Lanes, err)
	}
	s.testBoardModes(t, north)
}

// testBoardModes: the board tells who set a mode, why and since when.
func (s *opened) testBoardModes(t *testing.T, north *lane) {
	before := s.look(t)
	if z := before.Zones[0]; z.By != "" || z.Version != 1 || z.Since.IsZero() {
		t.Errorf("as configured: %+v", z)
	}
	r, err := rules{s.central}.SetModes(t.Context(), "user:chief", []uint8{0}, link.Lockdown, "incident: flood")
	if err != nil {
		t.Fatal(err)
	}
	locked := s.look(t)
	if locked.Layout != locked.Version {
		t.Error("the map does not show the mode")
	}
	for range 2 { // the second time after a change of the rules that is not about the mode
		b := s.look(t)
		z := b.Zones[0]
		if z.Mode != link.Lockdown || z.By != "user:chief" || z.Reason != "incident: flood" || z.Version != r.Version || b.Layout != locked.Layout {
			t.Errorf("locked down: %+v, layout %d after %d", z, b.Layout, locked.Layout)
		}
		now, err := rules{s.central}.Rules(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		now.RepeatMS++
		if _, err := (rules{s.central}).SetRules(t.Context(), "user:other", now); err != nil {
			t.Fatal(err)
		}
	}
	s.report(t, north, func(l *link.LaneState) { l.Alive = false })
	if l := s.on(t, "north"); l.Alive {
		t.Error("a lane that died lives on the board")
	}
}

func TestPlacesOfLanes(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	ctx, p, f := t.Context(), places{s.central}, laneFleet{s.central}
	for _, id := range []string{"b", "a", "c"} {
		s.report(t, s.enrolled(t, id), nil)
	}
	for _, e := range []office.Entrance{{ID: "main", Name: "Main", Position: 2}, {ID: "side", Name: "Side", NameZH: "側門", Position: 1}} {
		if err := p.SetEntrance(ctx, "test", e); err != nil {
			t.Fatal(err)
		}
	}
	layout := s.look(t).Layout
	for i, id := range []string{"a", "b"} {
		x := office.Place{Lane: id, Entrance: "main", Position: 9 - i, Name: "Name " + id, Lanes: []office.LaneName{{Number: 2, Name: "Two"}, {Number: 1}}}
		if err := p.SetPlace(ctx, "test", x); err != nil {
			t.Fatal(err)
		}
	}
	b := s.look(t)
	order := []string{b.Lanes[0].ID, b.Lanes[1].ID, b.Lanes[2].ID}
	if !slices.Equal(order, []string{"b", "a", "c"}) || b.Layout == layout || b.Entrances[1].NameZH != "Main" || len(b.Lanes[1].Place.Lanes) != 1 {
		t.Errorf("the map: %v, layout %d after %d, %+v", order, b.Layout, layout, b.Lanes[1].Place)
	}
	for _, bad := range []office.Place{{Lane: "a", Name: " x"}, {Lane: "a", NameZH: strings.Repeat("x", 61)}, {Lane: "a", Position: -1}, {Lane: "a", Entrance: "moon"},
		{Lane: "a", Lanes: []office.LaneName{{Number: 0}}}, {Lane: "a", Lanes: []office.LaneName{{Number: 1}, {Number: 1}}}, {Lane: "a", Name: "a\x00b"}} {
		if err := p.SetPlace(ctx, "test", bad); !errors.Is(err, office.ErrInvalid) {
			t.Errorf("place %+v: %v", bad, err)
		}
	}
	for _, bad := range []office.Entrance{{ID: "a b", Name: "x"}, {ID: "x"}, {ID: "x", Name: "a\nb"}, {ID: "x", Name: "x", Position: 1000}} {
		if err := p.SetEntrance(ctx, "test", bad); !errors.Is(err, office.ErrInvalid) {
			t.Errorf("entrance %+v: %v", bad, err)
		}
	}
	if err := p.RemoveEntrance(ctx, "test", "main"); !errors.Is(err, office.ErrConflict) {
		t.Errorf("remove an entrance with lanes: %v", err)
	}
	if err := errors.Join(f.Retire(ctx, "test", "a", "sold"), f.Revoke(ctx, "test", "c", "stolen")); err != nil {
		t.Fatal(err)
	}
	if err := f.Retire(ctx, "test", "b", "a\nb"); !errors.Is(err, office.ErrInvalid) {
		t.Errorf("a reason of two lines: %v", err)
	}
	for id, deed := range map[string]func(context.Context, string, string, string) error{"a": f.Retire, "c": f.Revoke, "nobody": f.Retire} {
		if err := deed(ctx, "test", id, ""); !errors.Is(err, office.ErrNotFound) {
			t.Errorf("%s again: %v", id, err)
		}
	}
	if b := s.look(t); len(b.Lanes) != 2 || b.Retired != 1 {
		t.Errorf("%d lanes on the board, %d retired", len(b.Lanes), b.Retired)
	}
}

func TestDossier(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	ctx, f := t.Context(), laneFleet{s.central}
	s.report(t, s.enrolled(t, "north"), nil)
	s.wrote(t, "north", link.Entry{Type: link.EntryGranted, Lane: 1, Kind: pass.ECard}, link.Entry{Type: link.EntryNotPassed, Lane: 1, Grant: 1}, link.Entry{Type: link.EntryTamper})
	if err := s.alarms.Raise(ctx, "journal_gap", "north", "x", "y", "z"); err != nil {
		t.Fatal(err)
	}
	s.enrolled(t, "north") // new hardware
	if _, _, err := s.fleet.Invite(ctx, "test", "north"); err != nil {
		t.Fatal(err)
	}
	d, err := f.Dossier(ctx, "north")
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Serial) < 8 || len(d.Certificates) != 1 || d.Certificates[0].Serial == d.Serial || d.Invited.IsZero() {
		t.Errorf("certificates: %q now, %+v before, invited until %s", d.Serial, d.Certificates, d.Invited)
	}
	if len(d.Journals) != 1 || d.Journals[0].Durable != 3 || len(d.Passages) != 2 || d.Passages[1].Type != link.EntryNotPassed {
		t.Errorf("journals %+v, passages %+v", d.Journals, d.Passages)
	}
	var deeds []string
	for _, x := range d.Deeds {
		deeds = append(deeds, x.Action)
	}
	if !slices.Equal(deeds, []string{"invite", "enrol", "invite", "enrol", "invite"}) || len(d.Alarms) != 1 || d.Alarms[0].Next != "z" {
		t.Errorf("deeds %v, alarms %+v", deeds, d.Alarms)
	}
	if err := f.Retire(ctx, "user:chief", "north", "sold"); err != nil {
		t.Fatal(err)
	}
	d, err = f.Dossier(ctx, "north")
	if err != nil || d.Retired == nil || d.Retired.Reason != "sold" || d.Retired.By != "user:chief" || len(d.Journals) != 1 || len(d.Passages) != 2 || len(d.Deeds) != 6 {
		t.Errorf("a retired lane keeps %+v, %v", d, err)
	}
	if _, err := f.Dossier(ctx, "nobody"); !errors.Is(err, office.ErrNotFound) {
		t.Errorf("a dossier of nobody: %v", err)
	}
}
