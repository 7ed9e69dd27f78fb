package scenario

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	s, err := Parse("day", "title: A day\nabout: one\r\nabout: two\nlanes: east west=3\nstart: 2026-11-23 08:30\nonly: played\n\n# comment\nissue alumna ecard\nscan east alumna # now\nexpect east GRANTED within=2s\nexpect alumna ledger granted passed\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.Title != "A day" || len(s.About) != 2 || len(s.Lanes) != 2 || s.Lanes[1].Zone != 3 || s.Only != "played" || s.Start.Format(time.RFC3339) != "2026-11-23T08:30:00+08:00" {
		t.Errorf("%+v", s)
	}
	if len(s.Steps) != 4 || s.Steps[1].Line != 10 || s.Steps[1].Act.Verb != "scan" || s.Steps[2].Expect.Within != 2*time.Second || len(s.Steps[3].Expect.Words) != 3 {
		t.Errorf("%+v", s.Steps)
	}
}

// TestMistakes: all of a file are named, each with its line and column.
func TestMistakes(t *testing.T) {
	for text, want := range map[string][]string{
		"": {"x:1:1", "x:1:1"}, "title: a": {"x:1:1"}, "title: a\nheal": {"x:2:1"},
		"title: a\ntitle: b\ncolour: red\nabout:\nonly: both\nstart: noon\nlanes: a=99\nheal\nonly: real\nexpect north GRANTED": {"x:2:1", "x:3:1", "x:4:1", "x:5:1", "x:6:1", "x:7:8", "x:9:1"},
		"title: a\njump\nfire north maybe\nscan north \"a\nexpect\nexpect north\nexpect north MAYBE\nexpect north GRANTED x\nexpect north GRANTED within=x\nexpect north GRANTED soon=1s\nexpect alumna refused 1\nexpect central\nexpect alarm a b\nexpect north warning\nexpect north fine": {
			"x:2:1", "x:3:12", "x:4:12", "x:5:1", "x:6:1", "x:7:1", "x:8:1", "x:9:22", "x:10:22", "x:11:1", "x:12:1", "x:13:1", "x:14:1"},
		"title: a\nissue alumna ecard\nexpect alumna refused many\nexpect alumna refused":             {"x:3:1", "x:4:1", "x:4:1"},
		"title: a\nonly: real\nstart: 2026-11-23 08:30\nexpect north fine":                            {"x:4:1"},
		"title: a\nlanes: east ../x east=1 =2 a/b=1\nstart: 9999-01-01 00:00\nexpect east fine":       {"x:2:13", "x:2:18", "x:2:25", "x:2:28", "x:3:1"},
		"title: a\nfire east on\ncable east cut\nscan north nobody\nrevoke nobody\nexpect nroth fine": {"x:2:1", "x:3:1", "x:4:1", "x:5:1", "x:6:8"},
		strings.Repeat("#", MaxSize+1):                                   {"x:1:1"},
		"title: a\n" + strings.Repeat("expect north fine\n", maxSteps+1): {"x:2002:1"},
	} {
		_, err := Parse("x", text)
		wrong, ok := errors.AsType[Mistakes](err)
		if !ok {
			t.Errorf("%.60q: %v", text, err)
			continue
		}
		lines := strings.Split(wrong.Error(), "\n")
		if len(lines) != len(want) {
			t.Errorf("%.60q: %q, want %q", text, lines, want)
			continue
		}
		for i, w := range want {
			if !strings.HasPrefix(lines[i], w+": ") {
				t.Errorf("%.60q: %q, want %s", text, lines[i], w)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	list, err := library.ReadDir("library")
	if err != nil || len(list) < 25 {
		f.Fatalf("%d scenarios, %v", len(list), err)
	}
	for _, e := range list {
		text, err := library.ReadFile("library/" + e.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("title: a\nexpect \"\" x\nexpect north GRANTED within=-1s\nlanes: =1 a=")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("x", text)
		if err != nil {
			wrong, ok := errors.AsType[Mistakes](err)
			if !ok || len(wrong) == 0 {
				t.Fatal(err)
			}
			for _, m := range wrong {
				if m.Line < 1 || m.Column < 1 || m.Fault == "" {
					t.Fatalf("%+v", m)
				}
			}
			return
		}
		if s.Title == "" || len(s.Steps) == 0 || len(s.Steps) > maxSteps {
			t.Fatalf("%+v", s)
		}
	})
}
