package power

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"turnstile/agent/cache"
	"turnstile/agent/journal"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// Names in the data folder, as the agent gives them.
const (
	journalName = "journal"
	cacheName   = "cache.bolt"
)

// What a disk can have done wrong.
var (
	errLost  = errors.New("acknowledged, and lost")
	errTwice = errors.New("there twice")
	errSpoil = errors.New("spoilt")
)

// found is what a data folder turned out to hold.
type found struct {
	entries [][]byte // of the journal, raw
	torn    int      // bytes that the journal cut from its end
	healed  []byte   // the disk as it was repaired, if no kernel mounts it without
}

// judge opens a data folder as the agent would and compares it with what the
// world outside saw. agent is the program that checks the cache. The folder is
// changed as an agent's start changes it.
func judge(folder string, seen record, agent string) (found, error) {
	f, err := openJournal(filepath.Join(folder, journalName))
	if err != nil {
		return f, err
	}
	t := trial{seen: seen, entries: make([]link.Entry, 0, len(f.entries))}
	for _, raw := range f.entries {
		e, rest, err := link.ParseEntry(raw)
		if err != nil || len(rest) > 0 {
			return f, fmt.Errorf("parse entry %d: %w", len(t.entries)+1, errors.Join(errSpoil, err))
		}
		t.entries = append(t.entries, e)
	}
	t.known(f.entries)
	t.results()
	t.openings()
	t.once()
	for _, w := range seen.Wrong {
		t.add(errTwice, "%s", w)
	}
	return f, errors.Join(append(t.errs, checkCache(folder, agent))...)
}

// openJournal reads all entries and checks numbers and chain from the first on.
func openJournal(folder string) (f found, err error) {
	var j *journal.Journal
	var r journal.Report
	err = unlocked(func() error {
		var err error
		j, r, err = journal.Open(folder, journal.Options{})
		return err
	})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if r.Lost != nil || r.Damaged > 0 {
		return f, fmt.Errorf("open journal: %w: %d segments damaged, set aside for %v", errSpoil, r.Damaged, r.Lost)
	}
	f.torn = r.Torn
	chain := link.JournalStart(j.ID())
	for {
		next := uint64(len(f.entries)) + 1
		some, before, err := j.Read(next, 512)
		if err != nil {
			return f, fmt.Errorf("read journal: %w", errors.Join(errSpoil, err))
		}
		if len(some) == 0 {
			break
		}
		if before != chain {
			return f, fmt.Errorf("read journal: %w: the chain does not close at entry %d", errSpoil, next)
		}
		for _, raw := range some {
			chain = link.JournalChain(chain, raw)
			f.entries = append(f.entries, bytes.Clone(raw))
		}
	}
	if chain != j.Chain() || uint64(len(f.entries)) != j.Last() {
		return f, fmt.Errorf("read journal: %w: %d entries, it says %d", errSpoil, len(f.entries), j.Last())
	}
	return f, nil
}

// unlocked opens a journal that this process itself had open just before. A child
// that another goroutine is starting holds its lock until it is another program.
func unlocked(open func() error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for tries := 0; ; tries++ {
		if err := open(); !errors.Is(err, journal.ErrLocked) || tries == 500 {
			return err
		}
		<-tick.C
	}
}

// checkCache opens the cache. It is never damaged by a power cut on a disk that
// keeps its word.
func checkCache(folder, agent string) error {
	path := filepath.Join(folder, cacheName)
	c, r, err := cache.Open(path, cache.Options{Check: func(path string) error { return cache.CheckInChild(agent, path) }})
	if err != nil {
		return err
	}
	if r.Lost != nil || r.GateLost != nil || r.New || c.View().Rules == nil || c.View().State == nil {
		err = fmt.Errorf("open cache: %w: new %v, %v, %v", errSpoil, r.New, r.Lost, r.GateLost)
	}
	return errors.Join(err, c.Close())
}

// trial compares one journal with one record.
type trial struct {
	seen    record
	entries []link.Entry
	result  map[uint64]link.EntryType // by the grant's number
	errs    []error
}

func (t *trial) add(kind error, format string, args ...any) {
	t.errs = append(t.errs, fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...)))
}

// known checks that what was on the disk before is there, in the same bytes.
func (t *trial) known(raw [][]byte) {
	for i, k := range t.seen.Known {
		if i >= len(raw) {
			t.add(errLost, "entries %d to %d", i+1, len(t.seen.Known))
			return
		}
		if !bytes.Equal(k, raw[i]) {
			t.add(errSpoil, "entry %d has changed", i+1)
			return
		}
	}
}

// results checks that each result belongs to one grant, and that the newest
// start has settled what the ones before left open.
func (t *trial) results() {
	t.result = map[uint64]link.EntryType{}
	granted := map[uint64]bool{}
	var boot uint32
	for i, e := range t.entries {
		if e.Seq != uint64(i)+1 {
			t.add(errSpoil, "entry %d has the number %d", i+1, e.Seq)
		}
		boot = max(boot, e.Boot)
		switch e.Type {
		case link.EntryGranted:
			granted[e.Seq] = true
		case link.EntryPassed, link.EntryNotPassed, link.EntryUnknown:
			if !granted[e.Grant] {
				t.add(errSpoil, "entry %d is the result of %d, which is no grant", e.Seq, e.Grant)
			}
			if t.result[e.Grant] != 0 {
				t.add(errTwice, "the result of grant %d", e.Grant)
			}
			t.result[e.Grant] = e.Type
		}
	}
	for _, e := range t.entries {
		if e.Type == link.EntryGranted && e.Boot < boot && t.result[e.Seq] == 0 && t.seen.isReady() {
			t.add(errLost, "the result of grant %d, which the start after it settles", e.Seq)
		}
	}
}

// openings checks that each opening of the gate has its grant, and its result
// if the lane went on.
func (t *trial) openings() {
	for _, o := range t.seen.Openings {
		var grants []link.Entry
		for _, e := range t.entries {
			if e.Type == link.EntryGranted && e.Pass == o.Pass && e.Detail == uint16(o.Number) {
				grants = append(grants, e)
			}
		}
		switch {
		case len(grants) == 0:
			t.add(errLost, "the grant of pass %d, for which the gate opened (number %d)", o.Pass.Index, o.Number)
		case len(grants) > 1:
			t.add(errTwice, "the grant of pass %d (number %d)", o.Pass.Index, o.Number)
		case o.Settled != never && t.result[grants[0].Seq] != o.outcome():
			t.add(errLost, "the result of grant %d, which is %d and was %d", grants[0].Seq, t.result[grants[0].Seq], o.outcome())
		}
	}
}

func (o opening) outcome() link.EntryType {
	if o.Walked {
		return link.EntryPassed
	}
	return link.EntryNotPassed
}

// once checks that no single-entry pass was let in twice: whoever walked or may
// have walked has used it up.
func (t *trial) once() {
	used := map[pass.ID]uint64{}
	for _, e := range t.entries {
		if e.Type != link.EntryGranted {
			continue
		}
		if before := used[e.Pass]; before != 0 {
			t.add(errTwice, "pass %d is granted by %d and %d", e.Pass.Index, before, e.Seq)
		}
		if t.result[e.Seq] != link.EntryNotPassed {
			used[e.Pass] = e.Seq
		}
	}
}
