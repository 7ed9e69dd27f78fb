package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// disk is the part of a file system that a journal needs: one flat folder. All
// but list and open are durable when they return.
type disk interface {
	list() ([]fileInfo, error) // files, and the folders of journals set aside
	open(name string) (file, error)
	create(name string, size int64) (file, error) // zeros on allocated blocks; replaces
	rename(from, to string) error
	remove(name string) error
}

// file is one segment. sync makes the bytes that were written durable
// (fdatasync); the size never changes after create.
type file interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	sync() error
	Close() error
}

type fileInfo struct {
	name    string
	size    int64
	changed time.Time
}

// folder is the real disk.
type folder struct{ path string }

type osFile struct{ *os.File }

func (f osFile) sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (d folder) list() ([]fileInfo, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("list journal: %w", err)
	}
	var list []fileInfo
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list journal: %w", err)
		}
		if _, aside := parseAside(e.Name()); aside || info.Mode().IsRegular() {
			list = append(list, fileInfo{e.Name(), info.Size(), info.ModTime()})
		}
	}
	return list, nil
}

func (d folder) open(name string) (file, error) {
	f, err := os.OpenFile(filepath.Join(d.path, name), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open journal segment: %w", err)
	}
	return osFile{f}, nil
}

// zeros are written over the whole of a new segment: fallocate alone would
// leave extents "unwritten", and each first write to one costs the file system
// a transaction of its own at the next flush. They are written block by block:
// larger writes leave larger pages in the kernel's cache, and some kernels then
// count, and some file systems write, the whole of one at each flush.
var zeros [blockSize]byte

func (d folder) create(name string, size int64) (file, error) {
	f, err := os.OpenFile(filepath.Join(d.path, name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create journal segment: %w", full(err))
	}
	if err := preallocate(f, size); err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, fmt.Errorf("preallocate journal segment: %w", full(err))
	}
	return osFile{f}, nil
}

func preallocate(f *os.File, size int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	for off := int64(0); off < size; off += int64(len(zeros)) {
		n := min(size-off, int64(len(zeros)))
		if _, err := f.WriteAt(zeros[:n], off); err != nil {
			return err
		}
	}
	return f.Sync()
}

// full marks the errors that mean "no room".
func full(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// rename makes the folder that to names if there is none.
func (d folder) rename(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(filepath.Join(d.path, to)), 0o700); err != nil {
		return fmt.Errorf("rename journal segment: %w", full(err))
	}
	if err := os.Rename(filepath.Join(d.path, from), filepath.Join(d.path, to)); err != nil {
		return fmt.Errorf("rename journal segment: %w", full(err))
	}
	return d.syncFolder()
}

func (d folder) remove(name string) error {
	if err := os.Remove(filepath.Join(d.path, name)); err != nil {
		return fmt.Errorf("remove journal segment: %w", err)
	}
	return d.syncFolder()
}

func (d folder) syncFolder() error {
	f, err := os.Open(d.path)
	if err != nil {
		return fmt.Errorf("sync journal folder: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync journal folder: %w", err)
	}
	return nil
}

// lock takes the folder for this process alone, until the file is closed.
func (d folder) lock() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(d.path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock journal: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w (%w)", ErrLocked, err)
	}
	return f, nil
}
