package database

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
// rows it reads about as many as it returns, whatever is asked for. ErrBroad if
// too many passes fit f.Words; those are looked for on all days, and if they are
// too many, among the passes of the days from f.From to f.Until, one more at
// either end.
func (d *DB) Search(ctx context.Context, f PassageFilter) ([]Passage, error) {
	var ends []string
	var err error
	switch {
	case f.Pass != nil:
		ends, err = d.passEnds(ctx, f, []pass.ID{*f.Pass})
	case f.Words != "":
		ends, err = d.wordEnds(ctx, f)
	default:
		ends, err = d.facetEnds(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	var found []PassageCursor
	for part := range slices.Chunk(ends, endsTogether) {
		more, err := d.newest(ctx, f, part, found)
		if err != nil {
			return nil, err
		}
		found = more
	}
	return d.passages(ctx, found)
}

// endsTogether is how many ends of indices one statement looks at: SQLite takes
// 500, and each chunk knows from those before it what is too old.
const endsTogether = 100

// newest merges the newest rows of some ends of indices into those found so far.
func (d *DB) newest(ctx context.Context, f PassageFilter, ends []string, found []PassageCursor) ([]PassageCursor, error) {
	var c conditions
	c.between(f)
	if len(found) == f.Limit { // what comes has to be newer than the last
		last := found[len(found)-1]
		c.add("(at, number) > (?, ?)", last.At, last.Number)
	}
	limit := c.parameter(f.Limit)
	common := ""
	for _, p := range c.parts {
		common += " AND " + p
	}
	parts := make([]string, len(ends))
	for i, end := range ends {
		parts[i] = fmt.Sprintf(`SELECT * FROM (SELECT at, number FROM entries WHERE %s%s ORDER BY at DESC, number DESC LIMIT %s) e%d`, end, common, limit, i)
	}
	more, err := all(ctx, d.sql, func(r rowScanner) (p PassageCursor, err error) { return p, r.Scan(&p.At, &p.Number) },
		strings.Join(parts, " UNION ALL "), c.args...)
	found = append(found, more...)
	slices.SortFunc(found, func(a, b PassageCursor) int { return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(b.Number, a.Number)) })
	return found[:min(len(found), f.Limit)], err
}

// between adds the bounds in time.
func (c *conditions) between(f PassageFilter) {
	if f.From != 0 {
		c.add("at >= ?", f.From)
	}
	if f.Until != 0 {
		c.add("at < ?", f.Until)
	}
	if f.Before != nil {
		c.add("(at, number) < (?, ?)", f.Before.At, f.Before.Number)
	}
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

// facetEnds lists the ends of the indices by facet that f selects.
func (d *DB) facetEnds(ctx context.Context, f PassageFilter) ([]string, error) {
	present, err := d.facets(ctx, f)
	if err != nil {
		return nil, err
	}
	var ends []string
	for _, p := range present {
		end := "facet = " + strconv.FormatInt(int64(p.facet), 10)
		if f.Lane != "" {
			end = "lane_key = " + strconv.FormatInt(p.lane, 10) + " AND " + end
		}
		ends = append(ends, end)
	}
	return ends, nil
}

// laneFacet is a facet that there are rows of; lane is 0 if none was asked for.
type laneFacet struct {
	lane  int64
	facet facet
}

// facets returns what the ledger has of what f selects.
func (d *DB) facets(ctx context.Context, f PassageFilter) ([]laneFacet, error) {
	query, args := `SELECT DISTINCT 0, facet FROM ledger_facets`, []any(nil)
	if f.Lane != "" {
		query = `SELECT f.lane_key, f.facet FROM journals j CROSS JOIN ledger_facets f
			WHERE j.lane = $1 AND f.lane_key >= j.key * 256 AND f.lane_key < j.key * 256 + 256`
		args = []any{f.Lane}
	}
	list, err := all(ctx, d.sql, func(r rowScanner) (p laneFacet, err error) { return p, r.Scan(&p.lane, &p.facet) }, query, args...)
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

// passesTogether is how many passes one end names.
const passesTogether = 200

// passEnds lists the rows of passes, passesTogether at a time, that fit f otherwise.
func (d *DB) passEnds(ctx context.Context, f PassageFilter, ids []pass.ID) ([]string, error) {
	fits := ""
	if f.byFacet() {
		present, err := d.facets(ctx, f)
		if err != nil || len(present) == 0 {
			return nil, err
		}
		fits = " AND facet IN (" + numbers(present, func(p laneFacet) int64 { return int64(p.facet) }) + ")"
		if f.Lane != "" {
			fits += " AND lane_key IN (" + numbers(present, func(p laneFacet) int64 { return p.lane }) + ")"
		}
	}
	var ends []string
	for part := range slices.Chunk(ids, passesTogether) {
		var c conditions
		c.in("(pass_day, pass_idx)", part)
		ends = append(ends, "pass_day > 0 AND "+c.parts[0]+fits)
	}
	return ends, nil
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

// wordEnds lists the rows of the passes that fit f.Words.
func (d *DB) wordEnds(ctx context.Context, f PassageFilter) ([]string, error) {
	ids, err := d.match(ctx, f.Words, allDays)
	if errors.Is(err, ErrBroad) && f.From != 0 && f.Until != 0 {
		ids, err = d.match(ctx, f.Words, days{dayBefore(f.From), dayBefore(f.Until) + 2})
	}
	if err != nil {
		return nil, err
	}
	return d.passEnds(ctx, f, ids)
}

// dayBefore returns the day before the one of a time in Unix ms, wherever the
// campus is.
func dayBefore(at int64) pass.Day { return pass.DayOf(time.UnixMilli(at - dayMs).UTC()) }
