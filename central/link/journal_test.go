package link_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"turnstile/central/link"
	"turnstile/central/pass"
)

func TestEntryBytes(t *testing.T) {
	for i, e := range exampleEntries() {
		b := e.Append(nil)
		want := link.EntrySize
		if e.Type == link.EntryFloor {
			want = link.FloorSize
		}
		if len(b) != want || e.Type.Size() != want {
			t.Errorf("entry %d has %d bytes, its type says %d, want %d", i, len(b), e.Type.Size(), want)
		}
		got, rest, err := link.ParseEntry(append(b, 1, 2, 3))
		if err != nil || !bytes.Equal(rest, []byte{1, 2, 3}) || !reflect.DeepEqual(got, e) {
			t.Errorf("entry %d: %+v, %x, %v", i, got, rest, err)
		}
		for n := range b {
			_, _, err := link.ParseEntry(b[:n])
			wantError(t, "a cut entry", err, link.ErrMalformed)
		}
	}
	_, _, err := link.ParseEntry(make([]byte, 200))
	wantError(t, "an entry of zeros", err, link.ErrMalformed)
}

// TestEntryOfLater holds that an entry of an unknown type is kept whole.
func TestEntryOfLater(t *testing.T) {
	b := bytes.Repeat([]byte{0xee}, link.EntrySize)
	e, rest, err := link.ParseEntry(b)
	if err != nil || len(rest) != 0 || !bytes.Equal(e.Append(nil), b) {
		t.Errorf("%+v, %x, %v", e, rest, err)
	}
}

func TestEntryTypesAreAppendOnly(t *testing.T) {
	types := []link.EntryType{
		link.EntryGranted, link.EntryDenied, link.EntryPassed, link.EntryNotPassed, link.EntryUnknown, link.EntryForced, link.EntryTailgated,
		link.EntryFire, link.EntryFireOver, link.EntryTamper, link.EntryTamperEnd, link.EntryGateLost, link.EntryGateFound, link.EntryScanLost,
		link.EntryScanFound, link.EntryBoot, link.EntryFloor, link.EntryDropped, link.EntryRefused, link.EntryFault,
		link.EntryHeld, link.EntryHeldOver,
	}
	for i, typ := range types {
		if int(typ) != i+1 {
			t.Errorf("type %d stands at %d", typ, i+1)
		}
	}
}

func newBatch(entries []link.Entry) *link.Batch {
	return link.NewBatch(lane, exampleJournal(), entries[0].Seq, hash("before"), encoded(entries))
}

func TestBatch(t *testing.T) {
	for _, entries := range [][]link.Entry{exampleEntries(), exampleEntries()[:1], exampleEntries()[1:2], busyEntries(link.MaxBatchEntries)} {
		b := newBatch(entries)
		got, raw, err := b.Entries()
		if err != nil || !reflect.DeepEqual(got, entries) || !reflect.DeepEqual(raw, encoded(entries)) {
			t.Fatalf("%d entries: %d, %v", len(entries), len(got), err)
		}
		if b.After != chainOf(b.Before, raw) {
			t.Error("the chain is not that of the entries")
		}
	}
}

