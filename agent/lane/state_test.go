package lane

import (
	"slices"
	"testing"
)

// transitions is every pair of state and event that does something, as the
// diagram has it. All others must leave the state alone and do nothing.
var transitions = map[State]map[event]struct {
	to   State
	todo []effect
}{
	Down: {
		found: {Idle, []effect{rest}}, lost: {Down, []effect{rest}}, scanned: {Down, []effect{decide}},
		denied: {Down, []effect{refuse}}, repeated: {Down, []effect{refuse}}, shown: {Down, []effect{rest}}, moded: {Down, []effect{rest}},
		ordered: {Down, []effect{obey}},
	},
	Idle: {
		lost: {Down, []effect{rest}}, scanned: {Deciding, []effect{decide}}, denied: {Refused, []effect{refuse}},
		ordered: {Deciding, []effect{obey}},
	},
	Deciding: {
		lost: {Down, []effect{rest}}, granted: {Opening, []effect{open}}, denied: {Refused, []effect{refuse}},
		moded: {Idle, []effect{rest}}, declined: {Idle, []effect{rest}},
	},
	Opening: {
		lost: {Down, []effect{rest}}, opened: {Passage, []effect{welcome}}, unopened: {Refused, []effect{giveBack, refuse}},
	},
	Passage: {
		lost: {Down, []effect{settleUnknown, rest}}, scanned: {Passage, []effect{keep}},
		passed: {Idle, []effect{settlePassed, rest, resume}}, notPassed: {Idle, []effect{settleNot, rest, resume}},
	},
	Refused: {
		lost: {Down, []effect{rest}}, scanned: {Deciding, []effect{decide}}, repeated: {Refused, []effect{refuse}},
		denied: {Refused, []effect{refuse}}, shown: {Idle, []effect{rest}}, ordered: {Deciding, []effect{obey}},
	},
}

func TestNext(t *testing.T) {
	pairs := 0
	for s := Down; s <= Refused; s++ {
		for e := nothing; e < events; e++ {
			pairs++
			to, todo := next(s, e)
			want, ok := transitions[s][e]
			if !ok {
				want.to = s
			}
			if to != want.to || !slices.Equal(todo, want.todo) {
				t.Errorf("%v on event %d: %v %v, want %v %v", s, e, to, todo, want.to, want.todo)
			}
		}
	}
	if pairs != 6*int(events) || events != 15 {
		t.Errorf("%d pairs tried of %d events", pairs, events)
	}
}

// TestGateOpensOnlyBehindAGrant walks all event sequences of length 4 from each state.
func TestGateOpensOnlyBehindAGrant(t *testing.T) {
	walks := 0
	var walk func(s State, depth int)
	walk = func(s State, depth int) {
		if depth == 0 {
			walks++
			return
		}
		for e := nothing + 1; e < events; e++ {
			to, todo := next(s, e)
			for _, f := range todo {
				if f == open && (s != Deciding || e != granted) {
					t.Fatalf("%v on event %d opens the gate", s, e)
				}
				settles := f == settlePassed || f == settleNot || f == settleUnknown
				if settles && s != Passage || f == giveBack && s != Opening {
					t.Fatalf("%v on event %d settles a grant that is not there", s, e)
				}
			}
			if s == Passage && to != Passage && !slices.ContainsFunc(todo, func(f effect) bool {
				return f == settlePassed || f == settleNot || f == settleUnknown
			}) {
				t.Fatalf("a passage ends by event %d without a result", e)
			}
			walk(to, depth-1)
		}
	}
	for s := Down; s <= Refused; s++ {
		walk(s, 4)
	}
	if walks < 80000 {
		t.Errorf("%d walks", walks)
	}
}

func TestStateNames(t *testing.T) {
	names := map[string]bool{}
	for s := Down; s <= Refused; s++ {
		names[s.String()] = true
	}
	if len(names) != 6 {
		t.Errorf("names: %v", names)
	}
}
