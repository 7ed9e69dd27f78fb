package cache

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

func key() (k pass.GateKey) {
	rand.Read(k[:]) // never fails (crypto/rand)
	return k
}

func TestGateKeysAreOverwritten(t *testing.T) {
	dir := t.TempDir()
	c, _ := open(t, filepath.Join(dir, "cache.bolt"))
	today, tomorrow, after := key(), key(), key()
	set := func(version uint64, keys ...link.DayKey) {
		t.Helper()
		if err := c.SetGate(version, keys); err != nil {
			t.Fatal(err)
		}
	}
	set(1, link.DayKey{Day: 10, Key: today}, link.DayKey{Day: 11, Key: tomorrow})
	set(2, link.DayKey{Day: 11, Key: tomorrow}, link.DayKey{Day: 12, Key: after}, link.DayKey{Day: 10, Key: today})
	name := filepath.Join(dir, "gatekeys")
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 || info.Size() != gateFileSize {
		t.Fatalf("%v %v", info, err)
	}
	if err := c.ForgetGate(11); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, today[:]) || !bytes.Contains(b, tomorrow[:]) || !bytes.Contains(b, after[:]) {
		t.Fatal("the wrong keys are in the file")
	}
	bolt, err := os.ReadFile(filepath.Join(dir, "cache.bolt"))
	if err != nil || bytes.Contains(bolt, tomorrow[:]) {
		t.Fatalf("a gate key is in the cache file (%v)", err)
	}
	c.Close()
	c, r := open(t, filepath.Join(dir, "cache.bolt"))
	if v := c.View(); r.GateLost != nil || len(v.Gate) != 2 || v.Gate[11] != tomorrow || v.Gate[12] != after || v.GateVersion != 2 {
		t.Fatalf("%+v %v", r, v.Gate)
	}
}

func TestGateKeysAreBounded(t *testing.T) {
	c, _ := open(t, filepath.Join(t.TempDir(), "cache.bolt"))
	var list []link.DayKey
	for d := range pass.Day(gateSlots + 1) {
		list = append(list, link.DayKey{Day: d, Key: key()})
	}
	if err := c.SetGate(1, list); !errors.Is(err, link.ErrMalformed) || len(c.View().Gate) != 0 {
		t.Fatal(err)
	}
	if err := c.SetGate(1, list[:gateSlots]); err != nil || len(c.View().Gate) != gateSlots {
		t.Fatal(err)
	}
}

// TestEachDamagedGateByte flips each byte of the file: no wrong key is ever
// read, the damage is told, and what was unreadable is wiped.
func TestEachDamagedGateByte(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gatekeys")
	g, _, err := openGate(path)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[pass.Day]pass.GateKey{3: key(), 4: key()}
	if err := g.write(7, keys); err != nil {
		t.Fatal(err)
	}
	g.close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range good {
		if at%gateSlotSize > 48 && at%37 != 0 {
			continue // the slots' empty part: a sample
		}
		b := bytes.Clone(good)
		b[at] ^= 1
		var d gateFile
		got, damage := d.parse(b)
		for day, k := range got {
			if keys[day] != k {
				t.Fatalf("byte %d: a wrong key", at)
			}
		}
		if damage == nil && (len(got) != 2 || d.version != 7) {
			t.Fatalf("byte %d: damage was not told", at)
		}
	}
	if err := os.WriteFile(path, good[:gateSlotSize+40], 0o600); err != nil {
		t.Fatal(err)
	}
	g, got, err := openGate(path)
	if g == nil || !errors.Is(err, ErrDamaged) || len(got) != 1 {
		t.Fatalf("cut short: %v, %d keys", err, len(got))
	}
	g.close()
	if info, err := os.Stat(path); err != nil || info.Size() != gateFileSize {
		t.Fatal("not filled up again")
	}
}

// failing is a gate file whose operation number at fails, done or not.
type failing struct {
	gateDisk
	op, at int
	done   bool
}

var errDisk = errors.New("disk")

func (f *failing) step(do func() error) error {
	if f.op++; f.op < f.at || f.op == f.at && f.done {
		if err := do(); err != nil {
			return err
		}
	}
	if f.op >= f.at { // and all later ones: the power is gone
		return errDisk
	}
	return nil
}

func (f *failing) WriteAt(b []byte, off int64) (n int, err error) {
	return len(b), f.step(func() error { _, err := f.gateDisk.WriteAt(b, off); return err })
}

func (f *failing) Sync() error { return f.step(f.gateDisk.Sync) }

// TestPowerCutAtEachStepOfTheGateFile: after a cut the file has the version only
// with its keys; with the old version the new keys come again.
func TestPowerCutAtEachStepOfTheGateFile(t *testing.T) {
	old, young := map[pass.Day]pass.GateKey{3: key()}, map[pass.Day]pass.GateKey{4: key()}
	for at := 1; at <= 5; at++ {
		for _, done := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "gatekeys")
			g, _, err := openGate(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := g.write(7, old); err != nil {
				t.Fatal(err)
			}
			real := g.f
			g.f = &failing{gateDisk: real, at: at, done: done}
			if err := g.write(8, young); (err == nil) != (at == 5) {
				t.Fatalf("step %d: %v", at, err)
			}
			real.Close()
			g, keys, err := openGate(path)
			if err != nil {
				t.Fatalf("step %d: %v", at, err)
			}
			if whole := keys[4] == young[4] && len(keys) == 1; g.version == 8 && !whole || g.version == 7 && at == 5 {
				t.Errorf("step %d, done %v: version %d with %d keys", at, done, g.version, len(keys))
			}
			g.close()
		}
	}
}
