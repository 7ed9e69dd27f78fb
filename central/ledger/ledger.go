// Package ledger takes journals in: every entry of every lane exactly once, in
// order, with its chain checked, and acknowledged only when it is on the disk.
//
// Several batches that wait share one transaction. A batch that is not its
// lane's own, or does not fit what is stored, changes nothing and is alarmed.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// What a batch can be refused for, beside the errors of package link.
var (
	ErrGap       = errors.New("entries before this batch are missing")
	ErrFork      = errors.New("the batch continues another journal than the stored one")
	ErrRewritten = errors.New("an entry differs from the stored one of the same number")
)

// Alarm codes.
const (
	CodeGap       = "journal_gap"
	CodeFork      = "journal_fork"
	CodeRewritten = "journal_rewritten"
	CodeForged    = "forged_batch"
	CodeNew       = "journal_new"
	CodeDropped   = "journal_dropped"
	CodeLost      = "journal_lost"
	CodeGaps      = "journal_gaps"
)

// Alarms of what a gate or two lanes did: a door that stands open, a pass that two
// lanes let in without knowing of each other, two people on one grant.
const (
	codeHeld      = "held_open"
	codeConflict  = "conflict"
	codeTailgated = "tailgated"
)

// nextSteps tell what to do about an alarm.
var nextSteps = map[string]string{
	CodeGap:       "The lane sends the missing entries again by itself. If this stays for minutes, look at the lane's journal folder.",
	CodeFork:      "Two controllers use one journal, or it was changed. Take the lane out of service and compare its journal with the ledger.",
	CodeRewritten: "The lane's journal was changed after it was acknowledged. Take the lane out of service and secure its disk.",
	CodeForged:    "Somebody with the lane's certificate sends what its journal key did not sign. Remove the lane and enrol it again.",
	CodeNew:       "Nothing, if the lane got a new disk. If not, secure the old journal: entries that were not acknowledged may be missing.",
	CodeDropped:   "The lane's disk was full. Read the lane's warnings and make room.",
	CodeLost: "Secure the files named .bad in the lane's journal folder and replace its disk. Compare with the cameras what passed meanwhile. " +
		"If there are none, or the lane warns journal.forked, somebody else has its key: remove the lane, move its journal folder away for the office and enrol it again; it begins a new journal.",
	CodeGaps:      "The lane's disk loses too much: nothing more of this journal is taken. Stop the agent, move its journal folder away for the office and replace the disk; it begins a new one.",
	codeHeld:      "Send somebody to the gate: its door or barrier stands open after a passage.",
	codeConflict:  "See both passages and the cameras: the code may be shared. Revoke the pass if it is.",
	codeTailgated: "Look at the camera; the second person is in no list.",

	"gate_forced": "Look at the camera, and have the lock checked.", "housing_opened": "Send somebody, unless an installer is at work there.",
	"fire_release": "Follow the evacuation plan. The muster list shows who is inside.", "gate_fault": "Have the gate looked at.",
	"gate_lost": "Use another lane; check power and cable of the gate.", "scanner_lost": "Use another lane; check the scanner's cable.",
	"feed_refused": "Central restored from a backup? If not, somebody is between: tell IT.",
}

// Publisher hands acknowledgements to the broker; broker.Session is one.
type Publisher interface {
	Publish(ctx context.Context, topic string, payload []byte, qos byte, retained bool) error
}

// Config of the ledger.
type Config struct {
	Site      string
	DB        *database.DB
	Signer    link.Signer // status role
	Publisher Publisher
	Keys      func(lane string) link.Keys // a lane controller's journal key, nil if it is not enrolled
	Alarms    *Alarms
	Location  *time.Location
	Now       func() time.Time
	Log       *slog.Logger
}

// Ledger takes batches; its methods are safe for concurrent use.
type Ledger struct {
	config Config
	topics link.Topics
	queue  chan incoming
	ends   ends

	stored, repeated, refused atomic.Uint64
}

