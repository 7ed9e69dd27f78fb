package server

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"turnstile/central/audit"
	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// statusKeys returns who may sign what central tells the lane.
func (l *lane) statusKeys(t *testing.T) link.Keys {
	t.Helper()
	m, err := link.ParseKeys(l.retained(t, l.topics.Keys()))
	if err != nil {
		t.Fatal(err)
	}
	d, err := m.OpenDelegation(l.topics.Site, l.answer.Root)
	if err != nil {
		t.Fatal(err)
	}
	return link.KeysOf(d.Status...)
}

// audited returns what the audit has of an action, the newest first.
func (r *running) audited(t *testing.T, action string) []audit.Entry {
	t.Helper()
	db, err := r.config.OpenDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	list, err := db.AuditPage(t.Context(), database.AuditFilter{Action: action, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestCommandToALane: a command is sent until the lane's journal answers it, in
// the lane's words; lanes that cannot be told are named.
func TestCommandToALane(t *testing.T) {
	r := run(t, configure(t))
	a := r.api(t)
	l := r.enrol(t, a, "N1")
	if err := l.connect(t); err != nil {
		t.Fatal(err)
	}
	keys := l.statusKeys(t)
	opening := map[string]any{"lane": 2, "direction": "out", "reason": "Wheelchair user, gate 2", "cause": "assistance"}
	tell := func(want int) (c office.CommandBody) {
		t.Helper()
		if code := a.call(t, "POST", "/lanes/N1/open", opening, &c); code != want {
			t.Fatalf("open: %d, want %d", code, want)
		}
		return c
	}
	if code := a.call(t, "POST", "/lanes/N2/open", opening, nil); code != http.StatusNotFound {
		t.Errorf("a lane that is not enrolled: %d", code)
	}
	tell(http.StatusConflict) // it never reported
	state := link.LaneState{Lane: "N1", Boot: 1, Alive: true, Program: "old", Lanes: []link.LaneInfo{{Number: 2, Name: "two", State: "idle"}}}
	report := func(program string, boot uint32, start []byte) {
		t.Helper()
		state.Program, state.Boot, state.Start = program, boot, start
		l.publish(t, l.topics.State("N1"), link.TypeState, state, true)
		eventually(t, "central has heard of "+program, func() bool {
			var list office.LaneList
			a.call(t, "GET", "/lanes", nil, &list)
			return len(list.Lanes) == 1 && list.Lanes[0].Program == program
		})
	}
	report("old", 1, nil)
	tell(http.StatusConflict) // and takes no commands
	report("new", 2, []byte("the second start"))
	opening["lane"] = 1
	tell(http.StatusNotFound)
	opening["lane"] = 2
	c := tell(http.StatusAccepted)
	if c.State != "sent" || c.ID == "" || c.Expires.Sub(c.Issued) != link.MaxCommandLife {
		t.Fatalf("%+v", c)
	}
	tell(http.StatusConflict) // one at a time
	var m *link.Command
	for n := range 3 { // sent again while nobody answers
		wire := l.await(t, l.topics.Command("N1"), func([]byte) bool { return true })
		next := open[link.Command](t, link.TypeCommand, keys, wire)
		if err := next.Check(); err != nil || m != nil && *next != *m || len(wire) > link.MaxCommand || strings.Contains(string(wire), "Wheelchair") {
			t.Fatalf("message %d: %+v, %v", n, next, err)
		}
		m = next
	}
	if m.Lane != "N1" || m.Index != 2 || m.Direction != 2 || m.Cause != pass.CauseAssistance || string(m.Start[:]) != "the second start" || m.Action != link.CommandOpen {
		t.Errorf("%+v", m)
	}
	l.obeys(t, a, c.ID, m)

	opening["direction"] = "in"
	late := tell(http.StatusAccepted)
	if late.ID == c.ID || late.Issued.Before(c.Issued) {
		t.Errorf("%+v after %+v", late, c)
	}
	if lines := r.audited(t, "open"); len(lines) != 2 || lines[1].Subject != "N1/2" || lines[1].Detail != "out, assistance: Wheelchair user, gate 2" || lines[1].By != c.By {
		t.Errorf("audit %+v", lines)
	}
	for name, want := range map[string]string{"sent": "2", "answered": "1", "expired": "0"} {
		if got := metric(t, r, "turnstile_commands_"+name+"_total"); got != want {
			t.Errorf("%s commands %s in the metrics, want %s", got, name, want)
		}
	}
	var alarms office.AlarmList
	if a.call(t, "GET", "/alarms", nil, &alarms); len(alarms.Alarms) != 0 {
		t.Errorf("alarms %+v", alarms.Alarms)
	}
}

// obeys writes what a lane does about a command, entry by entry, and looks at what
// central says of it.
func (l *lane) obeys(t *testing.T, a *api, id string, m *link.Command) {
	t.Helper()
	journal := link.JournalID{1}
	chain := link.JournalStart(journal)
	var grant uint64
	for seq, x := range []struct {
		entry         link.EntryType
		state, result string
	}{{link.EntryGranted, "opened", ""}, {link.EntryPassed, "done", "passed"}} {
		e := m.EntryOf()
		e.Type, e.Lane, e.Direction, e.Seq, e.Boot, e.Wall, e.Grant = x.entry, 2, 2, uint64(seq)+1, 2, time.Now().UnixMilli(), grant
		grant = 1
		b := link.NewBatch("N1", journal, e.Seq, chain, [][]byte{e.Append(nil)})
		chain = b.After
		l.publish(t, l.topics.Log("N1"), link.TypeBatch, b, false)
		var c office.CommandBody
		eventually(t, "the command is "+x.state, func() bool {
			code := a.call(t, "GET", "/commands/"+id, nil, &c)
			return code == http.StatusOK && c.State == x.state
		})
		if c.Result != x.result || c.Ledger != int64(seq)+1 || c.Answered == nil || c.Reason == "" || c.By == "" {
			t.Errorf("%+v", c)
		}
	}
	for len(l.got) > 0 {
		<-l.got // of before its answer
	}
	over := time.NewTimer(3 * resendEvery) // answered: it is not sent any more
	defer over.Stop()
	sent := 0
	for waiting := true; waiting; {
		select {
		case got := <-l.got:
			if got.Topic() == l.topics.Command("N1") {
				sent++
			}
		case <-over.C:
			waiting = false
		}
	}
	if sent > 1 { // one may have been on its way
		t.Errorf("sent %d times more after its answer", sent)
	}
}

// TestModeOfAZone: it changes one zone, once, with a line in the audit that says
// who and why, and reaches lanes as rules do.
func TestModeOfAZone(t *testing.T) {
	r := run(t, configure(t))
	a := r.api(t)
	l := r.enrol(t, a, "N1")
	if err := l.connect(t); err != nil {
		t.Fatal(err)
	}
	keys := l.statusKeys(t)
	var before, after, again office.RulesBody
	a.call(t, "GET", "/rules", nil, &before)
	mode := map[string]string{"mode": "lockdown", "reason": "Suspicious bag at the north gate"}
	if code := a.call(t, "POST", "/zones/0/mode", mode, &after); code != http.StatusOK {
		t.Fatalf("mode: %d", code)
	}
	if code := a.call(t, "POST", "/zones/0/mode", mode, &again); code != http.StatusOK || again.Version != after.Version {
		t.Errorf("the mode that stands: %d, version %d", code, again.Version)
	}
	if after.Version != before.Version+1 || after.Zones[0].Mode != "lockdown" || before.Zones[0].Mode != "normal" {
		t.Errorf("%+v, then %+v", before, after)
	}
	before.Zones[0].Mode, before.Version, before.Issued = after.Zones[0].Mode, after.Version, after.Issued
	if !reflect.DeepEqual(before, after) {
		t.Errorf("something else changed:\n%+v\n%+v", before, after)
	}
	eventually(t, "the rules are kept at the broker", func() bool {
		rules := open[link.Rules](t, link.TypeRules, keys, l.retained(t, l.topics.Rules()))
		return rules.Version == after.Version && rules.Zone(0).Mode == link.Lockdown
	})
	if lines := r.audited(t, "mode"); len(lines) != 1 || lines[0].Subject != "zone 0" || lines[0].Detail != "lockdown: Suspicious bag at the north gate" || lines[0].By == "" {
		t.Errorf("audit %+v", lines)
	}
	for what, x := range map[string]struct {
		path string
		body map[string]string
		code int
	}{
		"no such zone": {"/zones/9/mode", mode, http.StatusNotFound},
		"no reason":    {"/zones/0/mode", map[string]string{"mode": "normal", "reason": " "}, http.StatusUnprocessableEntity},
	} {
		if code := a.call(t, "POST", x.path, x.body, nil); code != x.code {
			t.Errorf("%s: %d", what, code)
		}
	}
}

// TestModesAtOnce: all zones change in one version of the rules with a line each in
// the audit, or none does.
func TestModesAtOnce(t *testing.T) {
	c := configure(t)
	c.Zones = []Zone{{ID: 0, Name: "Campus"}, {ID: 3, Name: "Library", Mode: "lockdown"}, {ID: 7, Name: "Hall", Mode: "free_passage"}}
	s := openCentral(t, c)
	ctx, r := t.Context(), rules{s.central}
	before, err := r.Rules(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.SetModes(ctx, "user:chief", []uint8{0, 7, 9}, link.Lockdown, "a bag"); !errors.Is(err, office.ErrNotFound) {
		t.Errorf("a zone that does not exist: %v", err)
	}
	if now, err := r.Rules(ctx); err != nil || !reflect.DeepEqual(now, before) {
		t.Errorf("a refused change left %+v, %v", now, err)
	}
	for range 2 { // the second time nothing is to be done
		after, err := r.SetModes(ctx, "user:chief", nil, link.Lockdown, "a bag")
		if err != nil || after.Version != before.Version+1 || len(after.Zones) != 3 {
			t.Fatalf("%+v, %v", after, err)
		}
		for _, z := range after.Zones {
			if z.Mode != link.Lockdown {
				t.Errorf("%+v", z)
			}
		}
	}
	lines, err := s.db.AuditPage(ctx, database.AuditFilter{Action: "mode", Limit: 100})
	if err != nil || len(lines) != 2 || lines[1].Subject != "zone 0" || lines[0].Subject != "zone 7" || lines[0].By != "user:chief" || lines[0].Detail != "lockdown: a bag" {
		t.Errorf("audit %+v, %v", lines, err)
	}
	after, err := r.SetModes(ctx, "user:chief", []uint8{3}, link.Normal, "over")
	if err != nil || after.Zones[0].Mode != link.Lockdown || after.Zones[1].Mode != link.Normal || after.Version != before.Version+2 {
		t.Errorf("%+v, %v", after, err)
	}
	if z := s.look(t).Zones[2]; z.By != "user:chief" || z.Reason != "a bag" || z.Version != before.Version+1 {
		t.Errorf("on the board %+v", z)
	}
}
