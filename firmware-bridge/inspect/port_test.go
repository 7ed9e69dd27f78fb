package inspect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// computer builds the parts of /sys and /proc that are looked at.
func computer(t *testing.T) Host {
	t.Helper()
	root := t.TempDir()
	for path, text := range map[string]string{
		"sys/devices/usb1/1-1/idVendor":                    "0403\n",
		"sys/devices/usb1/1-1/idProduct":                   "6001\n",
		"sys/devices/usb1/1-1/manufacturer":                "FT\x1b[31mDI\n",
		"sys/devices/usb1/1-1/product":                     strings.Repeat("long ", 100),
		"sys/devices/usb1/1-1/serial":                      "A50285BI\n",
		"sys/devices/usb1/1-1/1-1:1.0/ttyUSB0/port_number": "0\n",
		"sys/devices/usb1/1-2/idVendor":                    "1eab\n",
		"sys/devices/usb1/1-2/idProduct":                   "1a06\n",
		"sys/devices/usb1/1-2/1-2:1.0/bInterfaceNumber":    "00\n",
		"sys/devices/platform/serial0/uevent":              "",
		"sys/bus/usb-serial/drivers/ftdi_sio/x":            "",
		"sys/bus/usb/drivers/cdc_acm/x":                    "",
		"sys/bus/platform/drivers/uart-pl011/x":            "",
		"sys/devices/usb1/1-3/video4linux/video0/index":    "0\n",
		"sys/devices/usb1/1-3/video4linux/video0/name":     "HD Webcam: HD\xffWebcam\n",
		"sys/devices/usb1/1-3/video4linux/video1/index":    "1\n",
		"proc/812/comm":                                    "agent\n",
		"proc/813/comm":                                    "other\n",
		"dev/ttyUSB0":                                      "",
		"sys/class/tty/console/active":                     "tty0 ttyAMA0\n",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"sys/class/tty/ttyUSB0/device":                "sys/devices/usb1/1-1/1-1:1.0/ttyUSB0",
		"sys/devices/usb1/1-1/1-1:1.0/ttyUSB0/driver": "sys/bus/usb-serial/drivers/ftdi_sio",
		"sys/class/tty/ttyACM0/device":                "sys/devices/usb1/1-2/1-2:1.0",
		"sys/devices/usb1/1-2/1-2:1.0/driver":         "sys/bus/usb/drivers/cdc_acm",
		"sys/class/tty/ttyAMA0/device":                "sys/devices/platform/serial0",
		"sys/devices/platform/serial0/driver":         "sys/bus/platform/drivers/uart-pl011",
		"sys/class/video4linux/video0":                "sys/devices/usb1/1-3/video4linux/video0",
		"sys/class/video4linux/video1":                "sys/devices/usb1/1-3/video4linux/video1",
		"dev/v4l/by-id/usb-HD_Webcam-video-index0":    "dev/video0",
		"proc/812/fd/7":                               "dev/ttyUSB0",
		"proc/812/fd/8":                               "dev/ttyUSB0",
		"proc/813/fd/1":                               "dev/null",
	} {
		link = filepath.Join(root, link)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(root, to), link); err != nil {
			t.Fatal(err)
		}
	}
	return Host{Root: root, User: "guard"}
}

func TestPlug(t *testing.T) {
	h := computer(t)
	usb := h.Plug("tty", "/dev/ttyUSB0")
	if usb.ID != "0403:6001" || usb.Vendor != "FT [31mDI" || usb.Serial != "A50285BI" || usb.Driver != "ftdi_sio" || usb.Rateless() {
		t.Errorf("%+v", usb)
	}
	if len(usb.Product) > maxName || !strings.HasPrefix(usb.Product, "long long") || strings.Contains(usb.String(), "\x1b") {
		t.Errorf("%q", usb.String())
	}
	if acm := h.Plug("tty", "/dev/ttyACM0"); !acm.Rateless() || acm.String() != "(1eab:1a06), driver cdc_acm" {
		t.Errorf("%+v: %s", acm, acm)
	}
	if built := h.Plug("tty", "/dev/ttyAMA0"); built.String() != "built in, driver uart-pl011" {
		t.Errorf("%+v: %s", built, built)
	}
	if none := h.Plug("tty", "/dev/ttyS9"); none != (Plug{}) || none.String() != "" {
		t.Errorf("%+v", none)
	}
}

func TestSerial(t *testing.T) {
	h := computer(t)
	for device, want := range map[string]bool{"/dev/ttyUSB0": true, "/dev/pts/4": true, "/dev/null": false, "/dev/ttyUSB7": false} {
		if h.Serial(device) != want {
			t.Errorf("%s: %v", device, !want)
		}
	}
}

func TestConsole(t *testing.T) {
	h := computer(t)
	for device, want := range map[string]bool{"/dev/ttyAMA0": true, "/dev/ttyAMA": false, "/dev/ttyUSB0": false, "/dev/pts/0": false} {
		if h.Console(device) != want {
			t.Errorf("%s: %v", device, !want)
		}
	}
	if (Host{Root: t.TempDir()}).Console("/dev/ttyAMA0") {
		t.Error("a computer without a console has one")
	}
}

func TestHolders(t *testing.T) {
	h := computer(t)
	got := h.Holders(filepath.Join(h.Root, "dev/ttyUSB0"))
	if len(got) != 1 || got[0] != (Holder{812, "agent"}) {
		t.Errorf("%+v", got)
	}
	if got := h.Holders("/dev/ttyUSB1"); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestCameras(t *testing.T) {
	got := computer(t).Cameras()
	if len(got) != 1 || got[0] != (Camera{"/dev/v4l/by-id/usb-HD_Webcam-video-index0", "/dev/video0", "HD Webcam: HD?Webcam"}) {
		t.Errorf("%+v", got)
	}
}

func TestRemedy(t *testing.T) {
	if s := remedy("dialout", 0o660, "guard"); s != "no permission: sudo usermod -aG dialout guard, then sign in again" {
		t.Error(s)
	}
	for group, mode := range map[string]os.FileMode{"root": 0o660, "gpio": 0o600} {
		if s := remedy(group, mode, "guard"); !strings.Contains(s, "70-turnstile.rules") || !strings.Contains(s, "udevadm trigger") {
			t.Error(s)
		}
	}
	if s := (Host{}).Denied("/dev/null"); s != "" {
		t.Errorf("/dev/null: %s", s)
	}
	if s := (Host{}).Denied("/dev/is-not-there"); s != "" {
		t.Errorf("no device: %s", s)
	}
}
