package database

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// PassageFilter selects ledger rows; zero, nil and empty fields select all. A
// row has to fit every field that is set, and one of each list.
type PassageFilter struct {
	From, Until int64  // time in Unix ms: From <= at < Until
	Lane        string // lane controller
	Number      uint8  // of the lane on it; needs Lane
	Zones       []uint8
	Types       []link.EntryType
	Reasons     []pass.Reason // of entries that are about a pass
	Kinds       []pass.Kind
	Direction   uint8 // 1 in, 2 out
	Pass        *pass.ID
	Words       string // each begins a word of the holder's id or the guest's name
	Limit       int
	Before      *PassageCursor
}

// PassageCursor is the position of a row in the order of time.
type PassageCursor struct{ At, Number int64 }

// Passage is a ledger row as a search finds it.
type Passage struct {
	Stored
	At int64 // Unix ms that it is sorted by: the lane's stamp, or the arrival if the stamp cannot be true
}

// Cursor is the Before of the page that begins behind this row.
func (p *Passage) Cursor() *PassageCursor { return &PassageCursor{p.At, p.Number} }

// Search returns ledger rows, the newest first, at most f.Limit. Of ten million
// rows it reads about as many as it returns, whatever is asked for. Passes that fit
// f.Words are looked for on all days, and if they are too many, among those of the
// days from f.From to f.Until, one more at either end; if these are too many as well
// it is a common name, and the newest rows are looked through. ErrBroad if that
// finds no full page among maxLooked.
func (d *DB) Search(ctx context.Context, f PassageFilter) ([]Passage, error) {
	m := newMerge(f)
	var err error
	switch {
	case f.Pass != nil:
		err = d.searchPasses(ctx, m, []pass.ID{*f.Pass})
	case f.Words != "":
		err = d.searchWords(ctx, m)
	default:
		err = d.searchFacets(ctx, m)
	}
	if err != nil {
		return nil, err
	}
	return d.passages(ctx, m.found)
}

// merge collects the newest rows of many ends of indices: each end gives at most
// a page, and none that is older than a full page of what came before.
type merge struct {
	PassageFilter
	found        []PassageCursor // the newest first
	above, below PassageCursor   // what is looked for lies between
}

func newMerge(f PassageFilter) *merge {
	m := &merge{PassageFilter: f, above: PassageCursor{f.From, -1}, below: PassageCursor{math.MaxInt64, 0}}
	if f.Until != 0 {
		m.below.At = f.Until
	}
	if b := f.Before; b != nil && b.compare(m.below) < 0 {
		m.below = *b
	}
	return m
}

func (c PassageCursor) compare(o PassageCursor) int {
	return cmp.Or(cmp.Compare(c.At, o.At), cmp.Compare(c.Number, o.Number))
}

func (m *merge) add(rows []PassageCursor) {
	m.found = append(m.found, rows...)
	slices.SortFunc(m.found, func(a, b PassageCursor) int { return b.compare(a) })
	if len(m.found) >= m.Limit {
		m.found = m.found[:m.Limit]
		m.above = m.found[m.Limit-1]
	}
}

// between is the condition and order of an end, with five parameters from $n on.
func between(n int) string {
	return fmt.Sprintf(`(at, number) > ($%d, $%d) AND (at, number) < ($%d, $%d) ORDER BY at DESC, number DESC LIMIT $%d`, n, n+1, n+2, n+3, n+4)
}

func (m *merge) bounds() []any {
	return []any{m.above.At, m.above.Number, m.below.At, m.below.Number, m.Limit}
}

func scanCursor(r rowScanner) (c PassageCursor, err error) { return c, r.Scan(&c.At, &c.Number) }

// endStatements read the ends of the indices. They are run for each facet, and
// prepared once: to SQLite it takes ten times as long to read such a statement as
// to run it.
type endStatements struct{ facet, lane *sql.Stmt }

