package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"
	"time"
)

const limit = 20 * time.Second

// client speaks NBD as QEMU does.
type client struct {
	t *testing.T
	net.Conn
}

// attach plugs a disk into a client; both end with the test.
func attach(t *testing.T, d *Disk) client {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "nbd"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return dial(t, d, l.Addr().String())
}

func dial(t *testing.T, d *Disk, path string) client {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(limit))
	c := client{t, conn}
	if got := c.take(18); !bytes.Equal(got, []byte("NBDMAGICIHAVEOPT\x00\x03")) {
		t.Fatalf("greeted with %q", got)
	}
	c.put([]byte{0, 0, 0, 3})
	c.option(10, nil) // structured replies, which this server has not
	if got := c.take(20); binary.BigEndian.Uint32(got[12:]) != 1<<31|1 {
		t.Fatalf("an option that is not known is answered with %x", got)
	}
	c.option(7, []byte{0, 0, 0, 0, 0, 0})
	info := c.take(20 + 12)
	if size := binary.BigEndian.Uint64(info[22:]); size != uint64(len(d.Image())) {
		t.Fatalf("the disk says that it has %d bytes", size)
	}
	if ack := c.take(20); binary.BigEndian.Uint32(ack[12:]) != 1 {
		t.Fatalf("no acknowledgement: %x", ack)
	}
	return c
}

func (c client) put(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c client) take(n int) []byte {
	c.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		c.t.Fatal(err)
	}
	return b
}

func (c client) option(n uint32, data []byte) {
	c.t.Helper()
	b := binary.BigEndian.AppendUint32([]byte("IHAVEOPT"), n)
	c.put(append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...))
}

func (c client) send(flags, command uint16, off uint64, n int, data []byte) {
	c.t.Helper()
	b := binary.BigEndian.AppendUint32(nil, 0x25609513)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint16(b, command)
	b = append(b, "a handle"...)
	b = binary.BigEndian.AppendUint64(b, off)
	c.put(append(binary.BigEndian.AppendUint32(b, uint32(n)), data...))
}

func (c client) answer() uint32 {
	c.t.Helper()
	h := c.take(16)
	if binary.BigEndian.Uint32(h) != 0x67446698 || string(h[8:]) != "a handle" {
		c.t.Fatalf("answered %x", h)
	}
	return binary.BigEndian.Uint32(h[4:])
}

func (c client) write(at int, content ...byte) uint32 {
	c.t.Helper()
	b := sectors(content...)
	c.send(0, 1, uint64(at*Sector), len(b), b)
	return c.answer()
}

func (c client) flush() uint32 { c.t.Helper(); c.send(0, 3, 0, 0, nil); return c.answer() }

// sectors is one sector full of each byte.
func sectors(content ...byte) (b []byte) {
	for _, c := range content {
		b = append(b, bytes.Repeat([]byte{c}, Sector)...)
	}
	return b
}

// letters is the first byte of each sector, after a check that each is whole.
func letters(t *testing.T, image []byte) string {
	t.Helper()
	var s []byte
	for ; len(image) > 0; image = image[Sector:] {
		if !bytes.Equal(image[:Sector], sectors(image[0])) {
			t.Fatal("a sector is torn in itself")
		}
		s = append(s, image[0])
	}
	return string(s)
}

func seeded(n int) *rand.Rand { return rand.New(rand.NewPCG(uint64(n), 1)) }

