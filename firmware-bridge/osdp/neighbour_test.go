package osdp_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/osdp/osdptest"
)

// troubles are what a reader at address 0 can do to its neighbour at address 1.
func troubles(t testing.TB) map[string]osdptest.Spoil {
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	all := map[string]osdptest.Spoil{
		"healthy":        nil,
		"silent":         func(_, _ []byte) []byte { return nil },
		"garbling":       func(_, a []byte) []byte { return noise(len(a)) },
		"wrong CRC":      func(_, a []byte) []byte { a[len(a)-1] ^= 1; return a },
		"half an answer": func(_, a []byte) []byte { return a[:len(a)/2] },
		"endless answer": func(_, a []byte) []byte { return append([]byte{0x53, 0x80, 0xA0, 0x05, 0x04}, noise(300)...) },
		"long noise":     func(_, _ []byte) []byte { return noise(1500) },
		"always busy":    func(c, _ []byte) []byte { return clear(t, c, osdp.ReplyBusy) },
		"always NAK":     func(c, _ []byte) []byte { return clear(t, c, osdp.ReplyNAK, byte(osdp.NakSequence)) },
		"no channel":     func(c, _ []byte) []byte { return clear(t, c, osdp.ReplyNAK, byte(osdp.NakSecurity)) },
		"in the clear":   func(c, _ []byte) []byte { return clear(t, c, osdp.ReplyACK) },
		"as its neighbour": func(_, a []byte) []byte {
			a = bytes.Clone(a)
			a[2] = 0x81
			return a
		},
	}
	for name, spoil := range all {
		all[name] = func(command, answer []byte) []byte {
			if spoil == nil || command[2] != 0 {
				return answer // asked is the other one
			}
			return spoil(command, answer)
		}
	}
	return all
}

// One bad reader never resets another (trap iii), and never keeps it waiting for
// long: from a scan to its arrival less than half a second passes.
func TestNeighbourGoesOn(t *testing.T) {
	if len(troubles(t)) < 12 {
		t.Fatal("too few troubles")
	}
	for name, spoil := range troubles(t) {
		for _, from := range []string{"start", "later"} {
			t.Run(name+" from the "+from, func(t *testing.T) {
				bad, well := good(t, 0), good(t, 1)
				b := bench(t, bad, well)
				if from == "start" {
					bad.Spoil(spoil)
				}
				online(t, b, 1)
				b.Run(time.Second)
				bad.Spoil(spoil)
				for i := range 40 {
					text := fmt.Sprintf("CODE%02d", i)
					well.Scan(text)
					if !b.Until(500*time.Millisecond, func() bool { return len(texts(b, 1)) == i+1 }) {
						t.Fatalf("scan %d took over 500 ms; %+v", i, status(t, b, 1).Line)
					}
					if got := texts(b, 1)[i]; got != text {
						t.Fatalf("got %q", got)
					}
					b.Run(time.Duration(i) * 17 * time.Millisecond)
				}
				s := status(t, b, 1)
				if s.Line.Sessions != 1 || !s.Online || s.Alarm != 0 || s.Line.ErrorRate() != 0 {
					t.Errorf("the neighbour has suffered: %+v", s)
				}
				sound(t, b, 0)
				sound(t, b, 1)
			})
		}
	}
}

// Both get their turn while both always have something to say.
func TestLineIsShared(t *testing.T) {
	one, two := good(t, 0), good(t, 1)
	b := bench(t, one, two)
	online(t, b, 0)
	online(t, b, 1)
	for i := range 100 {
		for _, r := range []*osdptest.Reader{one, two} {
			r.Do(func(p *osdp.Peripheral) { p.Offer(osdp.Raw{Bits: 8, Data: []byte{byte(i)}}) })
		}
		b.Run(50 * time.Millisecond)
	}
	x, y := len(texts(b, 0)), len(texts(b, 1))
	if x < 60 || x-y > 3 || y-x > 3 {
		t.Errorf("%d and %d scans", x, y)
	}
}

// Bytes that nobody asked for, at any time, cost repetitions at most.
func TestBabble(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	b := bench(t, good(t, 0), good(t, 1))
	online(t, b, 0)
	online(t, b, 1)
	b.Babble = func(time.Time) []byte {
		if random.IntN(40) > 0 {
			return nil
		}
		noise := make([]byte, random.IntN(30))
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		return noise
	}
	b.Run(30 * time.Second)
	for i, r := range b.Readers {
		r.Scan("STILL HERE")
		if !b.Until(2*time.Second, func() bool { return len(texts(b, uint8(i))) == 1 }) {
			t.Errorf("reader %d: no scan, %+v", i, status(t, b, uint8(i)))
		}
		if s := status(t, b, uint8(i)); s.Line.Sessions != 1 || s.Alarm != 0 {
			t.Errorf("reader %d: %+v", i, s)
		}
		sound(t, b, uint8(i))
	}
}

// A line that is never quiet does not stop the panel from asking.
func TestNeverQuiet(t *testing.T) {
	b, err := osdptest.NewBench(osdp.PanelConfig{Baud: 9600, Devices: []osdp.DeviceConfig{{Key: key(t, '0')}}}, good(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	b.Babble = func(time.Time) []byte { return []byte{0} }
	b.Run(10 * time.Second)
	if s := status(t, b, 0); s.Line.Sent < 10 {
		t.Errorf("asked %d times in 10 s", s.Line.Sent)
	}
}
