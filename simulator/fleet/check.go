package fleet

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
)

// Violation is a promise that was broken.
type Violation struct {
	Step   string   `json:"step"`
	What   []string `json:"what"`   // the first ones
	Seed   uint64   `json:"seed"`   // plays the same again
	Events []string `json:"events"` // the last ones before it
	Replay string   `json:"replay"` // command line
}

// Error tells all of it.
func (v *Violation) Error() string {
	return fmt.Sprintf("broken in step %s, seed %d:\n  %s\nlast events:\n  %s\nplay it again:  %s", v.Step, v.Seed,
		strings.Join(v.What, "\n  "), strings.Join(v.Events, "\n  "), v.Replay)
}

func (r *run) broken(step string, what ...string) error {
	const shown = 10
	if n := len(what); n > shown {
		what = append(what[:shown:shown], fmt.Sprintf("and %d more", n-shown))
	}
	return &Violation{Step: step, What: what, Seed: r.Seed, Events: r.events.list(), Replay: r.replay()}
}

func (r *run) replay() string {
	text := fmt.Sprintf("simulator fleet --lanes %d --seed %d --for %v --rounds %d --entries %d --only %s", r.Options.Lanes, r.Seed, r.For, r.Rounds, r.Entries, strings.Join(r.Only, ","))
	if r.Mosquitto != "" {
		text += " --mosquitto " + r.Mosquitto
	}
	return text
}

// check waits until nothing is on its way, and compares lanes and central: each
// lane is where central's feed is and refuses what was revoked; central has each
// entry of each lane once, in order, and nothing else.
func (r *run) check(ctx context.Context, step string) error {
	epoch, seq, chain, err := r.head(ctx)
	if err != nil {
		return err
	}
	if err := r.until(ctx, "lanes at the newest event", len(r.lanes.list), func() (n int, err error) {
		for _, l := range r.lanes.list {
			if l.seq() >= seq {
				n++
			}
		}
		return n, nil
	}); err != nil {
		return err
	}
	if err := r.quiet(ctx); err != nil {
		return err
	}
	r.acked.take()
	r.Checking(step, r.site)
	r.bar.begin("check "+step, 0)
	bad := r.feeds(epoch, seq, chain)
	ledger, err := r.ledger(ctx)
	if err != nil {
		return err
	}
	r.report.Checks++
	if bad = append(bad, ledger...); len(bad) > 0 {
		return r.broken(step, bad...)
	}
	return nil
}

// feeds tells which lanes have another feed than central, or let in who was revoked.
func (r *run) feeds(epoch uint32, seq uint64, chain link.Hash) (bad []string) {
	for _, l := range r.lanes.list {
		s := l.feed.View().State
		if s.Epoch != epoch || s.Seq < seq || s.Seq == seq && s.Chain != chain {
			bad = append(bad, fmt.Sprintf("%s holds event %d of epoch %d, %s; central %d of %d, %s", l.id, s.Seq, s.Epoch, s.Chain, seq, epoch, chain))
			continue
		}
		for _, id := range r.revoked {
			if d := s.Day(id.Day); d == nil || d.Status(id.Index) != link.Revoked {
				bad = append(bad, fmt.Sprintf("%s does not refuse pass %s, which was revoked", l.id, id))
			}
		}
	}
	return bad
}

// chained is what central's stored entries of a journal come to.
type chained struct {
	count uint64
	chain link.Hash
}

// readTogether is how many entries are read at a time: a query for each journal waits
// ten thousand times behind ten thousand lanes.
const readTogether = 20_000

// stored reads central's whole ledger and computes each journal's chain anew.
func (r *run) stored(ctx context.Context) (map[link.JournalID]*chained, error) {
	all := map[link.JournalID]*chained{}
	for after := int64(0); ; {
		rows, err := r.db.Entries(ctx, database.EntryFilter{After: after, Limit: readTogether})
		if err != nil || len(rows) == 0 {
			return all, err
		}
		for i := range rows {
			c := all[rows[i].Journal]
			if c == nil {
				c = &chained{chain: link.JournalStart(rows[i].Journal)}
				all[rows[i].Journal] = c
			}
			c.count, c.chain, after = c.count+1, link.JournalChain(c.chain, rows[i].Entry), rows[i].Number
		}
	}
}

// ledger compares the stored entries with the lanes' journals: how many there are,
// and the chain over what is stored.
func (r *run) ledger(ctx context.Context) (bad []string, err error) {
	journals, err := r.db.Journals(ctx)
	if err != nil {
		return nil, err
	}
	stored, err := r.stored(ctx)
	if err != nil {
		return nil, err
	}
	own := map[string]database.Journal{}
	for _, j := range journals {
		if _, twice := own[j.Lane]; twice {
			bad = append(bad, fmt.Sprintf("central has two journals of %s, which has one", j.Lane))
		}
		own[j.Lane] = j
	}
	r.report.Entries = 0
	for _, l := range r.lanes.list {
		last, chain := l.journal.end()
		j, c := own[l.id], stored[l.journal.id]
		if c == nil {
			c = &chained{chain: link.JournalStart(l.journal.id)}
		}
		r.report.Entries += int(c.count)
		if c.count != last || c.chain != chain || last > 0 && (j.ID != l.journal.id || j.Last != last || j.Chain != chain) {
			bad = append(bad, fmt.Sprintf("%s wrote %d entries to chain value %s, central has %d to %s and says %d", l.id, last, chain, c.count, c.chain, j.Last))
		}
	}
	return bad, nil
}

// keptEvents bounds the events that a violation shows.
const keptEvents = 40

// events are what happened last: of the run, and what lanes warn of.
type events struct {
	mu    sync.Mutex // guards kept
	kept  []string
	began time.Time
}

func (e *events) add(format string, values ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = append(e.kept, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, values...))
	if len(e.kept) > keptEvents {
		e.kept = e.kept[1:]
	}
}

// Write implements io.Writer for the lanes' log.
func (e *events) Write(line []byte) (int, error) {
	e.add("%s", strings.TrimSpace(string(line)))
	return len(line), nil
}

func (e *events) list() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.kept...)
}
