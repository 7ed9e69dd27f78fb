package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// ErrProtocol says that a peer does not speak NBD as this side understands it.
var ErrProtocol = errors.New("not NBD")

// Of nbd/doc/proto.md: fixed newstyle negotiation, simple replies.
const (
	greeting     = "NBDMAGICIHAVEOPT"
	magicOption  = 0x49484156454F5054
	magicReply   = 0x0003e889045565a9
	magicRequest = 0x25609513
	magicAnswer  = 0x67446698

	fixedNewstyle = 1 << 0 // handshake flag
	noZeroes      = 1 << 1

	optionExport = 1
	optionAbort  = 2
	optionInfo   = 6
	optionGo     = 7

	replyAck         = 1
	replyInfo        = 3
	replyUnsupported = 1<<31 | 1
	infoExport       = 0

	hasFlags  = 1 << 0 // transmission flags
	sendFlush = 1 << 2
	sendFUA   = 1 << 3

	commandRead  = 0
	commandWrite = 1
	commandEnd   = 2
	commandFlush = 3
	flagFUA      = 1 << 0

	maxOption  = 64 << 10 // bytes
	maxRequest = 32 << 20 // bytes; QEMU sends no more
)

// Run answers on l until ctx ends, and closes it.
func (d *Disk) Run(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close(); d.hangUp() })
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for a computer to use the disk: %w", err)
		}
		cuts := d.attach(c)
		all.Go(func() {
			defer d.detach(c)
			session{d, c, cuts}.run() // how it ended is the other side's business
		})
	}
}

func (d *Disk) attach(c net.Conn) (cuts int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[c] = true
	return d.cuts
}

func (d *Disk) detach(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c)
	c.Close()
}

// hangUp ends all sessions, also those that a frozen disk holds.
func (d *Disk) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		c.Close()
	}
	close(d.cut)
	d.cut = make(chan struct{})
	d.cuts++
}

// session is one connection.
type session struct {
	disk *Disk
	conn net.Conn
	cuts int
}

func (s session) run() error {
	going, err := s.negotiate()
	for err == nil && going {
		going, err = s.request()
	}
	return err
}

// take reads n bytes.
func (s session) take(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(s.conn, b)
	return b, err
}

// negotiate offers the one disk there is, by whatever name; false after an abort.
func (s session) negotiate() (bool, error) {
	if _, err := s.conn.Write(binary.BigEndian.AppendUint16([]byte(greeting), fixedNewstyle|noZeroes)); err != nil {
		return false, err
	}
	if _, err := s.take(4); err != nil { // the client's flags: it knows fixed newstyle
		return false, err
	}
	for {
		head, err := s.take(16)
		if err != nil {
			return false, err
		}
		option, length := binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:])
		if binary.BigEndian.Uint64(head) != magicOption || length > maxOption {
			return false, fmt.Errorf("%w: option %x", ErrProtocol, head)
		}
		if _, err := s.take(int(length)); err != nil {
			return false, err
		}
		going, err := s.option(option)
		if err != nil || option == optionExport || option == optionGo || !going {
			return going, err
		}
	}
}

// option answers one; false ends the session.
func (s session) option(option uint32) (going bool, err error) {
	var out []byte
	switch option {
	case optionExport:
		out = s.export()
	case optionInfo, optionGo:
		out = reply(option, replyInfo, append([]byte{0, infoExport}, s.export()...))
		out = append(out, reply(option, replyAck, nil)...)
	case optionAbort:
		out = reply(option, replyAck, nil)
	default:
		out = reply(option, replyUnsupported, nil)
	}
	_, err = s.conn.Write(out)
	return option != optionAbort, err
}

// export is the disk's size and what it can do.
func (s session) export() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(len(s.disk.now))) // the length never changes
	return binary.BigEndian.AppendUint16(b, hasFlags|sendFlush|sendFUA)
}

func reply(option, kind uint32, data []byte) []byte {
	b := binary.BigEndian.AppendUint64(nil, magicReply)
	b = binary.BigEndian.AppendUint32(b, option)
	b = binary.BigEndian.AppendUint32(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// request answers one; false when the client says that it was the last.
func (s session) request() (bool, error) {
	h, err := s.take(28)
	if err != nil {
		return false, err
	}
	be := binary.BigEndian
	flags, command, off, n := be.Uint16(h[4:]), be.Uint16(h[6:]), be.Uint64(h[16:]), be.Uint32(h[24:])
	if be.Uint32(h) != magicRequest || n > maxRequest {
		return false, fmt.Errorf("%w: request %x", ErrProtocol, h)
	}
	var data []byte
	r := invalid
	switch command {
	case commandEnd:
		return false, nil
	case commandRead:
		data, r = s.disk.read(s.cuts, off, int(n))
	case commandWrite:
		content, err := s.take(int(n))
		if err != nil {
			return false, err
		}
		r = s.disk.write(s.cuts, off, content, flags&flagFUA != 0)
	case commandFlush:
		r = s.disk.flush(s.cuts)
	}
	out := be.AppendUint32(nil, magicAnswer)
	out = be.AppendUint32(out, uint32(r))
	out = append(append(out, h[8:16]...), data...)
	_, err = s.conn.Write(out)
	return true, err
}
