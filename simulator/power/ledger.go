package power

import (
	"fmt"
	"math"
	"sync"

	"turnstile/central/pass"
)

// ledger is what the world outside of one lane saw. Marks are moments: how many
// operations the disk had taken. Its methods may be called from any goroutine.
type ledger struct {
	mu     sync.Mutex // guards the following
	record record
	asked  pass.ID // of the scan whose answer is awaited
	asking bool
	may    bool // the gate may open for it
	worn   bool // the disk takes nothing any more: a refusal shows nothing
}

// record is a ledger's content; it is kept beside a disk that failed.
type record struct {
	Openings []opening
	Starts   []start
	Known    [][]byte // entries that were on the disk after the last cut, oldest first
	Wrong    []string // what must not be seen from outside, whatever is on the disk
}

// opening is an OPEN for the gate on the wire: the grant was durable by then.
type opening struct {
	Pass    pass.ID
	Number  uint32 // of the gate
	Walked  bool   // a person walked; else the window ended
	Seen    int    // mark
	Settled int    // mark by which its result was durable; never if the lane was cut off first
	Start   int    // index of the start
}

// start is one start of the agent.
type start struct {
	Began int // mark
	Ready int // mark at which gate and scanner answered; never if it did not get there
}

// never is later than every mark.
const never = math.MaxInt

// began notes that the agent is started.
func (l *ledger) began(mark int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.record.Starts = append(l.record.Starts, start{mark, never})
	l.asking, l.worn = false, false
}

// ready notes that the agent answers: what an earlier start left open is settled.
func (l *ledger) ready(mark int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.record.Starts[len(l.record.Starts)-1].Ready = mark
}

// ask notes that a pass is shown; may says that the gate may open for it.
func (l *ledger) ask(id pass.ID, may bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked, l.asking, l.may = id, true, may
}

// opened notes an OPEN on the wire. It reports whether that is a new one.
func (l *ledger) opened(number uint32, walked bool, mark int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := len(l.record.Starts) - 1
	if n := len(l.record.Openings); n > 0 {
		last := l.record.Openings[n-1]
		if last.Number == number && last.Start == now {
			return false // the driver repeats what was not answered
		}
		if number <= last.Number {
			l.wrong("the gate is asked to open for number %d, and was for %d before", number, last.Number)
		}
	}
	switch {
	case !l.asking:
		l.wrong("the gate is asked to open for number %d, and nobody has shown a pass since the start", number)
	case !l.may:
		l.wrong("the gate is asked to open for pass %d, which is used up", l.asked.Index)
	}
	l.settle(mark)
	l.record.Openings = append(l.record.Openings, opening{l.asked, number, walked, mark, never, now})
	l.asking = false
	return true
}

// refused notes an answer other than OPEN.
func (l *ledger) refused(mark int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.worn {
		l.settle(mark)
	}
	l.asking = false
}

// wear notes that the disk refuses all writes until the next start.
func (l *ledger) wear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.worn = true
}

// settle notes that the lane has decided again: it wrote the result before down
// first. mu is held.
func (l *ledger) settle(mark int) {
	if n := len(l.record.Openings); n > 0 {
		if o := &l.record.Openings[n-1]; o.Settled == never && o.Start == len(l.record.Starts)-1 {
			o.Settled = mark
		}
	}
}

func (l *ledger) wrong(format string, args ...any) {
	l.record.Wrong = append(l.record.Wrong, fmt.Sprintf(format, args...))
}

// know replaces the entries that are known to be on the disk.
func (l *ledger) know(entries [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.record.Known = entries
}

// at returns what had been seen at a mark.
func (l *ledger) at(mark int) record {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := record{Known: l.record.Known, Wrong: append([]string(nil), l.record.Wrong...)}
	for _, o := range l.record.Openings {
		if o.Seen <= mark {
			if o.Settled > mark {
				o.Settled = never
			}
			r.Openings = append(r.Openings, o)
		}
	}
	for _, s := range l.record.Starts {
		if s.Began <= mark {
			if s.Ready > mark {
				s.Ready = never
			}
			r.Starts = append(r.Starts, s)
		}
	}
	return r
}

// last returns the newest opening of an earlier start, and whether there is one.
func (r record) last() (opening, bool) {
	if len(r.Openings) == 0 {
		return opening{}, false
	}
	return r.Openings[len(r.Openings)-1], true
}

// isReady reports whether the newest start got as far as answering.
func (r record) isReady() bool {
	return len(r.Starts) > 0 && r.Starts[len(r.Starts)-1].Ready != never
}
