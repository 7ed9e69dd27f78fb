package osdp

// carryOut does what a command of the session asks and returns the answer.
func (p *Peripheral) carryOut(m Message) Message {
	switch m := m.(type) {
	case IDRequest:
		return p.c.Identity
	case CapRequest:
		return p.c.Capabilities
	case KeySet:
		return p.keySet(m)
	case ComSet:
		return p.comSet(m)
	case Outputs:
		if p.factory { // all the world has that key: it opens nothing
			return Nak{Reason: NakSecurity}
		}
		return p.did(m, ACK)
	case LEDs, Buzzer, Text, KeepActive, ReceiveSize:
		return p.did(m, ACK)
	case Plain:
		return p.plain(m)
	}
	return Nak{Reason: NakUnknown}
}

// plain answers a request without data. Under the default key nothing that a
// visitor showed is told.
func (p *Peripheral) plain(m Plain) Message {
	switch m.Code() {
	case CmdPoll:
		if len(p.waiting) == 0 || p.factory {
			return ACK
		}
		first := p.waiting[0]
		p.waiting = p.waiting[1:]
		return first
	case CmdLocalStatus:
		return p.tamper
	case CmdInputStatus:
		return Other{ReplyInputStatus, make([]byte, p.c.Inputs)}
	case CmdOutputStatus:
		return Other{ReplyOutputStatus, []byte{0}}
	case CmdReaderStatus:
		return Other{ReplyReaderStatus, []byte{0}}
	}
	return ACK // ABORT: nothing is under way
}

// did notes a command that was carried out.
func (p *Peripheral) did(m, reply Message) Message {
	if len(p.done) == keptCommands {
		p.done = p.done[1:]
	}
	p.done = append(p.done, m)
	return reply
}

// keySet takes a new key. The session under the old one goes on until the panel
// begins another.
func (p *Peripheral) keySet(m KeySet) Message {
	if m.Key.Check() != nil {
		return Nak{Reason: NakRecord}
	}
	p.c.Key, p.c.Install = m.Key, false
	return p.did(m, ACK)
}

// comSet takes a new address. The baud rate is the owner's to change.
func (p *Peripheral) comSet(m ComSet) Message {
	if m.Address > MaxAddress {
		return Nak{Reason: NakRecord}
	}
	p.c.Address = m.Address
	return p.did(m, Com(m))
}
