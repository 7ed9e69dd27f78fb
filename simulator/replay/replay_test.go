package replay

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/agent/cache"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/simulator/campus"
)

// TestMain lets this test's program be the child that reads a cache.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "check-db" {
		if err := cache.CheckFile(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func inChild(path string) error { return cache.CheckInChild(os.Args[0], path) }

// record has a lane live through a morning, and returns its data folder and the
// captures of its scanners.
func record(t *testing.T, lines ...string) (data string, scans map[Scanner]string) {
	t.Helper()
	folder := t.TempDir()
	c, err := campus.Open(t.Context(), campus.Config{
		Data: filepath.Join(folder, "data"), Captures: filepath.Join(folder, "captures"), Walk: 50 * time.Millisecond,
		Lanes: []campus.LaneSpec{{ID: "north", Name: "North", Controller: "north"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		a, err := campus.Parse(line)
		if err == nil {
			err = c.Do(t.Context(), a)
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if a.Verb == "revoke" {
			refused(t, c, a.Target)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, "data", "north", "data"), map[Scanner]string{
		{1, gate.In}: filepath.Join(folder, "captures", "north-in.osdpcap"), {1, gate.Out}: filepath.Join(folder, "captures", "north-out.osdpcap"),
	}
}

// refused waits until all lanes refuse a pass.
func refused(t *testing.T, c *campus.Campus, name string) {
	t.Helper()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for {
		changed := c.Changed()
		if slices.ContainsFunc(c.View().Passes, func(p campus.Pass) bool { return p.Name == name && p.Status == "revoked" && p.Lanes == p.Of }) {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			t.Fatalf("%s is not refused: %+v", name, c.View().Passes)
		}
	}
}

// TestReplay plays an hour of a lane in seconds, and gets the same decisions but for
// one that the copy's lists decide otherwise, which is explained.
func TestReplay(t *testing.T) {
	t.Parallel()
	data, scans := record(t,
		"issue early guest entries=1", "scan north early", "wait 1s",
		"issue alumna ecard", "issue visitor guest entries=1", "issue lost ecard",
		"advance 10m", "scan north visitor", "wait 1s", "advance 10m", "scan north visitor", "scan north early",
		"scan north lost", "wait 1s", "people north stay", "advance 5m", "scan north alumna", "wait 10s", "people north walk", "advance 5m", "scan north alumna", "wait 1s",
		"advance 30m", "scan north alumna way=out", "wait 1s", "scan north text=https://example.org/", "revoke lost", "scan north lost")
	var told int
	r, err := Run(t.Context(), Options{Data: data, Captures: scans, Speed: 3600, Progress: func(Scan) { told++ }})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	r.Text(&text)
	if r.Scans < 9 || told != r.Scans || r.Same != r.Scans-1 || len(r.Different) != 1 || r.Unexplained() != 0 || r.To.Sub(r.From) < time.Hour {
		t.Fatal(text.String())
	}
	if d := r.Different[0]; d.Recorded != "GRANTED" || d.Now != "REVOKED" || !strings.Contains(d.Why, "feed") {
		t.Errorf("%+v", d)
	}
	if took := r.Took; took > 50*time.Minute { // an hour was not lived through again
		t.Errorf("played in %v", took)
	}
}

// TestUnexplained: what the lane decided otherwise for no reason is a finding.
func TestUnexplained(t *testing.T) {
	t.Parallel()
	data, scans := record(t, "issue alumna ecard", "scan north alumna", "wait 1s", "advance 1m", "scan north text=https://example.org/")
	d, err := load(Options{Data: data, Captures: scans}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	now := map[int]*link.Entry{}
	for i, s := range d.scans {
		e := *s.then
		e.Reason = pass.Granted
		now[i] = &e
	}
	r := d.compare(now)
	var text bytes.Buffer
	r.Text(&text)
	if r.Unexplained() != 1 || r.Same != r.Scans-1 || !strings.Contains(text.String(), "NOTHING EXPLAINS IT") {
		t.Error(text.String())
	}
}

// TestCopied: a replay takes what a lane decides by, and no private key of the controller.
func TestCopied(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	for _, name := range []string{cacheFile, gateFile, "identity.json", "status.json"} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyFiles(from, to); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(to)
	if err != nil || len(list) != 2 || list[0].Name() != cacheFile || list[1].Name() != gateFile {
		t.Errorf("%v, %v", list, err)
	}
	folder := filepath.Join(from, "folder")
	if err := os.MkdirAll(filepath.Join(folder, cacheFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := copyFiles(folder, to); !errors.Is(err, ErrNothing) {
		t.Errorf("a folder in the place of the cache: %v", err)
	}
}

// TestNothing: what cannot be played is refused with what it lacks.
func TestNothing(t *testing.T) {
	folder := t.TempDir()
	if _, err := Run(t.Context(), Options{Data: folder, Speed: 1}); !errors.Is(err, ErrNothing) {
		t.Errorf("no journal: %v", err)
	}
	if _, err := Run(t.Context(), Options{Data: folder}); !errors.Is(err, ErrNothing) {
		t.Errorf("no speed: %v", err)
	}
	if err := os.Mkdir(filepath.Join(folder, "journal"), 0o700); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(folder, "x.osdpcap")
	if err := os.WriteFile(bad, []byte("no capture\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Options{Data: folder, Speed: 1, Captures: map[Scanner]string{{1, gate.In}: bad}}); err == nil || !strings.Contains(err.Error(), "x.osdpcap") {
		t.Errorf("a capture that is none: %v", err)
	}
	for _, text := range []string{"", "0", "x", "1/up", "256"} {
		if _, err := ParseScanner(text); !errors.Is(err, ErrScanner) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if s, err := ParseScanner("2/out"); err != nil || s != (Scanner{2, gate.Out}) {
		t.Errorf("%v, %v", s, err)
	}
}
