package device

import (
	"time"

	"turnstile/firmware-bridge/frame"
)

// The card readers' times and limits of FORMAT.md.
const (
	readers    = 2
	readQueue  = 4
	readKept   = 3 * time.Second
	readEvery  = 200 * time.Millisecond
	noiseEvery = time.Second
	cardBit    = 1500 * time.Microsecond // from one pulse of the output to the next
	cardRest   = 60 * time.Millisecond   // after a card
)

// cards is the part of the rules that is about Wiegand.
type cards struct {
	out      func(frame.Card) // may be nil
	number   int              // of the last CARD OUT, -1 after HELLO
	wanted   bool             // the host has shown since HELLO that it takes cards
	outUntil time.Time        // when the output is free again
	reads    []read
	readSent time.Time // when the oldest was sent; zero if it was not
	count    uint32    // of reads
	faults   [readers]uint16
	told     [readers]uint16    // of faults
	toldAt   [readers]time.Time // when they were last told without a card
}

// read is one in the queue.
type read struct {
	frame.CardIn
	at time.Time
}

// cardOut checks a CARD OUT in FORMAT.md's order and sends the card.
func (r *rules) cardOut(m frame.CardOut, now time.Time) frame.ReplyCode {
	switch {
	case !r.attended:
		return frame.NoSession
	case r.can&frame.HasCardOut == 0:
		return frame.NoOutput
	case r.cards.number == int(m.Number):
		return frame.DoneSince
	case now.Before(r.outUntil):
		return frame.OutputBusy
	}
	r.cards.number = int(m.Number)
	r.outUntil = now.Add(time.Duration(m.Card.Bits)*cardBit + cardRest)
	if r.out != nil {
		r.out(m.Card)
	}
	return frame.Done
}

// update is the answer to UPDATE, which is always no.
func (r *rules) update() frame.ReplyCode {
	if !r.attended {
		return frame.NoSession
	}
	return frame.NoSecondBank
}

// card queues what a reader read.
func (r *rules) card(reader int, c frame.Card, at time.Time) {
	if len(r.reads) == readQueue {
		r.dropRead()
	}
	r.count++
	r.told[reader] = r.faults[reader]
	r.reads = append(r.reads, read{frame.CardIn{Number: r.count, Reader: uint8(reader), Faults: r.faults[reader], Card: c}, at})
}

// disturb counts a fault of a reader.
func (r *rules) disturb(reader int) {
	r.faults[reader] = min(r.faults[reader], 0xFFFE) + 1
}

// reportFaults tells of faults that no card has told of, without pushing a card out.
func (r *rules) reportFaults(now time.Time) {
	for i := range r.faults {
		if r.faults[i] == r.told[i] || len(r.reads) > 0 || now.Sub(r.toldAt[i]) < noiseEvery {
			continue
		}
		r.toldAt[i] = now
		r.card(i, frame.Card{}, now)
	}
}

func (r *rules) dropRead() {
	r.reads, r.readSent = r.reads[1:], time.Time{}
}

func (r *rules) cardSeen(m frame.CardSeen) {
	r.wanted = true
	if len(r.reads) > 0 && r.reads[0].Number == m.Read {
		r.dropRead()
	}
}

// forgetReads drops what is too old.
func (r *rules) forgetReads(now time.Time) {
	for len(r.reads) > 0 && now.Sub(r.reads[0].at) >= readKept {
		r.dropRead()
	}
}

// speakOfCards sends the oldest read if it is due.
func (r *rules) speakOfCards(now time.Time) {
	if !r.wanted || len(r.reads) == 0 || now.Sub(r.readSent) < readEvery {
		return
	}
	r.readSent = now
	m := r.reads[0].CardIn
	m.Age = uint16(now.Sub(r.reads[0].at).Milliseconds())
	r.send(m)
}
