package frame

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// examples is one of each message, and their extremes.
func examples() []Message {
	return []Message{
		Hello{0x01020304}, Hello{0xFFFFFFFF}, Beat{}, Lock{}, Seen{1}, Seen{0},
		Open{Number: 1, Direction: 1, Pulse: 200, Window: 5000},
		Open{Number: 0xFFFFFFFF, Direction: 2, Pulse: 1000, Window: 15000},
		Open{},
		Signal{Number: 7, Pattern: 2, Duration: 20}, Signal{},
		Welcome{Session: 0x01020304, Boot: 7, LastGrant: 41, Capabilities: 0xFF, Firmware: [3]uint8{1, 2, 3}, MaxPulse: 1000, MaxWindow: 15000, Model: "turnstile-ref"},
		Welcome{Boot: 7, Capabilities: CanIn | CanOut, Firmware: [3]uint8{1, 0, 0}, MaxPulse: 1000, MaxWindow: 15000},
		State{Flags: Relay | Contact | Passing | Attended, Grant: 42, LastGrant: 42, Waiting: 1, Lost: 0, Garbled: 3, Uptime: 123456},
		State{},
		Answer{Number: 42, Code: Opened}, Answer{Number: 42, Code: StillBusy},
		Event{Number: 1, Kind: Passed, Direction: 1, Grant: 42, Age: 12, Flags: Contact | Attended},
		Event{Number: 2, Kind: Forced, Direction: 2, Age: 100000},
		Event{Number: 3, Kind: Fire, Flags: FireOn},
		CardOut{Number: 3, Card: card26}, CardOut{Number: 255, Card: card66}, CardSeen{Read: 9},
		Update{Number: 1, Firmware: [3]uint8{1, 1, 0}, Size: 6432},
		CardIn{Number: 1, Reader: 1, Faults: 2, Age: 31, Card: card26}, CardIn{Number: 2, Card: card66}, CardIn{Number: 3, Faults: 65535},
		Reply{To: TypeCardOut, Number: 3, Code: Done}, Reply{To: TypeUpdate, Number: 1, Code: NoSecondBank},
	}
}

// Facility 1, card 1 in the 26 bits that most readers send, and the longest row.
var (
	card26 = Card{Bits: 26, Data: [9]byte{0x80, 0x80, 0x00, 0x80}}
	card66 = Card{Bits: 66, Data: [9]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xC0}}
)

// vector is one line of testdata/vectors.json.
type vector struct {
	Name  string `json:"name"`
	Wire  string `json:"wire"`            // hex, zeros included
	Seq   uint8  `json:"seq"`             //
	Value string `json:"value,omitempty"` // the message in Go's notation
	Fault string `json:"fault,omitempty"` // shape, sum, version or body
}

