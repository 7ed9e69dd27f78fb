package server

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"turnstile/central/database/postgrestest"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/porttest"
)

// reports makes a lane say that it takes commands, and waits until central knows.
func (l *lane) reports(t *testing.T, a *api) {
	t.Helper()
	state := link.LaneState{Lane: l.id, Boot: 1, Alive: true, Program: "new", Start: []byte("the second start"), Lanes: []link.LaneInfo{{Number: 1, Name: "one", State: "idle"}}}
	l.publish(t, l.topics.State(l.id), link.TypeState, state, true)
	eventually(t, "central has heard of the lane", func() bool {
		var list office.LaneList
		a.call(t, "GET", "/lanes", nil, &list)
		return len(list.Lanes) == 1 && list.Lanes[0].Program == "new"
	})
}

var openOne = map[string]any{"lane": 1, "direction": "in", "reason": "expected at the gate"}

// TestCommandOutlivesRestart: a command that waits for its lane is sent on by the
// central that is started again.
func TestCommandOutlivesRestart(t *testing.T) {
	c := configure(t)
	c.HTTP.Listen, c.Broker.Listen = keptAddress(t), keptAddress(t)
	r := run(t, c)
	a := r.api(t)
	l := r.enrol(t, a, "N1")
	if err := l.connect(t); err != nil {
		t.Fatal(err)
	}
	l.reports(t, a)
	keys := l.statusKeys(t)
	var given office.CommandBody
	if code := a.call(t, "POST", "/lanes/N1/open", openOne, &given); code != http.StatusAccepted {
		t.Fatalf("open: %d", code)
	}
	first := open[link.Command](t, link.TypeCommand, keys, l.await(t, l.topics.Command("N1"), func([]byte) bool { return true }))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = run(t, c)
	for len(l.got) > 0 {
		<-l.got // of before the stop
	}
	l.lost = make(chan struct{})
	if err := l.connect(t); err != nil {
		t.Fatal(err)
	}
	again := open[link.Command](t, link.TypeCommand, keys, l.await(t, l.topics.Command("N1"), func([]byte) bool { return true }))
	if *again != *first || commandID(again.Lane, again.Number) != given.ID {
		t.Errorf("%+v, then %+v", first, again)
	}
	for name, want := range map[string]string{"sent": "0", "answered": "0", "expired": "0"} { // another process's
		if got := metric(t, r, "turnstile_commands_"+name+"_total"); got != want {
			t.Errorf("%s commands %s in the metrics, want %s", got, name, want)
		}
	}
	l.obeys(t, a, given.ID, again)
}

// TestCommandOutlivesItsCentral: of two centrals on one database the one that gave
// a command ends; the other sends it on until it is answered.
func TestCommandOutlivesItsCentral(t *testing.T) {
	first, second := configure(t), configure(t)
	dir, port := t.TempDir(), porttest.Keep(t)
	first.Database = postgrestest.URL(t)
	second.Database, second.Name = first.Database, "b"
	for i, c := range []*Config{&first, &second} {
		files := filepath.Join(dir, fmt.Sprint(i))
		if _, err := Mosquitto(t.Context(), *c, files, []string{"localhost", "127.0.0.1"}, port, "b"); err != nil {
			t.Fatal(err)
		}
		c.Broker.External = &External{URL: fmt.Sprintf("ssl://127.0.0.1:%d", port), CA: filepath.Join(files, "authority.crt"), Certificate: filepath.Join(files, "central.crt"), Key: filepath.Join(files, "central.key")}
	}
	broker := startMosquitto(t, filepath.Join(dir, "0"))
	defer broker.Wait()
	defer broker.Process.Kill()
	stays, ends := run(t, first), run(t, second)
	a := stays.api(t)
	l := stays.enrol(t, a, "N1")
	eventually(t, "the broker listens", func() bool { return l.dial(first.Broker.External.URL) })
	if err := l.connect(t); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are connected", func() bool { return stays.healthy(t) && ends.healthy(t) })
	b := &api{ends.endpoints.HTTP + office.Base, a.token}
	l.reports(t, a)
	l.reports(t, b)
	keys := l.statusKeys(t)
	var given office.CommandBody
	if code := b.call(t, "POST", "/lanes/N1/open", openOne, &given); code != http.StatusAccepted {
		t.Fatalf("open: %d", code)
	}
	if err := ends.stop(); err != nil {
		t.Fatal(err)
	}
	for len(l.got) > 0 {
		<-l.got
	}
	var m *link.Command
	for range 3 {
		m = open[link.Command](t, link.TypeCommand, keys, l.await(t, l.topics.Command("N1"), func([]byte) bool { return true }))
		if commandID(m.Lane, m.Number) != given.ID {
			t.Fatalf("%+v", m)
		}
	}
	l.obeys(t, a, given.ID, m)
}
