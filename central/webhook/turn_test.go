package webhook

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"sync"
	"testing"
)

// TestSlowReceiversTakeTurns: with all hands busy at receivers that always have more
// to be told, the others come next.
func TestSlowReceiversTakeTurns(t *testing.T) {
	b := sqlite(t)
	release := make(chan struct{})
	for _, id := range []string{"a", "b"} {
		r := newReceiver(t, b.clock)
		r.answers(func(w http.ResponseWriter, _ *http.Request, _ int) {
			<-release
			w.WriteHeader(http.StatusNoContent)
		})
		b.hook(id, r)
	}
	quick := newReceiver(t, b.clock)
	b.hook("c", quick)
	b.raise("north", "1", "2", "3", "4", "5", "6", "7", "8", "9")
	d := New(Config{DB: b.db, Source: alarms{b.db}, Box: plain{}, Guard: b.guard, TLS: &tls.Config{RootCAs: b.pool}, Now: b.clock.now, Log: slog.New(slog.DiscardHandler)})
	defer d.client.CloseIdleConnections()
	room := make(chan struct{}, 2) // of the product atOnce
	for n := range 2 {
		var working sync.WaitGroup
		if err := d.round(t.Context(), &working, room); err != nil {
			t.Fatal(err)
		}
		if told := len(quick.got()) > 0; n == 0 && told {
			t.Error("there were more hands than two")
		}
		for done, busy := waited(&working), true; busy; {
			b.clock.add(sliceFor + 1) // so that a slice ends with the event that it is at
			select {
			case release <- struct{}{}:
			case <-done:
				busy = false
			}
		}
	}
	if len(quick.got()) == 0 || b.find("a").At.Alarm == 9 {
		t.Errorf("told %d times; a stands at %d", len(quick.got()), b.find("a").At.Alarm)
	}
}

// waited is closed when all are done.
func waited(all *sync.WaitGroup) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		all.Wait()
	}()
	return done
}

// TestNotWantedIsNotWritten: news that a webhook does not want moves nothing in
// the database.
func TestNotWantedIsNotWritten(t *testing.T) {
	b := sqlite(t)
	r := newReceiver(t, b.clock)
	b.hook("h", r)
	b.raise("quiet", "1", "2", "3")
	d, _ := b.start()
	b.eventually("looked at", func() bool { return d.ahead(b.find("h")).At.Alarm == 3 })
	if h := b.find("h"); h.At.Alarm != 0 {
		t.Errorf("written down %+v", h.At)
	}
	b.raise("north", "4")
	b.eventually("told", func() bool { return len(r.got()) == 1 && b.find("h").At.Alarm == 4 })
}
