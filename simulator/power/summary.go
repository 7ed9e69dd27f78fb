package power

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"turnstile/simulator/machine/disk"
)

// tally is what one campaign did.
type tally struct {
	Seed        uint64  `json:"seed"`
	Seconds     float64 `json:"seconds"`
	Runs        int     `json:"runs"`         // disks that began anew
	Cuts        int     `json:"cuts"`         // power cuts, or states that one could have left
	Unflushed   int     `json:"unflushed"`    // of them with writes in the disk's cache
	Torn        int     `json:"torn"`         // of them with a write that was torn
	AtStart     int     `json:"at_start"`     // of them before the agent was ready
	Worn        int     `json:"worn"`         // of them after the disk had refused to write
	Writes      int     `json:"writes"`       // that were in the caches
	WritesKept  int     `json:"writes_kept"`  //
	WritesTorn  int     `json:"writes_torn"`  //
	WritesLost  int     `json:"writes_lost"`  //
	Openings    int     `json:"openings"`     // of the gate, acknowledged on the wire
	Results     int     `json:"results"`      // of them with a result that was acknowledged too
	Entries     int     `json:"entries"`      // of journals, compared
	TornEnds    int     `json:"torn_ends"`    // journals whose end was cut
	Healed      int     `json:"healed"`       // file systems that no kernel mounts before a check
	Revived     int     `json:"revived"`      // agents that started on what was left and let somebody in
	UsedRefused int     `json:"used_refused"` // passes that were used before the cut, and refused after it
	Lost        int     `json:"lost"`         // acknowledged, and not there
	Twice       int     `json:"twice"`        // entries, grants, openings
	Spoilt      int     `json:"spoilt"`       // journals, caches, file systems
}

// counts are the tallies of all campaigns by their name. Its methods may be called
// from any goroutine.
type counts struct {
	mu sync.Mutex // guards the following
	by map[string]*tally
}

// add has f change the tally of a campaign.
func (c *counts) add(campaign string, f func(t *tally)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string]*tally{}
	}
	if c.by[campaign] == nil {
		c.by[campaign] = &tally{}
	}
	f(c.by[campaign])
}

// of returns a copy.
func (c *counts) of(campaign string) (t tally) {
	c.add(campaign, func(now *tally) { t = *now })
	return t
}

// cut counts one power cut, or one state.
func (t *tally) cut(l disk.Loss) {
	t.Cuts++
	t.Unflushed += one(l.Unflushed > 0)
	t.Torn += one(l.Torn > 0)
	t.Writes += l.Unflushed
	t.WritesKept += l.Kept
	t.WritesTorn += l.Torn
	t.WritesLost += l.Dropped
}

// verdict counts what judge found.
func (t *tally) verdict(f found, seen record, err error) {
	t.Entries += len(f.entries)
	t.TornEnds += one(f.torn > 0)
	t.Healed += one(f.healed != nil)
	t.Openings += len(seen.Openings)
	for _, o := range seen.Openings {
		t.Results += one(o.Settled != never)
	}
	t.Lost += one(errors.Is(err, errLost))
	t.Twice += one(errors.Is(err, errTwice))
	t.Spoilt += one(err != nil && !errors.Is(err, errLost) && !errors.Is(err, errTwice))
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// String is the tally in one line, for people.
func (t tally) String() string {
	return fmt.Sprintf("%d cuts on %d disks in %.0f s (%.0f a minute, seed %d): %d with unflushed writes, %d with torn ones, %d before the agent was ready, %d on a worn disk; "+
		"%d writes in caches: %d kept, %d torn, %d lost; compared %d openings, %d results, %d entries; %d journals with a torn end, %d file systems repaired; %d agents revived, %d used passes refused; "+
		"LOST %d, TWICE %d, SPOILT %d",
		t.Cuts, t.Runs, t.Seconds, float64(t.Cuts)*60/max(t.Seconds, 1), t.Seed, t.Unflushed, t.Torn, t.AtStart, t.Worn,
		t.Writes, t.WritesKept, t.WritesTorn, t.WritesLost, t.Openings, t.Results, t.Entries, t.TornEnds, t.Healed, t.Revived, t.UsedRefused, t.Lost, t.Twice, t.Spoilt)
}

// write puts all tallies into a JSON file, beside those of campaigns that did
// not run now, and one line each to out.
func (c *counts) write(path string, out io.Writer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.by) == 0 {
		return nil
	}
	all := map[string]*tally{}
	old, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(old, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s; remove it to begin anew: %w", path, err)
	}
	for name, t := range c.by {
		all[name] = t
		fmt.Fprintf(out, "power: %s: %s\n", name, t)
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("encode counts: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write counts: %w", err)
	}
	return nil
}
