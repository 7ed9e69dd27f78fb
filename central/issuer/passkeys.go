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

// What a caller can branch on.
var (
	ErrNoKey      = errors.New("no pass key for the kind and day")
	ErrUnknownKey = errors.New("no such pass key")
)

// Ripe is how long a key has been published before it signs, unless there is no
// other: a lane that was cut off for less than that has it.
const Ripe = 48 * time.Hour

// passKey signs passes of some kinds and days.
type passKey struct {
	public    link.PassKey
	private   ed25519.PrivateKey // nil once withdrawn
	spare     bool
	made      time.Time
	withdrawn time.Time // zero: in force
}

// storedKey is the JSON inside of pass-N.key. Of a withdrawn key the seed is gone.
type storedKey struct {
	ID        uint16   `json:"id"`
	Kinds     uint16   `json:"kinds"`
	From      pass.Day `json:"from"`
	To        pass.Day `json:"to"`
	Seed      []byte   `json:"seed,omitempty"`
	Public    []byte   `json:"public,omitempty"` // of a withdrawn key
	Spare     bool     `json:"spare,omitempty"`
	Made      int64    `json:"made,omitempty"`      // Unix s; 0 long ago
	Withdrawn int64    `json:"withdrawn,omitempty"` // Unix s
}

// passKey returns the key, and false if the seed or what stands for it is damaged.
func (s storedKey) passKey() (passKey, bool) {
	k := passKey{public: link.PassKey{ID: s.ID, Public: s.Public, Kinds: s.Kinds, From: s.From, To: s.To}, spare: s.Spare, made: time.Unix(s.Made, 0)}
	if s.Withdrawn != 0 {
		k.withdrawn = time.Unix(s.Withdrawn, 0)
		return k, len(s.Public) == ed25519.PublicKeySize
	}
	if len(s.Seed) != ed25519.SeedSize {
		return k, false
	}
	k.private = ed25519.NewKeyFromSeed(s.Seed)
	k.public.Public = k.private.Public().(ed25519.PublicKey)
	return k, true
}

const keyPrefix = "pass-"

func keyName(id uint16) string { return keyPrefix + strconv.Itoa(int(id)) }

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
		if err := json.Unmarshal(secret, &s); err != nil || name != keyName(s.ID) {
			return fmt.Errorf("%w: %s", ErrDamagedKeys, f)
		}
		k, ok := s.passKey()
		if !ok {
			return fmt.Errorf("%w: %s", ErrDamagedKeys, f)
		}
		i.passKeys = append(i.passKeys, k)
	}
	slices.SortFunc(i.passKeys, func(a, b passKey) int { return int(a.public.ID) - int(b.public.ID) })
	return i.loadKeyset()
}

const keysetFile = "keyset.cbor"

