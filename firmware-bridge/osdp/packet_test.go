package osdp

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func wire(t testing.TB, p Packet) []byte {
	t.Helper()
	b, err := Append(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// No single flipped bit gets through a CRC.
func TestFlippedBits(t *testing.T) {
	whole := wire(t, Packet{Address: 1, Sequence: 2, Code: CmdOutput, Data: []byte{0, 5, 2, 0, 1, 5, 2, 0}})
	tried := 0
	for bit := range 8 * len(whole) {
		bent := slices.Clone(whole)
		bent[bit/8] ^= 1 << (bit % 8)
		if p, err := Parse(bent); err == nil {
			t.Errorf("bit %d flipped: %+v accepted", bit, p)
		}
		tried++
	}
	if tried < 100 {
		t.Errorf("%d bits tried", tried)
	}
}

// 1 KiB of QR text fits into one sealed packet, and what does not fit is refused.
func TestLongText(t *testing.T) {
	text := bytes.Repeat([]byte("A"), 1024)
	raw := Raw{Bits: 8 * 1024, Data: text}
	p := newPair(DefaultKey(), Random{1}, Random{2})
	sealed, err := p.peripheral.Seal(nil, Packet{Reply: true, Code: raw.Code(), Data: raw.appendData(nil)})
	if err != nil || len(sealed) != 1054 {
		t.Fatalf("%d bytes, %v", len(sealed), err)
	}
	q, err := Parse(sealed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := p.panel.Open(q)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := ReadReply(q.Code, data); err != nil || !bytes.Equal(m.(Raw).Data, text) {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := Append(nil, Packet{Data: make([]byte, MaxPacket-7)}); !errors.Is(err, ErrSize) {
		t.Errorf("a packet of 1441 bytes: %v", err)
	}
	if b, err := Append(nil, Packet{Data: make([]byte, MaxPacket-8)}); err != nil || len(b) != MaxPacket {
		t.Errorf("a packet of 1440 bytes: %d, %v", len(b), err)
	}
	if _, err := p.panel.Seal(nil, Packet{Data: make([]byte, MaxPacket-12)}); !errors.Is(err, ErrSize) {
		t.Errorf("sealing too much: %v", err)
	}
}

func TestSecureBlocksMustFit(t *testing.T) {
	for _, b := range []Block{{0x15, []byte{1}}, {0x11, nil}, {0x12, []byte{1, 2}}, {0, nil}} {
		raw := wire(t, Packet{Code: CmdPoll, Data: make([]byte, 8)})
		raw = slices.Insert(raw[:len(raw)-2], 5, append([]byte{byte(2 + len(b.Data)), byte(b.Type)}, b.Data...)...)
		raw[2], raw[4] = byte(len(raw)+2), raw[4]|controlBlock
		if _, err := Parse(appendCheck(raw, 0, false)); !errors.Is(err, ErrShape) {
			t.Errorf("block %+v: %v", b, err)
		}
	}
}

// collect feeds stream in pieces of n bytes.
func collect(d *Decoder, stream []byte, n int) (got []string) {
	take := func(p Packet, err error) {
		p.raw = nil
		got = append(got, fmt.Sprintf("%+v %v", p, err))
	}
	for piece := range slices.Chunk(stream, n) {
		d.Feed(piece, take)
	}
	return got
}

func TestDecoderInPieces(t *testing.T) {
	a := wire(t, Packet{Address: 1, Code: CmdPoll})
	b := wire(t, Packet{Address: 1, Reply: true, Code: ReplyRaw, Data: make([]byte, 300), Sum: true})
	spoiled := slices.Clone(a)
	spoiled[7]++
	stream := slices.Concat([]byte{mark, mark}, a, []byte{0, som, 9, 9}, spoiled, b, a)
	var want []string
	for n := 1; n < 40; n++ {
		var d Decoder
		got := collect(&d, stream, n)
		if want == nil {
			want = got
		}
		if len(got) != 4 || !slices.Equal(got, want) {
			t.Fatalf("pieces of %d: %d packets: %v", n, len(got), got)
		}
		if d.Noise() == 0 {
			t.Error("no noise counted")
		}
	}
}

// A false beginning that promises more than comes does not swallow the packet
// inside it.
func TestDecoderFlush(t *testing.T) {
	inner := wire(t, Packet{Address: 1, Reply: true, Code: ReplyACK})
	var d Decoder
	if got := collect(&d, slices.Concat([]byte{som, 0x81, 0xFF, 0x02, 0x04}, inner), 100); len(got) != 0 || d.Missing() == 0 {
		t.Fatalf("%v, missing %d", got, d.Missing())
	}
	found := 0
	d.Flush(func(p Packet, err error) {
		if err == nil && p.Code == ReplyACK {
			found++
		}
	})
	if found != 1 || d.Missing() != 0 {
		t.Errorf("%d packets, missing %d", found, d.Missing())
	}
	// Nor does a whole packet with a wrong check, whatever is in it.
	outer := slices.Concat([]byte{som, 0x81, byte(len(inner) + 8), 0, 4, 0x50}, inner, []byte{0, 0})
	if got := collect(&d, outer, 100); len(got) != 2 || !strings.HasSuffix(got[0], ErrCheck.Error()) || !strings.HasSuffix(got[1], "<nil>") {
		t.Errorf("a packet in a broken one: %v", got)
	}
	d.Only(2, true)
	if got := collect(&d, inner, 100); len(got) != 0 {
		t.Errorf("heard another address: %v", got)
	}
}

func TestParts(t *testing.T) {
	whole := bytes.Repeat([]byte("0123456789"), 30)
	var p Parts
	for round := range 2 {
		for at := 0; at < len(whole); at += 128 {
			n := min(128, len(whole)-at)
			part := AppendPart(nil, whole, at, n)
			got, err := p.Add(part, 512)
			if last := at+n == len(whole); err != nil || (got != nil) != last || last && !bytes.Equal(got, whole) {
				t.Fatalf("round %d, part at %d: %d bytes, %v", round, at, len(got), err)
			}
			if at == 128 { // a repetition changes nothing
				if got, err := p.Add(part, 512); got != nil || err != nil {
					t.Fatalf("part again: %d bytes, %v", len(got), err)
				}
			}
		}
	}
	for name, part := range map[string][]byte{
		"short":      {1, 0, 0},
		"nothing":    {0, 0, 0, 0, 0, 0},
		"too large":  AppendPart(nil, make([]byte, 600), 0, 100),
		"wrong size": {10, 0, 0, 0, 5, 0, 1},
		"overrun":    {2, 0, 0, 0, 3, 0, 1, 2, 3},
		"gap":        AppendPart(nil, whole, 128, 100),
	} {
		if _, err := p.Add(part, 512); !errors.Is(err, ErrPart) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := p.Add(AppendPart(nil, whole, 0, 100), 512); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Add([]byte{44, 1, 44, 1, 0, 0}, 512); got != nil || err != nil {
		t.Errorf("giving up: %v, %v", got, err)
	}
	if _, err := p.Add(AppendPart(nil, whole, 0, 100), 512); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Add(AppendPart(nil, whole, 200, 100), 512); !errors.Is(err, ErrPart) {
		t.Errorf("a part left out: %v", err)
	}
	if _, err := p.Add(AppendPart(nil, whole, 100, 100), 512); !errors.Is(err, ErrPart) {
		t.Errorf("going on after giving up: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range load(f).Packets {
		f.Add([]byte(v.Wire))
	}
	for _, v := range load(f).Sealed {
		f.Add([]byte(v.Wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		if again, err := Append(nil, p); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("% X is written as % X, %v", b, again, err)
		}
		m, err := read(p.Reply, p.Code, p.Data)
		if err != nil {
			return
		}
		if again := m.appendData(nil); !bytes.Equal(again, p.Data) {
			t.Fatalf("%s: % X is written as % X", show(m), p.Data, again)
		}
	})
}

// Data reaches ReadReply only through the secure channel, so it has a target of
// its own: what a visitor shows is in it.
func FuzzMessage(f *testing.F) {
	for _, v := range load(f).Data {
		f.Add(v.Reply, v.Code, []byte(v.Data))
	}
	f.Add(true, ReplyRaw, append([]byte{0, 0, 0x70, 4}, bytes.Repeat([]byte("A"), 142)...))
	f.Add(false, CmdKeySet, append([]byte{1, 16}, make([]byte, 16)...))
	f.Fuzz(func(t *testing.T, reply bool, code uint8, data []byte) {
		m, err := read(reply, code, data)
		if (err == nil) == (m == nil) {
			t.Fatalf("%v and %v", m, err)
		}
		if err == nil && (m.Code() != code || !bytes.Equal(m.appendData(nil), data)) {
			t.Fatalf("%s: % X is written as % X", show(m), data, m.appendData(nil))
		}
	})
}

func FuzzDecoder(f *testing.F) {
	a := []byte("\xFF\x53\x00\x08\x00\x04\x60\xEB\xAA")
	f.Add(a, 3)
	f.Add(append([]byte{som, 0x81, 0xFF, 2, 4}, a...), 1)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		var whole, parts Decoder
		one := collect(&whole, stream, len(stream)+1)
		cut = min(max(cut, 0), len(stream))
		two := append(collect(&parts, stream[:cut], cut+1), collect(&parts, stream[cut:], len(stream)+1)...)
		if !slices.Equal(one, two) {
			t.Fatalf("cut at %d: %v, whole: %v", cut, two, one)
		}
		whole.Flush(func(Packet, error) {})
		if got := collect(&whole, a, 100); len(got) != 1 {
			t.Fatalf("out of step after garbage: %v", got)
		}
	})
}

func FuzzParts(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 2, 0, 1, 2}, []byte{4, 0, 2, 0, 2, 0, 3, 4})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var p Parts
		for range 3 {
			for _, part := range [][]byte{a, b} {
				if whole, _ := p.Add(part, 256); len(whole) > 256 || len(p.held) > 256 {
					t.Fatal("over the limit")
				}
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 64)
	for b.Loop() {
		buf, _ = Append(buf[:0], Packet{Address: 1, Sequence: 1, Code: CmdPoll})
	}
}

// A code of 141 characters, as a reader sends it.
func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	raw := Raw{Bits: 8 * 141, Data: bytes.Repeat([]byte("A"), 141)}
	stream := wire(b, Packet{Reply: true, Code: raw.Code(), Data: raw.appendData(nil)})
	b.SetBytes(int64(len(stream)))
	var d Decoder
	take := func(p Packet, err error) {
		if _, readErr := ReadReply(p.Code, p.Data); err != nil || readErr != nil {
			b.Fatal(err, readErr)
		}
	}
	for b.Loop() {
		d.Feed(stream, take)
	}
}
