package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds each wait of a test.
const patience = 20 * time.Second

// clock is a settable now.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// alarms is a Source of alarms alone; those of the lane "quiet" nobody wants.
type alarms struct{ db *database.DB }

func (s alarms) After(ctx context.Context, h database.Webhook, limit int) (events []Event, looked database.Position, err error) {
	looked = h.At
	rows, err := s.db.Alarms(ctx, h.At.Alarm, limit)
	for _, r := range rows {
		looked.Alarm = r.Number
		if r.Lane != "quiet" {
			events = append(events, Event{ID: fmt.Sprint("alarm-", r.Number), Type: "alarm.raised", At: time.UnixMilli(r.First), Data: map[string]string{"detail": r.Detail}, Next: looked})
		}
	}
	return events, looked, err
}

// plain is a Box that seals nothing.
type plain struct{}

func (plain) Open(_ string, sealed []byte) ([]byte, error) { return sealed, nil }

// call is what a receiver got.
type call struct {
	id, timestamp, signature, detail string
	verified                         error
}

// receiver is a program that is told.
type receiver struct {
	*httptest.Server
	secret string
	clock  *clock

	mu     sync.Mutex // guards the following
	calls  []call
	answer func(w http.ResponseWriter, r *http.Request, n int) // n: 1 for the first call; nil: 204
}

func newReceiver(t *testing.T, c *clock) *receiver {
	r := &receiver{secret: NewSecret(), clock: c}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(r.serve))
	r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	var told struct {
		Type string
		Data struct{ Detail string }
	}
	json.Unmarshal(body, &told)
	r.mu.Lock()
	r.calls = append(r.calls, call{req.Header.Get(HeaderID), req.Header.Get(HeaderTimestamp), req.Header.Get(HeaderSignature), told.Data.Detail, Verify(r.secret, req.Header, body, r.clock.now())})
	n, answer := len(r.calls), r.answer
	r.mu.Unlock()
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer(w, req, n)
}

func (r *receiver) got() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

func (r *receiver) answers(f func(w http.ResponseWriter, r *http.Request, n int)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// bench is a database with webhooks, and dispatchers on it.
type bench struct {
	*testing.T
	db    *database.DB
	clock *clock
	told  chan string // alarms of disabled webhooks
	pool  *x509.CertPool
	guard Guard
}

func newBench(t *testing.T, db *database.DB) *bench {
	return &bench{T: t, db: db, clock: &clock{t: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}, told: make(chan string, 10), pool: x509.NewCertPool(),
		guard: Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
}

// start runs a dispatcher; stop ends it, however far it is.
func (b *bench) start() (d *Dispatcher, stop func()) {
	d = New(Config{
		DB: b.db, Source: alarms{b.db}, Box: plain{}, Guard: b.guard, TLS: &tls.Config{RootCAs: b.pool}, Every: 5 * time.Millisecond, Now: b.clock.now, Log: slog.New(slog.DiscardHandler),
		Alarm: func(_ context.Context, id, detail, next string) { b.told <- id + ": " + detail + " " + next },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				b.Error(err)
			}
		})
	}
	b.Cleanup(stop)
	return d, stop
}

func (b *bench) hook(id string, r *receiver) {
	b.Helper()
	if r.Certificate() != nil {
		b.pool.AddCert(r.Certificate())
	}
	h := database.Webhook{ID: id, URL: r.URL + "/hook", Events: "alarm", Secret: []byte(r.secret), Created: 1, CreatedBy: "test"}
	if err := b.db.AddWebhook(b.Context(), h); err != nil {
		b.Fatal(err)
	}
}

// raise raises alarms with these details.
func (b *bench) raise(lane string, details ...string) {
	b.Helper()
	for _, d := range details {
		if err := b.db.Raise(b.Context(), database.Alarm{Code: "test", Lane: lane, Subject: d, Detail: d, Latest: 1}); err != nil {
			b.Fatal(err)
		}
	}
}

func (b *bench) eventually(what string, ok func() bool) {
	b.Helper()
	tick, over := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-over:
			hooks, err := b.db.Webhooks(context.Background())
			b.Fatalf("%s: not within %s; at %d: %+v, %v", what, patience, b.clock.now().UnixMilli(), hooks, err)
		}
	}
}

