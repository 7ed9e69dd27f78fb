package feed

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"turnstile/agent/cache"
	"turnstile/central/link"
)

// maxRange is how many events a lane asks for; further behind it takes snapshots.
const maxRange = 8192

// Bounds of a head's promises, so that a wrong one cannot silence the watch.
const (
	maxNext      = 10 * time.Minute
	maxReconnect = time.Hour
)

// head takes a HEAD: how far the feed is, and that central is alive.
func (f *Feed) head(payload []byte, now time.Time) (Result, error) {
	h, err := openSigned[link.Head](f, payload, link.TypeHead, link.MaxHead)
	if err != nil {
		return Result{}, err
	}
	if err := checkHead(h); err != nil {
		return Result{}, err
	}
	v := f.c.View()
	switch {
	case h.Issued < v.Head.Issued:
		return Result{}, ErrOld
	case h.Issued == v.Head.Issued: // kept by the broker, delivered again: proves nothing new
		return f.follow(Result{})
	}
	if err := f.judgeHead(h, v); err != nil {
		return Result{}, err
	}
	if err := f.c.Apply(cache.Update{Head: h, HeadAt: f.arrival(h, now)}); err != nil {
		return Result{}, err
	}
	return f.follow(Result{Head: h})
}

func checkHead(h *link.Head) error {
	ascending := slices.IsSortedFunc(h.Snapshots, func(a, b link.DayHash) int { return int(a.Day) - int(b.Day) })
	if h.Issued <= 0 || h.Next == 0 || time.Duration(h.Next)*time.Millisecond > maxNext ||
		time.Duration(h.Reconnect)*time.Millisecond > maxReconnect ||
		len(h.Snapshots) > link.MaxOpenDays || !ascending || h.SnapSeq > h.Seq {
		return fmt.Errorf("%w: head", link.ErrMalformed)
	}
	return nil
}

// arrival is when the head counts as heard: now, unless a trusted clock says
// that it had expired on the way. Held back heads do not make a feed fresh.
func (f *Feed) arrival(h *link.Head, now time.Time) time.Time {
	issued, campus := time.UnixMilli(h.Issued), f.o.Campus(now)
	if h.Expires > 0 && campus.UnixMilli() > h.Expires && issued.Before(campus) && f.o.Trusted(now) {
		return issued
	}
	return now
}

// judgeHead keeps a head out that contradicts what the lane has or had.
func (f *Feed) judgeHead(h *link.Head, v *cache.View) error {
	fork := func(why string) error {
		return fmt.Errorf("%w: head %d/%d %s: %s", ErrFork, h.Epoch, h.Seq, h.Chain, why)
	}
	if l := f.o.Floor; l != nil {
		switch {
		case h.Epoch < l.Epoch, h.Epoch == l.Epoch && h.Seq < l.Seq:
			return fork(fmt.Sprintf("this lane was at %d/%d", l.Epoch, l.Seq))
		case h.Epoch == l.Epoch && h.Seq == l.Seq && h.Chain != l.Chain:
			return fork("this lane had another hash there")
		}
	}
	if h.Epoch < v.Head.Epoch || h.Epoch == v.Head.Epoch && h.Seq < v.Head.Seq {
		return fork(fmt.Sprintf("an earlier head said %d/%d", v.Head.Epoch, v.Head.Seq))
	}
	if h.Epoch == v.Head.Epoch && h.Seq == v.Head.Seq && v.Head.Issued != 0 && (h.Chain != v.Head.Chain || h.Root != v.Head.Root) {
		return fork("an earlier head said " + v.Head.Chain.String())
	}
	if h.Keyset < v.Head.Keyset || h.Rules < v.Head.Rules {
		return fmt.Errorf("%w: keys %d, rules %d; an earlier head said %d and %d", ErrRollback, h.Keyset, h.Rules, v.Head.Keyset, v.Head.Rules)
	}
	if s := v.State; s != nil {
		return f.judgeAgainst(h, s, fork)
	}
	return nil
}

