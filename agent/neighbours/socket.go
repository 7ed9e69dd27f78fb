package neighbours

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// openSocket joins the group on the interface. Package net would bind to every
// address of the machine and choose the interface by its routes; here nothing but
// the group's datagrams on this one interface comes in.
func openSocket(m Multicast) (*socket, error) {
	group, err := m.group()
	if err != nil {
		return nil, err
	}
	i, err := net.InterfaceByName(m.Interface)
	if err != nil {
		return nil, fmt.Errorf("find interface %s: %w", m.Interface, err)
	}
	if i.Flags&net.FlagUp == 0 {
		return nil, fmt.Errorf("%w: %s; plug its cable in or set it up", errInterface, m.Interface)
	}
	open := open4
	if group.Addr().Is6() {
		open = open6
	}
	fd, err := open(group, i.Index)
	if err != nil {
		return nil, fmt.Errorf("join %s on %s: %w", m.Group, m.Interface, err)
	}
	f := os.NewFile(uintptr(fd), "multicast")
	defer f.Close() // net keeps a copy
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, fmt.Errorf("join %s on %s: %w", m.Group, m.Interface, err)
	}
	if group.Addr().Is6() {
		group = netip.AddrPortFrom(group.Addr().WithZone(m.Interface), group.Port())
	}
	return &socket{c.(*net.UDPConn), group, m.Interface, i.Index}, nil
}

// option is one socket option.
type option struct{ level, name, value int }

func datagramSocket(family int, options []option) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return -1, errors.Join(fmt.Errorf("set option %d of the socket: %w", o.name, err), unix.Close(fd))
		}
	}
	return fd, nil
}

// Several agents on one machine share group and port (REUSEADDR), and hear each
// other (LOOP). ALL off: memberships of others on this machine bring nothing here.
func open4(group netip.AddrPort, index int) (int, error) {
	fd, err := datagramSocket(unix.AF_INET, []option{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, {unix.SOL_SOCKET, unix.SO_RCVBUF, readBuffer},
		{unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 1}, {unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 1}, {unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0},
	})
	if err != nil {
		return -1, err
	}
	at := group.Addr().As4()
	err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(group.Port()), Addr: at})
	if err == nil {
		err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: at, Ifindex: int32(index)})
	}
	if err == nil {
		err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(index)})
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func open6(group netip.AddrPort, index int) (int, error) {
	fd, err := datagramSocket(unix.AF_INET6, []option{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, {unix.SOL_SOCKET, unix.SO_RCVBUF, readBuffer}, {unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1},
		{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 1}, {unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 1},
		{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, index}, {unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0},
	})
	if err != nil {
		return -1, err
	}
	at := group.Addr().As16()
	err = unix.Bind(fd, &unix.SockaddrInet6{Port: int(group.Port()), Addr: at, ZoneId: uint32(index)})
	if err == nil {
		err = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: at, Interface: uint32(index)})
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}
