package neighbours

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/central/link"
)

func answer(t *testing.T, u link.Uses) []byte { return seal(t, signer("status"), link.TypeUses, u) }

func group(lane string, entries ...link.Entry) link.UseGroup {
	return link.UseGroup{Lane: lane, Journal: journalOf(lane), Entries: raw(entries...)}
}

func TestAsk(t *testing.T) {
	h := newHouse(t, "south")
	ask := func(at time.Time) *link.Ask {
		a, due := h.Ask(at)
		if !due {
			return nil
		}
		return &a
	}
	if ask(now) != nil {
		t.Error("asks while nobody hears it")
	}
	h.Connected(true)
	first := ask(now)
	if first == nil || first.Lane != "south" || first.Want != link.WantUses || first.From != 0 || first.To != 0 {
		t.Fatalf("%+v", first)
	}
	if ask(now.Add(askFirst-1)) != nil || ask(now.Add(askFirst)) == nil || ask(now.Add(askFirst+2*askFirst-1)) != nil {
		t.Error("does not ask again after 5 s, then 10 s")
	}
	if ask(now.Add(-time.Hour)) == nil {
		t.Error("does not ask after the clock was set back")
	}
	grant, elsewhere := entry(link.EntryGranted, 4, 1, 9), entry(link.EntryGranted, 5, 7, 9)
	give := func(u link.Uses) {
		t.Helper()
		if err := h.Handle(topics.Repeat("south"), answer(t, u), now); err != nil {
			t.Fatal(err)
		}
	}
	give(link.Uses{Lane: "south", Next: 20, More: true, Groups: []link.UseGroup{group("north", grant, elsewhere), group("south", grant)}})
	if got := h.all(); len(got) != 1 || got[0] != (taken{"north", journalOf("north"), grant}) {
		t.Fatalf("took %+v", got)
	}
	if ask(now.Add(askMore-1)) != nil {
		t.Error("asks for more too soon")
	}
	if a := ask(now.Add(askMore)); a == nil || a.From != 20 {
		t.Errorf("asks for more: %+v", a)
	}
	give(link.Uses{Lane: "south", From: 30, Next: 40}) // the one before it was lost
	give(link.Uses{Lane: "south", From: 0, Next: 10})  // played again
	if h.Cursor() != 20 {
		t.Errorf("cursor %d", h.Cursor())
	}
	give(link.Uses{Lane: "south", From: 20, Next: 25, More: true})
	give(link.Uses{Lane: "south", From: 25, Next: 40})
	if ask(now.Add(askEvery-1)) != nil {
		t.Error("asks within the minute")
	}
	h.learn(t, lanes(1, 7, "south"))
	h.learn(t, lanes(2, 6, "south"))
	if a := ask(now.Add(askEvery)); a == nil || a.From != 40 || a.To != 6 {
		t.Errorf("asks after a minute: %+v", a)
	}
	h.Connected(false)
	h.Connected(true)
	if ask(now.Add(askEvery+1)) == nil {
		t.Error("does not ask after a reconnect")
	}
}

func TestUsesRefused(t *testing.T) {
	h := newHouse(t, "south")
	bad := entry(link.EntryPassed, 5, 1, 9)
	bad.Grant = 9
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"another lane's", answer(t, link.Uses{Lane: "north", Next: 9}), link.ErrForged},
		{"a lane's", seal(t, signer("north"), link.TypeUses, link.Uses{Lane: "south", Next: 9}), link.ErrUnknown},
		{"no lane", answer(t, link.Uses{Lane: "south", Next: 9, Groups: []link.UseGroup{group("a/b")}}), link.ErrMalformed},
		{"no use", answer(t, link.Uses{Lane: "south", Next: 9, Groups: []link.UseGroup{group("north", entry(link.EntryDenied, 4, 1, 9))}}), link.ErrMalformed},
		{"no grant's result", answer(t, link.Uses{Lane: "south", Next: 9, Groups: []link.UseGroup{group("north", bad)}}), link.ErrMalformed},
		{"rubbish", []byte("x"), link.ErrMalformed},
	} {
		if err := h.Handle(topics.Repeat("south"), c.data, now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if h.Cursor() != 0 || len(h.all()) != 0 {
			t.Errorf("%s was taken", c.name)
		}
	}
	none := newHouse(t, "south", func(c *Config) { c.Delegation = func() *link.Delegation { return nil } })
	if err := none.Handle(topics.Repeat("south"), answer(t, link.Uses{Lane: "south", Next: 9}), now); err != nil || none.Cursor() != 0 {
		t.Errorf("without keys: %v", err)
	}
}