func (i *Issuer) loadKeyset() error {
	path := filepath.Join(i.vault.dir, keysetFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		i.published = &link.Keyset{}
		if len(i.passKeys) > 0 { // a restoration took it out: the next one is above all that lanes may know
			i.published.Version = uint64(i.now.Unix())
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read keyset: %w", err)
	}
	for _, s := range []*signer{i.role.Load().keyset, i.onDisk.keyset} { // a change may have been interrupted
		i.published, err = link.Open[link.Keyset](data, link.TypeKeyset, i.site, link.KeysOf(s.public()), link.MaxDocument)
		if err == nil {
			i.sealed, i.sealedBy = data, s.id
			return nil
		}
	}
	return fmt.Errorf("%w: %s: %w", ErrDamagedKeys, path, err)
}

// find returns the key that signs the kind on the day: the newest of its week
// that lanes have had for long enough; else the oldest spare of that kind; and
// only where there is neither, the one that lanes have had for longest.
func (i *Issuer) find(kind pass.Kind, day pass.Day) (best passKey, found bool) {
	for _, k := range i.passKeys { // ascending ids
		if k.withdrawn.IsZero() && k.public.Signs(kind, day) && (!found || k.before(best, i.now)) {
			best, found = k, true
		}
	}
	return best, found
}

// before reports whether k is taken rather than b, whose id is lower.
func (k passKey) before(b passKey, now time.Time) bool {
	ripe, other := !now.Before(k.made.Add(Ripe)), !now.Before(b.made.Add(Ripe))
	switch {
	case ripe != other:
		return ripe
	case !ripe && !k.made.Equal(b.made):
		return k.made.Before(b.made)
	}
	return !k.spare
}

// The kinds that one key signs. Supervisor codes have a key of their own: they
// open gates with everything else down.
const (
	ordinary   = 1<<pass.ECard | 1<<pass.Guest | 1<<pass.Staff
	supervisor = 1 << pass.Supervisor
	trial      = 1 << pass.Test
)

// Lives beyond one week, in days.
const (
	longLife       = 28 // that a spare, or a key for supervisor codes, reaches beyond what is asked for
	supervisorDays = 8  // that a supervisor code outlives its day, and one
	maxSpares      = 4
)

// Renew makes the keys for passes of the days from .. to that are missing, test
// keys only with test, and the keyset that lists all keys in use from the day
// from on. Its version rises with each change. Beside one key a week there is
// always a spare that no pass was signed with, and one for supervisor codes.
// Keys are kept when their week is over: what they signed stays verifiable here.
// It also takes a delegation that was installed meanwhile, and the time.
func (i *Issuer) Renew(from, to pass.Day, test bool, now time.Time) error {
	if to < from || to-from > maxSpan {
		return fmt.Errorf("%w: %s to %s", ErrSpan, from, to)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = now
	if err := i.renewDelegation(now); err != nil {
		return err
	}
	for day := from; ; day = weekEnd(day) + 1 {
		if err := i.ensureWeek(day, test); err != nil {
			return err
		}
		if weekEnd(day) >= to {
			break
		}
	}
	if err := i.ensureLong(from, to); err != nil {
		return err
	}
	return i.publish(from, test, now)
}

// maxSpan bounds the days that one Renew makes keys for.
const maxSpan = 100

// ErrSpan tells that days for which something is asked are in the wrong order,
// or too far away.
var ErrSpan = errors.New("days out of bounds")

// weekEnd returns the Sunday at or after a day; 2020-01-01 was a Wednesday.
func weekEnd(d pass.Day) pass.Day { return d + 6 - (d+2)%7 }

func weekStart(d pass.Day) pass.Day { return weekEnd(d) - min(6, weekEnd(d)) }

func (i *Issuer) ensureWeek(day pass.Day, test bool) error {
	if i.count(false, pass.ECard, day, day) == 0 {
		if err := i.add(storedKey{Kinds: ordinary, From: weekStart(day), To: weekEnd(day)}); err != nil {
			return err
		}
	}
	if !test || i.count(false, pass.Test, day, day) > 0 {
		return nil
	}
	return i.add(storedKey{Kinds: trial, From: weekStart(day), To: weekEnd(day)})
}

// ensureLong makes the spares and the key for supervisor codes. For each key
// that was withdrawn there is one spare more: the first stands in for it.
func (i *Issuer) ensureLong(from, to pass.Day) error {
	wanted := 1
	for _, k := range i.passKeys {
		if !k.spare && !k.withdrawn.IsZero() && k.public.To >= from {
			wanted++
		}
	}
	for i.count(true, pass.ECard, from, to) < min(wanted, maxSpares) {
		if err := i.add(storedKey{Kinds: ordinary | supervisor, From: weekStart(from), To: weekEnd(to) + longLife, Spare: true}); err != nil {
			return err
		}
	}
	if i.count(false, pass.Supervisor, from, to) > 0 {
		return nil
	}
	return i.add(storedKey{Kinds: supervisor, From: weekStart(from), To: weekEnd(to) + longLife})
}

// count counts the keys in force that sign the kind on all days from .. to.
func (i *Issuer) count(spare bool, kind pass.Kind, from, to pass.Day) (n int) {
	for _, k := range i.passKeys {
		if k.spare == spare && k.withdrawn.IsZero() && k.public.Signs(kind, from) && k.public.Signs(kind, to) {
			n++
		}
	}
	return n
}

// add makes a key and stores it.
func (i *Issuer) add(s storedKey) error {
	s.ID, s.Made, s.Seed = 1, i.now.Unix(), make([]byte, ed25519.SeedSize)
	if n := len(i.passKeys); n > 0 {
		s.ID = i.passKeys[n-1].public.ID + 1
	}
	rand.Read(s.Seed)
	if err := i.store(s); err != nil {
		return err
	}
	k, _ := s.passKey() // a seed of the right length always makes one
	i.passKeys = append(i.passKeys, k)
	return nil
}

func (i *Issuer) store(s storedKey) error {
	secret, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode pass key: %w", err)
	}
	return i.vault.put(keyName(s.ID), secret)
}

// inUse reports whether lanes need the key on the day from or later. Supervisor
// codes outlive their day.
func (k passKey) inUse(from pass.Day, test bool) bool {
	if k.public.Kinds&supervisor != 0 {
		return k.public.To+supervisorDays >= from
	}
	return k.public.To >= from && (k.public.Kinds != trial || test)
}

func (i *Issuer) publish(from pass.Day, test bool, now time.Time) error {
	next := link.Keyset{Version: i.published.Version + 1, Issued: now.UnixMilli()}
	for _, k := range i.passKeys {
		if k.inUse(from, test) {
			next.Keys = append(next.Keys, k.public)
		}
	}
	if slices.EqualFunc(next.Keys, i.published.Keys, func(a, b link.PassKey) bool { return a.ID == b.ID }) {
		return nil
	}
	key := i.role.Load().keyset
	sealed, err := link.Seal(key, link.TypeKeyset, i.site, next)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(i.vault.dir, keysetFile), sealed); err != nil {
		return err
	}
	i.published, i.sealed, i.sealedBy = &next, sealed, key.id
	return nil
}