// script is a sequence of writes and flushes, and every state that a power cut
// after it may leave.
var script = []struct {
	name string
	do   func(m *medium)
	want []string
}{
	{"all flushed", func(m *medium) { m.write(0, sectors('A', 'B'), false); m.flush() }, []string{"AB--"}},
	{"two writes", func(m *medium) { m.write(0, sectors('A'), false); m.write(3*Sector, sectors('D'), false) }, []string{"----", "A---", "---D", "A--D"}},
	{"over a flushed one", func(m *medium) { m.write(0, sectors('A'), false); m.flush(); m.write(0, sectors('a'), false) }, []string{"A---", "a---"}},
	{"torn", func(m *medium) { m.write(0, sectors('A', 'B', 'C'), false) }, []string{"----", "A---", "-B--", "--C-", "AB--", "A-C-", "-BC-", "ABC-"}},
	{"overlapping", func(m *medium) { m.write(0, sectors('A'), false); m.write(0, sectors('a'), false) }, []string{"----", "A---", "a---"}},
	{"FUA over a cached one", func(m *medium) { m.write(0, sectors('A', 'B'), false); m.write(0, sectors('a'), true) }, []string{"a---", "aB--"}},
	{"FUA alone is no flush", func(m *medium) { m.write(Sector, sectors('B'), false); m.write(0, sectors('a'), true) }, []string{"a---", "aB--"}},
}

// TestStates compares the states that many seeds reach with those there are.
func TestStates(t *testing.T) {
	for _, s := range script {
		reached := map[string]int{}
		for seed := range 400 {
			m := medium{kept: sectors('-', '-', '-', '-')}
			s.do(&m)
			m.cut(seeded(seed))
			reached[letters(t, m.kept)]++
		}
		for _, w := range s.want {
			if reached[w] == 0 {
				t.Errorf("%s: never left %s: %v", s.name, w, reached)
			}
			delete(reached, w)
		}
		if len(reached) > 0 {
			t.Errorf("%s: left what cannot be: %v", s.name, reached)
		}
	}
}

// TestLiar: a disk that ignores flushes can lose what was flushed.
func TestLiar(t *testing.T) {
	lost := 0
	for seed := range 100 {
		m := medium{kept: sectors('-', '-', '-', '-'), lying: true}
		m.write(0, sectors('A'), false)
		m.flush()
		m.write(Sector, sectors('B'), true)
		if loss := m.cut(seeded(seed)); loss.Unflushed != 2 || loss.Kept+loss.Torn+loss.Dropped != 2 {
			t.Fatalf("%+v", loss)
		}
		if got := letters(t, m.kept); got[0] == '-' || got[1] == '-' {
			lost++
		}
	}
	if lost < 50 {
		t.Errorf("only %d of 100 lying disks lost anything", lost)
	}
}

func TestSession(t *testing.T) {
	d := New(sectors('-', '-', '-', '-'))
	c := attach(t, d)
	if r := c.write(1, 'B', 'C'); r != 0 || d.Unflushed() != 1 {
		t.Errorf("write: %d, %d in the cache", r, d.Unflushed())
	}
	c.send(0, 0, Sector, 2*Sector, nil)
	if r := c.answer(); r != 0 || letters(t, c.take(2*Sector)) != "BC" {
		t.Errorf("read: %d", r)
	}
	if r := c.flush(); r != 0 || letters(t, d.Image()) != "-BC-" {
		t.Errorf("flush: %d", r)
	}
	if c.send(1, 1, 0, Sector, sectors('A')); c.answer() != 0 || letters(t, d.Image()) != "ABC-" {
		t.Error("FUA is not durable")
	}
	for _, bad := range [][2]uint64{{4 * Sector, Sector}, {1 << 63, Sector}, {7, Sector}} {
		if c.send(0, 1, bad[0], int(bad[1]), sectors('X')); c.answer() != 22 {
			t.Errorf("wrote at %d", bad[0])
		}
	}
	if c.send(0, 9, 0, 0, nil); c.answer() != 22 {
		t.Error("did what it does not know")
	}
	if want := (Counts{Reads: 1, Writes: 2, Flushes: 1}); d.Counts() != want {
		t.Errorf("%+v, want %+v", d.Counts(), want)
	}
	c.send(0, 2, 0, 0, nil)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// silent checks that the disk does not answer.
func (c client) silent() {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); err == nil {
		c.t.Error("a frozen disk answered")
	}
}

