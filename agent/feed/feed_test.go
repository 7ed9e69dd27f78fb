package feed

import (
	"crypto/ed25519"
	"errors"
	"reflect"
	"testing"
	"time"

	"turnstile/central/link"
)

func TestFirstFeed(t *testing.T) {
	s := newSender(t)
	s.start()
	r := s.receiver(nil)
	if !r.Stale(r.now()) || r.c.View().HasFeed() {
		t.Fatal("a lane without a feed")
	}
	r.sync()
	r.checkIn(s.state)
	v := r.c.View()
	if !v.HasFeed() || r.Stale(r.now()) || v.State.Day(2151).Status(3) != link.Revoked {
		t.Fatalf("%+v", v)
	}
	s.add(revoke(10))
	d := s.delta(5, 6, true)
	d.Urgent = true
	res := r.mustTake(topics.Delta(), s.sealed(d))
	if !res.Changed || !res.Urgent || len(res.Asks) != 0 {
		t.Fatalf("%+v", res)
	}
	r.checkIn(s.state)
	r.restart(nil)
	r.checkIn(s.state)
}

// TestAnyOrderOfRetained delivers what the broker keeps in every order.
func TestAnyOrderOfRetained(t *testing.T) {
	s := newSender(t)
	s.start()
	type message struct {
		topic   string
		payload []byte
	}
	list := []message{{topics.Keys(), s.keys(0, 1)}, {topics.Rules(), s.rules()}, {topics.Head(), s.sealedHead()}}
	for topic, b := range s.snapshots() {
		list = append(list, message{topic, b})
	}
	orders := 0
	var permute func(n int)
	permute = func(n int) {
		if n == 1 {
			orders++
			r := s.receiver(nil)
			for _, m := range list {
				r.take(m.topic, m.payload)
			}
			r.checkIn(s.state)
			if !r.c.View().HasFeed() || r.c.View().Head.Seq != s.state.Seq {
				t.Fatal("not all was taken")
			}
			r.c.Close()
			return
		}
		for i := range n {
			permute(n - 1)
			list[i%n*(1-n%2)], list[n-1] = list[n-1], list[i%n*(1-n%2)]
		}
	}
	permute(len(list))
	if orders != 120 {
		t.Fatalf("%d orders", orders)
	}
}

func TestGapIsAskedForAndHealed(t *testing.T) {
	s := newSender(t)
	s.start()
	r := s.receiver(nil)
	r.sync()
	s.add(revoke(20), revoke(21), revoke(22))
	res, err := r.take(topics.Delta(), s.sealed(s.delta(7, 8, true)))
	if !errors.Is(err, ErrGap) || len(res.Asks) != 1 || !reflect.DeepEqual(res.Asks[0], link.Ask{Lane: lane, Want: link.WantRange, Epoch: 1, From: 5, To: 8}) {
		t.Fatalf("%+v, %v", res, err)
	}
	res = r.mustTake(topics.Repeat(lane), s.sealed(s.delta(5, 8, false)))
	if !res.Changed {
		t.Fatal("the range was not taken")
	}
	r.checkIn(s.state)
	s.add(revoke(23))
	s.snapSeq = 9
	for i, want := range []link.Want{link.WantRange, link.WantRange, link.WantSnapshots} {
		if res = r.mustTake(topics.Head(), s.sealedHead()); len(res.Asks) != 1 || res.Asks[0].Want != want {
			t.Fatalf("head %d behind: %+v", i, res)
		}
	}
	for _, b := range s.snapshots() {
		res = r.mustTake(topics.Repeat(lane), b)
	}
	if !res.Changed {
		t.Fatal("the snapshots were not taken")
	}
	r.checkIn(s.state)
}

