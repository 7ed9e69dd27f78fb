// Command pid1 is the first process of an emulated computer: it makes what a
// distribution's start would (file systems, modules, the stable names of serial
// devices) and then does what the test outside asks for.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"turnstile/simulator/machine/guest"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("pid1:", err)
	}
	unix.Sync()
	err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	fmt.Println("pid1: power off:", err) // PID 1 must not end
	select {}
}

func run() error {
	if err := mount(); err != nil {
		return err
	}
	names, err := watchDevices()
	if err != nil {
		return err
	}
	go func() { fmt.Println("pid1: names of devices:", names.run()) }() // as long as the computer runs
	if err := load(); err != nil {
		return err
	}
	if err := network(); err != nil {
		return err
	}
	port, err := control()
	if err != nil {
		return err
	}
	return guest.Serve(port, os.Stdout)
}

// mounts are the file systems of a computer without disks. Those behind kernel/
// exist only if their module is loaded.
var mounts = []struct{ kind, at string }{
	{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"},
	{"tracefs", "/sys/kernel/tracing"}, {"debugfs", "/sys/kernel/debug"},
}

func mount() error {
	for _, m := range mounts {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil && err != unix.EBUSY {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	if err := os.MkdirAll("/dev/pts", 0o755); err != nil {
		return fmt.Errorf("make folder for terminals: %w", err)
	}
	if err := unix.Mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=0666"); err != nil {
		return fmt.Errorf("mount /dev/pts: %w", err)
	}
	return loopback()
}

// loopback switches 127.0.0.1 on.
func loopback() error {
	if err := card("lo"); err != nil {
		return fmt.Errorf("switch loopback on: %w", err)
	}
	return nil
}

// network gives the Ethernet card, if there is one, the address that QEMU's user
// network (machine.Network) has for a guest, and switches it on.
func network() error {
	if _, err := os.Stat("/sys/class/net/eth0"); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	err := card("eth0",
		setting{unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{10, 0, 2, 15}) }},
		setting{unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 255, 0}) }})
	if err != nil {
		return fmt.Errorf("switch network on: %w", err)
	}
	return nil
}

// setting is something of a network card that an ioctl sets.
type setting struct {
	ioctl uint
	value func(*unix.Ifreq) error
}

// card sets up a network card and switches it on.
func card(name string, settings ...setting) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	on := setting{unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }}
	for _, x := range append(settings, on) {
		request, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := errors.Join(x.value(request), unix.IoctlIfreq(s, x.ioctl, request)); err != nil {
			return err
		}
	}
	return nil
}

// load loads the modules, whose names say in which order.
func load() error {
	modules, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return fmt.Errorf("list modules: %w", err)
	}
	for _, m := range modules {
		f, err := os.Open(m)
		if err != nil {
			return fmt.Errorf("load module: %w", err)
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && err != unix.EEXIST {
			return fmt.Errorf("load module %s: %w", m, err)
		}
		if strings.HasSuffix(m, "-configfs.ko") {
			if err := unix.Mount("configfs", "/sys/kernel/config", "configfs", 0, ""); err != nil {
				return fmt.Errorf("mount configfs: %w", err)
			}
		}
	}
	return nil
}

// control opens the virtio port that the test speaks on.
func control() (*os.File, error) {
	ports, err := filepath.Glob("/sys/class/virtio-ports/*")
	if err != nil {
		return nil, fmt.Errorf("list virtio ports: %w", err)
	}
	for _, p := range ports {
		name, err := os.ReadFile(filepath.Join(p, "name"))
		if err != nil {
			return nil, fmt.Errorf("read name of virtio port: %w", err)
		}
		if strings.TrimSpace(string(name)) != guest.Port {
			continue
		}
		f, err := os.OpenFile(filepath.Join("/dev", filepath.Base(p)), os.O_RDWR|syscall.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open virtio port: %w", err)
		}
		return f, nil
	}
	return nil, errors.New("no virtio port " + guest.Port + " to be told what to do")
}
