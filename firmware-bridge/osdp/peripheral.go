package osdp

import (
	"crypto/rand"
	"fmt"
	"io"
	"time"
)

const (
	// keptAnswers is how many messages of a Peripheral wait for a poll.
	keptAnswers = 16
	// keptCommands is how many carried-out commands wait for Commands.
	keptCommands = 64
)

// PeripheralConfig is what a Peripheral is.
type PeripheralConfig struct {
	Address      uint8 // 0..MaxAddress
	Identity     Identity
	Capabilities Capabilities
	// CUID is told in the handshake; zero takes the first eight bytes of Identity
	// in wire form, as most devices do.
	CUID CUID
	Key  Key // zero only with Install
	// Install also takes the default key, until a KEYSET has come.
	Install bool
	Inputs  int       // how many ISTATR tells of; they are never active
	Rand    io.Reader // of the handshake; nil is crypto/rand
}

// Check reports what is wrong with c.
func (c PeripheralConfig) Check() error {
	if c.Address > MaxAddress {
		return fmt.Errorf("osdp: address %d of a peripheral: use 0 to %d", c.Address, MaxAddress)
	}
	if c.Inputs < 0 || c.Inputs > 255 {
		return fmt.Errorf("osdp: %d inputs of a peripheral: use 0 to 255", c.Inputs)
	}
	if c.Key == (Key{}) && c.Install {
		return nil
	}
	return c.Key.Check()
}

// Peripheral is one device on a line: it speaks when it is asked. Without the
// secure channel it tells who it is and what it can, and nothing else. It is for
// one goroutine.
type Peripheral struct {
	c       PeripheralConfig
	decoder Decoder
	waiting []Message // for polls
	done    []Message
	tamper  LocalStatus

	fed    time.Time // when bytes came last
	heard  time.Time // when a new command came last
	last   uint8     // sequence number of the last command
	cached []byte    // its answer, for a repetition; nil: only sequence number 0 is taken
	out    []byte    // what Receive returns

	session *Session // after CCRYPT
	up      bool     // after RMAC_I
	proof   Cryptogram
	factory bool // the session is under the default key
}

// NewPeripheral makes one. It says what is wrong with c.
func NewPeripheral(c PeripheralConfig) (*Peripheral, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.CUID == (CUID{}) {
		c.CUID = CUID(c.Identity.appendData(nil))
	}
	return &Peripheral{c: c}, nil
}

// Secure reports whether a secure channel is up under the device's own key.
func (p *Peripheral) Secure() bool { return p.up && !p.factory }

// Config is the configuration as it is now, after KEYSET and COMSET.
func (p *Peripheral) Config() PeripheralConfig { return p.c }

// Offer hands over what the next poll shall get, such as a Raw. It reports false
// when too much waits already.
func (p *Peripheral) Offer(m Message) bool {
	if len(p.waiting) == keptAnswers {
		return false
	}
	p.waiting = append(p.waiting, m)
	return true
}

// SetStatus sets what LSTAT is answered with, and tells the panel of a change.
func (p *Peripheral) SetStatus(s LocalStatus) {
	if s != p.tamper {
		p.tamper = s
		p.Offer(s)
	}
}

// Commands returns the commands carried out since the last call, at most the
// newest 64: LEDs, Outputs, Buzzer, Text, KeySet and so on, but no polls.
func (p *Peripheral) Commands() []Message {
	done := p.done
	p.done = nil
	return done
}

// Receive takes bytes off the line and returns the bytes to send, valid until the
// next call.
func (p *Peripheral) Receive(b []byte, now time.Time) []byte {
	p.out = p.out[:0]
	if now.Sub(p.fed) >= gap { // what began before goes on no more, and its answer would be late
		p.decoder.Reset()
	}
	if len(b) > 0 {
		p.fed = now
	}
	p.decoder.Feed(b, func(q Packet, err error) {
		if err == nil && !q.Reply && (q.Address == p.c.Address || q.Address == Broadcast) {
			p.out = append(p.out, p.command(q, now)...)
		}
	})
	return p.out
}

// command takes one command of the panel.
func (p *Peripheral) command(q Packet, now time.Time) []byte {
	if now.Sub(p.heard) >= silence {
		p.forget()
	}
	switch {
	case q.Sequence == 0:
		p.forget()
	case p.cached == nil:
		return p.clear(q, Nak{Reason: NakSequence})
	case q.Sequence == p.last:
		return p.cached // whoever recorded the command can send it: it keeps no session
	case q.Sequence != p.last%3+1:
		p.forget()
		return p.clear(q, Nak{Reason: NakSequence})
	}
	p.last, p.heard = q.Sequence, now
	p.cached = p.answer(q)
	return p.cached
}

