package gpioline

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

// event lays out a struct gpio_v2_line_event.
func event(stamp uint64, id, offset, number uint32) []byte {
	b := make([]byte, eventSize)
	binary.NativeEndian.PutUint64(b, stamp)
	for i, v := range []uint32{id, offset, number, number} {
		binary.NativeEndian.PutUint32(b[8+4*i:], v)
	}
	return b
}

func TestDecode(t *testing.T) {
	zero := time.Unix(0, 0)
	when := func(stamp uint64) time.Time { return zero.Add(time.Duration(stamp)) }
	lines := []Info{{Offset: 17}, {Offset: 4}}
	var b []byte
	for _, e := range [][]byte{event(5, 1, 4, 1), event(6, 2, 17, 2), event(7, 1, 17, 7), event(8, 1, 99, 8), event(9, 2, 4, 6), event(10, 2, 4, 9)} {
		b = append(b, e...)
	}
	b = append(b, 1, 2, 3) // a cut one
	var seen sequence
	got := decode(make([]Edge, 0, 10), b, lines, when, &seen)
	want := []Edge{
		{Line: 1, Active: true, At: zero.Add(5)},
		{Line: 0, Active: false, At: zero.Add(6)},
		{Line: 0, Active: true, At: zero.Add(7), Lost: 4},
		{Line: 1, Active: false, At: zero.Add(9)},           // overtaken: not lost
		{Line: 1, Active: false, At: zero.Add(10), Lost: 1}, // 8 was of no line of ours
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: %+v, want %+v", i, got[i], want[i])
		}
	}
	if few := decode(make([]Edge, 0, 2), b, lines, when, new(sequence)); len(few) != 2 {
		t.Errorf("%d edges into room for 2", len(few))
	}
}

func TestSequenceWraps(t *testing.T) {
	s := sequence{last: 1<<32 - 2}
	for _, c := range []struct{ number, gap uint32 }{{1<<32 - 1, 0}, {0, 0}, {2, 1}, {2, 0}, {1<<32 - 1, 0}, {3, 0}} {
		if got := s.gap(c.number); got != c.gap {
			t.Errorf("number %d: gap %d, want %d", c.number, got, c.gap)
		}
	}
}

// FuzzDecode: whatever bytes come, edges are of our lines and fit their room.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{}, uint8(1))
	f.Add(event(1<<63, 1, 4, 1), uint8(4))
	f.Add(append(event(0, 0, 17, 1<<31), event(1<<64-1, 3, 4, 0)...), uint8(2))
	lines := []Info{{Offset: 17}, {Offset: 4}}
	when, err := clock()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, space uint8) {
		got := decode(make([]Edge, 0, space), b, lines, when, new(sequence))
		if len(got) > int(space) || len(got) > len(b)/eventSize {
			t.Fatalf("%d edges from %d bytes into room for %d", len(got), len(b), space)
		}
		for _, e := range got {
			if e.Line != 0 && e.Line != 1 {
				t.Fatalf("%+v", e)
			}
		}
	})
}

// FuzzName: a name is either refused as no line, or means one thing.
func FuzzName(f *testing.F) {
	for _, s := range []string{"", "RELAY1", "gpiochip0:17", "gpiochip:1", "gpiochip0:", "gpiochip0:-1", "gpiochip0:+1", "gpiochip99999999999:1",
		"gpiochip0:99999999999999999999", "gpiochip0:1:2", "../gpiochip0:1", "a\x00b", "123456789012345678901234567890123", "GPIO:4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		chip, offset, numbered, err := split(name)
		if (err != nil) != errors.Is(err, ErrNoLine) {
			t.Fatalf("%q: %v", name, err)
		}
		if (Check(name) != nil) != (err != nil) {
			t.Fatalf("%q: Check differs", name)
		}
		if numbered && (offset < 0 || len(chip) < len("gpiochip0") || chip[:8] != "gpiochip") {
			t.Fatalf("%q: chip %q, line %d", name, chip, offset)
		}
		if err == nil && !numbered && (name == "" || len(name) >= nameSize) {
			t.Fatalf("%q taken", name)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	buffer := make([]byte, 0, batch*eventSize)
	for n := range uint32(batch) {
		buffer = append(buffer, event(uint64(n), n%2, 4, n+1)...)
	}
	lines, edges := []Info{{Offset: 17}, {Offset: 4}}, make([]Edge, 0, batch)
	when, err := clock()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(buffer)))
	for b.Loop() {
		decode(edges, buffer, lines, when, new(sequence))
	}
}

func BenchmarkName(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _, _, _ = split("gpiochip0:17")
	}
}
