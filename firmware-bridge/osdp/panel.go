package osdp

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"time"
)

const (
	// MaxDevices is how many devices a Panel asks: two readers of one lane. Each
	// more would make every person wait longer.
	MaxDevices = 2
	// MaxInstall is how long an install window may be open.
	MaxInstall = 15 * time.Minute
	// replyTime is how long a device may take to begin its answer (standard, 5.7).
	replyTime = 200 * time.Millisecond
	// gap is the silence that ends a packet cut short. It is well over the 16 ms
	// for which a USB adapter holds bytes back.
	gap = 50 * time.Millisecond
	// hush is how long the panel waits for a line that is never quiet before it
	// speaks all the same.
	hush = 40 * time.Millisecond
	// keptEvents is how many events wait for Events; the oldest go first.
	keptEvents = 64
)

// DeviceConfig names one peripheral.
type DeviceConfig struct {
	Address uint8 // 0..MaxAddress
	// Key is the device's own key, or the master key that it is derived of. A key
	// that Check calls weak is refused.
	Key    Key
	Master bool // Key is a master key: the device's key is Key.Diversified(its cUID)
	// Pin is what the device said before, kept by the caller from EventOnline; nil
	// takes the first that has the key. A zero Identity pins the CUID alone.
	Pin *Pin
}

// PanelConfig is a line with its devices.
type PanelConfig struct {
	Devices []DeviceConfig // 1..MaxDevices
	Baud    int            // of the line: how long bytes take
	Poll    time.Duration  // between two questions to one device; 0 is 50 ms
	// Slack is added to the 200 ms that a device has to answer, for what lies
	// between this code and the wires (a USB adapter: 16 ms each way).
	Slack time.Duration
	// Rand gives the random numbers of the handshakes; nil is crypto/rand. A test
	// that plays a recorded handshake sets it.
	Rand io.Reader
}

// Check reports what is wrong with c.
func (c PanelConfig) Check() error {
	if len(c.Devices) == 0 || len(c.Devices) > MaxDevices {
		return fmt.Errorf("osdp: %d readers on one line: name 1 to %d", len(c.Devices), MaxDevices)
	}
	if c.Baud <= 0 || c.Poll < 0 || c.Poll > silence/4 || c.Slack < 0 || c.Slack > time.Second {
		return fmt.Errorf("osdp: baud %d, poll %v, slack %v: baud above 0, poll at most %v, slack at most 1s", c.Baud, c.Poll, c.Slack, silence/4)
	}
	seen := map[uint8]bool{}
	for _, d := range c.Devices {
		if d.Address > MaxAddress || seen[d.Address] {
			return fmt.Errorf("osdp: reader address %d: give each reader its own, 0 to %d", d.Address, MaxAddress)
		}
		seen[d.Address] = true
		if err := d.Key.Check(); err != nil {
			return fmt.Errorf("key of the reader with address %d: %w", d.Address, err)
		}
	}
	return nil
}

// Panel is the control panel of one line: it asks, the devices answer. It is for
// one goroutine.
type Panel struct {
	c       PanelConfig
	devices []*device
	decoder Decoder
	events  []Event

	asked    *device   // whose answer is awaited; nil if the line is free
	sent     time.Time // when the last byte of the command has left
	deadline time.Time
	answer   bool // an answer to asked was taken
	broken   bool // a packet with a wrong check came from asked
	noisy    bool // bytes came since sent, and not those that were sent
	echoed   int  // bytes of the command that an adapter has read back
	heard    time.Time
	wanted   time.Time // since when a command waits for a quiet line
	last     *device   // who had the line last
}