func (b *bench) find(id string) database.Webhook {
	b.Helper()
	h, err := b.db.Webhook(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// tries returns how many deliveries of a webhook were written down.
func (b *bench) tries(id string) int64 {
	b.Helper()
	list, err := b.db.Deliveries(b.Context(), id, 1<<62, 1)
	if err != nil {
		b.Fatal(err)
	}
	if len(list) == 0 {
		return 0
	}
	return list[0].Number
}

func details(calls []call) (list []string) {
	for _, c := range calls {
		list = append(list, c.detail)
	}
	return list
}

func TestToldInOrderAndSigned(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, db *database.DB) {
		b := newBench(t, db)
		r := newReceiver(t, b.clock)
		b.raise("north", "before the webhook was there")
		b.hook("h", r)
		b.raise("quiet", "unwanted")
		b.raise("north", "1", "2", "3")
		b.start()
		b.raise("north", "4")
		b.eventually("four calls", func() bool { return len(r.got()) == 4 })
		got := r.got()
		if !slices.Equal(details(got), []string{"1", "2", "3", "4"}) {
			t.Errorf("told %v", details(got))
		}
		for _, c := range got {
			if c.verified != nil || !strings.HasPrefix(c.id, "alarm-") {
				t.Errorf("%+v", c)
			}
		}
		b.eventually("the position", func() bool { return b.find("h").At.Alarm == 6 })
		list, err := db.Deliveries(t.Context(), "h", 1<<62, 10)
		if err != nil || len(list) != 4 || list[0].Status != 204 || list[0].Event != got[3].id || list[0].Problem != "" {
			t.Errorf("deliveries %+v, %v", list, err)
		}
	})
}

// TestKilledBetweenSendAndMark: the process dies while the receiver has the event
// and central has not written that down. The next one sends it once more, with the
// same id, and nothing is left out.
func TestKilledBetweenSendAndMark(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, db *database.DB) {
		b := newBench(t, db)
		r := newReceiver(t, b.clock)
		b.hook("h", r)
		arrived, dead := make(chan struct{}), make(chan struct{})
		r.answers(func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == 2 {
				close(arrived)
				<-dead
			}
		})
		b.raise("north", "1", "2", "3")
		_, kill := b.start()
		<-arrived
		kill()
		close(dead)
		b.start()
		if len(r.got()) != 2 {
			t.Fatalf("told %v", details(r.got()))
		}
		b.clock.add(ownedFor + time.Second) // what the dead one claimed runs out
		b.eventually("the rest", func() bool { return len(r.got()) == 4 })
		got := r.got()
		if !slices.Equal(details(got), []string{"1", "2", "2", "3"}) || got[1].id != got[2].id {
			t.Errorf("told %+v", got)
		}
	})
}

// TestTwoCentralsTellOnce: dispatchers that share a database send nothing twice.
func TestTwoCentralsTellOnce(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, db *database.DB) {
		b := newBench(t, db)
		r := newReceiver(t, b.clock)
		b.hook("h", r)
		b.start()
		b.start()
		b.start()
		var want []string
		for i := range 40 {
			want = append(want, fmt.Sprint(i))
		}
		b.raise("north", want...)
		b.eventually("all", func() bool { return len(r.got()) >= 40 && b.find("h").At.Alarm == 40 })
		if got := details(r.got()); !slices.Equal(got, want) {
			t.Errorf("told %v", got)
		}
	})
}

func sqlite(t *testing.T) *bench {
	return newBench(t, databasetest.Open(t, t.TempDir()+"/central.db"))
}

// TestFailuresAreRetried: an event that is not taken is sent again, later each
// time, and holds back those behind it.
func TestFailuresAreRetried(t *testing.T) {
	b := sqlite(t)
	r := newReceiver(t, b.clock)
	b.hook("h", r)
	r.answers(func(w http.ResponseWriter, _ *http.Request, n int) {
		switch n {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			panic(http.ErrAbortHandler) // the connection breaks
		case 3:
			w.Header().Set("Retry-After", "1800")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	b.raise("north", "1", "2")
	b.start()
	for n, wait := range []time.Duration{6 * time.Second, 12 * time.Second, 0} {
		b.eventually("a try", func() bool { return len(r.got()) == n+1 && b.find("h").Attempt == int64(n+1) })
		b.clock.add(wait)
	}
	if h := b.find("h"); h.NextTry-b.clock.now().UnixMilli() < 1799_000 || h.Failing == 0 || h.At.Alarm != 0 {
		t.Errorf("asked to be left alone: %+v", h)
	}
	b.clock.add(31 * time.Minute)
	b.eventually("both", func() bool { return len(r.got()) == 5 && b.find("h").At.Alarm == 2 })
	if got := details(r.got()); !slices.Equal(got, []string{"1", "1", "1", "1", "2"}) {
		t.Errorf("told %v", got)
	}
	if h := b.find("h"); h.Failing != 0 || h.Delivered == 0 || h.Attempt != 0 {
		t.Errorf("well again: %+v", h)
	}
}

// TestReceiversThatMisbehave: each costs no more than its bound and is named in
// words for people.
func TestReceiversThatMisbehave(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	endless := strings.Repeat("x", 64<<10)
	var written atomic.Int64 // of the endless body
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request, n int)
		status int64
		words  string
	}{
		"redirects": {func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}, 307, "redirects"},
		"huge header": {func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("X-Huge", strings.Repeat("x", 2*maxHeader))
		}, 0, "connection failed"},
		"refuses": {func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(403) }, 403, "answered 403"},
		"endless body": {func(w http.ResponseWriter, r *http.Request, _ int) {
			for r.Context().Err() == nil {
				if written.Add(int64(len(endless))) > 64<<20 {
					return
				}
				if _, err := io.WriteString(w, endless); err != nil {
					return
				}
			}
		}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := sqlite(t)
			r := newReceiver(t, b.clock)
			b.hook("h", r)
			r.answers(c.answer)
			d, _ := b.start()
			got, err := d.Test(t.Context(), "h")
			if err != nil || got.Status != c.status || !strings.Contains(got.Problem, c.words) || (got.Problem == "") != (c.words == "") || got.Type != "test" {
				t.Errorf("%+v, %v", got, err)
			}
			if list, err := b.db.Deliveries(t.Context(), "h", 1<<62, 10); err != nil || len(list) != 1 {
				t.Errorf("%+v, %v", list, err)
			}
		})
	}
	if n := written.Load(); n == 0 || n > 64<<20 {
		t.Errorf("%d bytes of an endless answer were taken", n)
	}
	if elsewhere != 0 {
		t.Errorf("a redirect was followed %d times", elsewhere)
	}
}

