package exchange

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
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
	"turnstile/central/link"
	"turnstile/central/pass"
)

const site = "campus"

// patience bounds each wait of a test.
const patience = time.Minute

var (
	ctx      = context.Background()
	topics   = link.Topics{Site: site}
	hongKong = time.FixedZone("HKT", 8*3600)
	noon     = time.Date(2026, 11, 22, 12, 0, 0, 0, hongKong)
	today    = pass.DayOf(noon)
)

// key is a signer with a key made of its name.
type key struct{ private ed25519.PrivateKey }

func signer(name string) key {
	seed := sha256.Sum256([]byte("exchange test " + name))
	return key{ed25519.NewKeyFromSeed(seed[:])}
}

func (k key) public() ed25519.PublicKey           { return k.private.Public().(ed25519.PublicKey) }
func (k key) KeyID() link.KeyID                   { return link.IDOf(k.public()) }
func (k key) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.private, message), nil }

// stuck is a signer whose process is down.
type stuck struct {
	key
	down *bool
}

var errDown = errors.New("no signer")

func (s stuck) Sign(message []byte) ([]byte, error) {
	if *s.down {
		return nil, errDown
	}
	return s.key.Sign(message)
}

type sent struct {
	topic    string
	payload  []byte
	retained bool
}

// bench is an exchange with its surroundings.
type bench struct {
	*Exchange
	db     *database.DB
	path   string
	config Config
	down   bool // the signer is

	mu      sync.Mutex
	now     time.Time
	lanes   []Lane
	sent    []sent
	alarms  []string
	offline bool
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{path: filepath.Join(t.TempDir(), "central.db"), now: noon}
	db, err := database.Open(ctx, b.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b.db = db
	b.config = Config{
		Site: site, DB: db, Keyset: stuck{signer("keyset"), &b.down}, Status: signer("status"), Publisher: b,
		Lanes: func() []Lane { b.mu.Lock(); defer b.mu.Unlock(); return slices.Clone(b.lanes) },
		Keys: func(lane string) link.Keys {
			if lane == "nobody" {
				return nil
			}
			return link.KeysOf(signer(lane).public())
		},
		Alarm:    func(_ context.Context, code, lane, _, _ string) { b.alarms = append(b.alarms, code+" "+lane) },
		Location: hongKong, Now: func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now }, Log: slog.New(slog.DiscardHandler),
	}
	b.reopen(t)
	return b
}

func (b *bench) reopen(t testing.TB) {
	t.Helper()
	x, err := Open(ctx, b.config)
	if err != nil {
		t.Fatal(err)
	}
	b.Exchange = x
}

// Publish implements Publisher.
func (b *bench) Publish(_ context.Context, topic string, payload []byte, _ byte, retained bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.offline {
		return errors.New("offline")
	}
	b.sent = append(b.sent, sent{topic, bytes.Clone(payload), retained})
	return nil
}

// take returns what was published and forgets it.
func (b *bench) take() []sent {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.sent
	b.sent = nil
	return list
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// house sets the fleet: ids with their zones' bits.
func (b *bench) house(zones map[string]uint16) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lanes = nil
	for id, z := range zones {
		b.lanes = append(b.lanes, Lane{ID: id, Key: signer(id).public(), Zones: z})
	}
	slices.SortFunc(b.lanes, func(a, b Lane) int { return strings.Compare(a.ID, b.ID) })
}

