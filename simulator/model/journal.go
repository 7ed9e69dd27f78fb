package model

import (
	"errors"
	"fmt"
	"slices"
)

// entries is how many entries one journal of the model can have.
const entries = 3

// set is a set of entry numbers 1..entries, or of journals.
type set uint16

func (s set) has(n uint8) bool    { return s>>n&1 == 1 }
func (s set) with(n uint8) set    { return s | 1<<n }
func (s set) without(n uint8) set { return s &^ (1 << n) }

// book is one journal as somebody has it: which text each number carries (a number
// that was given out twice has two), and how far it goes.
type book struct {
	last uint8
	text set // numbers that carry their second text
	lost set // numbers that are known to be lost
}

// letters are the entries that were signed and sent once, with their first and
// second text, or as lost: the broker can deliver each again at any time. An entry
// is signed as soon as it may be; that it is sent later is a broker that waits.
type letters struct{ first, second, lost set }

// Journal is the model's state: a lane's journals, what it has sent, and central.
type Journal struct {
	disk      book // of the journal that is written; lost: quarantined in a damaged file
	id        uint8
	first     uint8 // oldest entry on the disk
	acked     uint8
	torn      bool // an entry is in the file and not flushed
	again     set  // numbers whose first text a crash took
	sent      [2]letters
	stored    [2]book // in central's database
	backup    [2]book
	acks      [2]uint8 // every acknowledgement up to here was signed
	restored  bool     // central was set back to its backup
	rewritten bool     // central was sent another text under a number that it had
	harm      uint8    // faults so far
	misplaced bool     // central was told that an entry is lost which the lane can read
	vanished  bool     // the lane dropped what nobody else has
}

// JournalRules leave a rule out each, as FeedRules do.
type JournalRules struct {
	SendsEarly    bool // entries are sent before they are flushed
	KeepsID       bool // a journal that lost its end goes on under its id
	AcksEarly     bool // central acknowledges before its database has the entries
	DropsUnacked  bool // the lane makes room with what nobody acknowledged
	SkipsDamage   bool // the lane says nothing of entries that it cannot read
	NeverRewinds  bool // an acknowledgement below the newest one is passed over
	NumbersAgain  bool // after a crash a flushed number is given out again
	NoGapsChecked bool // central stores what comes, in any order
}

var (
	errRewritten = errors.New("one number has two texts")
	errVanished  = errors.New("an entry that was promised is nowhere")
	errMisplaced = errors.New("an entry is called lost that can be read")
)

// JournalMachine is the journal of one lane, its way to central, and the acknowledgements.
func JournalMachine(r JournalRules) Machine[Journal] {
	return Machine[Journal]{
		Start: Journal{first: 1}, Bound: 1_000_000,
		Moves: func(j Journal) []Move[Journal] {
			moves := slices.Concat(j.write(r), j.faults(r), j.receive(r), j.acknowledge(r))
			for i := range moves {
				moves[i].To.sign(r)
			}
			return moves
		},
		Holds: func(j Journal) error { return j.holds() },
		Goal:  func(j Journal) bool { return !j.torn && j.stored[j.id].last == j.disk.last && j.acked == j.disk.last },
	}
}

// write moves: an entry is written, flushed, and dropped when it may go.
func (j Journal) write(r JournalRules) (moves []Move[Journal]) {
	next := j.disk.last + 1
	switch {
	case j.torn:
		n := j
		n.torn = false
		n.keep(next)
		moves = append(moves, Move[Journal]{Name: "lane: flush", To: n, Fair: true})
	case next <= entries:
		n := j
		n.torn = true
		moves = append(moves, Move[Journal]{Name: "lane: write", To: n})
	}
	if j.first <= j.disk.last && (j.first <= j.acked || r.DropsUnacked) {
		n := j
		n.vanished = n.vanished || !n.restored && n.stored[n.id].last < n.first && !n.disk.lost.has(n.first)
		n.disk.lost = n.disk.lost.without(n.first)
		n.first++
		moves = append(moves, Move[Journal]{Name: "lane: drop", To: n})
	}
	return moves
}

// keep makes number n durable.
func (j *Journal) keep(n uint8) {
	j.disk.last = n
	if j.again.has(n) {
		j.disk.text = j.disk.text.with(n)
	}
}

// faults at most happen to one lane and its central.
const faults = 2

// faults moves: power, a damaged block in the middle, a lost end, a restored central.
func (j Journal) faults(r JournalRules) (moves []Move[Journal]) {
	if j.backup == [2]book{} && !j.restored { // one backup is enough
		n := j
		n.backup = j.stored
		moves = append(moves, Move[Journal]{Name: "central: backup", To: n})
	}
	if j.harm == faults {
		return moves
	}
	j.harm++
	moves = append(moves, j.power(r)...)
	if j.disk.lost == 0 {
		for at := j.first; at < j.disk.last; at++ { // behind it a later flush began
			n := j
			n.disk.lost = n.disk.lost.with(at)
			moves = append(moves, Move[Journal]{Name: "lane: damaged block", To: n})
		}
	}
	for at := j.first; at <= j.disk.last; at++ {
		moves = append(moves, Move[Journal]{Name: "lane: end damaged", To: j.behind(at)})
	}
	if j.id == 0 && j.disk.last > 0 {
		moves = append(moves, Move[Journal]{Name: "lane: file unusable", To: j.aside(r)})
	}
	if !j.restored && j.backup != j.stored {
		n := j
		n.stored, n.restored = j.backup, true
		moves = append(moves, Move[Journal]{Name: "central: restored", To: n})
	}
	return moves
}

