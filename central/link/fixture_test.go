package link_test

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"math/rand/v2"
	"runtime"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

//go:generate go test -run TestGolden|TestWorkedExample -update

var update = flag.Bool("update", false, "write testdata/messages.json and TOPICS.md's worked example anew")

const (
	site  = "campus"
	lane  = "north-1"
	today = pass.Day(2516) // 2026-11-21
)

// testSigner signs with a fixed key, public and for tests alone.
type testSigner struct{ key ed25519.PrivateKey }

func signer(name string) testSigner {
	seed := sha256.Sum256([]byte("turnstile test key " + name))
	return testSigner{ed25519.NewKeyFromSeed(seed[:])}
}

func (s testSigner) public() ed25519.PublicKey           { return s.key.Public().(ed25519.PublicKey) }
func (s testSigner) KeyID() link.KeyID                   { return link.IDOf(s.public()) }
func (s testSigner) Sign(message []byte) ([]byte, error) { return ed25519.Sign(s.key, message), nil }

func sealKey(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	seed := sha256.Sum256([]byte("turnstile test seal key"))
	k, err := ecdh.X25519().NewPrivateKey(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func hash(name string) link.Hash { return sha256.Sum256([]byte(name)) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seal is link.Seal for the test site.
func seal(t testing.TB, s link.Signer, typ link.Type, payload any) []byte {
	t.Helper()
	b, err := link.Seal(s, typ, site, payload)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantError reports an error that is not the sentinel.
func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// stored returns b as one stored DEFLATE block, the same in every toolchain.
func stored(b []byte) []byte {
	out := []byte{1}
	out = binary.LittleEndian.AppendUint16(out, uint16(len(b)))
	out = binary.LittleEndian.AppendUint16(out, ^uint16(len(b)))
	return append(out, b...)
}

// exampleEvents touch each event type.
func exampleEvents() []link.Event {
	return []link.Event{
		{Type: link.OpenDay, Day: today, Value: 1024},
		{Type: link.OpenDay, Day: today + 1, Value: 2048},
		{Type: link.Revoke, Day: today, Value: 5},
		{Type: link.Hold, Day: today, Value: 6},
		{Type: link.Hold, Day: today, Value: 7},
		{Type: link.Release, Day: today, Value: 7},
		{Type: link.Block, Day: today, Holder: [8]byte{8, 7, 6, 5, 4, 3, 2, 1}},
		{Type: link.Block, Day: today, Holder: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{Type: link.Unblock, Day: today, Holder: [8]byte{8, 7, 6, 5, 4, 3, 2, 1}},
		{Type: link.Raise, Day: today, Value: 9, Generation: 2},
		{Type: link.WithdrawKey, Value: 47},
		{Type: link.CloseDay, Day: today + 1},
	}
}

func apply(t testing.TB, s *link.State, events []link.Event) *link.State {
	t.Helper()
	n, err := s.Apply(events)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// busyState is a day of a large campus: 30,000 passes of 131,072, 1 % revoked.
func busyState(t testing.TB) *link.State {
	r := rand.New(rand.NewPCG(1, 2))
	events := []link.Event{{Type: link.OpenDay, Day: today, Value: link.MaxCapacity}}
	for range 300 {
		events = append(events, link.Event{Type: link.Revoke, Day: today, Value: r.Uint32N(link.MaxCapacity)})
	}
	return apply(t, link.NewState(1), events)
}

// busyEntries is what two lanes write on a busy morning: mostly a grant and its
// passage, now and then a refusal, half of the codes live.
func busyEntries(n int) (entries []link.Entry) {
	r := rand.New(rand.NewPCG(3, 4))
	wall, mono, feed := int64(1795233600000), uint64(34567890), uint64(98765)
	next := func(e link.Entry, ms int64) link.Entry {
		wall, mono = wall+ms, mono+uint64(ms)
		e.Seq, e.Wall, e.Mono = uint64(123456+len(entries)), wall, mono
		entries = append(entries, e)
		return e
	}
	for len(entries) < n {
		feed += uint64(r.IntN(5) / 4)
		e := link.Entry{
			Type: link.EntryGranted, Lane: uint8(1 + r.IntN(2)), Direction: 1, Clock: link.ClockTrusted, Bound: 1, Boot: 17,
			Kind: pass.Kind(1 + r.IntN(2)), KeyID: 47, Pass: pass.ID{Day: today, Index: r.Uint32N(link.MaxCapacity)}, FeedSeq: feed, FeedAge: uint32(r.IntN(6)),
		}
		binary.BigEndian.PutUint64(e.Holder[:], r.Uint64())
		if r.IntN(2) == 0 {
			e.Flags, e.Slot = link.FlagLive, uint32(wall/15000)
		}
		if r.IntN(20) == 0 {
			e.Type, e.Reason = link.EntryDenied, pass.Expired
			next(e, 1500+r.Int64N(4000))
			continue
		}
		e = next(e, 1500+r.Int64N(4000))
		e.Type, e.Grant = link.EntryPassed, e.Seq
		next(e, 900+r.Int64N(2500))
	}
	return entries[:n]
}

func encoded(entries []link.Entry) (rows [][]byte) {
	for i := range entries {
		rows = append(rows, entries[i].Append(nil))
	}
	return rows
}

func exampleJournal() link.JournalID {
	return link.JournalID(hashOf("journal")[:16])
}

func hashOf(name string) []byte { h := hash(name); return h[:] }

// exampleEntries are a boot, a floor, a grant and its passage.
func exampleEntries() []link.Entry {
	e := link.Entry{
		Type: link.EntryGranted, Lane: 1, Direction: 1, Clock: link.ClockTrusted, Flags: link.FlagLive, Bound: 1, Seq: 3, Boot: 2,
		Wall: 1795233607250, Mono: 61000, Kind: pass.ECard, KeyID: 47, Pass: pass.ID{Day: today, Index: 4711}, Gen: 1,
		Slot: 119682240, Holder: [8]byte{0x3a, 0x91, 0x5c, 0x07, 0xee, 0x42, 0xd8, 0x6b}, FeedSeq: 12, FeedAge: 3,
	}
	p := e
	p.Type, p.Seq, p.Grant, p.Wall, p.Mono = link.EntryPassed, 4, 3, e.Wall+1400, e.Mono+1400
	return []link.Entry{
		{Type: link.EntryBoot, Clock: link.ClockHoldover, Bound: 20, Seq: 1, Boot: 2, Wall: 1795233546300, Mono: 50, FeedAge: 0xffffffff},
		{Type: link.EntryFloor, Clock: link.ClockTrusted, Bound: 1, Seq: 2, Boot: 2, Wall: 1795233548000, Mono: 1750,
			Floor: &link.Floor{Epoch: 1, Seq: 12, Chain: hash("chain"), Keyset: 3, Rules: 4, Time: 1795233548000, Gate: 5}},
		e, p,
	}
}

func chainOf(before link.Hash, rows [][]byte) link.Hash {
	for _, r := range rows {
		before = link.JournalChain(before, r)
	}
	return before
}

// allocated returns how many bytes f allocates, and whatever runs beside it.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
