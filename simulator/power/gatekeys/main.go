// Command gatekeys writes gate keys into an agent's cache as a session with central does, or leaves out what the agent does to old ones.
//
//	gatekeys set CACHE DAY=KEY...   the keys that are there from now on, each 64 hexadecimal digits
//	gatekeys delete FILE            what a careless agent would do: remove the file
package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"turnstile/agent/cache"
	"turnstile/central/link"
	"turnstile/central/pass"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: gatekeys set CACHE DAY=KEY... | gatekeys delete FILE")

func run(args []string) error {
	switch {
	case len(args) >= 2 && args[0] == "set":
		return set(args[1], args[2:])
	case len(args) == 2 && args[0] == "delete":
		return os.Remove(args[1])
	}
	return errUsage
}

// set replaces the keys of a cache, with a version above all before.
func set(path string, list []string) error {
	var keys []link.DayKey
	for _, item := range list {
		k, err := parse(item)
		if err != nil {
			return err
		}
		keys = append(keys, k)
	}
	c, _, err := cache.Open(path, cache.Options{})
	if err != nil {
		return err
	}
	return errors.Join(c.SetGate(uint64(time.Now().UnixNano()), keys), c.Close())
}

func parse(item string) (k link.DayKey, err error) {
	day, key, _ := strings.Cut(item, "=")
	number, err := strconv.ParseUint(day, 10, 16)
	if err != nil {
		return k, fmt.Errorf("%w: day %q: %w", errUsage, day, err)
	}
	b, err := hex.DecodeString(key)
	if err != nil || len(b) != len(k.Key) {
		return k, fmt.Errorf("%w: key %q", errUsage, key)
	}
	k.Day = pass.Day(number)
	copy(k.Key[:], b)
	return k, nil
}
