package neighbours

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"turnstile/central/link"
)

// Multicast says where controllers hear each other without a broker. The zero
// value is nowhere.
type Multicast struct {
	// Group is the address and port, the same on all controllers of a site, such as
	// 239.84.83.1:7744 or [ff02::5453]:7744. Datagrams never leave the gate network:
	// they are sent with a hop limit of 1.
	Group string
	// Interface is the network interface at the gate network, such as eth0.
	Interface string
}

// ErrMulticast tells that multicast is configured wrongly.
var ErrMulticast = errors.New("multicast between lanes cannot be configured like that")

// Check returns ErrMulticast for what cannot be a group, and if there is no interface.
func (m Multicast) Check() error {
	if m == (Multicast{}) {
		return nil
	}
	_, err := m.group()
	if err == nil && m.Interface == "" {
		err = errors.New("name the interface at the gate network, such as eth0")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMulticast, err)
	}
	return nil
}

func (m Multicast) group() (netip.AddrPort, error) {
	g, err := netip.ParseAddrPort(m.Group)
	if err != nil {
		return g, fmt.Errorf("group %q: give address and port, such as 239.84.83.1:7744", m.Group)
	}
	if a := g.Addr(); !a.IsMulticast() || a.Zone() != "" || a.Is4In6() || g.Port() == 0 {
		return g, fmt.Errorf("group %q: give a multicast address, such as 239.84.83.1:7744 or [ff02::5453]:7744", m.Group)
	}
	return g, nil
}

// Limits of the socket.
const (
	reopenAfter  = time.Second // an interface that is down is looked at again
	writeTimeout = time.Second
	readBuffer   = 256 << 10 // what may wait while the lane decides
	// datagramRate bounds all datagrams, those that are passed over at a glance too;
	// the kernel drops the rest. It is checked in parts of a second.
	datagramRate = 2000
	parts        = 20
)

// listen keeps the socket open, over and over: an interface may go down, or be
// unplugged and come back as another one.
func (n *Neighbours) listen(ctx context.Context) {
	said := ""
	for ctx.Err() == nil {
		err := n.hearing(ctx)
		if ctx.Err() != nil {
			return
		}
		if text := err.Error(); text != said {
			said = text
			n.c.Log.Warn("multicast between lanes is interrupted; it is tried again each second", "interface", n.c.Multicast.Interface, "error", err)
		}
		n.setWire(nil, err.Error())
		wait(ctx, reopenAfter)
	}
}

// hearing opens the socket and takes datagrams until it fails or ctx ends.
func (n *Neighbours) hearing(ctx context.Context) error {
	s, err := openSocket(n.c.Multicast)
	if err != nil {
		return err
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	n.setWire(s, "")
	defer n.setWire(nil, "")
	buf := make([]byte, maxDatagram)
	for {
		part := time.Now()
		for range datagramRate / parts {
			size, from, err := s.ReadFromUDPAddrPort(buf)
			if err != nil {
				return fmt.Errorf("receive: %w", err)
			}
			n.datagram(buf[:size], from.Addr(), n.c.Now())
		}
		wait(ctx, time.Second/parts-time.Since(part))
	}
}

// maxDatagram is one byte more than a USE, to find those that are too long.
const maxDatagram = link.MaxUse + 1

// datagram takes a USE from the gate network. Anybody there can send one.
func (n *Neighbours) datagram(data []byte, from netip.Addr, now time.Time) {
	m, err := n.open(data, now, func(now time.Time, amount float64) bool {
		return n.limits.allow(n.limits.source(from, now), now, amount)
	})
	n.count(err)
	n.judge(m, err, from, now)
	if err == nil {
		n.takeMessage(m, now)
	}
}

// judge remembers what an address sends, and whom it makes heard.
func (n *Neighbours) judge(m message, err error, from netip.Addr, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.limits.sources[from]
	if errors.Is(err, link.ErrForged) && s != nil {
		s.left -= forgedCost
	}
	if err != nil {
		return
	}
	if s != nil {
		s.good = now
	}
	if p := n.peers[link.IDOf(m.from.key)]; p != nil { // with a new document it is another value
		p.hear(m.use.Sent, now, n.c.Campus(now))
	}
}

// send sends a datagram if the socket is open. One that fails is closed, so that
// it is opened anew.
func (n *Neighbours) send(m []byte) {
	n.mu.Lock()
	s := n.wire
	n.mu.Unlock()
	if s == nil {
		return
	}
	if err := s.send(m); err != nil {
		s.Close()
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts.Sent++
}

func (n *Neighbours) setWire(s *socket, trouble string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wire = s
	if trouble != "" || s != nil {
		n.trouble = trouble
	}
}

// socket is a UDP socket that belongs to the group on one interface.
type socket struct {
	*net.UDPConn
	to    netip.AddrPort
	name  string
	index int
}

// errInterface tells that the interface is not the one any more.
var errInterface = errors.New("the interface is down or was replaced")

// send sends a datagram to the group.
func (s *socket) send(data []byte) error {
	i, err := net.InterfaceByName(s.name)
	if err != nil || i.Index != s.index || i.Flags&net.FlagUp == 0 {
		return errInterface
	}
	if err := s.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err = s.WriteToUDPAddrPort(data, s.to)
	return err
}
