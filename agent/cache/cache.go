// Package cache keeps what central signed and a lane needs to decide: status
// lists, rules, pass keys, gate keys, and the newest head.
//
// All of it can be fetched again, so a file that is not sound is set aside and
// the cache starts empty. Nothing on the decision's path touches the file:
// readers take the View. Gate keys are secret and stand in a file of their own,
// which is overwritten in place when their day is over; bbolt never wipes what
// it frees.
//
// What can be wrong with the file, what is done, and the test that does it:
//
//	zeroed, empty, cut, noise, text  set aside         TestDamage
//	a bit, in each kind of page      set aside, or the TestFlipsInEachKindOfPage
//	                                 transaction before
//	content under a sound page       set aside         TestFlippedContentIsFound, TestLostListIsFound
//	an older copy of the file        set aside by the  TestOlderCopyIsSetAside
//	                                 journal's floors
//	a newer agent's                  set aside         TestNewerIsSetAside
//	another program's bbolt file     set aside         TestForeignFileIsSetAside
//	in use                           refused           TestSecondOpenerIsTold
//	cannot be made: full, read-only  kept in memory    TestNoRoomAtOpen
//	cannot be written later          kept in memory    TestFullDiskDelaysNoRevocation
//	mostly free pages                rewritten         TestCompaction, TestCompactionOnAFullDisk
//	gate keys: each byte, cut,       that key wiped    TestEachDamagedGateByte, TestRuinedGateFile
//	zeroed, foreign, older
//
// Kept in memory means that revocations and keys count at once though the disk
// does not take them; Settle writes them when it does, and tells until then.
// Should the agent stop before, the floor in the journal is ahead of the file,
// and the file counts as an older copy: the lane refuses until central, or what
// the broker keeps, has filled the cache again. It never goes back.
package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Options say how a cache is opened. The zero value is usable.
type Options struct {
	Gate  string                  // file of the gate keys; "": gatekeys beside the cache
	Floor *link.Floor             // the journal's newest: a file that is behind it is set aside. nil: none
	Check func(path string) error // run before opening; nil: none. See CheckInChild: a damaged file can end the process that opens it
	Now   func() time.Time        // nil: time.Now; names set-aside files, spaces the writing of heads and the tries of a bad disk
}

// Report tells what Open found.
type Report struct {
	New      bool   // there was no cache, or it was set aside: everything comes from central again
	SetAside string // the damaged file's new name, "" if it was good
	Lost     error  // what was wrong with it
	GateLost error  // why some gate key could not be read, nil if all could; central sends them again
	InMemory error  // why nothing can be written, nil if it can: the cache works until a restart; see Settle
}

// What can be wrong.
var (
	ErrLocked  = errors.New("cache is in use by another process: stop the other agent first")
	ErrNewer   = errors.New("cache was written by a newer agent")
	ErrOlder   = errors.New("cache is older than what this lane already knew")
	ErrDamaged = errors.New("cache is damaged")
	ErrFull    = errors.New("cache is full")
)

// maxSize bounds the file; a campus day of 131,072 passes takes far below 1 MB.
const maxSize = 64 << 20

// Cache is the open cache. Its methods may be called from several goroutines.
type Cache struct {
	o    Options
	path string
	view atomic.Pointer[View]

	memory bool // there is no file, and will be none

	mu     sync.Mutex // guards the following, and orders the changes of view
	db     *bolt.DB   // nil: there is no file yet
	gate   *gateFile  // nil: likewise
	base   *link.State
	events int       // stored behind base
	headAt time.Time // HeadAt as the file has it

	trouble     error     // why the view is not in the file, nil if it is
	gateTrouble error     // likewise for gate keys
	tried       time.Time // when the disk was tried last
}

// Open opens the cache, or makes an empty one. What is damaged, older than the
// floor or of a newer version is set aside and reported. A disk that takes
// nothing is no error: the cache then works in memory. Only ErrLocked and a
// folder that this user may not use are returned.
func Open(path string, o Options) (*Cache, Report, error) {
	if o.Gate == "" {
		o.Gate = filepath.Join(filepath.Dir(path), "gatekeys")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Cache{o: o, path: path}
	c.view.Store(&View{Keys: map[uint16]link.PassKey{}})
	var r Report
	err := c.open(&r)
	if errors.Is(err, ErrLocked) || errors.Is(err, fs.ErrPermission) {
		return nil, r, fmt.Errorf("open cache: %w", err)
	}
	if err != nil {
		c.trouble = fmt.Errorf("open cache: %w", full(err))
	}
	c.openGate(&r)
	c.tried, r.InMemory = c.o.Now(), c.troubles()
	return c, r, nil
}

// open opens the file; one that is not sound is set aside, once.
func (c *Cache) open(r *Report) error {
	_, err := os.Stat(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		r.New = true
		return c.make()
	}
	err = c.openFile()
	if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) && !errors.Is(err, ErrOlder) {
		return err
	}
	r.New, r.Lost = true, err
	if r.SetAside, err = setAside(c.path, c.o.Now()); err != nil {
		return err
	}
	return c.make()
}

