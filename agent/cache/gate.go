package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// The gate key file: slots of 512 bytes, big-endian, each with its own
// checksum, written in place.
//
//	slot 0      "tsgatek1", version of the keys 8, CRC-32C 4
//	slot 1..16  "K" 1, zero 1, day 2, key 32, CRC-32C 4; or all zero
const (
	gateSlots    = 16
	gateSlotSize = 512
	gateFileSize = (1 + gateSlots) * gateSlotSize
)

var gateMagic = []byte("tsgatek1")

// gateFile is guarded by the cache's mu.
type gateFile struct {
	f       gateDisk
	version uint64
	days    [gateSlots]slotDay
}

// gateDisk is the part of a file that gate keys need.
type gateDisk interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Close() error
}

type slotDay struct {
	used bool
	day  pass.Day
}

// openGate opens or makes the file. An error beside a usable file says that
// some of it could not be read; that part is wiped.
func openGate(path string) (*gateFile, map[pass.Day]pass.GateKey, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := createGate(path); err != nil {
			return nil, nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if err := f.Chmod(0o600); err != nil {
		f.Close()
		return nil, nil, err
	}
	g := &gateFile{f: f}
	b := make([]byte, gateFileSize)
	n, _ := f.ReadAt(b, 0) // short: one to be filled below
	keys, damage := g.parse(b)
	if n == gateFileSize && damage == nil {
		return g, keys, nil
	}
	if damage == nil {
		damage = fmt.Errorf("%w: gate keys cut short", ErrDamaged)
	}
	if err := g.write(g.version, keys); err != nil {
		f.Close()
		return nil, nil, err
	}
	return g, keys, damage
}

func (g *gateFile) parse(b []byte) (keys map[pass.Day]pass.GateKey, damage error) {
	keys = map[pass.Day]pass.GateKey{}
	head := b[:gateSlotSize]
	switch {
	case bytes.HasPrefix(head, gateMagic) && sumOf(head[:16]) == binary.BigEndian.Uint32(head[16:]):
		g.version = binary.BigEndian.Uint64(head[8:])
	default:
		damage = fmt.Errorf("%w: version of the gate keys", ErrDamaged)
	}
	for i := range gateSlots {
		s := b[(1+i)*gateSlotSize : (2+i)*gateSlotSize]
		switch {
		case zero(s):
		case s[0] == 'K' && sumOf(s[:36]) == binary.BigEndian.Uint32(s[36:]) && zero(s[40:]):
			d := pass.Day(binary.BigEndian.Uint16(s[2:]))
			keys[d], g.days[i] = pass.GateKey(s[4:36]), slotDay{true, d}
		default:
			damage = fmt.Errorf("%w: gate key in slot %d", ErrDamaged, i+1)
		}
	}
	return keys, damage
}

func sumOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// write puts exactly these keys, gateSlots at most, into the file, each on the
// slot that its day had, and zeros over all others. It is durable when it returns.
// The version comes last: were it there before its keys, a power cut between
// would leave a lane that asks for none.
func (g *gateFile) write(version uint64, keys map[pass.Day]pass.GateKey) error {
	days := g.days
	placed := map[pass.Day]bool{}
	for i, d := range days {
		if _, keep := keys[d.day]; d.used && keep {
			placed[d.day] = true
		} else {
			days[i] = slotDay{}
		}
	}
	for d := range keys {
		if !placed[d] {
			i := slices.Index(days[:], slotDay{})
			days[i] = slotDay{true, d}
		}
	}
	b := encodeGate(version, days, keys)
	err := g.put(b[gateSlotSize:], gateSlotSize)
	if err == nil {
		err = g.put(b[:gateSlotSize], 0)
	}
	if err != nil {
		return fmt.Errorf("write gate keys: %w", full(err))
	}
	g.days, g.version = days, version
	return nil
}

func (g *gateFile) put(b []byte, off int64) error {
	if _, err := g.f.WriteAt(b, off); err != nil {
		return err
	}
	return g.f.Sync()
}

// createGate makes a file without keys and moves it into place.
func createGate(path string) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(encodeGate(0, [gateSlots]slotDay{}, nil), 0)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return replace(tmp, path)
}

func encodeGate(version uint64, days [gateSlots]slotDay, keys map[pass.Day]pass.GateKey) []byte {
	be := binary.BigEndian
	b := make([]byte, gateFileSize)
	copy(b, gateMagic)
	be.PutUint64(b[8:], version)
	be.PutUint32(b[16:], sumOf(b[:16]))
	for i, d := range days {
		if !d.used {
			continue
		}
		s, key := b[(1+i)*gateSlotSize:], keys[d.day]
		s[0] = 'K'
		be.PutUint16(s[2:], uint16(d.day))
		copy(s[4:], key[:])
		be.PutUint32(s[36:], sumOf(s[:36]))
	}
	return b
}

func (g *gateFile) close() error { return g.f.Close() }

// SetGate replaces the gate keys; keys that are not in the list are
// overwritten on the disk.
func (c *Cache) SetGate(version uint64, list []link.DayKey) error {
	keys := make(map[pass.Day]pass.GateKey, len(list))
	for _, k := range list {
		keys[k.Day] = k.Key
	}
	return c.changeGate(func(*View) (uint64, map[pass.Day]pass.GateKey) { return version, keys })
}

// ForgetGate overwrites the gate keys of all days before today. Call it at the
// day's end.
func (c *Cache) ForgetGate(today pass.Day) error {
	return c.changeGate(func(v *View) (uint64, map[pass.Day]pass.GateKey) {
		keys := maps.Clone(v.Gate)
		maps.DeleteFunc(keys, func(d pass.Day, _ pass.GateKey) bool { return d < today })
		return v.GateVersion, keys
	})
}

func (c *Cache) changeGate(change func(*View) (uint64, map[pass.Day]pass.GateKey)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := *c.view.Load()
	version, keys := change(&v)
	if version == v.GateVersion && maps.Equal(keys, v.Gate) {
		return nil
	}
	if len(keys) > gateSlots {
		return fmt.Errorf("%w: %d gate keys, at most %d", link.ErrMalformed, len(keys), gateSlots)
	}
	v.Gate, v.GateVersion = keys, version
	c.view.Store(&v)
	if !c.memory {
		c.gateTrouble, c.tried = c.writeGate(), c.o.Now()
	}
	return nil
}
