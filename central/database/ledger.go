package database

import (
	"context"
	"database/sql"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Journal is how far the ledger has one lane controller's journal.
type Journal struct {
	Key     int64 // names the journal in this database
	Lane    string
	ID      link.JournalID
	Last    uint64    // newest stored entry, 0 if none
	Chain   link.Hash // chain value at Last
	Started int64     // Unix ms, first heard of
}

// Row is one journal entry on its way into the ledger.
type Row struct {
	Seq   uint64
	Day   pass.Day // campus day of the entry's time stamp
	Pass  pass.ID  // zero if the entry is not about a pass
	Entry []byte   // as the lane encoded it
}

// LedgerTx is one transaction of the ledger. Valid only inside the function
// given to Ledger.
type LedgerTx struct {
	db       *DB
	ctx      context.Context
	tx       *sql.Tx
	number   int64 // last ledger number given, -1 before the first
	pending  []newRow
	inserter *inserter
	tally    *tally

	find, set *sql.Stmt // of journals, nil until they are asked for; they end with tx
}

// Ledger runs f in one transaction.
func (d *DB) Ledger(ctx context.Context, f func(*LedgerTx) error) error {
	return d.writeOn(ctx, writerLedger, func(conn *sql.Conn, tx *sql.Tx) error {
		t := &LedgerTx{db: d, ctx: ctx, tx: tx, number: -1, inserter: newInserter(ctx, conn, tx, d.postgres), tally: newTally()}
		if err := f(t); err != nil {
			return err
		}
		if err := t.flush(); err != nil {
			return err
		}
		return t.tally.store(t.inserter)
	})
}

const (
	journalColumns = `key, lane, journal, last, chain, started`
	findJournal    = `SELECT ` + journalColumns + ` FROM journals WHERE lane = $1 AND journal = $2`
)

func scanJournal(r rowScanner) (j Journal, err error) {
	var id, chain []byte
	err = r.Scan(&j.Key, &j.Lane, &id, &j.Last, &chain, &j.Started)
	copy(j.ID[:], id)
	copy(j.Chain[:], chain)
	return j, err
}

// Journal returns a lane's journal, or ErrNotFound.
func (t *LedgerTx) Journal(lane string, id link.JournalID) (Journal, error) {
	if t.find == nil { // each batch of a transaction asks; parsing costs more than finding
		find, err := t.tx.PrepareContext(t.ctx, findJournal)
		if err != nil {
			return Journal{}, named(err)
		}
		t.find = find
	}
	j, err := scanJournal(t.find.QueryRowContext(t.ctx, lane, id[:]))
	return j, named(err)
}

// AddJournal stores a journal that was not known, and sets its Key.
func (t *LedgerTx) AddJournal(j *Journal) error {
	err := t.tx.QueryRowContext(t.ctx, `INSERT INTO journals (`+journalColumns+`)
		SELECT COALESCE(MAX(key), 0) + 1, $1, $2, $3, $4, $5 FROM journals RETURNING key`,
		j.Lane, j.ID[:], int64(j.Last), j.Chain[:], j.Started).Scan(&j.Key)
	return named(err)
}

// SetJournal stores Last and Chain.
func (t *LedgerTx) SetJournal(j Journal) error {
	if t.set == nil {
		set, err := t.tx.PrepareContext(t.ctx, `UPDATE journals SET last = $1, chain = $2 WHERE key = $3`)
		if err != nil {
			return named(err)
		}
		t.set = set
	}
	_, err := t.set.ExecContext(t.ctx, int64(j.Last), j.Chain[:], j.Key)
	return named(err)
}

// Entries returns the stored entries from .. to of a journal.
func (t *LedgerTx) Entries(key int64, from, to uint64) ([][]byte, error) {
	if err := t.flush(); err != nil {
		return nil, err
	}
	return all(t.ctx, t.tx, func(r rowScanner) (b []byte, err error) { return b, r.Scan(&b) },
		`SELECT entry FROM entries WHERE journal = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq`, key, int64(from), int64(to))
}

// Append adds entries to the ledger in order, with what they are searched and
// counted by. The rows are not to be changed before the transaction ends.
func (t *LedgerTx) Append(key, received int64, rows []Row) error {
	if err := t.findNumber(); err != nil {
		return err
	}
	for i := range rows {
		t.number++
		r := &rows[i]
		c := columnsOf(key, received, r.Entry)
		t.tally.add(r.Pass, &c)
		t.pending = append(t.pending, newRow{r, key, received, t.number, c.at, c.lane, c.facet})
	}
	if len(t.pending) < pendingRows {
		return nil
	}
	return t.flush()
}

// pendingRows is how many entries of a transaction wait to be written together.
const pendingRows = 1000

// newRow is an entry that is in the ledger when the transaction is committed.
type newRow struct {
	*Row
	journal, received, number, at, lane int64
	facet                               facet
}

// flush writes what Append took.
func (t *LedgerTx) flush() error {
	err := t.inserter.insert(&intoEntries, len(t.pending), func(i int, args []any) []any {
		r := &t.pending[i]
		return append(args, r.number, r.journal, int64(r.Seq), int64(r.Day), int64(r.Pass.Day), int64(r.Pass.Index), r.received, r.Entry, r.at, r.lane, int64(r.facet))
	})
	t.pending = t.pending[:0]
	return named(err)
}

func (t *LedgerTx) findNumber() error {
	if t.number >= 0 {
		return nil
	}
	return named(t.tx.QueryRowContext(t.ctx, `SELECT COALESCE(MAX(last), 0) FROM
		(SELECT MAX(number) AS last FROM entries UNION ALL SELECT MAX(number) FROM journal_erased) n`).Scan(&t.number))
}

var intoEntries = insertion{table: "entries",
	columns: []string{"number", "journal", "seq", "day", "pass_day", "pass_idx", "received", "entry", "at", "lane_key", "facet"}}

// Raise adds an alarm in the same transaction; see DB.Raise.
func (t *LedgerTx) Raise(a Alarm) error { return t.db.raise(t.ctx, t.tx, a) }

// Journals returns all journals by lane, the one last begun last.
func (d *DB) Journals(ctx context.Context) ([]Journal, error) {
	return all(ctx, d.sql, scanJournal, `SELECT `+journalColumns+` FROM journals ORDER BY lane, started, key`)
}

// Stored is an entry in the ledger.
type Stored struct {
	Number    int64 // 1, 2, 3 ... in the order of arrival
	Lane      string
	Journal   link.JournalID
	Received  int64 // Unix ms
	Entry     []byte
	Holder    string // of a known pass
	GuestName string
}

// EntryFilter selects ledger rows; nil, zero and empty fields select all.
type EntryFilter struct {
	After int64
	Limit int
	Lane  string
	Day   *pass.Day
	Pass  *pass.ID
}

// Entries returns ledger rows ascending by number.
func (d *DB) Entries(ctx context.Context, f EntryFilter) ([]Stored, error) {
	var c conditions
	c.add("e.number > ?", f.After)
	if f.Lane != "" {
		c.add("j.lane = ?", f.Lane)
	}
	if f.Day != nil {
		c.add("e.day = ?", *f.Day)
	}
	if f.Pass != nil {
		c.add("e.pass_day = ? AND e.pass_idx = ?", f.Pass.Day, f.Pass.Index)
	}
	where := c.where()
	return all(ctx, d.sql, scanStored, selectStored+where+` ORDER BY e.number LIMIT `+c.parameter(f.Limit), c.args...)
}

const selectStored = `SELECT e.number, j.lane, j.journal, e.received, e.entry,
		COALESCE(p.holder, ''), COALESCE(p.guest_name, '')
		FROM entries e JOIN journals j ON j.key = e.journal
		LEFT JOIN passes p ON p.day = e.pass_day AND p.idx = e.pass_idx AND e.pass_day > 0 `

func scanStored(r rowScanner) (s Stored, err error) {
	var id []byte
	err = r.Scan(&s.Number, &s.Lane, &id, &s.Received, &s.Entry, &s.Holder, &s.GuestName)
	copy(s.Journal[:], id)
	return s, err
}

// CountJournals returns how many journals of a lane are known.
func (t *LedgerTx) CountJournals(lane string) (n int, err error) {
	err = t.tx.QueryRowContext(t.ctx, `SELECT COUNT(*) FROM journals WHERE lane = $1`, lane).Scan(&n)
	return n, named(err)
}
