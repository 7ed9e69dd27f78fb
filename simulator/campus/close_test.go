package campus

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestNothingAfterClose has an act and a check wait for a campus that is being closed: an
// act that came through would start a program that nobody ends.
func TestNothingAfterClose(t *testing.T) {
	c, err := Open(t.Context(), Config{Lanes: DefaultLanes()[:1]})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Do(t.Context(), Act{Verb: "power", Target: "north", Words: []string{"cut"}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(t.Context(), Act{Verb: "scanner", Target: "north", Words: []string{"babble"}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	var refused *Refusal
	for _, a := range []Act{{Verb: "power", Target: "north", Words: []string{"on"}}, {Verb: "central", Words: []string{"start"}}, {Verb: "scan", Target: "north", Args: map[string]string{"text": "late"}}} {
		if err := c.Do(t.Context(), a); !errors.As(err, &refused) {
			t.Errorf("%s on a closed campus: %v", a, err)
		}
	}
	if found, err := c.Check(t.Context()); !errors.As(err, &refused) {
		t.Errorf("check of a closed campus: %v, %v", found, err)
	}
}

// TestFailedOpenLeavesNothing has Open fail when all is running.
func TestFailedOpenLeavesNothing(t *testing.T) {
	data, captures := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(captures, "north-in.osdpcap"), []byte("somebody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Lanes: DefaultLanes()[:1], Data: data, Captures: captures}); err == nil {
		t.Fatal("a capture that was there was written over")
	}
	if links, err := os.ReadDir(filepath.Join(data, "dev")); err != nil || len(links) != 0 {
		t.Errorf("devices are left: %v, %v", links, err)
	}
}

// TestLanesOfAFolder refuses ids that would be paths outside of the data folder, and days
// that no clock holds.
func TestLanesOfAFolder(t *testing.T) {
	root := t.TempDir()
	data := filepath.Join(root, "data")
	tried := 0
	for _, id := range []string{"..", "../evil", "a/b", "", "a b", "a: b", ".hidden"} {
		for _, l := range []LaneSpec{{ID: id, Controller: "north"}, {ID: "north", Controller: id}} {
			tried++
			_, err := Open(t.Context(), Config{Data: data, Lanes: []LaneSpec{l}})
			if _, ok := errors.AsType[*Refusal](err); !ok {
				t.Errorf("%+v: %v", l, err)
			}
		}
	}
	for _, start := range []time.Time{time.Date(1, 1, 1, 1, 0, 0, 0, zone), time.Date(9999, 1, 1, 0, 0, 0, 0, zone)} {
		if _, err := Open(t.Context(), Config{Data: data, Start: start}); err == nil {
			t.Errorf("a campus of %v", start)
		}
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 0 || tried < 14 {
		t.Errorf("%v is left, %v; %d tried", left, err, tried)
	}
}
