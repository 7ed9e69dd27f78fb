// Package cache keeps what central signed and a lane needs to decide: status
// lists, rules, pass keys, gate keys, and the newest head.
//
// All of it can be fetched again, so a damaged file is set aside and the cache
// starts empty. Nothing on the decision's path touches the file: readers take
// the View. Gate keys are secret and stand in a file of their own, which is
// overwritten in place when their day is over; bbolt never wipes what it frees.
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

	"turnstile/central/link"
)

// Options say how a cache is opened. The zero value is usable.
type Options struct {
	Gate  string                  // file of the gate keys; "": gatekeys beside the cache
	Check func(path string) error // run before opening; nil: none. See CheckInChild: a damaged file can end the process that opens it
	Now   func() time.Time        // nil: time.Now; names set-aside files, spaces the writing of heads
}

// Report tells what Open found.
type Report struct {
	New      bool   // there was no cache, or it was set aside: everything comes from central again
	SetAside string // the damaged file's new name, "" if it was good
	Lost     error  // what was wrong with it
	GateLost error  // why some gate key could not be read, nil if all could; central sends them again
}

// What can be wrong.
var (
	ErrLocked  = errors.New("cache is in use by another process: stop the other agent first")
	ErrNewer   = errors.New("cache was written by a newer agent: install that version, or remove the file, and the lane fetches everything again")
	ErrDamaged = errors.New("cache is damaged")
	ErrFull    = errors.New("cache is full")
)

// maxSize bounds the file; a campus day of 131,072 passes takes far below 1 MB.
const maxSize = 64 << 20

// Cache is the open cache. Its methods may be called from several goroutines.
type Cache struct {
	o    Options
	db   *bolt.DB
	gate *gateFile
	view atomic.Pointer[View]

	mu     sync.Mutex // guards the following, and orders the changes of view
	base   *link.State
	events int       // stored behind base
	headAt time.Time // HeadAt as the file has it
}

// Open opens the cache, or makes an empty one. What is damaged is set aside and
// reported; only ErrLocked, ErrNewer and errors of the disk are returned.
func Open(path string, o Options) (*Cache, Report, error) {
	if o.Gate == "" {
		o.Gate = filepath.Join(filepath.Dir(path), "gatekeys")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Cache{o: o}
	var r Report
	if err := c.open(path, &r); err != nil {
		return nil, r, fmt.Errorf("open cache: %w", err)
	}
	v := *c.view.Load()
	gate, keys, err := openGate(o.Gate)
	if gate == nil {
		return nil, r, errors.Join(fmt.Errorf("open gate keys: %w", err), c.db.Close())
	}
	r.GateLost, c.gate = err, gate
	v.Gate, v.GateVersion = keys, gate.version
	c.view.Store(&v)
	return c, r, nil
}

// open opens the file; a damaged one is set aside, once.
func (c *Cache) open(path string, r *Report) error {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		r.New = true
		if err := create(path); err != nil {
			return err
		}
	}
	err = c.openFile(path, !r.New)
	if err == nil || !errors.Is(err, ErrDamaged) {
		return err
	}
	r.New, r.Lost = true, err
	if r.SetAside, err = setAside(path, c.o.Now()); err != nil {
		return err
	}
	if err := create(path); err != nil {
		return err
	}
	return c.openFile(path, false)
}

func (c *Cache) openFile(path string, check bool) error {
	if check && c.o.Check != nil {
		if err := c.o.Check(path); err != nil {
			return err
		}
	}
	if err := compact(path); err != nil {
		return err
	}
	db, err := openBolt(path, false)
	if err != nil {
		return err
	}
	c.db = db
	if err := c.load(); err != nil {
		return errors.Join(err, db.Close())
	}
	return nil
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
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist):
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

// compact rewrites a file that is mostly free pages: bbolt never shrinks one.
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
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dst, err := openBolt(tmp, false)
	if err != nil {
		return err
	}
	if err := errors.Join(bolt.Compact(dst, db, 1<<20), dst.Sync(), dst.Close()); err != nil {
		return fmt.Errorf("compact cache: %w", err)
	}
	return replace(tmp, path)
}

// View returns the newest view. It never blocks and never returns nil.
func (c *Cache) View() *View { return c.view.Load() }

// Close writes the newest head down and closes the files.
func (c *Cache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.db.Update(func(tx *bolt.Tx) error { return putHead(tx, c.view.Load()) })
	return errors.Join(err, c.db.Close(), c.gate.close())
}