// TestOldSnapshotsAreNotAskedFor has many heads come while the lane is behind, as
// when passes are revoked one after another: the snapshots that they name are older
// than what the lane has, and only the range leads on.
func TestOldSnapshotsAreNotAskedFor(t *testing.T) {
	s := newSender(t)
	s.start()
	r := s.receiver(nil)
	r.sync()
	from := s.state.Seq
	for i := range uint32(6) {
		s.add(revoke(20 + i))
		res := r.mustTake(topics.Head(), s.sealedHead())
		if len(res.Asks) != 1 || res.Asks[0].Want != link.WantRange {
			t.Fatalf("head %d behind: %+v", i, res)
		}
	}
	if asks := r.Needs(); len(asks) != 1 || asks[0].Want != link.WantRange {
		t.Fatalf("needs %+v", asks)
	}
	if !r.mustTake(topics.Repeat(lane), s.sealed(s.delta(from, s.state.Seq, false))).Changed {
		t.Fatal("the range was not taken")
	}
	r.checkIn(s.state)
}

func TestOverlappingRange(t *testing.T) {
	s := newSender(t)
	s.start()
	r := s.receiver(nil)
	r.sync()
	s.add(revoke(20))
	r.mustTake(topics.Delta(), s.sealed(s.delta(5, 6, true)))
	s.add(revoke(21), revoke(22))
	r.mustTake(topics.Repeat(lane), s.sealed(s.delta(2, 8, false)))
	r.checkIn(s.state)
}

// TestFloorBindsAnEmptyCache loses the cache: what central signed long ago is
// not believed again, and what leads up to the floor is not shown before it.
func TestFloorBindsAnEmptyCache(t *testing.T) {
	s := newSender(t)
	s.start()
	s.rulesVersion, s.keysVersion = 2, 2
	s.delegated = 2
	oldHead, oldRules, oldKeys := s.sealedHead(), s.rules(), s.keys(0, 1)
	s.rulesVersion, s.keysVersion = 3, 3
	oldDelegation := s.keys(0, 1)
	s.delegated = 3
	s.add(revoke(20), revoke(21), revoke(22), revoke(23))
	first := s.receiver(nil)
	first.sync()
	for _, d := range []link.Delta{s.delta(5, 9, false)} {
		first.mustTake(topics.Repeat(lane), s.sealed(d))
	}
	first.checkIn(s.state)
	floor := first.Floor(first.now())
	if floor.Seq != 9 || floor.Rules != 3 || floor.Keyset != 3 || floor.Delegation != 3 {
		t.Fatalf("%+v", floor)
	}

	r := s.receiver(floor) // another folder: an empty cache
	for _, m := range []struct {
		topic   string
		payload []byte
		want    error
	}{
		{topics.Keys(), oldKeys, ErrRollback}, {topics.Keys(), oldDelegation, ErrRollback}, {topics.Keys(), s.keys(0, 1), nil}, {topics.Rules(), oldRules, ErrRollback},
		{topics.Head(), oldHead, ErrFork}, {topics.Rules(), s.rules(), nil},
	} {
		if _, err := r.take(m.topic, m.payload); !errors.Is(err, m.want) {
			t.Fatalf("%s: %v, want %v", m.topic, err, m.want)
		}
	}
	for topic, b := range s.snapshots() { // at 5, behind the floor at 9
		r.mustTake(topic, b)
	}
	res := r.mustTake(topics.Head(), s.sealedHead())
	if r.c.View().State != nil || len(res.Asks) != 1 || res.Asks[0].From != 5 || res.Asks[0].To != 9 {
		t.Fatalf("state %+v shown behind the floor, or not asked on: %+v", r.c.View().State, res)
	}
	fork := newSender(t)
	fork.roots, fork.keyset, fork.status = s.roots, s.keyset, s.status
	fork.start()
	fork.add(revoke(20), revoke(99), revoke(22), revoke(23), revoke(24))
	if _, err := r.take(topics.Repeat(lane), fork.sealed(fork.delta(5, 10, true))); !errors.Is(err, ErrFork) {
		t.Fatalf("another history over the floor: %v", err)
	}
	r.mustTake(topics.Repeat(lane), s.sealed(s.delta(5, 7, false)))
	if r.c.View().State != nil {
		t.Fatal("shown at 7, behind the floor at 9")
	}
	if r.Floor(r.now()).Seq != 9 {
		t.Fatal("the floor sank")
	}
	r.mustTake(topics.Repeat(lane), s.sealed(s.delta(7, 9, false)))
	r.checkIn(s.state)
	r.restart(floor)
	r.checkIn(s.state)
}

