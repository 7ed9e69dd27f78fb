package serialtest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestLine(t *testing.T) {
	l := New(filepath.Join(t.TempDir(), "port"))
	if _, err := l.Far(); !errors.Is(err, ErrUnplugged) {
		t.Errorf("Far of an unplugged line: %v", err)
	}
	for range 2 {
		if err := l.Plug(); err != nil {
			t.Fatal(err)
		}
		far, err := l.Far()
		if err != nil {
			t.Fatal(err)
		}
		near, err := os.OpenFile(l.Link(), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		sent := "\x00\x03\r\n\xff"
		if _, err := far.WriteString(sent); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 16)
		if n, err := near.Read(b); err != nil || string(b[:n]) != sent {
			t.Errorf("near end read %q, %v", b[:n], err)
		}
		if err := far.SetReadDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		if n, err := far.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("far end read %q, %v: the line echoes", b[:n], err)
		}
		l.Unplug()
		if _, err := near.Write([]byte("x")); err == nil {
			t.Error("the near end writes to an unplugged line")
		}
		_ = near.Close()
		if _, err := os.Lstat(l.Link()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("link after Unplug: %v", err)
		}
	}
}
