package issuer

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// ErrNoKey tells that no pass key signs that kind on that day.
var ErrNoKey = errors.New("no pass key for the kind and day")

// passKey signs the passes of one week.
type passKey struct {
	public  link.PassKey
	private ed25519.PrivateKey
}

// storedKey is the JSON inside of pass-N.key.
type storedKey struct {
	ID    uint16   `json:"id"`
	Kinds uint16   `json:"kinds"`
	From  pass.Day `json:"from"`
	To    pass.Day `json:"to"`
	Seed  []byte   `json:"seed"`
}

func (s storedKey) passKey() passKey {
	key := ed25519.NewKeyFromSeed(s.Seed)
	return passKey{link.PassKey{ID: s.ID, Public: key.Public().(ed25519.PublicKey), Kinds: s.Kinds, From: s.From, To: s.To}, key}
}

const keyPrefix = "pass-"

func (i *Issuer) loadPassKeys() error {
	files, err := filepath.Glob(filepath.Join(i.vault.dir, keyPrefix+"*.key"))
	if err != nil {
		return fmt.Errorf("list pass keys: %w", err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".key")
		secret, err := i.vault.get(name)
		if err != nil {
			return err
		}
		var s storedKey
		if err := json.Unmarshal(secret, &s); err != nil || len(s.Seed) != ed25519.SeedSize || name != keyName(s.ID) {
			return fmt.Errorf("%w: %s", ErrDamagedKeys, f)
		}
		i.passKeys = append(i.passKeys, s.passKey())
	}
	slices.SortFunc(i.passKeys, func(a, b passKey) int { return int(a.public.ID) - int(b.public.ID) })
	return i.loadKeyset()
}

func keyName(id uint16) string { return keyPrefix + strconv.Itoa(int(id)) }

const keysetFile = "keyset.cbor"

func (i *Issuer) loadKeyset() error {
	path := filepath.Join(i.vault.dir, keysetFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		i.published = &link.Keyset{}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read keyset: %w", err)
	}
	i.published, err = link.Open[link.Keyset](data, link.TypeKeyset, i.site, link.KeysOf(i.keyset.public()), link.MaxDocument)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamagedKeys, path, err)
	}
	i.sealed = data
	return nil
}

func (i *Issuer) keyFor(kind pass.Kind, day pass.Day) (passKey, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.find(kind, day)
}

func (i *Issuer) find(kind pass.Kind, day pass.Day) (passKey, bool) {
	for _, k := range slices.Backward(i.passKeys) { // the newest first
		if k.public.Signs(kind, day) {
			return k, true
		}
	}
	return passKey{}, false
}

const (
	ordinary = 1<<pass.ECard | 1<<pass.Guest | 1<<pass.Staff
	trial    = 1 << pass.Test
)

// Renew makes the keys for passes of the days from .. to that are missing, test
// keys only with test, and the keyset that lists all keys in use from the day
// from on. Its version rises with each change. Keys are kept when their week is
// over: what they signed stays verifiable here.
func (i *Issuer) Renew(from, to pass.Day, test bool, now time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for day := from; ; day = weekEnd(day) + 1 {
		if err := i.ensure(pass.ECard, ordinary, day); err != nil {
			return err
		}
		if test {
			if err := i.ensure(pass.Test, trial, day); err != nil {
				return err
			}
		}
		if weekEnd(day) >= to {
			break
		}
	}
	return i.publish(from, test, now)
}

// weekEnd returns the Sunday at or after a day; 2020-01-01 was a Wednesday.
func weekEnd(d pass.Day) pass.Day { return d + 6 - (d+2)%7 }

func (i *Issuer) ensure(kind pass.Kind, kinds uint16, day pass.Day) error {
	if _, ok := i.find(kind, day); ok {
		return nil
	}
	id := uint16(1)
	if n := len(i.passKeys); n > 0 {
		id = i.passKeys[n-1].public.ID + 1
	}
	s := storedKey{ID: id, Kinds: kinds, From: weekEnd(day) - min(6, weekEnd(day)), To: weekEnd(day), Seed: make([]byte, ed25519.SeedSize)}
	rand.Read(s.Seed)
	secret, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode pass key: %w", err)
	}
	if err := i.vault.put(keyName(id), secret); err != nil {
		return err
	}
	i.passKeys = append(i.passKeys, s.passKey())
	return nil
}

func (i *Issuer) publish(from pass.Day, test bool, now time.Time) error {
	next := link.Keyset{Version: i.published.Version + 1, Issued: now.UnixMilli()}
	for _, k := range i.passKeys {
		if k.public.To >= from && (k.public.Kinds != trial || test) {
			next.Keys = append(next.Keys, k.public)
		}
	}
	if slices.EqualFunc(next.Keys, i.published.Keys, func(a, b link.PassKey) bool { return a.ID == b.ID }) {
		return nil
	}
	sealed, err := link.Seal(i.keyset, link.TypeKeyset, i.site, next)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(i.vault.dir, keysetFile), sealed); err != nil {
		return err
	}
	i.published, i.sealed = &next, sealed
	return nil
}

// Keys returns the keyset in force and the message that carries it to lanes.
func (i *Issuer) Keys() (link.Keyset, []byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	m := link.KeysMessage{Version: link.Version, Delegation: [][]byte{i.delegation}, Keyset: i.sealed}
	data, err := m.Encode()
	return *i.published, data, err
}