type incoming struct {
	lane  string
	batch *link.Batch
	rows  []database.Row
	chain []link.Hash // after each row
	notes []database.Alarm
	// answers are the entries about central's commands.
	answers []link.Entry
}

// maxWaiting bounds batches that are verified and not stored yet, each up to
// half a megabyte; maxTogether those of one transaction.
const (
	maxWaiting  = 64
	maxTogether = 32
)

// New returns a ledger that Run stores into.
func New(c Config) *Ledger {
	return &Ledger{config: c, topics: link.Topics{Site: c.Site}, queue: make(chan incoming, maxWaiting)}
}

// Take checks what came on a lane controller's journal topic and queues it;
// it waits while the queue is full. The error is one of package link's.
func (l *Ledger) Take(ctx context.Context, lane string, message []byte) error {
	in, err := l.check(lane, message)
	if err != nil {
		l.refused.Add(1)
		if err := l.config.Alarms.Raise(ctx, CodeForged, lane, "", err.Error(), next(CodeForged)); err != nil {
			l.config.Log.Error("store alarm", "error", err)
		}
		return fmt.Errorf("take batch of lane %.40q: %w", lane, err)
	}
	select {
	case l.queue <- in:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxSeq bounds the numbers of entries: a hundred a second for three centuries.
// Beyond it nothing is lost that ever was, and sums of numbers cannot overflow.
const maxSeq = 1 << 40

func (l *Ledger) check(lane string, message []byte) (in incoming, err error) {
	keys := l.config.Keys(lane)
	if keys == nil {
		return in, fmt.Errorf("%w: not enrolled", link.ErrUnknown)
	}
	b, err := link.Open[link.Batch](message, link.TypeBatch, l.config.Site, keys, link.MaxDocument)
	if err != nil {
		return in, err
	}
	if b.Lane != lane || b.First > maxSeq {
		return in, fmt.Errorf("%w: batch of lane %.40q from entry %d", link.ErrMalformed, b.Lane, b.First)
	}
	entries, raw, err := b.Entries()
	if err != nil {
		return in, err
	}
	in = incoming{lane: lane, batch: b, rows: make([]database.Row, len(entries)), chain: make([]link.Hash, len(entries))}
	chain := b.Before
	for i := range entries {
		chain = link.JournalChain(chain, raw[i])
		in.chain[i], in.rows[i] = chain, l.row(&entries[i], raw[i])
		in.note(&entries[i])
		if _, ok := entries[i].Command(); ok {
			in.answers = append(in.answers, entries[i])
		}
	}
	return in, nil
}

func (l *Ledger) row(e *link.Entry, raw []byte) database.Row {
	r := database.Row{Seq: e.Seq, Entry: raw}
	if at := time.UnixMilli(e.Wall); at.Unix() >= pass.Day(0).UTC() {
		r.Day = pass.DayOf(at.In(l.config.Location))
	}
	if e.Floor == nil {
		r.Pass = e.Pass
	}
	return r
}

// note turns entries that somebody should look at into alarms.
func (in *incoming) note(e *link.Entry) {
	code, ok := alarming[e.Type]
	if e.Type == link.EntryDropped {
		code, ok = CodeDropped, true
	}
	if !ok {
		return
	}
	in.notes = append(in.notes, database.Alarm{Code: code, Lane: in.lane, Subject: fmt.Sprintf("%x/%d", in.batch.Journal[:4], e.Seq),
		Detail: fmt.Sprintf("lane %d, entry %d, at %s by the lane's clock", e.Lane, e.Seq, time.UnixMilli(e.Wall).UTC().Format(time.RFC3339)),
		Next:   next(code)})
}

// alarming are the entry types that become alarms.
var alarming = map[link.EntryType]string{
	link.EntryForced: "gate_forced", link.EntryTamper: "housing_opened", link.EntryFire: "fire_release",
	link.EntryRefused: "feed_refused", link.EntryFault: "gate_fault", link.EntryGateLost: "gate_lost", link.EntryScanLost: "scanner_lost",
	link.EntryHeld: codeHeld, link.EntryConflict: codeConflict, link.EntryTailgated: codeTailgated,
}

func next(code string) string {
	if n, ok := nextSteps[code]; ok {
		return n
	}
	return "Look at the lane's display and its entries around this one."
}

// Run stores and acknowledges until ctx ends. A database that fails is logged
// and tried again with the lanes' next sending: nothing was acknowledged.
func (l *Ledger) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case first := <-l.queue:
			batches := []incoming{first}
			for len(batches) < maxTogether && len(l.queue) > 0 {
				batches = append(batches, <-l.queue)
			}
			if err := l.store(ctx, batches); err != nil && ctx.Err() == nil {
				l.config.Log.Error("store journal entries", "error", err)
			}
		}
	}
}