func (d *DB) prepareEnds(ctx context.Context) (err error) {
	if d.ends.facet, err = d.sql.PrepareContext(ctx, `SELECT at, number FROM entries WHERE facet = $1 AND `+between(2)); err != nil {
		return err
	}
	d.ends.lane, err = d.sql.PrepareContext(ctx, `SELECT at, number FROM entries WHERE lane_key = $1 AND facet = $2 AND `+between(3))
	return err
}

// searchFacets merges the ends of the indices by facet that the filter selects.
func (d *DB) searchFacets(ctx context.Context, m *merge) error {
	present, err := d.facets(ctx, m.PassageFilter)
	if err != nil {
		return err
	}
	for _, p := range present {
		var rows []PassageCursor
		if m.Lane != "" {
			rows, err = allOf(ctx, d.ends.lane, scanCursor, append([]any{p.lane, int64(p.facet)}, m.bounds()...)...)
		} else {
			rows, err = allOf(ctx, d.ends.facet, scanCursor, append([]any{int64(p.facet)}, m.bounds()...)...)
		}
		if err != nil {
			return err
		}
		m.add(rows)
	}
	return nil
}

// passages reads whole rows in the order of their numbers' list.
func (d *DB) passages(ctx context.Context, found []PassageCursor) ([]Passage, error) {
	if len(found) == 0 {
		return nil, nil
	}
	at := map[int64]int64{}
	for _, p := range found {
		at[p.Number] = p.At
	}
	rows, err := all(ctx, d.sql, scanStored, selectStored+` WHERE e.number IN (`+
		numbers(found, func(p PassageCursor) int64 { return p.Number })+`) ORDER BY e.at DESC, e.number DESC`)
	if err != nil {
		return nil, err
	}
	list := make([]Passage, len(rows))
	for i, r := range rows {
		list[i] = Passage{r, at[r.Number]}
	}
	return list, nil
}

// laneFacet is a facet that there are rows of; lane is 0 if none was asked for.
type laneFacet struct {
	lane  int64
	facet facet
}

// facets returns what the ledger has of what f selects.
func (d *DB) facets(ctx context.Context, f PassageFilter) ([]laneFacet, error) {
	query, args := `SELECT DISTINCT 0, f.facet FROM ledger_facets f`, []any(nil)
	if f.Lane != "" {
		query = `SELECT f.lane_key, f.facet FROM journals j CROSS JOIN ledger_facets f
			WHERE j.lane = $1 AND f.lane_key >= j.key * 256 AND f.lane_key < j.key * 256 + 256`
		args = []any{f.Lane}
	}
	// What was granted comes first: those are the ends with the most rows.
	list, err := all(ctx, d.sql, func(r rowScanner) (p laneFacet, err error) { return p, r.Scan(&p.lane, &p.facet) }, query+` ORDER BY f.facet`, args...)
	return slices.DeleteFunc(list, func(p laneFacet) bool { return !f.selects(p) }), err
}

// selects tells whether a facet fits the filter.
func (f *PassageFilter) selects(p laneFacet) bool {
	x := p.facet
	if len(f.Reasons)+len(f.Kinds) > 0 && !ofPass(x.entryType()) {
		return false
	}
	return (f.Number == 0 || uint8(p.lane) == f.Number) && (f.Direction == 0 || x.direction() == f.Direction) &&
		among(f.Zones, x.zone()) && among(f.Types, x.entryType()) && among(f.Reasons, x.reason()) && among(f.Kinds, x.kind())
}

