package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/office/officetest"
	"turnstile/central/pass"
)

// TestSpine runs the whole of central with one lane made of the contract:
// enrol, follow the feed from the root key on, issue, verify, revoke, refuse,
// journal, acknowledge, read the ledger, remove the lane.
func TestSpine(t *testing.T) {
	r := run(t, configure(t))
	a := r.api(t)
	l := r.enrol(t, a, "N1")
	if err := l.connect(t); err != nil {
		t.Fatal(err)
	}
	testSpine(t, a, l)

	if code := a.call(t, "DELETE", "/lanes/N1", nil, nil); code/100 != 2 {
		t.Fatalf("remove lane: %d", code)
	}
	select {
	case <-l.lost:
	case <-time.After(patience):
		t.Fatal("a removed lane stays connected")
	}
	if err := l.connect(t); err == nil {
		t.Fatal("a removed lane connects again")
	}
}

func testSpine(t *testing.T, a *api, l *lane) {
	all := func([]byte) bool { return true }
	m, err := link.ParseKeys(l.retained(t, l.topics.Keys()))
	if err != nil {
		t.Fatal(err)
	}
	d, err := m.OpenDelegation("campus", l.answer.Root)
	if err != nil {
		t.Fatal(err)
	}
	keyset, err := m.OpenKeyset("campus", d)
	if err != nil || len(keyset.Keys) < 5 {
		t.Fatalf("keyset of %d keys: %v", len(keyset.Keys), err)
	}
	statusKeys := link.KeysOf(d.Status...)
	rules := open[link.Rules](t, link.TypeRules, statusKeys, l.retained(t, l.topics.Rules()))
	today, _ := rules.Campus(time.Now().Unix())
	sealed := open[link.GateKeys](t, link.TypeGateKeys, link.KeysOf(d.Keyset...), l.retained(t, l.topics.GateKeys("N1")))
	gate, err := sealed.Unseal("campus", l.seal)
	if err != nil || len(gate) != 3 || gate[1].Day != today {
		t.Fatalf("gate keys %d: %v", len(gate), err)
	}
	head := open[link.Head](t, link.TypeHead, statusKeys, l.retained(t, l.topics.Head()))
	var snaps []*link.Snapshot
	for _, h := range head.Snapshots {
		snaps = append(snaps, open[link.Snapshot](t, link.TypeSnapshot, statusKeys, l.retained(t, l.topics.Day(h.Day))))
	}
	state, err := link.StateOf(snaps)
	if err != nil || state.Root() != head.Root || state.Seq != head.Seq {
		t.Fatalf("snapshots at %d, head at %d: %v", state.Seq, head.Seq, err)
	}

	var issued struct{ ID, Code string }
	order := map[string]any{"kind": "guest", "holder": "20012345", "guest_name": "A. Guest", "day": today.String(), "zones": []int{0}, "start": "00:00", "length": "24h", "live": true}
	if code := a.call(t, "POST", "/passes", order, &issued); code != http.StatusCreated {
		t.Fatalf("issue: %d", code)
	}
	c, reason := pass.Parse([]byte(issued.Code))
	key, ok := keyset.Find(c.KeyID)
	if reason != pass.Granted || !ok || !key.Signs(c.Kind, today) || !c.Verify(key.Public) || !c.Live {
		t.Fatalf("code %s, key found %v, live %v", reason, ok, c.Live)
	}
	if _, reason = c.VerifyLive(gate[1].Key, pass.SlotAt(time.Now().Unix()), 1); reason != pass.Granted {
		t.Fatalf("live tag: %s", reason)
	}

	if code := a.call(t, "POST", "/passes/"+issued.ID+"/revoke", map[string]string{"reason": "test"}, nil); code/100 != 2 {
		t.Fatalf("revoke: %d", code)
	}
	delta := open[link.Delta](t, link.TypeDelta, statusKeys, l.await(t, l.topics.Delta(), all))
	events, err := delta.Events()
	if err != nil {
		t.Fatal(err)
	}
	after, err := state.Apply(events)
	if err != nil {
		t.Fatal(err)
	}
	if root := after.Root(); after.Chain != delta.After || !bytes.Equal(delta.Root, root[:]) || after.Day(today).Status(c.Index) != link.Revoked {
		t.Fatalf("after the delta: %v", after.Day(today).Statuses())
	}
	l.await(t, l.topics.Head(), func(p []byte) bool {
		h := open[link.Head](t, link.TypeHead, statusKeys, p)
		return h.Seq == after.Seq && h.Root == after.Root()
	})

	l.testJournal(t, a, statusKeys, c.ID(), after)
	l.testAsk(t, state, after, statusKeys)
}

