package osdp

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func testKey(t testing.TB, text string) Key {
	t.Helper()
	k, err := ParseKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const goodKey = "8f3a0c51d2779be4406f1e8835b2c9d7"

func TestWeakKeys(t *testing.T) {
	for _, text := range []string{
		"00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff", "abababababababababababababababab",
		"303132333435363738393a3b3c3d3e3f", "000102030405060708090a0b0c0d0e0f", "0f0e0d0c0b0a09080706050403020100",
		"00112233445566778899aabbccddeeff", "00010203040506070001020304050607",
	} {
		if err := testKey(t, text).Check(); !errors.Is(err, ErrWeakKey) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := testKey(t, goodKey).Check(); err != nil {
		t.Error(err)
	}
	if _, err := NewPanel(PanelConfig{Baud: 9600, Devices: []DeviceConfig{{Key: DefaultKey()}}}); !errors.Is(err, ErrWeakKey) {
		t.Errorf("a panel with the default key: %v", err)
	}
	if _, err := NewPeripheral(PeripheralConfig{Key: DefaultKey(), Install: true}); !errors.Is(err, ErrWeakKey) {
		t.Errorf("a peripheral with the default key: %v", err)
	}
}

func TestParseKeyNeverQuotes(t *testing.T) {
	for _, text := range []string{"", "8f3a", strings.Repeat("zq", 16), goodKey + "0"} {
		_, err := ParseKey([]byte(text))
		if !errors.Is(err, ErrKeyText) || len(text) > 2 && strings.Contains(err.Error(), text[:2]) && text[:2] != "8f" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// No verb, log or JSON shows a key or a part of it.
func TestKeysStayHidden(t *testing.T) {
	k := testKey(t, goodKey)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08b"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", k, KeySet{k}, DeviceConfig{Key: k})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", k, "set", KeySet{k}, "device", DeviceConfig{Key: k})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", k, "set", KeySet{k}, "device", DeviceConfig{Key: k})
	if err := json.NewEncoder(&out).Encode(KeySet{k}); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"8f3a", "143 58", "143,58", "0x8f", "10001111"} {
		if strings.Contains(strings.ToLower(out.String()), form) {
			t.Errorf("%s is in %s", form, out.String())
		}
	}
	if strings.Count(out.String(), hidden) < 30 {
		t.Errorf("too little was printed: %s", out.String())
	}
}

// The derived key is E(master, cUID || ~cUID), here by the standard library alone. Self-made.
func TestDiversified(t *testing.T) {
	master, id := testKey(t, goodKey), CUID{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77}
	block, err := hex.DecodeString("0011223344556677" + "ffeeddccbbaa9988")
	if err != nil {
		t.Fatal(err)
	}
	var want Key
	master.cipher().Encrypt(want[:], block)
	if got := master.Diversified(id); got != want || got == master {
		t.Error("the derived key is another")
	}
	if got, err := ParseCUID("0011223344556677"); err != nil || got != id {
		t.Error(got, err)
	}
	if _, err := ParseCUID("00112233445566"); err == nil {
		t.Error("short cUID accepted")
	}
}

// Encrypted data ends in 80 and zeros within its last block, or is refused.
func TestPadding(t *testing.T) {
	for name, plain := range map[string][]byte{
		"none":          make([]byte, 16),
		"no mark":       bytes.Repeat([]byte{1}, 16),
		"a block early": append(append(make([]byte, 15), 0x80), make([]byte, 16)...),
		"not a block":   make([]byte, 15),
		"nothing":       {},
	} {
		c := testKey(t, goodKey).cipher()
		s := Session{encrypt: c, first: c, last: c}
		iv := complement(s.sent)
		if len(plain)%16 == 0 {
			cipher.NewCBCEncrypter(c, iv[:]).CryptBlocks(plain, plain)
		}
		if got, err := s.decrypted(plain); !errors.Is(err, ErrPadding) {
			t.Errorf("%s: % X, %v", name, got, err)
		}
	}
}

// Whatever the other side sends in a sealed packet, Open does not panic, and
// changed packets are refused.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{}, []byte{1})
	f.Add(bytes.Repeat([]byte{7}, 40), []byte{0, 0, 0, 0, 0, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, data, flips []byte) {
		p := newPair(DefaultKey(), Random{1}, Random{2})
		data = data[:min(len(data), 1200)]
		sealed, err := p.panel.Seal(nil, Packet{Sequence: 1, Code: CmdPoll, Data: data})
		if err != nil {
			t.Fatal(err)
		}
		bent := bytes.Clone(sealed)
		for i, x := range flips {
			if i < len(bent)-2 {
				bent[i] ^= x
			}
		}
		changed := !bytes.Equal(bent, sealed)
		q, err := Parse(appendCheck(bent[:len(bent)-2], 0, false))
		if err != nil {
			return
		}
		got, err := p.peripheral.Open(q)
		if changed && err == nil {
			t.Fatalf("forged packet opened: % X", bent)
		}
		if !changed && (err != nil || !bytes.Equal(got, data)) {
			t.Fatalf("% X, %v", got, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	b.ReportAllocs()
	p := newPair(DefaultKey(), Random{1}, Random{2})
	raw := Raw{Bits: 8 * 141, Data: bytes.Repeat([]byte("A"), 141)}
	data := raw.appendData(nil)
	buf := make([]byte, 0, MaxPacket)
	for b.Loop() {
		var err error
		if buf, err = p.peripheral.Seal(buf[:0], Packet{Reply: true, Code: ReplyRaw, Data: data}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	b.ReportAllocs()
	p := newPair(DefaultKey(), Random{1}, Random{2})
	raw := Raw{Bits: 8 * 141, Data: bytes.Repeat([]byte("A"), 141)}
	sealed, err := p.peripheral.Seal(nil, Packet{Reply: true, Code: ReplyRaw, Data: raw.appendData(nil)})
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, len(sealed))
	for b.Loop() {
		copy(buf, sealed)
		q, err := Parse(buf)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.panel.Open(q); err != nil {
			b.Fatal(err)
		}
		p.panel.taken = [16]byte{}
	}
}
