// Package recovery tests what is left when disks lose entries: a lane's journal
// and session, and central's ledger and database, together.
package recovery

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnstile/agent/cache"
	"turnstile/agent/enrol"
	"turnstile/agent/feed"
	"turnstile/agent/health"
	"turnstile/agent/journal"
	"turnstile/agent/uplink"
	"turnstile/agent/wallclock"
	"turnstile/central/database"
	"turnstile/central/ledger"
	"turnstile/central/link"
)

const (
	site, lane = "campus", "north"
	segment    = 16384                       // bytes of a journal's file
	inSegment  = (segment - 8192) / (8 + 80) // entries in it
)

var topics = link.Topics{Site: site}

// town is a lane's disk, central's disk, and the keys of both.
type town struct {
	t       *testing.T
	dir     string
	laneKey enrol.Signer
	role    enrol.Signer // central's status role
	seal    *ecdh.PrivateKey
	later   time.Duration // central's clock is that much ahead
	away    atomic.Bool   // central hears nothing
}

func newTown(t *testing.T) *town {
	t.Helper()
	w := &town{t: t, dir: t.TempDir(), laneKey: signer(t), role: signer(t)}
	var err error
	if w.seal, err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	return w
}

func signer(t *testing.T) enrol.Signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return enrol.NewSigner(k)
}

// day is a lane and central that run and are connected.
type day struct {
	*town
	journal *journal.Journal
	ledger  *ledger.Ledger
	db      *database.DB
	health  *health.Set
	stop    func()

	mu      sync.Mutex
	receive func(topic string, payload []byte) // guarded by mu
}