// makeVectors builds the file from the examples and from one fault each.
func makeVectors() []vector {
	var all []vector
	for i, m := range examples() {
		wire := Encode(nil, uint8(i), m)
		all = append(all, vector{fmt.Sprintf("%T %d", m, i), hex.EncodeToString(wire), uint8(i), fmt.Sprintf("%#v", m), ""})
	}
	raw := func(b ...byte) string { // b with its right sum
		sum := CRC(b)
		wire := append(stuff([]byte{0}, append(b, byte(sum), byte(sum>>8))), 0)
		return hex.EncodeToString(wire)
	}
	bad := func(name, wire, fault string) { all = append(all, vector{Name: name, Wire: wire, Fault: fault}) }
	beat := Encode(nil, 9, Beat{})
	bad("one bit wrong", hex.EncodeToString(flip(beat, 3)), "sum")
	bad("sum in the wrong order", hex.EncodeToString(append(stuff([]byte{0}, []byte{1, 2, 9, byte(CRC([]byte{1, 2, 9}) >> 8), byte(CRC([]byte{1, 2, 9}))}), 0)), "sum")
	bad("run over the end", "000601020900", "shape")
	bad("one byte", "000100", "shape")
	bad("four bytes", raw(1, 2), "shape")
	bad("longer than any frame", "00"+strings.Repeat("01", MaxRaw+2)+"00", "shape")
	bad("version 0", raw(0, 2, 0), "version")
	bad("version 2", raw(2, 2, 0), "version")
	bad("unknown type", raw(1, 0x7F, 0), "body")
	bad("unknown type of a controller", raw(1, 0xFF, 0), "body")
	bad("beat with a body", raw(1, 2, 0, 1), "body")
	bad("open one byte short", raw(1, 3, 0, 1, 0, 0, 0, 1, 200, 0, 1), "body")
	bad("open one byte long", raw(1, 3, 0, 1, 0, 0, 0, 1, 200, 0, 1, 2, 3), "body")
	bad("welcome without its last field", raw(append([]byte{1, 0x81, 0}, make([]byte, 20)...)...), "body")
	bad("welcome with a model of 17 bytes", raw(append([]byte{1, 0x81, 0}, append(make([]byte, 21), strings.Repeat("x", 17)...)...)...), "body")
	bad("welcome with a line feed in the model", raw(append([]byte{1, 0x81, 0}, append(make([]byte, 21), 10)...)...), "body")
	bad("card of 25 bits", raw(1, 7, 0, 1, 25, 0, 0, 0, 0), "body")
	bad("card of 67 bits", raw(append([]byte{1, 7, 0, 1, 67}, make([]byte, 9)...)...), "body")
	bad("card one byte short", raw(1, 7, 0, 1, 26, 0, 0, 0), "body")
	bad("card one byte long", raw(1, 7, 0, 1, 26, 0, 0, 0, 0, 0), "body")
	bad("card with a bit behind the last", raw(1, 7, 0, 1, 26, 0, 0, 0, 0x20), "body")
	bad("card without bits to send", raw(1, 7, 0, 1, 0), "body")
	bad("card read without its bits", raw(1, 0x85, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 26), "body")
	bad("card read of no bits with a byte", raw(1, 0x85, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), "body")
	bad("update one byte short", raw(1, 9, 0, 1, 1, 0, 0, 0, 0, 0), "body")
	return all
}

func flip(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[at] ^= 0x40
	return b
}

// read decodes the one frame in wire.
func read(wire []byte) (Frame, Message, error) {
	body := bytes.Trim(wire, "\x00")
	f, err := Parse(slices.Clone(body))
	if err != nil {
		return f, nil, err
	}
	m, err := Read(f)
	return f, m, err
}

func TestVectors(t *testing.T) {
	if *update {
		out, err := json.MarshalIndent(makeVectors(), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/vectors.json", append(out, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 54 {
		t.Fatalf("%d vectors, want at least 54", len(all))
	}
	if !reflect.DeepEqual(all, makeVectors()) {
		t.Error("testdata/vectors.json differs from what this code makes; look at the difference, then run with -update")
	}
	faults := map[string]error{"shape": ErrShape, "sum": ErrSum, "version": ErrVersion, "body": ErrBody}
	for _, v := range all {
		wire, err := hex.DecodeString(v.Wire)
		if err != nil {
			t.Fatal(v.Name, err)
		}
		f, m, err := read(wire)
		if want := faults[v.Fault]; !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want fault %q", v.Name, err, v.Fault)
		} else if want == nil && (fmt.Sprintf("%#v", m) != v.Value || f.Seq != v.Seq) {
			t.Errorf("%s: %#v seq %d", v.Name, m, f.Seq)
		}
	}
}

// The worked examples of FORMAT.md are the bytes this code makes.
func TestFormatExamples(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		name, bytesText, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if !ok {
			continue
		}
		wire, err := hex.DecodeString(strings.ReplaceAll(bytesText, " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		f, m, err := read(wire)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := fmt.Sprintf("seq %d %+v", f.Seq, m); !strings.HasSuffix(name, got) {
			t.Errorf("%q reads as %q", name, got)
		}
		if !bytes.Equal(Encode(nil, f.Seq, m), wire) {
			t.Errorf("%s is written as % x", name, Encode(nil, f.Seq, m))
		}
		found++
	}
	if found < 16 {
		t.Errorf("%d worked examples in FORMAT.md, want at least 16: one of each message", found)
	}
}

