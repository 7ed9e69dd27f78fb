package uplink

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/agent/feed"
	"turnstile/central/link"
)

// fake is a broker in memory with a central behind it, for one lane. Its
// switches are set between two waits of the bubble.
type fake struct {
	c  *central
	mu sync.Mutex // guards the following

	refuse, mute bool // connections are refused; subscriptions are not answered
	noAck        bool // central is away
	links        []*fakeLink
	sent         []sent
}

type sent struct {
	topic    string
	payload  []byte
	retained bool
	at       time.Time
}

type fakeLink struct {
	f    *fake
	o    LinkOptions
	lost chan error
}

func (f *fake) dial(o LinkOptions) Link {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &fakeLink{f, o, make(chan error, 1)}
	f.links = append(f.links, l)
	return l
}

var errBroken = errors.New("broken")

func (l *fakeLink) Connect(context.Context) error {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	if l.f.refuse {
		return errBroken
	}
	return nil
}

func (l *fakeLink) Subscribe(ctx context.Context, filters ...string) error {
	l.f.mu.Lock()
	mute := l.f.mute
	l.f.mu.Unlock()
	if mute {
		return ErrOffline
	}
	if slices.Contains(filters, topics.Feed()) {
		for topic, b := range l.f.c.retained() {
			l.o.Receive(topic, b)
		}
	}
	return nil
}

func (l *fakeLink) Publish(topic string, payload []byte, retained bool) (<-chan struct{}, error) {
	taken := make(chan struct{})
	close(taken)
	l.f.mu.Lock()
	l.f.sent = append(l.f.sent, sent{topic, payload, retained, time.Now()})
	away := l.f.noAck
	l.f.mu.Unlock()
	if ack := l.f.c.take(topic, payload); ack != nil && !away {
		l.o.Receive(topics.Ack(laneID), ack)
	}
	return taken, nil
}

func (l *fakeLink) Lost() <-chan error { return l.lost }
func (l *fakeLink) Close()             {}

func (f *fake) link() *fakeLink {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.links[len(f.links)-1]
}

func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// on returns what was published on a topic.
func (f *fake) on(topic string) (list []sent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sent {
		if s.topic == topic {
			list = append(list, s)
		}
	}
	return list
}

// bubble runs a lane against a fake broker in a bubble whose time the test moves.
func bubble(t *testing.T, test func(t *testing.T, f *fake, a *agent)) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{c: newCentral(t, time.Now)}
		a := f.c.agent(t, f.dial)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		synctest.Wait()
		test(t, f, a)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// pass lets time go by, with a head each 5 s if heads.
func (f *fake) pass(d time.Duration, heads bool) {
	for ; d > 0; d -= time.Second {
		timer := time.NewTimer(time.Second)
		<-timer.C
		if heads && d/time.Second%5 == 0 {
			f.link().o.Receive(topics.Head(), f.c.head())
		}
		synctest.Wait()
	}
}

func names(a *agent) []string { return a.health.Standing() }

func TestSession(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(2*time.Second, true)
		if !a.cache.View().HasFeed() || !a.Status().Connected || len(names(a)) != 0 {
			t.Fatalf("%+v %v", a.Status(), names(a))
		}
		birth := f.on(topics.State(laneID))
		if len(birth) == 0 || !birth[0].retained {
			t.Fatal("no birth")
		}
		will, err := link.Open[link.LaneState](f.link().o.Will, link.TypeState, site, link.KeysOf(f.c.lane.Journal.Public()), link.MaxState)
		if err != nil || will.Alive || will.Boot != 1 || f.link().o.ClientID != laneID || f.link().o.WillTopic != topics.State(laneID) {
			t.Fatalf("will %+v, %v", will, err)
		}
		a.append(t, 3)
		f.pass(time.Second, true)
		if f.c.stored() != 3 || a.journal.Acked() != 3 || a.Status().InFlight != 0 {
			t.Fatalf("%d stored, %d acknowledged", f.c.stored(), a.journal.Acked())
		}
		now := time.Now()
		f.link().o.Receive(topics.Delta(), f.c.revoke(5, true))
		synctest.Wait()
		n, _ := f.c.lastState()
		if n.Seq != 2 || !n.Alive || n.Acked != 3 || time.Since(now) != 0 {
			t.Fatalf("an urgent delta is reported after %v: %+v", time.Since(now), n)
		}
		f.link().o.Receive(topics.Delta(), f.c.revoke(6, false))
		f.pass(2*time.Second, true)
		if n, _ := f.c.lastState(); n.Seq != 3 || a.changes < 3 {
			t.Fatalf("reported %+v, %d changes", n, a.changes)
		}
		if all := f.on(topics.State(laneID)); all[len(all)-1].retained {
			t.Fatal("a report is retained")
		}
	})
}