// begin starts both on their disks.
func (w *town) begin() *day {
	w.t.Helper()
	d := &day{town: w, health: health.New(time.Now)}
	var err error
	if d.db, err = database.Open(w.t.Context(), filepath.Join(w.dir, "central.db")); err != nil {
		w.t.Fatal(err)
	}
	clock := func() time.Time { return time.Now().Add(w.later) }
	d.ledger = ledger.New(ledger.Config{Site: site, DB: d.db, Signer: w.role, Publisher: d, Alarms: &ledger.Alarms{DB: d.db, Now: clock},
		Keys: func(string) link.Keys { return link.KeysOf(w.laneKey.Public()) }, Location: time.UTC, Now: clock, Log: slog.New(slog.DiscardHandler)})
	if d.journal, _, err = journal.Open(filepath.Join(w.dir, "journal"), journal.Options{SegmentSize: segment}); err != nil {
		w.t.Fatal(err)
	}
	k, _, err := cache.Open(filepath.Join(w.dir, "cache.bolt"), cache.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := k.Apply(cache.Update{Delegation: &link.Delegation{Version: 1, Status: []ed25519.PublicKey{w.role.Public()}}}); err != nil {
		w.t.Fatal(err)
	}
	id := enrol.Identity{Lane: lane, Site: site, Broker: "ssl://localhost:1", Authority: &x509.Certificate{}, Seal: w.seal, Journal: w.laneKey}
	u := uplink.New(uplink.Config{Identity: id, Journal: d.journal, Clock: wallclock.New(wallclock.Options{}), Health: d.health,
		Feed: feed.New(k, feed.Identity{Site: site, Lane: lane, Seal: w.seal}, feed.Options{}), Log: slog.New(slog.DiscardHandler),
		State: func() link.LaneState { return link.LaneState{} },
		Dial:  func(o uplink.LinkOptions) uplink.Link { return d.connect(o) }})
	ctx, cancel := context.WithCancel(w.t.Context())
	var parts sync.WaitGroup
	for _, run := range []func(context.Context) error{d.ledger.Run, u.Run, d.journal.Run} {
		parts.Go(func() {
			if err := run(ctx); err != nil {
				w.t.Error(err)
			}
		})
	}
	d.stop = func() {
		cancel()
		parts.Wait()
		if err := errors.Join(k.Close(), d.journal.Close(), d.db.Close()); err != nil {
			w.t.Error(err)
		}
	}
	return d
}

// wire is the lane's connection; nothing of it is a broker's promise.
type wire struct{ d *day }

func (d *day) connect(o uplink.LinkOptions) uplink.Link {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.receive = o.Receive
	return wire{d}
}

func (wire) Connect(context.Context) error              { return nil }
func (wire) Subscribe(context.Context, ...string) error { return nil }
func (wire) Lost() <-chan error                         { return nil }
func (wire) Close()                                     {}

func (l wire) Publish(topic string, payload []byte, _ bool) (<-chan struct{}, error) {
	taken := make(chan struct{})
	close(taken)
	if topic == topics.Log(lane) && !l.d.away.Load() {
		if err := l.d.ledger.Take(context.Background(), lane, payload); err != nil {
			l.d.t.Error(err)
		}
	}
	return taken, nil
}

// Publish brings central's acknowledgements to the lane.
func (d *day) Publish(_ context.Context, topic string, payload []byte, _ byte, _ bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.receive != nil {
		d.receive(topic, payload)
	}
	return nil
}

func (d *day) append(n int) {
	d.t.Helper()
	for range n {
		if _, err := d.journal.Append(link.Entry{Type: link.EntryPassed, Lane: 1, Wall: time.Now().UnixMilli()}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// until polls for what the other side is about to do.
func (d *day) until(what string, ok func() bool) {
	d.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			d.t.Fatalf("%s: not in 30 s; acknowledged %d of %d, warnings %v", what, d.journal.Acked(), d.journal.Last(), d.health.Standing())
		}
	}
}

func (d *day) acked(n uint64) {
	d.t.Helper()
	d.until(fmt.Sprint("acknowledged ", n), func() bool { return d.journal.Acked() == n })
}

// verdict is what central finds in its own ledger.
func (d *day) verdict() ledger.Verdict {
	d.t.Helper()
	list, err := ledger.Verify(d.t.Context(), d.db)
	if err != nil || len(list) != 1 || list[0].Err != nil {
		d.t.Fatalf("%+v, %v", list, err)
	}
	return list[0]
}

func (d *day) alarms(code string) (n int) {
	d.t.Helper()
	list, err := d.db.Alarms(d.t.Context(), 0, 100)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, a := range list {
		if a.Code == code {
			n++
		}
	}
	return n
}

// damage flips a bit in the n-th record of the journal's segment that begins
// with an entry.
func (w *town) damage(first uint64, n int) {
	w.t.Helper()
	name := filepath.Join(w.dir, "journal", fmt.Sprintf("%020d.seg", first))
	b, err := os.ReadFile(name)
	if err != nil {
		w.t.Fatal(err)
	}
	b[8192+n*(8+80)+40] ^= 4
	if err := os.WriteFile(name, b, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// TestDamagedMiddleAndOlderBackup: the lane's disk ruins entries that central
// does not have; central names them and goes on. Then central is put back to a
// backup from before all that, and has everything that is left again, while the
// lane has nothing new to send.
func TestDamagedMiddleAndOlderBackup(t *testing.T) {
	w := newTown(t)
	d := w.begin()
	d.append(40)
	d.acked(40)
	d.stop()
	backup, err := os.ReadFile(filepath.Join(w.dir, "central.db"))
	if err != nil {
		t.Fatal(err)
	}

	w.away.Store(true)
	d = w.begin()
	d.append(260)
	d.stop()
	w.damage(inSegment+1, 10)
	w.away.Store(false)
	from, to := uint64(inSegment+11), uint64(2*inSegment)
	check := func(last uint64) {
		t.Helper()
		v := d.verdict()
		if len(v.Gaps) != 1 || v.Gaps[0].From != from || v.Gaps[0].To != to || v.Last != last || v.Entries != last-(to-from+1) || d.alarms(ledger.CodeLost) != 1 {
			t.Fatalf("%+v, %d alarms; want one gap %d to %d", v, d.alarms(ledger.CodeLost), from, to)
		}
	}
	d = w.begin()
	d.acked(300)
	check(300)
	if got := d.health.Standing(); !slices.Contains(got, "journal.damaged") {
		t.Errorf("the lane warns of %v", got)
	}
	d.append(5)
	d.acked(305)
	check(305)
	d.stop()

	for _, name := range []string{"central.db-wal", "central.db-shm"} {
		os.Remove(filepath.Join(w.dir, name)) // gone after an orderly close
	}
	if err := os.WriteFile(filepath.Join(w.dir, "central.db"), backup, 0o600); err != nil {
		t.Fatal(err)
	}
	w.later = time.Hour
	d = w.begin()
	defer func() { d.stop() }()
	d.until("connected", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.receive != nil })
	if err := d.ledger.Remind(t.Context(), lane, d.journal.ID(), d.journal.Acked()); err != nil {
		t.Fatal(err)
	}
	d.until("all sent again", func() bool { return d.journal.Acked() == 305 && d.ledger.Counts().Stored == 305-40-(to-from+1) })
	check(305)
	d.append(1)
	d.acked(306)
	check(306)
}

// TestDamagedEnd: the newest file of a lane that was without a network is damaged.
// All that stands before the damage reaches central under the journal's one id, and
// what follows goes on behind a gap with its numbers.
func TestDamagedEnd(t *testing.T) {
	w := newTown(t)
	w.away.Store(true)
	d := w.begin()
	d.append(2*inSegment + 50)
	id := d.journal.ID()
	d.stop()
	w.damage(2*inSegment+1, 20)
	w.away.Store(false)
	d = w.begin()
	defer func() { d.stop() }()
	if d.journal.ID() != id || d.journal.Last() != 3*inSegment {
		t.Fatalf("journal %x was %x, newest entry %d", d.journal.ID(), id, d.journal.Last())
	}
	d.acked(2*inSegment + 20)
	d.append(5)
	d.acked(3*inSegment + 5)
	v := d.verdict()
	if len(v.Gaps) != 1 || v.Gaps[0].From != 2*inSegment+21 || v.Gaps[0].To != 3*inSegment || v.Entries != 2*inSegment+25 || d.alarms(ledger.CodeLost) != 1 {
		t.Errorf("%+v, %d alarms", v, d.alarms(ledger.CodeLost))
	}
	if got := d.health.Standing(); !slices.Contains(got, "journal.damaged") {
		t.Errorf("the lane warns of %v", got)
	}
}
