package drill

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnstile/simulator/campus"
	"turnstile/simulator/scenario"
)

// Bounds of a drill.
const (
	MaxSize       = 64 << 10 // bytes
	maxLines      = 1000
	maxSituations = 12
	minChoices    = 3
	maxChoices    = 5
	minSeconds    = 5
	maxSeconds    = 600
	maxPoints     = 50
)

// What a drill has that does not say it.
const (
	usualSeconds = 45
	usualPoints  = 10
	usualPass    = 70
)

// Mistake is a line that means nothing, or something that lacks.
type Mistake = scenario.Mistake

// Mistakes are all of a file, by line.
type Mistakes = scenario.Mistakes

//go:embed drills/*.txt
var files embed.FS

// Library returns the drills that come with the simulator, in the order in which they
// are learned.
func Library() ([]*Drill, error) {
	paths, err := fs.Glob(files, "drills/*.txt")
	if err != nil {
		return nil, fmt.Errorf("list drills: %w", err)
	}
	slices.Sort(paths)
	var list []*Drill
	for _, path := range paths {
		text, err := files.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read drill: %w", err)
		}
		_, name, _ := strings.Cut(strings.TrimSuffix(path, ".txt"), "-") // behind its number
		d, err := Parse(name, string(text))
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// parser collects what a file says, and what is wrong with it.
type parser struct {
	Drill
	file  string
	line  int
	wrong Mistakes
	seen  map[string]bool // keys of the drill, or of the situation, that stand once
	names map[string]bool // passes that were issued so far
	now   *Situation      // nil: above the first one
	began int             // its line
	why   *string         // what a because would explain
}

// Parse reads a drill; its error is Mistakes with every one of them.
func Parse(name, text string) (*Drill, error) {
	p := &parser{Drill: Drill{Name: name, Pass: usualPass}, file: name, seen: map[string]bool{}, names: map[string]bool{}}
	if len(text) > MaxSize || strings.Count(text, "\n") > maxLines {
		p.fault(1, "a drill has at most %d bytes and %d lines", MaxSize, maxLines)
		return nil, p.wrong
	}
	for line := range strings.Lines(text) {
		p.line++
		p.take(strings.TrimSpace(line))
	}
	p.end()
	p.whole()
	if len(p.wrong) > 0 {
		slices.SortStableFunc(p.wrong, func(a, b *Mistake) int { return a.Line - b.Line })
		return nil, p.wrong
	}
	return &p.Drill, nil
}

func (p *parser) fault(column int, format string, args ...any) {
	p.faultAt(p.line, column, format, args...)
}

func (p *parser) faultAt(line, column int, format string, args ...any) {
	p.wrong = append(p.wrong, &Mistake{File: p.file, Line: max(line, 1), Column: column, Fault: fmt.Sprintf(format, args...)})
}

func (p *parser) take(line string) {
	if line == "" || strings.HasPrefix(line, "#") {
		return
	}
	key, value, ok := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch {
	case !ok:
		p.fault(1, "want a key and a text, such as  story: A student comes.")
	case value == "":
		p.fault(1, "%s: says nothing", key)
	case key == "situation":
		p.end()
		p.begin(value)
	case p.now == nil:
		p.header(key, value)
	default:
		p.situation(key, value, len([]rune(line))-len([]rune(value)))
	}
}

// once reports that a key stands for the first time.
func (p *parser) once(key string) bool {
	if p.seen[key] {
		p.fault(1, "%s: stands twice", key)
		return false
	}
	p.seen[key] = true
	return true
}

func (p *parser) header(key, value string) {
	switch key {
	case "title":
		if p.once(key) {
			p.Title = value
		}
	case "learn":
		p.Learn = append(p.Learn, value)
	case "brief":
		p.Brief = append(p.Brief, value)
	case "lanes":
		if p.once(key) {
			p.Lanes = strings.Fields(value)
		}
	case "pass":
		if p.once(key) {
			p.Pass = p.number(key, value, 1, 100)
		}
	default:
		p.fault(1, "above the first situation there are title, learn, brief, lanes, pass, and no %q", key)
	}
}

func (p *parser) number(key, value string, least, most int) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		p.fault(1, "%s: wants a number of %d to %d", key, least, most)
		return least
	}
	return n
}

func (p *parser) begin(name string) {
	if len(p.Situations) == maxSituations {
		p.fault(1, "more than %d situations", maxSituations)
	}
	p.seen, p.why, p.began = map[string]bool{}, nil, p.line
	p.now = &Situation{Name: name, Limit: usualSeconds * time.Second, Points: usualPoints}
}

// situation takes a line of a situation; its value begins behind so many characters.
func (p *parser) situation(key, value string, before int) {
	s := p.now
	switch key {
	case "seconds":
		if p.once(key) {
			s.Limit = time.Duration(p.number(key, value, minSeconds, maxSeconds)) * time.Second
		}
	case "points":
		if p.once(key) {
			s.Points = p.number(key, value, 1, maxPoints)
		}
	case "story":
		s.Story = append(s.Story, value)
	case "ask", "task":
		if p.once("ask or task") {
			s.Ask = value
			p.seen[key] = true
		}
	case "remember":
		if p.once(key) {
			s.Remember = value
		}
	case "right", "wrong":
		s.Choices = append(s.Choices, Choice{Text: value, Right: key == "right"})
		p.why = &s.Choices[len(s.Choices)-1].Why
	case "goal":
		p.goal(value, before)
	case "mistake":
		s.Mistakes = append(s.Mistakes, Mistaken{Begin: value})
		p.why = &s.Mistakes[len(s.Mistakes)-1].Why
	case "because":
		p.because(value)
	default:
		p.step(key, value, before)
	}
}

