package campus

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Act is one deed on a campus. As text it is a line such as
//
//	issue visitor guest entries=1 from=09:00
//	scan north visitor
//	revoke visitor reason="lost phone"
//
// A button of the page, a line of a scenario, a step of a drill and a line of a
// recording are all Acts.
type Act struct {
	Verb   string
	Target string            // a lane, a lane controller, a zone or a name, as the verb's syntax says
	Words  []string          // in the order of the syntax
	Args   map[string]string // nil: none
}

// Bounds of a line, in bytes and words.
const (
	MaxLine  = 4000
	maxWords = 40
)

// SyntaxError is a line that is no act.
type SyntaxError struct {
	Column int // in characters, from 1
	Fault  string
}

// Error names the column.
func (e *SyntaxError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Fault) }

// ErrSyntax is what every SyntaxError wraps.
var ErrSyntax = errors.New("no act")

// Unwrap returns ErrSyntax.
func (e *SyntaxError) Unwrap() error { return ErrSyntax }

// Parse reads an act. An error is a *SyntaxError that names what is wrong and what
// could stand there.
func Parse(line string) (Act, error) {
	words, err := Words(line)
	if err != nil {
		return Act{}, err
	}
	if len(words) == 0 {
		return Act{}, &SyntaxError{1, "want an act, such as: scan north alumna"}
	}
	v, ok := verb(words[0].Text)
	if !ok || words[0].Key != "" {
		return Act{}, &SyntaxError{words[0].Column, fmt.Sprintf("there is no act %q; there are %s", words[0].Text, names())}
	}
	a := Act{Verb: v.Name}
	var plain []string
	for _, w := range words[1:] {
		switch {
		case w.Key != "" && a.Args[w.Key] != "":
			return Act{}, &SyntaxError{w.Column, w.Key + " stands twice"}
		case w.Key != "":
			a.set(w.Key, w.Text)
		default:
			plain = append(plain, w.Text)
		}
	}
	if v.Target != "" && len(plain) > 0 {
		a.Target, plain = plain[0], plain[1:]
	}
	a.Words = plain
	if err := v.check(a, words); err != nil {
		return Act{}, err
	}
	return a, nil
}

func (a *Act) set(key, value string) {
	if a.Args == nil {
		a.Args = map[string]string{}
	}
	a.Args[key] = value
}

// String is the inverse of Parse.
func (a Act) String() string {
	parts := []string{a.Verb}
	if a.Target != "" {
		parts = append(parts, quote(a.Target))
	}
	for _, w := range a.Words {
		parts = append(parts, quote(w))
	}
	for _, k := range slices.Sorted(maps.Keys(a.Args)) {
		parts = append(parts, k+"="+quote(a.Args[k]))
	}
	return strings.Join(parts, " ")
}

// quote returns a word as it stands in a line.
func quote(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '"' || r == '=' || r == '#' })
	if plain {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Word is one word of a line, Key=Text or Text.
type Word struct {
	Key, Text string
	Column    int // in characters, from 1
}

// Words takes a line apart; # begins a comment. An error is a *SyntaxError.
func Words(line string) (words []Word, err error) {
	if len(line) > MaxLine || !utf8.ValidString(line) {
		return nil, &SyntaxError{1, fmt.Sprintf("want a line of text of at most %d bytes", MaxLine)}
	}
	s := splitter{rest: []rune(line)}
	for s.next() {
		if len(s.words) == maxWords {
			return nil, &SyntaxError{s.at + 1, fmt.Sprintf("want at most %d words", maxWords)}
		}
		if err := s.word(); err != nil {
			return nil, err
		}
	}
	return s.words, nil
}

type splitter struct {
	rest  []rune
	at    int
	words []Word
}

// next passes over spaces, and reports whether a word follows.
func (s *splitter) next() bool {
	for s.at < len(s.rest) && unicode.IsSpace(s.rest[s.at]) {
		s.at++
	}
	return s.at < len(s.rest) && s.rest[s.at] != '#'
}

func (s *splitter) word() error {
	w := Word{Column: s.at + 1}
	var b strings.Builder
	for s.at < len(s.rest) && !unicode.IsSpace(s.rest[s.at]) {
		r := s.rest[s.at]
		switch {
		case r == '"':
			if err := s.quoted(&b); err != nil {
				return err
			}
			continue
		case r == '=' && w.Key == "" && b.Len() > 0:
			w.Key = b.String()
			b.Reset()
		case unicode.IsControl(r):
			return &SyntaxError{s.at + 1, "a control character"}
		default:
			b.WriteRune(r)
		}
		s.at++
	}
	w.Text = b.String()
	if w.Text == "" {
		return &SyntaxError{w.Column, "an empty word"}
	}
	s.words = append(s.words, w)
	return nil
}

// quoted takes in what stands between quotation marks; \" and \\ are themselves.
func (s *splitter) quoted(b *strings.Builder) error {
	began := s.at + 1
	for s.at++; s.at < len(s.rest); s.at++ {
		r := s.rest[s.at]
		switch {
		case r == '"':
			s.at++
			return nil
		case r == '\\' && s.at+1 < len(s.rest):
			s.at++
			b.WriteRune(s.rest[s.at])
		case unicode.IsControl(r):
			return &SyntaxError{s.at + 1, "a control character"}
		default:
			b.WriteRune(r)
		}
	}
	return &SyntaxError{began, "a quotation mark that is not closed"}
}