func TestFreeze(t *testing.T) {
	for _, test := range []struct {
		name    string
		trip    Trip
		last    func(c client)
		content string // with the last write
	}{
		{"after a write", Trip{Writes: 2}, func(c client) { c.send(0, 1, Sector, Sector, sectors('B')) }, "AB--"},
		{"at a flush", Trip{Flushes: 1}, func(c client) { c.send(0, 3, 0, 0, nil) }, "A---"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := New(sectors('-', '-', '-', '-'))
			c := attach(t, d)
			tripped := d.Freeze(test.trip)
			if c.write(0, 'A') != 0 {
				t.Error("frozen too early")
			}
			test.last(c)
			<-tripped
			c.silent()
			if got := letters(t, d.Content()); got != test.content || letters(t, d.Image()) != "----" {
				t.Errorf("content %s, image %s", got, letters(t, d.Image()))
			}
			unflushed := d.Unflushed()
			if loss := d.Cut(seeded(1)); loss.Unflushed != unflushed || unflushed == 0 {
				t.Errorf("%+v", loss)
			}
			if letters(t, d.Content()) != letters(t, d.Image()) {
				t.Error("something is in the cache after a power cut")
			}
			again := dial(t, d, c.RemoteAddr().String())
			if again.write(3, 'D') != 0 || again.flush() != 0 || letters(t, d.Image())[3] != 'D' {
				t.Error("the disk does not work after a power cut")
			}
		})
	}
}

// TestVoid: what a computer had sent before the power cut changes nothing after it.
func TestVoid(t *testing.T) {
	d := New(sectors('-', '-', '-', '-'))
	c := attach(t, d)
	if c.flush() != 0 {
		t.Fatal("not attached")
	}
	d.Stop()
	c.send(0, 1, 0, Sector, sectors('A'))
	c.silent()
	d.Cut(seeded(1))
	if d.write(0, 0, sectors('A'), true) != failed || letters(t, d.Content()) != "----" {
		t.Error("a request of before the power cut was carried out")
	}
}

func TestWornAndSlow(t *testing.T) {
	d := New(sectors('-', '-', '-', '-'))
	c := attach(t, d)
	d.Slow(time.Millisecond)
	d.Fail()
	if c.write(0, 'A') != 5 || c.flush() != 0 || letters(t, d.Content()) != "----" || d.Counts().Failed != 1 {
		t.Errorf("a worn disk: %s, %+v", letters(t, d.Content()), d.Counts())
	}
	d.Cut(seeded(1))
	if again := dial(t, d, c.RemoteAddr().String()); again.write(0, 'A') != 0 {
		t.Error("a new disk is as worn as the old one")
	}
}

// TestReplay: a log leads to the states that the disk itself could have had.
func TestReplay(t *testing.T) {
	d := New(sectors('-', '-', '-', '-'))
	c := attach(t, d)
	c.write(3, 'D') // in the log's base
	log := d.Record()
	c.write(0, 'A')
	c.flush()
	c.write(1, 'B')
	if log.Len() != 3 {
		t.Fatalf("%d operations", log.Len())
	}
	for _, test := range []struct {
		at, unflushed int
		lying         bool
		want          []string
	}{{0, 0, false, []string{"---D"}}, {1, 1, false, []string{"---D", "A--D"}}, {2, 0, false, []string{"A--D"}}, {3, 1, false, []string{"A--D", "AB-D"}},
		{2, 1, true, []string{"---D", "A--D"}}} {
		p := log.Replay(test.lying)
		p.To(test.at)
		reached := map[string]bool{}
		for seed := range 50 {
			image, loss := p.State(seeded(seed))
			if reached[letters(t, image)] = true; loss.Unflushed != test.unflushed || p.Unflushed() != test.unflushed {
				t.Errorf("at %d: %+v", test.at, loss)
			}
		}
		for _, w := range test.want {
			if !reached[w] {
				t.Errorf("at %d: never left %s", test.at, w)
			}
		}
		if len(reached) != len(test.want) {
			t.Errorf("at %d: left %v, want %v", test.at, reached, test.want)
		}
	}
}
