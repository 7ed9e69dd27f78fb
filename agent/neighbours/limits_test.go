package neighbours

import (
	"net/netip"
	"testing"
	"time"
)

// TestSources: so many addresses are told apart; those that good messages come
// from keep their place, all others share what strangers may spend.
func TestSources(t *testing.T) {
	l := newLimits()
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range maxSources {
		s := l.source(at(i), now)
		if s == nil {
			t.Fatalf("no place for address %d", i)
		}
		s.good = now
	}
	if l.source(at(maxSources), now) != nil || len(l.sources) != maxSources {
		t.Fatalf("%d addresses", len(l.sources))
	}
	checked := 0
	for range 2000 {
		if l.allow(nil, now, 1) {
			checked++
		}
	}
	if checked != burst*strangerRate {
		t.Errorf("%d of strangers' messages are checked", checked)
	}
	if !l.allow(l.source(at(0), now), now, 1) {
		t.Error("strangers use up what neighbours may spend")
	}
	later := now.Add(sourceLife + time.Second)
	if l.source(at(maxSources), later) == nil || len(l.sources) != 1 {
		t.Errorf("%d addresses after they were silent", len(l.sources))
	}
}

// TestBucket: a clock that is set back gives nothing, and takes nothing for long.
func TestBucket(t *testing.T) {
	b := newBucket(10)
	if !b.take(now, 20) || b.take(now, 1) {
		t.Error("the burst is not two seconds' worth")
	}
	if b.take(now.Add(-time.Hour), 1) {
		t.Error("a clock that is set back gives tokens")
	}
	if !b.take(now.Add(-time.Hour+time.Second), 10) {
		t.Error("no tokens a second later")
	}
	if b.take(now.Add(100*time.Hour), 21) || !b.take(now.Add(100*time.Hour), 20) {
		t.Error("more than the burst after a jump")
	}
}
