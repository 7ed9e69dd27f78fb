// Package model checks the protocols between central and a lane by visiting
// every state that small models of them can reach.
//
// The models are the rules of central/link/TOPICS.md and agent/journal/FORMAT.md
// with everything left out that a rule does not look at: signatures are a set of
// messages that were signed, hashes are names of places in a history. The broker
// may deliver any signed message at any time, again, late or never. What a model
// finds holds for its bounds alone (a few events, one lane); that the product
// follows the same rules is shown by the tests of agent/feed, agent/journal and
// central/ledger, and by package hostile's random schedules on the real code.
package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Move is one thing that can happen in a state.
type Move[S comparable] struct {
	Name string
	To   S
	Fair bool // happens sooner or later while nobody does harm
}

// Machine is a model of something that runs.
type Machine[S comparable] struct {
	Start S
	Moves func(S) []Move[S]
	Holds func(S) error          // of each state, nil: nothing
	Step  func(from, to S) error // of each move, nil: nothing
	Goal  func(S) bool           // from each state a goal can be reached by fair moves alone; nil: none is asked for
	Bound int                    // states at most; a model that has more is wrong
}

// Report counts what was visited.
type Report struct {
	States, Moves int
	Depth         int // moves to the farthest state
	Goals         int
}

// What an exploration can find.
var (
	ErrBroken = errors.New("a state or move breaks a rule")
	ErrStuck  = errors.New("from a state no goal can be reached")
	ErrBound  = errors.New("the model has more states than it should")
)

// from is how a state was first reached.
type from[S comparable] struct {
	before S
	name   string
	depth  int
}

// Explore visits all states. The error has the way to the state that broke a rule.
func (m Machine[S]) Explore() (Report, error) {
	e := explorer[S]{m: m, seen: map[S]from[S]{m.Start: {}}, fair: map[S][]S{}}
	queue := []S{m.Start}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		fresh, err := e.visit(s)
		if err != nil {
			return e.report, err
		}
		queue = append(queue, fresh...)
	}
	return e.report, e.reach()
}

type explorer[S comparable] struct {
	m      Machine[S]
	seen   map[S]from[S]
	fair   map[S][]S // backwards: from where a fair move leads to the state
	goals  []S
	report Report
}

// visit checks one state and its moves, and returns the states that are new.
func (e *explorer[S]) visit(s S) (fresh []S, err error) {
	e.report.States++
	e.report.Depth = max(e.report.Depth, e.seen[s].depth)
	if e.report.States > e.m.Bound {
		return nil, fmt.Errorf("%w: %d", ErrBound, e.m.Bound)
	}
	if e.m.Holds != nil {
		if err := e.m.Holds(s); err != nil {
			return nil, e.broken(s, err)
		}
	}
	if e.m.Goal != nil && e.m.Goal(s) {
		e.goals = append(e.goals, s)
	}
	for _, move := range e.m.Moves(s) {
		e.report.Moves++
		known, err := e.take(s, move)
		if err != nil {
			return nil, err
		}
		if !known {
			fresh = append(fresh, move.To)
		}
	}
	return fresh, nil
}

// take notes one move and reports whether its end was known.
func (e *explorer[S]) take(s S, move Move[S]) (known bool, err error) {
	_, known = e.seen[move.To]
	if !known {
		e.seen[move.To] = from[S]{s, move.Name, e.seen[s].depth + 1}
	}
	if e.m.Step != nil {
		if err := e.m.Step(s, move.To); err != nil {
			return known, e.broken(s, fmt.Errorf("%s to %+v: %w", move.Name, move.To, err))
		}
	}
	if move.Fair {
		e.fair[move.To] = append(e.fair[move.To], s)
	}
	return known, nil
}

func (e *explorer[S]) broken(s S, err error) error {
	return fmt.Errorf("%w: %w\n%s", ErrBroken, err, e.trace(s))
}

// trace is the shortest way to a state.
func (e *explorer[S]) trace(s S) string {
	var lines []string
	for at := s; at != e.m.Start; at = e.seen[at].before {
		lines = append(lines, fmt.Sprintf("  %-24s %+v", e.seen[at].name, at))
	}
	slices.Reverse(lines)
	return strings.Join(lines, "\n")
}

// reach walks back from the goals over fair moves; what it does not find is stuck.
func (e *explorer[S]) reach() error {
	e.report.Goals = len(e.goals)
	if e.m.Goal == nil {
		return nil
	}
	can := map[S]bool{}
	for queue := e.goals; len(queue) > 0; {
		s := queue[0]
		queue = queue[1:]
		if can[s] {
			continue
		}
		can[s] = true
		queue = append(queue, e.fair[s]...)
	}
	for s := range e.seen {
		if !can[s] {
			return fmt.Errorf("%w\n%s", ErrStuck, e.trace(s))
		}
	}
	return nil
}
