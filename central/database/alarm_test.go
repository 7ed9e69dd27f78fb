package database

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// alarmRows returns how many rows there are by lane, and what they count.
func alarmRows(t testing.TB, d *DB) (rows, counted map[string]int) {
	t.Helper()
	list, err := d.Alarms(ctx, 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	rows, counted = map[string]int{}, map[string]int{}
	for _, a := range list {
		rows[a.Lane]++
		counted[a.Lane] += int(a.Count)
	}
	return rows, counted
}

// TestAlarmFlood: a lane that raises thousands of alarms has a bounded number of
// rows each day, in and outside of transactions. None that stood goes, all are
// counted, the latest is shown, and other lanes and codes are not touched.
func TestAlarmFlood(t *testing.T) { both(t, testAlarmFlood) }

func testAlarmFlood(t *testing.T, d *DB) {
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	raise := func(code, lane string, at time.Time, n int) Alarm {
		return Alarm{Code: code, Lane: lane, Subject: fmt.Sprintf("0a0b0c0d/%d", n), Latest: at.UnixMilli(), Detail: fmt.Sprintf("entry %d", n), Next: "look"}
	}
	const flood = 5000
	err := d.Ledger(ctx, func(tx *LedgerTx) error {
		for n := range flood {
			if err := tx.Raise(raise("gate_forced", "N1", day.Add(time.Duration(n)*time.Second), n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []Alarm{
		raise("gate_forced", "N2", day, 1), raise("housing_opened", "N1", day, 1), // neither of the flood
		raise("gate_forced", "N1", day.Add(20*time.Hour), 7),             // one that stands
		raise("gate_forced", "N1", day.Add(24*time.Hour-1), flood),       // the day's last
		raise("gate_forced", "N1", day.Add(24*time.Hour), flood+1),       // the next day's first
		raise("gate_forced", "N1", day.Add(47*time.Hour), flood+2),       // and another
		raise("gate_forced", "N1", day.Add(47*time.Hour+time.Second), 8), // of the day before
	} {
		if err := d.Raise(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	rows, counted := alarmRows(t, d)
	if rows["N1"] != MaxAlarms+1+1+2 || counted["N1"] != flood+6 || rows["N2"] != 1 {
		t.Errorf("rows %v that count %v", rows, counted)
	}
	list, err := d.Alarms(ctx, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for n, a := range list[:MaxAlarms] {
		want := int64(1)
		if n == 7 || n == 8 {
			want = 2
		}
		if a.Subject != fmt.Sprintf("0a0b0c0d/%d", n) || a.Count != want {
			t.Fatalf("row %d is of %s, %d times", n, a.Subject, a.Count)
		}
	}
	more := list[MaxAlarms]
	if more.Subject != "more on 2026-11-22" || more.Count != flood-MaxAlarms+1 || !strings.Contains(more.Detail, fmt.Sprintf("0a0b0c0d/%d entry %d", flood, flood)) || more.Next != "look" {
		t.Errorf("%+v", more)
	}
}

// TestAlarmSize: words that came from outside are cut.
func TestAlarmSize(t *testing.T) { both(t, testAlarmSize) }

func testAlarmSize(t *testing.T, d *DB) {
	long := strings.Repeat("x", 1<<20)
	if err := d.Raise(ctx, Alarm{Code: "a", Subject: long, Detail: long, Latest: 1}); err != nil {
		t.Fatal(err)
	}
	list, err := d.Alarms(ctx, 0, 10)
	if err != nil || len(list) != 1 || len(list[0].Subject) > maxDetail || len(list[0].Detail) > maxDetail {
		t.Errorf("%d rows, %v", len(list), err)
	}
}
