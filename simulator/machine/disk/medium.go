package disk

import "math/rand/v2"

// Loss is what became of the writes that were not flushed when the power went.
type Loss struct {
	Unflushed int // all of them
	Kept      int // whole
	Torn      int // some of their sectors
	Dropped   int // not at all
}

// medium is what survives, and the cache before it.
type medium struct {
	kept   []byte
	cached []cached // since the last flush, oldest first
	lying  bool     // flushes and FUA do nothing
}

// cached is a write that is not durable.
type cached struct {
	off  int64
	data []byte // not shared
}

// write takes data, which stays the caller's. durable is FUA.
func (m *medium) write(off int64, data []byte, durable bool) {
	if !durable || m.lying {
		m.cached = append(m.cached, cached{off, append([]byte(nil), data...)})
		return
	}
	copy(m.kept[off:], data)
	for _, c := range m.cached { // what is older must not come back over it
		if from, to := max(c.off, off), min(c.off+int64(len(c.data)), off+int64(len(data))); from < to {
			copy(c.data[from-c.off:to-c.off], data[from-off:])
		}
	}
}

func (m *medium) flush() {
	if m.lying {
		return
	}
	for _, c := range m.cached {
		copy(m.kept[c.off:], c.data)
	}
	m.cached = nil
}

// tearing is the share of the surviving writes of which only some sectors do.
const tearing = 0.4

// cut settles what of the cache survives. One number decides how much in all:
// from a disk that has written nearly nothing back to one that has nearly
// finished.
func (m *medium) cut(r *rand.Rand) Loss {
	loss := Loss{Unflushed: len(m.cached)}
	survive := r.Float64()
	for _, c := range m.cached {
		switch {
		case r.Float64() >= survive:
			loss.Dropped++
		case len(c.data) > Sector && r.Float64() < tearing:
			loss.Torn++
			m.tear(c, r)
		default:
			loss.Kept++
			copy(m.kept[c.off:], c.data)
		}
	}
	m.cached = nil
	return loss
}

// tear keeps some sectors of a write: at least one, and never all.
func (m *medium) tear(c cached, r *rand.Rand) {
	sectors := len(c.data) / Sector
	some := 1 + r.IntN(sectors-1)
	for _, s := range r.Perm(sectors)[:some] {
		at := s * Sector
		copy(m.kept[c.off+int64(at):], c.data[at:at+Sector])
	}
}
