package power

import (
	"errors"
	"slices"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// entry is one of a made-up journal.
func entry(boot uint32, t link.EntryType, index uint32, number uint16, grant uint64) link.Entry {
	return link.Entry{Type: t, Boot: boot, Pass: pass.ID{Day: 1, Index: index}, Detail: number, Grant: grant}
}

// seenOpening is an opening for pass index with the number of the same value.
func seenOpening(index uint32, walked bool, settled int) opening {
	return opening{Pass: pass.ID{Day: 1, Index: index}, Number: index, Walked: walked, Settled: settled}
}

// TestTrial: each thing that a power cut must not do is found, and nothing else.
func TestTrial(t *testing.T) {
	const granted, passed, not, unknown, boot = link.EntryGranted, link.EntryPassed, link.EntryNotPassed, link.EntryUnknown, link.EntryBoot
	good := []link.Entry{entry(1, boot, 0, 0, 0), entry(1, granted, 1, 1, 0), entry(1, passed, 1, 0, 2), entry(1, granted, 2, 2, 0),
		entry(1, not, 2, 0, 4), entry(1, granted, 2, 3, 0), entry(2, boot, 0, 0, 0), entry(2, unknown, 2, 0, 6)}
	seen := record{Starts: []start{{0, 0}, {0, 0}}, Openings: []opening{seenOpening(1, true, 0), seenOpening(2, false, 0)}}
	without := func(i int) []link.Entry { return slices.Delete(slices.Clone(good), i, i+1) }
	with := func(e ...link.Entry) []link.Entry { return append(slices.Clone(good), e...) }
	for name, test := range map[string]struct {
		entries []link.Entry
		seen    record
		want    []error
	}{
		"sound":               {good, seen, nil},
		"nobody saw anything": {good, record{}, nil},
		"grant lost":          {good, record{Openings: []opening{seenOpening(9, true, never)}}, []error{errLost}},
		"grant, other number": {good, record{Openings: []opening{{Pass: pass.ID{Day: 1, Index: 1}, Number: 9, Settled: never}}}, []error{errLost}},
		"result lost":         {without(2), record{Openings: []opening{seenOpening(1, true, 0)}}, []error{errLost, errSpoil}},
		"result changed":      {good, record{Openings: []opening{seenOpening(1, false, 0)}}, []error{errLost}},
		"result not expected": {good[:2], record{Openings: []opening{seenOpening(1, true, never)}}, nil},
		"not settled":         {good[:7], seen, []error{errLost}},
		"not settled yet":     {good[:7], record{Starts: []start{{0, 0}, {0, never}}}, nil},
		"result twice":        {with(entry(2, passed, 1, 0, 2)), record{}, []error{errTwice}},
		"result of nothing":   {with(entry(2, passed, 1, 0, 1)), record{}, []error{errSpoil}},
		"grant twice":         {with(entry(2, granted, 1, 1, 0)), record{Openings: []opening{seenOpening(1, true, never)}}, []error{errTwice}},
		"used pass":           {with(entry(2, granted, 1, 4, 0)), record{}, []error{errTwice}},
		"unknown is used":     {with(entry(2, granted, 2, 4, 0)), record{}, []error{errTwice}},
		"known lost":          {nil, record{Known: [][]byte{{1}}}, []error{errLost}},
	} {
		tr := trial{seen: test.seen, entries: slices.Clone(test.entries)}
		for i := range tr.entries {
			if tr.entries[i].Seq = uint64(i) + 1; name == "result lost" && i >= 2 {
				tr.entries[i].Seq++ // the numbers tell it as well
			}
		}
		tr.known(nil)
		tr.results()
		tr.openings()
		tr.once()
		err := errors.Join(tr.errs...)
		for _, w := range test.want {
			if !errors.Is(err, w) {
				t.Errorf("%s: %v, want %v", name, err, w)
			}
		}
		if len(test.want) == 0 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKnown: what was on the disk once is there in the same bytes.
func TestKnown(t *testing.T) {
	for name, test := range map[string]struct {
		raw  [][]byte
		want error
	}{"more": {[][]byte{{1}, {2}, {3}}, nil}, "fewer": {[][]byte{{1}}, errLost}, "changed": {[][]byte{{1}, {9}}, errSpoil}} {
		tr := trial{seen: record{Known: [][]byte{{1}, {2}}}}
		if tr.known(test.raw); !errors.Is(errors.Join(tr.errs...), test.want) || len(tr.errs) > 0 != (test.want != nil) {
			t.Errorf("%s: %v, want %v", name, tr.errs, test.want)
		}
	}
}

// TestLedger: what must not be seen from outside is written down.
func TestLedger(t *testing.T) {
	id := pass.ID{Day: 1, Index: 1}
	for name, test := range map[string]struct {
		do    func(l *ledger)
		wrong int
	}{
		"asked":                   {func(l *ledger) { l.ask(id, true); l.opened(1, true, 0) }, 0},
		"the driver repeats":      {func(l *ledger) { l.ask(id, true); l.opened(1, true, 0); l.opened(1, true, 0) }, 0},
		"by itself":               {func(l *ledger) { l.opened(1, true, 0) }, 1},
		"a second time":           {func(l *ledger) { l.ask(id, true); l.opened(1, true, 0); l.opened(2, true, 0) }, 1},
		"by itself after a start": {func(l *ledger) { l.ask(id, true); l.began(0); l.opened(1, true, 0) }, 1},
		"used pass":               {func(l *ledger) { l.ask(id, false); l.opened(1, true, 0) }, 1},
		"same number, later start": {func(l *ledger) {
			l.ask(id, true)
			l.opened(1, true, 0)
			l.began(0)
			l.ask(id, true)
			l.opened(1, true, 0)
		}, 1},
	} {
		l := &ledger{}
		l.began(0)
		if test.do(l); len(l.at(never).Wrong) != test.wrong {
			t.Errorf("%s: %v", name, l.at(never).Wrong)
		}
	}
	l := &ledger{}
	l.began(1)
	l.ask(id, true)
	l.opened(1, true, 5)
	l.refused(9)
	if early, then, late := l.at(4), l.at(5), l.at(9); len(early.Openings) != 0 || then.Openings[0].Settled != never || late.Openings[0].Settled != 9 {
		t.Errorf("%+v, %+v, %+v", early, then, late)
	}
}
