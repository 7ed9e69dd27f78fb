// Package inspect says what this computer knows of the devices on its wires without touching any of them.
//
// It reads /sys, /proc and the permissions in /dev: what a USB plug calls itself,
// who holds a port, and what this user must do to be let in. Names out of plugs are
// hostile text and come cleaned.
package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"golang.org/x/sys/unix"
)

// maxName is how much of a name is kept, in bytes.
const maxName = 80

// Host is a computer to look at. The zero value is this one.
type Host struct {
	Root string // before /sys, /proc and /dev; "" outside of tests
	User string // who asks, for commands that are shown; "" for whoever runs this
}

// Plug is what stands behind a port.
type Plug struct {
	Vendor, Product, Serial string // as the plug says; "" if it says nothing, or is no USB
	ID                      string // vendor and product number, such as "0403:6001"; "" if it is no USB
	Driver                  string // of the kernel, such as "ftdi_sio"; "" if unknown
}

// String is the plug in one line.
func (p Plug) String() string {
	names := strings.TrimSpace(p.Vendor + " " + p.Product)
	if p.ID == "" && p.Driver == "" {
		return ""
	}
	if p.ID == "" {
		return "built in, driver " + p.Driver
	}
	s := strings.TrimSpace(names + " (" + p.ID + ")")
	if p.Serial != "" {
		s += ", serial number " + p.Serial
	}
	if p.Driver != "" {
		s += ", driver " + p.Driver
	}
	return s
}

// Rateless reports whether the line has no rate: a USB device that is its own
// serial port.
func (p Plug) Rateless() bool { return p.Driver == "cdc_acm" }

// Plug looks at the device of a class, such as "tty" and "/dev/ttyUSB0".
func (h Host) Plug(class, device string) Plug {
	var p Plug
	at, err := filepath.EvalSymlinks(filepath.Join(h.root(), "sys/class", class, filepath.Base(device), "device"))
	if err != nil {
		return p
	}
	if driver, err := filepath.EvalSymlinks(filepath.Join(at, "driver")); err == nil {
		p.Driver = clean(filepath.Base(driver))
	}
	// The USB device is a few folders above its interface and port.
	for range 6 {
		if vendor := h.read(at, "idVendor"); vendor != "" {
			p.ID = vendor + ":" + h.read(at, "idProduct")
			p.Vendor, p.Product, p.Serial = h.read(at, "manufacturer"), h.read(at, "product"), h.read(at, "serial")
			return p
		}
		// The driver of a USB serial adapter's port hangs one folder up.
		if up, err := filepath.EvalSymlinks(filepath.Join(at, "driver")); err == nil && p.Driver == "" {
			p.Driver = clean(filepath.Base(up))
		}
		at = filepath.Dir(at)
	}
	return p
}

// Serial reports whether device is a terminal to the kernel, without opening it.
func (h Host) Serial(device string) bool {
	if strings.HasPrefix(device, "/dev/pts/") {
		return true
	}
	_, err := os.Stat(filepath.Join(h.root(), "sys/class/tty", filepath.Base(device)))
	return err == nil
}

// Console reports whether the kernel, and often a log-in, speaks on device.
func (h Host) Console(device string) bool {
	active := h.read(filepath.Join(h.root(), "sys/class/tty/console"), "active")
	return slices.Contains(strings.Fields(active), filepath.Base(device))
}

func (h Host) root() string {
	if h.Root == "" {
		return "/"
	}
	return h.Root
}

// read returns one attribute, cleaned; "" if there is none.
func (h Host) read(folder, name string) string {
	f, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 256)
	n, _ := f.Read(b) // what cannot be read says nothing
	return clean(string(b[:n]))
}

// clean makes a device's own words fit to be shown on a terminal.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "?")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxName {
		s = strings.ToValidUTF8(s[:maxName], "")
	}
	return s
}

// Holder is a program that has a device open.
type Holder struct {
	PID  int
	Name string
}

// Holders lists who has device open, as far as this user may see: root sees all,
// others their own programs.
func (h Host) Holders(device string) []Holder {
	var all []Holder
	links, _ := filepath.Glob(filepath.Join(h.root(), "proc/[0-9]*/fd/*")) // the pattern is constant and valid
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil || to != device {
			continue
		}
		folder := filepath.Dir(filepath.Dir(link))
		pid, err := strconv.Atoi(filepath.Base(folder))
		same := func(x Holder) bool { return x.PID == pid }
		if err != nil || pid == os.Getpid() || slices.ContainsFunc(all, same) {
			continue
		}
		all = append(all, Holder{pid, h.read(folder, "comm")})
	}
	return all
}

// Denied returns what to do so that this user may read and write device, "" if
// it may, or if device is not there.
func (h Host) Denied(device string) string {
	err := unix.Access(device, unix.R_OK|unix.W_OK)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return ""
	}
	s, err := os.Stat(device)
	if err != nil {
		return ""
	}
	owner, ok := s.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	group := strconv.Itoa(int(owner.Gid))
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return remedy(group, s.Mode().Perm(), h.user())
}

// remedy is the command that lets name in.
func remedy(group string, mode fs.FileMode, name string) string {
	const rules = "install the udev rules: firmware-bridge udev | sudo tee /etc/udev/rules.d/70-turnstile.rules, then sudo udevadm control --reload && sudo udevadm trigger"
	if group == "root" || mode&0o060 != 0o060 {
		return fmt.Sprintf("no permission (group %s, mode %03o): %s", group, mode, rules)
	}
	return fmt.Sprintf("no permission: sudo usermod -aG %s %s, then sign in again", group, name)
}

func (h Host) user() string {
	if h.User != "" {
		return h.User
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "$USER"
}

// Camera is a video device.
type Camera struct {
	Path   string // stable if the kernel gives one: /dev/v4l/by-id/...
	Device string // such as /dev/video0
	Name   string // as it names itself
}

// Cameras lists the video devices. One camera often has several, of which the
// one with index 0 gives pictures; the others are left out.
func (h Host) Cameras() []Camera {
	var all []Camera
	nodes, _ := filepath.Glob(filepath.Join(h.root(), "sys/class/video4linux/video*")) // the pattern is constant and valid
	slices.Sort(nodes)
	for _, n := range nodes {
		if index := h.read(n, "index"); index != "" && index != "0" {
			continue
		}
		device := "/dev/" + filepath.Base(n)
		all = append(all, Camera{h.stable(device), device, h.read(n, "name")})
	}
	return all
}

// stable is the name of a video device that survives replugging, if there is one.
func (h Host) stable(device string) string {
	links, _ := filepath.Glob(filepath.Join(h.root(), "dev/v4l/by-id/*")) // the pattern is constant and valid
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && filepath.Base(to) == filepath.Base(device) {
			return strings.TrimPrefix(l, strings.TrimSuffix(h.root(), "/"))
		}
	}
	return device
}
