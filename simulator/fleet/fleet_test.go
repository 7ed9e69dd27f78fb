package fleet

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver sqlite

	"turnstile/agent/cache"
	"turnstile/agent/feed"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/server"
	"turnstile/simulator/site"
)

var programs string

func TestMain(m *testing.M) {
	folder, remove, err := site.Build("../..")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = folder
	code := m.Run()
	remove()
	os.Exit(code)
}

// TestFleet plays all of it with fifty lanes: central is killed while people pass,
// and each entry is there once; then a row is taken out of central's ledger behind
// its back, which is found, told with the seed, and ends the run.
func TestFleet(t *testing.T) {
	o := Options{Lanes: 50, Seed: 11, Programs: programs, Folder: t.TempDir(), Heads: time.Second, For: 2 * time.Second, Rounds: 2, Entries: 10}
	o.Checking = func(step string, s *site.Site) {
		if step == "backlog" {
			lose(t, s)
		}
	}
	r, err := Run(t.Context(), o)
	var v *Violation
	if !errors.As(err, &v) || r.Violation != v {
		t.Fatalf("a lost entry is not noticed: %v", err)
	}
	if v.Step != "backlog" || v.Seed != 11 || len(v.What) != 1 || !strings.Contains(v.What[0], lostFrom) || len(v.Events) < 5 || !strings.Contains(v.Replay, "--seed 11") {
		t.Errorf("told: %v", v)
	}
	if r.Checks != 5 || r.Entries < 50*(1+1+1+1+10) {
		t.Errorf("%d checks, %d entries", r.Checks, r.Entries)
	}
	measured(t, r)
	drawn(t, r)
}

// measured looks whether each step has its figures, and the bare broker beside.
func measured(t *testing.T, r *Report) {
	t.Helper()
	want := map[string]int{"connect heard": 50, "restart back": 50, "revoke refused": 100, "revoke known": 100, "rush acked": 50, "backlog acked": 450}
	for name, n := range want {
		step, key, _ := strings.Cut(name, " ")
		if l := curve(r.Steps, step, key); l == nil || l.N < n || l.P50 <= 0 || l.P50 > l.P95 || l.P95 > l.P99 || l.P99 > l.Max || len(l.Cuts) != 101 {
			t.Errorf("%s: %+v", name, l)
		}
		if l := curve(r.Bare, step, key); step != "rush" && (l == nil || l.N < 50 || l.Max <= 0) {
			t.Errorf("bare %s: %+v", name, l)
		}
	}
	if m := r.Memory; m.Central <= 0 || m.Lane <= 0 || m.After.Connected != 50 || m.After.Central.Files < 50 || m.After.Lanes.PSS <= 0 {
		t.Errorf("memory %+v", m)
	}
	for _, s := range r.Steps {
		if s.Seconds <= 0 || s.Wire.Up == 0 || s.Wire.Down == 0 {
			t.Errorf("step %s: %+v", s.Name, s)
		}
	}
}

// drawn looks at the page: it is whole, says what the report says, and has a line
// in each chart, two where there is a run before, and one more of the bare broker.
func drawn(t *testing.T, r *Report) {
	t.Helper()
	b, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "old.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := ReadReport(file)
	if err != nil {
		t.Fatal(err)
	}
	page, err := r.HTML(old)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(page, []byte("<figure>")); n != 9 || bytes.Count(page, []byte("</figure>")) != 9 {
		t.Errorf("%d charts", n)
	}
	for i, c := range r.curves(old) {
		want := 3
		if strings.HasPrefix(c.Title, "Rush") {
			want = 2
		}
		if len(c.Lines) != want || len(c.XTicks) < 2 || len(c.YTicks) != 5 {
			t.Errorf("chart %d, %s: %d lines, %d and %d ticks", i, c.Title, len(c.Lines), len(c.XTicks), len(c.YTicks))
		}
		for _, l := range c.Lines {
			if strings.Count(l.Path, "L") != 100 || !bytes.Contains(page, []byte(l.Path)) {
				t.Errorf("chart %s: line %s has %d pieces", c.Title, l.Name, strings.Count(l.Path, "L"))
			}
		}
	}
	for _, text := range []string{r.Violation.Replay, "A promise was broken", took(r.Steps[0].Curves[0].Latency.P99), "prefers-color-scheme:dark", "@media print"} {
		if !strings.Contains(string(page), text) {
			t.Errorf("the page has no %q", text)
		}
	}
	for _, text := range []string{"src=", "href=", "NaN", "Inf", "<script", "ZgotmplZ"} {
		if strings.Contains(string(page), text) {
			t.Errorf("the page has %q", text)
		}
	}
	if text := r.Text(old); !strings.Contains(text, "broken in step backlog") || strings.Count(text, "\n") < 18 {
		t.Errorf("text:\n%s", text)
	}
}