// Keys returns the keyset in force and the message that carries it to lanes.
func (i *Issuer) Keys() (link.Keyset, []byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	m := link.KeysMessage{Version: link.Version, Delegation: i.delegations, Keyset: i.sealed}
	data, err := m.Encode()
	return *i.published, data, err
}

// Withdraw ends a pass key for good: its private half is overwritten when this
// returns, and Mint takes the spare from then on. A key that is withdrawn
// already stays so and is no error. ErrUnknownKey for an id that never was.
func (i *Issuer) Withdraw(id uint16, now time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := slices.IndexFunc(i.passKeys, func(k passKey) bool { return k.public.ID == id })
	if n < 0 {
		return fmt.Errorf("%w: %d", ErrUnknownKey, id)
	}
	k := &i.passKeys[n]
	if !k.withdrawn.IsZero() {
		return nil
	}
	err := i.store(storedKey{ID: id, Kinds: k.public.Kinds, From: k.public.From, To: k.public.To, Public: k.public.Public, Spare: k.spare,
		Made: k.made.Unix(), Withdrawn: now.Unix()})
	if err != nil {
		return fmt.Errorf("withdraw pass key %d: %w", id, err)
	}
	clear(k.private)
	k.private, k.withdrawn = nil, time.Unix(now.Unix(), 0)
	return nil
}

// Use tells what a pass key is for.
type Use string

// The uses.
const (
	UseWeek       Use = "week"       // passes of one week
	UseSpare      Use = "spare"      // stands in for a withdrawn key
	UseSupervisor Use = "supervisor" // supervisor codes
	UseTest       Use = "test"       // test passes
)

// KeyState is a pass key as it stands, without its private half.
type KeyState struct {
	link.PassKey
	Use       Use
	Made      time.Time
	Withdrawn time.Time // zero: in force
}

// PassKeys lists all pass keys that were ever made, ascending by id.
func (i *Issuer) PassKeys() ([]KeyState, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := make([]KeyState, 0, len(i.passKeys))
	for _, k := range i.passKeys {
		list = append(list, KeyState{k.public, k.use(), k.made, k.withdrawn})
	}
	return list, nil
}

func (k passKey) use() Use {
	switch {
	case k.spare:
		return UseSpare
	case k.public.Kinds == supervisor:
		return UseSupervisor
	case k.public.Kinds == trial:
		return UseTest
	}
	return UseWeek
}
