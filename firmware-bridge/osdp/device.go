package osdp

import (
	"time"
)

// state says what the panel asks a device next.
//
//	resting --due--> identify --PDID--> capable --PDCAP--> challenge --CCRYPT--> prove
//	   ^                                                                          | RMAC_I
//	   |                                     own or next key                      |
//	   |      drain <--ACK-- announce <--PDCAP-- confirmCap <--PDID-- confirmID <-+
//	   |        | ACK to a poll                                                   |
//	   |     online                                                               |
//	   |       |                                                                  | default key
//	   |       +--Rekey--> keying --ACK, also in the clear--+                     |
//	   |                     ^------------------------------|---------------------+
//	   +---- refused, silent, wrong MAC, and after keying --+
//
// All before prove is in the clear, all after it is sealed. Each way back to
// resting begins with sequence number 0.
type state uint8

const (
	resting state = iota
	identify
	capable
	challenge
	prove
	confirmID
	confirmCap
	announce
	drain
	keying
	online
)

// trial says which key the next handshake is made with.
type trial uint8

const (
	ownKey trial = iota
	nextKey
	factoryKey
)

const (
	// pause is the rest after a failure that may pass by itself, refusal that
	// after one that somebody must look at.
	pause   = time.Second
	refusal = 5 * time.Second
	// silence is how long a device may be silent before it is off-line, on both
	// sides (standard, 5.7).
	silence = 8 * time.Second
	// patience is how many times a command of a handshake is sent.
	patience = 3
	// slow is the time between repetitions after patience of them: a silent
	// device must not take the line from the others.
	slow = 500 * time.Millisecond
	// later is when a busy device is asked again.
	later = 100 * time.Millisecond
	// drains is how often a reader is asked at most for what it holds from before.
	drains = 32
	// waiting is how many commands of the caller may wait.
	waiting = 8
)

// device is one peripheral as the panel sees it. It is owned by its Panel.
type device struct {
	c     DeviceConfig
	poll  time.Duration
	rand  func([]byte) error
	emit  func(Event)
	on    bool // somebody listens to it
	state state
	due   time.Time // when it wants the line
	asked time.Time // when the command under way was first sent

	sequence uint8  // of the command under way, or of the next
	wire     []byte // the command under way, to be repeated as it is; empty for none
	code     uint8  // of wire
	failures int    // of wire
	heard    time.Time
	present  time.Time // when a poll was last answered inside the session
	drained  int       // polls in drain
	queue    []Message
	queued   bool // the command under way is queue[0]

	trial   trial
	panel   Random   // our random number
	session *Session // set by CCRYPT, in use from confirmID and keying on
	proof   Cryptogram
	cuid    CUID
	pin     *Pin

	next     *Key // Rekey: the key that the device shall get, or may have got
	keySent  bool // KEYSET was sent with next, or inside the window
	window   time.Time
	status   Status
	reported map[Alarm]bool
}

func (d *device) sealed() bool { return d.state >= confirmID }

// tell emits an event.
func (d *device) tell(now time.Time, e Event) {
	e.Address, e.At = d.c.Address, now
	d.emit(e)
}

// alarm tells of a once, until the device is online again.
func (d *device) alarm(a Alarm, now time.Time) {
	d.status.Alarm = a
	if !d.reported[a] {
		d.reported[a] = true
		d.tell(now, Event{Kind: EventAlarm, Alarm: a})
	}
}

// rest ends all that was under way; the next try begins after d.
func (d *device) rest(after time.Duration, why error, now time.Time) {
	was := d.status.Online
	d.state, d.due, d.session, d.wire, d.failures, d.sequence = resting, now.Add(after), nil, d.wire[:0], 0, 0
	d.status.Online, d.status.Err = false, why
	if was {
		d.status.Line.Lost++
		d.queue = nil
		d.tell(now, Event{Kind: EventOffline, Err: why})
	}
}

// refuse rests long, with an alarm.
func (d *device) refuse(a Alarm, now time.Time) {
	d.alarm(a, now)
	d.rest(refusal, refused{a}, now)
}

// refused is ErrRefused with its reason.
type refused struct{ alarm Alarm }

func (r refused) Error() string { return ErrRefused.Error() + ": " + r.alarm.String() }
func (r refused) Unwrap() error { return ErrRefused }

// enter goes on with the next question at once.
func (d *device) enter(s state, now time.Time) {
	d.state, d.due = s, now
}

// transmission is the next command in wire form: the one under way again, or a
// new one.
func (d *device) transmission(now time.Time) ([]byte, error) {
	d.status.Line.Sent++
	if len(d.wire) > 0 {
		d.status.Line.Repeated++
		return d.wire, nil
	}
	if d.state == resting {
		d.sequence, d.heard = 0, now
		d.enter(identify, now)
	}
	d.asked = now
	m, block, err := d.question()
	if err != nil {
		return nil, err
	}
	p := Packet{Address: d.c.Address, Sequence: d.sequence, Block: block, Code: m.Code(), Data: m.appendData(nil)}
	if d.sealed() {
		d.wire, err = d.session.Seal(append(d.wire[:0], mark), p)
	} else {
		d.wire, err = Append(append(d.wire[:0], mark), p)
	}
	d.code = p.Code
	return d.wire, err
}

