package status

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/link"
	"turnstile/central/pass"
)

func TestStartAndOnline(t *testing.T) {
	d := newDesk(t)
	if err := d.Online(context.Background()); err != nil {
		t.Fatal(err)
	}
	f := newFollower(d)
	for _, m := range d.broker.take() {
		f.hear(t, m)
	}
	if f.state == nil || f.state.Root() != d.View().Head.Root || len(f.state.Days) != 3 || f.forks != 0 {
		t.Fatalf("a new lane has %+v", f.state)
	}
	today := d.Today()
	if f.state.Days[1].Day != today || today.String() != "2026-11-21" {
		t.Errorf("today is %s", today)
	}
	for _, topic := range []string{d.topics.Head(), d.topics.Keys(), d.topics.Rules(), d.topics.GateKeys("N1"), d.topics.Day(today)} {
		if len(d.broker.kept(topic)) == 0 {
			t.Errorf("nothing retained on %s", topic)
		}
	}
	g := open[link.GateKeys](t, link.TypeGateKeys, link.KeysOf(must[*link.Delegation](t)(delegation(d)).Keyset...), d.broker.kept(d.topics.GateKeys("N1")), link.MaxDocument)
	keys := must[[]link.DayKey](t)(g.Unseal(site, d.seal))
	if len(keys) != 3 || keys[1].Key != d.issuer.GateKey(today) {
		t.Errorf("gate keys %d", len(keys))
	}
}

func delegation(d *desk) (*link.Delegation, error) {
	m, err := link.ParseKeys(d.broker.kept(d.topics.Keys()))
	if err != nil {
		return nil, err
	}
	return m.OpenDelegation(site, d.issuer.Root())
}

// TestDays: at midnight yesterday closes and tomorrow opens, with what was
// revoked of it before; what is retained of the closed day is cleared.
func TestDays(t *testing.T) { databasetest.Each(t, testDays) }

func testDays(t *testing.T, where string) {
	d := newDeskOn(t, where)
	today := d.Today()
	far, gone := d.issue(t, today+5), d.issue(t, today-1)
	if p := d.set(t, far, link.Held); p.StatusSeq != 0 || p.Status != link.Held {
		t.Fatalf("of a day that is not open: %+v", p)
	}
	if p := d.set(t, gone, link.Revoked); p.StatusSeq == 0 {
		t.Fatal("yesterday's list is closed")
	}
	for range 4 {
		d.clock.Add(24 * 3600 * 1000)
		d.roll(t)
	}
	v := d.View()
	if l := v.State.Day(far.Day); l == nil || l.Status(far.Index) != link.Held || len(v.State.Days) != 3 {
		t.Fatalf("days %v", v.State.Days)
	}
	row := must[database.Pass](t)(d.config.DB.Pass(context.Background(), far))
	if row.StatusSeq == 0 || row.StatusSeq > v.State.Seq {
		t.Errorf("status went out as event %d", row.StatusSeq)
	}
	if kept := d.broker.kept(d.topics.Day(today)); len(kept) != 0 {
		t.Errorf("%d bytes of a closed day are still retained", len(kept))
	}
	if _, err := d.SetStatus(context.Background(), Change{ID: gone, Status: link.Good}); !errors.Is(err, ErrClosed) {
		t.Errorf("change of a closed day: %v", err)
	}
	if _, err := d.SetStatus(context.Background(), Change{ID: pass.ID{Day: today + 4, Index: 5}, Status: link.Revoked}); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("change of an unknown pass: %v", err)
	}
	if k, ok := v.Keys.Find(1); ok && k.To < d.Today()-1 {
		t.Errorf("a key that is over since %s is published", k.To)
	}
}

// TestRestart: after each kind of change the next start has the same state, and
// a lane that followed before follows on.
func TestRestart(t *testing.T) { databasetest.Each(t, testRestart) }

