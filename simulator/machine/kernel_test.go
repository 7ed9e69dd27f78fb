package machine

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bootImage is an x86 boot image of one setup sector around a payload.
func bootImage(packed []byte) []byte {
	b := make([]byte, 1024)
	b[setupSectors] = 1
	copy(b[setupMagic:], "HdrS")
	binary.LittleEndian.PutUint32(b[payloadOffset:], 16)
	binary.LittleEndian.PutUint32(b[payloadLength:], uint32(len(packed)+4))
	b = append(append(b, make([]byte, 16)...), packed...)
	return append(b, "\x00\x01\x00\x00 and what comes behind"...)
}

func TestUnpackKernel(t *testing.T) {
	kernel := "\x7fELF" + strings.Repeat("kernel ", 1000)
	xz := exec.Command("xz", "--compress", "--stdout")
	xz.Stdin = strings.NewReader(kernel)
	packed, err := xz.Output()
	if err != nil {
		t.Fatalf("%v; make deps installs xz", err)
	}
	boot, out := filepath.Join(t.TempDir(), "boot"), filepath.Join(t.TempDir(), "kernel")
	put(t, boot, string(bootImage(packed)))
	if err := unpackKernel(context.Background(), boot, out); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != kernel {
		t.Errorf("unpacked %d bytes, %v", len(got), err)
	}
	for name, wrong := range map[string][]byte{
		"nothing": nil, "text": bytes.Repeat([]byte("text"), 1000), "gzip": bootImage([]byte("\x1f\x8b" + strings.Repeat("0", 20))),
		"cut short": bootImage(packed)[:1100],
	} {
		put(t, boot, string(wrong))
		if err := unpackKernel(context.Background(), boot, out); !errors.Is(err, errKernelImage) {
			t.Errorf("%s: %v, want errKernelImage", name, err)
		}
	}
}

// FuzzPayload: no boot image takes the parser out of its bounds.
func FuzzPayload(f *testing.F) {
	f.Add(bootImage([]byte("\xfd7zXZ\x00 packed")))
	f.Add(bootImage(nil))
	f.Add([]byte("HdrS"))
	f.Fuzz(func(t *testing.T, b []byte) {
		packed, err := payload(b)
		if (err == nil) != (len(packed) > 0) || err != nil && !errors.Is(err, errKernelImage) {
			t.Errorf("%d bytes, %v", len(packed), err)
		}
	})
}

func TestSumsFindEachChange(t *testing.T) {
	folder := kernelWith(t, map[string]string{"a": "", "b": ""})
	if sound(folder) == nil {
		t.Error("sound without sums")
	}
	if err := seal(folder, "6.1"); err != nil {
		t.Fatal(err)
	}
	if err := sound(folder); err != nil {
		t.Fatal(err)
	}
	one := filepath.Join(folder, modulesFolder, "a.ko")
	was, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(){
		"another byte": func() { put(t, one, string(was[:len(was)-1])+"x") },
		"a file less":  func() { os.Remove(one) },
		"a file more":  func() { put(t, one, string(was)); put(t, one+".more", "") },
	} {
		change()
		if err := sound(folder); !errors.Is(err, errUnsound) {
			t.Errorf("%s: %v, want errUnsound", name, err)
		}
		os.Remove(one + ".more")
		put(t, one, string(was))
	}
	if err := sound(folder); err != nil {
		t.Error(err)
	}
}

func TestExtract(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{{Name: "./boot/vmlinuz-6.1-x", Size: 4, Mode: 0o644}, {Name: "./lib/modules/6.1-x/kernel/drivers/usb/core/usbcore.ko", Size: 4, Mode: 0o644},
		{Name: "./lib/modules/6.1-x/kernel/drivers/gpu/big.ko", Size: 4, Mode: 0o644}, {Name: "../../etc/passwd", Size: 4}} {
		h.Typeflag = tar.TypeReg
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("1234")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := extract(bytes.NewReader(b.Bytes()), kernelParts("6.1-x", folder)); err != nil {
		t.Fatal(err)
	}
	if err := extract(bytes.NewReader(b.Bytes()), kernelParts("6.2-x", folder)); !errors.Is(err, errNothing) {
		t.Errorf("another kernel: %v, want errNothing", err)
	}
	if err := extract(bytes.NewReader(b.Bytes()[:514]), kernelParts("6.1-x", t.TempDir())); err == nil {
		t.Error("a package that is cut short unpacks")
	}
	var found []string
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, strings.TrimPrefix(path, folder))
		}
		return err
	})
	if want := "/boot /modules/drivers/usb/core/usbcore.ko"; err != nil || strings.Join(found, " ") != want {
		t.Errorf("unpacked %v, %v; want %s", found, err, want)
	}
}

func TestUnknownProcessor(t *testing.T) {
	if err := (Kernels{Folder: t.TempDir()}).Prepare(t.Context(), "z80"); err == nil {
		t.Error("a kernel for a Z80")
	}
	if _, err := Start(t.Context(), Config{Arch: "z80"}); err == nil {
		t.Error("a computer with a Z80")
	}
}

// Without a package mirror the error says what to do.
func TestOffline(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no apt either
	if err := (Kernels{Folder: t.TempDir()}).Prepare(t.Context(), ARM64); !errors.Is(err, ErrFetch) {
		t.Errorf("%v, want ErrFetch", err)
	}
}
