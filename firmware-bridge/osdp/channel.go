package osdp

import "time"

// key is the key that the handshake under way is made with.
func (d *device) key() Key {
	switch d.trial {
	case factoryKey:
		return DefaultKey()
	case nextKey:
		return d.ofDevice(*d.next)
	}
	return d.ofDevice(d.c.Key)
}

// gift is the key that KEYSET carries.
func (d *device) gift() Key {
	if d.trial == factoryKey {
		return d.ofDevice(d.c.Key)
	}
	return d.ofDevice(*d.next)
}

// ofDevice derives the device's key of a master key.
func (d *device) ofDevice(k Key) Key {
	if d.c.Master {
		return k.Diversified(d.cuid)
	}
	return k
}

// client checks the device's cryptogram.
func (d *device) client(m ClientCryptogram, selector uint8, now time.Time) {
	if (selector == 0) != (d.trial == factoryKey) {
		d.keyRefused(now) // it used another key than it was asked for
		return
	}
	if d.pin != nil && m.CUID != d.pin.CUID {
		d.refuse(AlarmIdentity, now)
		return
	}
	d.cuid = m.CUID
	d.session = NewSession(d.key(), d.panel)
	if !equal(m.Cryptogram, d.session.Client(d.panel, m.Random)) {
		d.keyRefused(now)
		return
	}
	d.proof = d.session.Server(d.panel, m.Random)
	d.enter(prove, now)
}

// begin checks the device's last word of the handshake.
func (d *device) begin(m InitialMAC, status uint8, now time.Time) {
	if status != 1 || !equal(Cryptogram(m), d.session.Begin(d.proof)) {
		d.keyRefused(now)
		return
	}
	d.status.Line.Sessions++
	if d.trial != factoryKey {
		d.enter(confirmID, now)
		return
	}
	d.keySent = true // the window is open: when it closes, the handshake ends with it
	d.enter(keying, now)
}

// keyRefused ends a handshake that failed for its key, and says which key comes next.
func (d *device) keyRefused(now time.Time) {
	switch {
	case d.trial != ownKey:
		d.trial = ownKey
		d.rest(pause, ErrSession, now)
	case d.next != nil && d.keySent:
		d.trial = nextKey
		d.alarm(AlarmKey, now) // neither the old nor the new one
		d.rest(pause, ErrSession, now)
	case d.installing(now):
		d.trial = factoryKey
		d.rest(0, ErrSession, now)
	default:
		d.refuse(AlarmKey, now)
	}
}

// takeSealed takes an answer that must be of the session.
func (d *device) takeSealed(p Packet, now time.Time) {
	if !p.Block.Type.sealed() {
		d.clearInSession(p, now)
		return
	}
	data, err := d.session.Open(p)
	if err != nil {
		d.status.Line.BadMAC++
		d.alarm(AlarmMAC, now)
		d.afterKeying()
		d.rest(pause, ErrSession, now)
		return
	}
	m, err := ReadReply(p.Code, data)
	_, nak := m.(Nak)
	if len(data) > 0 && p.Block.Type == BlockReply && !nak {
		d.alarm(AlarmClearText, now) // what a visitor showed, readable by all on the wires
		d.rest(pause, ErrSession, now)
		return
	}
	if err != nil { // careless, and no attack: the MAC is right. What is in it may be of a person
		d.status.Line.Misfits++
		m = Other{ID: p.Code}
	}
	d.heard = now
	d.advance()
	if p.Code == ReplyBusy {
		d.status.Line.Busy++
		d.status.Line.Answered--
		d.due = now.Add(later)
		return
	}
	d.take(m, now)
}

// clearInSession takes a packet without a MAC where one is due. A refusal means
// that the device has lost its session, as after a loss of power; nothing it says
// is believed, so a new handshake must prove it. After KEYSET some readers answer in
// the clear (libosdp issue 194): that proves nothing either, the new key does.
func (d *device) clearInSession(p Packet, now time.Time) {
	switch {
	case p.Code == ReplyNAK:
		d.status.Line.Naks++
	case d.state == keying && p.Code == ReplyACK:
	default:
		d.alarm(AlarmClearText, now)
		d.afterKeying()
		d.rest(refusal, refused{AlarmClearText}, now)
		return
	}
	d.afterKeying()
	d.rest(0, ErrSession, now)
}

// afterKeying says which key comes next when KEYSET may have arrived.
func (d *device) afterKeying() {
	if d.state != keying {
		return
	}
	d.trial = ownKey
	if d.next != nil {
		d.trial = nextKey
	}
}

