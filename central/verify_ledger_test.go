package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"turnstile/central/database"
	"turnstile/central/link"
)

// TestVerifyLedger: a gap is shown and is no failure; a changed chain is one, and
// so is a folder without a ledger.
func TestVerifyLedger(t *testing.T) {
	dir := t.TempDir()
	db, err := database.Open(t.Context(), filepath.Join(dir, "central.db"))
	if err != nil {
		t.Fatal(err)
	}
	id, after := link.JournalID{7}, link.Hash{9}
	entry := (&link.Entry{Type: link.EntryBoot, Seq: 4}).Append(nil)
	j := database.Journal{Lane: "north", ID: id, Chain: link.JournalChain(after, entry), Last: 4}
	store := func(f func(*database.LedgerTx) error) {
		t.Helper()
		if err := db.Ledger(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	store(func(tx *database.LedgerTx) error {
		if err := tx.AddJournal(&j); err != nil {
			return err
		}
		if err := tx.AddGap(j.Key, database.Gap{From: 1, To: 3, Before: after}); err != nil {
			return err
		}
		return tx.Append(j.Key, 1, []database.Row{{Seq: 4, Entry: entry}})
	})
	verify := func(data string) (int, string) {
		var out, errs bytes.Buffer
		c := console{in: strings.NewReader(""), out: &out, err: &errs, env: func(string) string { return "" }}
		code := run(context.Background(), c, []string{"--data", data, "verify", "--ledger"})
		return code, out.String() + errs.String()
	}
	if code, out := verify(dir); code != exitOK || !strings.Contains(out, "entries 1 to 3 were lost") || !strings.Contains(out, "1 journals checked") {
		t.Errorf("exit %d: %s", code, out)
	}
	if n, err := db.EraseEntries(t.Context(), j, 2, 10, 1); err != nil || n != 1 {
		t.Fatalf("%d erased: %v", n, err)
	}
	if code, out := verify(dir); code != exitOK || !strings.Contains(out, "1 entries up to 4 were erased") {
		t.Errorf("exit %d: %s", code, out)
	}
	store(func(tx *database.LedgerTx) error {
		j.Chain[0] ^= 1
		return tx.SetJournal(j)
	})
	if code, out := verify(dir); code != exitFailed || !strings.Contains(out, "does not close") {
		t.Errorf("exit %d: %s", code, out)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if code, out := verify(t.TempDir()); code != exitUsage {
		t.Errorf("exit %d: %s", code, out)
	}
}
