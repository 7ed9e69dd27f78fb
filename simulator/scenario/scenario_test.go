package scenario

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"slices"
	"strings"
	"testing"

	"turnstile/central/pass"
	"turnstile/simulator/campus"
)

// TestLibrary plays the whole library by a played clock.
func TestLibrary(t *testing.T) {
	list, err := Library()
	if err != nil {
		t.Fatal(err)
	}
	played := 0
	for _, s := range list {
		if s.Only == "real" {
			continue
		}
		played++
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			r := Run(t.Context(), s, Options{})
			if !r.Passed() || r.Steps != len(s.Steps) || r.Checks == 0 {
				t.Errorf("%d of %d steps, %d checks\n%s\n%s", r.Steps, len(s.Steps), r.Checks, r.Failure, strings.Join(r.History, "\n"))
			}
		})
	}
	if played < 50 {
		t.Errorf("%d scenarios", played)
	}
}

// neverPlayed are reasons that a scenario cannot ask for: central has no call that
// supersedes a pass whose key still holds, or blocks a holder.
var neverPlayed = []pass.Reason{pass.Superseded, pass.HolderBlocked}

// needsBroker are the verbs of a campus with a broker of its own, which the library
// has none of.
var needsBroker = []string{"broker"}

// TestLibraryCovers holds the library to all reasons, all faults and all rules: each verb
// with each of its words and keys.
func TestLibraryCovers(t *testing.T) {
	list, err := Library()
	if err != nil {
		t.Fatal(err)
	}
	verbs, reasons := map[string]bool{}, map[string]bool{}
	for _, s := range list {
		for _, x := range s.Steps {
			if x.Act != nil {
				verbs[x.Act.Verb] = true
				for _, w := range x.Act.Words {
					verbs[x.Act.Verb+" "+w] = true
				}
				for key := range x.Act.Args {
					verbs[x.Act.Verb+" "+key+"="] = true
				}
				continue
			}
			for _, w := range x.Expect.Words {
				reasons[w] = true
			}
		}
	}
	for r := pass.Granted; r <= pass.WrongLane; r++ {
		if never := slices.Contains(neverPlayed, r); reasons[r.String()] == never {
			t.Errorf("%s: a scenario expects it: %t, and cannot: %t", r, !never, never)
		}
	}
	for _, v := range campus.Verbs() {
		if slices.Contains(needsBroker, v.Name) {
			continue
		}
		if !verbs[v.Name] {
			t.Errorf("no scenario has %s", v.Name)
		}
		for _, list := range v.Words {
			for _, word := range list {
				if !verbs[v.Name+" "+word] {
					t.Errorf("no scenario has %s %s", v.Name, word)
				}
			}
		}
		for _, key := range v.Keys {
			if !verbs[v.Name+" "+key+"="] {
				t.Errorf("no scenario has %s %s=", v.Name, key)
			}
		}
	}
}

// TestFailure: what is not as expected is told with its line, and stands in each report.
func TestFailure(t *testing.T) {
	s, err := Parse("wrong", "title: What <fails>\nissue alumna ecard\nscan north alumna\nexpect north REVOKED within=100ms\nexpect north fine")
	if err != nil {
		t.Fatal(err)
	}
	r := Report{Results: []Result{Run(t.Context(), s, Options{}), {Name: "b", Title: "other", Skipped: true}}}
	x := r.Results[0]
	if x.Passed() || x.Steps != 2 || !strings.HasPrefix(x.Failure, "wrong:4: expect north REVOKED") || !strings.Contains(x.Failure, "instead: GRANTED") || len(x.History) == 0 {
		t.Errorf("%+v", x)
	}
	var junit, out, text bytes.Buffer
	if err := r.JUnit(&junit); err != nil {
		t.Fatal(err)
	}
	var read suite
	if err := xml.Unmarshal(junit.Bytes(), &read); err != nil || read.Tests != 2 || read.Failures != 1 || read.Skipped != 1 || read.Cases[0].Failure.Message != x.Failure {
		t.Errorf("%+v, %v", read, err)
	}
	var again Report
	if err := r.JSON(&out); err != nil || json.Unmarshal(out.Bytes(), &again) != nil || again.Failed() != 1 {
		t.Errorf("%v: %s", err, out.String())
	}
	if r.Text(&text); !strings.Contains(text.String(), "FAILED") || !strings.Contains(text.String(), "2 scenarios, 1 failed") || !strings.Contains(text.String(), "the last events:") {
		t.Error(text.String())
	}
}

// TestKeepIsNew: a campus is not played on with what somebody else's left.
func TestKeepIsNew(t *testing.T) {
	s, err := Parse("x", "title: a\nexpect north fine")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if r := Run(t.Context(), s, Options{Keep: folder}); r.Passed() || r.Steps != 0 || !strings.Contains(r.Failure, folder) {
		t.Errorf("%+v", r)
	}
}

// TestPlayed: what was skipped was not played.
func TestPlayed(t *testing.T) {
	s, err := Parse("x", "title: a\nonly: real\nexpect north fine")
	if err != nil {
		t.Fatal(err)
	}
	r := Report{Results: []Result{Run(t.Context(), s, Options{})}}
	if r.Played() != 0 || r.Failed() != 0 {
		t.Errorf("%+v", r)
	}
}