// take takes what the device said inside the session.
func (d *device) take(m Message, now time.Time) {
	nak, refused := m.(Nak)
	if refused {
		d.status.Line.Naks++
	}
	switch id, isID := m.(Identity); {
	case d.state == confirmID && isID:
		d.confirm(id, now)
	case d.state == confirmCap && !refused:
		d.confirmed(m, now)
	case d.state == confirmCap && nak.Reason == NakUnknown:
		d.enter(announce, now) // too old for CAP; it is in the secure channel, and nobody else says so
	case d.state == announce && now.Sub(d.present) >= silence:
		d.drained = 0
		d.enter(drain, now)
	case d.state == announce:
		d.connected(now)
	case d.state == drain:
		d.drop(m, refused, now)
	case d.state == keying:
		d.keyed(refused, now)
	case d.state == online:
		d.report(m, nak, refused, now)
	default:
		d.refuse(AlarmIdentity, now)
	}
}

// confirm compares who answers inside the session with who answered before.
func (d *device) confirm(id Identity, now time.Time) {
	if d.pin != nil && d.pin.Identity != (Identity{}) && !same(id, d.pin.Identity) {
		d.refuse(AlarmIdentity, now)
		return
	}
	d.status.Pin = Pin{id, d.cuid}
	d.enter(confirmCap, now)
}

// same compares what does not change with new firmware.
func same(a, b Identity) bool {
	return a.Vendor == b.Vendor && a.Model == b.Model && a.Serial == b.Serial
}

// confirmed takes the capabilities inside the session: a device that denies there
// what it is just using is broken, or a stranger speaks for it.
func (d *device) confirmed(m Message, now time.Time) {
	if c, ok := m.(Capabilities); !ok || !c.Secure() {
		d.refuse(AlarmDowngrade, now)
		return
	}
	d.enter(announce, now)
}

// drop takes what a reader held while nobody asked it. Codes among it are of
// people who may have walked away: one who cut the line could wait for that, and
// join the wires again. The reader is online once it holds nothing.
func (d *device) drop(m Message, refused bool, now time.Time) {
	d.present = now
	d.drained++
	switch m.(type) {
	case Raw, Keypad:
		d.status.Line.Stale++
	default:
		if refused || m.Code() == ReplyACK {
			d.connected(now)
			return
		}
		d.tell(now, Event{Kind: EventMessage, Message: m, Command: d.code})
	}
	if d.due = now; d.drained == drains {
		d.connected(now)
	}
}

// connected is online.
func (d *device) connected(now time.Time) {
	pin := d.status.Pin
	d.pin = &pin
	d.status.Online, d.status.Err, d.status.Alarm = true, nil, 0
	switch {
	case d.trial == nextKey:
		d.c.Key, d.next, d.keySent, d.trial = *d.next, nil, false, ownKey
		d.tell(now, Event{Kind: EventKeySet})
	case d.next != nil && d.keySent:
		d.next, d.keySent = nil, false
		d.tell(now, Event{Kind: EventKeyKept})
	}
	if d.installing(now) {
		if d.keySent {
			d.tell(now, Event{Kind: EventKeySet})
		}
		d.shut(now)
	}
	clear(d.reported)
	d.tell(now, Event{Kind: EventOnline, Pin: pin})
	d.enter(online, now)
}

// keyed takes the sealed answer to KEYSET.
func (d *device) keyed(refused bool, now time.Time) {
	if refused && d.trial == ownKey {
		d.next, d.keySent = nil, false
		d.tell(now, Event{Kind: EventKeyKept})
		d.enter(online, now)
		return
	}
	d.afterKeying()
	if refused {
		d.rest(pause, ErrSession, now)
		return
	}
	d.rest(0, ErrSession, now)
}

// report hands on what came in answer to a poll or a command.
func (d *device) report(m Message, nak Nak, refused bool, now time.Time) {
	if d.code == CmdPoll {
		d.present = now
	}
	switch {
	case refused && nak.Reason == NakSequence:
		d.rest(0, ErrSession, now)
		return
	case refused && d.code != CmdPoll:
		d.tell(now, Event{Kind: EventNak, Message: nak, Command: d.code})
	case m.Code() != ReplyACK && !refused:
		d.tell(now, Event{Kind: EventMessage, Message: m, Command: d.code})
	}
	if d.queued {
		d.queue = d.queue[1:]
	}
	d.due = d.asked.Add(d.poll)
	if d.next != nil && !d.keySent {
		d.keySent = true
		d.enter(keying, now)
	} else if len(d.queue) > 0 {
		d.due = now
	}
}

func (d *device) installing(now time.Time) bool { return now.Before(d.window) }

// overdue reports whether an install window is open whose time is over.
func (d *device) overdue(now time.Time) bool { return d.status.Install && !d.installing(now) }

// shut closes the install window. What was under way begins anew.
func (d *device) shut(now time.Time) {
	d.window, d.keySent, d.status.Install = time.Time{}, false, false
	if !d.status.Online {
		d.trial = ownKey
		d.rest(pause, ErrSession, now)
	}
	d.tell(now, Event{Kind: EventInstallClosed})
}

// expire closes an install window that is overdue.
func (d *device) expire(now time.Time) {
	d.shut(now)
	d.alarm(AlarmInstall, now)
}
