package osdp

// Decoder finds packets in a stream of bytes. After any garbage it is in step
// again: where no packet begins, or one has a wrong check, it looks again from
// the next byte on. The zero value hears every address.
type Decoder struct {
	held  [MaxPacket]byte
	n     int
	only  byte // address byte to hear, if limited
	limit bool
	noise uint64
}

// Only makes the decoder pass over all that is not from, or to, this address. It
// shortens the time for which a false beginning can hold up a true packet.
func (d *Decoder) Only(address uint8, reply bool) {
	d.only, d.limit = address&Broadcast, true
	if reply {
		d.only |= replyBit
	}
}

// Noise is how many bytes were passed over so far, marks not counted.
func (d *Decoder) Noise() uint64 { return d.noise }

// Feed takes bytes off the line and calls take for each packet in them, or with
// ErrCheck for what would be one if its check were right. The packet is valid
// until take returns.
func (d *Decoder) Feed(b []byte, take func(Packet, error)) {
	for len(b) > 0 {
		k := copy(d.held[d.n:], b)
		d.n, b = d.n+k, b[k:]
		d.scan(take)
	}
}

// Missing is how many bytes the packet under way still lacks: 0 if none is under
// way, at least 1 otherwise.
func (d *Decoder) Missing() int {
	if d.n == 0 {
		return 0
	}
	size, _ := measure(d.held[:d.n])
	return max(size, minPacket, d.n+1) - d.n
}

// Flush says that no more bytes belong to the packet under way. What else is in
// its bytes is still found.
func (d *Decoder) Flush(take func(Packet, error)) {
	for d.n > 0 {
		d.noise++
		d.n = copy(d.held[:], d.held[1:d.n])
		d.scan(take)
	}
}

// Reset forgets what was held.
func (d *Decoder) Reset() {
	d.noise += uint64(d.n)
	d.n = 0
}

// scan takes all whole packets out of what is held and moves what may become
// one to the front. One is shorter than the buffer, so there is room again.
func (d *Decoder) scan(take func(Packet, error)) {
	at := 0
	for at < d.n {
		size, found, err := d.look(d.held[at:d.n])
		if size == 0 {
			break
		}
		if err == nil || err == ErrCheck {
			take(found, err)
		}
		if err != nil {
			size = 1
			if d.held[at] != mark {
				d.noise++
			}
		}
		at += size
	}
	d.n = copy(d.held[:], d.held[at:d.n])
}

// look tells what b begins with: a packet and its size; size 0 if more bytes are
// needed; ErrCheck, or ErrShape if no packet begins here.
func (d *Decoder) look(b []byte) (size int, p Packet, err error) {
	size, ok := measure(b)
	if !ok || len(b) > 1 && d.limit && b[1] != d.only {
		return 1, Packet{}, ErrShape
	}
	if size == 0 || len(b) < size {
		return 0, Packet{}, nil
	}
	p, err = Parse(b[:size])
	return size, p, err
}
