package sign

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// written makes an audit of n lines and returns its file.
func written(t *testing.T, dir string, n int) string {
	t.Helper()
	a, err := openAudit(dir, DefaultKeep)
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
		if a, err := openAudit(dir, DefaultKeep); !errors.Is(err, ErrAudit) {
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
	a, err := openAudit(dir, DefaultKeep)
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
	if n, _, err := CheckAudit(dir, func(Line) {}); err != nil || n != 7 {
		t.Errorf("%d lines in three files: %v", n, err)
	}
	if err := os.Remove(filepath.Join(dir, auditName(2))); err != nil {
		t.Fatal(err)
	}
	if _, err := openAudit(dir, DefaultKeep); !errors.Is(err, ErrAudit) {
		t.Errorf("a file is missing: %v", err)
	}
}

// month writes three lines into the audit's next file.
func month(t *testing.T, dir string, at time.Time) {
	t.Helper()
	a, err := openAudit(dir, DefaultKeep)
	if err != nil {
		t.Fatal(err)
	}
	if a.size > 0 {
		err = a.begin() // as if the file were full
	}
	for range 3 {
		err = errors.Join(err, a.add(Line{At: at, UID: 1, What: "mint", Detail: `"what":"removed"`}))
	}
	for range 3 { // again does nothing
		err = errors.Join(err, a.tidy(at))
	}
	if err := errors.Join(err, a.close()); err != nil {
		t.Fatal(err)
	}
}

// TestAuditIsKept: of three years' files those of DefaultKeep stay, the chain tells
// that the others went, and a file that somebody else takes away is missed: the
// oldest, one in the middle, or one that was to go.
func TestAuditIsKept(t *testing.T) {
	dir := t.TempDir()
	for n := range 36 {
		month(t, dir, now.AddDate(0, n, 0))
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 15 { // 400 days, the month that they begin in, and the present one
		t.Fatalf("%d files are left: %v", len(names), err)
	}
	var removed []Line
	n, _, err := CheckAudit(dir, func(l Line) {
		if l.What == lineRemoved {
			removed = append(removed, l)
		}
	})
	if err != nil || n != 15*4+len(removed) || len(removed) < 10 || !strings.HasPrefix(removed[len(removed)-1].Detail, "audit-000021.log, older than 2028-") {
		t.Fatalf("%d lines, removed %+v: %v", n, removed, err)
	}
	for _, k := range []int{0, 1, 7, 13} {
		data, err := os.ReadFile(names[k])
		if err == nil {
			err = os.Remove(names[k])
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := CheckAudit(dir, func(Line) {}); !errors.Is(err, ErrAudit) {
			t.Errorf("%s is not missed: %v", names[k], err)
		}
		if a, err := openAudit(dir, DefaultKeep); !errors.Is(err, ErrAudit) {
			t.Errorf("%s is not missed at a start: %v", names[k], err)
			a.close()
		}
		if err := os.WriteFile(names[k], data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	month(t, dir, now.AddDate(0, 36, 0))
}

// TestAuditOfALyingClock: a clock that is years ahead takes two files with each
// new one, and no more.
func TestAuditOfALyingClock(t *testing.T) {
	dir := t.TempDir()
	for n := range 6 {
		month(t, dir, now.AddDate(0, n, 0))
	}
	month(t, dir, now.AddDate(40, 0, 0))
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 7-maxRemoved {
		t.Errorf("%d files are left: %v", len(names), err)
	}
	if _, _, err := CheckAudit(dir, func(Line) {}); err != nil {
		t.Error(err)
	}
}

// TestAuditTornAtTheBegin: a kill that tears the first line of a new file, at each
// of its bytes, costs nothing but the torn line.
func TestAuditTornAtTheBegin(t *testing.T) {
	dir := t.TempDir()
	written(t, dir, 2)
	month(t, dir, now)
	path := filepath.Join(dir, auditName(2))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(whole, '\n')
	for n := 0; n <= first; n += 9 {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := openAudit(dir, DefaultKeep)
		if err != nil {
			t.Fatalf("torn at byte %d: %v", n, err)
		}
		if err := errors.Join(a.add(Line{At: now, What: "mint"}), a.close()); err != nil {
			t.Fatal(err)
		}
		if l, err := firstLine(path); err != nil || l.What != lineContinues {
			t.Fatalf("torn at byte %d: %+v, %v", n, l, err)
		}
		if lines, _, err := CheckAudit(dir, func(Line) {}); err != nil || lines != 4 {
			t.Fatalf("torn at byte %d: %d lines, %v", n, lines, err)
		}
	}
	if first < 150 {
		t.Errorf("a first line of %d bytes", first)
	}
}

func TestLimitsCheck(t *testing.T) {
	if (Limits{}).Check() != nil || (Limits{Mint: -1}).Check() == nil {
		t.Error("a negative limit, or none")
	}
	if l := (Limits{Mint: 7}).complete(); l.Mint != 7 || l.Feed != DefaultLimits().Feed {
		t.Errorf("%+v", l)
	}
	for _, l := range []limit{limitMint, limitReissues, limitLive, limitFeed, limitReleases, limitAnswers, limitCertificates, limitGateKeys, limitWithdrawals, limitCodes, limitCommands, limitLookups} {
		if newBudget(Limits{}).buckets[l] == nil {
			t.Errorf("no limit %s", l)
		}
	}
}