// TestBatchRefuses has what a lane, or who has its key, can send.
func TestBatchRefuses(t *testing.T) {
	entries := exampleEntries()
	rows := encoded(entries)
	relabel := func(change func(rows [][]byte)) link.Batch {
		r := encoded(entries)
		change(r)
		return *link.NewBatch(lane, exampleJournal(), 1, hash("before"), r)
	}
	for what, b := range map[string]link.Batch{
		"a gap":               relabel(func(r [][]byte) { r[3][15]++ }),
		"a number twice":      relabel(func(r [][]byte) { r[3][15]-- }),
		"an entry of type 0":  relabel(func(r [][]byte) { r[0][0] = 0 }),
		"a floor cut short":   relabel(func(r [][]byte) { r[1] = r[1][:link.EntrySize] }),
		"an entry cut short":  relabel(func(r [][]byte) { r[3] = r[3][:79] }),
		"a byte too many":     relabel(func(r [][]byte) { r[3] = append(r[3], 0) }),
		"an ordinary as 112":  relabel(func(r [][]byte) { r[2][0] = byte(link.EntryFloor) }),
		"entries exchanged":   relabel(func(r [][]byte) { r[2], r[3] = r[3], r[2] }),
		"wrong first":         *link.NewBatch(lane, exampleJournal(), 2, hash("before"), rows),
		"first 0":             *link.NewBatch(lane, exampleJournal(), 0, hash("before"), rows),
		"first at the end":    *link.NewBatch(lane, exampleJournal(), ^uint64(0), hash("before"), rows),
		"another chain value": withBatch(entries, func(b *link.Batch) { b.After[0] ^= 1 }),
		"another before":      withBatch(entries, func(b *link.Batch) { b.Before[0] ^= 1 }),
		"count 0":             withBatch(entries, func(b *link.Batch) { b.Count = 0 }),
		"count less":          withBatch(entries, func(b *link.Batch) { b.Count-- }),
		"count more":          withBatch(entries, func(b *link.Batch) { b.Count++ }),
		"count of 501":        withBatch(busyEntries(501), func(b *link.Batch) {}),
		"count of 2^32-1":     withBatch(entries, func(b *link.Batch) { b.Count = 0xffffffff }),
		"size less":           withBatch(entries, func(b *link.Batch) { b.Size-- }),
		"size more":           withBatch(entries, func(b *link.Batch) { b.Size++ }),
		"size of 2^31":        withBatch(entries, func(b *link.Batch) { b.Size = 1 << 31 }),
		"a bomb":              withBatch(entries, func(b *link.Batch) { b.Data = link.Deflate(make([]byte, 32<<20)) }),
		"count of 500":        withBatch(entries, func(b *link.Batch) { b.Count = 500 }),
		"bytes behind them":   withBatch(entries, trailing),
		"no data":             withBatch(entries, func(b *link.Batch) { b.Data = nil }),
	} {
		_, _, err := b.Entries()
		wantError(t, what, err, link.ErrMalformed)
	}
}

// trailing adds a byte behind the entries, which no chain value covers.
func trailing(b *link.Batch) {
	packed, err := link.Inflate(b.Data, int(b.Size))
	if err != nil {
		panic(err)
	}
	b.Data, b.Size = link.Deflate(append(packed, 0)), b.Size+1
}

// TestBatchSizeStops measures that a size beyond the bound costs no memory.
func TestBatchSizeStops(t *testing.T) {
	b := withBatch(exampleEntries(), func(b *link.Batch) { b.Size = 64 << 20 })
	var err error
	if n := allocated(func() { _, _, err = b.Entries() }); n > 1<<20 {
		t.Errorf("%d bytes allocated before it was refused", n)
	}
	wantError(t, "64 MiB", err, link.ErrMalformed)
}

func withBatch(entries []link.Entry, change func(b *link.Batch)) link.Batch {
	b := newBatch(entries)
	change(b)
	return *b
}

// TestBatchProperties round-trips any bytes that can be entries.
func TestBatchProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Uint64Range(1, 1<<63).Draw(t, "first")
		var rows [][]byte
		for i := range rapid.IntRange(1, 40).Draw(t, "count") {
			typ := link.EntryType(rapid.SampledFrom([]byte{1, 2, 3, 16, 17, 17, 18, 200, 255}).Draw(t, "type"))
			row := rapid.SliceOfN(rapid.Byte(), typ.Size(), typ.Size()).Draw(t, "row")
			row[0] = byte(typ)
			binary.BigEndian.PutUint64(row[8:], first+uint64(i))
			rows = append(rows, row)
		}
		b := link.NewBatch(lane, exampleJournal(), first, hash("before"), rows)
		entries, raw, err := b.Entries()
		if err != nil || !reflect.DeepEqual(raw, rows) {
			t.Fatal(err)
		}
		for i := range entries {
			if !bytes.Equal(entries[i].Append(nil), rows[i]) {
				t.Fatalf("row %d is encoded as something else", i)
			}
		}
	})
}

