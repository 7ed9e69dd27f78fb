package health

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestEachCodeIsDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Codes() {
		d := table[c]
		if d.name == "" || seen[d.name] || d.severity < Notice || d.severity > Alarm || len(d.nextStep) < 20 || !strings.HasSuffix(d.nextStep, ".") {
			t.Errorf("code %d: %+v", c, d)
		}
		seen[d.name] = true
	}
	if len(seen) < 30 {
		t.Fatalf("only %d codes", len(seen))
	}
}

func TestRaiseAndClear(t *testing.T) {
	now := time.Unix(100, 0)
	s := New(func() time.Time { return now })
	if !s.Raise(ScannerLost, "lane 1", "gone") || !s.Raise(ScannerLost, "lane 2", "gone") {
		t.Fatal("not new")
	}
	now = time.Unix(200, 0)
	if s.Raise(ScannerLost, "lane 1", "still gone") {
		t.Fatal("new twice")
	}
	s.Put(true, FeedStale, "", "no head")
	l := s.List()
	if len(l) != 3 || l[0].Subject != "lane 1" || l[0].Detail != "still gone" || l[0].Count != 2 || !l[0].Since.Equal(time.Unix(100, 0)) || l[2].Code != "feed.stale" {
		t.Fatalf("%+v", l)
	}
	if n := s.Standing(); len(n) != 2 || n[0] != "feed.stale" || n[1] != "scanner.lost" {
		t.Fatalf("%v", n)
	}
	s.Put(false, FeedStale, "", "")
	if !s.Clear(ScannerLost, "lane 2") || s.Clear(ScannerLost, "lane 2") || len(s.List()) != 1 {
		t.Fatal("not cleared once")
	}
}

func TestBounded(t *testing.T) {
	s := New(time.Now)
	s.Raise(FeedFork, "", "kept")
	for i := range 10 * MaxEntries {
		s.Raise(FeedMalformed, fmt.Sprint(i), strings.Repeat("x", 10000))
	}
	l := s.List()
	if len(l) != MaxEntries || l[0].Code != "feed.fork" || len(l[5].Detail) > MaxDetail {
		t.Fatalf("%d entries, first %+v", len(l), l[0])
	}
	found := false
	for _, e := range l {
		found = found || e.Code == "health.overflow"
	}
	if !found {
		t.Fatal("the overflow is not told")
	}
}
