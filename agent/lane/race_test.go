package lane

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"turnstile/central/link"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner/scannertest"
)

// TestTwoLanesOneCode shows one single-entry code at many lanes of an agent at
// the same moment: one gate opens.
func TestTwoLanesOneCode(t *testing.T) {
	const lanes = 8
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, &memory{})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		gates, scanners := [lanes]*gatetest.Fake{}, [lanes]*scannertest.Fake{}
		for i := range lanes {
			gates[i], scanners[i] = gatetest.New(), scannertest.New()
			l := New(Setup{
				Number: uint8(i + 1), Zone: testZone, Gate: gates[i], Record: p.record,
				Readers: []Reader{{Name: "in", Scanner: scanners[i], Direction: gate.In}}, Log: slog.New(slog.DiscardHandler),
			})
			wg.Go(func() {
				if err := l.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		text := codeOf(1, single)
		for i := range lanes {
			scanners[i].Scan(text)
		}
		synctest.Wait()
		opened := 0
		for _, g := range gates {
			opened += g.Openings()
		}
		granted := 0
		for _, e := range p.journal.about() {
			if e.Type == link.EntryGranted {
				granted++
			}
		}
		if opened != 1 || granted != 1 || len(p.journal.about()) != lanes {
			t.Errorf("%d gates opened, %d grants, %d decisions", opened, granted, len(p.journal.about()))
		}
		cancel()
		wg.Wait()
	})
}