// asJSONEntries are the same fields as people would write them in JSON.
func asJSONEntries(t testing.TB, entries []link.Entry) []byte {
	type row struct {
		Type       uint8  `json:"type"`
		Lane       uint8  `json:"lane"`
		Direction  uint8  `json:"direction"`
		Zone       uint8  `json:"zone"`
		Clock      string `json:"clock"`
		Flags      uint8  `json:"flags"`
		Bound      uint16 `json:"bound"`
		Seq        uint64 `json:"seq"`
		Boot       uint32 `json:"boot"`
		Wall       int64  `json:"wall"`
		Mono       uint64 `json:"mono"`
		Reason     string `json:"reason"`
		Kind       string `json:"kind"`
		KeyID      uint16 `json:"key_id"`
		Pass       string `json:"pass"`
		Generation uint8  `json:"generation"`
		Slot       uint32 `json:"slot"`
		Holder     string `json:"holder"`
		Grant      uint64 `json:"grant"`
		FeedSeq    uint64 `json:"feed_seq"`
		FeedAge    uint32 `json:"feed_age"`
		Detail     uint16 `json:"detail"`
	}
	var rows []row
	for _, e := range entries {
		rows = append(rows, row{
			uint8(e.Type), e.Lane, e.Direction, e.Zone, e.Clock.String(), uint8(e.Flags), e.Bound, e.Seq, e.Boot, e.Wall, e.Mono, e.Reason.String(),
			e.Kind.String(), e.KeyID, e.Pass.String(), e.Gen, e.Slot, hex.EncodeToString(e.Holder[:]), e.Grant, e.FeedSeq, e.FeedAge, e.Detail,
		})
	}
	b, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSizes holds the sizes that were promised, and logs them.
func TestSizes(t *testing.T) {
	entries := busyEntries(100)
	var bare []link.Entry // results that name their grant alone, and not the pass again
	for _, e := range entries {
		if e.Type == link.EntryPassed {
			e.Kind, e.KeyID, e.Pass, e.Gen, e.Slot, e.Holder = 0, 0, pass.ID{}, 0, 0, [8]byte{}
		}
		bare = append(bare, e)
	}
	for what, list := range map[string][]link.Entry{"whole": entries, "bare": bare} {
		text, b := asJSONEntries(t, list), newBatch(list)
		small := link.Deflate(text)
		raw, wire := ratio(int(b.Size), len(text)), ratio(len(b.Data), len(small))
		t.Logf("100 entries, results %s: raw %d bytes, JSON %d: %.2f (mark 0.45); deflated %d, JSON %d: %.2f (mark 0.7)",
			what, b.Size, len(text), raw, len(b.Data), len(small), wire)
		if raw > 0.45 || wire > 0.7 {
			t.Errorf("results %s: raw %.2f, deflated %.2f", what, raw, wire)
		}
	}
	whole := seal(t, signer("lane"), link.TypeBatch, newBatch(entries))
	t.Logf("a signed batch of 100 entries: %d bytes", len(whole))
	random := link.NewBatch(lane, exampleJournal(), 1, hash("before"), slices.Repeat([][]byte{noise(link.FloorSize)}, link.MaxBatchEntries))
	random.Data = stored(noise(link.MaxBatchSize))
	if n := len(seal(t, signer("lane"), link.TypeBatch, random)); n > link.MaxDocument {
		t.Errorf("the largest batch without any compression has %d bytes, at most %d", n, link.MaxDocument)
	}
}

func ratio(a, b int) float64 { return float64(a) / float64(b) }

// noise returns bytes that do not compress.
func noise(n int) (b []byte) {
	for i := 0; len(b) < n; i++ {
		b = append(b, hashOf(string(rune(i)))...)
	}
	return b[:n]
}

func FuzzParseEntry(f *testing.F) {
	for _, e := range exampleEntries() {
		f.Add(e.Append(nil))
	}
	f.Add([]byte{17})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, rest, err := link.ParseEntry(data)
		if err == nil && !bytes.Equal(append(e.Append(nil), rest...), data) {
			t.Fatalf("%x encodes again as %x", data, e.Append(nil))
		}
	})
}

func FuzzBatchEntries(f *testing.F) {
	b := newBatch(exampleEntries())
	f.Add(b.First, b.Count, b.Size, b.Before[:], b.After[:], b.Data)
	f.Add(uint64(1), uint32(500), uint32(56000), []byte{}, []byte{}, []byte{3, 0})
	f.Fuzz(func(t *testing.T, first uint64, count, size uint32, before, after, data []byte) {
		b := link.Batch{First: first, Count: count, Size: size, Data: data}
		copy(b.Before[:], before)
		copy(b.After[:], after)
		entries, raw, err := b.Entries()
		if err != nil {
			return
		}
		again := link.NewBatch("", b.Journal, first, b.Before, raw)
		if len(entries) != int(count) || again.After != b.After || again.Size != size {
			t.Fatalf("%d entries", len(entries))
		}
	})
}
