// Package backup writes central's database and key folder into one file, and
// makes a data folder of it again.
//
// The file is a tar archive: manifest.json, which names the other files with
// their sizes and hashes, central.db, and the files of keys/, which are encrypted
// with central's passphrase as they are in the folder. Everything is checked before
// any of it is used.
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
	"path"
	"path/filepath"
	"time"

	"turnstile/central/database"
)

// What a caller can branch on.
var (
	ErrExists  = errors.New("there is something already: name a file or folder that does not exist")
	ErrDamaged = errors.New("the file is no backup of central, or is damaged: take another one")
)

// Format is the version of the archive's layout.
const Format = 1

// Names in the archive.
const (
	manifestName = "manifest.json"
	databaseName = "central.db"
	keysName     = "keys"
)

// Manifest tells what an archive has.
type Manifest struct {
	Format  int       `json:"format"`
	Site    string    `json:"site"`
	Version string    `json:"version"` // of the program
	Made    time.Time `json:"made"`
	Schema  int64     `json:"schema"` // of the database
	Files   []File    `json:"files"`  // in their order behind the manifest
}

// File is a file of the archive.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// Source is what is backed up.
type Source struct {
	DB      *database.DB // may be in use
	Keys    string       // the key folder, "" if it is not central's
	Site    string
	Version string
	Now     func() time.Time
}

// Write makes a new backup file, mode 0600, beside a central that runs. ErrExists
// if there is a file of that name; database.ErrDump for PostgreSQL. A half written
// file never has the name.
func Write(ctx context.Context, s Source, to string) (Manifest, error) {
	m := Manifest{Format: Format, Site: s.Site, Version: s.Version, Made: s.Now()}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("write backup %s: %w", to, errors.Join(ErrExists, err))
	}
	folder, err := os.MkdirTemp(filepath.Dir(to), ".backup-") // on the same disk
	if err != nil {
		return m, fmt.Errorf("write backup: %w", err)
	}
	defer os.RemoveAll(folder)
	db := filepath.Join(folder, databaseName)
	if err := s.DB.Backup(ctx, db); err != nil {
		return m, err
	}
	if m.Schema, err = database.CheckFile(ctx, db); err != nil {
		return m, err
	}
	sources := map[string]string{databaseName: db}
	if err := m.list(sources, s.Keys); err != nil {
		return m, fmt.Errorf("write backup: %w", err)
	}
	whole := filepath.Join(folder, "whole")
	if err := m.write(whole, sources); err != nil {
		return m, fmt.Errorf("write backup: %w", err)
	}
	if err := os.Rename(whole, to); err != nil {
		return m, fmt.Errorf("write backup: %w", err)
	}
	return m, syncFolder(filepath.Dir(to))
}

// list puts the files into the manifest, and where they are into sources.
func (m *Manifest) list(sources map[string]string, keys string) error {
	names := []string{databaseName}
	if keys != "" {
		entries, err := os.ReadDir(keys)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if e.Type().IsRegular() && e.Name()[0] != '.' {
				name := path.Join(keysName, e.Name())
				names, sources[name] = append(names, name), filepath.Join(keys, e.Name())
			}
		}
	}
	for _, name := range names {
		f, err := describe(name, sources[name])
		if err != nil {
			return err
		}
		m.Files = append(m.Files, f)
	}
	return m.check()
}

func describe(name, source string) (File, error) {
	in, err := os.Open(source)
	if err != nil {
		return File{}, err
	}
	defer in.Close()
	h := sha256.New()
	n, err := io.Copy(h, in)
	return File{name, n, hex.EncodeToString(h.Sum(nil))}, err
}

func (m *Manifest) write(to string, sources map[string]string) error {
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close() // again after a good end: harmless
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	w := tar.NewWriter(out)
	if err := w.WriteHeader(m.header(manifestName, int64(len(text)))); err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	for _, f := range m.Files {
		if err := m.add(w, f, sources[f.Name]); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), out.Sync(), out.Close())
}

func (m *Manifest) header(name string, size int64) *tar.Header {
	return &tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: m.Made, Typeflag: tar.TypeReg}
}

// add copies a file that has the size of its description, or fails.
func (m *Manifest) add(w *tar.Writer, f File, source string) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := w.WriteHeader(m.header(f.Name, f.Size)); err != nil {
		return err
	}
	_, err = io.Copy(w, in) // the writer refuses another size; another content, Restore
	return err
}

// Bounds of an archive.
const (
	maxManifest = 1 << 20 // bytes
	maxKeys     = 2000    // files
	maxKey      = 1 << 20 // bytes
)

// check returns ErrDamaged for a manifest that no archive can have.
func (m *Manifest) check() error {
	if m.Format != Format || len(m.Files) == 0 || len(m.Files) > maxKeys+1 || m.Files[0].Name != databaseName {
		return fmt.Errorf("%w: format %d, %d files", ErrDamaged, m.Format, len(m.Files))
	}
	seen := map[string]bool{}
	for i, f := range m.Files {
		folder, base := path.Split(f.Name)
		ok := i == 0 || folder == keysName+"/" && base != "" && base[0] != '.' && filepath.IsLocal(base) && f.Size <= maxKey
		if !ok || f.Size < 0 || seen[f.Name] {
			return fmt.Errorf("%w: file %.80q", ErrDamaged, f.Name)
		}
		seen[f.Name] = true
	}
	return nil
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