// TestNewEpoch is a central that lost its history and says so.
func TestNewEpoch(t *testing.T) {
	s := newSender(t)
	s.start()
	r := s.receiver(nil)
	r.sync()
	before := s.state
	n := newSender(t)
	n.roots, n.keyset, n.status, n.seal, n.issued = s.roots, s.keyset, s.status, s.seal, s.issued+1e6
	n.state = link.NewState(2)
	n.states = []*link.State{n.state}
	n.add(link.Event{Type: link.OpenDay, Day: 2151, Value: 2048}, revoke(7))
	r.s = n
	res := r.mustTake(topics.Head(), n.sealedHead())
	if r.checkIn(before); len(res.Asks) != 1 {
		t.Fatalf("%+v", res)
	}
	if r.c.View().State.Epoch != 1 {
		t.Fatal("half of the new epoch is shown")
	}
	r.mustTake(topics.Repeat(lane), n.sealed(n.delta(0, 2, false)))
	r.checkIn(n.state)
	if _, err := r.take(topics.Delta(), s.sealed(s.delta(4, 5, true))); !errors.Is(err, ErrOld) {
		t.Fatalf("delta of the old epoch: %v", err)
	}
}

func TestNewRootsNeedBothThresholds(t *testing.T) {
	s := newSender(t)
	s.start()
	r := s.receiver(nil)
	r.sync()
	old := s.roots
	message := func(version uint64, roots [3]signer, by ...signer) []byte {
		n := *s
		n.roots, n.delegated, n.keysVersion = roots, version, s.keysVersion+version
		m, err := link.ParseKeys(n.keys(0))
		if err != nil {
			t.Fatal(err)
		}
		d := link.Delegation{Version: version, Roots: n.root().Keys, Threshold: 2,
			Keyset: []ed25519.PublicKey{s.keyset.public()}, Status: []ed25519.PublicKey{s.status.public()}, Expires: 2000000000}
		m.Delegation = nil
		for _, k := range by {
			m.Delegation = append(m.Delegation, s.must(k, link.TypeDelegation, d))
		}
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	fresh := [3]signer{newSigner(t), newSigner(t), newSigner(t)}
	for name, by := range map[string][]signer{
		"new roots alone": {fresh[0], fresh[1]}, "old roots alone": {old[0], old[1]}, "one new one": {old[0], old[1], fresh[0]},
	} {
		if _, err := r.take(topics.Keys(), message(2, fresh, by...)); !errors.Is(err, link.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.mustTake(topics.Keys(), message(2, fresh, old[0], old[1], fresh[0], fresh[2]))
	if _, err := r.take(topics.Keys(), message(3, old, old[0], old[1])); !errors.Is(err, link.ErrForged) {
		t.Errorf("the old roots still count: %v", err)
	}
	r.restart(nil)
	r.mustTake(topics.Keys(), message(3, fresh, fresh[0], fresh[1]))
}

func TestExpiredHeadIsNotFresh(t *testing.T) {
	s := newSender(t)
	s.start()
	r := s.receiver(nil)
	trusted := false
	r.o.Trusted = func(time.Time) bool { return trusted }
	r.sync()
	late := time.UnixMilli(s.issued).Add(time.Hour)
	if _, err := r.Handle(topics.Head(), s.sealedHead(), late); err != nil || r.Stale(late) {
		t.Fatalf("with a doubtful clock a head counts from its arrival: %v", err)
	}
	trusted = true
	if _, err := r.Handle(topics.Head(), s.sealedHead(), late); err != nil || !r.Stale(late) {
		t.Fatalf("a head of an hour ago makes the feed fresh: %v", err)
	}
}

// TestTwoHeadsOfOneNumber has two heads signed for an event that is not here yet.
func TestTwoHeadsOfOneNumber(t *testing.T) {
	s := newSender(t)
	s.start()
	r := s.receiver(nil)
	r.sync()
	s.add(revoke(20))
	r.mustTake(topics.Head(), s.sealedHead())
	h := s.head()
	h.Chain[3] ^= 1
	if _, err := r.take(topics.Head(), s.must(s.status, link.TypeHead, h)); !errors.Is(err, ErrFork) {
		t.Fatal(err)
	}
	r.mustTake(topics.Delta(), s.sealed(s.delta(5, 6, true)))
	r.checkIn(s.state)
}

// TestRootOfTheHead has a head with the right chain and another root, and then
// the events, which alone do not tell.
func TestRootOfTheHead(t *testing.T) {
	s := newSender(t)
	s.start()
	r := s.receiver(nil)
	r.sync()
	before := s.state
	s.add(revoke(20))
	h := s.head()
	h.Root[3] ^= 1
	r.mustTake(topics.Head(), s.must(s.status, link.TypeHead, h))
	if _, err := r.take(topics.Repeat(lane), s.sealed(s.delta(5, 6, false))); !errors.Is(err, ErrFork) {
		t.Fatal(err)
	}
	r.checkIn(before)
}

// TestSetThatTheHeadDoesNotName has snapshots that are good by themselves, but
// of another moment or content than the newest head says.
func TestSetThatTheHeadDoesNotName(t *testing.T) {
	s := newSender(t)
	s.start()
	early := s.sealedHead()
	s.add(revoke(20))
	s.snapSeq = 6
	wrong := s.head()
	wrong.Snapshots[1].Hash[0] ^= 1
	for name, head := range map[string][]byte{"another moment": early, "another content": s.must(s.status, link.TypeHead, wrong)} {
		r := s.receiver(nil)
		r.mustTake(topics.Keys(), s.keys(0, 1))
		r.mustTake(topics.Head(), head)
		for topic, b := range s.snapshots() {
			r.mustTake(topic, b)
		}
		if r.c.View().State != nil {
			t.Errorf("%s: shown", name)
		}
		r.mustTake(topics.Head(), s.sealedHead())
		r.checkIn(s.state)
	}
}

func TestFrozenFeedIsStale(t *testing.T) {
	s := newSender(t)
	s.start()
	r := s.receiver(nil)
	r.sync()
	kept := s.sealedHead()
	r.mustTake(topics.Head(), kept)
	at := r.now()
	for i := 1; i <= 4; i++ { // a broker that delivers the same head for ever
		if _, err := r.Handle(topics.Head(), kept, at.Add(time.Duration(i)*5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if r.Stale(at.Add(14*time.Second)) || !r.Stale(at.Add(16*time.Second)) {
		t.Fatal("three heads of 5 s")
	}
}

func TestRefusalNamesItsType(t *testing.T) {
	s := newSender(t)
	s.start()
	r := s.receiver(nil)
	r.sync()
	for topic, want := range map[string]link.Type{
		topics.Head(): link.TypeHead, topics.Delta(): link.TypeDelta, topics.Rules(): link.TypeRules, topics.Keys(): 0,
		topics.GateKeys(lane): link.TypeSnapshot,
	} {
		var refused *Refused
		_, err := r.take(topic, s.must(s.thief, link.TypeSnapshot, link.SnapshotOf(s.state, s.state.Days[0])))
		if !errors.As(err, &refused) || refused.Type != want || !Alarming(err) {
			t.Errorf("%s: %v", topic, err)
		}
	}
	for _, err := range []error{ErrOld, ErrGap, ErrNoKeys, ErrTopic} {
		if Alarming(&Refused{1, err}) {
			t.Errorf("%v alarms", err)
		}
	}
}

func TestClearedDayIsNoMessage(t *testing.T) {
	r := newSender(t).receiver(nil)
	if _, err := r.take(topics.Day(2151), nil); err != nil {
		t.Fatal(err)
	}
}