func testRestart(t *testing.T, where string) {
	d := newDeskOn(t, where)
	var ids []pass.ID
	for range 40 {
		ids = append(ids, d.issue(t, d.Today()))
	}
	for i, id := range ids {
		d.set(t, id, link.Status(i%2+1))
		if i%10 == 9 {
			d.clock.Add(31_000)
			d.roll(t) // takes snapshots, so that log and base are crossed
		}
		if i%7 == 6 {
			before := d.View()
			d.stop()
			d.start(t)
			after := d.View()
			if after.State.Root() != before.State.Root() || after.State.Chain != before.State.Chain || after.State.Seq != before.State.Seq || after.Keys.Version != before.Keys.Version {
				t.Fatalf("after restart %d: seq %d, before %d", i, after.State.Seq, before.State.Seq)
			}
		}
	}
	if n := len(d.View().State.Day(d.Today()).Statuses()); n != 40 {
		t.Fatalf("%d of 40 refused", n)
	}
}

// TestManyAtOnce: concurrent changes share transactions and deltas, each is
// answered, none is lost; deltas keep to their bound.
func TestManyAtOnce(t *testing.T) { databasetest.Each(t, testManyAtOnce) }

func testManyAtOnce(t *testing.T, where string) {
	d := newDeskOn(t, where)
	const n = 300
	ids := make([]pass.ID, n)
	for i := range ids {
		ids[i] = d.issue(t, d.Today())
	}
	if err := d.Online(context.Background()); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for _, id := range ids {
		wait.Go(func() { d.set(t, id, link.Revoked) })
	}
	wait.Wait()
	d.sync(t)
	f, deltas := newFollower(d), 0
	for _, m := range d.broker.take() {
		if m.topic == d.topics.Delta() {
			deltas++
		}
		f.hear(t, m)
	}
	if got := len(f.state.Day(d.Today()).Statuses()); got != n || f.forks != 0 {
		t.Fatalf("a lane refuses %d of %d, %d forks", got, n, f.forks)
	}
	if deltas == 0 || deltas > n/2 {
		t.Errorf("%d deltas for %d changes", deltas, n)
	}
}

// TestBigDay: a day that opens with more refusals than one delta carries goes
// out in several, live and repeated, and a lane follows both.
func TestBigDay(t *testing.T) {
	d := newDesk(t)
	if err := d.Online(context.Background()); err != nil {
		t.Fatal(err)
	}
	live, asking := newFollower(d), newFollower(d)
	for _, m := range d.broker.take() {
		live.hear(t, m)
		asking.hear(t, m)
	}
	from, day := live.state, d.Today()+2
	var wait sync.WaitGroup
	for range link.MinCapacity {
		id := d.issue(t, day)
		wait.Go(func() { d.set(t, id, link.Held) })
	}
	wait.Wait()
	d.clock.Add(24 * 3600 * 1000)
	d.roll(t)
	deltas := 0
	for _, m := range d.broker.take() {
		if m.topic == d.topics.Delta() {
			deltas++
			live.hear(t, m)
		}
	}
	a := link.Ask{Lane: "N1", Want: link.WantRange, Epoch: from.Epoch, From: from.Seq, To: d.View().State.Seq}
	if err := d.ask(t, &a); err != nil {
		t.Fatal(err)
	}
	repeats := 0
	for _, m := range d.broker.take() {
		repeats++
		asking.hear(t, m)
	}
	if deltas < 2 || repeats < 2 {
		t.Errorf("%d deltas, %d repeated", deltas, repeats)
	}
	for name, f := range map[string]*follower{"live": live, "asking": asking} {
		if f.state.Root() != d.View().State.Root() || f.state.Day(day).Refused() != link.MinCapacity {
			t.Errorf("%s lane is at %d of %d", name, f.state.Seq, d.View().State.Seq)
		}
	}
}

func TestAsk(t *testing.T) { databasetest.Each(t, testAsk) }

