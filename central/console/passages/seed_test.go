package passages_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"turnstile/central/console/consoletest"
	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// campus is a central with what some lanes recorded.
type campus struct {
	*consoletest.Office
	db     *database.DB
	passes []office.PassBody
	lanes  []*lane
	now    time.Time
}

// lane is a lane controller's journal.
type lane struct {
	database.Journal
	seq uint64
}

// newCampus starts a central with passes for guests, and lanes that have recorded
// nothing yet.
func newCampus(t *testing.T, guests ...string) *campus {
	t.Helper()
	c := &campus{Office: consoletest.Start(t), now: time.Now()}
	db, err := database.Open(context.Background(), filepath.Join(c.Config.Data, "central.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	c.db = db
	zone, err := time.LoadLocation(c.Config.Timezone)
	if err != nil {
		t.Fatal(err)
	}
	c.now = c.now.In(zone)
	for i, guest := range guests {
		order := office.OrderBody{Kind: "guest", Holder: fmt.Sprintf("A%07d", i), GuestName: guest, Day: c.now.Format(time.DateOnly), Zones: []int{0}, Start: "00:00", Length: "24h"}
		if guest == "" {
			order.Kind = "ecard"
		}
		var p office.PassBody
		c.Call(t, "POST", "/passes", order, &p, 201)
		c.passes = append(c.passes, p)
	}
	for i, id := range []string{"north-1", "north-2", "south-1"} {
		c.Call(t, "POST", "/lanes", map[string]string{"id": id}, nil, 201)
		l := &lane{Journal: database.Journal{Lane: id, ID: link.JournalID{byte(i + 1), 2, 3, 4}}}
		c.lanes = append(c.lanes, l)
		err := db.Ledger(t.Context(), func(tx *database.LedgerTx) error { return tx.AddJournal(&l.Journal) })
		if err != nil {
			t.Fatal(err)
		}
	}
	var feed office.FeedBody
	c.Call(t, "GET", "/feed", nil, &feed, 200)
	floor := link.Floor{Epoch: feed.Epoch, Seq: 1, Keyset: 1, Rules: feed.Rules}
	c.record(t, 0, link.Entry{Type: link.EntryFloor, Wall: c.now.Add(-9 * time.Hour).UnixMilli(), Floor: &floor})
	return c
}

// id returns the number of an issued pass.
func (c *campus) id(t *testing.T, i int) pass.ID {
	t.Helper()
	id, err := pass.ParseID(c.passes[i].ID)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// entry is an entry about a pass by a lane in good order.
func (c *campus) entry(t *testing.T, kind link.EntryType, i int, at time.Time) link.Entry {
	e := link.Entry{Type: kind, Lane: 1, Direction: 1, Clock: link.ClockTrusted, Bound: 1, Boot: 3, Wall: at.UnixMilli(), Mono: 90_000,
		Kind: pass.Guest, KeyID: 1, Pass: c.id(t, i), FeedSeq: 1, FeedAge: 7}
	if c.passes[i].Kind == "ecard" {
		e.Kind = pass.ECard
	}
	return e
}

// record writes entries into the ledger as one lane's next ones.
func (c *campus) record(t *testing.T, which int, entries ...link.Entry) {
	t.Helper()
	l := c.lanes[which]
	zone, _ := time.LoadLocation(c.Config.Timezone)
	var rows []database.Row
	for _, e := range entries {
		l.seq++
		e.Seq = l.seq
		row := database.Row{Seq: e.Seq, Day: pass.DayOf(time.UnixMilli(e.Wall).In(zone)), Entry: e.Append(nil)}
		if e.Floor == nil {
			row.Pass = e.Pass
		}
		rows = append(rows, row)
	}
	err := c.db.Ledger(t.Context(), func(tx *database.LedgerTx) error {
		l.Last = l.seq
		if err := tx.Append(l.Key, c.now.UnixMilli(), rows); err != nil {
			return err
		}
		return tx.SetJournal(l.Journal)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// day fills the ledger with the passages of some hours: n people, of whom some are
// refused, some do not go through, and half leave again.
func (c *campus) day(t *testing.T, n int) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	refusals := []pass.Reason{pass.Revoked, pass.Expired, pass.LiveStale, pass.AlreadyInside, pass.WrongZone, pass.Foreign, pass.StatusUnknown, pass.Closed, pass.Held}
	batches := make([][]link.Entry, len(c.lanes))
	for i := range n {
		at := c.now.Add(-time.Duration(8*3600*(n-i)/n) * time.Second)
		which := r.IntN(len(c.lanes))
		e := c.entry(t, link.EntryGranted, r.IntN(len(c.passes)), at)
		e.Lane = uint8(1 + r.IntN(2))
		switch k := r.IntN(100); {
		case k < 12:
			e.Type, e.Reason = link.EntryDenied, refusals[min(r.IntN(len(refusals)), r.IntN(len(refusals)))]
			if e.Reason == pass.Foreign {
				e.Kind, e.Pass = 0, pass.ID{}
			}
			batches[which] = append(batches[which], e)
			continue
		case k < 40:
			e.Direction = 2
		case k < 44:
			e.Clock, e.Bound = link.ClockHoldover, 35
		}
		grant := c.lanes[which].seq + uint64(len(batches[which])) + 1
		batches[which] = append(batches[which], e)
		e.Type, e.Grant, e.Wall = link.EntryPassed, grant, e.Wall+1800
		switch r.IntN(60) {
		case 0:
			e.Type = link.EntryNotPassed
		case 1:
			e.Type = link.EntryUnknown
		case 2:
			e.Type = link.EntryTailgated
		}
		batches[which] = append(batches[which], e)
	}
	for i, b := range batches {
		for len(b) > 0 {
			k := min(len(b), 500)
			c.record(t, i, b[:k]...)
			b = b[k:]
		}
	}
}
