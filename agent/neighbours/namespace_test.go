package neighbours

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/central/link"
)

// namespaceVariable tells a child of the test that it has a network of its own.
const namespaceVariable = "TURNSTILE_NEIGHBOURS_NAMESPACE"

// TestNamespace runs inNamespace in a network of its own, with a cable that can be
// set down: the loopback interface knows no IPv6 multicast.
func TestNamespace(t *testing.T) {
	t.Parallel()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), namespaceVariable+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v; this test makes a network namespace: run it as root, or allow user namespaces\n%s", err, out)
	}
	if n := strings.Count(string(out), "\nok "); n != 2*2 {
		t.Errorf("%d steps:\n%s", n, out)
	}
}

// inNamespace tries both families: uses arrive, also after the interface was down.
func inNamespace() int {
	if err := errors.Join(addCable(), setUp(true)); err != nil {
		fmt.Println("make the cable:", err)
		return 1
	}
	if err := downAndUp("239.84.83.1:7744", "[ff02::5453]:7744"); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// bare stands in for testing.T in the child.
type bare struct {
	testing.TB
	ends []func()
}

func (b *bare) Helper()                   {}
func (b *bare) Cleanup(f func())          { b.ends = append(b.ends, f) }
func (b *bare) Fatal(v ...any)            { panic(fmt.Sprint(v...)) }
func (b *bare) Fatalf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
func (b *bare) Errorf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
func (b *bare) TempDir() string {
	dir, err := os.MkdirTemp("", "neighbours-")
	if err != nil {
		panic(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (b *bare) end() {
	for i := len(b.ends) - 1; i >= 0; i-- {
		b.ends[i]()
	}
}

// pair is two controllers that hear each other by one family.
type pair struct{ north, south *house }

func newPair(t testing.TB, m Multicast) pair {
	var both []*house
	for _, id := range []string{"north", "south"} {
		h := newHouse(t, id, func(c *Config) { c.Multicast = m })
		h.clock = time.Time{}
		h.learn(t, lanes(1, 1, "north", "south"))
		h.runs(t)
		both = append(both, h)
	}
	return pair{both[0], both[1]}
}

func downAndUp(groups ...string) error {
	t := &bare{}
	defer t.end()
	var pairs []pair
	for _, g := range groups {
		pairs = append(pairs, newPair(t, Multicast{Group: g, Interface: gateNet}))
	}
	first, meanwhile := entry(link.EntryGranted, 1, 1, 9), entry(link.EntryGranted, 2, 1, 9)
	for _, p := range pairs {
		p.north.Took(first)
		eventually(t, "a use", func() bool { return p.south.has("north", first) })
		fmt.Println("\nok a use by", p.north.c.Multicast.Group)
	}
	if err := setUp(false); err != nil {
		return fmt.Errorf("set the interface down: %w", err)
	}
	for _, p := range pairs {
		for _, h := range []*house{p.north, p.south} {
			eventually(t, "noticing that the interface is down", func() bool { return strings.Contains(h.Status(time.Now()).Multicast, errInterface.Error()) })
		}
		p.north.Took(meanwhile)
	}
	if err := setUp(true); err != nil {
		return fmt.Errorf("set the interface up: %w", err)
	}
	for _, p := range pairs {
		eventually(t, "what happened while it was down", func() bool { return p.south.has("north", first, meanwhile) })
		eventually(t, "hearing each other again", func() bool { return !p.north.Apart(1, time.Now()) && !p.south.Apart(1, time.Now()) })
		fmt.Println("\nok after down and up by", p.north.c.Multicast.Group)
	}
	return nil
}

// gateNet is the interface of the test's gate network: one end of a cable.
const gateNet = "gate0"

// setUp sets both ends of the cable up, with an IPv4 address, or ours down.
func setUp(up bool) error {
	if !up {
		return configure(gateNet, unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(0); return nil })
	}
	for _, name := range []string{gateNet, "veth0"} {
		err := configure(name, unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_MULTICAST); return nil })
		if err != nil {
			return err
		}
	}
	return configure(gateNet, unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{192, 0, 2, 1}) })
}

func configure(name string, request uint, set func(*unix.Ifreq) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	return errors.Join(set(r), unix.IoctlIfreq(fd, request, r))
}

// addCable makes the interface gateNet and its other end, which the kernel names veth0.
func addCable() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	body := make([]byte, unix.SizeofIfInfomsg)
	body = append(body, attribute(unix.IFLA_IFNAME, []byte(gateNet+"\x00"))...)
	body = append(body, attribute(unix.IFLA_LINKINFO, attribute(unix.IFLA_INFO_KIND, []byte("veth")))...)
	ne := binary.NativeEndian
	head := ne.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	head = ne.AppendUint16(head, unix.RTM_NEWLINK)
	head = ne.AppendUint16(head, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	head = append(head, make([]byte, 8)...)
	if err := unix.Sendto(fd, append(head, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil || n < unix.SizeofNlMsghdr+4 {
		return fmt.Errorf("answer of %d bytes: %w", n, err)
	}
	if code := int32(ne.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

// attribute is one netlink attribute, padded to 4 bytes.
func attribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, -len(b)&3)...)
}
