package uplink

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"turnstile/agent/health"
	"turnstile/agent/journal"
	"turnstile/central/link"
)

// holey is a journal of entries 1 .. last, of which those in gaps cannot be read
// and those below first are not kept any more.
type holey struct {
	Journal
	first, last, acked uint64
	gaps               []journal.Gap
	bad                []journal.Unread
	before             func(seq uint64) // called by each Read
}

func (h *holey) ID() link.JournalID                         { return link.JournalID{1} }
func (h *holey) Bounds() (first, last, acked uint64)        { return h.first, h.last, h.acked }
func (h *holey) Ack(seq uint64, _ link.Hash, _ int64) error { h.acked = seq; return nil }

func (h *holey) Read(from uint64, max int) (entries [][]byte, _ link.Hash, err error) {
	if h.before != nil {
		h.before(from)
	}
	if from < h.first {
		return nil, link.Hash{}, journal.ErrDropped
	}
	for seq := from; seq <= h.last && len(entries) < max; seq++ {
		for _, g := range h.gaps {
			if g.From <= seq && seq <= g.To {
				if len(entries) == 0 {
					return nil, link.Hash{}, &journal.Gap{From: seq, To: g.To}
				}
				return entries, link.Hash{}, nil
			}
		}
		for _, b := range h.bad {
			if b.From <= seq && seq <= b.To && len(entries) == 0 {
				return nil, link.Hash{}, &b
			} else if b.From <= seq && seq <= b.To {
				return entries, link.Hash{}, nil
			}
		}
		entries = append(entries, (&link.Entry{Type: link.EntryGranted, Seq: seq}).Append(nil))
	}
	return entries, link.Hash{}, nil
}

// wire takes what a session publishes.
type wire struct {
	Link
	t    *testing.T
	lane link.Keys
	sent []string // "first+count-lost" of each batch
}

func (w *wire) Publish(_ string, payload []byte, _ bool) (<-chan struct{}, error) {
	b, err := link.Open[link.Batch](payload, link.TypeBatch, site, w.lane, link.MaxDocument)
	if err != nil {
		w.t.Fatal(err)
	}
	w.sent = append(w.sent, fmt.Sprintf("%d+%d-%d", b.First, b.Count, b.Lost))
	taken := make(chan struct{})
	close(taken)
	return taken, nil
}

// shift is a session on a journal whose clock the test moves.
type shift struct {
	*session
	j    *holey
	w    *wire
	now  time.Time
	told int
}

func newShift(t *testing.T, j *holey) *shift {
	t.Helper()
	c := newCentral(t, time.Now)
	x := &shift{j: j, w: &wire{t: t, lane: link.KeysOf(c.lane.Journal.Public())}, now: time.Now()}
	clock := func() time.Time { return x.now }
	u := New(Config{Identity: c.lane, Journal: j, Health: health.New(clock), Now: clock, Log: slog.New(slog.DiscardHandler)})
	x.session = &session{u: u, link: x.w}
	return x
}

// expect lets time pass, looks at the journal a few times, and compares what was
// sent meanwhile.
func (x *shift) expect(t *testing.T, after time.Duration, want ...string) {
	t.Helper()
	x.now = x.now.Add(after)
	for range 5 {
		x.now = x.now.Add(gather)
		if err := x.send(); err != nil {
			t.Fatal(err)
		}
	}
	if got := x.w.sent[x.told:]; !slices.Equal(got, want) {
		t.Fatalf("sent %v, want %v", got, want)
	}
	x.told = len(x.w.sent)
}

func TestGapIsDeclared(t *testing.T) {
	x := newShift(t, &holey{first: 1, last: 50, gaps: []journal.Gap{{From: 11, To: 20}, {From: 21, To: 30}, {From: 41, To: 50}}})
	x.expect(t, 0, "1+10-0", "31+10-20") // two damaged files are one stretch
	x.expect(t, resendFirst, "1+10-0", "31+10-20")
	x.j.last = 60
	x.expect(t, 0, "51+10-10")
	x.j.acked = 40
	x.expect(t, 2*resendFirst, "51+10-10")
	if got := x.u.c.Health.Standing(); !slices.Equal(got, []string{"journal.damaged"}) {
		t.Errorf("warnings %v", got)
	}
}

