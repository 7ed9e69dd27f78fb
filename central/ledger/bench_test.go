package ledger

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
)

const (
	benchBatches = 32
	benchEntries = 250
)

// BenchmarkIngest measures entries a second through signature, inflation, chain,
// idempotence and ledger, and beside it, interleaved, the bare bulk insert of
// the same rows with the same statement: MEASURES asks for a ratio of 0.6.
func BenchmarkIngest(b *testing.B) {
	dir := b.TempDir()
	s, bare := newShop(b, filepath.Join(dir, "central.db")), newShop(b, filepath.Join(dir, "bare.db"))
	j := newJournal("N1", 1, b.N*benchBatches*benchEntries)
	messages := make([][]byte, 0, b.N*benchBatches)
	for first := 1; first <= len(j.entries); first += benchEntries {
		messages = append(messages, j.batch(b, first, first+benchEntries-1))
	}
	key := bare.addJournal(b)
	var own, limit time.Duration
	b.ResetTimer()
	for round := range b.N {
		from := round * benchBatches
		began := time.Now()
		s.put(b, "N1", messages[from:from+benchBatches]...)
		own += time.Since(began)
		<-s.acks
		rows := make([]database.Row, benchBatches*benchEntries)
		for i := range rows {
			raw := j.entries[from*benchEntries+i]
			e, _, err := link.ParseEntry(raw)
			if err != nil {
				b.Fatal(err)
			}
			rows[i] = s.row(&e, raw)
		}
		began = time.Now()
		err := bare.db.Ledger(context.Background(), func(tx *database.LedgerTx) error { return tx.Append(key, 1, rows) })
		if err != nil {
			b.Fatal(err)
		}
		limit += time.Since(began)
	}
	n := float64(b.N * benchBatches * benchEntries)
	b.ReportMetric(n/own.Seconds(), "entries/s")
	b.ReportMetric(n/limit.Seconds(), "bare-rows/s")
	b.ReportMetric(limit.Seconds()/own.Seconds(), "ratio")
}

func (s *shop) addJournal(b *testing.B) int64 {
	b.Helper()
	j := database.Journal{Lane: "N1", ID: link.JournalID{1}}
	if err := s.db.Ledger(context.Background(), func(tx *database.LedgerTx) error { return tx.AddJournal(&j) }); err != nil {
		b.Fatal(err)
	}
	return j.Key
}
