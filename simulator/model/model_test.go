package model

import (
	"errors"
	"testing"
)

func TestFeed(t *testing.T) {
	r, err := FeedMachine(FeedRules{}).Explore()
	t.Logf("feed: %+v", r)
	if err != nil || r.States < 100_000 || r.Goals == 0 {
		t.Fatal(err)
	}
}

func TestFeedRulesAreNeeded(t *testing.T) {
	for name, c := range map[string]struct {
		rules FeedRules
		want  error
	}{
		"no floor":           {FeedRules{NoFloor: true}, errBehind},
		"no chain":           {FeedRules{NoChain: true}, errMixed},
		"any snapshot":       {FeedRules{AnySnapshot: true}, errBack},
		"heads in any order": {FeedRules{NoHeadOrder: true}, errOld},
		"nothing asked for":  {FeedRules{NoRange: true}, ErrStuck},
	} {
		if _, err := FeedMachine(c.rules).Explore(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestJournal(t *testing.T) {
	r, err := JournalMachine(JournalRules{}).Explore()
	t.Logf("journal: %+v", r)
	if err != nil || r.States < 60_000 || r.Goals == 0 {
		t.Fatal(err)
	}
}

func TestJournalRulesAreNeeded(t *testing.T) {
	for name, c := range map[string]struct {
		rules JournalRules
		want  error
	}{
		"sends early":        {JournalRules{SendsEarly: true}, errRewritten},
		"keeps the id":       {JournalRules{KeepsID: true}, errRewritten},
		"numbers again":      {JournalRules{NumbersAgain: true}, errRewritten},
		"acknowledges early": {JournalRules{AcksEarly: true}, errVanished},
		"drops unacked":      {JournalRules{DropsUnacked: true}, errVanished},
		"no gaps checked":    {JournalRules{NoGapsChecked: true}, errVanished},
		"skips damage":       {JournalRules{SkipsDamage: true}, ErrStuck},
		"never rewinds":      {JournalRules{NeverRewinds: true}, ErrStuck},
	} {
		if _, err := JournalMachine(c.rules).Explore(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
