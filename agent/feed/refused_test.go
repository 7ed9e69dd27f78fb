package feed

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// TestRefused tries each attack on a lane that is in step, and finds view and
// file as they were.
func TestRefused(t *testing.T) {
	s := newSender(t)
	s.start()
	s.rulesVersion, s.keysVersion = 5, 5
	r := s.receiver(nil)
	r.sync()
	s.add(revoke(20))
	r.mustTake(topics.Delta(), s.sealed(s.delta(5, 6, true)))
	r.mustTake(topics.Head(), s.sealedHead())
	r.mustTake(topics.GateKeys(lane), s.gate(lane, 4, link.DayKey{Day: 2151, Key: pass.GateKey{1}}))
	oldHead, oldDelta := s.head(), s.delta(4, 5, true)
	s.add(revoke(21), revoke(22), revoke(23))
	r.mustTake(topics.Delta(), s.sealed(s.delta(6, 9, true)))
	r.mustTake(topics.Head(), s.sealedHead())

	good := s.head()
	fork := newSender(t) // the same keys, another history
	fork.roots, fork.keyset, fork.status, fork.issued = s.roots, s.keyset, s.status, s.issued+1e6
	fork.start()
	fork.rulesVersion, fork.keysVersion = 5, 5
	fork.add(revoke(20), revoke(99), revoke(22), revoke(23))
	forkHead := fork.head()
	fork.add(revoke(24))
	change := func(f func(*link.Head)) []byte {
		h := good
		h.Issued += 5000
		f(&h)
		return s.must(s.status, link.TypeHead, h)
	}
	delta := func(f func(*link.Delta)) []byte {
		s := *s
		s.add(revoke(30))
		d := s.delta(9, 10, true)
		f(&d)
		return s.sealed(d)
	}
	sealed := s.sealed(s.delta(8, 9, true))
	before := fork.delta(6, 10, true)
	before.Before[0] ^= 1
	overlap := s.sealed(before)
	older := *s
	older.rulesVersion, older.keysVersion = 4, 4
	twin := *s
	twin.status = s.thief
	head, del := topics.Head(), topics.Delta()
	cases := map[string]struct {
		topic   string
		payload []byte
		want    error
	}{
		"head by a stranger":           {head, s.must(s.thief, link.TypeHead, good), link.ErrUnknown},
		"head by the keyset role":      {head, s.must(s.keyset, link.TypeHead, good), link.ErrUnknown},
		"head with a flipped bit":      {head, flipped(s.sealedHead()), link.ErrForged},
		"head of another site":         {head, otherSite(t, s, good), link.ErrForged},
		"head too large":               {head, make([]byte, link.MaxHead+1), link.ErrOversized},
		"head of nonsense":             {head, []byte("\x01\x02\x03"), link.ErrMalformed},
		"head replayed":                {head, s.must(s.status, link.TypeHead, oldHead), ErrOld},
		"head led back":                {head, change(func(h *link.Head) { h.Seq, h.SnapSeq = 4, 4; h.Chain = s.states[4].Chain }), ErrFork},
		"head of an older epoch":       {head, change(func(h *link.Head) { h.Epoch = 0 }), ErrFork},
		"head with another hash":       {head, change(func(h *link.Head) { h.Chain[0] ^= 1 }), ErrFork},
		"head with another root":       {head, change(func(h *link.Head) { h.Root[0] ^= 1 }), ErrFork},
		"head that says no":            {head, change(func(h *link.Head) { h.Issued = 0 }), link.ErrMalformed},
		"head with older rules":        {head, change(func(h *link.Head) { h.Rules = 4 }), ErrRollback},
		"head with older keys":         {head, change(func(h *link.Head) { h.Keyset = 4 }), ErrRollback},
		"head that promises no next":   {head, change(func(h *link.Head) { h.Next = 0 }), link.ErrMalformed},
		"head that promises too late":  {head, change(func(h *link.Head) { h.Next = 3600e3 }), link.ErrMalformed},
		"head of the other history":    {head, s.must(s.status, link.TypeHead, forkHead), ErrFork},
		"delta as a head":              {head, sealed, link.ErrMalformed},
		"delta by a stranger":          {del, s.must(s.thief, link.TypeDelta, s.delta(8, 9, true)), link.ErrUnknown},
		"delta replayed":               {del, s.sealed(oldDelta), ErrOld},
		"delta replayed, the newest":   {del, sealed, ErrOld},
		"delta of the other history":   {del, fork.sealed(fork.delta(8, 10, true)), ErrMismatch},
		"delta that forks":             {del, fork.sealed(fork.delta(9, 10, true)), ErrFork},
		"delta that forked before":     {del, overlap, ErrFork},
		"delta after a gap":            {del, delta(func(d *link.Delta) { d.From, d.To = 12, 13 }), ErrGap},
		"delta with another hash":      {del, delta(func(d *link.Delta) { d.After[0] ^= 1 }), ErrMismatch},
		"delta with another root":      {del, delta(func(d *link.Delta) { d.Root[0] ^= 1 }), ErrMismatch},
		"delta with half a root":       {del, delta(func(d *link.Delta) { d.Root = d.Root[:7] }), link.ErrMalformed},
		"delta with wrong count":       {del, delta(func(d *link.Delta) { d.To = 11 }), link.ErrMalformed},
		"delta of no event":            {del, delta(func(d *link.Delta) { d.To, d.Data = 9, nil }), link.ErrMalformed},
		"delta beyond the day":         {del, delta(func(d *link.Delta) { d.Data = link.EncodeEvents([]link.Event{revoke(1024)}) }), link.ErrMalformed},
		"delta of an older epoch":      {del, delta(func(d *link.Delta) { d.Epoch = 0 }), ErrOld},
		"delta of a newer epoch":       {del, delta(func(d *link.Delta) { d.Epoch = 2 }), ErrGap},
		"delta too large":              {del, make([]byte, link.MaxDelta+1), link.ErrOversized},
		"keys with one root":           {topics.Keys(), s.keys(1), link.ErrForged},
		"keys with one root twice":     {topics.Keys(), s.keys(1, 1), link.ErrForged},
		"older keys":                   {topics.Keys(), older.keys(0, 1), ErrRollback},
		"other keys, same version":     {topics.Keys(), twin.keys(0, 1), ErrFork},
		"keys of nonsense":             {topics.Keys(), []byte{0xa0}, link.ErrVersion},
		"older rules":                  {topics.Rules(), older.rules(), ErrRollback},
		"rules by a stranger":          {topics.Rules(), twin.rules(), link.ErrUnknown},
		"snapshot on another's topic":  {topics.Day(2152), s.must(s.status, link.TypeSnapshot, link.SnapshotOf(s.state, s.state.Days[0])), link.ErrMalformed},
		"snapshot led back":            {topics.Day(2151), s.must(s.status, link.TypeSnapshot, link.SnapshotOf(s.states[4], s.states[4].Days[0])), ErrOld},
		"snapshot that is a bomb":      {topics.Day(2151), bomb(s), link.ErrMalformed},
		"gate keys of another lane":    {topics.GateKeys(lane), s.gate("n2", 9), ErrOther},
		"older gate keys":              {topics.GateKeys(lane), s.gate(lane, 3), ErrRollback},
		"gate keys by the status role": {topics.GateKeys(lane), s.must(s.status, link.TypeGateKeys, link.GateKeys{Lane: lane, Version: 9}), link.ErrUnknown},
		"gate keys sealed wrongly":     {topics.GateKeys(lane), s.must(s.keyset, link.TypeGateKeys, link.GateKeys{Lane: lane, Version: 9, Sealed: make([]byte, 64)}), link.ErrForged},
		"another lane's topic":         {topics.GateKeys("n2"), s.gate(lane, 9), ErrTopic},
		"another site's topic":         {link.Topics{Site: "x"}.Head(), s.sealedHead(), ErrTopic},
		"day of no number":             {topics.Day(1)[:len(topics.Day(1))-1] + "x", sealed, link.ErrMalformed},
		"repeat of nonsense":           {topics.Repeat(lane), []byte("nonsense"), link.ErrMalformed},
	}
	if len(cases) < 50 {
		t.Fatalf("only %d attacks", len(cases))
	}
	for name, c := range cases {
		view := r.c.View()
		file := readFile(t, r.path)
		_, err := r.take(c.topic, c.payload)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if r.c.View() != view || !bytes.Equal(readFile(t, r.path), file) {
			t.Errorf("%s changed something", name)
		}
	}
	r.checkIn(s.state)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func flipped(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-1] ^= 1
	return b
}

func otherSite(t *testing.T, s *sender, h link.Head) []byte {
	t.Helper()
	b, err := link.Seal(s.status, link.TypeHead, "other", h)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bomb is a snapshot that inflates to more than it states.
func bomb(s *sender) []byte {
	n := link.SnapshotOf(s.state, s.state.Days[0])
	n.Data = link.Deflate(make([]byte, 1<<20))
	return s.must(s.status, link.TypeSnapshot, n)
}
