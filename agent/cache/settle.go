package cache

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"turnstile/central/link"
)

// retryAfter is how long a disk that took nothing is left alone.
const retryAfter = 10 * time.Second

// Settle writes what the disk has not taken yet, trying every ten seconds, and
// returns why it is not written; nil if all is. Call it about once a second.
func (c *Cache) Settle() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settle()
}

// troubles is what stands in the way of a restart. mu is held.
func (c *Cache) troubles() error { return errors.Join(c.trouble, c.gateTrouble) }

func (c *Cache) settle() error {
	if c.troubles() == nil || c.o.Now().Sub(c.tried).Abs() < retryAfter {
		return c.troubles()
	}
	c.tried = c.o.Now()
	if c.trouble != nil {
		c.trouble = c.writeAll()
	}
	if c.gateTrouble != nil {
		c.gateTrouble = c.writeGate()
	}
	return c.troubles()
}

// writeAll puts the whole view into the file, which it makes if there is none.
// What a failed transaction left behind does not matter to it.
func (c *Cache) writeAll() error {
	if c.db == nil {
		if err := c.start(); err != nil {
			return fmt.Errorf("make cache: %w", full(err))
		}
	}
	v := c.view.Load()
	c.base = nil // each list is written
	u := Update{State: v.State, Delegation: v.Delegation, Rules: v.Rules}
	if len(v.Keys) > 0 {
		u.Keys = &link.Keyset{Version: v.KeysetVersion}
		for _, id := range slices.Sorted(maps.Keys(v.Keys)) {
			u.Keys.Keys = append(u.Keys.Keys, v.Keys[id])
		}
	}
	return c.write(u, v, v)
}

// start makes a file. One that could not be opened before is not lost to a lane that
// heard nothing since: it is tried again.
func (c *Cache) start() error {
	v := c.view.Load()
	if v.State != nil || v.Rules != nil || v.Delegation != nil || len(v.Keys) > 0 {
		return c.make()
	}
	if err := c.open(&Report{}); err != nil {
		return err
	}
	opened := *c.view.Load()
	opened.Gate, opened.GateVersion = v.Gate, v.GateVersion
	if v.Head.Issued > opened.Head.Issued {
		opened.Head, opened.HeadAt = v.Head, v.HeadAt
	}
	c.view.Store(&opened)
	return nil
}

// write puts a change into the file, in one transaction.
func (c *Cache) write(u Update, old, v *View) error {
	w := c.plan(u, old)
	if err := c.db.Update(func(tx *bolt.Tx) error { return w.write(tx, u, v) }); err != nil {
		return fmt.Errorf("write cache: %w", full(err))
	}
	c.base, c.events, c.headAt = w.base, w.events, v.HeadAt
	return nil
}

// writeGate puts the view's gate keys into their file, which it makes if there
// is none.
func (c *Cache) writeGate() error {
	if c.gate == nil {
		gate, _, err := openGate(c.o.Gate)
		if gate == nil {
			return fmt.Errorf("open gate keys: %w", full(err))
		}
		c.gate = gate
	}
	v := c.view.Load()
	return c.gate.write(v.GateVersion, v.Gate)
}

// behind returns ErrOlder if the view is one that the lane had before the floor.
func (v *View) behind(f *link.Floor) error {
	s := v.State
	switch {
	case s != nil && (s.Epoch < f.Epoch || s.Epoch == f.Epoch && s.Seq < f.Seq):
		return fmt.Errorf("%w: lists at %d of epoch %d, it knew %d of %d", ErrOlder, s.Seq, s.Epoch, f.Seq, f.Epoch)
	case s != nil && s.Epoch == f.Epoch && s.Seq == f.Seq && s.Chain != f.Chain:
		return fmt.Errorf("%w: other lists at %d", ErrOlder, s.Seq)
	case v.KeysetVersion != 0 && v.KeysetVersion < f.Keyset:
		return fmt.Errorf("%w: keys %d, it knew %d", ErrOlder, v.KeysetVersion, f.Keyset)
	case v.Rules != nil && v.Rules.Version < f.Rules:
		return fmt.Errorf("%w: rules %d, it knew %d", ErrOlder, v.Rules.Version, f.Rules)
	}
	return nil
}
