package uplink

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"turnstile/agent/feed"
	"turnstile/agent/health"
	"turnstile/agent/journal"
	"turnstile/central/link"
)

// Limits of what is sent and not yet acknowledged.
const (
	maxInFlight  = 8
	gather       = 200 * time.Millisecond // entries that come close together share a batch
	resendFirst  = 2 * time.Second
	resendLonger = time.Minute
)

// window is the batches that wait for central's acknowledgement. It begins
// empty with each connection: at birth all is sent again.
type window struct {
	batches []flight  // ascending
	next    uint64    // entry to go on with
	lost    uint64    // the entries from here to next cannot be read any more; 0: none
	last    time.Time // when a new batch was sent
	rest    time.Time // nothing is read before: the journal could not be
}

// flight is one batch on its way.
type flight struct {
	first, last uint64
	lost        uint64    // entries directly before first that central is told are lost
	due         time.Time // to be sent again
	wait        time.Duration
	taken       <-chan struct{} // closed when the broker has it
}

// send sends again what is overdue, and new entries as far as the window is open.
func (s *session) send() error {
	if s.u.c.Now().Before(s.window.rest) {
		return nil
	}
	first, last, acked := s.u.c.Journal.Bounds()
	s.settle(acked)
	if err := s.resend(); err != nil {
		return err
	}
	w := &s.window
	if w.next <= acked {
		w.next, w.lost = acked+1, 0
	}
	if w.next < first { // not kept any more, and central has told that it lacks them
		w.passOver(first)
	}
	for w.next <= last && len(w.batches) < maxInFlight {
		now := s.u.c.Now()
		if last-w.next+1 < link.MaxBatchEntries && now.Sub(w.last) < gather {
			return nil // the next look sends it
		}
		f := flight{first: w.next, wait: resendFirst}
		if w.lost != 0 {
			f.lost = w.next - w.lost
		}
		if err := s.ship(&f, link.MaxBatchEntries); err != nil {
			return s.skip(err)
		}
		w.batches, w.next, w.lost, w.last = append(w.batches, f), f.last+1, 0, now
	}
	return nil
}

// passOver goes on at entry to; those between are lost.
func (w *window) passOver(to uint64) {
	if w.lost == 0 {
		w.lost = w.next
	}
	w.next = to
}

// backTo forgets what was sent from entry next on.
func (w *window) backTo(next uint64) {
	w.batches = slices.DeleteFunc(w.batches, func(f flight) bool { return f.last >= next })
	w.next, w.lost = next, 0
}

// settle forgets batches that are acknowledged.
func (s *session) settle(acked uint64) {
	w := &s.window
	w.batches = slices.DeleteFunc(w.batches, func(f flight) bool { return f.last <= acked })
	s.u.setStatus(func(st *Status) { st.InFlight = len(w.batches) })
}

// resend sends overdue batches again. One that the broker itself has not taken
// yet is still under way in the client.
func (s *session) resend() error {
	now := s.u.c.Now()
	for i := range s.window.batches {
		f := &s.window.batches[i]
		if now.Before(f.due) {
			continue
		}
		f.wait = min(2*f.wait, resendLonger)
		f.due = now.Add(f.wait)
		select {
		case <-f.taken:
		default:
			continue
		}
		if done, err := s.again(f); done {
			return err
		}
	}
	return nil
}

// again sends one batch once more. If the disk has lost some of it since, send
// goes on from there and finds the gap; done then ends resend's round.
func (s *session) again(f *flight) (done bool, err error) {
	last := f.last
	err = s.ship(f, int(last-f.first+1))
	switch _, gone := s.u.gone(err); {
	case gone:
		s.window.backTo(f.first - f.lost)
		return true, nil
	case err != nil:
		return true, s.skip(err)
	case f.last < last:
		s.window.backTo(f.last + 1)
		return true, nil
	}
	return false, nil
}