// judgeAgainst compares a head with the state shown. A head may be a little
// behind it, when a delta overtook it; then its hash must be of this history.
func (f *Feed) judgeAgainst(h *link.Head, s *link.State, fork func(string) error) error {
	switch {
	case h.Epoch < s.Epoch:
		return fork(fmt.Sprintf("this lane is in epoch %d", s.Epoch))
	case h.Epoch > s.Epoch || h.Seq > s.Seq:
		return nil
	case h.Seq == s.Seq && (h.Chain != s.Chain || h.Root != s.Root()):
		return fork("this lane has another hash there")
	case h.Seq < s.Seq:
		if c, ok := f.known(h.Epoch, h.Seq); !ok || c != h.Chain {
			return fork(fmt.Sprintf("this lane is at %d", s.Seq))
		}
	}
	return nil
}

// follow takes whatever leads to the newest head and is there already, and says
// what to ask for.
func (f *Feed) follow(r Result) (Result, error) {
	changed, err := f.adopt()
	if err != nil {
		return r, err
	}
	r.Changed = r.Changed || changed
	if f.behind() {
		f.tries++
	} else {
		f.tries = 0
	}
	r.Asks = append(r.Asks, f.needs()...)
	return r, nil
}

// behind reports whether the newest head names more than the lane has.
func (f *Feed) behind() bool {
	h, s := f.c.View().Head, f.standing()
	return h.Issued != 0 && (s == nil || s.Epoch != h.Epoch || s.Seq < h.Seq)
}

// needs is what is missing: documents of a newer version; the range up to the
// newest head, or the snapshots when two heads found that it did not come and the
// snapshots lead further: a head follows each change, so two may come before the
// first question, and snapshots are taken seldom.
func (f *Feed) needs() (asks []link.Ask) {
	v := f.c.View()
	if f.Delegation() == nil || f.stranger || v.Head.Keyset > v.KeysetVersion || v.Head.Rules > v.RulesVersion() {
		asks = append(asks, f.ask(link.WantKeys, 0, 0))
	}
	if !f.behind() {
		return asks
	}
	s := f.standing()
	if s != nil && s.Epoch == v.Head.Epoch && v.Head.Seq-s.Seq <= maxRange && (f.tries <= 2 || v.Head.SnapSeq <= s.Seq) {
		return append(asks, f.ask(link.WantRange, s.Seq, v.Head.Seq))
	}
	return append(asks, f.ask(link.WantSnapshots, 0, 0))
}

// delta takes a DELTA.
func (f *Feed) delta(payload []byte) (Result, error) {
	d, err := openSigned[link.Delta](f, payload, link.TypeDelta, link.MaxDelta)
	if err != nil {
		return Result{}, err
	}
	events, err := d.Events()
	if err != nil {
		return Result{}, err
	}
	s := f.standing()
	if s == nil || d.Epoch > s.Epoch {
		r, _ := f.follow(Result{}) // an error of waiting snapshots is not this message's
		return r, fmt.Errorf("%w: delta %d..%d of epoch %d", ErrGap, d.From, d.To, d.Epoch)
	}
	if err := f.judgeDelta(d, s); err != nil {
		return f.askAfter(err, s, d.To), err
	}
	events = events[s.Seq-d.From:]
	next, err := s.Apply(events)
	if err != nil {
		return Result{}, err
	}
	if next.Chain != d.After || len(d.Root) != 0 && string(d.Root) != rootOf(next) {
		err := fmt.Errorf("%w: delta %d..%d", ErrMismatch, d.From, d.To)
		return f.askAfter(err, s, d.To), err
	}
	if err := f.judgeFloor(s, next, events); err != nil {
		return Result{}, err
	}
	return f.show(next, events, d.Urgent)
}

func rootOf(s *link.State) string {
	h := s.Root()
	return string(h[:])
}

