package osdpreader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnstile/firmware-bridge/capture"
	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/osdp/osdptest"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/serialport"
	"turnstile/firmware-bridge/serialport/serialtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keyText is a key for the reader at address.
func keyText(address int) string { return fmt.Sprintf("%d8f3a0c51d2779be4406f1e8835b2c9d", address) }

func keyFile(t testing.TB, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reader.key")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// rig is a bus on a virtual line with two readers at its far end.
type rig struct {
	t       testing.TB
	bus     *Bus
	config  BusConfig
	line    *serialtest.Line
	readers []*osdptest.Reader
	playing chan error

	mu     sync.Mutex // guards the following
	events []osdp.Event
}

func newRig(t testing.TB, change func(*BusConfig)) *rig {
	t.Helper()
	r := &rig{t: t, line: serialtest.New(filepath.Join(t.TempDir(), "rs485"))}
	r.config = BusConfig{Port: serialport.Config{Path: r.line.Link(), Baud: 115200}, Poll: 5 * time.Millisecond, Slack: time.Second, Notice: r.note} // a busy machine's readers
	for i := range 2 {
		path := keyFile(t, keyText(i)+"\n", 0o600)
		key, err := ReadKey(path)
		if err != nil {
			t.Fatal(err)
		}
		reader, err := osdptest.NewReader(osdptest.Config(uint8(i), key))
		if err != nil {
			t.Fatal(err)
		}
		r.readers = append(r.readers, reader)
		r.config.Readers = append(r.config.Readers, ReaderConfig{Address: i, KeyFile: path, TextBytes: 4})
	}
	if change != nil {
		change(&r.config)
	}
	var err error
	if r.bus, err = NewBus(r.config); err != nil {
		t.Fatal(err)
	}
	r.plug()
	t.Cleanup(r.unplug)
	return r
}

func (r *rig) note(e osdp.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// saw reports whether an event of this kind was told of.
func (r *rig) saw(kind osdp.EventKind) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.events, func(e osdp.Event) bool { return e.Kind == kind })
}

func (r *rig) plug() {
	if err := r.line.Plug(); err != nil {
		r.t.Fatal(err)
	}
	far, err := r.line.Far()
	if err != nil {
		r.t.Fatal(err)
	}
	playing := make(chan error, 1)
	r.playing = playing
	go func() { playing <- osdptest.Play(far, r.readers...) }()
}

func (r *rig) unplug() {
	r.line.Unplug()
	if r.playing != nil {
		<-r.playing
		r.playing = nil
	}
}

