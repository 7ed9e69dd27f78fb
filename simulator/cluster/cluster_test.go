package cluster

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/agent/feed"
	"turnstile/central/database"
	"turnstile/central/ledger"
	"turnstile/central/link"
)

// TestNATS: three centrals on PostgreSQL behind a cluster of three stock
// nats-servers; one or the other is killed every few seconds under load.
func TestNATS(t *testing.T) { run(t, withNATS) }

// TestMosquitto: the same with a mosquitto as the one broker.
func TestMosquitto(t *testing.T) { run(t, withMosquitto) }

func run(t *testing.T, broker func(*campus)) {
	began := time.Now()
	phase := func(what string) { t.Logf("%s after %s", what, time.Since(began).Round(100*time.Millisecond)) }
	c := openCampus(t, broker)
	phase("started")
	ctx, cancel := context.WithCancel(t.Context())
	working, rest := context.WithCancel(ctx)
	var people, all sync.WaitGroup
	t.Cleanup(func() { cancel(); all.Wait() })
	for _, l := range c.lanes {
		all.Go(func() { l.run(ctx, working) })
	}
	until(t, "all lanes have the feed", func() bool {
		return !slices.ContainsFunc(c.lanes, func(l *lane) bool { return !l.feed.View().HasFeed() || !l.uplink.Status().Connected })
	})
	phase("connected")
	desk := &officer{}
	people.Go(func() { desk.work(working, c) })
	deeds := c.storm(t, *length)
	rest()
	people.Wait()
	t.Logf("%d deeds by seed %d: %s", len(deeds), *seed, strings.Join(deeds, "; "))
	for _, p := range c.centrals {
		p.alive(t)
	}
	c.settle(t)
	phase("settled")
	c.checkLedger(t)
	c.checkFeed(t, desk)
	c.checkRefusals(t)
	c.checkOffices(t)
	c.checkAlarms(t)
	phase("checked")
}

// settle waits until all that lanes wrote is acknowledged, and all of the feed has
// arrived.
func (c *campus) settle(t *testing.T) {
	t.Helper()
	until(t, "every entry is acknowledged", func() bool {
		return !slices.ContainsFunc(c.lanes, func(l *lane) bool { _, last, acked := l.journal.Bounds(); return acked != last })
	})
	until(t, "every lane is at the head", func() bool {
		epoch, last := c.log(t)
		return !slices.ContainsFunc(c.lanes, func(l *lane) bool {
			v := l.feed.View()
			return v.State == nil || v.State.Epoch != epoch || v.State.Seq != last || v.Head.Seq != last
		})
	})
}

// log returns where the feed's log ends.
func (c *campus) log(t *testing.T) (epoch uint32, last uint64) {
	t.Helper()
	epoch, err := c.db.Epoch(t.Context())
	if err == nil {
		last, err = c.db.LastSeq(t.Context(), epoch)
	}
	if err != nil {
		t.Fatal(err)
	}
	return epoch, last
}

// checkLedger: each lane's journal stands in it, whole, once, with its chain.
func (c *campus) checkLedger(t *testing.T) {
	t.Helper()
	verdicts, err := ledger.Verify(t.Context(), c.db)
	if err != nil {
		t.Fatal(err)
	}
	journals, err := c.db.Journals(t.Context())
	if err != nil || len(journals) != lanes || len(verdicts) != lanes {
		t.Fatalf("%d journals of %d lanes, %v", len(journals), lanes, err)
	}
	total := uint64(0)
	for _, v := range verdicts {
		i := slices.IndexFunc(c.lanes, func(l *lane) bool { return l.id == v.Lane })
		l := c.lanes[i]
		_, last, _ := l.journal.Bounds()
		if v.Err != nil || v.Journal != l.journal.ID() || v.Last != last || v.Entries != last || len(v.Gaps) > 0 {
			t.Errorf("%s wrote %d entries, the ledger has %d of them: %v", v.Lane, last, v.Entries, v.Err)
		}
		if k := slices.IndexFunc(journals, func(j database.Journal) bool { return j.Lane == l.id }); journals[k].Chain != l.journal.Chain() {
			t.Errorf("%s: the ledger's chain is another", l.id)
		}
		total += last
	}
	number, err := c.db.LastEntry(t.Context())
	if err != nil || number != total || total < lanes*10 {
		t.Errorf("%d rows for %d entries, %v", number, total, err)
	}
	t.Logf("%d entries of %d lanes", total, lanes)
}

