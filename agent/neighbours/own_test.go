package neighbours

import (
	"testing"
	"time"

	"turnstile/central/link"
)

// TestLateAcknowledgement: uses that central had only long after they were told are
// told again, once; what it had in time, and what is old, is not.
func TestLateAcknowledgement(t *testing.T) {
	h := newHouse(t, "north")
	h.Connected(true)
	clock := now
	h.c.Now = func() time.Time { return clock }
	var sent [][]uint64
	flush := func() {
		h.flush(clock)
		sent = nil
		for len(h.outgoing) > 0 {
			u, err := link.Open[link.Use](<-h.outgoing, link.TypeUse, site, link.KeysOf(signer("north").public()), link.MaxUse)
			if err != nil {
				t.Fatal(err)
			}
			list, err := u.List()
			if err != nil {
				t.Fatal(err)
			}
			var seqs []uint64
			for _, e := range list {
				seqs = append(seqs, e.Seq)
			}
			sent = append(sent, seqs)
		}
	}
	h.Recall(entry(link.EntryGranted, 5, 1, 1))
	h.Took(entry(link.EntryGranted, 10, 1, 2)) // told in time
	flush()
	clock = clock.Add(time.Second)
	h.Acked(10)
	flush()
	if len(sent) != 0 {
		t.Fatalf("told again: %v", sent)
	}
	h.Took(entry(link.EntryGranted, 20, 1, 3)) // central is away
	flush()
	clock = clock.Add(10 * time.Second)
	h.Took(entry(link.EntryGranted, 30, 1, 4))
	flush()
	clock = clock.Add(time.Second)
	h.Acked(30)
	flush()
	if len(sent) != 1 || sent[0][len(sent[0])-1] != 30 || sent[0][len(sent[0])-2] != 20 {
		t.Fatalf("after central came back: %v", sent)
	}
	clock = clock.Add(10 * time.Second)
	h.Acked(30)
	flush()
	if len(sent) != 0 {
		t.Fatalf("told a third time: %v", sent)
	}
	h.Connected(false)
	h.Took(entry(link.EntryGranted, 35, 1, 6))
	flush()
	clock = clock.Add(time.Second)
	h.Connected(true)
	clock = clock.Add(time.Second)
	h.Acked(35)
	flush()
	if len(sent) != 1 || sent[0][len(sent[0])-1] != 35 {
		t.Fatalf("what happened while the cable was cut: %v", sent)
	}
	h.Took(entry(link.EntryGranted, 40, 1, 5))
	flush()
	clock = clock.Add(askFor + time.Second)
	h.Acked(40)
	flush()
	if len(sent) != 0 {
		t.Fatalf("told again after %v: %v", askFor, sent)
	}
}
