package drill

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"turnstile/agent/display"
	"turnstile/central/pass"
)

// mistaken has a mistake in most of its lines.
const mistaken = `title: One
title: Two
lean: x
pass: 101
situation: First
seconds: 2
stage: sing north
stage: scan north nobody
stage: expect north SUNNY
stage.sometimes: wait 1s
because: of nothing
ask: What now?
right: This
wrong: That
because: no
task: Do it
goal: mode 0 shut
nothing here
story:
`

func TestAllMistakesAreListed(t *testing.T) {
	_, err := Parse("bad", mistaken)
	list, ok := errors.AsType[Mistakes](err)
	if !ok {
		t.Fatal(err)
	}
	lines := map[int]int{}
	for _, m := range list {
		lines[m.Line]++
		if m.Column < 1 || m.Fault == "" || m.File != "bad" {
			t.Errorf("%+v", m)
		}
	}
	for _, want := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19} {
		if lines[want] == 0 {
			t.Errorf("nothing is said about line %d:\n%v", want, err)
		}
	}
	for i := 1; i < len(list); i++ {
		if list[i].Line < list[i-1].Line {
			t.Errorf("line %d stands behind line %d", list[i].Line, list[i-1].Line)
		}
	}
}

func TestBounds(t *testing.T) {
	for name, text := range map[string]string{
		"bytes":      "title: " + strings.Repeat("x", MaxSize),
		"lines":      strings.Repeat("\n", maxLines+2),
		"situations": strings.Repeat("situation: x\n", maxSituations+1),
		"empty":      "",
	} {
		if _, err := Parse(name, text); err == nil {
			t.Errorf("%s: no mistake is found", name)
		}
	}
}

func TestLibraryIsWhole(t *testing.T) {
	list, err := Library()
	must(t, err)
	seen := map[string]bool{}
	for _, d := range list {
		if seen[d.Name] {
			t.Errorf("two drills are called %s", d.Name)
		}
		seen[d.Name] = true
	}
	for _, name := range []string{"shared-screenshot", "revoked-at-rush-hour", "network-down", "fire", "tailgater", "lost-phone", "lockdown", "dead-scanner",
		"two-people-one-code", "wrong-day", "supervisor-code", "power-back", "wrong-clock", "damaged-print"} {
		if !seen[name] {
			t.Errorf("there is no drill %s", name)
		}
	}
}

// quoted is what stands between curly quotation marks.
var quoted = regexp.MustCompile(`“([^”]+)”`)

// TestQuotesAreTrue holds what drills quote from a lane's display to what it shows.
func TestQuotesAreTrue(t *testing.T) {
	shows := map[string]bool{"Scan your code": true}
	for _, r := range pass.Reasons() {
		w := display.WordsOf(r).EN
		shows[w.What], shows[w.What+"."], shows[w.Next] = true, true, true
		for _, sentence := range strings.SplitAfter(w.Next, ". ") {
			shows[strings.TrimSpace(sentence)] = true
		}
	}
	own := map[string]bool{ // what is no display: names, buttons, alarms
		"student": true, "slip": true, "other": true, "Tailgated": true, "Gate forced": true, "Housing opened": true, "Supervisor code used": true}
	short := map[string]string{"Not valid yet": "Your code is not valid yet", "no longer valid": "Your code is no longer valid", "out of date": "This code is out of date",
		"Inside already": "This pass is inside already", "inside already": "This pass is inside already", "Scan again": "Please scan it again. A print must be clean and flat.",
		"Please scan it again. A print must be clean and flat.": "Please scan it again. A print must be clean and flat.", "Cannot check your code now": "This lane cannot check your code now", "not valid yet": "Your code is not valid yet"}
	list, err := Library()
	must(t, err)
	found := 0
	for _, d := range list {
		text, err := files.ReadFile("drills/" + numbered(t, d.Name))
		must(t, err)
		for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
			found++
			q := m[1]
			if full := short[q]; full != "" {
				q = full
			}
			if !shows[q] && !own[q] {
				t.Errorf("%s quotes %q, and no lane says that", d.Name, m[1])
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d quotations found", found)
	}
}

// numbered is the file of a drill.
func numbered(t *testing.T, name string) string {
	t.Helper()
	entries, err := files.ReadDir("drills")
	must(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "-"+name+".txt") {
			return e.Name()
		}
	}
	t.Fatalf("no file of %s", name)
	return ""
}

func FuzzParse(f *testing.F) {
	f.Add(mistaken)
	entries, err := files.ReadDir("drills")
	if err != nil || len(entries) < 12 {
		f.Fatal(len(entries), err)
	}
	for _, e := range entries {
		text, err := files.ReadFile("drills/" + e.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse("fuzz", text)
		if err != nil {
			if list, ok := errors.AsType[Mistakes](err); !ok || len(list) == 0 {
				t.Fatalf("an error without a mistake: %v", err)
			}
			return
		}
		if d.Possible() <= 0 || len(d.Situations) > maxSituations || d.Title == "" {
			t.Fatalf("a drill that is none: %+v", d)
		}
		for i := range d.Situations {
			if s := &d.Situations[i]; s.Task() == (len(s.Choices) > 0) || s.Limit <= 0 {
				t.Fatalf("a situation that is none: %+v", s)
			}
		}
	})
}
