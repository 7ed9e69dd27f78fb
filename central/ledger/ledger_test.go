package ledger

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/link"
	"turnstile/central/pass"
)

const site = "campus"

var now = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// signer is an Ed25519 key made from one byte.
type signer struct{ key ed25519.PrivateKey }

func newSigner(seed byte) signer {
	return signer{ed25519.NewKeyFromSeed(slices.Repeat([]byte{seed}, ed25519.SeedSize))}
}

func (s signer) public() ed25519.PublicKey           { return s.key.Public().(ed25519.PublicKey) }
func (s signer) KeyID() link.KeyID                   { return link.IDOf(s.public()) }
func (s signer) Sign(message []byte) ([]byte, error) { return ed25519.Sign(s.key, message), nil }

var (
	central = newSigner(1)
	laneKey = newSigner(2)
)

// shop is a ledger on a database, with the acknowledgements that it sent.
type shop struct {
	*Ledger
	db   *database.DB
	acks chan link.Ack
	lost bool // the acknowledgements are not sent: as if central was killed before
}

func newShop(t testing.TB, path string) *shop {
	t.Helper()
	db, err := database.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{db: db, acks: make(chan link.Ack, 1000)}
	clock := func() time.Time { return now }
	s.Ledger = New(Config{
		Site: site, DB: db, Signer: central, Publisher: s, Alarms: &Alarms{DB: db, Now: clock}, Location: time.FixedZone("HKT", 8*3600),
		Keys: func(lane string) link.Keys {
			if !strings.HasPrefix(lane, "N") {
				return nil
			}
			return link.KeysOf(laneKey.public())
		},
		Now: clock, Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() { db.Close() })
	return s
}

// Publish takes the acknowledgements in the broker's place.
func (s *shop) Publish(_ context.Context, topic string, payload []byte, _ byte, retained bool) error {
	a, err := link.Open[link.Ack](payload, link.TypeAck, site, link.KeysOf(central.public()), link.MaxState)
	if err != nil || topic != s.topics.Ack(a.Lane) || retained {
		panic(fmt.Sprint("not an acknowledgement: ", topic, err))
	}
	if !s.lost {
		s.acks <- *a
	}
	return nil
}

// journal is a lane's journal in memory.
type journal struct {
	lane    string
	id      link.JournalID
	entries [][]byte
	chain   []link.Hash // chain[n] after entry n
}

func newJournal(lane string, id byte, n int) *journal {
	j := &journal{lane: lane, id: link.JournalID{id}}
	j.chain = append(j.chain, link.JournalStart(j.id))
	j.grow(n)
	return j
}

func (j *journal) grow(n int) {
	for range n {
		seq := uint64(len(j.entries) + 1)
		e := link.Entry{Type: link.EntryPassed, Lane: 1, Direction: 1, Seq: seq, Boot: 1, Wall: now.UnixMilli() + int64(seq), Mono: seq * 1000,
			Kind: pass.ECard, KeyID: 1, Pass: pass.ID{Day: 2516, Index: uint32(seq)}, Holder: [8]byte{byte(seq)}, Grant: seq - 1, FeedSeq: 7, FeedAge: 2}
		if seq%50 == 0 {
			e = link.Entry{Type: link.EntryFloor, Seq: seq, Boot: 1, Wall: e.Wall, Mono: e.Mono, Floor: &link.Floor{Seq: 7}}
		}
		j.add(e)
	}
}

func (j *journal) add(e link.Entry) {
	b := e.Append(nil)
	j.entries = append(j.entries, b)
	j.chain = append(j.chain, link.JournalChain(j.chain[len(j.chain)-1], b))
}

// batch seals the entries first .. last.
func (j *journal) batch(t testing.TB, first, last int) []byte {
	t.Helper()
	b := link.NewBatch(j.lane, j.id, uint64(first), j.chain[first-1], j.entries[first-1:last])
	return seal(t, laneKey, link.TypeBatch, b)
}

func seal(t testing.TB, s link.Signer, kind link.Type, payload any) []byte {
	t.Helper()
	data, err := link.Seal(s, kind, site, payload)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// put takes messages and stores them in one transaction, as Run does.
func (s *shop) put(t testing.TB, lane string, messages ...[]byte) {
	t.Helper()
	var batches []incoming
	for _, m := range messages {
		if err := s.Take(context.Background(), lane, m); err != nil {
			t.Fatal(err)
		}
		batches = append(batches, <-s.queue)
	}
	if err := s.store(context.Background(), batches); err != nil {
		t.Fatal(err)
	}
}

// expect checks the one acknowledgement that was sent.
func (s *shop) expect(t testing.TB, j *journal, seq int) {
	t.Helper()
	if len(s.acks) != 1 {
		t.Fatalf("%d acknowledgements, want 1", len(s.acks))
	}
	if a := <-s.acks; a.Lane != j.lane || a.Journal != j.id || a.Seq != uint64(seq) || a.Chain != j.chain[seq] {
		t.Fatalf("acknowledged %d of %s, want %d of %s", a.Seq, a.Lane, seq, j.lane)
	}
}

// check compares what is stored with the journal's first n entries.
func (s *shop) check(t testing.TB, j *journal, n int) {
	t.Helper()
	rows, err := s.db.Entries(context.Background(), database.EntryFilter{Limit: 100_000, Lane: j.lane})
	if err != nil {
		t.Fatal(err)
	}
	var own [][]byte
	for i, r := range rows {
		if i > 0 && rows[i-1].Number >= r.Number {
			t.Fatal("ledger numbers do not ascend")
		}
		if r.Journal == j.id {
			own = append(own, r.Entry)
		}
	}
	if len(own) != n || !slices.EqualFunc(own, j.entries[:n], slices.Equal) {
		t.Fatalf("%d entries stored, want the first %d", len(own), n)
	}
}

func (s *shop) alarmCodes(t testing.TB) map[string]int64 {
	t.Helper()
	list, err := s.db.Alarms(context.Background(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]int64{}
	for _, a := range list {
		if a.Next == "" || a.Detail == "" {
			t.Errorf("alarm %s says nothing", a.Code)
		}
		codes[a.Code] += a.Count
	}
	return codes
}

// TestIntake goes through what can come, one after another, on one journal.
func TestIntake(t *testing.T) { databasetest.Each(t, testIntake) }

func testIntake(t *testing.T, where string) {
	s := newShop(t, where)
	j := newJournal("N1", 1, 300)
	for _, step := range []struct {
		what        string
		first, last int
		stored      int
	}{
		{"the first batch", 1, 100, 100},
		{"the same again", 1, 100, 100},
		{"an old part", 20, 30, 100},
		{"a gap", 150, 160, 100},
		{"an overlap", 90, 120, 120},
		{"from the start, with new ones", 1, 130, 130},
		{"the next one", 131, 131, 131},
		{"the rest", 132, 300, 300},
	} {
		s.put(t, "N1", j.batch(t, step.first, step.last))
		s.expect(t, j, step.stored)
		s.check(t, j, step.stored)
		t.Logf("%s: stored up to %d", step.what, step.stored)
	}
	if codes := s.alarmCodes(t); len(codes) != 1 || codes[CodeGap] != 1 {
		t.Errorf("alarms %v, want one gap", codes)
	}
	if c := s.Counts(); c.Stored != 300 || c.Repeated == 0 || c.Refused != 0 {
		t.Errorf("counts %+v", c)
	}
}

// TestTogether: batches of several lanes, out of order and twice, in one
// transaction.
func TestTogether(t *testing.T) { databasetest.Each(t, testTogether) }

func testTogether(t *testing.T, where string) {
	s := newShop(t, where)
	a, b := newJournal("N1", 1, 60), newJournal("N2", 2, 60)
	var batches []incoming
	for _, m := range []struct {
		j           *journal
		first, last int
	}{{a, 1, 20}, {b, 1, 30}, {a, 1, 20}, {a, 41, 60}, {a, 21, 40}, {b, 31, 60}, {a, 41, 60}} {
		if err := s.Take(context.Background(), m.j.lane, m.j.batch(t, m.first, m.last)); err != nil {
			t.Fatal(err)
		}
		batches = append(batches, <-s.queue)
	}
	if err := s.store(context.Background(), batches); err != nil {
		t.Fatal(err)
	}
	if len(s.acks) != 2 {
		t.Fatalf("%d acknowledgements, want one for each journal", len(s.acks))
	}
	s.check(t, a, 60)
	s.check(t, b, 60)
}

// TestFraud: a changed journal is named and never stored.
func TestFraud(t *testing.T) { databasetest.Each(t, testFraud) }

func testFraud(t *testing.T, where string) {
	s := newShop(t, where)
	good := newJournal("N1", 1, 40)
	s.put(t, "N1", good.batch(t, 1, 40))
	s.expect(t, good, 40)

	rewritten := newJournal("N1", 1, 19)
	rewritten.add(link.Entry{Type: link.EntryForced, Seq: 20, Wall: 1})
	rewritten.grow(30)
	for _, c := range []struct {
		what        string
		first, last int
		code        string
	}{
		{"an old entry changed", 15, 25, CodeRewritten},
		{"a changed entry, and new ones", 15, 45, CodeRewritten},
		{"new ones on another chain", 41, 45, CodeFork},
		{"equal entries on another chain", 25, 45, CodeFork},
	} {
		s.put(t, "N1", rewritten.batch(t, c.first, c.last))
		s.expect(t, good, 40)
		s.check(t, good, 40)
		if codes := s.alarmCodes(t); codes[c.code] == 0 {
			t.Errorf("%s: alarms %v, want %s", c.what, codes, c.code)
		}
	}
	if s.alarmCodes(t)["gate_forced"] != 0 {
		t.Error("an entry that was not stored made an alarm")
	}
	other := newJournal("N1", 9, 5)
	s.put(t, "N1", other.batch(t, 1, 5))
	s.expect(t, other, 5)
	if s.alarmCodes(t)[CodeNew] != 1 {
		t.Error("a second journal of a lane is not named")
	}
}

// TestManyJournals: a lane that begins journals without end is stopped, and its
// good one goes on.
func TestManyJournals(t *testing.T) { databasetest.Each(t, testManyJournals) }

func testManyJournals(t *testing.T, where string) {
	s := newShop(t, where)
	good := newJournal("N1", 0, 2)
	s.put(t, "N1", good.batch(t, 1, 1))
	var batches []incoming
	for n := range maxJournals + 10 {
		j := newJournal("N1", 0, 0)
		j.id[1], j.id[2] = byte(n>>8)+1, byte(n)
		j.chain[0] = link.JournalStart(j.id)
		j.grow(1)
		in, err := s.Ledger.check("N1", j.batch(t, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, in)
	}
	if err := s.store(context.Background(), batches); err != nil {
		t.Fatal(err)
	}
	list, err := s.db.Journals(context.Background())
	if err != nil || len(list) != maxJournals {
		t.Fatalf("%d journals, want %d: %v", len(list), maxJournals, err)
	}
	for len(s.acks) > 0 {
		<-s.acks
	}
	s.put(t, "N1", good.batch(t, 2, 2))
	s.expect(t, good, 2)
}

// TestRefused: what is not the lane's own changes nothing, is counted, and
// leaves one alarm however often it comes.
func TestRefused(t *testing.T) { databasetest.Each(t, testRefused) }

func testRefused(t *testing.T, where string) {
	s := newShop(t, where)
	j := newJournal("N1", 1, 10)
	good := j.batch(t, 1, 10)
	changed := func(f func(*link.Batch)) []byte {
		b := link.NewBatch("N1", j.id, 1, j.chain[0], j.entries)
		f(b)
		return seal(t, laneKey, link.TypeBatch, b)
	}
	flipped := slices.Clone(good)
	flipped[len(flipped)-1] ^= 1
	bomb := link.Deflate(make([]byte, 10<<20))
	for what, c := range map[string]struct {
		lane    string
		message []byte
		want    error
	}{
		"lane not enrolled":   {"S1", good, link.ErrUnknown},
		"of another lane":     {"N2", good, link.ErrMalformed},
		"another signer":      {"N1", seal(t, newSigner(9), link.TypeBatch, link.NewBatch("N1", j.id, 1, j.chain[0], j.entries)), link.ErrUnknown},
		"flipped bit":         {"N1", flipped, link.ErrForged},
		"empty":               {"N1", nil, link.ErrMalformed},
		"text":                {"N1", []byte("hello"), link.ErrMalformed},
		"oversized":           {"N1", make([]byte, link.MaxDocument+1), link.ErrOversized},
		"another type":        {"N1", seal(t, laneKey, link.TypeState, link.LaneState{Lane: "N1"}), link.ErrMalformed},
		"no entries":          {"N1", changed(func(b *link.Batch) { b.Count = 0 }), link.ErrMalformed},
		"a count too high":    {"N1", changed(func(b *link.Batch) { b.Count++ }), link.ErrMalformed},
		"numbers that shift":  {"N1", changed(func(b *link.Batch) { b.First++ }), link.ErrMalformed},
		"numbers that wrap":   {"N1", changed(func(b *link.Batch) { b.First = 1<<64 - 5 }), link.ErrMalformed},
		"another chain":       {"N1", changed(func(b *link.Batch) { b.After[0] ^= 1 }), link.ErrMalformed},
		"an inflation bomb":   {"N1", changed(func(b *link.Batch) { b.Data = bomb }), link.ErrMalformed},
		"a size out of bound": {"N1", changed(func(b *link.Batch) { b.Size = link.MaxBatchSize + 1 }), link.ErrMalformed},
	} {
		for range 3 {
			if err := s.Take(context.Background(), c.lane, c.message); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", what, err, c.want)
			}
		}
	}
	if len(s.queue) != 0 || s.Counts().Refused != 45 {
		t.Errorf("%d queued, %d refused of 45", len(s.queue), s.Counts().Refused)
	}
	if codes := s.alarmCodes(t); codes[CodeForged] != 3 {
		t.Errorf("alarms %v, want one for each of three lanes", codes)
	}
	s.check(t, j, 0)
}

// TestCrash: central is killed between commit and acknowledgement, or its
// transaction fails; the lane sends again from what was acknowledged. Each time
// the database is closed and opened anew.
func TestCrash(t *testing.T) { databasetest.Each(t, testCrash) }

func testCrash(t *testing.T, where string) {
	j := newJournal("N1", 1, 500)
	acked := 0
	for round := range 12 {
		s := newShop(t, where)
		last := min(acked+60, 500)
		ctx, cancel := context.WithCancel(context.Background())
		switch round % 3 {
		case 0: // committed, not acknowledged
			s.lost = true
			s.put(t, "N1", j.batch(t, acked+1, last))
		case 1: // killed within the transaction
			if err := s.Take(ctx, "N1", j.batch(t, acked+1, last)); err != nil {
				t.Fatal(err)
			}
			in := <-s.queue
			err := s.db.Ledger(ctx, func(tx *database.LedgerTx) error {
				if _, err := s.add(tx, map[place]*database.Journal{}, &in); err != nil {
					return err
				}
				cancel()
				return ctx.Err()
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		case 2: // all is well
			s.put(t, "N1", j.batch(t, acked+1, last))
			s.expect(t, j, last)
			acked = last
		}
		cancel()
		s.db.Close()
	}
	if acked != 240 {
		t.Fatalf("acknowledged %d", acked)
	}
	s := newShop(t, where)
	s.check(t, j, 240)
}

// TestRun: many lanes at once through the queue; Run ends with its context.
func TestRun(t *testing.T) { databasetest.Each(t, testRun) }

func testRun(t *testing.T, where string) {
	s := newShop(t, where)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	const lanes = 20
	var wait sync.WaitGroup
	journals := make([]*journal, lanes)
	for i := range journals {
		journals[i] = newJournal(fmt.Sprintf("N%d", i), byte(i+1), 100)
		wait.Go(func() {
			for first := 1; first <= 100; first += 25 {
				if err := s.Take(ctx, journals[i].lane, journals[i].batch(t, first, first+24)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	highest := map[string]uint64{}
	for len(highest) < lanes || slices.ContainsFunc(journals, func(j *journal) bool { return highest[j.lane] != 100 }) {
		select {
		case a := <-s.acks:
			highest[a.Lane] = max(highest[a.Lane], a.Seq)
		case <-time.After(20 * time.Second):
			t.Fatalf("acknowledged %v", highest)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, j := range journals {
		s.check(t, j, 100)
	}
}

// FuzzTake: no message, signed or not, makes Take panic or queue what is not
// the lane's own.
func FuzzTake(f *testing.F) {
	s := newShop(f, filepath.Join(f.TempDir(), "central.db"))
	j := newJournal("N1", 1, 3)
	f.Add(j.batch(f, 1, 3), true)
	f.Add([]byte{0xa0}, true)
	f.Add([]byte{}, false)
	f.Add(seal(f, laneKey, link.TypeBatch, link.Batch{Lane: "N1", First: 1, Count: 1, Size: 80}), false)
	f.Fuzz(func(t *testing.T, data []byte, sign bool) {
		if sign {
			var err error
			if data, err = link.Seal(laneKey, link.TypeBatch, site, data); err != nil {
				return
			}
		}
		in, err := s.Ledger.check("N1", data)
		if err == nil && (in.batch.Lane != "N1" || len(in.rows) != int(in.batch.Count) || len(in.rows) == 0) {
			t.Fatalf("took %+v", in.batch)
		}
	})
}