func testAsk(t *testing.T, where string) {
	d := newDeskOn(t, where)
	start := d.View().State
	for range 5 {
		d.set(t, d.issue(t, d.Today()), link.Revoked)
	}
	seq := d.View().State.Seq
	for name, c := range map[string]struct {
		ask  link.Ask
		want []link.Type
	}{
		"range":            {link.Ask{Want: link.WantRange, Epoch: start.Epoch, From: start.Seq, To: seq}, []link.Type{link.TypeDelta}},
		"from the start":   {link.Ask{Want: link.WantRange, Epoch: start.Epoch, From: 0, To: seq}, []link.Type{link.TypeDelta}},
		"beyond the end":   {link.Ask{Want: link.WantRange, Epoch: start.Epoch, From: start.Seq, To: 1 << 63}, []link.Type{link.TypeDelta}},
		"another epoch":    {link.Ask{Want: link.WantRange, Epoch: 7, From: 1, To: seq}, []link.Type{link.TypeSnapshot, link.TypeSnapshot, link.TypeSnapshot, link.TypeHead}},
		"backwards":        {link.Ask{Want: link.WantRange, Epoch: start.Epoch, From: seq, To: 1}, []link.Type{link.TypeSnapshot, link.TypeSnapshot, link.TypeSnapshot, link.TypeHead}},
		"snapshots":        {link.Ask{Want: link.WantSnapshots}, []link.Type{link.TypeSnapshot, link.TypeSnapshot, link.TypeSnapshot, link.TypeHead}},
		"keys":             {link.Ask{Want: link.WantKeys}, []link.Type{0, link.TypeRules, link.TypeGateKeys}},
		"an unknown thing": {link.Ask{Want: 99}, nil},
	} {
		d.broker.take()
		c.ask.Lane = "N1"
		if err := d.ask(t, &c.ask); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []link.Type
		for _, m := range d.broker.take() {
			if m.topic == d.topics.Repeat("N1") {
				got = append(got, link.TypeOf(m.payload))
			}
		}
		if len(got) != len(c.want) || string(typesOf(got)) != string(typesOf(c.want)) {
			t.Errorf("%s: answered with types %v, want %v", name, got, c.want)
		}
	}
}

func typesOf(list []link.Type) (b []byte) {
	for _, t := range list {
		b = append(b, byte(t))
	}
	return b
}

// TestBadAsks: what is not the lane's own is refused, alarmed, and answered by
// nothing; too many questions are not answered.
func TestBadAsks(t *testing.T) {
	d := newDesk(t)
	d.broker.take()
	good := must[[]byte](t)(link.Seal(d, link.TypeAsk, site, link.Ask{Lane: "N1", Want: link.WantKeys}))
	foreign := must[[]byte](t)(link.Seal(d, link.TypeAsk, site, link.Ask{Lane: "N2", Want: link.WantKeys}))
	otherSite := must[[]byte](t)(link.Seal(d, link.TypeAsk, "other", link.Ask{Lane: "N1"}))
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)-1] ^= 1
	ctx := context.Background()
	for name, c := range map[string]struct {
		lane    string
		message []byte
		want    error
	}{
		"not enrolled": {"N2", good, link.ErrUnknown}, "for another lane": {"N1", foreign, link.ErrMalformed}, "of another site": {"N1", otherSite, link.ErrForged},
		"flipped bit": {"N1", flipped, link.ErrForged}, "empty": {"N1", nil, link.ErrMalformed}, "text": {"N1", []byte("hello"), link.ErrMalformed},
		"oversized": {"N1", []byte(strings.Repeat("x", link.MaxState+1)), link.ErrOversized},
	} {
		if err := d.Ask(ctx, c.lane, c.message); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if n := d.alarms.Load(); n != 6 {
		t.Errorf("%d alarms, want 6", n)
	}
	if m := d.broker.take(); len(m) != 0 {
		t.Errorf("%d messages in answer", len(m))
	}
	answered := 0
	for range 3 * askBurst {
		if err := d.Ask(ctx, "N1", good); err == nil {
			answered++
		} else if !errors.Is(err, ErrTooOften) {
			t.Fatal(err)
		}
	}
	if answered != askBurst {
		t.Errorf("%d of %d questions at once answered, want %d", answered, 3*askBurst, askBurst)
	}
}

func TestRules(t *testing.T) { databasetest.Each(t, testRules) }

