package camera

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/firmware-bridge/scanner"
)

// Convert is for the benchmark of the conversion alone.
func Convert(f Frame) error {
	_, err := f.grey(nil)
	return err
}

func TestDue(t *testing.T) {
	t0 := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	r := &reader{}
	for i, c := range []struct {
		text string
		at   time.Duration
		want bool
	}{
		{"A", 0, true}, {"A", 10 * time.Millisecond, false}, {"A", repeat - 1, false}, {"A", repeat, true},
		{"B", repeat, true}, {"A", repeat + 1, false}, {"B", repeat + 1, false}, // both stay in view
		{"A", 2*repeat + 1, true},
	} {
		if got := r.due(c.text, t0.Add(c.at)); got != c.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	for i := range 1000 {
		r.due(strings.Repeat("C", i), t0)
	}
	if len(r.said) != remembered {
		t.Errorf("%d codes remembered", len(r.said))
	}
}

func TestSendable(t *testing.T) {
	for text, want := range map[string]bool{
		"CODE": true, "校園": true, strings.Repeat("A", scanner.MaxText): true,
		"": false, strings.Repeat("A", scanner.MaxText+1): false, "A\r\nB": false, "A\x00": false, "\x1b[2J": false, "A\x7f": false, "\u0085": false, "\xff": false,
	} {
		if sendable(text) != want {
			t.Errorf("%.20q: %v", text, !want)
		}
	}
}

func TestChoose(t *testing.T) {
	for name, c := range map[string]struct {
		offers []offer
		want   offer
	}{
		"the size before the format": {[]offer{{Grey, 320, 240}, {MJPEG, 640, 480}}, offer{MJPEG, 640, 480}},
		"the cheaper format":         {[]offer{{MJPEG, 640, 480}, {YUYV, 640, 480}}, offer{YUYV, 640, 480}},
		"nearest below":              {[]offer{{YUYV, 640, 360}, {YUYV, 1280, 720}}, offer{YUYV, 640, 360}},
		"nearest above":              {[]offer{{YUYV, 160, 120}, {YUYV, 800, 600}}, offer{YUYV, 800, 600}},
		"nonsense last":              {[]offer{{Grey, 0, 0}, {MJPEG, 4096, 4096}}, offer{MJPEG, 4096, 4096}},
	} {
		if got := choose(c.offers, formats); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestExplain(t *testing.T) {
	for from, want := range map[error]error{
		unix.ENOENT: fs.ErrNotExist, unix.ENODEV: fs.ErrNotExist, unix.ENXIO: fs.ErrNotExist,
		unix.EACCES: ErrAccess, unix.EPERM: ErrAccess, unix.EBUSY: ErrBusy, unix.ENOTTY: ErrNotThis, unix.EIO: unix.EIO, ErrNotThis: ErrNotThis,
	} {
		if got := explain("/dev/video9", from); !errors.Is(got, want) {
			t.Errorf("%v: %v, want %v", from, got, want)
		}
	}
}

// A line that finds no room is dropped, and what nobody read is forgotten.
func TestWireNeverWaits(t *testing.T) {
	w, err := newWire(filepath.Join(t.TempDir(), "link"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	t0 := time.Now()
	long, dropped := strings.Repeat("A", 1000)+"\r\n", 0
	for range 1000 {
		if !w.say(long, t0) {
			dropped++
		}
	}
	if dropped == 0 {
		t.Error("a thousand lines of 1 KiB found room")
	}
	near, err := os.OpenFile(w.link, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	w.say("OLD\r\n", t0)
	deadline := time.Now().Add(10 * time.Second)
	for n := 0; n == 0 && time.Now().Before(deadline); {
		n, _ = unix.IoctlGetInt(w.in, unix.TIOCINQ)
	}
	if !w.say("NEW\r\n", t0.Add(unread)) {
		t.Error("no room after the old lines were forgotten")
	}
	b := make([]byte, 1<<16)
	if err := near.SetReadDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	if n, err := near.Read(b); err != nil || string(b[:n]) != "NEW\r\n" {
		t.Errorf("read %.40q, %v", b[:n], err)
	}
}

// The views are what they say, on a picture small enough to see.
func TestPlanes(t *testing.T) {
	p := plane{[]byte{0, 0, 0, 0, 90, 0, 0, 0, 0}, 3, 3}
	if s := p.smooth(); s.pix[4] != 10 || s.pix[0] != 10 {
		t.Errorf("smooth %v", s.pix)
	}
	if s := (plane{[]byte{255, 255, 255, 255}, 2, 2}).smooth(); s.pix[0] != 255 {
		t.Errorf("smooth of white %v", s.pix)
	}
	if s := p.invert(); s.pix[4] != 165 || s.pix[0] != 255 {
		t.Errorf("invert %v", s.pix)
	}
	if h := (plane{[]byte{1, 3, 9, 5, 7, 9}, 3, 2}).half(); h.w != 1 || h.h != 1 || h.pix[0] != 4 {
		t.Errorf("half %v", h)
	}
	if d := p.double(); d.w != 6 || d.h != 6 || d.pix[2*6+2] != 90 || d.pix[0] != 0 {
		t.Errorf("double %v", d)
	}
	if s := (plane{[]byte{100, 110}, 2, 1}).stretch(); s.pix[0] != 0 || s.pix[1] != 255 {
		t.Errorf("stretch %v", s.pix)
	}
	if s := p.sharpen(2); s.pix[4] <= 90 {
		t.Errorf("sharpen %v", s.pix)
	}
}
