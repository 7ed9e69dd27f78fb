package machine

import (
	"fmt"
	"strconv"
	"strings"

	"turnstile/simulator/machine/guest"
)

// memory of a guest in MiB. Initramfs and file systems are in it.
const memory = 512

// quiet makes kernels start without what is of no use here.
const quiet = "panic=-1 quiet nokaslr cryptomgr.notests random.trust_cpu=on"

// qemu returns QEMU's program and arguments for c.
func (c Config) qemu(kernel, initramfs, sockets string) (program string, args []string, err error) {
	h, err := c.Arch.hardware()
	if err != nil {
		return "", nil, err
	}
	socket := func(id string) []string {
		return []string{"-chardev", "socket,id=" + id + ",server=on,wait=off,path=" + sockets + "/" + id + ".sock"}
	}
	args = append(args, h.machine...)
	// TCG and nothing else: where a host offers KVM, it may be a nested one that
	// does not start Debian's kernel.
	args = append(args, "-accel", "tcg", "-m", strconv.Itoa(memory), "-nographic", "-nodefaults", "-no-reboot", "-monitor", "none",
		"-kernel", kernel, "-initrd", initramfs, "-append", h.console+" "+quiet)
	args = append(args, socket("console")...)
	args = append(args, "-serial", "chardev:console")
	args = append(args, socket("control")...)
	args = append(args, "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=control,name="+guest.Port)
	args = append(args, "-qmp", fmt.Sprintf("unix:%s/qmp.sock,server=on,wait=off", sockets))
	if c.Pins {
		args = append(args, "-qtest", fmt.Sprintf("unix:%s/qtest.sock,server=on,wait=off", sockets), "-qtest-log", "/dev/null")
	}
	if c.Steady > 0 {
		args = append(args, "-icount", fmt.Sprintf("shift=%d,sleep=on", c.Steady))
	}
	if c.Resume != "" {
		args = append(args, "-S", "-incoming", "defer")
	}
	for _, d := range c.Devices {
		args = append(args, strings.ReplaceAll(d, "%SOCKETS%", sockets))
	}
	return h.program, args, nil
}

// Socket returns QEMU's arguments for a socket by that id, for Config.Devices;
// a device takes it as chardev=ID, a test by Machine.Dial(ID).
func Socket(id string) []string {
	return []string{"-chardev", "socket,id=" + id + ",server=on,wait=off,path=%SOCKETS%/" + id + ".sock"}
}

// Host is the machine around a guest with Network, as the guest reaches it.
const Host = "10.0.2.2"

// Network returns QEMU's arguments for an Ethernet card on QEMU's user network,
// for Config.Devices; module virtio_net is needed. What listens on this machine's
// 127.0.0.1 is at Host for the guest.
func Network() []string {
	return []string{"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="}
}

// Disk returns QEMU's arguments for a disk that is served at a unix socket
// (package disk), for Config.Devices. In the guest it is /dev/vda; modules
// virtio_blk and those of its file system are needed. A flush in the guest is one
// on the disk.
func Disk(socket string) []string {
	return []string{"-drive", "if=virtio,format=raw,cache=writeback,file=nbd+unix:///?socket=" + socket}
}
