package wiegand

import "time"

// Times of the line. A reader's data sheet says 20 to 100 us a pulse and 200 us
// to 20 ms from one to the next; some sold readers send 160 us, and a cable
// makes pulses longer or shorter.
const (
	MinPulse   = 10 * time.Microsecond  // a shorter one is a glitch and is passed over
	MaxPulse   = 250 * time.Microsecond // a longer one spoils its frame
	LeastPulse = 20 * time.Microsecond  // below this, and above MostPulse, a pulse is counted as odd
	MostPulse  = 100 * time.Microsecond
	MinGap     = 200 * time.Microsecond // from the start of a pulse to the start of the next
	MaxGap     = 20 * time.Millisecond
	MinSilence = 25 * time.Millisecond // ends a frame, from its last edge
	MaxSilence = 50 * time.Millisecond
)

// Edge is one change of a data line: Line 0 is D0, 1 is D1; Active is the
// beginning of a pulse. At needs a monotonic reading or a clock that nobody sets.
type Edge struct {
	Line   int
	Active bool
	At     time.Time
}

// Frame is one row of bits between two silences, of any length from 1 and of
// any parity. At is when its last pulse ended.
type Frame struct {
	Bits Bits
	At   time.Time
}

// Stats counts what came over the line. Each frame that began is in one of
// Frames, Noise and Oversized when it ends.
type Stats struct {
	Frames    uint64 // delivered
	Noise     uint64 // with pulses too long, too close, too far apart or on both lines at once, or with edges lost
	Oversized uint64 // longer than MaxBits
	Odd       uint64 // pulses outside of LeastPulse..MostPulse, taken all the same
	Glitches  uint64 // pulses below MinPulse, passed over
	Unpaired  uint64 // pulses of which only one edge was seen, taken all the same
}

// Assembler makes frames of edges. The zero value is ready and ends a frame
// after MinSilence.
//
// A kernel under load tells two edges of one short pulse as one, or calls both
// an end, because it looks at the level late. So an edge without its partner is
// a pulse of unknown length, and an end close behind such an end is the same
// pulse. A mistake in this makes a frame of the wrong length, never another one
// of the same length.
type Assembler struct {
	// Silence ends a frame, within MinSilence..MaxSilence; 0 means MinSilence.
	// Set it before the first edge.
	Silence time.Duration

	stats Stats
	lines [2]lineState
	bits  Bits
	state frameState
	begun bool      // something of a frame was seen
	start time.Time // of the last pulse taken; zero in a frame without one
	last  time.Time // of the last edge that is not of a glitch
}

// lineState is one data line.
type lineState struct {
	down   bool
	since  time.Time // when it went down
	before time.Time // the assembler's last then
	bare   time.Time // when an end came without its beginning
}

// frameState is what the frame under way is good for.
type frameState uint8

const (
	clean frameState = iota
	noise            // thrown away at its end
	over             // too long: thrown away at its end
)

// Stats returns the counts so far.
func (a *Assembler) Stats() Stats { return a.stats }

// Feed takes one edge, in the order of time, and appends the frame that it
// shows to be over, if there is one, to out. An edge of another line than 0 and
// 1 is passed over.
func (a *Assembler) Feed(e Edge, out []Frame) []Frame {
	if e.Line != 0 && e.Line != 1 {
		return out
	}
	if a.begun && e.At.Sub(a.last) >= a.silence() {
		out = a.finish(out)
	}
	if a.begun && e.At.Before(a.last) {
		a.spoil(noise)
		e.At = a.last
	}
	if e.Active {
		a.fall(e.Line, e.At)
	} else {
		a.rise(e.Line, e.At)
	}
	return out
}

// fall begins a pulse.
func (a *Assembler) fall(line int, at time.Time) {
	l, other := &a.lines[line], &a.lines[1-line]
	if l.down {
		a.endless(line)
	}
	if other.down && at.Sub(other.since) >= MinGap {
		a.endless(1 - line)
	}
	*l = lineState{down: true, since: at, before: a.last}
	a.begun, a.last = true, at
}