func (p *parser) because(value string) {
	switch {
	case p.why == nil:
		p.fault(1, "because: stands behind right, wrong, goal or mistake")
	case *p.why != "":
		*p.why += " " + value
	default:
		*p.why = value
	}
}

func (p *parser) goal(value string, before int) {
	a, err := campus.Parse(value)
	if err != nil {
		p.syntax(err, before)
		return
	}
	p.known(a)
	p.now.Goals = append(p.now.Goals, Goal{Act: a})
	p.why = &p.now.Goals[len(p.now.Goals)-1].Why
}

func (p *parser) syntax(err error, before int) {
	var bad *campus.SyntaxError
	if errors.As(err, &bad) {
		p.fault(bad.Column+before, "%s", bad.Fault)
		return
	}
	p.fault(1, "%s", err)
}

// step takes a line of what is done or expected before or after the answer.
func (p *parser) step(key, value string, before int) {
	when, only, _ := strings.Cut(key, ".")
	if when != "stage" && when != "then" || only != "" && only != "real" && only != "played" {
		p.fault(1, "a situation has seconds, points, stage, story, ask or task, right, wrong, goal, mistake, because, then, remember, and no %q", key)
		return
	}
	step := Step{Line: p.line, Text: value, Only: only}
	words, err := campus.Words(value)
	if err == nil && len(words) > 0 && words[0].Text == "expect" {
		step.Expect, err = scenario.ParseExpect(words, p.names)
	} else if err == nil {
		var a campus.Act
		a, err = campus.Parse(value)
		step.Act = &a
		p.known(a)
	}
	if err != nil {
		p.syntax(err, before)
		return
	}
	if when == "stage" {
		p.now.Stage = append(p.now.Stage, step)
		return
	}
	p.now.Then = append(p.now.Then, step)
}

// known notes the pass that an act makes, and finds those that none made.
func (p *parser) known(a campus.Act) {
	for _, name := range names(a) {
		switch {
		case a.Verb == "issue" || a.Verb == "supervisor":
			p.names[name] = true
		case !p.names[name]:
			p.fault(1, "nobody issued %q before", name)
		}
	}
}

// end finds what a situation lacks.
func (p *parser) end() {
	s := p.now
	if s == nil {
		return
	}
	lacks := func(format string, args ...any) { p.faultAt(p.began, 1, format, args...) }
	rights := 0
	for _, c := range s.Choices {
		if c.Right {
			rights++
		}
		if c.Why == "" {
			lacks("%q is not explained; a line because: belongs behind it", c.Text)
		}
	}
	switch n := len(s.Choices); {
	case s.Ask == "":
		lacks("the situation asks nothing: it wants ask: or task:")
	case p.seen["task"] && (len(s.Goals) == 0 || n > 0):
		lacks("a task has a goal, and nothing to choose")
	case p.seen["ask"] && (n < minChoices || n > maxChoices || rights != 1 || len(s.Goals) > 0):
		lacks("a question has %d to %d choices, one of them right, and no goal", minChoices, maxChoices)
	}
	for _, g := range s.Goals {
		if g.Why == "" {
			lacks("the goal %q is not explained; a line because: belongs behind it", g.Act)
		}
	}
	for _, m := range s.Mistakes {
		if m.Why == "" {
			lacks("the mistake %q is not explained; a line because: belongs behind it", m.Begin)
		}
	}
	if len(s.Story) == 0 || s.Remember == "" {
		lacks("a situation has a story: and something to remember:")
	}
	p.Situations = append(p.Situations, *s)
	p.now = nil
}

// whole finds what the drill lacks.
func (p *parser) whole() {
	if p.Title == "" || len(p.Learn) == 0 || len(p.Brief) == 0 {
		p.faultAt(1, 1, "a drill has a title:, something to learn: and a brief:")
	}
	if len(p.Situations) == 0 {
		p.faultAt(1, 1, "no situation")
	}
	if len(p.Lanes) == 0 {
		p.Lanes = []string{"north", "south"}
	}
	expects := 0
	for _, s := range p.Situations {
		for _, step := range slices.Concat(s.Stage, s.Then) {
			if step.Expect != nil {
				expects++
			}
		}
	}
	if expects == 0 {
		p.faultAt(1, 1, "nothing is expected: what the drill says could be wrong, and nobody would notice")
	}
}

// names are the passes that an act is about.
func names(a campus.Act) []string {
	switch a.Verb {
	case "issue", "shot", "forge", "revoke", "hold", "release", "reissue":
		return []string{a.Target}
	case "supervisor":
		return a.Words[:1]
	case "scan":
		return a.Words[:min(len(a.Words), 1)]
	}
	return nil
}

// rename returns an act about passes of other names.
func rename(a campus.Act, as func(string) string) campus.Act {
	switch a.Verb {
	case "supervisor", "scan":
		a.Words = slices.Clone(a.Words)
		for i := range min(len(a.Words), 1) {
			a.Words[i] = as(a.Words[i])
		}
	default:
		if len(names(a)) > 0 {
			a.Target = as(a.Target)
		}
	}
	return a
}
