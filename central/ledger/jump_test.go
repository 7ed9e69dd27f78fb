package ledger

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"turnstile/central/database/databasetest"
	"turnstile/central/link"
)

// far returns a batch of n sound entries from first on, behind everything before
// them lost.
func far(t testing.TB, j *journal, first uint64, n int, lost uint64) []byte {
	t.Helper()
	var entries [][]byte
	for i := range uint64(n) {
		e := link.Entry{Type: link.EntryPassed, Lane: 1, Direction: 1, Seq: first + i, Boot: 1, Wall: now.UnixMilli()}
		entries = append(entries, e.Append(nil))
	}
	b := link.NewBatch(j.lane, j.id, first, link.Hash{1}, entries)
	b.Lost = lost
	return seal(t, laneKey, link.TypeBatch, b)
}

// TestJumpBeyondAllNumbers: no lane ever had so many entries. Such a batch is not
// taken, whatever it says is lost, and the true lane goes on as before.
func TestJumpBeyondAllNumbers(t *testing.T) { databasetest.Each(t, testJumpBeyondAllNumbers) }

func testJumpBeyondAllNumbers(t *testing.T, where string) {
	s := newShop(t, where)
	j := newJournal("N1", 1, 60)
	s.put(t, "N1", j.batch(t, 1, 40))
	s.expect(t, j, 40)
	tried := 0
	for _, first := range []uint64{maxSeq + 1, 1 << 62, 1 << 63, 1<<63 + 1, ^uint64(0) - 5, ^uint64(0)} {
		for _, lost := range []uint64{first - 1, first - 41, 1 << 62, 1} {
			if _, err := s.Ledger.check("N1", far(t, j, first, 3, lost)); !errors.Is(err, link.ErrMalformed) {
				t.Errorf("from %d, %d lost: %v", first, lost, err)
			}
			tried++
		}
	}
	if tried != 24 {
		t.Errorf("%d tried", tried)
	}
	s.put(t, "N1", j.batch(t, 41, 60))
	s.expect(t, j, 60)
	s.check(t, j, 60)
}

// TestJumpOfAThief: who has a lane's key can say that a trillion entries to come
// are lost. The alarm names it, no entry is stored that is not the lane's, the lane
// is told nothing that lets it forget an entry, each of its batches is alarmed, and
// a new journal of the lane is taken.
func TestJumpOfAThief(t *testing.T) { databasetest.Each(t, testJumpOfAThief) }

func testJumpOfAThief(t *testing.T, where string) {
	s := newShop(t, where)
	j := newJournal("N1", 1, 60)
	s.put(t, "N1", j.batch(t, 1, 40))
	s.expect(t, j, 40)
	s.put(t, "N1", far(t, j, maxSeq-5, 5, maxSeq-6))
	if a := <-s.acks; a.Seq != maxSeq-1 || a.Seq <= uint64(len(j.entries)) {
		t.Errorf("acknowledged up to %d", a.Seq) // above what the lane has: it refuses that as a fork
	}
	a := s.alarm(t, CodeLost)
	if len(a) != 1 || !strings.Contains(a[0].Detail, fmt.Sprintf("41 to %d", uint64(maxSeq-6))) || !strings.Contains(a[0].Next, "enrol it again") {
		t.Fatalf("%+v", a)
	}
	s.put(t, "N1", j.batch(t, 41, 60))
	<-s.acks
	if a := s.alarm(t, CodeLost); len(a) != 2 || !strings.Contains(a[1].Detail, "entries between 41 and 60") {
		t.Errorf("the true entries come: %+v", a)
	}
	if n := len(s.stored(t, j)); n != 45 {
		t.Errorf("%d entries stored, want the lane's 40 and the thief's 5", n)
	}
	s.put(t, "N1", far(t, j, maxSeq, 500, 0)) // on another chain: a fork
	<-s.acks
	if v := s.verified(t); v.Err != nil || len(v.Gaps) != 1 {
		t.Errorf("%+v", v)
	}
	next := newJournal("N1", 2, 30)
	s.put(t, "N1", next.batch(t, 1, 30))
	s.expect(t, next, 30)
	if codes := s.alarmCodes(t); codes[CodeNew] != 1 || codes[CodeFork] != 1 {
		t.Errorf("alarms %v", codes)
	}
}