// lostFrom is whose entry is taken away.
const lostFrom = "lane-7 "

func lose(t *testing.T, s *site.Site) {
	conf, err := server.Load(filepath.Join(s.Data(), "central", "central.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", conf.DatabaseName())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	done, err := db.ExecContext(t.Context(), `DELETE FROM entries WHERE seq = 4 AND journal = (SELECT key FROM journals WHERE lane = 'lane-7')`)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := done.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("%d rows lost, %v", n, err)
	}
}

// TestFeedsAreCompared: a lane with another feed than central, or that lets in who
// was revoked, is named.
func TestFeedsAreCompared(t *testing.T) {
	r := &run{}
	at := link.NewState(1)
	day, err := at.Apply([]link.Event{{Type: link.OpenDay, Day: 2517, Value: link.MinCapacity}})
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := day.Apply([]link.Event{{Type: link.Revoke, Day: 2517, Value: 9}})
	if err != nil {
		t.Fatal(err)
	}
	other, err := day.Apply([]link.Event{{Type: link.Revoke, Day: 2517, Value: 8}})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range []*link.State{revoked, day, other} {
		l := &light{id: fmt.Sprint("lane-", i), cache: cache.InMemory()}
		if err := l.cache.Apply(cache.Update{State: s}); err != nil {
			t.Fatal(err)
		}
		l.feed = feed.New(l.cache, feed.Identity{}, feed.Options{})
		r.lanes.list = append(r.lanes.list, l)
	}
	r.revoked = append(r.revoked, pass.ID{Day: 2517, Index: 9})
	bad := r.feeds(1, revoked.Seq, revoked.Chain)
	if len(bad) != 2 || !strings.Contains(bad[0], "lane-1 holds event 1") || !strings.Contains(bad[1], "lane-2 holds event 2") {
		t.Errorf("%q", bad)
	}
	bad = r.feeds(1, other.Seq, other.Chain) // as if central had forgotten
	if len(bad) != 3 || !strings.Contains(bad[2], "does not refuse pass") {
		t.Errorf("%q", bad)
	}
}

// TestRecord: the journal in memory keeps the chain of the one on a disk, and gives
// up only what central's word fits.
func TestRecord(t *testing.T) {
	var acked int
	r := newRecord(func(time.Time, time.Time) { acked++ })
	chain, chains := link.JournalStart(r.ID()), []link.Hash{}
	for range 5 {
		r.append(link.Entry{Type: link.EntryDenied}, time.Now())
	}
	list, before, err := r.Read(1, 10)
	if err != nil || len(list) != 5 || before != chain {
		t.Fatal(len(list), err)
	}
	for _, e := range list {
		chain = link.JournalChain(chain, e)
		chains = append(chains, chain)
	}
	if _, _, err := link.NewBatch("n", r.ID(), 1, before, list).Entries(); err != nil {
		t.Fatal(err)
	}
	if r.Ack(3, chains[3], 0) == nil || r.Ack(6, chains[4], 0) == nil || acked != 0 {
		t.Fatal("taken though the chain differs, or nothing is there")
	}
	if err := r.Ack(3, chains[2], 0); err != nil || acked != 3 {
		t.Fatal(acked, err)
	}
	if err := r.Ack(2, chains[1], 0); err == nil {
		t.Fatal("an older word is taken")
	}
	list, before, err = r.Read(4, 10)
	if _, _, gone := r.Read(3, 1); err != nil || len(list) != 2 || before != chains[2] || gone == nil {
		t.Fatal(len(list), err, gone)
	}
	if first, last, done := r.Bounds(); first != 4 || last != 5 || done != 3 {
		t.Fatal(first, last, done)
	}
	if last, end := r.end(); last != 5 || end != chains[4] {
		t.Fatal(last)
	}
}

func TestLatencies(t *testing.T) {
	var list []time.Duration
	for i := range 200 {
		list = append(list, time.Duration(200-i)*time.Millisecond)
	}
	l := latencyOf(list)
	if l.N != 200 || l.P50 != 100 || l.P95 != 190 || l.P99 != 198 || l.Max != 200 || l.Cuts[0] != 1 || l.Cuts[50] != 100 || l.Cuts[100] != 200 {
		t.Errorf("%+v", l)
	}
	if l := latencyOf(nil); l.N != 0 || l.Cuts != nil {
		t.Errorf("of nothing: %+v", l)
	}
}

func TestWrongWords(t *testing.T) {
	if _, err := Run(context.Background(), Options{Lanes: 1, Only: []string{"storms"}}); !errors.Is(err, ErrPart) {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "r.json")
	for text, want := range map[string]error{`{"format": 99}`: ErrFormat, `{`: nil} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var syntax *json.SyntaxError
		if _, err := ReadReport(file); want != nil && !errors.Is(err, want) || want == nil && !errors.As(err, &syntax) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
