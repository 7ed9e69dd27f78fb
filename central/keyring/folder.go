package keyring

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"turnstile/central/database"
	"turnstile/central/issuer"
)

// baseFile says what folder and database had alike when they were last compared.
const baseFile = "shared.json"

// authorityFile names the site's keys: no two sites have the same.
const authorityFile = "authority.crt"

// Bounds of what stands in the database.
const (
	maxFiles = 2000    // a pass key a week for decades
	maxFile  = 1 << 20 // bytes
)

// shared reports whether a file of the key folder is one that all centrals have.
func shared(name string) bool {
	if name == baseFile || filepath.Base(name) != name || name[0] == '.' {
		return false
	}
	switch filepath.Ext(name) {
	case ".key", ".json", ".crt", ".cbor", ".request":
		return true
	}
	return false
}

// readFolder returns the shared files by name; none if there is no folder.
func readFolder(dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !isNotThere(err) {
		return nil, fmt.Errorf("read key folder: %w", err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if !shared(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if isNotThere(err) { // replaced in this moment by a command for the root: it is read the next time
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read key folder: %w", err)
		}
		files[e.Name()] = data
	}
	return files, nil
}

// list returns the files to store, nil if they are what is stored.
func list(files map[string][]byte, stored []database.KeyFile) []database.KeyFile {
	out := make([]database.KeyFile, 0, len(files))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		out = append(out, database.KeyFile{Name: name, Data: files[name]})
	}
	same := slices.EqualFunc(out, slices.SortedFunc(slices.Values(stored), func(a, b database.KeyFile) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) }),
		func(a, b database.KeyFile) bool { return a.Name == b.Name && bytes.Equal(a.Data, b.Data) })
	if same {
		return nil
	}
	return out
}

// pull takes what others changed into the folder, file by file: what is as it was
// when folder and database were last alike becomes what is stored; what was changed
// here stays, to be stored. It reports whether anything was taken.
func (r *Ring) pull(stored []database.KeyFile) (bool, error) {
	dir := r.config.Options.Dir
	local, err := readFolder(dir)
	if err != nil {
		return false, err
	}
	remote := map[string][]byte{}
	for _, f := range stored {
		if !shared(f.Name) || len(f.Data) > maxFile || len(stored) > maxFiles {
			return false, fmt.Errorf("%w: %d stored files, %.60q of %d bytes", issuer.ErrDamagedKeys, len(stored), f.Name, len(f.Data))
		}
		remote[f.Name] = f.Data
	}
	if own, theirs := local[authorityFile], remote[authorityFile]; own != nil && theirs != nil && !bytes.Equal(own, theirs) {
		return false, fmt.Errorf("%w: %s", ErrForeign, dir)
	}
	if len(remote) == 0 {
		return false, nil // the first central
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, fmt.Errorf("make key folder: %w", err)
	}
	return r.merge(local, remote)
}

func (r *Ring) merge(local, remote map[string][]byte) (changed bool, err error) {
	names := maps.Clone(local)
	maps.Copy(names, remote)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		mine, here := local[name]
		theirs, there := remote[name]
		if here == there && bytes.Equal(mine, theirs) {
			continue
		}
		base, known := r.base[name]
		untouched := here == known && (!here || sha256.Sum256(mine) == base)
		unmoved := there == known && (!there || sha256.Sum256(theirs) == base)
		if unmoved && !untouched {
			continue // changed here
		}
		if !untouched {
			r.config.Log.Warn("a key file was changed here and at another central; the other one's counts", "file", name)
		}
		if err := r.write(name, theirs, there); err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

// write puts a file in place, or removes it.
func (r *Ring) write(name string, data []byte, there bool) error {
	path := filepath.Join(r.config.Options.Dir, name)
	if !there {
		if err := os.Remove(path); err != nil && !isNotThere(err) {
			return fmt.Errorf("take in keys: %w", err)
		}
		return nil
	}
	return replace(path, data)
}

// replace writes a file as a whole, mode 0600: what a crash leaves half is fetched
// from the database again.
func replace(path string, data []byte) error {
	temp := filepath.Join(filepath.Dir(path), ".new-"+filepath.Base(path))
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (r *Ring) readBase() error {
	r.base = map[string]hash{}
	text, err := os.ReadFile(filepath.Join(r.config.Options.Dir, baseFile))
	if isNotThere(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read key folder: %w", err)
	}
	names := map[string]string{}
	if err := json.Unmarshal(text, &names); err != nil {
		return nil // as if never compared: the database counts
	}
	for name, digest := range names {
		var h hash
		if n, err := hex.Decode(h[:], []byte(digest)); err == nil && n == len(h) {
			r.base[name] = h
		}
	}
	return nil
}

// keepBase notes that the database has these files.
func (r *Ring) keepBase(files map[string][]byte) error {
	next, text := map[string]hash{}, map[string]string{}
	for name, data := range files {
		next[name] = sha256.Sum256(data)
		text[name] = fmt.Sprintf("%x", next[name])
	}
	if maps.Equal(next, r.base) {
		return nil
	}
	data, err := json.MarshalIndent(text, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", baseFile, err)
	}
	r.base = next
	return replace(filepath.Join(r.config.Options.Dir, baseFile), data)
}