// TestUrgentReportGoesFirst: what a lane writes down about a revocation follows its
// report, for all lanes report to one central at the same moment.
func TestUrgentReportGoesFirst(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(2*time.Second, true)
		f.link().o.Receive(topics.Delta(), f.c.revoke(5, true))
		synctest.Wait()
		a.append(t, 1)
		synctest.Wait()
		if n, _ := f.c.lastState(); n.Seq != 2 || f.c.stored() != 0 {
			t.Fatalf("reported %d, and %d entries are sent already", n.Seq, f.c.stored())
		}
		f.pass(time.Second, true)
		if f.c.stored() != 1 {
			t.Fatalf("%d entries a second later", f.c.stored())
		}
	})
}

func TestGoodbyeIsRetained(t *testing.T) {
	var f *fake
	bubble(t, func(t *testing.T, g *fake, _ *agent) { f = g })
	all := f.on(topics.State(laneID))
	n, _ := f.c.lastState()
	if n.Alive || !all[len(all)-1].retained {
		t.Fatalf("%+v", n)
	}
}

func TestUnacknowledgedIsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.set(func(f *fake) { f.noAck = true })
		a.append(t, 1)
		f.pass(200*time.Second, true)
		var gaps []int
		all := f.on(topics.Log(laneID))
		for i := 1; i < len(all); i++ {
			gaps = append(gaps, int(all[i].at.Sub(all[i-1].at).Round(time.Second)/time.Second))
		}
		if !slices.Equal(gaps, []int{2, 4, 8, 16, 32, 60, 60}) || a.journal.Acked() != 0 {
			t.Fatalf("sent again after %v s", gaps)
		}
		f.set(func(f *fake) { f.noAck = false })
		f.pass(61*time.Second, true)
		if a.journal.Acked() != 1 || f.c.stored() != 1 {
			t.Fatal("not acknowledged in the end")
		}
	})
}

func TestWindow(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.set(func(f *fake) { f.noAck = true })
		f.pass(time.Second, true)
		a.append(t, 9*link.MaxBatchEntries)
		f.pass(time.Second, true)
		if n := len(f.on(topics.Log(laneID))); n < maxInFlight || a.Status().InFlight != maxInFlight {
			t.Fatalf("%d batches sent, %d in flight", n, a.Status().InFlight)
		}
		for _, s := range f.on(topics.Log(laneID)) {
			if len(s.payload) > link.MaxDocument {
				t.Fatalf("a batch of %d bytes", len(s.payload))
			}
		}
		f.set(func(f *fake) { f.noAck = false })
		f.pass(70*time.Second, true)
		if f.c.stored() != 9*link.MaxBatchEntries || a.journal.Acked() != 9*link.MaxBatchEntries {
			t.Fatalf("%d stored, %d acknowledged", f.c.stored(), a.journal.Acked())
		}
	})
}

func TestBadAcknowledgementsDropNothing(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.set(func(f *fake) { f.noAck = true })
		f.pass(time.Second, true)
		a.append(t, 5)
		good := link.Ack{Lane: laneID, Journal: a.journal.ID(), Seq: 5, Chain: a.journal.Chain()}
		other := newCentral(t, time.Now)
		receive := f.link().o.Receive
		receive(topics.Ack(laneID), other.seal(link.TypeAck, good))
		for _, change := range []func(*link.Ack){
			func(k *link.Ack) { k.Lane = "n2" }, func(k *link.Ack) { k.Journal[0] ^= 1 },
			func(k *link.Ack) { k.Chain[0] ^= 1 }, func(k *link.Ack) { k.Seq = 6 },
		} {
			k := good
			change(&k)
			receive(topics.Ack(laneID), f.c.seal(link.TypeAck, k))
		}
		receive(topics.Ack(laneID), bytes.Repeat([]byte{1}, link.MaxState+1))
		synctest.Wait()
		if a.journal.Acked() != 0 {
			t.Fatal("a bad acknowledgement was believed")
		}
		if n := names(a); !slices.Equal(n, []string{"feed.forged", "feed.malformed", "journal.forked"}) || len(a.refused) != 2 || a.refused[0].Type != link.TypeAck {
			t.Fatalf("%v, %d refused", n, len(a.refused))
		}
		receive(topics.Ack(laneID), f.c.seal(link.TypeAck, good))
		synctest.Wait()
		if a.journal.Acked() != 5 {
			t.Fatal("the good one was not")
		}
	})
}

func TestMissingHeadsAloneDoNotReconnect(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(5*time.Minute, false)
		if len(f.links) != 1 || !slices.Contains(names(a), "feed.stale") {
			t.Fatalf("%d connections, %v", len(f.links), names(a))
		}
		f.set(func(f *fake) { f.mute = true }) // now the broker is silent too
		f.pass(time.Minute, false)
		if len(f.links) < 2 || a.Status().Connected || !slices.Contains(names(a), "uplink.down") {
			t.Fatalf("%d connections, %+v", len(f.links), a.Status())
		}
		f.set(func(f *fake) { f.mute = false })
		f.pass(2*time.Minute, true)
		if !a.Status().Connected || len(names(a)) != 0 {
			t.Fatalf("%+v %v", a.Status(), names(a))
		}
	})
}

