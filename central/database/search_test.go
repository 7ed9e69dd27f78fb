package database

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// base is 2026-11-22T00:00Z in Unix ms, and baseDay that day.
const (
	baseDay = pass.Day(2517)
	base    = 1795305600000
)

var guests = []string{"Chan Tai Man", "CHAN Siu Ming", "陳大文", "O'Brien", "Wong Ka-yan", "José Núñez", "", "王小明 Wang"}

// crowd is a ledger with rows of all sorts, and what is in it.
type crowd struct {
	*DB
	rows []crowdRow // in the order of arrival
}

type crowdRow struct {
	number, at int64
	lane       string
	entry      link.Entry
	names      string
}

// newCrowd issues passes to the names for three days and stores n entries of two
// controllers with two lanes each, in an order that is not that of their stamps.
func newCrowd(t testing.TB, d *DB, n int) *crowd {
	t.Helper()
	c := &crowd{DB: d}
	for i := range 60 {
		day := baseDay - pass.Day(i%3)
		_, err := d.InsertPass(ctx, day, 1024, func(number, _ uint32) (Pass, error) {
			p := pass.Pass{Kind: []pass.Kind{pass.ECard, pass.Guest}[i%2], Day: day, Index: number, Length: 6, Zones: uint16(1 << (i % 4))}
			return Pass{Pass: p, Signature: make([]byte, 64), Holder: fmt.Sprintf("s%04d@example.edu", i%20), GuestName: guests[i%len(guests)], Issued: base + int64(i)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(7, 7))
	err := d.Ledger(ctx, func(tx *LedgerTx) error {
		js := []Journal{{Lane: "north", ID: link.JournalID{1}}, {Lane: "south", ID: link.JournalID{2}}, {Lane: "north", ID: link.JournalID{3}}}
		for i := range js {
			if err := tx.AddJournal(&js[i]); err != nil {
				return err
			}
		}
		seqs := make([]uint64, len(js))
		for len(c.rows) < n {
			k := r.IntN(len(js))
			var rows []Row
			for range 1 + r.IntN(60) {
				seqs[k]++
				e := randomEntry(r)
				e.Seq = seqs[k]
				rows = append(rows, Row{Seq: e.Seq, Day: baseDay, Pass: e.Pass, Entry: e.Append(nil)})
				c.rows = append(c.rows, crowdRow{int64(len(c.rows) + 1), e.Wall, js[k].Lane, e, ""})
			}
			if err := tx.Append(js[k].Key, base+dayMs, rows); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.rows {
		if p, err := d.Pass(ctx, c.rows[i].entry.Pass); err == nil && c.rows[i].entry.Pass.Day > 0 {
			c.rows[i].names = strings.ToLower(p.Holder + " " + p.GuestName)
		}
	}
	return c
}

func randomEntry(r *rand.Rand) link.Entry {
	types := []link.EntryType{link.EntryGranted, link.EntryDenied, link.EntryPassed, link.EntryNotPassed, link.EntryTamper}
	e := link.Entry{Type: types[r.IntN(len(types))], Lane: uint8(1 + r.IntN(2)), Direction: uint8(1 + r.IntN(2)), Zone: uint8(r.IntN(3)),
		Wall: base + r.Int64N(3*dayMs) - 2*dayMs, Kind: []pass.Kind{pass.ECard, pass.Guest}[r.IntN(2)]}
	if r.IntN(8) == 0 {
		e.Wall = base // several at one moment
	}
	if e.Type == link.EntryDenied {
		e.Reason = []pass.Reason{pass.Expired, pass.Revoked, pass.WrongZone}[r.IntN(3)]
	}
	if e.Type != link.EntryTamper && r.IntN(10) > 0 {
		e.Pass = pass.ID{Day: baseDay - pass.Day(r.IntN(3)), Index: uint32(r.IntN(20))}
	}
	return e
}

// fits says the same as a PassageFilter, row by row.
func (c *crowd) fits(f PassageFilter, r crowdRow) bool {
	e := &r.entry
	ok := (f.From == 0 || r.at >= f.From) && (f.Until == 0 || r.at < f.Until) && (f.Lane == "" || r.lane == f.Lane) &&
		(f.Number == 0 || e.Lane == f.Number) && (f.Direction == 0 || e.Direction == f.Direction) && (f.Pass == nil || e.Pass == *f.Pass)
	ok = ok && among(f.Zones, e.Zone) && among(f.Types, e.Type)
	if len(f.Reasons)+len(f.Kinds) > 0 {
		ok = ok && e.Type != link.EntryTamper && among(f.Reasons, e.Reason) && among(f.Kinds, e.Kind)
	}
	for _, w := range strings.Fields(strings.ToLower(f.Words)) {
		ok = ok && slices.ContainsFunc(strings.Fields(r.names), func(x string) bool { return strings.HasPrefix(x, w) })
	}
	return ok
}

// TestSearch: every combination of filters, page by page, is what going through
// all rows finds, in the same order.
func TestSearch(t *testing.T) { both(t, testSearch) }

func testSearch(t *testing.T, d *DB) {
	c := newCrowd(t, d, 1200)
	none := func(*PassageFilter) {}
	choices := [][]func(*PassageFilter){
		{none, func(f *PassageFilter) { f.From, f.Until = base-dayMs, base+hourMs }},
		{none, func(f *PassageFilter) { f.Lane = "north" }, func(f *PassageFilter) { f.Lane, f.Number = "south", 2 }},
		{none, func(f *PassageFilter) { f.Zones = []uint8{0, 2} }, func(f *PassageFilter) { f.Direction = 1 }},
		{none, func(f *PassageFilter) { f.Types = []link.EntryType{link.EntryDenied} },
			func(f *PassageFilter) { f.Reasons = []pass.Reason{pass.Expired, pass.Granted} }},
		{none, func(f *PassageFilter) { f.Kinds = []pass.Kind{pass.Guest} }},
		{none, func(f *PassageFilter) { f.Pass = &pass.ID{Day: baseDay, Index: 3} }, func(f *PassageFilter) { f.Words = "chan" },
			func(f *PassageFilter) { f.Words = "tai CHA" }, func(f *PassageFilter) { f.Words = "s0007@ex" }, func(f *PassageFilter) { f.Words = "nobody" }},
	}
	tried, found := 0, 0
	var try func(f PassageFilter, rest [][]func(*PassageFilter))
	try = func(f PassageFilter, rest [][]func(*PassageFilter)) {
		if len(rest) == 0 {
			tried++
			found += c.compare(t, f)
			return
		}
		for _, set := range rest[0] {
			g := f
			set(&g)
			try(g, rest[1:])
		}
	}
	try(PassageFilter{Limit: 97}, choices)
	if tried != 2*3*3*3*2*6 || found < 20_000 {
		t.Errorf("%d combinations found %d rows", tried, found)
	}
}

// compare reads all pages of a filter and returns how many rows there were.
func (c *crowd) compare(t *testing.T, f PassageFilter) int {
	t.Helper()
	var want, got []int64
	fit := slices.DeleteFunc(slices.Clone(c.rows), func(r crowdRow) bool { return !c.fits(f, r) })
	slices.SortFunc(fit, func(a, b crowdRow) int { return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(b.number, a.number)) })
	for _, r := range fit {
		want = append(want, r.number)
	}
	for {
		page, err := c.Search(ctx, f)
		if err != nil {
			t.Fatalf("%+v: %v", f, err)
		}
		for _, p := range page {
			got = append(got, p.Number)
		}
		if len(page) < f.Limit || len(got) > len(want) {
			break
		}
		f.Before = page[len(page)-1].Cursor()
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%+v: %d rows, want %d", f, len(got), len(want))
	}
	return len(got)
}

// TestWords: names are found by what people type, in any script, case and width.
func TestWords(t *testing.T) {
	for _, c := range []struct {
		guest, asked string
		found        bool
	}{
		{"Chan Tai Man", "tai", true}, {"Chan Tai Man", "man chan", true}, {"Chan Tai Man", "an", false}, {"Chan Tai Man", "chant", false},
		{"O'Brien", "brien", true}, {"O'Brien", "o'br", true}, {"Wong Ka-yan", "yan wong", true}, {"陳大文", "大文", true}, {"陳大文", "陳大", true},
		{"陳大文", "陳文", false}, {"ＣＨＡＮ", "chan", true}, {"José Núñez", "NÚÑ", true}, {"José Núñez", "nun\u0303", false}, {"محمد علي", "علي", true},
		{"x", "S0001@EXAMPLE", true}, {"x", "example", false}, {strings.Repeat("陳", 100), strings.Repeat("陳", 90), true},
	} {
		prefixes := [][]byte{}
		for _, w := range fold(c.asked) {
			prefixes = append(prefixes, cutWord(w))
		}
		if got := hasAll(wordsOf("s0001@example.edu", c.guest), prefixes); got != c.found {
			t.Errorf("%q in %q: %v", c.asked, c.guest, got)
		}
	}
	for _, w := range wordsOf(strings.Repeat("h", 500), strings.Repeat("陳大文 ", 500)) {
		if len(w) == 0 || len(w) > maxWord {
			t.Errorf("a word of %d bytes", len(w))
		}
	}
}

// TestPassesByWords: passes are found by names, days and zones; what is too much
// is refused.
func TestPassesByWords(t *testing.T) { both(t, testPassesByWords) }

func testPassesByWords(t *testing.T, d *DB) {
	newCrowd(t, d, 1)
	day := baseDay
	for _, c := range []struct {
		f    PassFilter
		want int
	}{
		{PassFilter{Words: "chan"}, 16}, {PassFilter{Words: "chan tai"}, 8}, {PassFilter{Words: "大文"}, 8}, {PassFilter{Words: "chan", Day: &day}, 6},
		{PassFilter{Words: "chan", Kind: pass.Guest}, 8}, {PassFilter{Day: &day, Zones: 3}, 10}, {PassFilter{Day: &day, Zones: 1}, 5}, {PassFilter{Words: "s0003"}, 3},
		{PassFilter{Words: "nobody"}, 0},
	} {
		c.f.Limit = 100
		if list, err := d.Passes(ctx, c.f); err != nil || len(list) != c.want {
			t.Errorf("%+v: %d passes, %v", c.f, len(list), err)
		}
	}
	for _, w := range []string{"s", " ", "a b"} {
		if _, err := d.Passes(ctx, PassFilter{Words: w, Limit: 1}); !errors.Is(err, ErrBroad) {
			t.Errorf("%q: %v", w, err)
		}
	}
}

// TestBroad: more passes than are looked through are refused, and found when days
// are given.
func TestBroad(t *testing.T) { both(t, testBroad) }

func testBroad(t *testing.T, d *DB) {
	err := d.Supervisor(ctx, func(tx *SupervisorTx) error { // any transaction: one for all passes
		for i := range maxMatches + 10 {
			day := baseDay - pass.Day(i%10)
			p := Pass{Pass: pass.Pass{Kind: pass.ECard, Day: day, Index: uint32(i), Length: 6, Zones: 1}, Signature: make([]byte, 64), Holder: fmt.Sprintf("many%05d", i)}
			if _, err := dayCapacity(ctx, tx.tx, day, 1024); err != nil {
				return err
			}
			if err := insertPass(ctx, tx.tx, &p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.match(ctx, "many", allDays); !errors.Is(err, ErrBroad) {
		t.Errorf("all days: %v", err)
	}
	if ids, err := d.match(ctx, "many many00007", allDays); err != nil || len(ids) != 1 {
		t.Errorf("a rare word beside a common one: %v, %v", ids, err)
	}
	if list, err := d.Search(ctx, PassageFilter{Words: "many", Limit: 10}); err != nil || len(list) != 0 {
		t.Errorf("a common name without a passage: %d rows, %v", len(list), err)
	}
	if _, err := d.Search(ctx, PassageFilter{Words: "many", From: base, Until: base + dayMs, Limit: 10}); err != nil {
		t.Errorf("one day: %v", err)
	}
	if list, err := d.Search(ctx, PassageFilter{Words: "many00007", Limit: 10}); err != nil || len(list) != 0 {
		t.Errorf("%d rows, %v", len(list), err)
	}
}

// TestCommonName: looking through the newest rows finds what looking for the passes
// does, page by page, and gives up when it finds too little.
func TestCommonName(t *testing.T) { both(t, testCommonName) }

func testCommonName(t *testing.T, d *DB) {
	newCrowd(t, d, maxLooked+lookedOnce)
	pages := 0
	for _, f := range []PassageFilter{{Words: "chan"}, {Words: "tai chan"}, {Words: "大文", Types: []link.EntryType{link.EntryDenied}}, {Words: "chan", Lane: "north", From: base - dayMs, Until: base + 1}} {
		f.Limit = 40
		for range 3 {
			want, err := d.Search(ctx, f)
			if err != nil || len(want) != f.Limit {
				t.Fatalf("%+v: %d rows, %v", f, len(want), err)
			}
			m := newMerge(f)
			if err := d.searchCommon(ctx, m); err != nil || len(m.found) != len(want) {
				t.Fatalf("%+v: %d rows, %v, want %d", f, len(m.found), err, len(want))
			}
			for i := range want {
				if m.found[i] != *want[i].Cursor() {
					t.Fatalf("%+v: row %d is %+v, want %+v", f, i, m.found[i], want[i].Cursor())
				}
			}
			f.Before = want[len(want)-1].Cursor()
			pages++
		}
	}
	if pages != 12 {
		t.Errorf("%d pages", pages)
	}
	if err := d.searchCommon(ctx, newMerge(PassageFilter{Words: "nobody", Limit: 10})); !errors.Is(err, ErrBroad) {
		t.Errorf("nobody among all: %v", err)
	}
	if m := newMerge(PassageFilter{Words: "nobody", Limit: 10, From: base, Until: base + 1}); d.searchCommon(ctx, m) != nil || len(m.found) != 0 {
		t.Errorf("nobody in a moment: %+v", m.found)
	}
}

// TestSearchPlan: SQLite reads the end of an index for each facet, nothing else,
// and sorts nothing.
func TestSearchPlan(t *testing.T) {
	d, _ := newDB(t)
	for query, index := range map[string]string{
		`SELECT at, number FROM entries WHERE facet = 1 AND ` + between(1):                  "COVERING INDEX entries_facet (facet=? AND (at,number)",
		`SELECT at, number FROM entries WHERE lane_key = 1 AND facet = 2 AND ` + between(1): "COVERING INDEX entries_lane (lane_key=? AND facet=? AND (at,number)",
	} {
		steps, err := all(ctx, d.sql, func(r rowScanner) (detail string, err error) {
			var id, parent, unused int
			return detail, r.Scan(&id, &parent, &unused, &detail)
		}, `EXPLAIN QUERY PLAN `+query, 0, 0, 9, 9, 50)
		if err != nil || len(steps) != 1 || !strings.Contains(steps[0], index) {
			t.Errorf("%v: %q", err, steps)
		}
	}
}
