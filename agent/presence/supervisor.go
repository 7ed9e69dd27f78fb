package presence

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// MaxCodes bounds how many used supervisor codes are remembered: years of every
// lane's sheets. Beyond it those of the oldest day go, counted in Stats.Overflow.
const MaxCodes = 1 << 16

// codeDays is for how many campus days after its day a used supervisor code is
// remembered: its window is over then (pass.MaxAfter).
const codeDays = 8

// Hand is the mode that a supervisor code set at a lane.
type Hand struct {
	Mode  link.Mode
	Since int64   // Unix ms by the lane's clock
	Rules uint64  // version of central's rules at the time; newer ones end it
	Code  pass.ID // of the supervisor code
}

// supervisor is what is remembered of supervisor codes; Presence.mu guards it.
type supervisor struct {
	used  map[pass.ID]struct{} // used up
	hands map[uint8]Hand       // by lane; none where the mode is central's
}

func newSupervisor() supervisor {
	return supervisor{used: map[pass.ID]struct{}{}, hands: map[uint8]Hand{}}
}

// Used reports whether a supervisor code is used up, or its use is under way.
func (p *Presence) Used(id pass.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.pending {
		if e.Kind == pass.Supervisor && e.Pass == id {
			return true
		}
	}
	_, used := p.codes.used[id]
	return used
}

// Hand returns the mode by hand of a lane, as the newest entry about it says.
func (p *Presence) Hand(lane uint8) (Hand, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.codes.hands[lane]
	return h, ok
}

// changeMode takes in an entry about a lane's mode; mu is held. One without a
// code says that newer rules ended the mode by hand.
func (p *Presence) changeMode(e link.Entry) {
	if e.Kind == pass.Supervisor {
		p.useCode(e.Pass)
	}
	if mode := link.Mode(e.Detail); mode == link.Lockdown || mode == link.FreePassage {
		p.codes.hands[e.Lane] = Hand{mode, e.Wall, e.Grant, e.Pass}
		return
	}
	delete(p.codes.hands, e.Lane)
}

// useCode makes room for a code that is used up, and remembers it; mu is held.
func (p *Presence) useCode(id pass.ID) {
	if len(p.codes.used) >= MaxCodes {
		oldest := id.Day
		for c := range p.codes.used {
			oldest = min(oldest, c.Day)
		}
		maps.DeleteFunc(p.codes.used, func(c pass.ID, _ struct{}) bool { return c.Day == oldest })
		p.overflow++
	}
	p.codes.used[id] = struct{}{}
}

// forget drops the codes whose window was over before day d, of which passes are
// forgotten that are older.
func (s *supervisor) forget(d pass.Day) {
	maps.DeleteFunc(s.used, func(c pass.ID, _ struct{}) bool { return int(c.Day)+codeDays < int(d) })
}

// A checkpoint's part about supervisor codes, big-endian:
//
//	codes 4, hands 1
//	codes: day 2, index 4, ascending
//	hands: lane 1 ascending, mode 1 (1 lockdown, 2 free passage), since 8, rules 8, code's day 2, index 4
const (
	codesHead = 5
	codeSize  = 6
	handSize  = 24
)

func appendID(b []byte, id pass.ID) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, uint16(id.Day)), id.Index)
}

func idAt(b []byte) pass.ID {
	return pass.ID{Day: pass.Day(binary.BigEndian.Uint16(b)), Index: binary.BigEndian.Uint32(b[2:])}
}

func byID(a, b pass.ID) int {
	return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Index, b.Index))
}

// append appends the part.
func (s *supervisor) append(b []byte) []byte {
	be := binary.BigEndian
	b = append(be.AppendUint32(b, uint32(len(s.used))), byte(len(s.hands)))
	order := make([]uint64, 0, len(s.used))
	for id := range s.used {
		order = append(order, uint64(id.Day)<<32|uint64(id.Index))
	}
	slices.Sort(order)
	for _, id := range order {
		b = appendID(b, pass.ID{Day: pass.Day(id >> 32), Index: uint32(id)})
	}
	for _, lane := range slices.Sorted(maps.Keys(s.hands)) {
		h := s.hands[lane]
		b = append(b, lane, byte(h.Mode))
		b = be.AppendUint64(be.AppendUint64(b, uint64(h.Since)), h.Rules)
		b = appendID(b, h.Code)
	}
	return b
}

// decode reads a part that is all of b, in canonical form.
func (s *supervisor) decode(b []byte) bool {
	be := binary.BigEndian
	if len(b) < codesHead {
		return false
	}
	codes, hands := int(be.Uint32(b)), int(b[4])
	if b = b[codesHead:]; codes > MaxCodes || len(b) != codes*codeSize+hands*handSize {
		return false
	}
	for i := range codes {
		id := idAt(b[i*codeSize:])
		if id.Index > pass.MaxIndex || i > 0 && byID(idAt(b[(i-1)*codeSize:]), id) >= 0 {
			return false
		}
		s.used[id] = struct{}{}
	}
	last := -1
	for b = b[codes*codeSize:]; len(b) > 0; b = b[handSize:] {
		h := Hand{link.Mode(b[1]), int64(be.Uint64(b[2:])), be.Uint64(b[10:]), idAt(b[18:])}
		if int(b[0]) <= last || h.Mode != link.Lockdown && h.Mode != link.FreePassage || h.Code.Index > pass.MaxIndex {
			return false
		}
		last = int(b[0])
		s.hands[b[0]] = h
	}
	return true
}