func (r *rig) reader(address int) *Reader {
	r.t.Helper()
	got, err := r.bus.Reader(address)
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

// start runs a reader until the returned stop is called or the test ends, and
// waits until it is online.
func (r *rig) start(address int) (stop func()) {
	r.t.Helper()
	s := r.reader(address)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(stop)
	scannertest.Until(r.t, "the reader is online", func() bool { return s.Stats().Connected })
	return stop
}

// Each of the two readers keeps the contract, alone and with the other beside it.
func TestConform(t *testing.T) {
	for address := range 2 {
		for _, beside := range []bool{false, true} {
			t.Run(fmt.Sprintf("reader %d, other runs %v", address, beside), func(t *testing.T) {
				scannertest.Conform(t, func(t *testing.T) scannertest.Bench {
					r := newRig(t, nil)
					if beside {
						r.start(1 - address)
					}
					return scannertest.Bench{
						Scanner: r.reader(address), Unplug: r.unplug, Plug: r.plug,
						Scan: func(text string) { r.readers[address].Scan("]Q1" + text + "\r\n") },
					}
				})
			})
		}
	}
}

// Readers begin and end in any order; one that ends is not asked any more and
// does not disturb the other.
func TestReadersComeAndGo(t *testing.T) {
	r := newRig(t, nil)
	stop0 := r.start(0)
	r.start(1)
	sessions := r.reader(1).Status().Line.Sessions
	stop0()
	sent := r.reader(0).Status().Line.Sent
	for i := range 20 {
		text := fmt.Sprintf("CODE%d", i)
		r.readers[1].Scan(text)
		if got := scannertest.Next(t, r.reader(1)); string(got.Text) != text || got.Bits != 0 {
			t.Fatalf("got %+v", got)
		}
	}
	s := r.reader(1).Status()
	if s.Line.Sessions != sessions || r.reader(0).Status().Line.Sent != sent {
		t.Errorf("%+v, and %d commands to a reader that has stopped", s, r.reader(0).Status().Line.Sent-sent)
	}
	if st := r.reader(0).Stats(); st.Connected || st.Err != nil {
		t.Errorf("a stopped reader: %+v", st)
	}
}

// One reader that is cut off, or babbles, costs the other no session and no scan.
func TestBadNeighbourOnARealLine(t *testing.T) {
	for name, spoil := range map[string]osdptest.Spoil{
		"silent":   func(_, _ []byte) []byte { return nil },
		"garbling": func(_, a []byte) []byte { return bytes.Repeat([]byte{0x53}, len(a)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *BusConfig) { c.Slack = 0 }) // the bad one is waited for again and again
			r.start(0)
			r.start(1)
			r.readers[0].Spoil(spoil)
			for i := range 30 {
				text := fmt.Sprintf("CODE%d", i)
				r.readers[1].Scan(text)
				if got := scannertest.Next(t, r.reader(1)); string(got.Text) != text {
					t.Fatalf("got %+v", got)
				}
			}
			if s := r.reader(1).Status(); s.Line.Sessions != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestTextsAndCards(t *testing.T) {
	r := newRig(t, func(c *BusConfig) { c.Readers[0].TextBytes = 0 })
	r.start(0)
	long := strings.Repeat("ABCDEFGH", 128)
	for _, c := range []struct {
		raw  osdp.Raw
		text string
		bits int
	}{
		{osdp.Raw{Bits: 8 * 141, Data: bytes.Repeat([]byte("Q"), 141)}, strings.Repeat("Q", 141), 0},
		{osdp.Raw{Bits: 8192, Data: []byte(long)}, long, 0},
		{osdp.Raw{Bits: 96, Data: []byte("\x02ABCDEFGHIJ\x03")}, "ABCDEFGHIJ", 0},
		{osdp.Raw{Bits: 26, Format: 1, Data: []byte{0x80, 0, 0, 0x80}}, "2000002", 26},
		{osdp.Raw{Bits: 37, Data: []byte{0, 0, 0, 0, 0x08}}, "0000000001", 37},
		{osdp.Raw{Bits: 32, Data: []byte("ABCD")}, "41424344", 32},
		{osdp.Raw{Bits: 96, Format: 1, Data: []byte("ABCDEFGHIJKL")}, "4142434445464748494A4B4C", 96},
		{osdp.Raw{Bits: 128, Data: append([]byte("ABCDEFGHIJKLMNO"), 0xFF)}, "4142434445464748494A4B4C4D4E4FFF", 128},
		{osdp.Raw{Bits: 1, Data: []byte{0xFF}}, "1", 1},
	} {
		r.readers[0].Offer(c.raw)
		got := scannertest.Next(t, r.reader(0))
		if string(got.Text) != c.text || got.Bits != c.bits {
			t.Errorf("%d bits: got %q, %d", c.raw.Bits, got.Text, got.Bits)
		}
	}
	for _, raw := range []osdp.Raw{{}, {Bits: 2000, Format: 1, Data: make([]byte, 250)}, {Bits: 8 * 1030, Data: bytes.Repeat([]byte("A"), 1030)}, {Bits: 8 * 14, Data: []byte("AAAAAAAAAAAA\r\n")}} {
		r.readers[0].Offer(raw)
	}
	if got := scannertest.Next(t, r.reader(0)); string(got.Text) != "AAAAAAAAAAAA" {
		t.Errorf("got %q", got.Text)
	}
	if s := r.reader(0).Stats(); s.Noise != 1 || s.Oversized != 2 || s.Scans != 10 {
		t.Errorf("%+v", s)
	}
}

func TestSend(t *testing.T) {
	r := newRig(t, nil)
	if err := r.reader(0).Send(osdp.Buzzer{}); !errors.Is(err, osdp.ErrOffline) {
		t.Errorf("before Run: %v", err)
	}
	r.start(0)
	want := osdp.Message(osdp.Buzzer{Tone: 2, On: 1, Count: 1})
	if err := r.reader(0).Send(want); err != nil {
		t.Fatal(err)
	}
	scannertest.Until(t, "the reader sounds", func() (done bool) {
		r.readers[0].Do(func(p *osdp.Peripheral) { done = slices.Contains(p.Commands(), want) })
		return done
	})
}

// A reader's tamper switch is told of, when it comes online and when it changes;
// what people show and type is not.
func TestNotices(t *testing.T) {
	r := newRig(t, nil)
	r.start(0)
	status := func(want osdp.LocalStatus) func() bool {
		return func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return slices.ContainsFunc(r.events, func(e osdp.Event) bool { return e.Message == osdp.Message(want) })
		}
	}
	scannertest.Until(t, "the reader is well", status(osdp.LocalStatus{}))
	r.readers[0].Offer(osdp.Keypad{Digits: []byte("1234")})
	r.readers[0].Offer(osdp.Other{ID: osdp.ReplyManufacturer, Data: []byte("SECRET")})
	r.readers[0].Offer(osdp.Other{ID: 0x51, Data: []byte("SECRET")}) // FMT
	r.readers[0].Scan("SECRET")
	r.readers[0].Do(func(p *osdp.Peripheral) { p.SetStatus(osdp.LocalStatus{Tamper: 1}) })
	scannertest.Until(t, "the reader is opened", status(osdp.LocalStatus{Tamper: 1}))
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		switch e.Message.(type) {
		case osdp.Raw, osdp.Keypad, osdp.Other:
			t.Errorf("told of %+v", e)
		}
	}
	if s := r.reader(0).Stats(); s.Noise != 2 || s.Scans != 1 {
		t.Errorf("%+v", s)
	}
}

// Install and Rekey on a real line, and what a capture of a rekeying holds.
func TestInstallAndRekey(t *testing.T) {
	var out bytes.Buffer
	tap := capture.NewWriter(&out, "test")
	r := newRig(t, func(c *BusConfig) { c.Port.Tap = tap })
	c := osdptest.Config(0, osdp.Key{})
	c.Install = true
	fresh, err := osdptest.NewReader(c)
	if err != nil {
		t.Fatal(err)
	}
	r.unplug()
	r.readers[0] = fresh
	r.plug()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.reader(0).Run(ctx) }()
	scannertest.Until(t, "the reader is refused", func() bool { return errors.Is(r.reader(0).Stats().Err, osdp.ErrRefused) })
	if err := r.bus.Install(0, time.Minute); err != nil {
		t.Fatal(err)
	}
	scannertest.Until(t, "the reader is online", func() bool { return r.reader(0).Stats().Connected })
	if !r.saw(osdp.EventInstallOpened) || !r.saw(osdp.EventInstallClosed) || !r.saw(osdp.EventAlarm) || r.reader(0).Status().Install {
		t.Error("events are missing")
	}
	if err := r.bus.Rekey(0, keyFile(t, keyText(7), 0o600)); err != nil {
		t.Fatal(err)
	}
	want, err := osdp.ParseKey([]byte(keyText(7)))
	if err != nil {
		t.Fatal(err)
	}
	scannertest.Until(t, "the reader has the new key", func() (has bool) {
		fresh.Do(func(p *osdp.Peripheral) { has = p.Config().Key == want && p.Secure() })
		return has
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := tap.Flush(); err != nil {
		t.Fatal(err)
	}
	captured(t, &out, want)
}

// captured checks that a capture can be read and holds no key.
func captured(t *testing.T, out *bytes.Buffer, key osdp.Key) {
	t.Helper()
	chunks, err := capture.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	var in, sent osdp.Decoder
	packets, keys := 0, 0
	for _, c := range chunks {
		d := &in
		if c.Sent {
			d = &sent
		}
		d.Feed(c.Data, func(p osdp.Packet, err error) {
			if packets++; err == nil && !p.Reply && p.Code == osdp.CmdKeySet {
				keys++
				if bytes.Contains(p.Data, key[:]) {
					t.Error("the key stands in the capture")
				}
			}
		})
	}
	if packets < 20 || keys < 2 {
		t.Errorf("%d packets, %d KEYSET", packets, keys)
	}
}

func TestErrorsOfCallers(t *testing.T) {
	r := newRig(t, nil)
	if _, err := r.bus.Reader(9); !errors.Is(err, ErrReader) {
		t.Error(err)
	}
	if err := r.bus.Install(9, time.Minute); !errors.Is(err, ErrReader) {
		t.Error(err)
	}
	if err := r.bus.Install(0, time.Hour); !errors.Is(err, osdp.ErrWindow) {
		t.Error(err)
	}
	if err := r.bus.Install(0, time.Minute); !errors.Is(err, osdp.ErrStopped) {
		t.Errorf("an install window before Run: %v", err)
	}
	if err := r.bus.CloseInstall(0); err != nil {
		t.Error(err)
	}
	if err := r.bus.Rekey(0, "nowhere"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := r.bus.Rekey(0, keyFile(t, keyText(5), 0o600)); !errors.Is(err, osdp.ErrOffline) {
		t.Error(err)
	}
}

// A pinned cUID that is not the reader's is refused.
func TestPinnedCUID(t *testing.T) {
	r := newRig(t, func(c *BusConfig) { c.Readers[0].CUID = "0011223344556677" })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.reader(0).Run(ctx) }()
	scannertest.Until(t, "the reader is refused", func() bool { return r.reader(0).Status().Alarm == osdp.AlarmIdentity })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

var _ scanner.Scanner = (*Reader)(nil)

// Whatever a visitor shows, what comes out keeps the contract.
func FuzzRead(f *testing.F) {
	f.Add([]byte("]Q1TURNSTILE1234\r\n"), uint8(0), uint8(0))
	f.Add([]byte{0x80, 0, 0, 0x80}, uint8(1), uint8(6))
	f.Add(bytes.Repeat([]byte("A"), 1100), uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, format, less uint8) {
		data = data[:min(len(data), 8000)]
		bits := 8*len(data) - int(less%8)
		if bits < 0 {
			return
		}
		r := newReader(nil, ReaderConfig{})
		scans := r.read(osdp.Raw{Format: format, Bits: uint16(bits), Data: data}, time.Now())
		n := r.texts.Stats()
		if sum := r.stats.Scans + r.stats.Noise + r.stats.Oversized + n.Scans + n.Noise + n.Oversized + n.Empty + n.NoRead; sum != 1 || len(scans) > 1 {
			t.Fatalf("counted %d times, %d scans", sum, len(scans))
		}
		for _, s := range scans {
			if len(s.Text) == 0 || len(s.Text) > scanner.MaxText || bytes.ContainsFunc(s.Text, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Fatalf("%q", s.Text)
			}
			if s.Bits > 0 && len(s.Text) != (s.Bits+3)/4 {
				t.Fatalf("%d bits in %q", s.Bits, s.Text)
			}
		}
	})
}

// From a scan at the reader to the scan in the lane, over a pseudo-terminal.
func BenchmarkScan(b *testing.B) {
	b.ReportAllocs()
	r := newRig(b, nil)
	r.start(0)
	s := r.reader(0)
	text := strings.Repeat("A", 141)
	for b.Loop() {
		r.readers[0].Scan(text)
		<-s.Scans()
	}
}
