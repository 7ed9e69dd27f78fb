package journal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/link"
)

const minute = int64(time.Minute / time.Millisecond)

// TestCentralLostWhatItHad plays what acknowledgements can come after central
// was restored from a backup, and which of them a thief sends again.
func TestCentralLostWhatItHad(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	appendN(t, j, 1, 200)
	wrong := link.Hash{1}
	for _, step := range []struct {
		what   string
		seq    uint64
		chain  *link.Hash // nil: the journal's own
		issued int64      // minutes
		acked  uint64
		err    error
	}{
		{"the first", 50, nil, 10, 50, nil},
		{"the next", 150, nil, 12, 150, nil},
		{"an old one again", 50, nil, 10, 150, ErrOldAck},
		{"one that crossed on the way", 50, nil, 11, 150, nil},
		{"an old one with another chain", 50, &wrong, 10, 150, ErrOldAck},
		{"lower, made at the same time", 50, nil, 12, 150, nil},
		{"restored, another chain", 100, &wrong, 20, 150, ErrForked},
		{"restored", 100, nil, 20, 100, nil},
		{"from before the loss, sent again", 150, nil, 12, 100, ErrOldAck},
		{"again", 100, nil, 21, 100, nil},
		{"going on", 180, nil, 21, 180, nil},
		{"the restored one again", 100, nil, 20, 180, nil}, // a minute older: it may have crossed
		{"beyond the end", 201, nil, 30, 180, ErrForked},
		{"restored to nothing", 0, nil, 30, 0, nil},
		{"all again", 200, nil, 31, 200, nil},
	} {
		chain := step.chain
		if chain == nil && step.seq <= j.Last() {
			own := chainOf(t, j, step.seq)
			chain = &own
		} else if chain == nil {
			chain = &wrong
		}
		if err := j.Ack(step.seq, *chain, step.issued*minute); !errors.Is(err, step.err) || j.Acked() != step.acked {
			t.Fatalf("%s: acknowledged %d, want %d; %v", step.what, j.Acked(), step.acked, err)
		}
	}
	j.Close()
	k, _ := open(t, d, Options{})
	for _, issued := range []int64{10, 20, 30} { // also after a restart
		if err := k.Ack(0, link.JournalStart(k.ID()), issued*minute); err != nil && !errors.Is(err, ErrOldAck) || k.Acked() != 200 {
			t.Fatalf("after a restart one of minute %d took entries back: %d, %v", issued, k.Acked(), err)
		}
	}
}

// TestCentralLostWhatIsNotKept: what central lacks is older than what is kept.
// Nothing is left to compare with; the rest is sent again and stays until it is
// acknowledged.
func TestCentralLostWhatIsNotKept(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{KeepBytes: minSegment, Budget: 100 * minSegment})
	appendN(t, j, 1, 600)
	if err := j.Ack(590, chainOf(t, j, 590), 0); err != nil {
		t.Fatal(err)
	}
	j.housekeep()
	first := j.First()
	if first < 100 {
		t.Fatalf("oldest %d", first)
	}
	if err := j.Ack(50, link.Hash{}, minute); err != nil || j.Acked() != 50 {
		t.Fatalf("acknowledged %d, %v", j.Acked(), err)
	}
	j.housekeep()
	if j.First() != first {
		t.Fatalf("entries that central lacks were dropped: oldest %d, was %d", j.First(), first)
	}
	if err := j.Ack(600, j.Chain(), 2*minute); err != nil || j.Acked() != 600 {
		t.Fatal(err)
	}
}

// TestOldStateFile: one without times, as versions before wrote it, keeps its
// acknowledgement.
func TestOldStateFile(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	appendN(t, j, 1, 9)
	if err := j.Ack(7, chainOf(t, j, 7), 5*minute); err != nil {
		t.Fatal(err)
	}
	j.Close()
	f := d.files[stateName]
	for i := range 2 {
		clear(f.cached[i*slotSize+slotBytes : (i+1)*slotSize])
	}
	k, _ := open(t, d, Options{})
	if k.Acked() != 7 || k.issued != 0 {
		t.Fatalf("acknowledged %d at %d", k.Acked(), k.issued)
	}
}

// TestDamagedSegmentsAreKept: their time over, they stay for a person, a few of
// them, and are no part of the journal any more.
func TestDamagedSegmentsAreKept(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{KeepBytes: minSegment, Budget: 100 * minSegment})
	appendN(t, j, 1, 186*(maxKept+5))
	j.Close()
	for _, name := range slices.Sorted(maps.Keys(d.files))[1 : maxKept+4] { // neither the oldest nor the newest
		d.files[name].cached[dataStart+20] ^= 1
	}
	j, _ = open(t, d, Options{KeepBytes: minSegment, Budget: 100 * minSegment})
	gaps := 0
	for from := uint64(1); ; gaps++ {
		var gap *Gap
		if err := j.Replay(from, func(link.Entry) error { return nil }); !errors.As(err, &gap) {
			break
		}
		from = gap.To + 1
	}
	if err := j.Ack(j.Last(), j.Chain(), 0); err != nil {
		t.Fatal(err)
	}
	if err := j.housekeep(); err != nil {
		t.Fatal(err)
	}
	var kept []string
	for name := range d.files {
		if strings.HasPrefix(name, keptPrefix) {
			kept = append(kept, name)
		}
	}
	if slices.Sort(kept); gaps < 5 || len(kept) != maxKept || j.First() < 1000 {
		t.Fatalf("%d stretches damaged, kept %v, oldest %d", gaps, kept, j.First())
	}
	j.Close()
	if k, r := open(t, d, Options{}); k.Last() == 0 || r.Damaged != 0 || r.SetAside != "" {
		t.Fatalf("%s", fmt.Sprint(r))
	}
}
