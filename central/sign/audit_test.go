package sign

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// written makes an audit of n lines and returns its file.
func written(t *testing.T, dir string, n int) string {
	t.Helper()
	a, err := openAudit(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := a.add(Line{At: now, UID: 1, What: "mint", Detail: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, auditName(1))
}

// TestAuditIsWhole changes each byte, and takes each line out: all is noticed,
// also by the next start. A torn last line is cut.
func TestAuditIsWhole(t *testing.T) {
	dir := t.TempDir()
	path := written(t, dir, 5)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(good, []byte("\n"))
	var bad [][]byte
	for n := 0; n < len(good)-1; n += 7 {
		b := bytes.Clone(good)
		b[n] ^= 1
		bad = append(bad, b)
	}
	for n := range 4 { // the last one's loss shows in the chain value alone
		bad = append(bad, bytes.Join(append(append([][]byte{}, lines[:n]...), lines[n+1:]...), nil))
	}
	bad = append(bad, bytes.Join([][]byte{lines[1], lines[0], lines[2]}, nil))
	for n, b := range bad {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := CheckAudit(dir, func(Line) {}); !errors.Is(err, ErrAudit) {
			t.Errorf("change %d is not noticed: %v", n, err)
		}
		if a, err := openAudit(dir); !errors.Is(err, ErrAudit) {
			t.Errorf("change %d is not noticed at a start: %v", n, err)
			a.close()
		}
	}
	if len(bad) < 60 {
		t.Errorf("%d changes tried", len(bad))
	}
	if err := os.WriteFile(path, good[:len(good)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	written(t, dir, 2)
	if n, _, err := CheckAudit(dir, func(Line) {}); err != nil || n != 6 {
		t.Errorf("%d lines after a torn one: %v", n, err)
	}
}

func TestAuditFiles(t *testing.T) {
	dir := t.TempDir()
	written(t, dir, 3)
	a, err := openAudit(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a.size = maxAuditFile
		if err := a.add(Line{What: "mint"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := CheckAudit(dir, func(Line) {}); err != nil || n != 5 {
		t.Errorf("%d lines in three files: %v", n, err)
	}
	if err := os.Remove(filepath.Join(dir, auditName(2))); err != nil {
		t.Fatal(err)
	}
	if _, err := openAudit(dir); !errors.Is(err, ErrAudit) {
		t.Errorf("a file is missing: %v", err)
	}
}

func TestLimitsCheck(t *testing.T) {
	if (Limits{}).Check() != nil || (Limits{Mint: -1}).Check() == nil {
		t.Error("a negative limit, or none")
	}
	if l := (Limits{Mint: 7}).complete(); l.Mint != 7 || l.Feed != DefaultLimits().Feed {
		t.Errorf("%+v", l)
	}
	for _, l := range []limit{limitMint, limitReissues, limitLive, limitFeed, limitReleases, limitAnswers, limitCertificates, limitGateKeys, limitWithdrawals} {
		if newBudget(Limits{}).buckets[l] == nil {
			t.Errorf("no limit %s", l)
		}
	}
}
