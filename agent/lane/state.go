package lane

// State is where a lane is between two people.
//
//	start
//	  |                  found
//	  v   lost    +------------------+
//	Down <-----+  |                  v      scan
//	  |        +--|---------------- Idle <------------------------+
//	  +-----------+                  | ^                          |
//	                   scan, command | | shown long enough        |
//	                                 v |                          |
//	         +-------- deny ----- Deciding <--- scan --- Refused  |
//	         v                       |                     ^      |
//	      Refused     (new mode: Idle) grant, in the journal      |
//	                                 v                     |      |
//	                              Opening --- unopened ----+      |
//	                                 |                            |
//	                                 | opened                     |
//	                                 v                            |
//	         Down <--- lost ----- Passage --- passed, not passed -+
//
// A command that is declined ends in Idle too. Deciding and Opening last as long as one append and one answer of the gate:
// the lane's goroutine does nothing else meanwhile, so no other event finds the
// lane in them.
type State uint8

// The states.
const (
	Down     State = 0 // the gate does not answer; scans are refused
	Idle     State = 1 // ready for a scan
	Deciding State = 2 // a scan is being judged
	Opening  State = 3 // the grant is in the journal, the gate is asked
	Passage  State = 4 // the gate is open for one person
	Refused  State = 5 // the refusal is being shown; the next scan is welcome
)

// String returns the state's name as in the lane's report to central.
func (s State) String() string {
	switch s {
	case Idle:
		return "idle"
	case Deciding:
		return "deciding"
	case Opening:
		return "opening"
	case Passage:
		return "passage"
	case Refused:
		return "refused"
	}
	return "down"
}

// event is what happens to a lane's state.
type event uint8

const (
	nothing   event = iota
	found           // the gate answers
	lost            // it does not; a passage under way has no known end
	scanned         // a text that is not the one before again
	repeated        // the one before again
	granted         // decided, and durable in the journal
	denied          // decided
	moded           // decided, and durable: the lane's mode is another one now
	opened          // the gate took the grant
	unopened        // it did not
	passed          // the person went through
	notPassed       // nobody did
	shown           // the refusal has been shown long enough
	ordered         // a command of central that was not answered yet
	declined        // it cannot be done, and the answer is durable
	events          // how many there are
)

// effect is what the lane then does; Lane.run does it.
type effect uint8

const (
	decide        effect = iota // judge the scan, put the decision in the journal
	obey                        // do what central commands, put that in the journal
	open                        // ask the gate
	welcome                     // show that the way is free
	refuse                      // show why not
	giveBack                    // the gate did not open: the entry is not used
	keep                        // one scan waits until the passage is over
	settlePassed                // the journal gets the result
	settleNot                   //
	settleUnknown               //
	rest                        // show that the lane is ready, or closed
	resume                      // take the scan that waited
)

// next is all that a lane's state depends on. An event that means nothing in a
// state leaves it as it is.
func next(s State, e event) (State, []effect) {
	if e == lost && s == Passage {
		return Down, []effect{settleUnknown, rest}
	}
	if e == lost {
		return Down, []effect{rest}
	}
	switch s {
	case Down:
		return nextDown(e)
	case Idle, Refused:
		return nextReady(s, e)
	case Deciding:
		return nextDeciding(s, e)
	case Opening:
		return nextOpening(s, e)
	}
	return nextPassage(s, e)
}

// nextDown still answers a scan, so that the person is told to use another lane.
func nextDown(e event) (State, []effect) {
	switch e {
	case found:
		return Idle, []effect{rest}
	case scanned:
		return Down, []effect{decide}
	case ordered:
		return Down, []effect{obey}
	case denied, repeated:
		return Down, []effect{refuse}
	case shown, moded:
		return Down, []effect{rest}
	}
	return Down, nil
}

func nextReady(s State, e event) (State, []effect) {
	switch {
	case e == scanned:
		return Deciding, []effect{decide}
	case e == ordered:
		return Deciding, []effect{obey}
	case e == repeated && s == Refused:
		return Refused, []effect{refuse}
	case e == denied: // without a decision: what came cannot be read
		return Refused, []effect{refuse}
	case e == shown && s == Refused:
		return Idle, []effect{rest}
	}
	return s, nil
}

func nextDeciding(s State, e event) (State, []effect) {
	switch e {
	case granted:
		return Opening, []effect{open}
	case denied:
		return Refused, []effect{refuse}
	case moded, declined:
		return Idle, []effect{rest}
	}
	return s, nil
}

func nextOpening(s State, e event) (State, []effect) {
	switch e {
	case opened:
		return Passage, []effect{welcome}
	case unopened:
		return Refused, []effect{giveBack, refuse}
	}
	return s, nil
}

func nextPassage(s State, e event) (State, []effect) {
	switch e {
	case passed:
		return Idle, []effect{settlePassed, rest, resume}
	case notPassed:
		return Idle, []effect{settleNot, rest, resume}
	case scanned:
		return Passage, []effect{keep}
	}
	return s, nil
}
