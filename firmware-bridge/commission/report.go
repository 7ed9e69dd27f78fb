// Package commission proves the wires of a lane step by step and makes a signed report of it.
//
// A run walks through a fixed list of steps (Plan): what the scanners read and how
// fast, whether the gate opens both ways for one person and shuts again, what its
// inputs report, how clean the lines are. Each step ends as passed, failed, skipped
// or not possible, with what was measured and, when it failed, what to do next. A
// report is written anew after each step, so a run that is broken off leaves what
// was found until then, and says that it is incomplete.
//
// # What the signature means
//
// The report is signed with a key of the installer (Ed25519). Who knows that
// key's fingerprint from elsewhere can tell that the report is the one its owner
// signed, and that not a character of it changed since. It does not say that the
// owner was honest or present (whoever holds the key file signs what he likes), that
// the date is right (it is this computer's clock), or that the lane works today. The
// page for printing is made of the report and is not signed itself.
package commission

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Form is the name and version of the report's form. History:
//
//	1 (2026-11): first.
const Form = "turnstile commissioning report 1"

// Limits of what a report may hold; Verify refuses more.
const (
	MaxReport  = 1 << 20 // bytes of the file
	maxText    = 400     // bytes of one text
	maxEntries = 500     // of each list
)

// Outcome is how a step ended.
type Outcome string

// All outcomes.
const (
	Passed      Outcome = "passed"
	Failed      Outcome = "failed"
	Skipped     Outcome = "skipped"      // by a person, or because the run ended before; Reason says
	NotPossible Outcome = "not possible" // with these devices, or after what failed before; Reason says
)

// Value is one thing that was measured or seen: a number with its unit, or a text.
type Value struct {
	Name   string   `json:"name"`
	Number *float64 `json:"number,omitempty"`
	Unit   string   `json:"unit,omitempty"` // such as "ms"; "" for a count
	Text   string   `json:"text,omitempty"`
}

// Result is one step and how it ended.
type Result struct {
	Step    Step      `json:"step"`
	Subject string    `json:"subject"` // which scanner or gate, such as "entry"
	Outcome Outcome   `json:"outcome"`
	Reason  string    `json:"reason,omitempty"` // why it did not pass
	Next    string    `json:"next,omitempty"`   // what to do
	Values  []Value   `json:"values"`
	Began   time.Time `json:"began"`
	Took    float64   `json:"tookSeconds"`
}

// Device is one thing on the lane's wires.
type Device struct {
	Subject string `json:"subject"` // as in Result
	Kind    string `json:"kind"`    // "scanner" or "gate"
	Driver  string `json:"driver"`
	Path    string `json:"path"`           // of its port or lines
	Named   string `json:"named"`          // as it or its USB plug names itself; hostile text
	Rate    int    `json:"baud,omitempty"` // bits per second found or used
}

// Report is what a run found.
type Report struct {
	Form      string    `json:"form"`
	Lane      string    `json:"lane"`
	Installer string    `json:"installer"`
	Computer  string    `json:"computer"` // host name, kernel, processor
	Tool      string    `json:"tool"`     // version
	Began     time.Time `json:"began"`
	Ended     time.Time `json:"ended"`    // of the last step that is in it
	Complete  bool      `json:"complete"` // every step of the plan was reached
	Verdict   Verdict   `json:"verdict"`
	Devices   []Device  `json:"devices"`
	Results   []Result  `json:"results"`
}

// Verdict is what a report says in one word or two.
type Verdict string

// All verdicts.
const (
	Good       Verdict = "passed"
	GoodButFor Verdict = "passed with gaps" // nothing failed; something was skipped or was not possible
	Bad        Verdict = "failed"
	Incomplete Verdict = "incomplete" // the run was broken off; nothing failed until then
)

// verdict judges results.
func verdict(results []Result, complete bool) Verdict {
	v := Good
	for _, r := range results {
		switch r.Outcome {
		case Failed:
			return Bad
		case Skipped, NotPossible:
			v = GoodButFor
		}
	}
	if !complete || len(results) == 0 {
		return Incomplete
	}
	return v
}

// clean makes s fit for a report: valid, printable, short. Devices and people
// write what they like.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	for len(s) > maxText {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return strings.TrimSpace(s)
}

// cleaned returns r with every text made fit and every list short enough.
func cleaned(r Report) Report {
	for _, s := range []*string{&r.Lane, &r.Installer, &r.Computer, &r.Tool} {
		*s = clean(*s)
	}
	r.Devices = append([]Device{}, r.Devices[:min(len(r.Devices), maxEntries)]...)
	for i := range r.Devices {
		d := &r.Devices[i]
		d.Subject, d.Driver, d.Path, d.Named = clean(d.Subject), clean(d.Driver), clean(d.Path), clean(d.Named)
	}
	r.Results = append([]Result{}, r.Results[:min(len(r.Results), maxEntries)]...)
	for i := range r.Results {
		e := &r.Results[i]
		e.Subject, e.Reason, e.Next = clean(e.Subject), clean(e.Reason), clean(e.Next)
		e.Values = append([]Value{}, e.Values[:min(len(e.Values), maxEntries)]...)
		for j := range e.Values {
			e.Values[j].Name, e.Values[j].Text = clean(e.Values[j].Name), clean(e.Values[j].Text)
		}
	}
	return r
}

// text is a Value that is words.
func text(name, words string) Value { return Value{Name: name, Text: words} }

// count is a Value without a unit.
func count[T ~int | ~uint64](name string, n T) Value { return number(name, float64(n), "") }

// millis is a Value in milliseconds, to a tenth.
func millis(name string, d time.Duration) Value {
	return number(name, float64(d.Round(100*time.Microsecond))/float64(time.Millisecond), "ms")
}

func number(name string, n float64, unit string) Value {
	return Value{Name: name, Number: &n, Unit: unit}
}
