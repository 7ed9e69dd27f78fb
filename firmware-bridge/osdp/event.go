package osdp

import (
	"errors"
	"fmt"
	"time"
)

// Why a device is not online, in Event.Err and Status.Err.
var (
	ErrSilent    = errors.New("osdp: the reader does not answer; check its power, its wires A and B, its address and its baud rate")
	ErrSession   = errors.New("osdp: the secure channel broke; it is being set up again")
	ErrRefused   = errors.New("osdp: the reader is refused")
	ErrStopped   = errors.New("osdp: the reader is not asked, as nobody listens to it")
	ErrAddress   = errors.New("osdp: no reader with that address on this line")
	ErrFull      = errors.New("osdp: too many commands wait for the reader; send fewer")
	ErrForbidden = errors.New("osdp: this command is not for callers; keys go through Install and Rekey")
	ErrWindow    = errors.New("osdp: an install window is open for at most 15 minutes")
	ErrOffline   = errors.New("osdp: the reader is not online; wait until it is")
)

// Alarm is why somebody must look at a reader or its wires. The numbers are fixed.
type Alarm uint8

// The alarms.
const (
	AlarmClearText Alarm = 1 + iota // it answered in the clear where only the secure channel is allowed
	AlarmNoChannel                  // it says that it has no secure channel
	AlarmDowngrade                  // it had a secure channel before and says now that it has none
	AlarmIdentity                   // another device answers than the one that was pinned
	AlarmKey                        // it does not have the key
	AlarmMAC                        // a packet with a wrong MAC: somebody is on the wires, or two readers have one address
	AlarmInstall                    // an install window was open until it closed by itself
)

// String says what the alarm means and what to do.
func (a Alarm) String() string {
	switch a {
	case AlarmClearText:
		return "reader answers outside the secure channel: look for a device between reader and controller"
	case AlarmNoChannel:
		return "reader has no secure channel: replace it, or update its firmware"
	case AlarmDowngrade:
		return "reader had a secure channel and denies it now: look for a device between reader and controller"
	case AlarmIdentity:
		return "another device answers at this address: if the reader was replaced, open an install window for it"
	case AlarmKey:
		return "reader does not have our key: open an install window to give it one, or look who replaced it"
	case AlarmMAC:
		return "packets are forged, or two readers have one address: look at the wires"
	case AlarmInstall:
		return "install window was left open until it closed by itself: the reader did not take its key"
	}
	return fmt.Sprintf("alarm %d", uint8(a))
}

// EventKind says what an Event tells.
type EventKind uint8

// The kinds of events.
const (
	EventOnline        EventKind = 1 + iota // the secure channel is up under the reader's own key; Pin is set
	EventOffline                            // Err says why
	EventMessage                            // Message came over the secure channel: Raw, Keypad, LocalStatus, Other
	EventNak                                // Message is the reader's Nak to Command
	EventAlarm                              // Alarm says what; once until the reader is online again
	EventInstallOpened                      // the default key may be used until At plus the window
	EventInstallClosed                      // the window is shut
	EventKeySet                             // the reader has proved a new key: store it, the old one is gone
	EventKeyKept                            // the reader still has the old key
)

// Event is what a Panel tells its caller.
type Event struct {
	Address uint8
	Kind    EventKind
	At      time.Time
	Alarm   Alarm
	Err     error
	Message Message
	Command uint8
	Pin     Pin
}

// Pin is what a device said of itself inside the secure channel. What differs
// later is refused.
type Pin struct {
	Identity Identity
	CUID     CUID
}

// Line counts what passed between the panel and one device. Each transmission
// is counted by itself, so that a repetition that went well hides nothing:
// Sent = Answered + Busy + TimeOuts + Garbled + BadCheck, and one at most under way.
type Line struct {
	Sent     uint64        // commands sent, repetitions included
	Repeated uint64        // those of them that were repetitions
	Answered uint64        // whole answers
	Busy     uint64        // answers that asked to wait
	TimeOuts uint64        // not one byte came
	Garbled  uint64        // bytes came, and no packet: cut short, or noise
	BadCheck uint64        // a whole packet with a wrong CRC
	Strays   uint64        // whole packets that answered nothing that was asked
	Stale    uint64        // codes and keys dropped: the reader had held them for more than 8 s
	Misfits  uint64        // sealed answers whose data does not fit their code; handed on as Other without data
	Naks     uint64        // refusals
	BadMAC   uint64        // packets with a right CRC and a wrong MAC
	Sessions uint64        // secure channels set up
	Lost     uint64        // times the device went off-line
	Slowest  time.Duration // longest wait for an answer, from the end of the command
}

// ErrorRate is the share of transmissions without a whole answer: 0..1.
func (l Line) ErrorRate() float64 {
	if l.Sent == 0 {
		return 0
	}
	return float64(l.TimeOuts+l.Garbled+l.BadCheck) / float64(l.Sent)
}

// Status is how a device is now.
type Status struct {
	Online  bool
	Err     error // why it is not online; nil before the first try
	Alarm   Alarm // the last one since it was online; 0 for none
	Install bool  // an install window is open
	Pin     Pin   // zero before it was online
	Line    Line
}
