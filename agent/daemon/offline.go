package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/cache"
	"turnstile/agent/presence"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// CheckOffline decides on a code from the cache of an agent that is not
// running. Who is inside is known as of the last checkpoint; the clock of this
// computer is taken to be right. lane 0 is the first.
func CheckOffline(c Config, lane int, text []byte, now time.Time) (CheckResult, error) {
	l := c.lane(lane)
	path := filepath.Join(c.Data, cacheFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return Explain(text, access.Facts{}, uint8(l.Number), uint8(l.Zone), nil, now), nil
	}
	k, _, err := cache.Open(path, cache.Options{})
	if err != nil {
		return CheckResult{}, err
	}
	data, _, _, err := k.LoadCheckpoint()
	known := presence.New()
	if err == nil && data != nil {
		known, err = presence.Decode(data)
	}
	if err != nil {
		return CheckResult{}, errors.Join(fmt.Errorf("read who is inside: %w", err), k.Close())
	}
	past := func(id pass.ID) access.Past { return known.Of(id, uint8(l.Zone), gate.In) }
	r := Explain(text, FactsOf(k.View(), now, link.ClockTrusted, 0), uint8(l.Number), uint8(l.Zone), past, now)
	return r, k.Close()
}

// lane returns the lane with the number; 0 is the first.
func (c *Config) lane(number int) Lane {
	for _, l := range c.Lanes {
		if l.Number == number {
			return l
		}
	}
	return c.Lanes[0]
}

// Files in the data folder, beside what package enrol keeps there.
const (
	cacheFile     = "cache.bolt"
	journalFolder = "journal"
)
