package link

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"turnstile/central/pass"
)

// CommandAction is what a command makes a lane do, once.
type CommandAction uint8

// The actions. Append only.
const (
	CommandOpen     CommandAction = 1 // open for one person
	CommandIdentify CommandAction = 2 // show by lamp and display which lane this is
)

// String returns the action's name as on the API and in the audit.
func (a CommandAction) String() string {
	switch a {
	case CommandOpen:
		return "open"
	case CommandIdentify:
		return "identify"
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// Limits of a command.
const (
	MaxCommand     = 512 // bytes on the wire
	MaxCommandLife = 30 * time.Second
)

// Command makes one lane do one thing once, soon, or never. It is good for one
// start of its lane controller alone; TOPICS.md, "Commands", says why.
type Command struct {
	Lane      string        `cbor:"1,keyasint"` // lane controller
	Number    uint64        `cbor:"2,keyasint"` // above that of all earlier commands to the controller
	Action    CommandAction `cbor:"3,keyasint"`
	Index     uint8         `cbor:"4,keyasint"` // number of the lane on its controller, from 1
	Direction uint8         `cbor:"5,keyasint"` // of CommandOpen: 1 in, 2 out; else 0
	Issued    int64         `cbor:"6,keyasint"` // Unix ms by central's clock
	Expires   int64         `cbor:"7,keyasint"` // Unix ms, at most MaxCommandLife after Issued
	Cause     pass.Cause    `cbor:"8,keyasint"` // 0: not told
	Start     Nonce         `cbor:"9,keyasint"` // LaneState.Start of the controller
}

// Check returns ErrMalformed for a command that central cannot have meant. An
// action that this version does not know is none of these: the lane answers it.
func (c *Command) Check() error {
	life := c.Expires - c.Issued
	switch {
	case !ValidID(c.Lane), c.Number == 0, c.Number > math.MaxInt64, c.Action == 0, c.Index == 0:
		return fmt.Errorf("%w: command %d to lane %.40q/%d", ErrMalformed, c.Number, c.Lane, c.Index)
	case c.Issued < 0 || life <= 0 || life > MaxCommandLife.Milliseconds():
		return fmt.Errorf("%w: command %d lives from %d to %d", ErrMalformed, c.Number, c.Issued, c.Expires)
	case c.Action == CommandOpen && c.Direction != 1 && c.Direction != 2, c.Action == CommandIdentify && c.Direction != 0:
		return fmt.Errorf("%w: command %d has direction %d", ErrMalformed, c.Number, c.Direction)
	case c.Start == Nonce{}:
		return fmt.Errorf("%w: command %d is for no start", ErrMalformed, c.Number)
	}
	return nil
}

// EntryOf returns what all entries about the command say: kind, cause and number.
func (c *Command) EntryOf() Entry {
	e := Entry{Kind: pass.Command, Gen: uint8(c.Cause)}
	binary.BigEndian.PutUint64(e.Holder[:], c.Number)
	return e
}

// Command returns the number of the command that an entry is about; false if it
// is about none.
func (e *Entry) Command() (number uint64, ok bool) {
	if e.Kind != pass.Command || e.Floor != nil {
		return 0, false
	}
	return binary.BigEndian.Uint64(e.Holder[:]), true
}

// Why a command was refused with GATE_FAULT: the Detail of that entry. Append only.
const (
	FaultLost uint16 = 1 // the gate does not answer
	FaultFire uint16 = 2 // the fire alarm has released it
)
