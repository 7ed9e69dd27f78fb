package link_test

import (
	"bytes"
	"fmt"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

func use(entries ...link.Entry) *link.Use {
	return &link.Use{Lane: lane, Journal: exampleJournal(), Zone: 0, Entries: bytes.Join(encoded(entries), nil)}
}

func TestUseList(t *testing.T) {
	grant, passed := exampleEntries()[2], exampleEntries()[3]
	list, err := use(grant, passed).List()
	if err != nil || len(list) != 2 || list[0] != grant || list[1] != passed {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := use().List(); err != nil || len(list) != 0 {
		t.Errorf("a hello: %+v, %v", list, err)
	}
}

func TestUseRefuses(t *testing.T) {
	grant, passed := exampleEntries()[2], exampleEntries()[3]
	other, denied := grant, grant
	other.Zone, denied.Type = 1, link.EntryDenied
	var many []link.Entry
	for i := range link.MaxUseEntries + 1 {
		e := grant
		e.Seq += uint64(i)
		many = append(many, e)
	}
	changed := func(e link.Entry, f func(*link.Entry)) *link.Use { f(&e); return use(e) }
	cut := use(grant)
	cut.Entries = cut.Entries[:79]
	for what, u := range map[string]*link.Use{
		"out of order": use(passed, grant), "twice": use(grant, grant), "another zone": use(other), "a refusal": use(denied),
		"a floor": use(exampleEntries()[1]), "too many": use(many...), "a cut entry": cut,
		"a supervisor code": changed(grant, func(e *link.Entry) { e.Kind = pass.Supervisor }),
		"a test pass":       changed(grant, func(e *link.Entry) { e.Kind = pass.Test }),
		"free passage":      changed(grant, func(e *link.Entry) { e.Flags |= link.FlagFreePassage }),
		"no direction":      changed(grant, func(e *link.Entry) { e.Direction = 0 }),
		"no lane":           changed(grant, func(e *link.Entry) { e.Lane = 0 }),
		"grant of a grant":  changed(grant, func(e *link.Entry) { e.Grant = 1 }),
		"result of nothing": changed(passed, func(e *link.Entry) { e.Grant = 0 }),
		"result before":     changed(passed, func(e *link.Entry) { e.Grant = e.Seq }),
	} {
		_, err := u.List()
		wantError(t, what, err, link.ErrMalformed)
		g := link.UseGroup{Lane: u.Lane, Journal: u.Journal, Entries: u.Entries}
		if _, err := g.List(); what != "another zone" && what != "too many" {
			wantError(t, what+" in a group", err, link.ErrMalformed)
		}
	}
	g := link.UseGroup{Entries: make([]byte, link.MaxUsesSize+1)}
	_, err := g.List()
	wantError(t, "a group of too many bytes", err, link.ErrMalformed)
}

func TestLanesCheck(t *testing.T) {
	good := func(n int) *link.Lanes {
		l := &link.Lanes{Zone: 3}
		for i := range n {
			l.Lanes = append(l.Lanes, link.Peer{ID: fmt.Sprintf("lane-%04d", i), Key: signer("lane").public()})
		}
		return l
	}
	if err := good(link.MaxPeers).Check(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(l *link.Lanes){
		"zone 16": func(l *link.Lanes) { l.Zone = 16 }, "a lane twice": func(l *link.Lanes) { l.Lanes[1].ID = l.Lanes[0].ID },
		"no id": func(l *link.Lanes) { l.Lanes[0].ID = "" }, "a short key": func(l *link.Lanes) { l.Lanes[2].Key = l.Lanes[2].Key[:31] },
		"too many": func(l *link.Lanes) { *l = *good(link.MaxPeers + 1) },
	} {
		l := good(3)
		change(l)
		wantError(t, what, l.Check(), link.ErrMalformed)
	}
}

func TestFloorCarriesTheDelegation(t *testing.T) {
	e := exampleEntries()[1]
	e.Floor.Delegation = 0x1234
	got, rest, err := link.ParseEntry(e.Append(nil))
	if err != nil || len(rest) != 0 || got.Floor.Delegation != 0x1234 || got.Direction != 0 || got.Zone != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzUse(f *testing.F) {
	f.Add(use(exampleEntries()[2:]...).Entries)
	f.Fuzz(func(t *testing.T, b []byte) {
		u := &link.Use{Entries: b}
		list, err := u.List()
		if err == nil && len(list)*link.EntrySize != len(b) {
			t.Fatalf("%d entries of %d bytes", len(list), len(b))
		}
	})
}