// endless takes the pulse on line whose end was not told.
func (a *Assembler) endless(line int) {
	l := &a.lines[line]
	a.stats.Unpaired++
	a.take(line, l.since)
	l.down = false
}

// rise ends a pulse.
func (a *Assembler) rise(line int, at time.Time) {
	l, other := &a.lines[line], &a.lines[1-line]
	if !l.down {
		a.bare(line, at)
		return
	}
	l.down = false
	width := at.Sub(l.since)
	if width < MinPulse {
		a.stats.Glitches++
		a.begun = a.bits.n > 0 || a.state != clean || other.down
		if !other.down {
			a.last = l.before // hum on a cable must not keep a frame open
		}
		return
	}
	a.last = at
	if width > MaxPulse {
		a.spoil(noise)
		return
	}
	if width < LeastPulse || width > MostPulse {
		a.stats.Odd++
	}
	a.take(line, l.since)
}

// bare takes a pulse whose beginning was not told.
func (a *Assembler) bare(line int, at time.Time) {
	l := &a.lines[line]
	a.last = at
	if !l.bare.IsZero() && at.Sub(l.bare) <= MaxPulse { // the beginning was called an end
		l.bare = time.Time{}
		return
	}
	l.bare = at
	a.stats.Unpaired++
	a.take(line, at)
}

// take adds the bit of a pulse that began at the instant at. Two lines that are
// low at once are two pulses too close, but for a glitch.
func (a *Assembler) take(line int, at time.Time) {
	a.begun = true
	if gap := at.Sub(a.start); !a.start.IsZero() && (gap < MinGap || gap > MaxGap) {
		a.spoil(noise)
	}
	a.start = at
	if a.bits.n == MaxBits {
		a.spoil(over)
		return
	}
	a.bits = a.bits.push(line == 1)
}

// spoil makes the frame under way useless.
func (a *Assembler) spoil(s frameState) {
	a.begun, a.state = true, max(a.state, s)
}

// Lost says that edges were lost before the next: the frame under way, or the
// one that begins now, is no good. at is when this was noticed.
func (a *Assembler) Lost(at time.Time) {
	a.spoil(noise)
	a.lines, a.last = [2]lineState{}, at
}

// Waiting is how long after now the frame under way ends by silence, at least
// 1 ms; false if no frame is under way.
func (a *Assembler) Waiting(now time.Time) (time.Duration, bool) {
	if !a.begun {
		return 0, false
	}
	return max(a.last.Add(a.silence()).Sub(now), time.Millisecond), true
}

// Idle says that by now every edge that had come was fed. It ends a frame after
// enough silence. It is not derived from a clock alone: a host too busy to read
// sees a silence that the line never had.
func (a *Assembler) Idle(now time.Time, out []Frame) []Frame {
	if !a.begun || now.Sub(a.last) < a.silence() {
		return out
	}
	return a.finish(out)
}

// Reset forgets the frame under way, which counts as noise: its lines are gone.
func (a *Assembler) Reset() {
	if a.begun {
		a.spoil(noise)
		a.finish(nil)
	}
	a.lines = [2]lineState{}
}

func (a *Assembler) silence() time.Duration {
	return min(max(a.Silence, MinSilence), MaxSilence)
}

// finish ends the frame under way. A line that is still down has been for too
// long: its end, if it comes, will begin another frame of noise.
func (a *Assembler) finish(out []Frame) []Frame {
	if a.lines[0].down || a.lines[1].down {
		a.spoil(noise)
	}
	a.lines = [2]lineState{}
	switch {
	case a.state == over:
		a.stats.Oversized++
	case a.state == noise || a.bits.n == 0:
		a.stats.Noise++
	default:
		a.stats.Frames++
		out = append(out, Frame{a.bits, a.last})
	}
	a.bits, a.state, a.begun, a.start = Bits{}, clean, false, time.Time{}
	return out
}
