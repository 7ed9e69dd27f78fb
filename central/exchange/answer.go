package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// Bounds of one answer.
const (
	maxGroups = 100  // journals
	window    = 5000 // ledger numbers that are looked through at once
	windows   = 10   // then the lane asks for more
)

// maxMessages is how many messages follow one question: the lane may ask once in
// two seconds, and a day of a large campus is a hundred messages.
const maxMessages = 4

// ErrBusy tells that too many questions wait.
var ErrBusy = errors.New("too many questions for uses wait")

// Answer lets Run answer a verified WantUses with what other controllers' journals
// hold of the asking one's zones, and its own earlier ones: who lost a journal does
// not know any more what it let in. It does not wait.
func (x *Exchange) Answer(a *link.Ask) error {
	if !x.mine(a.Lane) && !x.held() {
		return nil // another central answers
	}
	select {
	case x.asks <- a:
		return nil
	default:
		return ErrBusy
	}
}

func (x *Exchange) answer(ctx context.Context, a *link.Ask) error {
	if x.held() {
		x.resend(ctx, a.To)
	}
	if !x.mine(a.Lane) {
		return nil
	}
	zones := x.zones(a.Lane)
	if zones == 0 {
		return nil // its report is on its way: it asks again
	}
	from := a.From
	for range maxMessages {
		u, err := x.uses(ctx, a, zones, from)
		if err != nil {
			return fmt.Errorf("read uses: %w", err)
		}
		if len(a.Nonce) == len(link.Nonce{}) {
			u.Nonce = a.Nonce
		}
		m, err := link.Seal(x.config.Status, link.TypeUses, x.config.Site, u)
		if err != nil {
			return fmt.Errorf("sign uses: %w", err)
		}
		if err := x.config.Publisher.Publish(ctx, x.topics.Repeat(a.Lane), m, 0, false); err != nil {
			x.config.Log.Debug("publish uses", "lane", a.Lane, "error", err) // it asks again
			return nil
		}
		x.answered.Add(1)
		if from = u.Next; !u.More {
			return nil
		}
	}
	return nil
}

// uses makes a message that answers the question from the cursor on.
func (x *Exchange) uses(ctx context.Context, a *link.Ask, zones uint16, from uint64) (*link.Uses, error) {
	last, err := x.config.DB.LastEntry(ctx)
	if err != nil {
		return nil, err
	}
	today := pass.DayOf(x.config.Now().In(x.config.Location))
	first, err := x.begin(ctx)
	if err != nil {
		return nil, err
	}
	after := max(from, first) // a lane that names an old number must not have the whole ledger read
	if from > last {          // of a ledger that was restored from an older backup
		after = first
	}
	f := filler{lane: a.Lane, journal: a.Journal, zones: zones, uses: &link.Uses{Lane: a.Lane, From: from, Next: after}, groups: map[database.Journal]int{}}
	for n := 0; n < windows && f.uses.Next < last; n++ {
		end := min(f.uses.Next+window, last)
		rows, err := x.config.DB.PassEntries(ctx, f.uses.Next, end, today-1, today, window)
		if err != nil {
			return nil, err
		}
		if !f.fill(rows) {
			break
		}
		f.uses.Next = end
	}
	f.uses.More = f.uses.Next < last
	return f.uses, nil
}

// slack is how far the clock of a central that received entries may have been ahead.
const slack = time.Hour

// begin returns the ledger number behind which yesterday's entries begin.
func (x *Exchange) begin(ctx context.Context) (uint64, error) {
	y, m, d := x.config.Now().In(x.config.Location).Date()
	yesterday := time.Date(y, m, d-1, 0, 0, 0, 0, x.config.Location)
	return x.config.DB.BeforeEntries(ctx, yesterday.Add(-slack).UnixMilli())
}

// filler puts rows of the ledger into a message.
type filler struct {
	lane    string
	journal []byte // of the lane, which knows what it holds; not an id: it did not say
	zones   uint16
	uses    *link.Uses
	groups  map[database.Journal]int // by lane and id, to the index in uses
	size    int
}

// fill moves Next on; false if a row has no room.
func (f *filler) fill(rows []database.PassEntry) bool {
	for i := range rows {
		if f.wants(&rows[i]) && !f.add(&rows[i]) {
			return false
		}
		f.uses.Next = rows[i].Number
	}
	return true
}

func (f *filler) wants(r *database.PassEntry) bool {
	if r.Lane == f.lane && f.isCurrent(r.Journal) || len(r.Entry) != link.EntrySize {
		return false
	}
	e, _, err := link.ParseEntry(r.Entry)
	return err == nil && e.IsUse() && f.zones&bit(e.Zone) != 0
}

// isCurrent reports whether the asker may have one of its own journals still.
func (f *filler) isCurrent(id link.JournalID) bool {
	return len(f.journal) != len(id) || bytes.Equal(f.journal, id[:])
}

func (f *filler) add(r *database.PassEntry) bool {
	if f.size+len(r.Entry) > link.MaxUsesSize {
		return false
	}
	at := database.Journal{Lane: r.Lane, ID: r.Journal}
	i, ok := f.groups[at]
	if !ok {
		if len(f.uses.Groups) >= maxGroups {
			return false
		}
		i = len(f.uses.Groups)
		f.groups[at] = i
		f.uses.Groups = append(f.uses.Groups, link.UseGroup{Lane: r.Lane, Journal: r.Journal})
	}
	g := &f.uses.Groups[i]
	g.Entries = append(g.Entries, r.Entry...)
	f.size += len(r.Entry)
	return true
}