// TestAcknowledgedWithinAGap: central had some of the damaged entries.
func TestAcknowledgedWithinAGap(t *testing.T) {
	x := newShift(t, &holey{first: 1, last: 50, acked: 15, gaps: []journal.Gap{{From: 11, To: 20}}})
	x.expect(t, 0, "21+30-5")
	x = newShift(t, &holey{first: 1, last: 30, acked: 20, gaps: []journal.Gap{{From: 11, To: 20}}})
	x.expect(t, 0, "21+10-0")
}

// TestDamageUnderABatch: entries that were sent cannot be read when they are to
// be sent again.
func TestDamageUnderABatch(t *testing.T) {
	for _, c := range []struct {
		gap  journal.Gap
		then []string
	}{
		{journal.Gap{From: 1, To: 8}, []string{"9+12-8"}},
		{journal.Gap{From: 5, To: 8}, []string{"1+4-0", "9+12-4"}},
		{journal.Gap{From: 15, To: 19}, []string{"1+14-0", "20+1-5"}},
	} {
		x := newShift(t, &holey{first: 1, last: 20})
		x.expect(t, 0, "1+20-0")
		x.j.gaps = []journal.Gap{c.gap}
		x.expect(t, resendFirst, c.then...)
	}
}

// TestAcknowledgementCrossesAGap: what was passed over is acknowledged before
// the next batch goes out: nothing is called lost.
func TestAcknowledgementCrossesAGap(t *testing.T) {
	x := newShift(t, &holey{first: 1, last: 30, gaps: []journal.Gap{{From: 1, To: 20}}})
	x.j.before = func(seq uint64) {
		if seq == 1 {
			x.j.acked = 25
		}
	}
	x.expect(t, 0, "26+5-0")
}

// TestCentralLostEntries: central acknowledges below what it had. What is kept is
// sent again, what is not is declared lost.
func TestCentralLostEntries(t *testing.T) {
	x := newShift(t, &holey{first: 1, last: 50, acked: 45})
	x.expect(t, 0, "46+5-0")
	x.j.acked = 30
	x.window.backTo(31)
	x.expect(t, 0, "31+20-0")
	x = newShift(t, &holey{first: 21, last: 50, acked: 50})
	x.expect(t, 0)
	x.j.acked = 10
	x.window.backTo(11)
	x.expect(t, 0, "21+30-10")
}

// TestBadSectorIsGivenUp: entries behind a sector that cannot be read wait an hour
// for it, and go on then; one that comes back in time costs nothing.
func TestBadSectorIsGivenUp(t *testing.T) {
	for _, back := range []bool{false, true} {
		x := newShift(t, &holey{first: 1, last: 50, bad: []journal.Unread{{From: 11, To: 20, Err: errSector}}})
		x.expect(t, 0, "1+10-0")
		x.j.acked = 10
		for range 58 {
			x.expect(t, unreadPause)
		}
		if got := x.u.c.Health.Standing(); !slices.Equal(got, []string{"journal.fault"}) {
			t.Errorf("warnings %v", got)
		}
		if back {
			x.j.bad = nil
			x.expect(t, unreadPause, "11+40-0")
			if got := x.u.c.Health.Standing(); len(got) != 0 {
				t.Errorf("warnings %v", got)
			}
			continue
		}
		x.expect(t, 2*unreadPause, "21+30-10")
		if got := x.u.c.Health.Standing(); !slices.Equal(got, []string{"journal.damaged"}) {
			t.Errorf("warnings %v", got)
		}
	}
}

// TestOldAcknowledgementIsTold: one that was recorded, or made by a central whose
// clock was set back, does nothing, and a person can see why.
func TestOldAcknowledgementIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		a.append(t, 3)
		f.pass(5*time.Second, true)
		if acked := a.journal.Acked(); acked != 3 {
			t.Fatalf("acknowledged %d", acked)
		}
		for _, c := range []struct {
			age  time.Duration
			want bool
		}{{30 * time.Second, false}, {time.Hour, true}} {
			old := link.Ack{Lane: laneID, Journal: a.journal.ID(), Seq: 1, Issued: time.Now().Add(-c.age).UnixMilli()}
			f.link().o.Receive(topics.Ack(laneID), f.c.seal(link.TypeAck, old))
			f.pass(time.Second, false)
			if told := slices.Contains(a.health.Standing(), "feed.replayed"); told != c.want || a.journal.Acked() != 3 {
				t.Errorf("%v old: told %v, acknowledged %d", c.age, told, a.journal.Acked())
			}
		}
	})
}
