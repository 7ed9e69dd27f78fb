package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"turnstile/central/database"
)

// keysetFile is left out of a restored key folder: it may be older than the one
// that lanes have, and central makes another.
const keysetFile = keysName + "/keyset.cbor"

// Restore makes the data folder of a backup: a folder that does not exist, or is
// empty. The database is read as a whole, brought to this program's schema, and
// told to begin a new epoch of the feed. ErrExists, ErrDamaged, database.ErrNewer,
// database.ErrDamaged; then there is no folder, or the empty one.
func Restore(ctx context.Context, from, data string, now time.Time) (Manifest, database.Restored, error) {
	m, r, err := restore(ctx, from, data, now)
	if err != nil {
		err = fmt.Errorf("restore %s: %w", from, err)
	}
	return m, r, err
}

func restore(ctx context.Context, from, data string, now time.Time) (m Manifest, r database.Restored, err error) {
	if err := empty(data); err != nil {
		return m, r, err
	}
	in, err := os.Open(from)
	if err != nil {
		return m, r, err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(data), 0o700); err != nil {
		return m, r, err
	}
	folder, err := os.MkdirTemp(filepath.Dir(data), ".restore-") // on the same disk, mode 0700
	if err != nil {
		return m, r, err
	}
	defer os.RemoveAll(folder)
	if m, err = unpack(in, folder); err != nil {
		return m, r, err
	}
	if r, err = settle(ctx, filepath.Join(folder, databaseName), m.Made, now); err != nil {
		return m, r, err
	}
	if err := errors.Join(syncKeys(folder), syncFolder(folder), removeEmpty(data)); err != nil {
		return m, r, err
	}
	if err := os.Rename(folder, data); err != nil {
		return m, r, err
	}
	return m, r, syncFolder(filepath.Dir(data))
}

// syncKeys makes the names of the key files outlive a power cut, if there are any.
func syncKeys(folder string) error {
	keys := filepath.Join(folder, keysName)
	if _, err := os.Stat(keys); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return syncFolder(keys)
}

// empty returns ErrExists if a folder has anything in it.
func empty(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%w: %s has %s in it", ErrExists, folder, entries[0].Name())
	}
	return err
}

func removeEmpty(folder string) error {
	if err := os.Remove(folder); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// settle checks a restored database and lets the feed begin anew.
func settle(ctx context.Context, path string, made, now time.Time) (r database.Restored, err error) {
	if _, err := database.CheckFile(ctx, path); err != nil {
		return r, err
	}
	db, err := database.Open(ctx, path)
	if err != nil {
		return r, err
	}
	r, err = db.NewEpoch(ctx, made.UnixMilli(), now.UnixMilli(), "restore")
	return r, errors.Join(err, db.Close())
}

// unpack writes the files of an archive into a folder, each with the size and the
// hash that the manifest says, and nothing else.
func unpack(in io.Reader, folder string) (m Manifest, err error) {
	t := tar.NewReader(in)
	if m, err = readManifest(t); err != nil {
		return m, err
	}
	for _, f := range m.Files {
		h, err := t.Next()
		if err != nil || h.Name != f.Name || h.Size != f.Size || h.Typeflag != tar.TypeReg {
			return m, fmt.Errorf("%w: want file %s of %d bytes: %w", ErrDamaged, f.Name, f.Size, errors.Join(err, fs.ErrInvalid))
		}
		to := filepath.Join(folder, filepath.FromSlash(f.Name))
		if f.Name == keysetFile {
			to = "" // read, not kept
		}
		if err := f.unpack(t, to); err != nil {
			return m, err
		}
	}
	if _, err := t.Next(); !errors.Is(err, io.EOF) {
		return m, fmt.Errorf("%w: more than the manifest names", ErrDamaged)
	}
	return m, nil
}

func readManifest(t *tar.Reader) (m Manifest, err error) {
	h, err := t.Next()
	if err != nil || h.Name != manifestName || h.Size > maxManifest {
		return m, fmt.Errorf("%w: it does not begin with a manifest", ErrDamaged)
	}
	if err := json.NewDecoder(io.LimitReader(t, maxManifest)).Decode(&m); err != nil {
		return m, fmt.Errorf("%w: manifest: %w", ErrDamaged, err)
	}
	return m, m.check()
}

// unpack writes the file to a path, or nowhere.
func (f *File) unpack(in io.Reader, to string) error {
	var out io.Writer = io.Discard
	done := func() error { return nil }
	if to != "" {
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer file.Close() // again after a good end: harmless
		out, done = file, func() error { return errors.Join(file.Sync(), file.Close()) }
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), in)
	if err != nil {
		return err
	}
	if n != f.Size || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%w: the content of %s", ErrDamaged, f.Name)
	}
	return done()
}