// judgeDelta compares a delta's ends with where the lane stands.
func (f *Feed) judgeDelta(d *link.Delta, s *link.State) error {
	switch {
	case d.Epoch < s.Epoch:
		return fmt.Errorf("%w: delta of epoch %d, this is %d", ErrOld, d.Epoch, s.Epoch)
	case d.From > s.Seq:
		return fmt.Errorf("%w: delta %d..%d, this lane is at %d", ErrGap, d.From, d.To, s.Seq)
	case d.From == s.Seq && d.Before != s.Chain:
		return fmt.Errorf("%w: delta %d..%d has another hash before it", ErrFork, d.From, d.To)
	case d.From < s.Seq && f.contradicts(d.Epoch, d.From, d.Before):
		return fmt.Errorf("%w: delta %d..%d has another hash before it", ErrFork, d.From, d.To)
	case d.To > s.Seq:
		return nil
	}
	if f.contradicts(d.Epoch, d.To, d.After) {
		return fmt.Errorf("%w: delta %d..%d has another hash behind it", ErrFork, d.From, d.To)
	}
	return fmt.Errorf("%w: delta %d..%d, this lane is at %d", ErrOld, d.From, d.To, s.Seq)
}

// contradicts reports whether the lane remembers another chain value there.
func (f *Feed) contradicts(epoch uint32, seq uint64, chain link.Hash) bool {
	c, ok := f.known(epoch, seq)
	return ok && c != chain
}

// askAfter asks for what is missing before a delta, or for the whole if it
// contradicts.
func (f *Feed) askAfter(err error, s *link.State, to uint64) (r Result) {
	switch {
	case errors.Is(err, ErrOld):
	case errors.Is(err, ErrGap) && to-s.Seq <= maxRange:
		r.Asks = append(r.Asks, f.ask(link.WantRange, s.Seq, to))
	default:
		r.Asks = append(r.Asks, f.ask(link.WantSnapshots, 0, 0))
	}
	return r
}

// judgeFloor checks the hash at the journal's floor when the events pass it.
func (f *Feed) judgeFloor(s, next *link.State, events []link.Event) error {
	l := f.o.Floor
	if l == nil || l.Epoch != s.Epoch || l.Seq <= s.Seq || l.Seq > next.Seq {
		return nil
	}
	chain := s.Chain
	for i, e := range events[:l.Seq-s.Seq] {
		chain = link.Chain(chain, s.Seq+uint64(i)+1, e)
	}
	if chain != l.Chain {
		return fmt.Errorf("%w: this lane had another hash at %d", ErrFork, l.Seq)
	}
	return nil
}

// behindFloor reports whether a state must not be shown yet.
func (f *Feed) behindFloor(s *link.State) bool {
	l := f.o.Floor
	return l != nil && (s.Epoch < l.Epoch || s.Epoch == l.Epoch && s.Seq < l.Seq)
}

// hold makes next the candidate: it is gone on from, but not shown before it
// has reached the floor and the newest head.
func (f *Feed) hold(next *link.State) {
	f.candidate, f.tries = next, 0
	f.remember(next)
}

// show makes next the lane's state, or holds it. events lead to it from where
// the lane stands.
func (f *Feed) show(next *link.State, events []link.Event, urgent bool) (Result, error) {
	v := f.c.View()
	if h := v.Head; h.Issued != 0 && h.Epoch == next.Epoch && h.Seq == next.Seq && (h.Chain != next.Chain || h.Root != next.Root()) {
		return Result{}, fmt.Errorf("%w: the head at %d has another hash", ErrFork, h.Seq)
	}
	if f.behindFloor(next) || f.candidate != nil && v.Head.Epoch == next.Epoch && next.Seq < v.Head.Seq {
		f.hold(next)
		return f.follow(Result{})
	}
	if f.candidate != nil {
		events = nil // they lead from the candidate, which the cache does not have
	}
	if err := f.c.Apply(cache.Update{State: next, Events: events}); err != nil {
		return Result{}, err
	}
	f.candidate, f.tries = nil, 0
	f.remember(next)
	if h := v.Head; h.Epoch == next.Epoch && h.Seq <= next.Seq {
		return Result{Changed: true, Urgent: urgent}, nil
	}
	return f.follow(Result{Changed: true, Urgent: urgent})
}
