package machine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// entryOf is what an archive says of one name.
type entryOf struct {
	mode    int64
	major   int64
	content string
}

// parseArchive reads the newc form by its specification, not by our writer.
func parseArchive(t *testing.T, b []byte) (entries map[string]entryOf, order []string) {
	t.Helper()
	entries = map[string]entryOf{}
	number := func(at int) int64 {
		n, err := strconv.ParseInt(string(b[at:at+8]), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for at := 0; ; {
		if at%4 != 0 || len(b) < at+110 || string(b[at:at+6]) != "070701" {
			t.Fatalf("no header at %d", at)
		}
		size, nameSize := int(number(at+54)), int(number(at+94))
		name := string(b[at+110 : at+110+nameSize-1])
		begin := (at + 110 + nameSize + 3) &^ 3
		if name == "TRAILER!!!" {
			return entries, order
		}
		if _, twice := entries[name]; twice {
			t.Errorf("%s stands there twice", name)
		}
		entries[name] = entryOf{number(at + 14), number(at + 78), string(b[begin : begin+size])}
		order = append(order, name)
		at = (begin + size + 3) &^ 3
	}
}

// kernelWith makes a folder as Prepare does, with modules that need each other.
func kernelWith(t *testing.T, modules map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	put(t, filepath.Join(folder, builtinFile), "kernel/drivers/tty/inside-kernel.ko\n")
	for name, needs := range modules {
		put(t, filepath.Join(folder, modulesFolder, name+".ko"), string(module("license=GPL\x00depends="+needs+"\x00retpoline=Y\x00")))
	}
	return folder
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// module is an ELF file with a section .modinfo and nothing else of use.
func module(info string) []byte {
	const head, section = 64, 64
	names := "\x00.modinfo\x00.shstrtab\x00"
	var b bytes.Buffer
	le := func(size int, v uint64) {
		for range size {
			b.WriteByte(byte(v))
			v >>= 8
		}
	}
	b.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	le(2, 1)  // relocatable
	le(2, 62) // x86-64
	le(4, 1)
	le(8, 0) // entry
	le(8, 0) // program headers
	le(8, uint64(head+len(info)+len(names)))
	le(4, 0)
	for _, v := range []uint64{head, 0, 0, section, 3, 2} {
		le(2, v)
	}
	b.WriteString(info + names)
	for _, s := range [][4]uint64{{}, {1, 1, head, uint64(len(info))}, {10, 3, uint64(head + len(info)), uint64(len(names))}} {
		le(4, s[0])
		le(4, s[1])
		le(8, 0)
		le(8, 0)
		le(8, s[2])
		le(8, s[3])
		le(8, 0)
		le(8, 1)
		le(8, 0)
	}
	return b.Bytes()
}

func TestInitramfs(t *testing.T) {
	folder := kernelWith(t, map[string]string{"usb-serial": "usbcore,inside_kernel", "usbcore": "usb_common", "usb-common": "", "unused": ""})
	file := filepath.Join(t.TempDir(), "secret")
	put(t, file, "12345")
	out := filepath.Join(t.TempDir(), "initramfs")
	if err := image(out, folder, map[string]string{"/etc/deep/secret": file}, []string{"usb_serial", "usbcore"}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	entries, order := parseArchive(t, b)
	if e := entries["etc/deep/secret"]; e.content != "12345" || e.mode != 0o100600 {
		t.Errorf("the file is %+v", e)
	}
	if e := entries["dev/console"]; e.mode&0o170000 != 0o020000 || e.major != 5 {
		t.Errorf("the console is %+v", e)
	}
	var modules []string
	for _, name := range order {
		if strings.HasPrefix(name, "modules/") {
			modules = append(modules, name)
		}
	}
	if want := "[modules/00-usb-common.ko modules/01-usbcore.ko modules/02-usb-serial.ko]"; fmt.Sprint(modules) != want {
		t.Errorf("modules %v, want %s", modules, want)
	}
	for i, name := range order {
		if parent := filepath.Dir(name); parent != "." && !strings.Contains(strings.Join(order[:i], "\n"), parent) {
			t.Errorf("%s comes before its folder", name)
		}
	}
}

func TestNoSuchModule(t *testing.T) {
	folder := kernelWith(t, map[string]string{"a": "b"})
	for _, name := range []string{"a", "c"} { // one lacks what it needs, the other is not there
		if _, err := resolve(folder, []string{name}); !errors.Is(err, ErrModule) {
			t.Errorf("%s: %v, want ErrModule", name, err)
		}
	}
	put(t, filepath.Join(folder, modulesFolder, "text.ko"), "no module")
	if _, err := resolve(folder, []string{"text"}); err == nil {
		t.Error("a text is taken for a module")
	}
	if err := image(filepath.Join(folder, "out"), folder, map[string]string{"/x": "/does/not/exist"}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// full is a disk without room behind its first bytes.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestArchiveStopsAtAnError(t *testing.T) {
	a := archive{w: &full{200}, folders: map[string]bool{}}
	a.folder("one/two/three")
	a.end()
	if !errors.Is(a.err, io.ErrShortWrite) {
		t.Errorf("%v, want ErrShortWrite", a.err)
	}
}