func testRules(t *testing.T, where string) {
	d := newDeskOn(t, where)
	ctx := context.Background()
	r := d.View().Rules
	if len(r.Offsets) != 1 || r.Offsets[0].Minutes != 480 || r.Version != 1 {
		t.Fatalf("first rules %+v", r)
	}
	bad := r
	bad.Zones = nil
	if _, err := d.SetRules(ctx, "test", bad); !errors.Is(err, ErrRules) {
		t.Errorf("no zone: %v", err)
	}
	bad = r
	bad.Policies = append([]link.KindPolicy{r.Policies[0]}, r.Policies...)
	if _, err := d.SetRules(ctx, "test", bad); !errors.Is(err, ErrRules) {
		t.Errorf("two policies of a kind: %v", err)
	}
	bad = r
	bad.Zones = []link.Zone{{Name: strings.Repeat("x", link.MaxDocument)}}
	if _, err := d.SetRules(ctx, "test", bad); !errors.Is(err, ErrRules) {
		t.Errorf("too long: %v", err)
	}
	r.TestPass = true
	r = must[link.Rules](t)(d.SetRules(ctx, "test", r))
	if sent := open[link.Rules](t, link.TypeRules, d.config.Issuer.StatusKeys(), d.broker.kept(d.topics.Rules()), link.MaxDocument); sent.Version != 2 || !sent.TestPass {
		t.Errorf("retained %+v", sent)
	}
	if _, err := d.SetRules(ctx, "test", d.config.Seed); !errors.Is(err, ErrVersion) {
		t.Errorf("made from version 0: %v", err)
	}
	if _, _, err := d.issuer.Mint(pass.Pass{Kind: pass.Test, Day: d.Today(), Length: 1, Zones: 1}); err != nil {
		t.Errorf("test pass: %v", err)
	}
	d.stop()
	d.start(t)
	if got := d.View().Rules; got.Version != 2 || !got.TestPass {
		t.Errorf("after restart %+v", got)
	}
}

// TestOffsets: the campus clock of a place with summer time, against Go's own.
func TestOffsets(t *testing.T) {
	l, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	r := link.Rules{Offsets: offsets(l, noon)}
	if len(r.Offsets) != 7 {
		t.Fatalf("%d offsets, want the first and two a year", len(r.Offsets))
	}
	for at, n := noon, 0; n < 2*365*4; at, n = at.Add(6*time.Hour), n+1 {
		day, minute := r.Campus(at.Unix())
		local := at.In(l)
		if day != pass.DayOf(local) || minute != local.Hour()*60+local.Minute() {
			t.Fatalf("%s: day %s minute %d", local, day, minute)
		}
	}
}

// TestOffline: what is not published is no error, and everything comes at the
// next connect.
func TestOffline(t *testing.T) {
	d := newDesk(t)
	d.broker.mu.Lock()
	d.broker.offline = true
	d.broker.mu.Unlock()
	d.set(t, d.issue(t, d.Today()), link.Revoked)
	d.clock.Add(24 * 3600 * 1000)
	d.roll(t)
	d.broker.mu.Lock()
	d.broker.offline = false
	d.broker.mu.Unlock()
	if err := d.Online(context.Background()); err != nil {
		t.Fatal(err)
	}
	f := newFollower(d)
	for _, m := range d.broker.take() {
		f.hear(t, m)
	}
	if f.state == nil || f.state.Root() != d.View().State.Root() {
		t.Fatal("a lane does not have the feed after the connect")
	}
}

// BenchmarkRevoke measures from the call to the delta handed to the broker,
// durable in between, beside a bare transaction on the same disk.
func BenchmarkRevoke(b *testing.B) {
	d := newDesk(b)
	var ids []pass.ID
	for range min(b.N, link.MinCapacity) {
		ids = append(ids, d.issue(b, d.Today()))
	}
	b.ResetTimer()
	for i := range b.N {
		d.set(b, ids[i%len(ids)], link.Status(1+i/len(ids)%2))
	}
	d.sync(b)
	b.StopTimer()
	began := time.Now()
	for i := range b.N {
		body := binary.BigEndian.AppendUint64(nil, uint64(i))
		if err := d.config.DB.ChangeDocument(context.Background(), "bench", uint64(i), string(body), 1, database.Deed{By: "bench"}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(time.Since(began).Nanoseconds())/float64(b.N), "ns/bare-tx")
}
