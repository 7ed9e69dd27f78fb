package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnstile/central/pass"
	"turnstile/simulator/campus"
)

// Expect is one expectation. It is looked at again and again until it holds or
// Within is over.
//
//	expect LANE REASON                what the lane decided last, such as GRANTED
//	expect LANE passed|not_passed|unknown   how that passage ended
//	expect LANE open|shut             whether somebody can walk
//	expect LANE signal NAME           what its lamp shows
//	expect LANE warning CODE          a warning of its controller stands
//	expect LANE fine                  none stands
//	expect LANE clock WORD            trusted, holdover, untrusted
//	expect LANE answers|silent        its controller's program
//	expect any WHAT                   one of the lanes is as said
//	expect NAME refused N             so many controllers refuse the pass
//	expect NAME ledger TYPE …         what the ledger has of the pass, in this order
//	expect central up|down
//	expect alarm KIND                 central raised it
//
// Each may have within=5s.
type Expect struct {
	What   string // a lane, the name of a pass, or a word of things
	Words  []string
	Within time.Duration
}

// usual is how long an expectation waits that says nothing else.
const (
	usual      = 15 * time.Second
	maxWaiting = 10 * time.Minute
)

// things are what is neither a lane nor a pass.
var things = []string{"central", "alarm", "any"}

// results are how a passage ends, as campus.Decision says it.
var results = map[string]string{"passed": "passed", "not_passed": "not passed", "unknown": "unknown"}

func (p *parser) expect(line string, words []campus.Word) {
	e, err := ParseExpect(words, p.passes)
	if err != nil {
		p.syntax(err)
		return
	}
	if !p.passes[e.What] && !p.isLane(e.What) && !slices.Contains(things, e.What) {
		p.fault(words[1].Column, "there is no lane %q, and no pass was issued by that name", e.What)
	}
	p.Steps = append(p.Steps, Step{Line: p.line, Text: strings.TrimSpace(line), Expect: e})
}

// ParseExpect reads an expectation, the first word of which is expect; passes are the
// names that acts before it gave. An error is a *campus.SyntaxError.
func ParseExpect(words []campus.Word, passes map[string]bool) (*Expect, error) {
	e := &Expect{Within: usual}
	for _, w := range words[1:] {
		switch {
		case w.Key == "within":
			d, err := time.ParseDuration(w.Text)
			if err != nil || d <= 0 || d > maxWaiting {
				return nil, &campus.SyntaxError{Column: w.Column, Fault: fmt.Sprintf("within= wants a time of at most %v, such as 5s", maxWaiting)}
			}
			e.Within = d
		case w.Key != "":
			return nil, &campus.SyntaxError{Column: w.Column, Fault: "an expectation has no " + w.Key + "=; it can have within="}
		case e.What == "":
			e.What = w.Text
		default:
			e.Words = append(e.Words, w.Text)
		}
	}
	if fault := e.check(passes); fault != "" {
		return nil, &campus.SyntaxError{Column: words[0].Column, Fault: fault}
	}
	return e, nil
}

// check returns what is wrong with an expectation, "" if nothing is.
func (e *Expect) check(passes map[string]bool) string {
	if e.What == "" || len(e.Words) == 0 {
		return "want whom and what, such as: expect north GRANTED"
	}
	first, one := e.Words[0], len(e.Words) == 1
	switch {
	case e.What == "central":
		if !one || first != "up" && first != "down" {
			return "want: expect central up, or down"
		}
	case e.What == "alarm":
		if !one {
			return "want one kind: expect alarm clone"
		}
	case passes[e.What] && first == "refused":
		if n, err := strconv.Atoi(e.Words[len(e.Words)-1]); len(e.Words) != 2 || err != nil || n < 0 {
			return "want a number of controllers: expect alumna refused 3"
		}
	case passes[e.What] && first == "ledger":
	default:
		return e.checkLane(first, one)
	}
	return ""
}

func (e *Expect) checkLane(first string, one bool) string {
	if slices.Contains([]string{"signal", "warning", "clock"}, first) {
		if len(e.Words) != 2 {
			return fmt.Sprintf("want one word behind %s", first)
		}
		return ""
	}
	_, reason := pass.ParseReason(first)
	known := reason || results[first] != "" || slices.Contains([]string{"open", "shut", "fine", "answers", "silent"}, first)
	if !known {
		return fmt.Sprintf("%q can be expected of nobody; see the package's list", first)
	}
	if !one {
		return "a word too many behind " + first
	}
	return ""
}

// Holds reports whether a view is as expected, and what it is instead.
func (e *Expect) Holds(v *campus.View) (ok bool, instead string) {
	switch e.What {
	case "central":
		return v.Central.Up == (e.Words[0] == "up"), word(v.Central.Up, "central is up", "central is down")
	case "alarm":
		return e.alarm(v)
	case "any":
		return e.anyLane(v)
	}
	if i := slices.IndexFunc(v.Lanes, func(l campus.Lane) bool { return l.ID == e.What }); i >= 0 {
		return e.lane(&v.Lanes[i])
	}
	if i := slices.IndexFunc(v.Passes, func(p campus.Pass) bool { return p.Name == e.What }); i >= 0 {
		return e.pass(v, &v.Passes[i])
	}
	return false, "there is no lane and no pass " + e.What
}

func word(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

func (e *Expect) alarm(v *campus.View) (bool, string) {
	var kinds []string
	for _, a := range v.Alarms {
		kinds = append(kinds, a.Kind)
	}
	return slices.Contains(kinds, e.Words[0]), fmt.Sprintf("alarms %q", kinds)
}

func (e *Expect) anyLane(v *campus.View) (bool, string) {
	var all []string
	for i := range v.Lanes {
		ok, instead := e.lane(&v.Lanes[i])
		if ok {
			return true, ""
		}
		all = append(all, v.Lanes[i].ID+": "+instead)
	}
	return false, strings.Join(all, ", ")
}

func (e *Expect) lane(l *campus.Lane) (bool, string) {
	first := e.Words[0]
	switch first {
	case "open", "shut":
		return l.Open == (first == "open"), word(l.Open, "open", "shut")
	case "answers", "silent":
		return l.Answers == (first == "answers"), word(l.Answers, "it answers", "it does not answer")
	case "signal":
		return l.Signal == e.Words[1], "signal " + l.Signal
	case "clock":
		return l.Clock == e.Words[1], "clock " + l.Clock
	case "warning", "fine":
		return e.warnings(l)
	}
	if l.Last == nil {
		return false, "nothing was decided"
	}
	if want, ok := results[first]; ok {
		return l.Last.Result == want, "result " + strconv.Quote(l.Last.Result)
	}
	return l.Last.Reason == first, l.Last.Reason
}

func (e *Expect) warnings(l *campus.Lane) (bool, string) {
	var codes []string
	for _, w := range l.Warnings {
		codes = append(codes, w.Code)
	}
	instead := fmt.Sprintf("warnings %q", codes)
	if e.Words[0] == "fine" {
		return len(codes) == 0, instead
	}
	return slices.Contains(codes, e.Words[1]), instead
}

func (e *Expect) pass(v *campus.View, p *campus.Pass) (bool, string) {
	if e.Words[0] == "refused" {
		return strconv.Itoa(p.Lanes) == e.Words[1], fmt.Sprintf("%d of %d controllers refuse it", p.Lanes, p.Of)
	}
	var types []string
	for _, row := range slices.Backward(v.Passages) {
		if row.Pass == p.Name {
			types = append(types, row.Type)
		}
	}
	return slices.Equal(types, e.Words[1:]), fmt.Sprintf("the ledger has %q", types)
}