// power goes: what was not flushed is kept by the disk or not.
func (j Journal) power(r JournalRules) (moves []Move[Journal]) {
	cut := j
	if j.torn {
		kept := j
		kept.torn = false
		kept.keep(j.disk.last + 1)
		moves = append(moves, Move[Journal]{Name: "lane: power cut, tail kept", To: kept})
		cut.torn, cut.again = false, j.again.with(j.disk.last+1)
	}
	if r.NumbersAgain && j.disk.last >= j.first && j.disk.last > 0 {
		cut.again, cut.disk.last = cut.again.with(j.disk.last), j.disk.last-1
	}
	cut.acked = min(cut.acked, cut.disk.last)
	moves = append(moves, Move[Journal]{Name: "lane: power cut", To: cut})
	cut.acked = min(cut.acked, j.first-1) // what was dropped was acknowledged
	return append(moves, Move[Journal]{Name: "lane: power cut, state lost", To: cut})
}

// behind is the lane after its newest file turned out to be damaged from a number
// on: it goes on behind all that the file can have had, a torn entry too.
func (j Journal) behind(at uint8) Journal {
	if j.torn {
		j.torn, j.disk.last = false, j.disk.last+1
	}
	for n := at; n <= j.disk.last; n++ {
		j.disk.lost = j.disk.lost.with(n)
	}
	return j
}

// aside is the lane after its newest file could not be used at all: a new journal.
func (j Journal) aside(r JournalRules) Journal {
	n := j
	n.torn = false
	if r.KeepsID {
		n.again, n.disk.last = n.again.with(j.disk.last), j.disk.last-1
		n.first, n.acked = min(n.first, j.disk.last), min(n.acked, n.disk.last)
		return n
	}
	n.id, n.disk, n.first, n.acked, n.again = 1, book{}, 1, 0, 0
	return n
}

// letter is what the lane sends of number n now; none: it cannot read it and does
// not say so.
func (j *Journal) letter(n uint8, r JournalRules) (l letters) {
	one := set(0).with(n)
	switch {
	case n < j.first && j.restored, j.disk.lost.has(n) && !r.SkipsDamage:
		l.lost = one // it was dropped after its acknowledgement, or is in a damaged file
	case n < j.first, j.disk.lost.has(n):
	case j.disk.text.has(n), n > j.disk.last && j.again.has(n):
		l.second = one
	default:
		l.first = one
	}
	return l
}

// sign notes what can be on its way now, and central's acknowledgement of what it has.
func (j *Journal) sign(r JournalRules) {
	to := j.disk.last
	if r.SendsEarly && j.torn {
		to++
	}
	b := &j.sent[j.id]
	for n := j.acked + 1; n <= to; n++ {
		l := j.letter(n, r)
		b.first, b.second, b.lost = b.first|l.first, b.second|l.second, b.lost|l.lost
	}
	for id := range j.acks {
		j.acks[id] = max(j.acks[id], j.stored[id].last)
		if next := j.stored[id].last + 1; r.AcksEarly && j.sent[id].first.has(next) {
			j.acks[id] = max(j.acks[id], next)
		}
	}
}

// receive moves: an entry that was ever sent arrives at central. What the lane
// sends now arrives sooner or later.
func (j Journal) receive(r JournalRules) (moves []Move[Journal]) {
	for id := range uint8(2) {
		for n := uint8(1); n <= entries; n++ {
			now, sent := j.letter(n, r), j.sent[id]
			due := id == j.id && n > j.acked && n <= j.disk.last
			for _, l := range [...]struct {
				sent, now    set
				second, lost bool
			}{{sent.first, now.first, false, false}, {sent.second, now.second, true, false}, {sent.lost, now.lost, false, true}} {
				if s, ok := j.store(id, n, l.second, l.lost, r); ok && l.sent.has(n) {
					moves = append(moves, Move[Journal]{Name: "central: store", To: s, Fair: due && l.now.has(n)})
				}
			}
		}
	}
	return moves
}

// acknowledge moves: an acknowledgement arrives that was ever signed. One below the
// newest makes the lane go back only if it is central's present word.
func (j Journal) acknowledge(r JournalRules) (moves []Move[Journal]) {
	for n := j.acked + 1; n <= min(j.acks[j.id], j.disk.last); n++ {
		s := j
		s.acked = n
		moves = append(moves, Move[Journal]{Name: "lane: acknowledged", To: s, Fair: n <= j.stored[j.id].last})
	}
	if now := j.stored[j.id].last; now < j.acked && !r.NeverRewinds {
		s := j
		s.acked = now
		moves = append(moves, Move[Journal]{Name: "lane: goes back", To: s, Fair: true})
	}
	return moves
}

// store takes number n of a journal into central's database, with its second
// text or as lost.
func (j Journal) store(id, n uint8, second, lost bool, r JournalRules) (Journal, bool) {
	have := &j.stored[id]
	if n <= have.last {
		j.rewritten = !have.lost.has(n) && !lost && have.text.has(n) != second
		return j, j.rewritten
	}
	if n != have.last+1 && !r.NoGapsChecked {
		return j, false
	}
	j.vanished = j.vanished || n != have.last+1
	have.last = n
	if lost {
		have.lost = have.lost.with(n)
		readable := id == j.id && n >= j.first && n <= j.disk.last && !j.disk.lost.has(n)
		j.misplaced = j.misplaced || readable
	} else if second {
		have.text = have.text.with(n)
	}
	return j, true
}

func (j *Journal) holds() error {
	switch {
	case j.rewritten:
		return fmt.Errorf("%w: %+v", errRewritten, *j)
	case j.vanished:
		return fmt.Errorf("%w: %+v", errVanished, *j)
	case j.misplaced:
		return fmt.Errorf("%w: %+v", errMisplaced, *j)
	}
	return nil
}
