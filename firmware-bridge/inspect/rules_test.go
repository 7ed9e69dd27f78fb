package inspect

import (
	"errors"
	"os"
	"slices"
	"testing"
)

// TestRulesAreRules reads the rules that the tool prints, and holds the file for
// people to them.
func TestRulesAreRules(t *testing.T) {
	rules, err := ParseRules(Rules)
	if err != nil || len(rules) < 7 {
		t.Fatalf("%d rules, %v", len(rules), err)
	}
	file, err := os.ReadFile("../../configs/udev/70-turnstile.rules")
	if err != nil || string(file) != Rules {
		t.Errorf("configs/udev/70-turnstile.rules differs from what firmware-bridge udev prints: copy it (%v)", err)
	}
	groups := map[string]string{}
	for _, r := range rules {
		group, mode := r.value("GROUP"), r.value("MODE")
		if (group == "") != (mode == "") || mode != "" && mode != "0660" {
			t.Errorf("line %d: group %q with mode %q", r.Line, group, mode)
		}
		if subsystem := r.value("SUBSYSTEM"); subsystem == "" {
			t.Errorf("line %d speaks of every device", r.Line)
		} else if group != "" {
			groups[subsystem] = group
		}
	}
	if groups["tty"] != "dialout" || groups["gpio"] != "gpio" || groups["video4linux"] != "video" {
		t.Errorf("%v", groups)
	}
	if i := slices.IndexFunc(rules, func(r Rule) bool { return r.value("SYMLINK") != "" }); i < 0 || rules[i].value("SYMLINK") != "turnstile/$env{ID_PATH_TAG}" {
		t.Error("no stable name by the socket")
	}
}

// value is what a rule says of a key, "" if nothing.
func (r Rule) value(key string) string {
	for _, p := range r.Pairs {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

func TestBadRules(t *testing.T) {
	for _, text := range []string{
		`SUBSYSTEM`, `SUBSYSTEM==tty, MODE="0660"`, `SUBSYSTEM=="tty" MODE="0660"`, `SUBSYSTEM=="tty", MODE="0660`, `SUBSYSTEM=="tty", MODE="0660",`,
		`SUBSYSTEM="tty", MODE="0660"`, `SUBSYSTEM=="tty", MODE=="0660"`, `MODE="0660"`, `SUBSYSTEM=="tty"`, `SUBSYSTEM=="tty", ENV="1"`, `SUBSYSTEM=="tty", MODE{x}="1"`,
		`SUBSYSTEM=="tty", ENV{="1"`, `SUBSYSTEM=="tty", RUN+="/bin/sh"`, `=="tty"`,
	} {
		if rules, err := ParseRules(text); !errors.Is(err, ErrRule) {
			t.Errorf("%q: %+v, %v", text, rules, err)
		}
	}
}

func FuzzParseRules(f *testing.F) {
	f.Add(Rules)
	f.Add(`SUBSYSTEM=="tty", ENV{A}="1"`)
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ParseRules(text)
		if err != nil && !errors.Is(err, ErrRule) {
			t.Fatal(err)
		}
		for _, r := range rules {
			if len(r.Pairs) < 2 {
				t.Errorf("line %d has %d pairs", r.Line, len(r.Pairs))
			}
		}
	})
}