func seal(t testing.TB, by key, typ link.Type, payload any) []byte {
	t.Helper()
	m, err := link.Seal(by, typ, site, payload)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func grant(seq uint64, zone uint8, index uint32) link.Entry {
	return link.Entry{Type: link.EntryGranted, Lane: 1, Direction: 1, Zone: zone, Clock: link.ClockTrusted, Seq: seq, Wall: noon.UnixMilli(),
		Kind: pass.ECard, Pass: pass.ID{Day: today, Index: index}}
}

func use(t testing.TB, lane string, zone uint8, entries ...link.Entry) []byte {
	var raw []byte
	for i := range entries {
		raw = entries[i].Append(raw)
	}
	return seal(t, signer(lane), link.TypeUse, link.Use{Lane: lane, Zone: zone, Entries: raw, Sent: 1})
}

func TestTake(t *testing.T) {
	b := newBench(t)
	b.house(map[string]uint16{"north": 1 << 1, "south": 1 << 2})
	m := use(t, "north", 1, grant(1, 1, 9))
	if err := b.Take(ctx, "north", m); err != nil {
		t.Fatal(err)
	}
	if got := b.take(); len(got) != 1 || got[0].topic != topics.ZoneUse(1) || !bytes.Equal(got[0].payload, m) || got[0].retained {
		t.Fatalf("published %+v", got)
	}
	denied := grant(1, 1, 9)
	denied.Type = link.EntryDenied
	for _, c := range []struct {
		name, lane string
		data       []byte
		want       error
		alarm      string
	}{
		{"of a lane that is not enrolled", "nobody", m, link.ErrUnknown, ""},
		{"signed by another lane", "south", m, link.ErrUnknown, "forged_use south"},
		{"in another lane's name", "north", seal(t, signer("north"), link.TypeUse, link.Use{Lane: "south", Zone: 2}), link.ErrForged, "forged_use north"},
		{"changed", "north", append(bytes.Clone(m[:len(m)-1]), m[len(m)-1]^1), link.ErrForged, "forged_use north"},
		{"of another type", "north", seal(t, signer("north"), link.TypeState, link.Use{Lane: "north", Zone: 1}), link.ErrMalformed, "forged_use north"},
		{"too long", "north", make([]byte, link.MaxUse+1), link.ErrOversized, "forged_use north"},
		{"of a refusal", "north", use(t, "north", 1, denied), link.ErrMalformed, "forged_use north"},
		{"of another zone", "north", use(t, "north", 2, grant(1, 2, 9)), ErrZone, ""},
		{"of no zone", "north", use(t, "north", 77), ErrZone, ""},
	} {
		b.alarms = nil
		if err := b.Take(ctx, c.lane, c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if got := strings.Join(b.alarms, ","); got != c.alarm {
			t.Errorf("%s: alarms %q, want %q", c.name, got, c.alarm)
		}
	}
	if got := b.take(); len(got) != 0 {
		t.Errorf("published %+v", got)
	}
	if c := b.Counts(); c != (Counts{Passed: 1, Refused: 9}) {
		t.Errorf("%+v", c)
	}
}

// TestForeign: a lane whose report was overtaken is no alarm, one that insists is.
func TestForeign(t *testing.T) {
	b := newBench(t)
	b.house(map[string]uint16{"north": 1 << 1})
	wrong := use(t, "north", 2, grant(1, 2, 9))
	tell := func() error { return b.Take(ctx, "north", wrong) }
	for range 2 {
		if err := tell(); !errors.Is(err, ErrZone) || len(b.alarms) != 0 {
			t.Fatalf("%v, alarms %v", err, b.alarms)
		}
	}
	if err := b.look(ctx); err != nil {
		t.Fatal(err)
	}
	b.house(map[string]uint16{"north": 1 << 2}) // not looked at yet
	if err := tell(); err != nil {
		t.Errorf("of a zone that is reported: %v", err)
	}
	b.house(map[string]uint16{"north": 1 << 1})
	b.pass(foreignStands)
	if err := tell(); !errors.Is(err, ErrZone) || !slices.Equal(b.alarms, []string{"foreign_use north"}) {
		t.Errorf("%v, alarms %v", err, b.alarms)
	}
	b.pass(time.Hour)
	if err := tell(); !errors.Is(err, ErrZone) || len(b.alarms) != 1 {
		t.Errorf("an hour later: %v, alarms %v", err, b.alarms)
	}
}

// TestTooOften: a lane that tells without end is not listened to; others are.
func TestTooOften(t *testing.T) {
	b := newBench(t)
	b.house(map[string]uint16{"north": 1 << 1, "south": 1 << 1})
	m, often := use(t, "north", 1), 0
	for range 3 * useBurst {
		if errors.Is(b.Take(ctx, "north", m), ErrTooOften) {
			often++
		}
	}
	if often != 2*useBurst {
		t.Errorf("%d refused", often)
	}
	if err := b.Take(ctx, "south", use(t, "south", 1)); err != nil {
		t.Error(err)
	}
	b.pass(time.Second)
	if err := b.Take(ctx, "north", m); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

// opened returns the documents among messages, by zone; nil for a cleared one.
func opened(t testing.TB, list []sent) map[uint8]*link.Lanes {
	t.Helper()
	docs := map[uint8]*link.Lanes{}
	for _, m := range list {
		var zone uint8
		if _, err := fmt.Sscanf(m.topic, "tg/1/campus/z/%d/lanes", &zone); err != nil || !m.retained {
			t.Fatalf("published on %s", m.topic)
		}
		docs[zone] = nil
		if len(m.payload) == 0 {
			continue
		}
		l, err := link.Open[link.Lanes](m.payload, link.TypeLanes, site, link.KeysOf(signer("keyset").public()), link.MaxDocument)
		if err != nil || l.Check() != nil || l.Zone != zone {
			t.Fatalf("%+v, %v", l, err)
		}
		docs[zone] = l
	}
	return docs
}

func TestDocuments(t *testing.T) {
	b := newBench(t)
	look := func() map[uint8]*link.Lanes {
		t.Helper()
		if err := b.look(ctx); err != nil {
			t.Fatal(err)
		}
		return opened(t, b.take())
	}
	if b.Version() != 0 || len(look()) != 0 {
		t.Error("documents of nobody")
	}
	b.house(map[string]uint16{"north": 1<<1 | 1<<2, "south": 1 << 1})
	b.lanes = append(b.lanes, Lane{ID: "zero", Zones: 1 << 1}) // removed in this moment
	docs := look()
	first := b.Version()
	if len(docs) != 16 || docs[3] != nil || len(docs[1].Lanes) != 2 || len(docs[2].Lanes) != 1 || docs[1].Version != first || docs[2].Version != first {
		t.Fatalf("version %d: %+v", first, docs)
	}
	if p := docs[1].Lanes[1]; p.ID != "south" || !p.Key.Equal(signer("south").public()) || first != uint64(noon.UnixMilli()) {
		t.Errorf("version %d, %+v", first, p)
	}
	if len(look()) != 0 {
		t.Error("published again without a change")
	}

	b.house(map[string]uint16{"north": 1 << 1, "south": 1 << 1})
	if len(look()) != 0 {
		t.Error("a change at once after the last one")
	}
	b.pass(changeEvery)
	b.offline = true
	if len(look()) != 0 || b.Version() != first {
		t.Error("the version is told before it is published")
	}
	b.offline = false
	docs = look()
	second := b.Version()
	if second <= first || docs[1].Version != second || docs[2] != nil {
		t.Errorf("version %d after %d: %+v", second, first, docs)
	}

	b.pass(-time.Hour) // the clock is set back, and central is started anew
	b.reopen(t)
	if b.Version() != second {
		t.Errorf("version %d after a restart", b.Version())
	}
	if err := b.Online(ctx); err != nil {
		t.Fatal(err)
	}
	if docs = opened(t, b.take()); len(docs) != 16 || docs[1].Version != second || len(docs[1].Lanes) != 2 {
		t.Errorf("published at the connect: %+v", docs)
	}
	b.house(map[string]uint16{"north": 1 << 1})
	if docs = look(); b.Version() != second+1 || len(docs[1].Lanes) != 1 {
		t.Errorf("version %d: %+v", b.Version(), docs)
	}

	b.house(map[string]uint16{"north": 1 << 1, "west": 1 << 1})
	b.pass(changeEvery)
	b.down = true
	if err := b.look(ctx); !errors.Is(err, errDown) || b.Version() != second+1 {
		t.Errorf("without a signer: %v, version %d", err, b.Version())
	}
	b.down = false
	if docs = look(); b.Version() != second+2 || len(docs[1].Lanes) != 2 {
		t.Errorf("version %d: %+v", b.Version(), docs)
	}
}

// TestFullZone: what does not fit is left out, and the document is still good.
func TestFullZone(t *testing.T) {
	b := newBench(t)
	all := map[string]uint16{}
	for i := range link.MaxPeers + 5 {
		all[fmt.Sprintf("%032d", i)] = 1
	}
	b.house(all)
	if err := b.look(ctx); err != nil {
		t.Fatal(err)
	}
	if docs := opened(t, b.take()); len(docs[0].Lanes) != link.MaxPeers {
		t.Errorf("%d lanes", len(docs[0].Lanes))
	}
}

// TestRun publishes by itself, and ends.
func TestRun(t *testing.T) {
	b := newBench(t)
	b.house(map[string]uint16{"north": 1 << 1})
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- b.Run(running) }()
	eventually(t, "the first version", func() bool { return b.Version() != 0 })
	if err := b.Answer(&link.Ask{Lane: "north", Want: link.WantUses}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an answer", func() bool { return b.Counts().Answered == 1 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for range maxAsks {
		if err := b.Answer(&link.Ask{Lane: "north"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Answer(&link.Ask{Lane: "north"}); !errors.Is(err, ErrBusy) {
		t.Errorf("one question too many: %v", err)
	}
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick, over := time.NewTicker(5*time.Millisecond), time.NewTimer(patience)
	defer tick.Stop()
	defer over.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-over.C:
			t.Fatalf("%s does not come", what)
		}
	}
}

// FuzzTake: nothing is passed on but what the lane signed.
func FuzzTake(f *testing.F) {
	b := newBench(f)
	b.house(map[string]uint16{"north": 1 << 1})
	good := use(f, "north", 1, grant(1, 1, 9))
	for _, m := range [][]byte{good, good[:50], append(bytes.Clone(good), 0), use(f, "north", 2), use(f, "south", 1), {}, make([]byte, 2000)} {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b.pass(time.Second)
		b.take()
		err := b.Take(ctx, "north", data)
		if got := b.take(); len(got) > 0 != (err == nil) || len(got) > 0 && !bytes.Equal(data, good) {
			t.Errorf("%x: %v, published %+v", data, err, got)
		}
		b.alarms = nil
	})
}

// TestOtherKeyset: with another key of the keyset role in force the lists go out
// in a new version, at once and also after a start: lanes keep those that they have.
func TestOtherKeyset(t *testing.T) {
	b := newBench(t)
	if err := b.look(ctx); err != nil || b.Version() != 0 {
		t.Fatalf("version %d without lanes, %v", b.Version(), err)
	}
	b.house(map[string]uint16{"north": 1 << 1})
	if err := b.look(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key    string
		reopen bool
		newer  bool
	}{{"other", false, true}, {"other", true, false}, {"third", true, true}} {
		before := b.Version()
		b.take()
		b.Exchange.config.Keyset, b.config.Keyset = signer(c.key), signer(c.key)
		if c.reopen {
			b.reopen(t)
		}
		if err := b.look(ctx); err != nil {
			t.Fatal(err)
		}
		if newer := b.Version() > before; newer != c.newer {
			t.Errorf("%+v: version %d behind %d", c, b.Version(), before)
		}
		if n := len(b.take()); c.newer && n != 16 {
			t.Errorf("%+v: %d messages", c, n)
		}
	}
}
