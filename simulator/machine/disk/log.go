package disk

import (
	"math/rand/v2"
	"sync"
)

// Log is all that was written to a disk since Record, in order. From one run it
// makes any number of states in which a power cut could have left the disk.
type Log struct {
	base []byte

	mu         sync.Mutex // guards the following
	operations []operation
}

// operation is a write, or a flush if it has no data.
type operation struct {
	off     int64
	data    []byte
	durable bool // FUA
}

func (l *Log) add(o operation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.operations = append(l.operations, o)
}

// Len is the number of operations so far.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.operations)
}

// Replay goes through a log once more, forwards. It is for one goroutine.
type Replay struct {
	log    *Log
	at     int // operations done
	medium medium
}

// Replay begins at the log's start, with a disk that does or does not do what
// flushes ask for.
func (l *Log) Replay(lying bool) *Replay {
	return &Replay{log: l, medium: medium{kept: append([]byte(nil), l.base...), lying: lying}}
}

// To does operations until n are done; n never falls.
func (p *Replay) To(n int) {
	p.log.mu.Lock()
	all := p.log.operations[p.at:n]
	p.log.mu.Unlock()
	for _, o := range all {
		if o.data == nil {
			p.medium.flush()
		} else {
			p.medium.write(o.off, o.data, o.durable)
		}
	}
	p.at = n
}

// Unflushed is the number of writes in the cache.
func (p *Replay) Unflushed() int { return len(p.medium.cached) }

// State returns what the disk may hold if the power goes now. The replay goes on
// as if it had not.
func (p *Replay) State(r *rand.Rand) ([]byte, Loss) {
	m := medium{kept: append([]byte(nil), p.medium.kept...), cached: p.medium.cached}
	loss := m.cut(r)
	return m.kept, loss
}
