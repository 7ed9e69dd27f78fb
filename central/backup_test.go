package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnstile/central/database"
	"turnstile/central/link"
)

// TestBackupCommand: a backup is made and restored where nothing is, and nowhere
// else; of PostgreSQL the commands are told, without the password; --new-epoch is
// for a database that was restored otherwise.
func TestBackupCommand(t *testing.T) {
	data, file := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	db, err := database.Open(t.Context(), filepath.Join(data, "central.db"))
	if err != nil {
		t.Fatal(err)
	}
	err = db.Feed(t.Context(), func(tx *database.FeedTx) error {
		return tx.Append(7, 1, link.ChainStart(7), 1, []link.Event{{Type: link.OpenDay, Day: 2517, Value: 1024}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(t.TempDir(), "central.yaml")
	if err := os.WriteFile(conf, []byte("database: postgres://central:hunter2secret@db.example/turnstile?sslmode=require\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(t.TempDir(), "data")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--data", t.TempDir(), "backup", "--out", file}, exitUsage, "no database"},
		{[]string{"--data", data, "backup", "--out", file}, exitOK, "checked"},
		{[]string{"--data", data, "backup", "--out", file}, exitFailed, "there is something already"},
		{[]string{"--data", data, "restore", file}, exitFailed, "central.db in it"},
		{[]string{"--data", fresh, "restore"}, exitUsage, "--new-epoch"},
		{[]string{"--data", fresh, "restore", conf}, exitFailed, "no backup"},
		{[]string{"--data", fresh, "restore", file}, exitOK, "event 1 of epoch 7"},
		{[]string{"--data", fresh, "restore", "--new-epoch"}, exitOK, "event 1 of epoch 7"},
		{[]string{"backup", "--out", file, "--config", conf}, exitFailed, "pg_dump --format=custom --file='" + file + "' 'postgres://central@db.example/turnstile?sslmode=require'"},
		{[]string{"restore", file, "--config", conf}, exitFailed, "pg_restore"},
	} {
		var out bytes.Buffer
		code := run(context.Background(), console{in: strings.NewReader(""), out: &out, err: &out, env: func(string) string { return "" }}, c.args)
		if said := out.String(); code != c.code || !strings.Contains(said, c.says) || strings.Contains(said, "hunter2secret") {
			t.Errorf("%v: exit %d: %s", c.args, code, said)
		}
	}
	if db, err = database.Open(t.Context(), filepath.Join(fresh, "central.db")); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if least, r, err := db.LeastEpoch(t.Context()); err != nil || least <= 7 || r.Epoch != 7 || r.Made != 0 {
		t.Errorf("epoch %d from %+v: %v", least, r, err)
	}
}
