package chaos

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is a kind of fault.
type Kind uint8

// The faults.
const (
	KillAgent       Kind = iota // SIGKILL; started again at the end
	KillCentral                 // SIGKILL; started again at the end
	FreezeAgent                 // SIGSTOP; goes on at the end
	FreezeCentral               //
	KillBroker                  // of an external broker
	CutLink                     // a lane controller's network
	HoldLink                    // half open: nothing comes through, nobody is told
	SlowLink                    // each piece late by Param
	FullDisk                    // a lane controller's: no byte can be written
	FullDiskCentral             //
	Clock                       // jumps by Param, and back at the end
	NoScanner                   // unplugged
	NoGate                      // the controller's cable is out
	RestartGate                 // the controller loses power for a moment
	StuckGate                   // the lock stays as it is
	GarbledGate                 // one bit in every Param bytes is wrong
	GarbledScanner              // bytes that are no text
	Fire                        // the fire alarm releases the lane
	kinds
)

var kindNames = [kinds]string{"kill agent", "kill central", "freeze agent", "freeze central", "kill broker", "cut network", "half-open network",
	"slow network", "full disk", "central's disk full", "clock jump", "scanner unplugged", "gate unplugged", "gate restarted", "gate stuck",
	"garbage from the gate", "garbage from the scanner", "fire alarm"}

func (k Kind) String() string { return kindNames[k] }

// Fault is one fault of a step.
type Fault struct {
	Kind  Kind
	Agent int           // index of the lane controller
	Lane  int           // index of its lane
	At    time.Duration // after the step's begin
	For   time.Duration
	Param time.Duration // of Clock and SlowLink
	Every int           // of GarbledGate: bytes
}

// String describes the fault as it stands in the log.
func (f Fault) String() string {
	s := fmt.Sprintf("%s at %.1fs for %.1fs", f.Kind, f.At.Seconds(), f.For.Seconds())
	switch f.Kind {
	case KillCentral, FreezeCentral, KillBroker, FullDiskCentral:
		return s
	case Clock, SlowLink:
		return fmt.Sprintf("%s, agent %d, by %v", s, f.Agent, f.Param)
	case KillAgent, FreezeAgent, CutLink, HoldLink, FullDisk:
		return fmt.Sprintf("%s, agent %d", s, f.Agent)
	}
	return fmt.Sprintf("%s, agent %d lane %d", s, f.Agent, f.Lane)
}

// Cast is what there is to be broken.
type Cast struct {
	Lanes    []int // of each lane controller
	Lying    int   // the lane controller whose clock can be set; -1: none
	External bool  // the broker is a process of its own
}

// Schedule makes the faults of one campaign: the same seed, the same steps.
type Schedule struct {
	rand *rand.Rand
	cast Cast
}

// NewSchedule returns the schedule of a seed.
func NewSchedule(seed uint64, c Cast) *Schedule {
	return &Schedule{rand.New(rand.NewPCG(seed, 0x5eed)), c}
}

// maxFaults are how many a step has, and stepTime is how long it lasts.
const (
	maxFaults = 4
	stepTime  = 7 * time.Second
)

// jumps of a clock: hours, days, a summer time, another millennium.
var jumps = []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour, 3 * time.Second, -5 * time.Second,
	90 * time.Second, 31 * 24 * time.Hour, -56 * 365 * 24 * time.Hour}

// Step returns the faults of the next step by their begin.
func (s *Schedule) Step() []Fault {
	list := make([]Fault, 0, maxFaults)
	for range 1 + s.rand.IntN(maxFaults) {
		f := s.fault()
		if !slices.ContainsFunc(list, func(g Fault) bool { return g.clashes(f) }) {
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	return list
}

// fault draws everything in the same order, whatever the kind needs.
func (s *Schedule) fault() Fault {
	f := Fault{Kind: Kind(s.rand.IntN(int(kinds))), Agent: s.rand.IntN(len(s.cast.Lanes))}
	f.Lane = s.rand.IntN(s.cast.Lanes[f.Agent])
	f.At = time.Duration(s.rand.IntN(3000)) * time.Millisecond
	f.For = time.Duration(300+s.rand.IntN(3700)) * time.Millisecond
	jump, slow := jumps[s.rand.IntN(len(jumps))], time.Duration(50+s.rand.IntN(950))*time.Millisecond
	f.Every = 20 + s.rand.IntN(180)
	switch f.Kind {
	case Clock:
		f.Param = jump
		if s.cast.Lying < 0 {
			f.Kind = KillAgent
			break
		}
		f.Agent, f.Lane = s.cast.Lying, 0
	case SlowLink:
		f.Param = slow
	case KillBroker:
		if !s.cast.External {
			f.Kind = KillCentral
		}
	}
	return f
}

// clashes reports whether two faults cannot be in one step: both change the
// same process, or the same part of the same wire.
func (f Fault) clashes(g Fault) bool {
	group := func(k Kind) int {
		switch k {
		case KillAgent, FreezeAgent, FullDisk:
			return 1
		case KillCentral, FreezeCentral, FullDiskCentral:
			return 2
		case NoGate, RestartGate:
			return 3
		}
		return 10 + int(k)
	}
	a, b := group(f.Kind), group(g.Kind)
	return a == b && (a == 2 || f.Agent == g.Agent)
}
