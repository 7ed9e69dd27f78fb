package campus

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]Act{
		`scan north alumna`:              {Verb: "scan", Target: "north", Words: []string{"alumna"}},
		`scan north alumna shot`:         {Verb: "scan", Target: "north", Words: []string{"alumna", "shot"}},
		`  wait   2s # a while`:          {Verb: "wait", Words: []string{"2s"}},
		`heal`:                           {Verb: "heal"},
		`withdraw #`:                     {Verb: "withdraw"},
		`clock liar -24h`:                {Verb: "clock", Target: "liar", Words: []string{"-24h"}},
		`broker kill`:                    {Verb: "broker", Words: []string{"kill"}},
		`scan north text="a=\"b\" # \\"`: {Verb: "scan", Target: "north", Args: map[string]string{"text": `a="b" # \`}},
		`revoke "陳 小姐" reason="遺失 電話"`:       {Verb: "revoke", Target: "陳 小姐", Args: map[string]string{"reason": "遺失 電話"}},
		`issue v guest from=09:00 entries=1`: {Verb: "issue", Target: "v", Words: []string{"guest"}, Args: map[string]string{"from": "09:00", "entries": "1"}},
	} {
		got, err := Parse(line)
		if err != nil || !got.equal(want) {
			t.Errorf("%s: %+v, %v", line, got, err)
			continue
		}
		if again, err := Parse(got.String()); err != nil || !again.equal(got) {
			t.Errorf("%s comes back as %s: %+v, %v", line, got, again, err)
		}
	}
}

func (a Act) equal(b Act) bool {
	return a.Verb == b.Verb && a.Target == b.Target && slices.Equal(a.Words, b.Words) && maps.Equal(a.Args, b.Args)
}

func TestParseRefuses(t *testing.T) {
	for line, column := range map[string]int{
		``: 1, `# nothing`: 1, `jump north`: 1, `Scan north x`: 1, `scan=north`: 1,
		`fire`: 1, `fire north`: 1, `fire north maybe`: 12, `fire north on off`: 15,
		`scan north text="open`: 17, `scan north alumna shot x=1`: 24, `wait 2s  day=today`: 10,
		`revoke alumna reason=a reason=b`: 24, `scan north ""`: 12, "scan north a\x00b": 13,
		"scan north \xff": 1, strings.Repeat("a", MaxLine+1): 1, `scan ` + strings.Repeat("a ", maxWords): 84,
	} {
		_, err := Parse(line)
		bad, ok := errors.AsType[*SyntaxError](err)
		if !ok || !errors.Is(err, ErrSyntax) || bad.Column != column || bad.Fault == "" {
			t.Errorf("%.40q: %v, want column %d", line, err, column)
		}
	}
}

// TestVerbs: each verb has what a page and a person need of it.
func TestVerbs(t *testing.T) {
	seen, faults := map[string]bool{}, 0
	for _, v := range Verbs() {
		if seen[v.Name] || v.About == "" || v.Group == "" || v.Least > len(v.Words) {
			t.Errorf("%+v", v)
		}
		seen[v.Name] = true
		if v.Undo == "" {
			continue
		}
		faults++
		if v.Guard == "" {
			t.Errorf("%s is a fault, and nobody says what a guard does", v.Name)
		}
		if len(v.Words[0]) > 0 && !slices.Contains(v.Words[0], v.Undo) {
			t.Errorf("%s is not taken off by %s", v.Name, v.Undo)
		}
	}
	if len(seen) < 25 || faults < 12 {
		t.Errorf("%d verbs, %d faults", len(seen), faults)
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{`issue a guest zones=0,1 live=yes`, `scan north text="x \" y"`, `clock liar 1970`, `mode 0 lockdown reason="a b"`, `x=`, `"`, `scan n "a`} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		a, err := Parse(line)
		if err != nil {
			if bad, ok := errors.AsType[*SyntaxError](err); !ok || bad.Column < 1 || bad.Column > len([]rune(line))+1 {
				t.Fatalf("%v", err)
			}
			return
		}
		if again, err := Parse(a.String()); err != nil || !again.equal(a) {
			t.Fatalf("%q becomes %q: %+v, %v", line, a.String(), again, err)
		}
	})
}
