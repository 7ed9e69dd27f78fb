package ledger

import (
	"sync"

	"turnstile/central/database"
	"turnstile/central/link"
)

// ends remember how far the lanes' present journals are in the database, so that a
// thousand reports at once, as after each revocation, ask it for nothing. A journal
// in the database grows and never shrinks while central runs: what is remembered may
// be too little, when another central stored more, and never too much.
type ends struct {
	mu    sync.Mutex // guards the following
	lanes map[string]end
}

type end struct {
	id   link.JournalID
	last uint64
}

// put remembers a journal as it was read or committed.
func (e *ends) put(j *database.Journal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lanes == nil {
		e.lanes = map[string]end{}
	}
	if known := e.lanes[j.Lane]; known.id != j.ID || known.last < j.Last {
		e.lanes[j.Lane] = end{j.ID, j.Last}
	}
}

// reach reports whether entry seq of a lane's journal is known to be stored.
func (e *ends) reach(lane string, id link.JournalID, seq uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.lanes[lane]
	return known.id == id && known.last >= seq
}
