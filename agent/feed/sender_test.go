package feed

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"turnstile/agent/cache"
	"turnstile/central/link"
)

const (
	site = "campus"
	lane = "n1"
)

var topics = link.Topics{Site: site}

// tester is what testing.TB and rapid.T have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// signer is one Ed25519 key.
type signer struct{ private ed25519.PrivateKey }

func newSigner(t tester) signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{k}
}

func (s signer) public() ed25519.PublicKey           { return s.private.Public().(ed25519.PublicKey) }
func (s signer) KeyID() link.KeyID                   { return link.IDOf(s.public()) }
func (s signer) Sign(message []byte) ([]byte, error) { return ed25519.Sign(s.private, message), nil }

// sender is a central that keeps its whole history.
type sender struct {
	t                      tester
	folder                 func() string // a new one for each receiver
	roots                  [3]signer
	keyset, status, thief  signer
	seal                   *ecdh.PrivateKey
	state                  *link.State
	events                 []link.Event
	states                 []*link.State // by seq
	snapSeq                uint64
	keysVersion, delegated uint64
	rulesVersion           uint64
	issued                 int64
	chains                 []link.Hash
}

func newSender(t testing.TB) *sender { return newSenderIn(t, t.TempDir) }

func newSenderIn(t tester, folder func() string) *sender {
	t.Helper()
	seal, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &sender{t: t, folder: folder, keyset: newSigner(t), status: newSigner(t), thief: newSigner(t), seal: seal,
		state: link.NewState(1), keysVersion: 1, delegated: 1, rulesVersion: 1, issued: 1763700000000}
	for i := range s.roots {
		s.roots[i] = newSigner(t)
	}
	s.states = []*link.State{s.state}
	return s
}

func (s *sender) root() link.Root {
	return link.Root{Keys: []ed25519.PublicKey{s.roots[0].public(), s.roots[1].public(), s.roots[2].public()}, Threshold: 2}
}

