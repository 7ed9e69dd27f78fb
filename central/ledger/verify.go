package ledger

import (
	"context"
	"errors"
	"fmt"

	"turnstile/central/database"
	"turnstile/central/link"
)

// ErrBroken says that the stored entries are not those of which the chain was
// made: the database was changed by hand, or is damaged.
var ErrBroken = errors.New("the ledger's chain does not close")

// Verdict is what Verify found in one journal.
type Verdict struct {
	Lane    string
	Journal link.JournalID
	Last    uint64          // newest entry
	Entries uint64          // read and chained
	Erased  database.Erased // by the retention: what remains is chained from there on
	Gaps    []database.Gap  // behind that; lost on the lane and declared: the chain begins anew behind each
	Err     error           // wraps ErrBroken and names the entry; nil: the chain closes
}

// verifyAgain is how often a journal is read anew of which meanwhile more was erased.
const verifyAgain = 3

// verifyAtOnce entries are read together.
const verifyAtOnce = 1000

// Verify reads all journals from their first entry on and computes their chains
// again. It may run beside a ledger that stores. The error is the database's own.
func Verify(ctx context.Context, db *database.DB) ([]Verdict, error) {
	journals, err := db.Journals(ctx)
	if err != nil {
		return nil, fmt.Errorf("list journals: %w", err)
	}
	list := make([]Verdict, 0, len(journals))
	for _, j := range journals {
		v, err := verifyJournal(ctx, db, j)
		for range verifyAgain {
			if err != nil || v.Err == nil {
				break
			}
			// The retention may have erased what was about to be read.
			e, readErr := db.Erased(ctx, j.Key)
			if err = readErr; err == nil && e.Last > v.Erased.Last {
				v, err = verifyJournal(ctx, db, j)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("read journal %x of lane %s: %w", j.ID[:4], j.Lane, err)
		}
		list = append(list, v)
	}
	return list, nil
}

func verifyJournal(ctx context.Context, db *database.DB, j database.Journal) (Verdict, error) {
	v := Verdict{Lane: j.Lane, Journal: j.ID, Last: j.Last}
	gaps, err := db.Gaps(ctx, j.Key)
	if err != nil {
		return v, err
	}
	if v.Erased, err = db.Erased(ctx, j.Key); err != nil {
		return v, err
	}
	for _, g := range gaps { // those behind j.Last came while this one reads
		if g.To <= j.Last && g.To > v.Erased.Last {
			v.Gaps = append(v.Gaps, g)
		}
	}
	c := chainCheck{chain: link.JournalStart(j.ID), gaps: v.Gaps}
	if v.Erased.Last > 0 {
		c.at, c.chain = v.Erased.Last, v.Erased.Chain
	}
	for c.at < j.Last && v.Err == nil {
		entries, err := db.JournalEntries(ctx, j.Key, c.at, int(min(verifyAtOnce, j.Last-c.at)))
		if err != nil {
			return v, err
		}
		v.Err = c.take(entries, j.Last)
	}
	v.Entries = c.entries
	if v.Err == nil && c.chain != j.Chain {
		v.Err = fmt.Errorf("%w: at entry %d", ErrBroken, j.Last)
	}
	return v, nil
}

// chainCheck goes along a journal.
type chainCheck struct {
	at      uint64 // newest entry, or end of a gap
	chain   link.Hash
	gaps    []database.Gap // ahead
	entries uint64
}

// take chains entries, and passes over the gaps between them.
func (c *chainCheck) take(entries [][]byte, last uint64) error {
	for _, e := range entries {
		seq := seqOf(e)
		if seq > last {
			return nil
		}
		c.skip()
		if seq != c.at+1 {
			return fmt.Errorf("%w: entry %d lacks", ErrBroken, c.at+1)
		}
		c.at, c.chain, c.entries = seq, link.JournalChain(c.chain, e), c.entries+1
	}
	c.skip()
	if len(entries) == 0 && c.at < last {
		return fmt.Errorf("%w: entry %d lacks", ErrBroken, c.at+1)
	}
	return nil
}

// skip passes over the gap that begins here.
func (c *chainCheck) skip() {
	for len(c.gaps) > 0 && c.gaps[0].From == c.at+1 {
		c.at, c.chain, c.gaps = c.gaps[0].To, c.gaps[0].Before, c.gaps[1:]
	}
}
