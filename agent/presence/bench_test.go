package presence

import (
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// campusDay is 30,000 passes that came and went, half of it at another controller.
func campusDay() *Presence {
	p, n := New(), uint64(0)
	for i := range 30_000 {
		for j := range 4 {
			n += 2
			e := link.Entry{Type: link.EntryGranted, Lane: 1, Seq: n, Pass: pass.ID{Day: today, Index: uint32(i)},
				Direction: uint8(1 + j%2), Wall: int64(n), Clock: link.ClockTrusted}
			r := e
			r.Type, r.Grant, r.Seq = link.EntryPassed, n, n+1
			if j < 2 {
				p.Apply(e)
				p.Apply(r)
				continue
			}
			p.Remote("south-1", link.JournalID{1}, e, time.Time{})
			p.Remote("south-1", link.JournalID{1}, r, time.Time{})
		}
	}
	return p
}

func BenchmarkCheckpoint(b *testing.B) {
	p := campusDay()
	for b.Loop() {
		b.SetBytes(int64(len(p.encode())))
	}
}

// BenchmarkDecode is what a start waits for.
func BenchmarkDecode(b *testing.B) {
	data := campusDay().encode()
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRemote is word that comes again at rush hour, when thousands of grants are
// under way: decisions wait for as long.
func BenchmarkRemote(b *testing.B) {
	p, now := New(), time.Now()
	word := func(i int) {
		p.Remote("south-1", link.JournalID{1}, link.Entry{Type: link.EntryGranted, Lane: 1, Seq: uint64(i) + 1, Pass: pass.ID{Day: today, Index: uint32(i)}, Direction: 1}, now)
	}
	for i := range 6000 {
		word(i)
	}
	for b.Loop() {
		word(0)
	}
}
