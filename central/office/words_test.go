package office

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// checkWords fails for a text that lacks, is too long for a row, or is not in
// the language that it says.
func checkWords(t *testing.T, of string, w Words) {
	t.Helper()
	for _, text := range []Text{w.Name, w.Meaning, w.Next} {
		if text.English == "" || text.Chinese == "" || text.In("en") != text.English || text.In("zh-Hant") != text.Chinese {
			t.Errorf("%s: %+v lacks a language", of, text)
		}
		han := 0
		for _, r := range text.Chinese {
			if unicode.Is(unicode.Han, r) {
				han++
			}
		}
		if han < 2 {
			t.Errorf("%s: %q is not Chinese", of, text.Chinese)
		}
	}
	if utf8.RuneCountInString(w.Name.English) > 32 {
		t.Errorf("%s: %q is no short name", of, w.Name.English)
	}
}

func TestReasonWords(t *testing.T) {
	names := map[string]pass.Reason{}
	for _, r := range pass.Reasons() {
		if _, ok := reasonWords[r]; !ok {
			t.Errorf("%s has no words", r)
		}
		w := ReasonWords(r)
		checkWords(t, r.String(), w)
		if other, ok := names[w.Name.English]; ok {
			t.Errorf("%s and %s have the same name", r, other)
		}
		names[w.Name.English] = r
	}
	if len(names) < 35 || len(reasonWords) != len(names) {
		t.Errorf("%d reasons, %d words", len(names), len(reasonWords))
	}
	if w := ReasonWords(250); w.Name.English != "REASON_250" || w.Next.English == "" {
		t.Errorf("of a newer lane: %+v", w)
	}
}

func TestEntryWords(t *testing.T) {
	if len(entryWords) < 25 {
		t.Errorf("%d types have words", len(entryWords))
	}
	for kind := range entryNames {
		if _, ok := entryWords[kind]; !ok {
			t.Errorf("%s has no words", entryName(kind))
		}
	}
	for kind, w := range entryWords {
		checkWords(t, entryName(kind), w)
		if entryNames[kind] == "" {
			t.Errorf("type %d has words and no name in the API", kind)
		}
	}
	if w := EntryWords(link.EntryType(200)); w.Name.English != "Type 200" {
		t.Errorf("of a newer lane: %+v", w)
	}
}

// TestAlarmWords: each code that central raises an alarm with has words. The
// sources are read, since the packages that raise them are not this one's.
func TestAlarmWords(t *testing.T) {
	found := map[string]bool{}
	for _, dir := range []string{"ledger", "supervisor", "exchange", "fleet", "status", "server"} {
		files, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || dir == "fleet" && filepath.Base(file) != "report.go" {
				continue // the other codes of package fleet are answers to installers
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range alarmCode.FindAllSubmatch(source, -1) {
				found[string(m[1])] = true
			}
		}
	}
	for code := range found {
		w, ok := alarmWords[code]
		if !ok {
			t.Errorf("%s has no words", code)
			continue
		}
		w.Meaning, w.Next.English = w.Name, "Look."
		checkWords(t, code, w)
	}
	if len(found) < 25 {
		t.Errorf("%d codes found: %v", len(found), found)
	}
	if w := AlarmWords("new_one", "Look."); w.Name.Chinese != "new_one" || w.Next.Chinese != "Look." || w.Next.English != "Look." {
		t.Errorf("of a newer central: %+v", w)
	}
	if w := AlarmWords("conflict", "See both."); w.Next.English != "See both." || w.Next.Chinese == "See both." {
		t.Errorf("%+v", w)
	}
}

// alarmCode are the places where a code of an alarm stands: a constant, the map of
// entry types, or a call.
var alarmCode = regexp.MustCompile(`(?:\b[cC]ode[A-Z][A-Za-z]*\s*=\s*|link\.Entry[A-Za-z]+:\s*|(?:Alarm|Raise|alarm)\(ctx, )"([a-z]+(?:_[a-z]+)*)"`)