// make makes an empty file in place of any.
func (c *Cache) make() error {
	if err := create(c.path); err != nil {
		return err
	}
	db, err := openBolt(c.path, false)
	if err != nil {
		return err
	}
	c.db, c.base, c.events, c.headAt = db, nil, 0, time.Time{}
	return nil
}

func (c *Cache) openFile() error {
	if c.o.Check != nil {
		if err := c.o.Check(c.path); err != nil {
			return err
		}
	}
	if err := compact(c.path); err != nil {
		return err
	}
	db, err := openBolt(c.path, false)
	if err != nil {
		return err
	}
	c.db = db
	empty := c.view.Load()
	err = c.load()
	if err == nil && c.o.Floor != nil {
		err = c.view.Load().behind(c.o.Floor)
	}
	if err != nil {
		c.db, c.base = nil, nil
		c.view.Store(empty)
		return errors.Join(err, db.Close())
	}
	return nil
}

// openGate opens the gate keys; older ones than the floor are wiped.
func (c *Cache) openGate(r *Report) {
	gate, keys, err := openGate(c.o.Gate)
	if gate == nil {
		c.gateTrouble = fmt.Errorf("open gate keys: %w", full(err))
		return
	}
	if f := c.o.Floor; f != nil && gate.version < f.Gate && len(keys) > 0 {
		err = errors.Join(err, fmt.Errorf("%w: gate keys %d, it knew %d", ErrOlder, gate.version, f.Gate))
		keys = map[pass.Day]pass.GateKey{}
		c.gateTrouble = gate.write(gate.version, keys)
	}
	c.gate, r.GateLost = gate, err
	v := *c.view.Load()
	v.Gate, v.GateVersion = keys, gate.version
	c.view.Store(&v)
}

// openBolt opens with the settings that the cache relies on: a second opener is
// told at once; the free list is not written (it would be rewritten at each
// commit, and its page is one more thing to be damaged) but gathered at opening,
// which a file of this size allows.
func openBolt(path string, readOnly bool) (*bolt.DB, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout: 2 * time.Second, NoFreelistSync: true, FreelistType: bolt.FreelistMapType,
		MaxSize: maxSize, ReadOnly: readOnly,
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, ErrLocked
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(full(err), ErrFull) || errors.Is(err, unix.EROFS):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return db, nil
}

// create makes an empty cache under another name and moves it into place, so
// that a power cut never leaves half a file.
func create(path string) error {
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openBolt(tmp, false)
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(initialize), db.Sync(), db.Close()); err != nil {
		return fmt.Errorf("make cache: %w", err)
	}
	return replace(tmp, path)
}

// replace renames and makes that durable.
func replace(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// setAside keeps a damaged file for whoever wants to know, and at most two.
func setAside(path string, now time.Time) (string, error) {
	old, err := filepath.Glob(path + ".bad-*")
	if err != nil {
		return "", fmt.Errorf("list damaged caches: %w", err)
	}
	slices.Sort(old)
	for len(old) > 1 {
		if err := os.Remove(old[0]); err != nil {
			return "", err
		}
		old = old[1:]
	}
	name := path + ".bad-" + now.UTC().Format("20060102T150405.000")
	return name, replace(path, name)
}

// compact rewrites a file that is mostly free pages: bbolt never shrinks one. The
// new file takes the old one's place when it is whole; if there is no room for
// it, the old one stays.
func compact(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() <= 8<<20 {
		return err
	}
	db, err := openBolt(path, false)
	if err != nil {
		return err
	}
	defer db.Close()
	s := db.Stats()
	if int64(s.FreePageN)*int64(db.Info().PageSize) < info.Size()/2 {
		return nil
	}
	tmp := path + ".new"
	if err := copyTo(tmp, db); err != nil {
		os.Remove(tmp) // the next start tries again
		return nil
	}
	return replace(tmp, path)
}

func copyTo(path string, from *bolt.DB) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	to, err := openBolt(path, false)
	if err != nil {
		return err
	}
	return errors.Join(bolt.Compact(to, from, 1<<20), to.Sync(), to.Close())
}

// View returns the newest view. It never blocks and never returns nil.
func (c *Cache) View() *View { return c.view.Load() }

// Close writes the newest head down, and what is not written yet, and closes the
// files.
func (c *Cache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried = time.Time{}
	errs := []error{c.settle()}
	if c.db != nil {
		if c.trouble == nil { // else the head would call older lists level with it
			errs = append(errs, c.db.Update(func(tx *bolt.Tx) error { return putHead(tx, c.view.Load()) }))
		}
		errs = append(errs, c.db.Close())
	}
	if c.gate != nil {
		errs = append(errs, c.gate.close())
	}
	return errors.Join(errs...)
}
