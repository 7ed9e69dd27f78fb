package line

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/serialport"
	"turnstile/firmware-bridge/serialport/serialtest"
)

// bench is a driver on a virtual line and a hand that sends bytes.
func bench(t *testing.T) (scannertest.Bench, func(raw string)) {
	l := serialtest.New(filepath.Join(t.TempDir(), "scanner"))
	plug := func() {
		if err := l.Plug(); err != nil {
			t.Fatal(err)
		}
	}
	plug()
	t.Cleanup(l.Unplug)
	s, err := New(serialport.Config{Path: l.Link(), Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	send := func(raw string) {
		far, err := l.Far()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := far.WriteString(raw); err != nil {
			t.Fatal(err)
		}
	}
	return scannertest.Bench{
		Scanner: s, Unplug: l.Unplug, Plug: plug,
		Scan: func(text string) { send("]Q1" + text + "\r\n") },
	}, send
}

func TestConform(t *testing.T) {
	scannertest.Conform(t, func(t *testing.T) scannertest.Bench {
		b, _ := bench(t)
		return b
	})
}

// start runs the bench's scanner until the test ends.
func start(t *testing.T, s scanner.Scanner) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	scannertest.Until(t, "connected", func() bool { return s.Stats().Connected })
}

// After each kind of bad input the next good scan works, on a real line.
func TestBadInput(t *testing.T) {
	for name, c := range map[string]struct {
		raw   string
		count func(scanner.Stats) uint64
	}{
		"oversized": {strings.Repeat("A", 3000) + "\r\n", func(s scanner.Stats) uint64 { return s.Oversized }},
		"binary":    {"A\x00\x01\x7f\xff\r\n", func(s scanner.Stats) uint64 { return s.Noise }},
		"no read":   {"%%NoRead\r\n", func(s scanner.Stats) uint64 { return s.NoRead }},
		"empty":     {"]Q1\r\n", func(s scanner.Stats) uint64 { return s.Empty }},
		"no end":    {strings.Repeat("A", 3000), func(s scanner.Stats) uint64 { return s.Oversized }},
	} {
		t.Run(name, func(t *testing.T) {
			b, send := bench(t)
			start(t, b.Scanner)
			send(c.raw)
			scannertest.Until(t, "the bad frame is counted", func() bool { return c.count(b.Scanner.Stats()) == 1 })
			b.Scan("GOOD")
			if got := scannertest.Next(t, b.Scanner); string(got.Text) != "GOOD" || got.Symbology != "Q1" {
				t.Errorf("got %q %q", got.Text, got.Symbology)
			}
		})
	}
}

func TestSilenceEndsAFrame(t *testing.T) {
	b, send := bench(t)
	start(t, b.Scanner)
	send("NOEND")
	if got := scannertest.Next(t, b.Scanner); string(got.Text) != "NOEND" {
		t.Errorf("got %q", got.Text)
	}
}

// What a scanner sent before the lane came up is of nobody who stands there.
func TestScanBeforeStartIsNotDelivered(t *testing.T) {
	b, send := bench(t)
	send("STALE\r\n")
	start(t, b.Scanner)
	b.Scan("FRESH")
	if got := scannertest.Next(t, b.Scanner); string(got.Text) != "FRESH" {
		t.Errorf("got %q", got.Text)
	}
}

func TestHalfAScanDiesWithItsPort(t *testing.T) {
	b, send := bench(t)
	start(t, b.Scanner)
	b.Scan("WITH ITS END") // so that a busy computer does not end the half by itself
	scannertest.Next(t, b.Scanner)
	send("HALF")
	b.Unplug()
	scannertest.Until(t, "lost", func() bool { return !b.Scanner.Stats().Connected })
	b.Plug()
	scannertest.Until(t, "found", func() bool { return b.Scanner.Stats().Connected })
	b.Scan("WHOLE")
	if got := scannertest.Next(t, b.Scanner); string(got.Text) != "WHOLE" {
		t.Errorf("got %q", got.Text)
	}
}

func TestPortInUse(t *testing.T) {
	b, _ := bench(t)
	start(t, b.Scanner)
	second, err := New(b.Scanner.(*Scanner).port)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- second.Run(ctx) }()
	scannertest.Until(t, "the conflict is reported", func() bool { return errors.Is(second.Stats().Err, serialport.ErrBusy) })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := New(serialport.Config{Path: "x", Baud: 250000}); !errors.Is(err, serialport.ErrBaud) {
		t.Errorf("New with a bad rate: %v", err)
	}
}

// What a device kept while nobody listened arrives behind the opening: it is of
// somebody who has left.
func TestKeptByTheDevice(t *testing.T) {
	b, send := bench(t)
	s := b.Scanner.(*Scanner)
	p, err := serialport.Open(s.port)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	send("]Q1OF SOMEBODY WHO LEFT\r\n")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.session(ctx, p) }()
	scannertest.Until(t, "connected", func() bool { return s.Stats().Connected })
	send("]Q1OF WHO STANDS HERE\r\n")
	if got := scannertest.Next(t, s); string(got.Text) != "OF WHO STANDS HERE" {
		t.Errorf("got %q", got.Text)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