// TestCursor: the cursor goes on only if what it stands for was kept.
func TestCursor(t *testing.T) {
	dir := t.TempDir()
	start := func(resume bool) *house {
		return newHouse(t, "south", func(c *Config) { c.Dir, c.Resume = dir, resume })
	}
	h := start(true)
	if h.Cursor() != 0 {
		t.Fatalf("cursor %d at first", h.Cursor())
	}
	if err := h.Keep(1 << 63); err != nil {
		t.Fatal(err)
	}
	if c := start(true).Cursor(); c != 1<<63 {
		t.Errorf("cursor %d", c)
	}
	if c := start(false).Cursor(); c != 0 {
		t.Errorf("cursor %d though what was taken is gone", c)
	}
	id := fmt.Sprintf("%x ", journalOf("south"))
	for _, text := range []string{"", "x", "7", id, id + "-1", id + "99999999999999999999", id + "7 ", id + strings.Repeat("0", 99) + "7", "\x00\x00", fmt.Sprintf("%x 7", link.JournalID{1})} {
		if err := os.WriteFile(filepath.Join(dir, cursorFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if h := start(true); h.Cursor() != 0 || !h.asking.never {
			t.Errorf("%q: cursor %d, as told %v", text, h.Cursor(), !h.asking.never)
		}
	}
}

// TestEarlierJournal: central's word of a journal that was here before is taken, and
// until it came this controller is apart, though it be the only one of its zone and
// start anew meanwhile, also if the start that began the journal ended right then.
func TestEarlierJournal(t *testing.T) {
	dir, old, id := t.TempDir(), link.JournalID{1}, journalOf("south")
	starts := func(journal link.JournalID) *house {
		h := newHouse(t, "south", func(c *Config) { c.Dir, c.Journal, c.Resume = dir, journal, true })
		for z := range uint8(2) {
			h.learn(t, lanes(z+1, 7, "south"))
		}
		return h
	}
	before := starts(old)
	if before.Apart(1, now) {
		t.Fatal("the only controller of a zone is apart on an ordinary day")
	}
	if err := before.Keep(40); err != nil {
		t.Fatal(err)
	}
	if again := starts(old); again.Apart(1, now) || again.Cursor() != 40 {
		t.Fatalf("an ordinary start: cursor %d", again.Cursor())
	}
	var h *house
	for range 2 { // killed, and once more
		h = starts(id)
		if h.Cursor() != 0 || !h.Apart(1, now) {
			t.Errorf("with a new journal: cursor %d, apart %v", h.Cursor(), h.Apart(1, now))
		}
		if err := h.Keep(h.Cursor()); err != nil {
			t.Fatal(err)
		}
	}
	h.Connected(true)
	a, due := h.Ask(now)
	if !due || string(a.Journal) != string(id[:]) {
		t.Fatalf("asks %+v", a)
	}
	use := entry(link.EntryGranted, 4, 1, 9)
	groups := []link.UseGroup{group("south", use), {Lane: "south", Journal: old, Entries: raw(use)}}
	if err := h.Handle(topics.Repeat("south"), answer(t, link.Uses{Lane: "south", Next: 20, Groups: groups, Nonce: a.Nonce}), now); err != nil {
		t.Fatal(err)
	}
	if got := h.all(); len(got) != 1 || got[0] != (taken{"", old, use}) {
		t.Errorf("took %+v", got)
	}
	h.Connected(false)
	if h.Apart(1, now) {
		t.Error("apart though central told everything once")
	}
	if err := h.Keep(h.Cursor()); err != nil {
		t.Fatal(err)
	}
	if next := starts(id); next.Apart(1, now) || next.Cursor() != 20 {
		t.Errorf("the next start: cursor %d", next.Cursor())
	}
}
