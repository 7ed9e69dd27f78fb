package lane

import (
	"crypto/ed25519"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/agent/access"
	"turnstile/agent/journal"
	"turnstile/agent/presence"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner"
)

// bare is what a durable decision cannot do without: one signature check, one
// preallocated append, one fdatasync.
type bare struct {
	f    *os.File
	off  int64
	p    pass.Pass
	sig  []byte
	data [link.EntrySize]byte
}

func newBare(b *testing.B, p pass.Pass) *bare {
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	if _, err := f.Write(make([]byte, 8<<20)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	return &bare{f: f, p: p, sig: ed25519.Sign(signingKey, p.Message())}
}

func (l *bare) once(b *testing.B) {
	if !ed25519.Verify(signingKey.Public().(ed25519.PublicKey), l.p.Message(), l.sig) {
		b.Fatal("bad signature")
	}
	if _, err := l.f.WriteAt(l.data[:], l.off); err != nil {
		b.Fatal(err)
	}
	if err := unix.Fdatasync(int(l.f.Fd())); err != nil {
		b.Fatal(err)
	}
	l.off += link.EntrySize
}

// BenchmarkTextToDurableGrant holds the way from a scan to the grant in the
// journal against the bare minimum, interleaved and paced like people at a gate.
func BenchmarkTextToDurableGrant(b *testing.B) {
	j, _, err := journal.Open(filepath.Join(b.TempDir(), "journal"), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	f := goodFacts()
	g := gatetest.New()
	go g.Run(b.Context())
	r := &Recorder{Journal: j, Presence: presence.New(), Facts: func() access.Facts { return f }, Now: func() time.Time { return noon }, Start: time.Now()}
	l := New(Setup{Number: 1, Zone: testZone, Gate: g, Record: r, Log: slog.New(slog.DiscardHandler)})
	<-g.Events()
	l.state = Deciding
	text := []byte(codeOf(1, nil))
	p := pass.Pass{Kind: pass.ECard, KeyID: 7, Day: testDay, Index: 1, Start: -480, Length: 144, Zones: 1 << testZone}
	limit := newBare(b, p)
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	var own, floor []float64
	for b.Loop() {
		<-pace.C
		start := time.Now()
		l.scan = incoming{scanner.Scan{Text: text, At: start}, gate.In}
		if l.decide() != granted {
			b.Fatal("refused")
		}
		own = append(own, float64(time.Since(start)))
		<-pace.C
		start = time.Now()
		limit.once(b)
		floor = append(floor, float64(time.Since(start)))
	}
	b.ReportMetric(middle(own), "ns/grant")
	b.ReportMetric(middle(floor), "ns/limit")
	b.ReportMetric(middle(own)/middle(floor), "ratio")
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