func TestCRC(t *testing.T) {
	if got := CRC([]byte("123456789")); got != 0x29B1 {
		t.Errorf("CRC = %#04x, want 0x29B1", got)
	}
}

// Whatever stands between them, two good frames arrive.
func TestResync(t *testing.T) {
	good := Encode(nil, 1, Open{Number: 5, Direction: 1})
	cases := 0
	for _, garbage := range [][]byte{nil, {0}, {0, 0, 0, 0}, {1}, {0xFF}, {5, 4, 3}, bytes.Repeat([]byte{7}, 5000),
		good[:5], good[5:], good[:len(good)-1], flip(good, 6), []byte("AT+GMR\r\n")} {
		var d Decoder
		n := 0
		stream := slices.Concat(good, garbage, good)
		for _, b := range stream {
			d.Feed([]byte{b}, func(f Frame) {
				if _, err := Read(f); err == nil {
					n++
				}
			})
		}
		if n < 2 {
			t.Errorf("%d of 2 frames after garbage % x", n, garbage[:min(len(garbage), 8)])
		}
		cases++
	}
	if cases < 12 {
		t.Error("too few cases")
	}
}

// No single wrong bit in a frame goes unnoticed.
func TestEveryBitCounts(t *testing.T) {
	wire := Encode(nil, 3, Event{Number: 9, Kind: Passed, Direction: 1, Grant: 77, Age: 5})
	tried := 0
	for bit := 8; bit < 8*(len(wire)-1); bit++ {
		bent := slices.Clone(wire)
		bent[bit/8] ^= 1 << (bit % 8)
		var d Decoder
		d.Feed(bent, func(f Frame) { t.Errorf("bit %d flipped: frame %+v accepted", bit, f) })
		tried++
	}
	if tried < 150 {
		t.Errorf("%d bits tried", tried)
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range examples() {
		f.Add(bytes.Trim(Encode(nil, 1, m), "\x00"))
	}
	f.Add([]byte{1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, wire []byte) {
		if bytes.IndexByte(wire, 0) >= 0 {
			return // never between two zeros
		}
		kept := slices.Clone(wire)
		fr, err := Parse(wire)
		if err != nil {
			return
		}
		if again := Append(nil, fr); !bytes.Equal(bytes.Trim(again, "\x00"), kept) {
			t.Fatalf("% x is written as % x", kept, again)
		}
		m, err := Read(fr)
		if err != nil {
			return
		}
		if again := Encode(nil, fr.Seq, m); !bytes.Equal(bytes.Trim(again, "\x00"), kept) {
			t.Fatalf("%#v: % x is written as % x", m, kept, again)
		}
	})
}

func FuzzDecoder(f *testing.F) {
	for _, m := range examples() {
		f.Add(Encode([]byte{3, 0}, 1, m), 3)
	}
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		var whole, parts Decoder
		var a, b []string
		whole.Feed(stream, func(f Frame) { a = append(a, fmt.Sprint(f)) })
		cut = min(max(cut, 0), len(stream))
		parts.Feed(stream[:cut], func(f Frame) { b = append(b, fmt.Sprint(f)) })
		parts.Feed(stream[cut:], func(f Frame) { b = append(b, fmt.Sprint(f)) })
		if !slices.Equal(a, b) {
			t.Fatalf("cut at %d: %v, whole: %v", cut, b, a)
		}
		good := 0
		whole.Feed(Encode([]byte{0}, 1, Beat{}), func(Frame) { good++ })
		if good == 0 {
			t.Fatal("out of step after garbage")
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	b.ReportAllocs()
	wire := make([]byte, 0, MaxWire)
	var m Message = Open{Number: 1, Direction: 1, Pulse: 200, Window: 5000}
	for b.Loop() {
		wire = Encode(wire[:0], 1, m)
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	wire := Encode(nil, 1, Event{Number: 9, Kind: Passed, Direction: 1, Grant: 77})
	b.SetBytes(int64(len(wire)))
	var d Decoder
	take := func(f Frame) {
		if _, err := Read(f); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		d.Feed(wire, take)
	}
}
