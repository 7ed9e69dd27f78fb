package neighbours

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// TestMain also is the program that TestNamespace starts in a network of its own.
func TestMain(m *testing.M) {
	if os.Getenv(namespaceVariable) != "" {
		os.Exit(inNamespace())
	}
	goleak.VerifyTestMain(m)
}

const site = "campus"

// patience bounds each wait of a test.
const patience = time.Minute

// key is a signer with a key made of its name.
type key struct{ private ed25519.PrivateKey }

func signer(name string) key {
	seed := sha256.Sum256([]byte("neighbours test " + name))
	return key{ed25519.NewKeyFromSeed(seed[:])}
}

func (k key) public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

func (k key) KeyID() link.KeyID { return link.IDOf(k.public()) }

func (k key) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.private, message), nil }

func seal(t testing.TB, by key, typ link.Type, payload any) []byte {
	t.Helper()
	b, err := link.Seal(by, typ, site, payload)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func delegation() *link.Delegation {
	return &link.Delegation{Version: 1, Keyset: []ed25519.PublicKey{signer("keyset").public()}, Status: []ed25519.PublicKey{signer("status").public()}}
}

func lanes(zone uint8, version uint64, ids ...string) link.Lanes {
	l := link.Lanes{Zone: zone, Version: version, Issued: 1}
	for _, id := range slices.Sorted(slices.Values(ids)) {
		l.Lanes = append(l.Lanes, link.Peer{ID: id, Key: signer(id).public()})
	}
	return l
}

func journalOf(lane string) link.JournalID {
	h := sha256.Sum256([]byte(lane))
	return link.JournalID(h[:16])
}

// now is the time of the tests, day 2516 of the campus.
var now = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

const today pass.Day = 2516

// entry is a use of pass number index at lane 1.
func entry(typ link.EntryType, seq uint64, zone uint8, index uint32) link.Entry {
	e := link.Entry{Type: typ, Lane: 1, Direction: 1, Zone: zone, Clock: link.ClockTrusted, Seq: seq, Boot: 1, Wall: now.UnixMilli(),
		Kind: pass.ECard, KeyID: 1, Pass: pass.ID{Day: today, Index: index}}
	if typ != link.EntryGranted {
		e.Grant = seq - 1
	}
	return e
}

func raw(entries ...link.Entry) []byte {
	var b []byte
	for i := range entries {
		b = entries[i].Append(b)
	}
	return b
}

// use is a sealed USE of a lane.
func use(t testing.TB, lane string, zone uint8, sent time.Time, entries ...link.Entry) []byte {
	t.Helper()
	return seal(t, signer(lane), link.TypeUse, link.Use{Lane: lane, Journal: journalOf(lane), Zone: zone, Entries: raw(entries...), Sent: sent.UnixMilli()})
}

// taken is one call of Take.
type taken struct {
	lane    string
	journal link.JournalID
	entry   link.Entry
}

// house is one lane controller of a test.
type house struct {
	*Neighbours
	mu    sync.Mutex
	got   []taken
	floor uint64
	clock time.Time // zero: the real one
	log   strings.Builder
}

// newHouse makes the neighbours of a controller in zones 1 and 2.
func newHouse(t testing.TB, lane string, change ...func(*Config)) *house {
	t.Helper()
	h := &house{clock: now}
	c := Config{
		Lane: lane, Site: site, Signer: signer(lane), Journal: journalOf(lane), Boot: 1, Zones: []uint8{1, 2}, Dir: filepath.Join(t.TempDir(), "neighbours"),
		Delegation: delegation, Version: func() uint64 { return h.floor }, Day: func(time.Time) (pass.Day, bool) { return today, true },
		Take: h.take, Now: h.time, Log: slog.New(slog.NewTextHandler(&h.log, nil)),
	}
	for _, f := range change {
		f(&c)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(c.Dir, cursorFile)); err != nil { // an ordinary day
		if err := os.WriteFile(filepath.Join(c.Dir, cursorFile), fmt.Appendf(nil, "%x 0", c.Journal), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	h.Neighbours = n
	return h
}

func (h *house) take(lane string, journal link.JournalID, e link.Entry, _ time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, taken{lane, journal, e})
}

func (h *house) time() time.Time {
	if h.clock.IsZero() {
		return time.Now()
	}
	return h.clock
}

func (h *house) all() []taken {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

// learn gives a controller a LANES document.
func (h *house) learn(t testing.TB, l link.Lanes) {
	t.Helper()
	err := h.Handle(link.Topics{Site: site}.ZoneLanes(l.Zone), seal(t, signer("keyset"), link.TypeLanes, l), now)
	if err != nil {
		t.Fatal(err)
	}
}

// runs runs a controller until the test, or stop, ends it.
func (h *house) runs(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	over := time.NewTimer(patience)
	defer over.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-over.C:
			t.Fatalf("%s does not come", what)
		}
	}
}