// question is what the state asks.
func (d *device) question() (Message, Block, error) {
	selector := []byte{1}
	if d.trial == factoryKey {
		selector[0] = 0
	}
	switch d.state {
	case capable, confirmCap:
		return CapRequest{}, Block{}, nil
	case challenge:
		err := d.rand(d.panel[:])
		return Challenge(d.panel), Block{BlockChallenge, selector}, err
	case prove:
		return ServerCryptogram(d.proof), Block{BlockServer, selector}, nil
	case announce:
		return ReceiveSize(MaxPacket), Block{}, nil
	case drain:
		return Poll, Block{}, nil
	case keying:
		return KeySet{d.gift()}, Block{}, nil
	case online:
		if d.queued = len(d.queue) > 0; d.queued {
			return d.queue[0], Block{}, nil
		}
		return Poll, Block{}, nil
	}
	return IDRequest{}, Block{}, nil
}

// failed says that no whole answer came to what was sent.
func (d *device) failed(now time.Time) {
	d.failures++
	switch {
	case d.sealed() && now.Sub(d.heard) >= silence:
		d.lose(now)
	case d.sealed() && d.failures >= patience:
		d.due = now.Add(slow)
	case !d.sealed() && (d.state == identify || d.failures >= patience):
		d.rest(pause, ErrSilent, now)
	default:
		d.due = now
	}
}

// lose goes off-line: nothing that counts was heard for too long.
func (d *device) lose(now time.Time) {
	d.afterKeying()
	d.rest(pause, ErrSilent, now)
}

// answered takes a whole packet with the right sequence number. It reports false
// for one that answers nothing.
func (d *device) answered(p Packet, now time.Time) bool {
	if p.Block.Type == 0 && p.Code == ReplyBusy {
		d.status.Line.Busy++
		d.due = now.Add(later) // the same again; heard stays: nobody has proved anything
		if now.Sub(d.heard) >= silence {
			d.lose(now)
		}
		return true
	}
	if p.Sequence != d.sequence {
		d.status.Line.Strays++
		return false
	}
	d.status.Line.Answered++
	d.failures = 0
	if d.sealed() {
		d.takeSealed(p, now)
	} else {
		d.takeClear(p, now)
	}
	return true
}

// advance ends the exchange under way: the next command has the next number.
func (d *device) advance() {
	d.wire = d.wire[:0]
	d.sequence = d.sequence%3 + 1
}

// takeClear takes an answer of the handshake.
func (d *device) takeClear(p Packet, now time.Time) {
	d.heard = now
	d.advance()
	m, err := ReadReply(p.Code, p.Data)
	nak, refused := m.(Nak)
	switch {
	case refused:
		d.clearNak(nak, now)
	case err == nil && d.expected(m, p.Block, now):
	case p.Block.Type == 0 && err == nil:
		d.refuse(AlarmClearText, now)
	case d.state >= challenge:
		d.keyRefused(now) // RMAC_I without its data is how a device says no
	default:
		d.rest(pause, ErrSession, now)
	}
}

// expected takes the answer that the state waits for, and reports false for any other.
func (d *device) expected(m Message, b Block, now time.Time) bool {
	switch m := m.(type) {
	case Identity:
		if d.state == identify && b.Type == 0 {
			d.enter(capable, now)
			return true
		}
	case Capabilities:
		if d.state == capable && b.Type == 0 {
			d.capabilities(m, now)
			return true
		}
	case ClientCryptogram:
		if d.state == challenge && b.Type == BlockClient {
			d.client(m, b.Data[0], now)
			return true
		}
	case InitialMAC:
		if d.state == prove && b.Type == BlockInitialMAC {
			d.begin(m, b.Data[0], now)
			return true
		}
	}
	return false
}

// clearNak takes a refusal in the clear, during the handshake.
func (d *device) clearNak(nak Nak, now time.Time) {
	d.status.Line.Naks++
	switch {
	case nak.Reason == NakSequence:
		d.rest(pause/10, ErrSession, now)
	case d.state == capable:
		d.enter(challenge, now) // too old for CAP; the handshake is the proof
	case d.state < challenge:
		d.rest(pause, ErrRefused, now)
	case d.state == challenge && nak.Reason == NakUnknown:
		d.denied(now)
	default:
		d.keyRefused(now)
	}
}

// denied refuses a device that says it has no secure channel.
func (d *device) denied(now time.Time) {
	if d.pin != nil {
		d.refuse(AlarmDowngrade, now)
		return
	}
	d.refuse(AlarmNoChannel, now)
}

// capabilities takes what the device says of itself in the clear. It is not
// believed; but a device that denies its secure channel is not asked further.
func (d *device) capabilities(m Capabilities, now time.Time) {
	if !m.Secure() {
		d.denied(now)
		return
	}
	d.enter(challenge, now)
}
