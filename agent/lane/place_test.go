package lane

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/presence"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner/scannertest"
)

// memory is a journal without a disk.
type memory struct {
	mu      sync.Mutex // guards the following
	entries []link.Entry
	fail    error
}

var errDisk = errors.New("no room")

func (m *memory) Append(e link.Entry) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	e.Seq = uint64(len(m.entries) + 1)
	m.entries = append(m.entries, e)
	return e.Seq, nil
}

func (m *memory) refuse(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// about returns the entries that are about scans and passages.
func (m *memory) about() (list []link.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if e.Type <= link.EntryTailgated {
			list = append(list, e)
		}
	}
	return list
}

func (m *memory) types() (list []link.EntryType) {
	for _, e := range m.about() {
		list = append(list, e.Type)
	}
	return list
}

const (
	testDay  = pass.Day(2516) // 2026-11-21
	testZone = 3
)

var signingKey = ed25519.NewKeyFromSeed([]byte("the keyset's key for these tests"))

// noon is 12:00 in Hong Kong on the test day.
var noon = time.Unix(testDay.UTC()+4*3600, 0)

func goodFacts() access.Facts {
	state, err := link.NewState(1).Apply([]link.Event{{Type: link.OpenDay, Day: testDay, Value: 1 << 13}})
	if err != nil {
		panic(err) // the event is a constant
	}
	return access.Facts{
		State: state,
		Rules: &link.Rules{Offsets: []link.Offset{{Minutes: 480}}, EscortSec: 30, RepeatMS: 3000,
			Zones: []link.Zone{{ID: testZone}}, Policies: link.DefaultPolicies()},
		Keys: map[uint16]link.PassKey{7: {ID: 7, Public: signingKey.Public().(ed25519.PublicKey), Kinds: 0xffff, From: testDay, To: testDay}},
		Head: noon.UnixMilli(), Clock: link.ClockTrusted,
	}
}

// codeOf returns the code of a good pass that change may alter.
func codeOf(index uint32, change func(p *pass.Pass)) string {
	p := pass.Pass{Kind: pass.ECard, KeyID: 7, Day: testDay, Index: index, Start: -480, Length: 144, Zones: 1 << testZone}
	if change != nil {
		change(&p)
	}
	return p.Text(ed25519.Sign(signingKey, p.Message()))
}

func single(p *pass.Pass) { p.Kind, p.Entries = pass.Guest, 1 }

// place is a lane with a scanner on each side, and a person who can be told what to do.
type place struct {
	*testing.T
	gate     *gatetest.Fake
	in, out  *scannertest.Fake
	journal  *memory
	presence *presence.Presence
	lane     *Lane
	record   *Recorder
	stop     context.CancelFunc
	done     chan error

	mu    sync.Mutex // guards the following
	facts access.Facts
	began time.Time
}

// at runs f with a lane, in time that passes only when everybody waits.
func at(t *testing.T, f func(p *place)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, &memory{})
		p.start()
		f(p)
		p.end()
	})
}

func newPlace(t *testing.T, j *memory) *place {
	p := &place{
		T: t, gate: gatetest.New(), in: scannertest.New(), out: scannertest.New(),
		journal: j, presence: presence.New(), facts: goodFacts(), began: time.Now(),
	}
	p.record = &Recorder{Journal: p.journal, Presence: p.presence, Start: p.began, Now: p.now, Facts: func() access.Facts {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.facts
	}}
	p.lane = New(Setup{
		Number: 1, Name: "North 1", Zone: testZone, Gate: p.gate, Record: p.record,
		Readers: []Reader{{Name: "in", Scanner: p.in, Direction: gate.In}, {Name: "out", Scanner: p.out, Direction: gate.Out}},
		Log:     slog.New(slog.DiscardHandler),
	})
	return p
}

func (p *place) now() time.Time { return noon.Add(time.Since(p.began)) }

func (p *place) start() {
	ctx, cancel := context.WithCancel(context.Background())
	p.stop, p.done = cancel, make(chan error, 1)
	go func() { p.done <- p.lane.Run(ctx) }()
	synctest.Wait()
}

// end stops the lane, if the test did not.
func (p *place) end() {
	p.stop()
	if err := <-p.done; err != nil {
		p.Errorf("Run: %v", err)
	}
	p.done <- nil
}

func (p *place) change(f func(f *access.Facts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.facts)
}

// scan shows a code to the scanner outside and waits until the lane is done with it.
func (p *place) scan(text string) {
	p.Helper()
	if !p.in.Scan(text) {
		p.Fatal("the scanner is not there")
	}
	synctest.Wait()
}

func (p *place) walk(d gate.Direction) {
	p.gate.Walk(d)
	synctest.Wait()
}

// after lets time pass.
func (p *place) after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// is checks the state, the reason on the display, and how often the gate opened.
func (p *place) is(s State, r pass.Reason, openings int) {
	p.Helper()
	got := p.lane.Status()
	if got.State != s || got.Answer.Reason != r || p.gate.Openings() != openings {
		p.Errorf("lane is %v and shows %v, gate opened %d times; want %v, %v, %d",
			got.State, got.Answer.Reason, p.gate.Openings(), s, r, openings)
	}
}

// wrote checks the types of the entries about scans and passages.
func (p *place) wrote(want ...link.EntryType) {
	p.Helper()
	got := p.journal.types()
	if len(got) != len(want) {
		p.Fatalf("entries %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			p.Fatalf("entries %v, want %v", got, want)
		}
	}
}
