package server

import (
	"bytes"
	"database/sql"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // to change the log behind central's back

	"turnstile/central/audit"
)

// TestHeads signs heads, and finds what is changed, rewritten and cut off.
func TestHeads(t *testing.T) {
	c := configure(t)
	var out bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&out, nil))
	s := openCentral(t, c)
	defer s.stop()
	log := auditLog{s.central}
	deeds := func(n int) {
		for range n {
			if err := s.db.Audit(t.Context(), 1, "user:chan", "test", "x", ""); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // the second time nothing is new
			if err := s.signHead(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	deeds(3)
	deeds(2)
	head, err := s.db.AuditHead(t.Context())
	if err != nil || !strings.Contains(out.String(), "audit head") || !strings.Contains(out.String(), head.Hash.String()) {
		t.Errorf("the log does not have the head: %v", err)
	}
	r, err := log.Verify(t.Context(), "test", nil)
	if err != nil || r.Fault != nil || r.Anchors != 2 || r.Anchored != head.Number || r.Entries != head.Number+1 || r.AnchorAt.IsZero() {
		t.Fatalf("%+v %v", r, err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.Data, "central.db")+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	change := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	broken := func(what string, number int64) {
		t.Helper()
		r, err := log.Verify(t.Context(), "test", nil)
		if err != nil || r.Fault == nil || r.Fault.Number != number {
			t.Errorf("%s: %+v %v", what, r.Fault, err)
		}
	}
	// Somebody computes all hashes anew: the first signed head tells.
	var v audit.Hash
	rows, err := s.db.AuditAfter(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range rows {
		if e.Number == 2 {
			e.By = "user:lee"
		}
		e = audit.Next(v, e)
		v = e.Hash
		change(`UPDATE audit SET by = $1, salt = $2, content = $3, hash = $4 WHERE number = $5`, e.By, e.Salt, e.Content[:], e.Hash[:], e.Number)
	}
	first, err := s.db.Anchors(t.Context(), 0, 1)
	if err != nil || len(rows) < 6 {
		t.Fatal(err)
	}
	broken("rewritten", first[0].Number)
	// Without the heads it is a good chain again: that is what a noted head is for.
	change(`DELETE FROM audit_anchors WHERE number = $1`, first[0].Number)
	broken("the last head", head.Number)
	change(`DELETE FROM audit WHERE number >= $1`, head.Number)
	if r, err := log.Verify(t.Context(), "test", nil); err != nil || r.Fault == nil {
		t.Errorf("cut off: %+v %v", r, err)
	}
	alarms, err := s.db.Alarms(t.Context(), 0, 10)
	if err != nil || len(alarms) == 0 || alarms[0].Code != "audit_broken" {
		t.Errorf("%+v %v", alarms, err)
	}
}
