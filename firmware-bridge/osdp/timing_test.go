package osdp_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/osdp/osdptest"
)

// slowBench is bench on a line of 9600 baud, with what osdpreader allows an adapter.
func slowBench(t testing.TB, readers ...*osdptest.Reader) *osdptest.Bench {
	t.Helper()
	c := osdp.PanelConfig{Baud: 9600, Slack: 50 * time.Millisecond}
	for i := range readers {
		c.Devices = append(c.Devices, osdp.DeviceConfig{Address: uint8(i), Key: key(t, '0'+byte(i))})
	}
	b, err := osdptest.NewBench(c, readers...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// waits are how long 200 short scans at reader 1 took to arrive, in order of length.
func waits(t *testing.T, b *osdptest.Bench) (all []time.Duration) {
	t.Helper()
	for i := range 200 {
		b.Run(time.Duration(i*37%400) * time.Millisecond)
		shown := b.Now
		b.Readers[1].Scan("TURNSTILE")
		if !b.Until(5*time.Second, func() bool { return len(texts(b, 1)) == i+1 }) {
			t.Fatalf("scan %d did not come: %+v", i, status(t, b, 1))
		}
		all = append(all, b.Now.Sub(shown))
	}
	slices.Sort(all)
	return all
}

// On a slow line a dead reader costs the other one no session, and a scan seldom
// more than the poll: half of them take as long as beside a healthy reader.
func TestDeadNeighbourAt9600(t *testing.T) {
	for name, when := range map[string]func(b *osdptest.Bench){
		"none": func(b *osdptest.Bench) { online(t, b, 0) },
		"dead from the start": func(b *osdptest.Bench) {
			b.Readers[0].Spoil(func(_, _ []byte) []byte { return nil })
		},
		"dies": func(b *osdptest.Bench) {
			online(t, b, 0)
			b.Readers[0].Spoil(func(_, _ []byte) []byte { return nil })
		},
	} {
		b := slowBench(t, good(t, 0), good(t, 1))
		when(b)
		online(t, b, 1)
		w := waits(t, b)
		// Virtual time: these are properties of the schedule, not of the machine.
		if median, longest := w[len(w)/2], w[len(w)-1]; median > 100*time.Millisecond || longest > 400*time.Millisecond {
			t.Errorf("%s: half take %v, the longest %v", name, median, longest)
		}
		if s := status(t, b, 1); s.Line.ErrorRate() != 0 || s.Line.Sessions != 1 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// A reader that speaks as long as it can at each turn, for which a slow line has no
// cure, makes the other one wait and harms it no more.
func TestLongWindedNeighbourAt9600(t *testing.T) {
	b := slowBench(t, good(t, 0), good(t, 1))
	b.Readers[0].Spoil(func(command, answer []byte) []byte {
		if command[2] != 0 {
			return answer
		}
		return append([]byte{0x53, 0x80, 0xA0, 5, 4}, make([]byte, osdp.MaxPacket-5)...)
	})
	online(t, b, 1)
	w := waits(t, b)
	if longest := w[len(w)-1]; longest > 2*time.Second {
		t.Errorf("the longest takes %v", longest)
	}
	if s := status(t, b, 1); s.Line.Sessions != 1 || s.Alarm != 0 {
		t.Errorf("%+v", s)
	}
}

// An adapter that reads back what it sends, as some for RS-485 do, changes nothing.
func TestEcho(t *testing.T) {
	one, two := good(t, 0), good(t, 1)
	b := bench(t, one, two)
	one.Spoil(func(command, answer []byte) []byte { return append(bytes.Clone(command), answer...) })
	online(t, b, 0)
	online(t, b, 1)
	for range 100 {
		one.Scan("ONE")
		two.Scan("TWO")
		b.Run(100 * time.Millisecond)
	}
	for a := range uint8(2) {
		if s := status(t, b, a); len(texts(b, a)) != 100 || s.Line.ErrorRate() != 0 || s.Line.Sessions != 1 || s.Alarm != 0 {
			t.Errorf("reader %d: %d texts, %+v", a, len(texts(b, a)), s)
		}
	}
	// A reader that is dead behind it has still not said one byte.
	one.Spoil(func(command, _ []byte) []byte { return bytes.Clone(command) })
	b.Run(5 * time.Second)
	if l := status(t, b, 0).Line; l.TimeOuts < 5 || l.Garbled != 0 {
		t.Errorf("a dead reader: %+v", l)
	}
}

// A USB adapter that nobody set right holds bytes for 16 ms each way.
func TestSlowAdapter(t *testing.T) {
	b := slowBench(t, good(t, 0), good(t, 1))
	b.Held = 16 * time.Millisecond
	online(t, b, 0)
	online(t, b, 1)
	b.Readers[0].Scan(string(bytes.Repeat([]byte("Q"), 1024)))
	if w := waits(t, b); w[len(w)/2] > 200*time.Millisecond {
		t.Errorf("half take %v", w[len(w)/2])
	}
	for a := range uint8(2) {
		if s := status(t, b, a); s.Line.ErrorRate() != 0 || s.Line.Sessions != 1 || len(texts(b, a)) == 0 {
			t.Errorf("reader %d: %+v", a, s)
		}
	}
}