// forget ends the session and the conversation.
func (p *Peripheral) forget() {
	p.session, p.up, p.factory, p.cached = nil, false, false, nil
}

// answer is the answer to a command that was not there before.
func (p *Peripheral) answer(q Packet) []byte {
	switch q.Block.Type {
	case 0:
		p.drop()
		return p.clear(q, p.open(q))
	case BlockChallenge, BlockServer:
		return p.handshake(q)
	case BlockCommand, BlockCommandCrypt:
		return p.secured(q)
	}
	return p.clear(q, Nak{Reason: NakBlock})
}

// drop ends the session; the conversation goes on in the clear.
func (p *Peripheral) drop() { p.session, p.up, p.factory = nil, false, false }

// open answers outside the secure channel.
func (p *Peripheral) open(q Packet) Message {
	m, err := ReadCommand(q.Code, q.Data)
	switch m.(type) {
	case IDRequest:
		return p.c.Identity
	case CapRequest:
		return p.c.Capabilities
	}
	if err != nil {
		return Nak{Reason: NakLength}
	}
	return Nak{Reason: NakSecurity}
}

// handshake answers CHLNG and SCRYPT.
func (p *Peripheral) handshake(q Packet) []byte {
	m, err := ReadCommand(q.Code, q.Data)
	if err != nil {
		p.drop()
		return p.clear(q, Nak{Reason: NakLength})
	}
	selector := q.Block.Data[0]
	switch m := m.(type) {
	case Challenge:
		if q.Block.Type == BlockChallenge {
			return p.challenged(q, Random(m), selector)
		}
	case ServerCryptogram:
		if q.Block.Type == BlockServer && p.session != nil && !p.up && (selector == 0) == p.factory {
			return p.proved(q, Cryptogram(m))
		}
	}
	p.drop()
	return p.clear(q, Nak{Reason: NakBlock})
}

// challenged begins a handshake with the key that the panel names.
func (p *Peripheral) challenged(q Packet, panel Random, selector uint8) []byte {
	p.drop()
	key := p.c.Key
	p.factory = selector == 0
	if p.factory {
		key = DefaultKey()
	}
	if p.factory && !p.c.Install || !p.factory && key == (Key{}) {
		return p.clear(q, Nak{Reason: NakBlock})
	}
	var own Random
	if _, err := io.ReadFull(p.c.Rand, own[:]); err != nil {
		return p.clear(q, Nak{Reason: NakBlock}) // no random numbers now
	}
	p.session = NewSession(key, panel)
	p.proof = p.session.Server(panel, own)
	return p.send(q, Block{BlockClient, []byte{selector}}, ClientCryptogram{p.c.CUID, own, p.session.Client(panel, own)})
}

// proved ends a handshake.
func (p *Peripheral) proved(q Packet, server Cryptogram) []byte {
	if !equal(server, p.proof) {
		p.drop()
		return p.send(q, Block{BlockInitialMAC, []byte{0xFF}}, Other{ID: ReplyInitialMAC})
	}
	p.up = true
	return p.send(q, Block{BlockInitialMAC, []byte{1}}, InitialMAC(p.session.Begin(server)))
}

// secured answers inside the session.
func (p *Peripheral) secured(q Packet) []byte {
	if !p.up {
		p.drop()
		return p.clear(q, Nak{Reason: NakSecurity})
	}
	data, err := p.session.Open(q)
	if err != nil || len(data) > 0 && q.Block.Type == BlockCommand { // all on the wires could read it
		p.drop()
		return p.clear(q, Nak{Reason: NakSecurity})
	}
	m, err := ReadCommand(q.Code, data)
	var reply Message = Nak{Reason: NakLength}
	if err == nil {
		reply = p.carryOut(m)
	}
	wire, err := p.session.Seal([]byte{mark}, p.packet(q, reply))
	if err != nil { // longer than a packet
		p.drop()
		return p.clear(q, Nak{Reason: NakRecord})
	}
	return wire
}

// clear answers without a MAC.
func (p *Peripheral) clear(q Packet, m Message) []byte { return p.send(q, Block{}, m) }

func (p *Peripheral) send(q Packet, b Block, m Message) []byte {
	packet := p.packet(q, m)
	packet.Block = b
	wire, err := Append([]byte{mark}, packet)
	if err != nil { // capabilities longer than a packet
		return nil
	}
	return wire
}

// packet is the answer to q. One to the broadcast address comes from there.
func (p *Peripheral) packet(q Packet, m Message) Packet {
	return Packet{Address: q.Address, Reply: true, Sequence: q.Sequence, Sum: q.Sum, Code: m.Code(), Data: m.appendData(nil)}
}
