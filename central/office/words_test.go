package office

import (
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