// TestSlowReceiver: a receiver that does not answer is left after sendLimit, and
// meanwhile the other webhooks are told.
func TestSlowReceiver(t *testing.T) {
	b := sqlite(t)
	slow, quick := newReceiver(t, b.clock), newReceiver(t, b.clock)
	b.hook("slow", slow)
	b.hook("quick", quick)
	hung := make(chan struct{})
	slow.answers(func(_ http.ResponseWriter, r *http.Request, _ int) {
		<-hung
	})
	d, _ := b.start()
	d.client.Timeout = 5 * time.Second // of the product 10 s; the quick one has as much
	b.raise("north", "1", "2", "3")
	b.eventually("the quick one", func() bool { return len(quick.got()) == 3 })
	b.eventually("the slow one is left", func() bool {
		list, err := b.db.Deliveries(t.Context(), "slow", 1<<62, 10)
		return err == nil && len(list) == 1 && strings.HasPrefix(list[0].Problem, "No answer within")
	})
	close(hung)
}

func TestGoneAndDisabled(t *testing.T) {
	b := sqlite(t)
	gone, dead := newReceiver(t, b.clock), newReceiver(t, b.clock)
	b.hook("gone", gone)
	b.hook("dead", dead)
	gone.answers(func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusGone) })
	dead.answers(func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(500) })
	b.raise("north", "1", "2", "3", "4")
	b.start()
	told := <-b.told
	if !strings.Contains(told, "gone: ") || !strings.Contains(told, "410") || !strings.Contains(told, "central webhook enable gone") || b.find("gone").Disabled == 0 {
		t.Errorf("%s, %+v", told, b.find("gone"))
	}
	// A day of failures leaves the first event out, three days the webhook.
	left := false
	for range 200 {
		n := b.tries("dead")
		b.clock.add(time.Hour + 15*time.Minute)
		b.eventually("a try", func() bool { return b.tries("dead") > n })
		left = left || b.find("dead").At.Alarm == 1 && b.find("dead").Disabled == 0
		if b.find("dead").Disabled != 0 {
			break
		}
	}
	told = <-b.told
	if !left || !strings.Contains(told, "dead: Nothing was taken for three days") || b.find("dead").Disabled == 0 {
		t.Errorf("%s, left out %v", told, left)
	}
	last := dead.got()
	if last[0].detail != "1" || last[len(last)-1].detail != "3" {
		t.Errorf("told %s first and %s last", last[0].detail, last[len(last)-1].detail)
	}
	dead.answers(nil)
	if err := b.db.EnableWebhook(t.Context(), "dead", "test", 1); err != nil {
		t.Fatal(err)
	}
	b.eventually("it goes on where it stopped", func() bool { return b.find("dead").At.Alarm == 4 })
}

// TestRemovedMeanwhile: a webhook that is removed during a delivery stays removed.
func TestRemovedMeanwhile(t *testing.T) {
	b := sqlite(t)
	r := newReceiver(t, b.clock)
	b.hook("h", r)
	arrived, removed := make(chan struct{}), make(chan struct{})
	r.answers(func(http.ResponseWriter, *http.Request, int) {
		close(arrived)
		<-removed
	})
	b.raise("north", "1", "2")
	d, _ := b.start()
	<-arrived
	if err := b.db.RemoveWebhook(t.Context(), "h", "test", 1); err != nil {
		t.Fatal(err)
	}
	close(removed)
	b.eventually("it ends", func() bool { sent, _ := d.Counts(); return sent == 1 })
	if _, err := d.Test(t.Context(), "h"); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("test of a removed one: %v", err)
	}
	if got := r.got(); len(got) != 1 {
		t.Errorf("told %v", details(got))
	}
}