// must seals a payload.
func (s *sender) must(by signer, t link.Type, v any) []byte {
	s.t.Helper()
	b, err := link.Seal(by, t, site, v)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// keys is the keys message, signed by the roots with the given numbers.
func (s *sender) keys(by ...int) []byte {
	s.t.Helper()
	d := link.Delegation{Version: s.delegated, Roots: s.root().Keys, Threshold: 2,
		Keyset: []ed25519.PublicKey{s.keyset.public()}, Status: []ed25519.PublicKey{s.status.public()}, Expires: 2000000000}
	m := link.KeysMessage{Version: link.Version, Keyset: s.must(s.keyset, link.TypeKeyset, link.Keyset{
		Version: s.keysVersion, Keys: []link.PassKey{{ID: 1, Public: s.status.public(), Kinds: 2, To: 65535}}, Issued: 1})}
	for _, i := range by {
		m.Delegation = append(m.Delegation, s.must(s.roots[i], link.TypeDelegation, d))
	}
	b, err := m.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *sender) rules() []byte {
	return s.must(s.status, link.TypeRules, link.Rules{Version: s.rulesVersion, Zones: []link.Zone{{ID: 0, Name: "Main"}}, Policies: link.DefaultPolicies()})
}

func (s *sender) gate(to string, version uint64, keys ...link.DayKey) []byte {
	s.t.Helper()
	g, err := link.SealGateKeys(site, to, version, s.seal.PublicKey(), keys)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.must(s.keyset, link.TypeGateKeys, g)
}

// add appends events to the history.
func (s *sender) add(events ...link.Event) {
	s.t.Helper()
	for _, e := range events {
		next, err := s.state.Apply([]link.Event{e})
		if err != nil {
			s.t.Fatal(err)
		}
		s.state, s.events, s.states = next, append(s.events, e), append(s.states, next)
	}
}

func (s *sender) delta(from, to uint64, rooted bool) link.Delta {
	d := link.Delta{Epoch: s.state.Epoch, From: from, To: to, Before: s.states[from].Chain, After: s.states[to].Chain,
		Data: link.EncodeEvents(s.events[from:to])}
	if rooted {
		root := s.states[to].Root()
		d.Root = root[:]
	}
	return d
}

func (s *sender) sealed(d link.Delta) []byte { return s.must(s.status, link.TypeDelta, d) }

// head is the newest head; each is a second younger.
func (s *sender) head() link.Head {
	s.issued += 1000
	at := s.states[s.snapSeq]
	h := link.Head{Epoch: s.state.Epoch, Seq: s.state.Seq, Chain: s.state.Chain, Root: s.state.Root(), Revoked: s.state.Refused(),
		SnapSeq: s.snapSeq, Keyset: s.keysVersion, Rules: s.rulesVersion, Issued: s.issued, Next: 5000, Expires: s.issued + 60000, Reconnect: 2000}
	for _, l := range at.Days {
		h.Snapshots = append(h.Snapshots, link.DayHash{Day: l.Day, Hash: l.Hash()})
	}
	return h
}

func (s *sender) sealedHead() []byte { return s.must(s.status, link.TypeHead, s.head()) }

func (s *sender) snapshots() map[string][]byte {
	at, m := s.states[s.snapSeq], map[string][]byte{}
	for _, l := range at.Days {
		m[topics.Day(l.Day)] = s.must(s.status, link.TypeSnapshot, link.SnapshotOf(at, l))
	}
	return m
}

// start opens two days and revokes some passes.
func (s *sender) start() {
	s.add(link.Event{Type: link.OpenDay, Day: 2151, Value: 1024}, link.Event{Type: link.OpenDay, Day: 2152, Value: 1024},
		revoke(3), revoke(4), link.Event{Type: link.Hold, Day: 2152, Value: 5})
	s.snapSeq = s.state.Seq
}

func revoke(index uint32) link.Event { return link.Event{Type: link.Revoke, Day: 2151, Value: index} }

// receiver is a lane's feed with its files.
type receiver struct {
	*Feed
	path string
	s    *sender
}

func (s *sender) receiver(floor *link.Floor) *receiver {
	s.t.Helper()
	r := &receiver{path: filepath.Join(s.folder(), "cache.bolt"), s: s}
	r.open(floor)
	return r
}

func (r *receiver) open(floor *link.Floor) {
	r.s.t.Helper()
	c, _, err := cache.Open(r.path, cache.Options{})
	if err != nil {
		r.s.t.Fatal(err)
	}
	r.Feed = New(c, Identity{Site: site, Lane: lane, Root: r.s.root(), Seal: r.s.seal}, Options{Floor: floor})
}

func (r *receiver) restart(floor *link.Floor) {
	r.s.t.Helper()
	if err := r.c.Close(); err != nil {
		r.s.t.Fatal(err)
	}
	r.open(floor)
}

// now is a moment just after the sender's newest head.
func (r *receiver) now() time.Time { return time.UnixMilli(r.s.issued + 10) }

func (r *receiver) take(topic string, payload []byte) (Result, error) {
	return r.Handle(topic, payload, r.now())
}

func (r *receiver) mustTake(topic string, payload []byte) Result {
	r.s.t.Helper()
	res, err := r.take(topic, payload)
	if err != nil {
		r.s.t.Fatal(err)
	}
	return res
}

// sync gives the receiver everything that the broker keeps.
func (r *receiver) sync() {
	r.s.t.Helper()
	r.mustTake(topics.Keys(), r.s.keys(0, 2))
	r.mustTake(topics.Rules(), r.s.rules())
	for topic, b := range r.s.snapshots() {
		r.mustTake(topic, b)
	}
	r.mustTake(topics.Head(), r.s.sealedHead())
}

func (r *receiver) checkIn(state *link.State) {
	r.s.t.Helper()
	v := r.c.View()
	if v.State == nil || v.State.Seq != state.Seq || v.State.Chain != state.Chain || v.State.Root() != state.Root() {
		r.s.t.Fatalf("state %+v, want seq %d", v.State, state.Seq)
	}
}
