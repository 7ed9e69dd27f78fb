// Package scenario plays written scenarios on a campus: lines that say what is done
// and what is expected, with a report for people and one for programs.
//
//	title: A revoked card
//	rules 0 repeat=0s
//	issue alumna ecard
//	scan north alumna
//	expect north GRANTED
//	revoke alumna reason="lost phone"
//	expect alumna refused 3
//	scan north alumna
//	expect north REVOKED
//
// A line is a header, an act (package campus), an expectation, a comment behind # or
// empty. Headers stand above the first act:
//
//	title: TEXT          what is tried; needed
//	about: TEXT          for a guard who reads it; may be given again
//	lanes: ID[=ZONE] …   each with a controller of its own; without it campus.DefaultLanes
//	start: DAY TIME      of the played clock, such as 2026-11-23 08:30
//	only: real|played    where it can run; without it both ways
//
// After the last line the promises (package promise) are checked.
package scenario

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"turnstile/central/link"
	"turnstile/simulator/campus"
)

// Bounds of a scenario.
const (
	MaxSize  = 256 << 10 // bytes
	maxSteps = 2000
	maxTexts = 20 // of about
)

// Scenario is one written scenario.
type Scenario struct {
	Name  string // of its file
	Title string
	About []string
	Lanes []campus.LaneSpec // nil: campus.DefaultLanes
	Start time.Time         // of the played clock; zero: campus's own
	Only  string            // "real", "played"; "": both
	Steps []Step
}

// Step is one line that does or expects something: one of Act and Expect is set.
type Step struct {
	Line   int
	Text   string
	Act    *campus.Act
	Expect *Expect
}

// Mistake is a line that means nothing.
type Mistake struct {
	File   string
	Line   int
	Column int // in characters, from 1
	Fault  string
}

// Error is the mistake as compilers show theirs.
func (m *Mistake) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Fault)
}

// Mistakes are all of a file, by line.
type Mistakes []*Mistake

// Error has a line for each.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, x := range m {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// parser collects what a file says, and what is wrong with it.
type parser struct {
	Scenario
	line   int
	wrong  Mistakes
	seen   map[string]bool // headers
	passes map[string]bool // names that acts gave
}

// Parse reads a scenario; its error is Mistakes with every one of them.
func Parse(name, text string) (*Scenario, error) {
	p := &parser{Scenario: Scenario{Name: name}, seen: map[string]bool{}, passes: map[string]bool{}}
	if len(text) > MaxSize {
		p.fault(1, "%d bytes; a scenario has at most %d", len(text), MaxSize)
		return nil, p.wrong
	}
	for line := range strings.Lines(text) {
		p.line++
		p.take(strings.TrimRight(line, "\r\n"))
	}
	p.whole()
	if len(p.wrong) > 0 {
		return nil, p.wrong
	}
	return &p.Scenario, nil
}

func (p *parser) fault(column int, format string, args ...any) {
	p.wrong = append(p.wrong, &Mistake{p.Name, max(p.line, 1), column, fmt.Sprintf(format, args...)})
}

// whole finds what no single line lacks.
func (p *parser) whole() {
	if p.Title == "" {
		p.fault(1, "no title; the first line is  title: what is tried")
	}
	expects := 0
	for _, s := range p.Steps {
		if s.Expect != nil {
			expects++
		}
	}
	if expects == 0 {
		p.fault(1, "nothing is expected: a scenario that cannot fail tells nothing")
	}
	if !p.Start.IsZero() && p.Only == "real" {
		p.fault(1, "start: is for a played clock, and only: real has none")
	}
}

func (p *parser) take(line string) {
	words, err := campus.Words(line)
	switch {
	case err != nil:
		p.syntax(err)
	case len(words) == 0:
	case len(p.Steps) == maxSteps:
		p.fault(1, "more than %d steps", maxSteps)
	case isHeader(words[0]):
		p.header(strings.TrimSuffix(words[0].Text, ":"), strings.TrimSpace(line[strings.Index(line, ":")+1:]), words[1:])
	case words[0].Text == "expect":
		p.expect(line, words)
	default:
		p.act(line)
	}
}

func isHeader(w campus.Word) bool { return w.Key == "" && strings.HasSuffix(w.Text, ":") }

func (p *parser) syntax(err error) {
	var bad *campus.SyntaxError
	if errors.As(err, &bad) {
		p.fault(bad.Column, "%s", bad.Fault)
		return
	}
	p.fault(1, "%s", err)
}

func (p *parser) act(line string) {
	a, err := campus.Parse(line)
	if err != nil {
		p.syntax(err)
		return
	}
	p.Steps = append(p.Steps, Step{Line: p.line, Text: strings.TrimSpace(line), Act: &a})
	p.names(a)
}

// header takes one of the lines above the steps.
func (p *parser) header(name, value string, words []campus.Word) {
	switch {
	case len(p.Steps) > 0:
		p.fault(1, "%s: stands above the first act", name)
		return
	case value == "":
		p.fault(1, "%s: says nothing", name)
		return
	case p.seen[name] && name != "about":
		p.fault(1, "%s: stands twice", name)
		return
	}
	p.seen[name] = true
	switch name {
	case "title":
		p.Title = value
	case "about":
		p.about(value)
	case "lanes":
		p.lanes(words)
	case "start":
		p.start(value)
	case "only":
		p.only(value)
	default:
		p.fault(1, "there is no header %q; there are title, about, lanes, start, only", name)
	}
}

func (p *parser) about(value string) {
	if len(p.About) == maxTexts {
		p.fault(1, "about: at most %d times", maxTexts)
		return
	}
	p.About = append(p.About, value)
}

func (p *parser) only(value string) {
	if value != "real" && value != "played" {
		p.fault(1, "only: want real or played")
		return
	}
	p.Only = value
}

func (p *parser) start(value string) {
	at, err := time.ParseInLocation("2006-01-02 15:04", value, campus.Zone())
	if err != nil || !campus.Holds(at) {
		p.fault(1, "start: want a day and a time of 2020 to 2079, such as 2026-11-23 08:30")
		return
	}
	p.Start = at
}

func (p *parser) lanes(words []campus.Word) {
	for _, w := range words {
		id, zone := w.Text, 0
		if w.Key != "" {
			n, err := strconv.Atoi(w.Text)
			if err != nil || n < 0 || n > 15 {
				p.fault(w.Column, "want a zone of 0 to 15 behind %s=", w.Key)
				continue
			}
			id, zone = w.Key, n
		}
		if !link.ValidID(id) || p.isLane(id) && p.Lanes != nil {
			p.fault(w.Column, "%q: want letters and digits that no lane before it has", id)
			continue
		}
		p.Lanes = append(p.Lanes, campus.LaneSpec{ID: id, Name: id, Controller: id, Zone: zone})
	}
}
