package measure

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// A campus as the ledger of a month has it.
const (
	monthDays   = 31
	controllers = 42
	gates       = 2 // lanes of a controller
	persons     = 20_000
	pageSize    = 50
	searchBound = 100 * time.Millisecond // what a page may take
)

// month is a ledger of a month of a campus in SQLite, made from a seed.
type month struct {
	db       *database.DB
	r        *rand.Rand
	rows     int
	begin    time.Time
	first    pass.Day
	journals []database.Journal
	seqs     []uint64
	passes   int // of a day
	grants   []pending
}

// pending is an entry that follows a grant.
type pending struct {
	controller int
	entry      link.Entry
}

// search measures pages of a ledger of r.Rows rows beside a tenth of a second.
func (r *rig) search(ctx context.Context) error {
	path := filepath.Join(r.folder, "month.db")
	db, err := database.Open(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	m := &month{db: db, r: rand.New(rand.NewPCG(11, 22)), rows: r.Rows, begin: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	began := time.Now()
	if err := m.fill(ctx); err != nil {
		return fmt.Errorf("fill the ledger: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d rows, %d MB, filled in %s\n", m.rows, info.Size()>>20, time.Since(began).Round(time.Second))
	for _, q := range m.questions() {
		if err := r.ask(ctx, q, m.rows); err != nil {
			return err
		}
	}
	return nil
}

// ask times one question, each time at another place in the month.
func (r *rig) ask(ctx context.Context, q question, rows int) error {
	var took []float64
	found := 0
	for round := range max(r.Rounds, 5) * 4 {
		t, err := timed(1, func() (err error) {
			n, err := q.ask(ctx, round)
			found += n
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", q.what, err)
		}
		took = append(took, t)
	}
	worst := took[0]
	for _, t := range took {
		worst = max(worst, t)
	}
	fmt.Fprintf(os.Stderr, "%-44s median %6.1f ms, worst %6.1f ms, %d rows found\n", q.what, median(took)/1e6, worst/1e6, found)
	r.rows = append(r.rows, Row{Measure: fmt.Sprintf("%s, of %d rows", q.what, rows), Limit: "0.1 s", Unit: "ns", Mark: 1,
		Product: median(took), Bound: float64(searchBound), Ratio: median(took) / float64(searchBound)})
	return nil
}

// question is one page of the office.
type question struct {
	what string
	ask  func(ctx context.Context, round int) (found int, err error)
}

func (m *month) questions() []question {
	page := func(what string, f database.PassageFilter) question {
		return question{what, func(ctx context.Context, round int) (int, error) {
			f := f
			f.Limit = pageSize
			if round > 0 { // a page from the middle of what there is
				f.Before = &database.PassageCursor{At: m.begin.UnixMilli() + m.r.Int64N(monthDays*86_400_000), Number: 0}
			}
			list, err := m.db.Search(ctx, f)
			return len(list), err
		}}
	}
	denied := []link.EntryType{link.EntryDenied}
	return []question{
		page("a page of all passages", database.PassageFilter{}),
		page("a page of what was decided", database.PassageFilter{Types: []link.EntryType{link.EntryGranted, link.EntryDenied}}),
		page("a page of a lane", database.PassageFilter{Lane: "lane-07", Number: 1}),
		page("a page of refusals in two zones", database.PassageFilter{Types: denied, Zones: []uint8{1, 4}}),
		page("a page of a rare reason", database.PassageFilter{Reasons: []pass.Reason{pass.LiveReplayed}}),
		page("a page of a rare reason at a lane", database.PassageFilter{Lane: "lane-31", Reasons: []pass.Reason{pass.LiveReplayed}}),
		page("a page of guests going out of a zone", database.PassageFilter{Kinds: []pass.Kind{pass.Guest}, Direction: 2, Zones: []uint8{3}}),
		page("a page of what never was", database.PassageFilter{Lane: "lane-07", Zones: []uint8{5}, Reasons: []pass.Reason{pass.HomeLane}}),
		page("a page of one person", database.PassageFilter{Words: "s0011111"}),
		page("a page of one name", database.PassageFilter{Words: "chan tai1234 man"}),
		page("a page of one person's refusals", database.PassageFilter{Words: "s0011111", Types: denied}),
		page("a page of a pass", database.PassageFilter{Pass: &pass.ID{Day: pass.DayOf(m.begin), Index: 17}}),
		{"a day's page of a name", m.nameOfDay},
		{"the counts of a month by hour and reason", func(ctx context.Context, _ int) (int, error) {
			list, err := m.db.ReasonCounts(ctx, m.begin.UnixMilli(), m.begin.AddDate(0, 0, monthDays).UnixMilli(), 1)
			return len(list), err
		}},
		{"how many are inside", func(ctx context.Context, _ int) (int, error) {
			list, err := m.db.Occupancies(ctx, m.begin.AddDate(0, 0, monthDays-1).UnixMilli())
			return len(list), err
		}},
		{"a page of who is inside", func(ctx context.Context, _ int) (int, error) {
			list, err := m.db.Muster(ctx, 2, m.begin.AddDate(0, 0, monthDays-1).UnixMilli(), nil, pageSize)
			return len(list), err
		}},
		{"a page of passes by name", func(ctx context.Context, round int) (int, error) {
			list, err := m.db.Passes(ctx, database.PassFilter{Words: fmt.Sprintf("tai%d", 1000+round), Limit: pageSize})
			return len(list), err
		}},
	}
}

// nameOfDay asks for the passages of a family name and the beginning of another on one
// day; a family name alone is refused on a large campus.
func (m *month) nameOfDay(ctx context.Context, round int) (int, error) {
	day := m.begin.AddDate(0, 0, round%monthDays)
	list, err := m.db.Search(ctx, database.PassageFilter{Words: "wong tai100", From: day.UnixMilli(), Until: day.AddDate(0, 0, 1).UnixMilli(), Limit: pageSize})
	return len(list), err
}

var families = []string{"Chan", "Wong", "Lee", "Cheung", "Lau", "Ng", "Ho", "Lam", "Tsang", "Yip", "Mak", "Kwok", "Fung", "Tam", "Chow", "Sin"}

// person returns the holder's id and the name of person n.
func person(n int) (holder, name string) {
	return fmt.Sprintf("s%07d", n), fmt.Sprintf("%s Tai%d Man", families[n*7919%len(families)], n/len(families))
}

func (m *month) fill(ctx context.Context) error {
	m.first, m.passes = pass.DayOf(m.begin), max(m.rows/monthDays/11, 100)
	err := m.db.Ledger(ctx, func(tx *database.LedgerTx) error {
		for i := range controllers {
			j := database.Journal{Lane: fmt.Sprintf("lane-%02d", i+1), ID: link.JournalID{byte(i + 1)}}
			if err := tx.AddJournal(&j); err != nil {
				return err
			}
			m.journals, m.seqs = append(m.journals, j), append(m.seqs, 0)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for day := range monthDays {
		if err := m.issue(ctx, m.first+pass.Day(day)); err != nil {
			return err
		}
		if err := m.day(ctx, day, m.rows*(day+1)/monthDays-m.rows*day/monthDays); err != nil {
			return err
		}
	}
	return nil
}

func (m *month) issue(ctx context.Context, day pass.Day) error {
	return m.db.InsertPasses(ctx, day, link.MaxCapacity, m.passes, func(number, _ uint32) (database.Pass, error) {
		holder, name := person(m.r.IntN(persons))
		p := pass.Pass{Kind: kindOf(number), Day: day, Index: number, Length: 100, Zones: 1}
		return database.Pass{Pass: p, Signature: make([]byte, 64), Holder: holder, GuestName: name, Issued: day.UTC() * 1000, IssuedBy: "bench"}, nil
	})
}

// kindOf makes every eighth pass a guest's.
func kindOf(number uint32) pass.Kind {
	if number%8 == 0 {
		return pass.Guest
	}
	return pass.ECard
}

// ledgerTogether is how many rows are stored in one transaction.
const ledgerTogether = 8000

// day stores n entries between 7:00 and 23:00.
func (m *month) day(ctx context.Context, day, n int) error {
	opens := m.begin.AddDate(0, 0, day).Add(7 * time.Hour).UnixMilli()
	for done := 0; done < n; {
		together := min(ledgerTogether, n-done)
		at := opens + int64(done)*16*3_600_000/int64(n)
		rows := make([][]database.Row, controllers)
		for range together {
			k, e := m.next(m.first+pass.Day(day), at)
			m.seqs[k]++
			e.Seq = m.seqs[k]
			rows[k] = append(rows[k], database.Row{Seq: e.Seq, Day: e.Pass.Day, Pass: e.Pass, Entry: e.Append(nil)})
			at += 16 * 3_600_000 / int64(n)
		}
		err := m.db.Ledger(ctx, func(tx *database.LedgerTx) error {
			for k, list := range rows {
				if err := tx.Append(m.journals[k].Key, at+1000, list); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		done += together
	}
	return nil
}

// next returns an entry: who was granted passes soon after.
func (m *month) next(day pass.Day, at int64) (controller int, e link.Entry) {
	if len(m.grants) > 50 {
		p := m.grants[0]
		m.grants = m.grants[1:]
		p.entry.Type, p.entry.Wall = link.EntryPassed, at
		if m.r.IntN(50) == 0 {
			p.entry.Type = link.EntryNotPassed
		}
		return p.controller, p.entry
	}
	k := m.r.IntN(controllers)
	index := uint32(m.r.IntN(m.passes))
	e = link.Entry{Type: link.EntryGranted, Lane: uint8(1 + m.r.IntN(gates)), Direction: uint8(1 + m.r.IntN(2)), Zone: uint8(k % 6), Clock: link.ClockTrusted,
		Wall: at, Kind: kindOf(index), Pass: pass.ID{Day: day, Index: index}}
	switch dice := m.r.IntN(10_000); {
	case dice == 0:
		e.Type, e.Reason = link.EntryDenied, pass.LiveReplayed
	case dice < 600:
		e.Type, e.Reason = link.EntryDenied, []pass.Reason{pass.Expired, pass.TooEarly, pass.Revoked, pass.Foreign, pass.WrongZone, pass.Closed, pass.AlreadyInside}[m.r.IntN(7)]
	default:
		m.grants = append(m.grants, pending{k, e})
	}
	return k, e
}
