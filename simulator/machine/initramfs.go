package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// image writes the initramfs that a guest starts from: the files (path in the
// guest to path on the host) and the modules with all that they need, as
// /modules/NN-name.ko in the order to load them. It is not compressed: reading
// it is cheaper for an emulated processor than unpacking it.
func image(out, kernels string, files map[string]string, modules []string) (err error) {
	needed, err := resolve(kernels, modules)
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return fmt.Errorf("make initramfs: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffer := bufio.NewWriterSize(f, 1<<20)
	a := archive{w: buffer, folders: map[string]bool{}}
	for _, folder := range []string{"dev", "proc", "sys", "tmp", "run", "modules"} {
		a.folder(folder)
	}
	a.device("dev/console", 5, 1) // what PID 1 has as its standard files
	for i, m := range needed {
		a.file(fmt.Sprintf("modules/%02d-%s", i, filepath.Base(m)), m)
	}
	names := []string{}
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		a.file(strings.TrimPrefix(name, "/"), files[name])
	}
	a.end()
	if err := errors.Join(a.err, buffer.Flush()); err != nil {
		return fmt.Errorf("write initramfs: %w", err)
	}
	return nil
}

// archive writes the "newc" form of cpio, which the kernel unpacks
// (Documentation/driver-api/early-userspace/buffer-format.rst). After an error
// it writes nothing more.
type archive struct {
	w       io.Writer
	inode   int
	written int64
	folders map[string]bool
	err     error
}

const (
	modeFolder = 0o040755
	modeFile   = 0o100000 // beside the permissions
	modeDevice = 0o020600
)

// entry writes a header: magic, 13 numbers of 8 hexadecimal digits, the name.
func (a *archive) entry(name string, mode, size, major, minor int) {
	a.inode++
	a.put(fmt.Appendf(nil, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		a.inode, mode, 0, 0, 1, 0, size, 0, 0, major, minor, len(name)+1, 0, name))
	a.align()
}

func (a *archive) put(b []byte) {
	if a.err != nil {
		return
	}
	n, err := a.w.Write(b)
	a.written += int64(n)
	a.err = err
}

// align fills up to a multiple of four bytes, where headers and contents begin.
func (a *archive) align() { a.put(make([]byte, -a.written&3)) }

func (a *archive) folder(name string) {
	if name == "." || a.folders[name] {
		return
	}
	a.folder(path.Dir(name))
	a.folders[name] = true
	a.entry(name, modeFolder, 0, 0, 0)
}

func (a *archive) device(name string, major, minor int) { a.entry(name, modeDevice, 0, major, minor) }

func (a *archive) file(name, from string) {
	if a.err != nil {
		return
	}
	content, err := os.ReadFile(from)
	if err != nil {
		a.err = err
		return
	}
	info, err := os.Stat(from)
	if err != nil {
		a.err = err
		return
	}
	a.folder(path.Dir(name))
	a.entry(name, modeFile|int(info.Mode().Perm()), len(content), 0, 0)
	a.put(content)
	a.align()
}

func (a *archive) end() { a.entry("TRAILER!!!", 0, 0, 0, 0) }