// NewPanel makes a panel whose devices all want to be asked. It says what is
// wrong with c.
func NewPanel(c PanelConfig) (*Panel, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Poll == 0 {
		c.Poll = 50 * time.Millisecond
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	p := &Panel{c: c}
	for _, dc := range c.Devices {
		p.devices = append(p.devices, &device{
			c: dc, pin: dc.Pin, poll: c.Poll, on: true, emit: p.emit, reported: map[Alarm]bool{},
			rand: func(b []byte) error { _, err := io.ReadFull(c.Rand, b); return err },
		})
	}
	return p, nil
}

func (p *Panel) emit(e Event) {
	if len(p.events) == keptEvents {
		p.events = p.events[1:]
	}
	p.events = append(p.events, e)
}

// Events returns what happened since the last call, at most the newest 64.
func (p *Panel) Events() []Event {
	e := p.events
	p.events = nil
	return e
}

// Step takes the bytes that came by now. It returns the bytes to send at once,
// valid until the next call, and until when Step need not be called if no bytes
// come.
func (p *Panel) Step(now time.Time, in []byte) (send []byte, wake time.Time) {
	for _, d := range p.devices {
		if d.overdue(now) {
			p.abandon(d)
			d.expire(now)
		}
	}
	if len(in) > 0 {
		p.heard = now
	}
	p.listen(now, in)
	if p.asked == nil {
		send = p.ask(now)
	}
	return send, p.wake(now)
}

// listen takes bytes, and ends the exchange under way when its answer is there,
// is broken, or is overdue.
func (p *Panel) listen(now time.Time, in []byte) {
	if p.asked == nil {
		return // nobody was asked: whatever it is, nobody may say it now
	}
	take := func(q Packet, err error) { p.take(q, err, now) }
	p.noisy = p.noisy || !p.echo(in)
	p.decoder.Feed(in, take)
	missing := p.decoder.Missing()
	switch {
	case p.answer:
	case p.broken && missing == 0:
	case now.Before(p.deadline):
		return
	case missing > 0 && now.Sub(p.heard) < gap && now.Before(p.sent.Add(p.limit())):
		return // it is speaking; a long packet takes its time
	default:
		p.decoder.Flush(take)
	}
	p.settle(now)
}

// echo reports whether in goes on as the command went: some adapters for RS-485
// read back what they send, and a silent reader behind one has said nothing.
func (p *Panel) echo(in []byte) bool {
	rest := p.asked.wire[p.echoed:]
	p.echoed += min(len(in), len(rest))
	return bytes.HasPrefix(rest, in)
}

// limit is how long an answer may take in all: the time to begin, and the bytes
// of the longest packet.
func (p *Panel) limit() time.Duration { return replyTime + p.c.Slack + p.bytes(MaxPacket) + gap }

// bytes is how long n bytes take: 10 bits each.
func (p *Panel) bytes(n int) time.Duration {
	return time.Duration(n) * 10 * time.Second / time.Duration(p.c.Baud)
}

// take hands a packet to the device that was asked.
func (p *Panel) take(q Packet, err error, now time.Time) {
	switch {
	case p.answer:
	case err != nil:
		p.broken = true
	default:
		if p.answer = p.asked.answered(q, now); p.answer {
			l := &p.asked.status.Line
			l.Slowest = max(l.Slowest, now.Sub(p.sent))
		}
	}
}

// settle ends the exchange under way.
func (p *Panel) settle(now time.Time) {
	d := p.asked
	p.asked = nil
	p.decoder.Reset()
	if p.answer {
		return
	}
	switch l := &d.status.Line; {
	case p.broken:
		l.BadCheck++
	case p.noisy:
		l.Garbled++
	default:
		l.TimeOuts++
	}
	d.failed(now)
}

// ask gives the line to the device that waits longest for it, if it is quiet.
func (p *Panel) ask(now time.Time) []byte {
	d := p.turn(now)
	if d == nil {
		p.wanted = time.Time{}
		return nil
	}
	if p.wanted.IsZero() {
		p.wanted = now
	}
	if now.Before(p.quiet()) && now.Sub(p.wanted) < hush {
		return nil
	}
	p.wanted = time.Time{}
	wire, err := d.transmission(now)
	if err != nil { // no random numbers, or a command longer than a packet
		d.status.Line.Sent--
		d.rest(pause, err, now)
		return nil
	}
	p.asked, p.last = d, d
	p.answer, p.broken, p.noisy, p.echoed = false, false, false, 0
	p.sent = now.Add(p.bytes(len(wire)))
	p.deadline = p.sent.Add(replyTime + p.c.Slack)
	p.decoder.Only(d.c.Address, true)
	return wire
}

// quiet is when the line has been quiet for the time of two bytes.
func (p *Panel) quiet() time.Time { return p.heard.Add(p.bytes(2)) }

// turn is the device that has waited longest, nil if none waits. Of two that wait
// equally, it is the one that did not have the line last.
func (p *Panel) turn(now time.Time) (first *device) {
	for _, d := range p.devices {
		if !d.on || d.due.After(now) {
			continue
		}
		if first == nil || first == p.last || d != p.last && d.due.Before(first.due) {
			first = d
		}
	}
	return first
}

// wake is when something is to be done if no bytes come.
func (p *Panel) wake(now time.Time) time.Time {
	wake := now.Add(silence)
	if p.asked != nil {
		wake = p.deadline
		if !now.Before(wake) {
			wake = now.Add(gap / 10)
		}
	}
	for _, d := range p.devices {
		if d.status.Install && d.window.Before(wake) {
			wake = d.window
		}
		if p.asked == nil && d.on && d.due.Before(wake) {
			wake = d.due
		}
	}
	if p.asked == nil && wake.Before(p.quiet()) {
		wake = p.quiet()
	}
	if wake.Before(now) {
		return now
	}
	return wake
}

// Reset says that the line is new, or was lost and why: all conversations begin anew.
func (p *Panel) Reset(now time.Time, why error) {
	for _, d := range p.devices {
		p.abandon(d)
		d.afterKeying()
		d.rest(0, why, now)
	}
}

// Listen says whether somebody listens to a device. One that nobody listens to is
// not asked and takes no time of the line; an install window for it is shut.
func (p *Panel) Listen(address uint8, on bool, now time.Time) error {
	d, err := p.device(address)
	if err != nil || d.on == on {
		return err
	}
	d.on = on
	p.abandon(d)
	if d.status.Install {
		d.shut(now)
	}
	d.afterKeying()
	d.rest(0, ErrStopped, now)
	if on {
		d.status.Err = nil
	}
	return nil
}

// Status is how a device is now.
func (p *Panel) Status(address uint8) (Status, error) {
	d, err := p.device(address)
	if err != nil {
		return Status{}, err
	}
	return d.status, nil
}

// Send lets a device do something: Outputs, LEDs, Buzzer, Text, or a Plain request
// for a status. It takes the place of the next poll.
func (p *Panel) Send(address uint8, m Message) error {
	d, err := p.device(address)
	if err != nil {
		return err
	}
	switch m.(type) {
	case Outputs, LEDs, Buzzer, Text:
	case Plain:
		if !plainCommand(m.Code()) || m == Poll {
			return ErrForbidden
		}
	default:
		return ErrForbidden
	}
	switch {
	case !d.status.Online:
		return ErrOffline
	case len(d.queue) >= waiting || len(m.appendData(nil)) > 1024:
		return ErrFull
	}
	d.queue = append(d.queue, m)
	return nil
}

// Install opens an install window: until it closes, the device may be met under
// the default key, for the one purpose of giving it its own. The window closes by
// itself when the device has proved its own key, and after that time with an
// alarm. What was pinned of the device is forgotten, but for a cUID that
// DeviceConfig names alone: that is which device is meant.
//
// Whoever records the line meanwhile learns the key, since the default key is
// public: connect the reader to the controller by a short cable for it.
func (p *Panel) Install(address uint8, window time.Duration, now time.Time) error {
	d, err := p.device(address)
	switch {
	case err != nil:
		return err
	case window <= 0 || window > MaxInstall:
		return ErrWindow
	case !d.on:
		return ErrStopped
	case d.next != nil:
		return ErrFull
	}
	p.abandon(d)
	d.window, d.status.Install, d.keySent, d.trial = now.Add(window), true, false, ownKey
	if d.pin = d.c.Pin; d.pin != nil && d.pin.Identity != (Identity{}) {
		d.pin = nil
	}
	clear(d.reported)
	d.rest(0, ErrSession, now)
	d.tell(now, Event{Kind: EventInstallOpened})
	return nil
}

// CloseInstall shuts the window at once, without an alarm.
func (p *Panel) CloseInstall(address uint8, now time.Time) error {
	d, err := p.device(address)
	if err != nil || !d.status.Install {
		return err
	}
	p.abandon(d)
	d.shut(now)
	return nil
}

// abandon frees the line if d has it. Its command is as if it was never sent;
// what comes in answer will be unasked for.
func (p *Panel) abandon(d *device) {
	if p.asked == d {
		p.asked = nil
		p.decoder.Reset()
		d.status.Line.Sent--
	}
}

// Rekey gives an online device a new key, or makes its key be derived of a new
// master key. EventKeySet says that the device has proved it, EventKeyKept that it
// still has the old one. Until then both must be kept.
func (p *Panel) Rekey(address uint8, key Key) error {
	d, err := p.device(address)
	if err != nil {
		return err
	}
	if err := key.Check(); err != nil {
		return err
	}
	switch {
	case !d.status.Online:
		return ErrOffline
	case d.next != nil:
		return ErrFull
	}
	d.next, d.keySent = &key, false
	return nil
}

func (p *Panel) device(address uint8) (*device, error) {
	for _, d := range p.devices {
		if d.c.Address == address {
			return d, nil
		}
	}
	return nil, fmt.Errorf("%w: %d", ErrAddress, address)
}
