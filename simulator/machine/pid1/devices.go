package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// byID is where udev keeps the names of serial devices that do not move.
const byID = "/dev/serial/by-id"

// devices keeps the stable names of USB serial devices, as udev's rules
// 60-serial.rules do. It hears of devices as udev does.
type devices struct{ socket int }

func watchDevices() (devices, error) {
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return devices{}, fmt.Errorf("hear of devices: %w", err)
	}
	if err := unix.Bind(s, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		return devices{}, fmt.Errorf("hear of devices: %w", err)
	}
	if err := os.MkdirAll(byID, 0o755); err != nil {
		return devices{}, fmt.Errorf("name devices: %w", err)
	}
	return devices{s}, nil
}

// run returns only with an error.
func (d devices) run() error {
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(d.socket, buf, 0)
		if err == unix.EINTR || err == unix.ENOBUFS {
			continue
		}
		if err != nil {
			return fmt.Errorf("hear of devices: %w", err)
		}
		if err := take(facts(buf[:n])); err != nil {
			fmt.Println("pid1: name device:", err)
		}
	}
}

// facts reads an event: KEY=VALUE, each with a zero byte behind it.
func facts(event []byte) map[string]string {
	f := map[string]string{}
	for _, b := range bytes.Split(event, []byte{0}) {
		if key, value, ok := strings.Cut(string(b), "="); ok {
			f[key] = value
		}
	}
	return f
}

// take makes or removes the link of one USB serial device.
func take(f map[string]string) error {
	node := f["DEVNAME"]
	if f["SUBSYSTEM"] != "tty" || !strings.HasPrefix(node, "ttyUSB") {
		return nil
	}
	links, err := filepath.Glob(byID + "/*")
	if err != nil {
		return err
	}
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && filepath.Base(to) == node {
			if err := os.Remove(l); err != nil {
				return err
			}
		}
	}
	if f["ACTION"] != "add" {
		return nil
	}
	name, err := stableName(node)
	if err != nil {
		return err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // the device before has not left yet
	}
	fmt.Println("pid1: device", name, "is", node)
	return os.Symlink("../../"+node, name)
}

// stableName returns usb-VENDOR_PRODUCT_SERIAL-if00-port0 for a node.
func stableName(node string) (string, error) {
	port, err := filepath.EvalSymlinks(filepath.Join("/sys/class/tty", node, "device"))
	if err != nil {
		return "", err
	}
	// port is .../DEVICE/INTERFACE/ttyUSBn
	usb := filepath.Dir(filepath.Dir(port))
	var parts []string
	for _, attribute := range []string{"manufacturer", "product", "serial"} {
		text, err := os.ReadFile(filepath.Join(usb, attribute))
		if err != nil {
			return "", err
		}
		parts = append(parts, plain(strings.TrimSpace(string(text))))
	}
	return filepath.Join(byID, "usb-"+strings.Join(parts, "_")+"-if00-port0"), nil
}

// plain replaces what udev would not have in a name.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("#+-.:=@_", r) {
			return r
		}
		return '_'
	}, s)
}
