package database

import (
	"errors"
	"sync"
	"testing"
)

// TestTogether: centrals that start at the same moment on a new database, or on
// one of an older schema, all find it as they need it.
func TestTogether(t *testing.T) {
	for name, version := range map[string]int64{"new": 0, "older": 5} {
		t.Run(name, func(t *testing.T) { each(t, func(t *testing.T, where string) { testTogether(t, where, version) }) })
	}
}

func testTogether(t *testing.T, where string, version int64) {
	if version > 0 {
		old := older(t, where, version)
		fillOld(t, old, version, 40)
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
	}
	errs := make([]error, 6)
	var wait sync.WaitGroup
	for k := range errs {
		wait.Go(func() {
			d, err := Open(ctx, where)
			if err == nil {
				err = errors.Join(d.Audit(ctx, 1, "a", "b", "c", ""), d.Close())
			}
			errs[k] = err
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}
