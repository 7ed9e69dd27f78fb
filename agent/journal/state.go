package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"turnstile/central/link"
)

// saved is the content of the state file: what may be lost without harm.
type saved struct {
	id    link.JournalID
	boot  uint32
	acked uint64
	turn  uint64 // the higher one of two slots is newer

	issued  int64 // Unix ms: when central made the newest acknowledgement
	rewound int64 // Unix ms: when it made the newest that took entries back; 0: none did
}

const (
	slotSize  = 512
	slotBytes = 16 + 4 + 8 + 8 + 4
	slotTimes = slotBytes + 8 + 8 + 4
)

func (s saved) encode() []byte {
	be := binary.BigEndian
	b := append(make([]byte, 0, slotSize), s.id[:]...)
	b = be.AppendUint32(b, s.boot)
	b = be.AppendUint64(b, s.acked)
	b = be.AppendUint64(b, s.turn)
	b = be.AppendUint32(b, crc32.Checksum(b, castagnoli))
	b = be.AppendUint64(b, uint64(s.issued))
	b = be.AppendUint64(b, uint64(s.rewound))
	return be.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func parseSlot(b []byte) (s saved, ok bool) {
	be := binary.BigEndian
	if len(b) < slotBytes || be.Uint32(b[slotBytes-4:]) != crc32.Checksum(b[:slotBytes-4], castagnoli) {
		return s, false
	}
	s = saved{id: link.JournalID(b[:16]), boot: be.Uint32(b[16:]), acked: be.Uint64(b[20:]), turn: be.Uint64(b[28:])}
	if len(b) >= slotTimes && be.Uint32(b[slotTimes-4:]) == crc32.Checksum(b[:slotTimes-4], castagnoli) {
		s.issued, s.rewound = int64(be.Uint64(b[slotBytes:])), int64(be.Uint64(b[slotBytes+8:]))
	}
	return s, true
}

// openState reads the state file. Whatever is wrong with it costs only that
// entries are sent to central once more.
func (j *Journal) openState(list []fileInfo) saved {
	var newest saved
	if !slices.ContainsFunc(list, func(f fileInfo) bool { return f.name == stateName }) {
		return newest
	}
	f, err := j.disk.open(stateName)
	if err != nil {
		return newest
	}
	j.state = f
	b := make([]byte, 2*slotSize)
	f.ReadAt(b, 0) // what was not read is zero, and no slot
	for i := range 2 {
		if s, ok := parseSlot(b[i*slotSize:]); ok && s.turn >= newest.turn {
			newest, j.slot = s, 1-i
		}
	}
	j.turn = newest.turn
	return newest
}

// saveState writes what was acknowledged into the older slot. It is not
// flushed but at the end: the kernel writes it within half a minute.
func (j *Journal) saveState(closing bool) error {
	j.stateMu.Lock()
	defer j.stateMu.Unlock()
	j.mu.Lock()
	s := saved{j.id, j.boot, j.acked, j.turn + 1, j.issued, j.rewound}
	same := j.saved == j.acked && j.savedRewound == j.rewound && j.turn > 0
	j.mu.Unlock()
	if same && !closing {
		return nil
	}
	if j.state == nil {
		f, err := j.disk.create(stateName, blockSize)
		if err != nil {
			return err
		}
		j.state = f
	}
	if _, err := j.state.WriteAt(s.encode(), int64(j.slot)*slotSize); err != nil {
		return fmt.Errorf("write journal state: %w", full(err))
	}
	j.slot, j.turn = 1-j.slot, s.turn
	j.mu.Lock()
	j.saved, j.savedRewound = s.acked, s.rewound
	j.mu.Unlock()
	if !closing {
		return nil
	}
	return j.state.sync()
}
