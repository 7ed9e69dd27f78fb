package ledger

import (
	"encoding/binary"
	"fmt"
	"slices"

	"turnstile/central/database"
)

// maxGaps is how many gaps one journal can have: a disk that loses a file each
// day for years, and a bound for a lane that was taken over.
const maxGaps = 1000

// closeGap takes a lane's word that the entries before the batch are lost to
// damage. What is stored stays as it is: only numbers behind it can be lost, and
// the chain begins anew where the lane's next file says. That proves nothing of
// the lost entries, but a holder of the lane's key could have left them out of
// the journal as well; now the loss has its numbers and an alarm.
func (l *Ledger) closeGap(tx *database.LedgerTx, j *database.Journal, in *incoming) error {
	b := in.batch
	if b.Lost == 0 || b.First-b.Lost > j.Last+1 {
		return nil // nothing lost, or not all that lacks: fit names the gap
	}
	gaps, err := tx.Gaps(j.Key)
	if err != nil {
		return err
	}
	if b.First <= j.Last+1 {
		return l.lostInVain(tx, gaps, in)
	}
	if len(gaps) >= maxGaps { // fit refuses it as a gap
		return tx.Raise(l.alarmOf(CodeGaps, in, fmt.Errorf("journal %x lacks entries %d to %d, and %d stretches before", b.Journal[:4], j.Last+1, b.First-1, len(gaps))))
	}
	g := database.Gap{From: j.Last + 1, To: b.First - 1, Before: b.Before, At: l.config.Now().UnixMilli()}
	if err := tx.AddGap(j.Key, g); err != nil {
		return err
	}
	j.Last, j.Chain = g.To, g.Before
	return tx.Raise(l.alarmOf(CodeLost, in, fmt.Errorf("entries %d to %d of journal %x were lost on the lane's disk; the ledger goes on at %d",
		g.From, g.To, j.ID[:4], b.First)))
}

// lostInVain names a lane that calls lost what is stored. It changes nothing. A
// batch that closed a gap and comes again is no news.
func (l *Ledger) lostInVain(tx *database.LedgerTx, gaps []database.Gap, in *incoming) error {
	b := in.batch
	if slices.ContainsFunc(gaps, func(g database.Gap) bool { return g.To == b.First-1 }) {
		return nil
	}
	return tx.Raise(l.alarmOf(CodeLost, in, fmt.Errorf("the lane says that entries %d to %d of journal %x are lost; the ledger has them and keeps them",
		b.First-b.Lost, b.First-1, b.Journal[:4])))
}

// afterAll names entries that come though they were declared lost: a file was
// mended, or somebody else declared them. They are not stored.
func (l *Ledger) afterAll(tx *database.LedgerTx, late []database.Gap, in *incoming) error {
	if len(late) == 0 {
		return nil
	}
	from := max(late[0].From, in.batch.First)
	to := min(late[len(late)-1].To, in.batch.First+uint64(len(in.rows))-1)
	return tx.Raise(l.alarmOf(CodeLost, in, fmt.Errorf("entries between %d and %d of journal %x came after all, which the lane had called lost; they are not stored",
		from, to, in.batch.Journal[:4])))
}

// fit checks a batch against the stored journal and returns how many of its
// entries are stored already, or lie in a gap, and these gaps. ErrGap, ErrFork or
// ErrRewritten if it does not fit.
func fit(tx *database.LedgerTx, j *database.Journal, in *incoming) (known int, late []database.Gap, err error) {
	first := in.batch.First
	switch {
	case first > j.Last+1:
		return 0, nil, fmt.Errorf("%w: stored up to %d, the batch begins at %d", ErrGap, j.Last, first)
	case first == j.Last+1 && in.batch.Before != j.Chain:
		return 0, nil, fmt.Errorf("%w: at entry %d", ErrFork, first)
	case first == j.Last+1:
		return 0, nil, nil
	}
	known = int(min(j.Last+1-first, uint64(len(in.rows))))
	gaps, err := tx.Gaps(j.Key)
	if err != nil {
		return 0, nil, err
	}
	gaps = slices.DeleteFunc(gaps, func(g database.Gap) bool { return g.To < first || g.From >= first+uint64(known) })
	sameChain := in.chain[known-1] == j.Chain
	if known < len(in.rows) && sameChain && len(gaps) == 0 {
		return known, nil, nil // the same chain value: the same entries
	}
	erased, err := tx.Erased(j.Key)
	if err != nil {
		return 0, nil, err
	}
	rows := in.rows[:known]
	for len(rows) > 0 && rows[0].Seq <= erased.Last { // nothing to compare with any more
		rows = rows[1:]
	}
	if err := same(tx, j, rows, gaps); err != nil {
		return 0, nil, err
	}
	if known < len(in.rows) && !sameChain { // equal entries on another chain
		return 0, nil, fmt.Errorf("%w: at entry %d", ErrFork, first)
	}
	return known, gaps, nil
}

// same compares rows with what is stored. What comes late for a gap, because
// somebody mended the lane's file, is neither compared nor stored.
func same(tx *database.LedgerTx, j *database.Journal, rows []database.Row, gaps []database.Gap) error {
	if len(rows) == 0 {
		return nil
	}
	stored, err := tx.Entries(j.Key, rows[0].Seq, rows[len(rows)-1].Seq)
	if err != nil {
		return err
	}
	for i := range rows {
		seq := rows[i].Seq
		if slices.ContainsFunc(gaps, func(g database.Gap) bool { return g.From <= seq && seq <= g.To }) {
			continue
		}
		if len(stored) == 0 || seqOf(stored[0]) != seq || !slices.Equal(stored[0], rows[i].Entry) {
			return fmt.Errorf("%w: entry %d", ErrRewritten, seq)
		}
		stored = stored[1:]
	}
	return nil
}

// seqOf is the number in an encoded entry, TOPICS.md "Entries".
func seqOf(entry []byte) uint64 { return binary.BigEndian.Uint64(entry[8:]) }