// place names one journal.
type place struct {
	lane string
	id   link.JournalID
}

// store puts batches into one transaction and then acknowledges, per journal,
// where the ledger stands: also after a gap, so that the lane knows from where
// to send.
func (l *Ledger) store(ctx context.Context, batches []incoming) error {
	journals := map[place]*database.Journal{}
	stored, repeated := 0, 0
	err := l.config.DB.Ledger(ctx, func(tx *database.LedgerTx) error {
		for i := range batches {
			n, err := l.add(tx, journals, &batches[i])
			if err != nil {
				return err
			}
			stored, repeated = stored+n, repeated+len(batches[i].rows)-n
		}
		for _, j := range journals {
			if err := tx.SetJournal(*j); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.stored.Add(uint64(stored))
	l.repeated.Add(uint64(repeated))
	for _, j := range journals {
		l.ends.put(j)
		l.acknowledge(ctx, j)
	}
	return nil
}

// add stores what is new of a batch and returns how many entries that were. A
// batch that does not fit leaves an alarm; only the database's failure is an
// error.
func (l *Ledger) add(tx *database.LedgerTx, journals map[place]*database.Journal, in *incoming) (int, error) {
	j, err := l.journal(tx, journals, in)
	if errors.Is(err, errJournals) {
		return 0, tx.Raise(l.alarmOf(CodeForged, in, err))
	}
	if err != nil {
		return 0, err
	}
	if err := l.closeGap(tx, j, in); err != nil {
		return 0, err
	}
	known, late, err := fit(tx, j, in)
	if code := codeOf(err); code != "" {
		return 0, tx.Raise(l.alarmOf(code, in, err))
	}
	err = errors.Join(err, l.afterAll(tx, late, in))
	if err != nil || known == len(in.rows) {
		return 0, err
	}
	fresh, received := in.rows[known:], l.config.Now().UnixMilli()
	if err := tx.Append(j.Key, received, fresh); err != nil {
		return 0, err
	}
	if err := l.answers(tx, in, fresh, received); err != nil {
		return 0, err
	}
	for _, a := range in.notes {
		a.Latest = received
		if err := tx.Raise(a); err != nil {
			return 0, err
		}
	}
	j.Last, j.Chain = fresh[len(fresh)-1].Seq, in.chain[len(in.chain)-1]
	return len(fresh), nil
}

func codeOf(err error) string {
	switch {
	case errors.Is(err, ErrGap):
		return CodeGap
	case errors.Is(err, ErrFork):
		return CodeFork
	case errors.Is(err, ErrRewritten):
		return CodeRewritten
	}
	return ""
}

func (l *Ledger) alarmOf(code string, in *incoming, err error) database.Alarm {
	subject := fmt.Sprintf("%x", in.batch.Journal[:4])
	if code != CodeGap { // of a gap the journal is enough: it closes by itself
		subject = fmt.Sprintf("%s/%d", subject, in.batch.First)
	}
	return database.Alarm{Code: code, Lane: in.lane, Subject: subject, Latest: l.config.Now().UnixMilli(), Detail: err.Error(), Next: next(code)}
}

// journal returns where the ledger stands with the batch's journal. A journal
// that was not known begins a chain of its own; a lane's second one is alarmed.
func (l *Ledger) journal(tx *database.LedgerTx, journals map[place]*database.Journal, in *incoming) (*database.Journal, error) {
	at := place{in.lane, in.batch.Journal}
	if j := journals[at]; j != nil {
		return j, nil
	}
	j, err := tx.Journal(in.lane, in.batch.Journal)
	if errors.Is(err, database.ErrNotFound) {
		j = database.Journal{Lane: in.lane, ID: in.batch.Journal, Chain: link.JournalStart(in.batch.Journal), Started: l.config.Now().UnixMilli()}
		err = l.begin(tx, &j, in)
	}
	if err != nil {
		return nil, err
	}
	journals[at] = &j
	return &j, nil
}

// maxJournals is how many journals one lane controller can begin: a new disk
// each week for years, and a bound for one that was taken over.
const maxJournals = 500

var errJournals = errors.New("the lane began too many journals")

func (l *Ledger) begin(tx *database.LedgerTx, j *database.Journal, in *incoming) error {
	others, err := tx.CountJournals(in.lane)
	if err != nil {
		return err
	}
	if others >= maxJournals {
		return fmt.Errorf("%w: of lane %s", errJournals, in.lane)
	}
	if others > 0 {
		err := tx.Raise(l.alarmOf(CodeNew, in, fmt.Errorf("journal %x begins; the lane had %d before", j.ID[:4], others)))
		if err != nil {
			return err
		}
	}
	return tx.AddJournal(j)
}

// Remind acknowledges again where the ledger stands with a lane's journal, if
// that is below what the lane reports as acknowledged: after central was restored
// from a backup a lane with nothing new to send would not hear of it. Call it for
// each report of a lane; it reads one row at most.
func (l *Ledger) Remind(ctx context.Context, lane string, id link.JournalID, acked uint64) error {
	if acked == 0 || l.ends.reach(lane, id, acked) {
		return nil
	}
	j, err := l.config.DB.Journal(ctx, lane, id)
	switch {
	case errors.Is(err, database.ErrNotFound):
		j = database.Journal{Lane: lane, ID: id, Chain: link.JournalStart(id)}
	case err != nil:
		return fmt.Errorf("read journal %x of lane %s: %w", id[:4], lane, err)
	}
	if j.Last < acked {
		l.acknowledge(ctx, &j)
		return nil
	}
	l.ends.put(&j)
	return nil
}

// acknowledge tells the lane how far its journal is on central's disk.
func (l *Ledger) acknowledge(ctx context.Context, j *database.Journal) {
	data, err := link.Seal(l.config.Signer, link.TypeAck, l.config.Site,
		link.Ack{Lane: j.Lane, Journal: j.ID, Seq: j.Last, Chain: j.Chain, Issued: l.config.Now().UnixMilli()})
	if err != nil {
		l.config.Log.Error("sign acknowledgement", "lane", j.Lane, "error", err)
		return
	}
	if err := l.config.Publisher.Publish(ctx, l.topics.Ack(j.Lane), data, 0, false); err != nil {
		l.config.Log.Debug("publish acknowledgement", "lane", j.Lane, "error", err) // the lane sends again
	}
}

// Counts are what the ledger did since its start.
type Counts struct {
	Stored   uint64 // entries
	Repeated uint64 // entries that were stored before, or did not fit
	Refused  uint64 // batches that were not their lane's own
}

// Counts returns the counters.
func (l *Ledger) Counts() Counts {
	return Counts{l.stored.Load(), l.repeated.Load(), l.refused.Load()}
}
