package osdpreader

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/serialport"
)

// ErrReader is returned for an address that the bus was not configured with.
var ErrReader = errors.New("no reader with that address is configured on this line")

// Bus is one line. It is worked by one goroutine from the first Run of its
// readers until the last of them has returned; that one waits for it.
type Bus struct {
	port    serialport.Config
	notice  func(osdp.Event)
	readers map[uint8]*Reader // fixed

	mu    sync.Mutex // guards the following; never held while the port is read or written
	panel *osdp.Panel
	lost  error // why the port is not open; nil while it is, and before the first try
	users int   // readers in Run
	stop  context.CancelFunc
	ended chan struct{} // closed when the goroutine of the last round has ended; nil before the first
}

// NewBus makes a bus. It reads the key files and opens no device.
func NewBus(c BusConfig) (*Bus, error) {
	pc, err := c.panel()
	if err != nil {
		return nil, err
	}
	panel, err := osdp.NewPanel(pc)
	if err != nil {
		return nil, err
	}
	b := &Bus{port: c.Port, notice: c.Notice, panel: panel, readers: map[uint8]*Reader{}}
	if b.notice == nil {
		b.notice = func(osdp.Event) {}
	}
	for _, rc := range c.Readers {
		address := uint8(rc.Address)
		b.readers[address] = newReader(b, rc)
		if err := panel.Listen(address, false, time.Now()); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Reader is the reader with this address, always the same. ErrReader if there is
// none.
func (b *Bus) Reader(address int) (*Reader, error) {
	for a, r := range b.readers {
		if int(a) == address {
			return r, nil
		}
	}
	return nil, ErrReader
}

// do calls f with the panel.
func (b *Bus) do(f func(*osdp.Panel) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return f(b.panel)
}

// Install opens an install window for a reader whose Run is under way: for at
// most osdp.MaxInstall it may be met under the default key, to get its own. It
// closes by itself, and when Run ends; before Run it is osdp.ErrStopped. Connect the
// reader by a short cable that nobody can reach: whoever records the line meanwhile
// learns the key.
func (b *Bus) Install(address int, window time.Duration) error {
	return b.at(address, func(p *osdp.Panel, a uint8) error { return p.Install(a, window, time.Now()) })
}

// CloseInstall shuts an install window.
func (b *Bus) CloseInstall(address int) error {
	return b.at(address, func(p *osdp.Panel, a uint8) error { return p.CloseInstall(a, time.Now()) })
}

// Rekey gives a reader that is online the key in another key file. When Notice is
// told osdp.EventKeySet, put that file in the place of the old one; at
// osdp.EventKeyKept, delete it; until one of them comes, keep both.
func (b *Bus) Rekey(address int, keyFile string) error {
	key, err := ReadKey(keyFile)
	if err != nil {
		return err
	}
	return b.at(address, func(p *osdp.Panel, a uint8) error { return p.Rekey(a, key) })
}

// at calls f with the panel and a configured address.
func (b *Bus) at(address int, f func(*osdp.Panel, uint8) error) error {
	r, err := b.Reader(address)
	if err != nil {
		return err
	}
	return b.do(func(p *osdp.Panel) error { return f(p, r.address) })
}

// run lets a reader be asked until ctx ends. The first starts the line's
// goroutine, the last ends it.
func (b *Bus) run(ctx context.Context, r *Reader) error {
	b.mu.Lock()
	if b.users++; b.users == 1 {
		b.start()
	}
	err := b.panel.Listen(r.address, true, time.Now())
	b.mu.Unlock()
	if err == nil {
		<-ctx.Done()
	}
	b.mu.Lock()
	err = cmp.Or(err, b.panel.Listen(r.address, false, time.Now()))
	ended := b.ended
	if b.users--; b.users == 0 {
		b.stop()
	} else {
		ended = nil
	}
	b.mu.Unlock()
	if ended != nil {
		<-ended
	}
	return err
}

// start begins a round; mu is held. A round that is still ending goes first.
func (b *Bus) start() {
	ctx, stop := context.WithCancel(context.Background())
	before, ended := b.ended, make(chan struct{})
	b.stop, b.ended, b.lost = stop, ended, nil
	go func() {
		defer close(ended)
		if before != nil {
			<-before
		}
		// The configuration was checked, and Keep has no other error.
		if err := serialport.Keep(ctx, b.port, b.session, b.gone); err != nil {
			b.gone(err)
		}
	}()
}

// gone notes that the port is not open, and why.
func (b *Bus) gone(err error) {
	b.mu.Lock()
	b.lost = err
	b.panel.Reset(time.Now(), err)
	events := b.panel.Events()
	b.mu.Unlock()
	b.hand(events)
}

// session works one opened port until it is gone or ctx ends.
func (b *Bus) session(ctx context.Context, p *serialport.Port) error {
	b.mu.Lock()
	b.lost = nil
	b.panel.Reset(time.Now(), nil)
	b.mu.Unlock()
	var buf [512]byte
	n := 0
	for ctx.Err() == nil {
		now := time.Now()
		b.mu.Lock()
		send, wake := b.panel.Step(now, buf[:n])
		events := b.panel.Events()
		b.mu.Unlock()
		b.hand(events)
		if len(send) > 0 {
			if _, err := p.Write(send); err != nil {
				return err
			}
		}
		var err error
		if n, err = p.Read(buf[:], wait(wake.Sub(time.Now()))); err != nil {
			return err
		}
	}
	return nil
}

// wait bounds the wait for bytes: a reader may want to stop, or a caller may have
// given the panel something to do.
func wait(d time.Duration) time.Duration { return min(max(d, time.Millisecond), 20*time.Millisecond) }

// hand gives each event to its reader, and to who asked for all.
func (b *Bus) hand(events []osdp.Event) {
	for _, e := range events {
		b.readers[e.Address].take(e)
		if !personal(e.Message) {
			b.notice(e)
		}
		if e.Kind == osdp.EventOnline {
			b.inquire(e.Address)
		}
	}
}

// personal reports whether m may hold what a person showed or typed, which is not
// for a log: all that this package does not know is (MFGREP, FMT).
func personal(m osdp.Message) bool {
	switch m := m.(type) {
	case osdp.Raw, osdp.Keypad:
		return true
	case osdp.Other:
		return !slices.Contains([]uint8{osdp.ReplyInputStatus, osdp.ReplyOutputStatus, osdp.ReplyReaderStatus}, m.ID)
	}
	return false
}

// inquire asks a reader that has just come online for its tamper switch and its
// power; of itself it tells changes only.
func (b *Bus) inquire(address uint8) {
	if err := b.do(func(p *osdp.Panel) error { return p.Send(address, osdp.Plain(osdp.CmdLocalStatus)) }); err != nil {
		b.notice(osdp.Event{Address: address, Kind: osdp.EventNak, Err: err, Command: osdp.CmdLocalStatus})
	}
}
