package uplink

import (
	"errors"
	"testing"
	"time"

	"turnstile/agent/health"
	"turnstile/central/link"
)

// badDisk is a journal that has entries and cannot read them.
type badDisk struct {
	Journal
	reads int
}

var errSector = errors.New("bad sector")

func (b *badDisk) Bounds() (first, last, acked uint64) { return 1, link.MaxBatchEntries, 0 }
func (b *badDisk) Read(uint64, int) ([][]byte, link.Hash, error) {
	b.reads++
	return nil, link.Hash{}, errSector
}

// TestBadDiskDoesNotEndTheSession lets a journal fail to be read: the session,
// which brings revocations, goes on, and the disk is left alone for a while.
func TestBadDiskDoesNotEndTheSession(t *testing.T) {
	now := time.Now()
	disk := &badDisk{}
	warnings := health.New(func() time.Time { return now })
	s := &session{u: New(Config{Journal: disk, Health: warnings, Now: func() time.Time { return now }})}
	for _, step := range []struct {
		after time.Duration
		reads int
	}{{0, 1}, {unreadPause - 1, 1}, {1, 2}} {
		now = now.Add(step.after)
		if err := s.send(); err != nil || disk.reads != step.reads {
			t.Errorf("%v later: %d reads, want %d; %v", step.after, disk.reads, step.reads, err)
		}
	}
	if len(warnings.List()) != 1 {
		t.Errorf("warnings: %v", warnings.List())
	}
}
