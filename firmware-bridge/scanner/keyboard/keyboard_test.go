package keyboard

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// list is what a kernel shows: a power button, a keyboard of a server's console
// (64-bit words), two scanners and a mouse, and a scanner of a 32-bit kernel.
const list = `I: Bus=0019 Vendor=0000 Product=0001 Version=0000
N: Name="Power Button"
P: Phys=PNP0C0C/button/input0
S: Sysfs=/devices/LNXSYSTM:00/LNXPWRBN:00/input/input0
U: Uniq=
H: Handlers=kbd event0
B: PROP=0
B: EV=3
B: KEY=10000000000000 0

I: Bus=0011 Vendor=0001 Product=0001 Version=ab41
N: Name="AT Translated Set 2 keyboard"
H: Handlers=sysrq kbd event1 leds
B: EV=120013
B: KEY=402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe

I: Bus=0003 Vendor=05e0 Product=1200 Version=0110
N: Name="Symbol Technologies, Inc, 2008 Symbol Bar Code Scanner"
H: Handlers=sysrq kbd event4 leds
B: EV=120013
B: KEY=1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe

I: Bus=0003 Vendor=1a86 Product=5454 Version=0110
N: Name="WCM QR HID Keyboard"
H: Handlers=sysrq kbd event5 leds
B: KEY=1000000000007 ff800000000007ff febeffdff3cfffff fffffffffffffffe

I: Bus=0003 Vendor=046d Product=c077 Version=0111
N: Name="Logitech USB Optical Mouse"
H: Handlers=mouse0 event6
B: KEY=ff0000 0 0 0 0

I: Bus=0003 Vendor=0c2e Product=0b61 Version=0110
N: Name="Honeywell"
H: Handlers=kbd event7
B: KEY=10000 7 ff800000 7ff febeffdf f3cfffff ffffffff fffffffe
`

func TestFind(t *testing.T) {
	found, err := Find(fstest.MapFS{devices: {Data: []byte(list)}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/dev/input/event4", "/dev/input/event5", "/dev/input/event7", "/dev/input/event1"}
	if len(found) != len(want) {
		t.Fatalf("found %+v", found)
	}
	for i, f := range found {
		if f.Event != want[i] || (f.Hint != "") != (i < 3) {
			t.Errorf("%d: %+v, want %s", i, f, want[i])
		}
		err := f.Refusal()
		if !errors.Is(err, ErrKeyboard) || !strings.Contains(err.Error(), "0.3 to 3 s") || !strings.Contains(err.Error(), "/dev/serial/by-id") {
			t.Errorf("%s is refused with %v", f.Name, err)
		}
	}
	if found[0].Vendor != 0x05E0 || found[0].Product != 0x1200 || !strings.HasPrefix(found[0].Name, "Symbol") {
		t.Errorf("read %+v", found[0])
	}
	if none, err := Find(fstest.MapFS{}); none != nil || err != nil {
		t.Errorf("a system without the list: %v, %v", none, err)
	}
}

func TestThisSystemIsRead(t *testing.T) {
	if _, err := Find(os.DirFS("/")); err != nil {
		t.Error(err)
	}
}

func TestRefuse(t *testing.T) {
	link := filepath.Join(t.TempDir(), "scanner")
	if err := os.Symlink("/dev/input/../input/event3", link); err != nil {
		t.Fatal(err)
	}
	for port, refused := range map[string]bool{
		"/dev/input/event3":                       true,
		"/dev/input/by-id/usb-Symbol-event-kbd":   true,
		"/dev/./input/event3":                     true,
		"/dev/hidraw0":                            true,
		"/dev/serial/by-id/usb-Symbol_Scanner-00": false,
		"/dev/ttyUSB0":                            false,
		"":                                        false,
		link:                                      false, // it leads nowhere here
	} {
		err := Refuse(port)
		if refused != errors.Is(err, ErrKeyboard) {
			t.Errorf("Refuse(%q) = %v", port, err)
		}
		if refused && !strings.Contains(err.Error(), "POR232") {
			t.Errorf("Refuse(%q) names no next step: %v", port, err)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add(list)
	f.Add("N: Name=\"\xff\x00\"\nB: KEY=\n\nI: Vendor=\nB: KEY=ffffffffffffffff\n")
	f.Add("B: KEY=0 10010000\n" + strings.Repeat("x\n", 100))
	f.Fuzz(func(t *testing.T, text string) {
		found, err := Find(fstest.MapFS{devices: {Data: []byte(text)}})
		if len(found) > most {
			t.Fatalf("%d found", len(found))
		}
		for _, k := range found {
			if len(k.Name) > 80 || strings.ContainsAny(k.Name, "\x00\x1b\r") {
				t.Fatalf("name %q, %v", k.Name, err)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	root := fstest.MapFS{devices: {Data: []byte(list)}}
	b.ReportAllocs()
	for b.Loop() {
		if found, _ := Find(root); len(found) != 4 {
			b.Fatal(len(found))
		}
	}
}
