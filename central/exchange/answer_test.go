package exchange

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// store puts entries of a lane's journal into the ledger, as received at a time.
func (b *bench) store(t testing.TB, lane string, received time.Time, entries ...link.Entry) {
	t.Helper()
	err := b.db.Ledger(ctx, func(tx *database.LedgerTx) error {
		j, err := tx.Journal(lane, link.JournalID{lane[0]})
		if err != nil {
			j = database.Journal{Lane: lane, ID: link.JournalID{lane[0]}}
			if err := tx.AddJournal(&j); err != nil {
				return err
			}
		}
		var rows []database.Row
		for i := range entries {
			rows = append(rows, database.Row{Seq: entries[i].Seq, Day: today, Pass: entries[i].Pass, Entry: entries[i].Append(nil)})
		}
		return tx.Append(j.Key, received.UnixMilli(), rows)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ask answers one question and returns the messages.
func (b *bench) ask(t testing.TB, lane string, from uint64) []*link.Uses {
	t.Helper()
	nonce := []byte("sixteen bytes...")
	if err := b.answer(ctx, &link.Ask{Lane: lane, Want: link.WantUses, From: from, To: b.current, Nonce: nonce}); err != nil {
		t.Fatal(err)
	}
	var list []*link.Uses
	for _, m := range b.take() {
		u, err := link.Open[link.Uses](m.payload, link.TypeUses, site, link.KeysOf(signer("status").public()), link.MaxDocument)
		if err != nil || m.topic != topics.Repeat(lane) || m.retained || u.Lane != lane || u.From != from || !bytes.Equal(u.Nonce, nonce) {
			t.Fatalf("%+v on %s, %v", u, m.topic, err)
		}
		from = u.Next
		list = append(list, u)
	}
	return list
}

// uses are all entries of messages, as lane/index.
func uses(t testing.TB, list []*link.Uses) []string {
	t.Helper()
	var all []string
	for _, u := range list {
		for _, g := range u.Groups {
			entries, err := g.List()
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				all = append(all, fmt.Sprintf("%s/%d", g.Lane, e.Pass.Index))
			}
		}
	}
	return all
}

func TestAnswer(t *testing.T) {
	b := newBench(t)
	b.house(map[string]uint16{"north": 1 << 1, "south": 1<<1 | 1<<2, "west": 1 << 3})
	if list := b.ask(t, "north", 0); len(list) != 1 || list[0].Next != 0 || list[0].More || len(list[0].Groups) != 0 {
		t.Errorf("of an empty ledger: %+v", list)
	}
	change := func(e link.Entry, f func(*link.Entry)) link.Entry { f(&e); return e }
	yesterday := noon.Add(-24 * time.Hour)
	b.store(t, "south", noon.Add(-50*time.Hour), grant(1, 1, 100))
	b.store(t, "south", yesterday, change(grant(2, 1, 101), func(e *link.Entry) { e.Pass.Day-- }))
	b.store(t, "south", noon,
		grant(3, 1, 102),
		change(grant(4, 1, 103), func(e *link.Entry) { e.Type = link.EntryDenied }),
		grant(5, 2, 104), // another zone of south's
		change(grant(6, 1, 105), func(e *link.Entry) { e.Pass.Day -= 2 }),
		change(grant(7, 1, 106), func(e *link.Entry) { e.Kind = pass.Supervisor }),
		change(grant(8, 1, 107), func(e *link.Entry) { e.Type, e.Grant = link.EntryPassed, 99 }), // no lane would take it
		change(grant(9, 1, 102), func(e *link.Entry) { e.Type, e.Grant = link.EntryPassed, 3 }),
		link.Entry{Type: link.EntryFloor, Seq: 10, Floor: &link.Floor{}})
	b.store(t, "north", noon, grant(1, 1, 200))
	b.store(t, "west", noon, grant(1, 3, 300), grant(2, 1, 301)) // west was moved since
	for lane, want := range map[string][]string{
		"north": {"south/101", "south/102", "south/102", "west/301"}, "south": {"north/200", "west/301"}, "west": nil, "nobody": nil,
	} {
		list := b.ask(t, lane, 0)
		if got := uses(t, list); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s gets %v, want %v", lane, got, want)
		}
		if lane != "nobody" && (len(list) != 1 || list[0].Next != 13 || list[0].More) {
			t.Errorf("%s: %+v", lane, list)
		}
	}
	b.store(t, "west", noon, grant(3, 1, 302))
	if list := b.ask(t, "north", 13); fmt.Sprint(uses(t, list)) != "[west/302]" || list[0].Next != 14 {
		t.Errorf("the next minute: %+v", list)
	}
	if list := b.ask(t, "north", 1<<63+5); len(uses(t, list)) != 5 || list[len(list)-1].Next != 14 {
		t.Errorf("with a cursor of a ledger that is gone: %+v", list)
	}
	b.offline = true
	if list := b.ask(t, "north", 0); len(list) != 0 {
		t.Error("answers are counted that were not sent")
	}
}

// TestAnswerOldCursor: whoever names an old number does not have the whole ledger
// read: what came before yesterday is passed over at once.
func TestAnswerOldCursor(t *testing.T) {
	b := newBench(t)
	b.house(map[string]uint16{"north": 1 << 1, "south": 1 << 1})
	b.store(t, "south", noon.Add(-50*time.Hour), grant(1, 1, 1), grant(2, 1, 1), grant(3, 1, 1))
	b.store(t, "south", noon, grant(4, 1, 2))
	for _, from := range []uint64{0, 1, 2, 3} {
		if list := b.ask(t, "north", from); len(list) != 1 || list[0].More || fmt.Sprint(uses(t, list)) != "[south/2]" {
			t.Errorf("from %d: %d messages with %v", from, len(list), uses(t, list))
		}
	}
}

// TestAnswerMuch: a day of a large campus comes whole, in several questions.
func TestAnswerMuch(t *testing.T) {
	b := newBench(t)
	zones := map[string]uint16{"north": 1 << 1}
	const journals, each = 110, 30
	for i := range journals {
		zones[fmt.Sprintf("lane-%d", i)] = 1 << 1
	}
	b.house(zones)
	err := b.db.Ledger(ctx, func(tx *database.LedgerTx) error {
		keys := map[int]int64{}
		for i := range journals {
			j := database.Journal{Lane: fmt.Sprintf("lane-%d", i), ID: link.JournalID{byte(i)}}
			if err := tx.AddJournal(&j); err != nil {
				return err
			}
			keys[i] = j.Key
		}
		for s := range uint64(each) {
			for i := range journals {
				e := grant(s+1, 1, uint32(i)<<8|uint32(s))
				row := database.Row{Seq: e.Seq, Day: today, Pass: e.Pass, Entry: e.Append(nil)}
				if err := tx.Append(keys[i], noon.UnixMilli(), []database.Row{row}); err != nil {
					return err
				}
			}
		}
		own := database.Journal{Lane: "north", ID: link.JournalID{9}}
		if err := tx.AddJournal(&own); err != nil {
			return err
		}
		var rows []database.Row // what north itself did
		for i := range uint64(2 * window) {
			e := grant(i+1, 1, 1)
			rows = append(rows, database.Row{Seq: e.Seq, Day: today, Pass: e.Pass, Entry: e.Append(nil)})
		}
		return tx.Append(own.Key, noon.UnixMilli(), rows)
	})
	if err != nil {
		t.Fatal(err)
	}
	seen, cursor, questions := map[string]int{}, uint64(0), 0
	for more := true; more && questions < 100; questions++ {
		list := b.ask(t, "north", cursor)
		if len(list) == 0 || len(list) > maxMessages {
			t.Fatalf("%d messages", len(list))
		}
		for _, u := range list {
			if len(u.Groups) > maxGroups {
				t.Errorf("%d groups", len(u.Groups))
			}
			for _, s := range uses(t, []*link.Uses{u}) {
				seen[s]++
			}
			cursor, more = u.Next, u.More
		}
	}
	if len(seen) != journals*each || questions < 2 {
		t.Errorf("%d uses in %d questions", len(seen), questions)
	}
	for s, n := range seen {
		if n != 1 {
			t.Fatalf("%s came %d times", s, n)
		}
	}
}

// TestResend: a lane that has old lists makes them be published again, not more
// often than that is of use.
func TestResend(t *testing.T) {
	b := newBench(t)
	b.house(map[string]uint16{"north": 1 << 1})
	if err := b.look(ctx); err != nil {
		t.Fatal(err)
	}
	b.take()
	for _, c := range []struct {
		version uint64
		wait    time.Duration
		want    int
	}{{b.Version(), 0, 0}, {b.Version() - 1, 0, 16}, {0, 0, 0}, {0, resendEvery, 16}, {1 << 63, resendEvery, 0}} {
		b.pass(c.wait)
		b.resend(ctx, c.version)
		if n := len(b.take()); n != c.want {
			t.Errorf("version %d: %d messages, want %d", c.version, n, c.want)
		}
	}
}

// TestAnswerEarlierJournals: a lane that lost its journal gets what central has of
// it, and nothing of the one it names. One that names none gets none of its own.
func TestAnswerEarlierJournals(t *testing.T) {
	b := newBench(t)
	b.house(map[string]uint16{"north": 1 << 1, "south": 1 << 1})
	b.store(t, "north", noon, grant(1, 1, 200), grant(2, 5, 201)) // journal "n"; zone 5 is not north's any more
	b.store(t, "south", noon, grant(1, 1, 100))
	earlier, now, short := link.JournalID{'n'}, link.JournalID{9}, []byte("n")
	for name, c := range map[string]struct {
		journal []byte
		want    string
	}{
		"a new journal":   {now[:], "[north/200 south/100]"},
		"the same one":    {earlier[:], "[south/100]"},
		"it does not say": {nil, "[south/100]"},
		"no journal's id": {short, "[south/100]"},
	} {
		if err := b.answer(ctx, &link.Ask{Lane: "north", Want: link.WantUses, To: b.current, Journal: c.journal}); err != nil {
			t.Fatal(err)
		}
		var list []*link.Uses
		for _, m := range b.take() {
			u, err := link.Open[link.Uses](m.payload, link.TypeUses, site, link.KeysOf(signer("status").public()), link.MaxDocument)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, u)
		}
		if got := fmt.Sprint(uses(t, list)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if len(list) == 1 && c.want[1] == 'n' && list[0].Groups[0].Journal != earlier {
			t.Errorf("%s: of journal %x", name, list[0].Groups[0].Journal)
		}
	}
}