func TestReconnect(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(2*time.Minute, true)
		a.append(t, 2)
		f.pass(time.Second, true)
		f.set(func(f *fake) { f.refuse = true })
		f.link().lost <- errBroken
		f.pass(10*time.Minute, false)
		if n := len(f.links); n < 10 || n > 60 {
			t.Fatalf("%d tries in 10 minutes", n)
		}
		a.append(t, 700)
		f.set(func(f *fake) { f.refuse = false })
		f.pass(2*time.Minute, true)
		if f.c.stored() != 702 || a.journal.Acked() != 702 {
			t.Fatalf("%d stored, %d acknowledged", f.c.stored(), a.journal.Acked())
		}
	})
}

// TestCentralThatRestartsOften: a lane that had been connected for some heads is
// back within the window each time, also when central goes once more.
func TestCentralThatRestartsOften(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		for range 12 {
			f.pass(12*time.Second, true)
			if !a.Status().Connected {
				t.Fatalf("not connected: %+v", a.Status())
			}
			f.link().lost <- errBroken
			f.pass(a.window()+time.Second, false)
			if !a.Status().Connected {
				t.Fatalf("not back within %v: %+v", a.window(), a.Status())
			}
		}
	})
}

// TestPauses: lanes that central cannot bear all at once come back slower each time,
// and never faster than their window; one of a small campus does not wait.
func TestPauses(t *testing.T) {
	const none, s = 0, time.Second
	for name, c := range map[string]struct {
		window time.Duration
		lasted []time.Duration
		want   []time.Duration
	}{
		"nobody there":                         {10 * s, []time.Duration{none, none, none, none, none, none, none, none}, []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s}},
		"restarts, two lanes":                  {2 * s, []time.Duration{12 * s, 12 * s, none, 12 * s}, []time.Duration{2 * s, 2 * s, 2 * s, 2 * s}},
		"falls under 10,000":                   {10 * s, []time.Duration{15 * s, 15 * s, 15 * s, 15 * s, 15 * s, 15 * s, 15 * s, 31 * s}, []time.Duration{10 * s, 10 * s, 10 * s, 10 * s, 16 * s, 32 * s, 60 * s, 10 * s}},
		"falls at once":                        {10 * s, []time.Duration{1, 1, 1}, []time.Duration{10 * s, 10 * s, 10 * s}},
		"falls at once, and is gone meanwhile": {10 * s, []time.Duration{1, none, 1, none}, []time.Duration{10 * s, 2 * s, 10 * s, 8 * s}},
	} {
		p := pauses{firstLimit}
		for i, lasted := range c.lasted {
			if got := p.next(lasted, c.window); got != c.want[i] {
				t.Errorf("%s, %d: %v, want %v", name, i, got, c.want[i])
			}
		}
	}
}

func TestRefusedMessagesAreNamedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(time.Second, true)
		old := f.c.head()
		f.pass(5*time.Second, true)
		view := a.cache.View()
		for range 100 {
			f.link().o.Receive(topics.Head(), []byte("garbage"))
			f.link().o.Receive(topics.Head(), old)
			synctest.Wait()
		}
		if n := names(a); !slices.Equal(n, []string{"feed.malformed", "feed.replayed"}) || len(a.refused) != 1 || a.cache.View() != view {
			t.Fatalf("%v, %d refused", n, len(a.refused))
		}
		f.pass(refusalStands+5*time.Second, true)
		if n := names(a); len(n) != 0 {
			t.Fatalf("%v stand for ever", n)
		}
	})
}

func TestQuestionsBackOff(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(2*time.Second, true)
		f.c.revoke(9, false) // lost on the way
		f.pass(5*time.Minute, true)
		f.c.mu.Lock()
		asks := f.c.asks
		f.c.mu.Unlock()
		if len(asks) < 4 || len(asks) > 12 || asks[0].Want != link.WantRange || asks[0].From != 1 || asks[0].To != 2 || asks[len(asks)-1].Want != link.WantSnapshots {
			t.Fatalf("%d questions, first %+v", len(asks), asks[:1])
		}
	})
}

func TestFloodOverflowsAndHeals(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(2*time.Second, true)
		link := f.link()
		for range 20 * inboxSize { // one goroutine: nothing is taken meanwhile
			link.o.Receive(topics.Head(), []byte("x"))
		}
		synctest.Wait()
		f.pass(6*time.Second, true)
		if a.Feed().Stale(time.Now()) || len(f.links) != 1 {
			t.Fatal("a flood stopped the feed")
		}
	})
}

// Feed is the feed of the agent under test.
func (a *agent) Feed() *feed.Feed { return a.c.Feed }
