package status

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/pass"
)

// sheet stores n supervisor codes that are valid from now for the days.
func (d *desk) sheet(t fataler, name string, n, days int) (ids []pass.ID) {
	t.Helper()
	must[int](t)(0, d.config.DB.Supervisor(context.Background(), func(tx *database.SupervisorTx) error {
		for place := range n {
			number, _, err := tx.NextNumber(d.Today(), d.config.Capacity)
			if err != nil {
				return err
			}
			c := database.SupervisorCode{ID: pass.ID{Day: d.Today(), Index: number}, Sheet: name, Place: place + 1, Lane: "N1", Number: 1,
				Issued: d.clock.Load(), From: d.clock.Load(), Till: d.now().AddDate(0, 0, days).UnixMilli()}
			if err := tx.Insert(&c); err != nil {
				return err
			}
			ids = append(ids, c.ID)
		}
		return nil
	}))
	return ids
}

// blocked returns on which open days the lists name a code.
func (d *desk) blocked(id pass.ID) (n int) {
	for _, l := range d.View().State.Days {
		if l.IsBlocked(id.RevokedRef()) {
			n++
		}
	}
	return n
}

// TestRevokedSheetReachesEveryList: those that are open, and those that open until
// the codes are over.
func TestRevokedSheetReachesEveryList(t *testing.T) {
	databasetest.Each(t, testRevokedSheetReachesEveryList)
}

func testRevokedSheetReachesEveryList(t *testing.T, where string) {
	d := newDeskOn(t, where)
	ids := d.sheet(t, "LOST", 3, 5)
	kept := d.sheet(t, "KEPT", 1, 5)
	done, err := d.RevokeSupervisor(context.Background(), "office", "LOST", nil, "lost on the way")
	if err != nil || len(done) != 3 {
		t.Fatalf("%d revoked, %v", len(done), err)
	}
	for day := range 8 {
		d.roll(t)
		want := min(3, 7-day) // they are over when the list of day 6 opens
		if n := d.blocked(ids[2]); n != want || d.blocked(kept[0]) != 0 {
			t.Errorf("day %d: in %d lists, want %d", day, n, want)
		}
		d.clock.Store(d.now().AddDate(0, 0, 1).UnixMilli())
	}
	d.stop()
	d.start(t)
	if done, err = d.RevokeSupervisor(context.Background(), "office", "LOST", nil, ""); err != nil || len(done) != 0 {
		t.Errorf("again: %d, %v", len(done), err)
	}
}

func TestRevokeOneSupervisorCode(t *testing.T) { databasetest.Each(t, testRevokeOneSupervisorCode) }

func testRevokeOneSupervisorCode(t *testing.T, where string) {
	d := newDeskOn(t, where)
	ids := d.sheet(t, "S", 2, 1)
	if _, err := d.RevokeSupervisor(context.Background(), "office", "", &ids[0], "torn off"); err != nil {
		t.Fatal(err)
	}
	if d.blocked(ids[0]) != 3 || d.blocked(ids[1]) != 0 {
		t.Errorf("in %d and %d lists", d.blocked(ids[0]), d.blocked(ids[1]))
	}
	if _, err := d.RevokeSupervisor(context.Background(), "office", "NONE", nil, ""); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("an unknown sheet: %v", err)
	}
}

// TestListsTakeSoManyRevokedCodes, and what is too much changes nothing.
func TestListsTakeSoManyRevokedCodes(t *testing.T) {
	d := newDesk(t)
	for i := range 11 {
		d.sheet(t, fmt.Sprint("S", i), 93, 1)
	}
	full := 0
	for i := range 11 {
		_, err := d.RevokeSupervisor(context.Background(), "office", fmt.Sprint("S", i), nil, "")
		if err != nil && !errors.Is(err, ErrBlocked) {
			t.Fatal(err)
		}
		if err != nil {
			full++
		}
	}
	if n := len(d.View().State.Days[0].Blocked); full != 1 || n != 930 {
		t.Errorf("%d sheets too many, %d blocked", full, n)
	}
}