// testJournal: a report makes the revocation known, entries get into the ledger
// exactly once.
func (l *lane) testJournal(t *testing.T, a *api, keys link.Keys, id pass.ID, state *link.State) {
	report := link.LaneState{Lane: "N1", Boot: 1, Alive: true, Epoch: state.Epoch, Seq: state.Seq, Chain: state.Chain, Program: "test"}
	l.publish(t, l.topics.State("N1"), link.TypeState, report, true)
	var shown struct {
		Status    string
		RefusedBy struct {
			Lanes, Of int
			Since     *time.Time
		} `json:"refused_by"`
	}
	eventually(t, "1 of 1 lanes refuses", func() bool {
		a.call(t, "GET", "/passes/"+id.String(), nil, &shown)
		return shown.RefusedBy.Lanes == 1 && shown.RefusedBy.Of == 1
	})

	journal, before := link.JournalID{1}, link.JournalStart(link.JournalID{1})
	entry := link.Entry{Type: link.EntryDenied, Lane: 1, Seq: 1, Boot: 1, Wall: time.Now().UnixMilli(), Reason: pass.Revoked, Kind: pass.Guest, Pass: id}
	batch := link.NewBatch("N1", journal, 1, before, [][]byte{entry.Append(nil)})
	for range 3 {
		l.publish(t, l.topics.Log("N1"), link.TypeBatch, batch, false)
		ack := open[link.Ack](t, link.TypeAck, keys, l.await(t, l.topics.Ack("N1"), func([]byte) bool { return true }))
		if ack.Seq != 1 || ack.Chain != batch.After || ack.Journal != journal {
			t.Fatalf("acknowledged %+v", ack)
		}
	}
	var passages struct{ Passages []map[string]any }
	if code := a.call(t, "GET", "/passages", nil, &passages); code != http.StatusOK || len(passages.Passages) != 1 {
		t.Fatalf("passages: %d, %d rows", code, len(passages.Passages))
	}
}

// testAsk: the range that a lane missed comes again.
func (l *lane) testAsk(t *testing.T, from, to *link.State, keys link.Keys) {
	l.publish(t, l.topics.Ask("N1"), link.TypeAsk, link.Ask{Lane: "N1", Want: link.WantRange, Epoch: from.Epoch, From: from.Seq, To: to.Seq}, false)
	delta := open[link.Delta](t, link.TypeDelta, keys, l.await(t, l.topics.Repeat("N1"), func([]byte) bool { return true }))
	if delta.From != from.Seq || delta.To != to.Seq || delta.Before != from.Chain || delta.After != to.Chain {
		t.Fatalf("repeated %+v", delta)
	}
}

// retained asks the broker for what it keeps on a topic, again until it is
// there: nats-server takes a moment from the publishing to the keeping.
func (l *lane) retained(t *testing.T, topic string) []byte {
	t.Helper()
	for range 100 {
		if !l.client.Unsubscribe(l.topics.Feed(), l.topics.Down(l.id)).WaitTimeout(patience) ||
			!l.client.SubscribeMultiple(map[string]byte{l.topics.Feed(): 0, l.topics.Down(l.id): 0}, nil).WaitTimeout(patience) {
			t.Fatal("no answer to a subscription")
		}
		over := time.After(200 * time.Millisecond)
		for waiting := true; waiting; {
			select {
			case m := <-l.got:
				if m.Topic() == topic && len(m.Payload()) > 0 {
					return m.Payload()
				}
			case <-over:
				waiting = false
			}
		}
	}
	t.Fatalf("nothing is kept on %s", topic)
	return nil
}

// TestOffice runs the conformance suite of the API's services on the real ones.
func TestOffice(t *testing.T) {
	c := configure(t)
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	s := &central{config: c, published: make(chan struct{}), stopping: make(chan struct{}), refusals: make(chan string, maxRefusals)}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.open(context.Background(), []byte("correct horse battery")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, func(Endpoints) {}) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	officetest.Suite(t, s.services(), time.Now().In(s.location))
	eventually(t, "healthy", func() bool { return s.services().Feed.Healthy(ctx) == nil })
}

// TestRefusedStarts: what is wrong is named, and nothing was started.
func TestRefusedStarts(t *testing.T) {
	c := configure(t)
	r := run(t, c)
	start := func(c Config) error {
		return Run(context.Background(), c, func(Endpoints) { t.Error("started") })
	}
	if err := start(c); !errors.Is(err, ErrInUse) {
		t.Errorf("a second central: %v", err)
	}
	other := configure(t)
	other.HTTP.Listen = strings.TrimPrefix(r.endpoints.HTTP, "http://")
	if err := start(other); !errors.Is(err, ErrListen) || !strings.Contains(err.Error(), other.HTTP.Listen) {
		t.Errorf("port in use: %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.Data, EndpointsFile)); err != nil {
		t.Error(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(c.Data, EndpointsFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("endpoints after the stop: %v", err)
	}
	t.Setenv("TEST_PASSPHRASE", "wrong battery")
	if err := start(c); !errors.Is(err, ErrConfig) {
		t.Errorf("wrong passphrase: %v", err)
	}
	c.Passphrase.Env = "TEST_NO_SUCH_PASSPHRASE"
	if err := start(c); !errors.Is(err, ErrConfig) {
		t.Errorf("no passphrase: %v", err)
	}
}
