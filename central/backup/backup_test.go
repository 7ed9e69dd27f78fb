package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/pass"
)

var (
	ctx = context.Background()
	now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

const day = pass.Day(2517)

// office is a data folder in use.
type office struct {
	data string
	db   *database.DB
}

func newOffice(t testing.TB) *office {
	t.Helper()
	o := &office{data: filepath.Join(t.TempDir(), "data")}
	if err := os.MkdirAll(filepath.Join(o.data, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"vault.json": "sealed", "status.key": "secret", "keyset.cbor": "old", ".lock": ""} {
		if err := os.WriteFile(filepath.Join(o.data, "keys", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if o.db, err = database.Open(ctx, filepath.Join(o.data, "central.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.db.Close() })
	err = o.db.Feed(ctx, func(tx *database.FeedTx) error {
		return tx.Append(77, 1, link.ChainStart(77), 1, []link.Event{{Type: link.OpenDay, Day: day, Value: 1024}, {Type: link.Revoke, Day: day, Value: 5}})
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) source() Source {
	return Source{DB: o.db, Keys: filepath.Join(o.data, "keys"), Site: "campus", Version: "test", Now: func() time.Time { return now }}
}

func (o *office) issue(t testing.TB) uint32 {
	p, err := o.db.InsertPass(ctx, day, 131072, func(number, _ uint32) (database.Pass, error) {
		p := pass.Pass{Kind: pass.ECard, Day: day, Index: number, Length: 6, Zones: 1}
		return database.Pass{Pass: p, Signature: make([]byte, 64), Holder: "A"}, nil
	})
	if err != nil {
		t.Error(err)
	}
	return p.Index
}

// TestBackup: a backup that is made while passes are issued has all that were
// there when it began; it is restored with keys, and the feed begins anew.
func TestBackup(t *testing.T) {
	o := newOffice(t)
	for range 50 {
		o.issue(t)
	}
	var stop atomic.Bool
	issued := make(chan uint32)
	go func() {
		last := o.issue(t) // at least one, however quick the backup is
		for !stop.Load() {
			last = o.issue(t)
		}
		issued <- last
	}()
	file := filepath.Join(t.TempDir(), "backup.tar")
	m, err := Write(ctx, o.source(), file)
	stop.Store(true)
	last := <-issued
	if err != nil || len(m.Files) != 4 || m.Schema == 0 {
		t.Fatalf("%+v, %v", m, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
	data := filepath.Join(t.TempDir(), "new", "data")
	restored, r, err := Restore(ctx, file, data, now.Add(time.Hour))
	if err != nil || restored.Site != "campus" || r.Epoch != 77 || r.Seq != 2 || r.Made != now.UnixMilli() {
		t.Fatalf("%+v, %+v, %v", restored, r, err)
	}
	db, err := database.Open(ctx, filepath.Join(data, "central.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	passes, err := db.Passes(ctx, database.PassFilter{Limit: 1 << 20})
	if n := uint32(len(passes)); err != nil || n < 50 || n > last+1 {
		t.Errorf("%d passes restored, 50 before and %d after: %v", n, last+1, err)
	}
	o.db = db
	if next := o.issue(t); next <= last {
		t.Errorf("pass %d is issued again, after %d", next, last)
	}
	if least, _, err := db.LeastEpoch(ctx); err != nil || int64(least) != now.Add(time.Hour).Unix() {
		t.Errorf("epoch %d: %v", least, err)
	}
	keys, err := os.ReadDir(filepath.Join(data, "keys"))
	if err != nil || len(keys) != 2 || keys[0].Name() != "status.key" || keys[1].Name() != "vault.json" {
		t.Errorf("keys %v: %v", keys, err)
	}
}

// TestExists: neither an existing backup nor a data folder in use is overwritten.
func TestExists(t *testing.T) {
	o := newOffice(t)
	file := filepath.Join(t.TempDir(), "backup.tar")
	for n := range 2 {
		if _, err := Write(ctx, o.source(), file); n == 0 && err != nil || n == 1 && !errors.Is(err, ErrExists) {
			t.Errorf("%d: %v", n, err)
		}
	}
	if _, _, err := Restore(ctx, file, o.data, now); !errors.Is(err, ErrExists) {
		t.Errorf("into a data folder: %v", err)
	}
	into := t.TempDir()
	if _, _, err := Restore(ctx, file, into, now); err != nil {
		t.Errorf("into an empty folder: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); err != nil || len(left) != 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

// TestDamaged: a backup of which anything was changed is not restored, and leaves
// nothing.
func TestDamaged(t *testing.T) {
	o := newOffice(t)
	o.issue(t)
	file := filepath.Join(t.TempDir(), "backup.tar")
	if _, err := Write(ctx, o.source(), file); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for at := 0; at < len(good); at += len(good) / 40 {
		bad := bytes.Clone(good)
		bad[at] ^= 0x40
		tried += tryDamaged(t, bad)
	}
	for _, n := range []int{0, 100, 512, 5000, len(good) / 2, len(good) - 2048} {
		tried += tryDamaged(t, good[:n])
	}
	if tried < 40 {
		t.Errorf("only %d were refused", tried)
	}
}

// tryDamaged returns 1 if a damaged backup is refused and leaves nothing; bytes
// between the files of an archive mean nothing.
func tryDamaged(t *testing.T, data []byte) int {
	t.Helper()
	folder := t.TempDir()
	file, into := filepath.Join(folder, "bad.tar"), filepath.Join(folder, "data")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Restore(ctx, file, into, now); err == nil {
		return 0
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("left over: %v %v", left, err)
	}
	return 1
}

// TestForged: an archive whose hashes are right, but whose database is not one, or
// whose names lead elsewhere, is refused.
func TestForged(t *testing.T) {
	file := func(name, text string) File {
		f, err := describe(name, write(t, text))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	db := file(databaseName, "this is no database")
	for what, files := range map[string][]File{
		"no database": {db}, "nothing": {}, "keys alone": {file("keys/a", "x")}, "outside": {db, file("keys/../../a", "x")},
		"absolute": {db, file("/etc/a", "x")}, "hidden": {db, file("keys/.a", "x")}, "twice": {db, file("keys/a", "x"), file("keys/a", "x")},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		m := Manifest{Format: Format, Files: files}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		parts := []struct {
			name string
			text []byte
		}{{manifestName, text}, {databaseName, []byte("this is no database")}}
		for _, f := range files[min(1, len(files)):] {
			parts = append(parts, struct {
				name string
				text []byte
			}{f.Name, []byte("x")})
		}
		for _, p := range parts {
			if err := errors.Join(w.WriteHeader(m.header(p.name, int64(len(p.text)))), second(w.Write(p.text))); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if tryDamaged(t, b.Bytes()) != 1 {
			t.Errorf("%s was restored", what)
		}
	}
}

func second(_ int, err error) error { return err }

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// FuzzUnpack: no archive writes outside of its folder, or more than it says.
func FuzzUnpack(f *testing.F) {
	small := filepath.Join(f.TempDir(), "small")
	if err := os.WriteFile(small, []byte("x"), 0o600); err != nil {
		f.Fatal(err)
	}
	m := Manifest{Format: Format, Made: now}
	sources := map[string]string{databaseName: small, "keys/status.key": small, keysetFile: small}
	for _, name := range []string{databaseName, "keys/status.key", keysetFile} {
		d, err := describe(name, small)
		if err != nil {
			f.Fatal(err)
		}
		m.Files = append(m.Files, d)
	}
	file := filepath.Join(f.TempDir(), "backup.tar")
	if err := m.write(file, sources); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		folder := t.TempDir()
		inside := filepath.Join(folder, "in", "side")
		if err := os.MkdirAll(inside, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := unpack(bytes.NewReader(data), inside)
		if err == nil && len(data) < 512 {
			t.Error("an archive of nothing")
		}
		for _, path := range []string{folder, filepath.Join(folder, "in")} {
			if list, err := os.ReadDir(path); err != nil || len(list) != 1 {
				t.Errorf("outside: %v %v", list, err)
			}
		}
	})
}