// ship reads a batch, signs it and publishes it.
func (s *session) ship(f *flight, count int) error {
	u := s.u
	entries, before, err := u.c.Journal.Read(f.first, count)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnread, err)
	}
	if len(entries) == 0 {
		return fmt.Errorf("read entry %d: %w", f.first, journal.ErrDropped)
	}
	u.c.Health.Clear(health.JournalFault, "read")
	batch := link.NewBatch(u.c.Identity.Lane, u.c.Journal.ID(), f.first, before, entries)
	batch.Lost = f.lost
	b, err := link.Seal(u.c.Identity.Journal, link.TypeBatch, u.c.Identity.Site, batch)
	if err != nil {
		return fmt.Errorf("seal entries: %w", err)
	}
	if f.taken, err = s.link.Publish(u.topics.Log(u.c.Identity.Lane), b, false); err != nil {
		return fmt.Errorf("send entries: %w", err)
	}
	f.last, f.due = f.first+uint64(len(entries))-1, u.c.Now().Add(f.wait)
	return nil
}

// errUnread tells that the journal could not be read.
var errUnread = errors.New("journal cannot be read")

// unreadPause is how long a disk that cannot be read is left alone. The feed goes
// on meanwhile: a bad sector must not keep revocations from the lane.
const unreadPause = time.Minute

// giveUp is how long the same entries cannot be read until they count as lost: a
// sector gone bad must not keep all behind it from central for good. If the whole
// disk is gone there is nothing behind it that could be sent, and nothing counts.
const giveUp = time.Hour

// unread is since when entries cannot be read.
type unread struct {
	from  uint64
	since time.Time
}

// gone returns the last one of entries that an error of the journal calls lost.
func (u *Uplink) gone(err error) (to uint64, ok bool) {
	var gap *journal.Gap
	if errors.As(err, &gap) {
		return gap.To, true
	}
	var now *journal.Unread
	if !errors.As(err, &now) {
		return 0, false
	}
	if u.unread.from != now.From {
		u.unread = unread{now.From, u.c.Now()}
	}
	return now.To, u.c.Now().Sub(u.unread.since) >= giveUp
}

// skip goes on behind entries that cannot be read any more. What ends the
// connection is its own failure alone; the next one tries again.
func (s *session) skip(err error) error {
	to, gone := s.u.gone(err)
	switch {
	case gone:
		s.u.c.Health.Raise(health.JournalDamaged, "", err.Error())
		s.window.passOver(to + 1)
		return nil
	case errors.Is(err, journal.ErrDropped):
		s.window.next, s.window.lost = 0, 0 // what is kept is looked at again
		return nil
	case errors.Is(err, errUnread):
		s.u.c.Health.Raise(health.JournalFault, "read", err.Error())
		s.window.rest = s.u.c.Now().Add(unreadPause)
		return nil
	}
	return err
}

// ack takes central's word that entries are on its disk.
func (s *session) ack(payload []byte) {
	u := s.u
	a, err := u.openAck(payload)
	if err != nil {
		u.refuse(&feed.Refused{Type: link.TypeAck, Err: err})
		return
	}
	if a == nil {
		return // of an earlier journal
	}
	_, _, before := u.c.Journal.Bounds()
	err = u.c.Journal.Ack(a.Seq, a.Chain, a.Issued)
	switch {
	case errors.Is(err, journal.ErrOldAck):
		u.refuse(&feed.Refused{Type: link.TypeAck, Err: fmt.Errorf("%w: %w", feed.ErrOld, err)})
		return
	case errors.Is(err, journal.ErrForked):
		u.c.Health.Raise(health.JournalForked, "", err.Error())
		u.c.Log.Error("acknowledgement refused", "error", err)
		return
	case err != nil:
		u.c.Health.Raise(health.JournalFault, "", err.Error())
		u.c.Log.Error("take acknowledgement", "error", err)
		return
	}
	_, _, acked := u.c.Journal.Bounds()
	if acked < before {
		u.c.Log.Warn("central lost entries that it had acknowledged; they are sent again", "from", acked+1, "to", before)
		s.window.backTo(acked + 1)
	}
	s.settle(acked)
}

// openAck verifies an acknowledgement; nil without an error if it is of another
// journal than this one.
func (u *Uplink) openAck(payload []byte) (*link.Ack, error) {
	d := u.c.Feed.Delegation()
	if d == nil {
		return nil, feed.ErrNoKeys
	}
	a, err := link.Open[link.Ack](payload, link.TypeAck, u.c.Identity.Site, link.KeysOf(d.Status...), link.MaxState)
	switch {
	case err != nil:
		return nil, err
	case a.Lane != u.c.Identity.Lane:
		return nil, feed.ErrOther
	case a.Journal != u.c.Journal.ID():
		return nil, nil
	}
	return a, nil
}
