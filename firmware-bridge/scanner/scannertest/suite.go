package scannertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"turnstile/firmware-bridge/scanner"
)

// Patience bounds every wait of the suite. It is a deadline, not a measurement.
const Patience = 20 * time.Second

// Bench is a scanner that is not running yet, and the hands that work its device.
type Bench struct {
	Scanner scanner.Scanner
	Scan    func(text string) // the device reads a symbol with this text
	Unplug  func()            // nil for one that cannot be pulled
	Plug    func()
	// Text is what the scan of a text reads, for a device that carries numbers
	// only: a different one for each text. nil means the text itself.
	Text func(text string) string
}

// reads returns what the scan of text has to read.
func (b Bench) reads(text string) string {
	if b.Text == nil {
		return text
	}
	return b.Text(text)
}

// Conform runs the whole suite; setup makes a fresh bench for each test.
func Conform(t *testing.T, setup func(t *testing.T) Bench) {
	t.Run("Delivers", func(t *testing.T) { delivers(t, setup(t)) })
	t.Run("OldestDropped", func(t *testing.T) { oldestDropped(t, setup(t)) })
	t.Run("RunTwice", func(t *testing.T) { runTwice(t, setup(t)) })
	t.Run("ClosesScans", func(t *testing.T) { closesScans(t, setup(t)) })
	t.Run("EndedBefore", func(t *testing.T) { endedBefore(t, setup(t)) })
	if b := setup(t); b.Unplug != nil {
		t.Run("Replug", func(t *testing.T) { replug(t, b) })
		t.Run("StopWhileGone", func(t *testing.T) { stopWhileGone(t, setup(t)) })
	}
}

// start runs the bench's scanner until the returned stop is called or the test ends.
func start(t *testing.T, b Bench) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Scanner.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run ended with %v", err)
			}
		case <-time.After(Patience):
			t.Errorf("Run did not return after its context ended")
		}
	}
	t.Cleanup(stop)
	Until(t, "the scanner is connected", func() bool { return b.Scanner.Stats().Connected })
	return stop
}

// Until polls cond and fails the test when it stays false.
func Until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(Patience); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// Next returns the next scan and fails the test when none comes.
func Next(t testing.TB, s scanner.Scanner) scanner.Scan {
	t.Helper()
	select {
	case got, ok := <-s.Scans():
		if !ok {
			t.Fatal("Scans was closed while a scan was awaited")
		}
		promised(t, got)
		return got
	case <-time.After(Patience):
		t.Fatalf("no scan came; stats %+v", s.Stats())
	}
	return scanner.Scan{}
}

// promised fails the test when s breaks what scanner.Scan says of it.
func promised(t testing.TB, s scanner.Scan) {
	t.Helper()
	switch n := len(s.Text); {
	case n == 0 || n > scanner.MaxText || !utf8.Valid(s.Text) || bytes.ContainsFunc(s.Text, unicode.IsControl):
		t.Errorf("scan of %d bytes that is no text: %.80q", n, s.Text)
	case s.Bits < 0 || s.Bits > 0 && (n != (s.Bits+3)/4 || len(bytes.Trim(s.Text, "0123456789ABCDEF")) > 0):
		t.Errorf("card number of %d bits reads %q", s.Bits, s.Text)
	case s.At == s.At.Round(0):
		t.Errorf("scan at %v, without a monotonic reading", s.At)
	}
}

func delivers(t *testing.T, b Bench) {
	before, channel := time.Now(), b.Scanner.Scans()
	start(t, b)
	var first, kept []byte
	for i := range 5 {
		text := fmt.Sprintf("TURNSTILE%d", i)
		b.Scan(text)
		want := b.reads(text)
		got := Next(t, b.Scanner)
		if string(got.Text) != want {
			t.Fatalf("got %q, want %q", got.Text, want)
		}
		if got.At.Before(before) || got.At.After(time.Now()) {
			t.Errorf("scan at %v, outside the test", got.At)
		}
		if i == 0 {
			first, kept = got.Text, bytes.Clone(got.Text)
		}
	}
	if !bytes.Equal(first, kept) {
		t.Errorf("the first scan, which is ours, became %q", first)
	}
	if b.Scanner.Scans() != channel {
		t.Error("Scans returned another channel")
	}
	if n := b.Scanner.Stats().Scans; n != 5 {
		t.Errorf("Stats().Scans = %d, want 5", n)
	}
}

func oldestDropped(t *testing.T, b Bench) {
	start(t, b)
	n := cap(b.Scanner.Scans()) + 3
	if n == 3 {
		t.Fatal("Scans is not buffered")
	}
	for i := range n {
		b.Scan(fmt.Sprintf("SCAN%03d", i))
		Until(t, "the scan is counted", func() bool { return b.Scanner.Stats().Scans == uint64(i+1) })
	}
	if d := b.Scanner.Stats().Dropped; d != 3 {
		t.Errorf("Stats().Dropped = %d, want 3", d)
	}
	if got := Next(t, b.Scanner); string(got.Text) != b.reads("SCAN003") {
		t.Errorf("oldest scan left is %q, want that of SCAN003", got.Text)
	}
}

func runTwice(t *testing.T, b Bench) {
	start(t, b)
	if err := b.Scanner.Run(context.Background()); !errors.Is(err, scanner.ErrStarted) {
		t.Errorf("second Run gave %v, want ErrStarted", err)
	}
}

func closesScans(t *testing.T, b Bench) {
	stop := start(t, b)
	b.Scan("LAST")
	Until(t, "the scan is counted", func() bool { return b.Scanner.Stats().Scans == 1 })
	stop()
	if got := Next(t, b.Scanner); string(got.Text) != b.reads("LAST") {
		t.Errorf("after Run got %q, want that of LAST", got.Text)
	}
	over(t, b)
}

// over fails the test unless the scanner has let go of everything.
func over(t *testing.T, b Bench) {
	t.Helper()
	select {
	case got, ok := <-b.Scanner.Scans():
		if ok {
			t.Errorf("a scan after Run returned: %q", got.Text)
		}
	default:
		t.Error("Scans still open after Run returned")
	}
	if s := b.Scanner.Stats(); s.Connected {
		t.Errorf("connected after Run returned: %+v", s)
	}
}

// endedBefore runs the scanner with a context that is over.
func endedBefore(t *testing.T, b Bench) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Scanner.Run(ctx); err != nil {
		t.Errorf("Run with an ended context gave %v", err)
	}
	over(t, b)
}

// stopWhileGone stops the scanner while there is no device.
func stopWhileGone(t *testing.T, b Bench) {
	stop := start(t, b)
	b.Unplug()
	Until(t, "the loss is seen", func() bool { return !b.Scanner.Stats().Connected })
	stop()
	over(t, b)
}

func replug(t *testing.T, b Bench) {
	start(t, b)
	for i := range uint64(2) {
		b.Unplug()
		Until(t, "the loss is seen", func() bool { s := b.Scanner.Stats(); return !s.Connected && s.Err != nil })
		b.Plug()
		Until(t, "it is back", func() bool { s := b.Scanner.Stats(); return s.Connected && s.Err == nil && s.Reopened == i+1 })
		b.Scan("AFTER")
		if got := Next(t, b.Scanner); string(got.Text) != b.reads("AFTER") {
			t.Errorf("after replug got %q", got.Text)
		}
	}
}