func among[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

// byFacet tells whether anything is asked for that facets answer.
func (f *PassageFilter) byFacet() bool {
	return f.Lane != "" || f.Direction != 0 || len(f.Zones)+len(f.Types)+len(f.Reasons)+len(f.Kinds) > 0
}

// passesTogether is how many passes one statement names.
const passesTogether = 200

// searchPasses merges the rows of passes that fit the filter otherwise.
func (d *DB) searchPasses(ctx context.Context, m *merge, ids []pass.ID) error {
	fits := ""
	if m.byFacet() {
		present, err := d.facets(ctx, m.PassageFilter)
		if err != nil || len(present) == 0 {
			return err
		}
		fits = "facet IN (" + numbers(present, func(p laneFacet) int64 { return int64(p.facet) }) + ") AND "
		if m.Lane != "" {
			fits += "lane_key IN (" + numbers(present, func(p laneFacet) int64 { return p.lane }) + ") AND "
		}
	}
	for part := range slices.Chunk(ids, passesTogether) {
		var c conditions
		c.in("(pass_day, pass_idx)", part)
		rows, err := all(ctx, d.sql, scanCursor, `SELECT at, number FROM entries WHERE pass_day > 0 AND `+c.parts[0]+` AND `+fits+between(1), m.bounds()...)
		if err != nil {
			return err
		}
		m.add(rows)
	}
	return nil
}

// numbers lists each number once, with commas between.
func numbers[T any](list []T, of func(T) int64) string {
	var text []string
	seen := map[int64]bool{}
	for _, v := range list {
		if n := of(v); !seen[n] {
			seen[n], text = true, append(text, strconv.FormatInt(n, 10))
		}
	}
	return strings.Join(text, ",")
}

// dayMs is a day in ms.
const dayMs = 24 * hourMs

// searchWords merges the rows of the passes that fit the words.
func (d *DB) searchWords(ctx context.Context, m *merge) error {
	ids, err := d.match(ctx, m.Words, allDays)
	if errors.Is(err, ErrBroad) && m.From != 0 && m.Until != 0 {
		ids, err = d.match(ctx, m.Words, days{dayBefore(m.From), dayBefore(m.Until) + 2})
	}
	if errors.Is(err, ErrBroad) {
		return d.searchCommon(ctx, m)
	}
	if err != nil {
		return err
	}
	return d.searchPasses(ctx, m, ids)
}

// How many rows are looked through for a common name, and how many at once.
const (
	maxLooked  = 5000
	lookedOnce = 500
)

// searchCommon looks through the newest rows for those whose pass fits the words.
func (d *DB) searchCommon(ctx context.Context, m *merge) error {
	prefixes, err := prefixesOf(m.Words)
	if err != nil {
		return err
	}
	f := m.PassageFilter
	f.Limit = lookedOnce
	for range maxLooked / lookedOnce {
		part := newMerge(f)
		if err := d.searchFacets(ctx, part); err != nil {
			return err
		}
		fit, err := d.ofNames(ctx, part.found, prefixes)
		if err != nil {
			return err
		}
		m.add(fit)
		if len(part.found) < lookedOnce || len(m.found) >= m.Limit {
			return nil
		}
		f.Before = &part.found[lookedOnce-1]
	}
	return ErrBroad
}

// ofNames returns those of some rows whose pass has a word for each prefix.
func (d *DB) ofNames(ctx context.Context, rows []PassageCursor, prefixes [][]byte) (fit []PassageCursor, err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	type named struct {
		PassageCursor
		holder, guest string
	}
	list, err := all(ctx, d.sql, func(r rowScanner) (n named, err error) { return n, r.Scan(&n.At, &n.Number, &n.holder, &n.guest) },
		`SELECT e.at, e.number, p.holder, p.guest_name FROM entries e CROSS JOIN passes p WHERE e.number IN (`+
			numbers(rows, func(p PassageCursor) int64 { return p.Number })+`) AND p.day = e.pass_day AND p.idx = e.pass_idx`)
	for _, n := range list {
		if hasAll(wordsOf(n.holder, n.guest), prefixes) {
			fit = append(fit, n.PassageCursor)
		}
	}
	return fit, err
}

// dayBefore returns the day before the one of a time in Unix ms, wherever the
// campus is.
func dayBefore(at int64) pass.Day { return pass.DayOf(time.UnixMilli(at - dayMs).UTC()) }