// checkFeed: one chain, and every lane refuses what was revoked.
func (c *campus) checkFeed(t *testing.T, desk *officer) {
	t.Helper()
	epoch, last := c.log(t)
	events, err := c.db.Events(t.Context(), epoch, 0, last)
	if err != nil || uint64(len(events)) != last {
		t.Fatalf("%d events of %d, %v", len(events), last, err)
	}
	chain := link.ChainStart(epoch)
	for i, e := range events {
		chain = link.Chain(chain, uint64(i+1), e)
	}
	if len(desk.revoked) < 5 {
		t.Errorf("only %d passes were revoked, %d tries failed", len(desk.revoked), desk.failed)
	}
	for _, l := range c.lanes {
		s := l.feed.View().State
		if s.Chain != chain {
			t.Errorf("%s has another chain", l.id)
		}
		for _, id := range desk.revoked {
			if list := s.Day(id.Day); list == nil || list.Status(id.Index) != link.Revoked {
				t.Errorf("%s does not refuse %s", l.id, id)
			}
		}
		if refused := slices.Compact(l.refused); len(refused) > 0 {
			t.Errorf("%s took messages for harm: %v", l.id, refused)
		}
		for _, w := range l.health.Standing() {
			if w != "feed.replayed" && !strings.HasPrefix(w, "clock.") {
				t.Errorf("%s warns %s:\n%s", l.id, w, tail(l.log()))
			}
		}
	}
	t.Logf("%d events, %d passes revoked, %d tries failed while centrals were away", last, len(desk.revoked), desk.failed)
}

// checkRefusals: what a lane refused is what comes of a delta that was lost with its
// signer, and of documents that the next signer sends once more.
func (c *campus) checkRefusals(t *testing.T) {
	t.Helper()
	for _, l := range c.lanes {
		text, err := os.ReadFile(l.log())
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "message of central refused") && !strings.Contains(line, feed.ErrGap.Error()) && !strings.Contains(line, feed.ErrOld.Error()) {
				t.Errorf("%s: %s", l.id, line)
			}
		}
	}
}

// checkOffices: each central tells the same of all lanes.
func (c *campus) checkOffices(t *testing.T) {
	t.Helper()
	for i, p := range c.centrals {
		until(t, p.name+" knows that all lanes are up to date", func() bool {
			list, err := c.api(i).Lanes(t.Context())
			good := 0
			for _, l := range list {
				if l.UpToDate {
					good++
				}
			}
			return err == nil && good == lanes
		})
	}
	until(t, "the partitions are shared", func() bool {
		leases, err := c.db.Leases(t.Context())
		held := map[string]int{}
		for _, l := range leases {
			if strings.HasPrefix(l.Name, "p/") && l.Owner != "" {
				held[l.Owner]++
			}
		}
		return err == nil && len(held) == centrals && held[""] == 0
	})
}

// explained are alarms that a storm brings: batches that overtake one another are a
// gap for a moment, and close by themselves.
var explained = map[string]bool{ledger.CodeGap: true}

func (c *campus) checkAlarms(t *testing.T) {
	t.Helper()
	list, err := c.db.Alarms(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, a := range list {
		counts[a.Code] += a.Count
		if !explained[a.Code] {
			t.Errorf("alarm %s", fmt.Sprint(a))
		}
	}
	t.Logf("alarms %v", counts)
}
