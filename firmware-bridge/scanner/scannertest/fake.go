// Package scannertest has a scanner without a wire, and the suite that every scanner driver passes.
package scannertest

import (
	"context"
	"sync"
	"time"

	"turnstile/firmware-bridge/scanner"
)

// Room is how many scans wait in the fake's channel.
const Room = 16

// Fake is a scanner.Scanner whose scans come from the test. Use New.
type Fake struct {
	mu      sync.Mutex // guards the following
	scans   chan scanner.Scan
	stats   scanner.Stats
	started bool
	ended   bool
	lost    bool
}

// New returns a fake that is connected as soon as Run is called.
func New() *Fake { return &Fake{scans: make(chan scanner.Scan, Room)} }

// Run implements scanner.Scanner.
func (f *Fake) Run(ctx context.Context) error {
	f.mu.Lock()
	if f.started {
		f.mu.Unlock()
		return scanner.ErrStarted
	}
	f.started = true
	f.stats.Connected = !f.lost
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended, f.stats.Connected = true, false
	close(f.scans)
	return nil
}

// Scans implements scanner.Scanner.
func (f *Fake) Scans() <-chan scanner.Scan { return f.scans }

// Stats implements scanner.Scanner.
func (f *Fake) Stats() scanner.Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

// Scan delivers text as if it had just been read, and reports whether the fake
// was running and connected. The oldest scan is dropped when nobody reads.
func (f *Fake) Scan(text string) bool {
	return f.deliver(scanner.Scan{Text: []byte(text), Symbology: "Q1", At: time.Now()})
}

// Card is Scan for a card number of so many bits, in hexadecimal digits.
func (f *Fake) Card(bits int, digits string) bool {
	return f.deliver(scanner.Scan{Text: []byte(digits), Bits: bits, At: time.Now()})
}

func (f *Fake) deliver(s scanner.Scan) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.started || f.ended || f.lost {
		return false
	}
	f.stats.Scans++
	for {
		select {
		case f.scans <- s:
			return true
		default:
		}
		select {
		case <-f.scans:
			f.stats.Dropped++
		default:
		}
	}
}

// Lose makes the device vanish; err is what Stats then says.
func (f *Fake) Lose(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost, f.stats.Connected, f.stats.Err = true, false, err
}

// Find brings a lost device back.
func (f *Fake) Find() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost && f.started && !f.ended {
		f.stats.Connected = true
		f.stats.Reopened++
	}
	f.lost, f.stats.Err = false, nil
}
