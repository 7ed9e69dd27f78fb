package netid

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"

	"turnstile/central/letters"
)

var han = regexp.MustCompile(`\p{Han}`)

// TestWords: each reason has words in both languages, and says the next step.
func TestWords(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "refuse.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Type != nil {
			if id, ok := v.Type.(*ast.Ident); ok && id.Name == "Reason" {
				declared++
			}
		}
		return true
	})
	if declared < 18 || len(Reasons()) != declared {
		t.Errorf("%d reasons, %d with words", declared, len(Reasons()))
	}
	for _, r := range Reasons() {
		for _, lang := range []letters.Language{letters.English, letters.Chinese, letters.Both} {
			w := r.Words(lang)
			if w.What == "" || w.Next == "" || w.What == w.Next {
				t.Errorf("%s in %q: %+v", r, lang, w)
			}
			if chinese := lang == letters.Chinese; han.MatchString(w.What) != chinese || han.MatchString(w.Next) != chinese {
				t.Errorf("%s in %q: %+v", r, lang, w)
			}
		}
		if err := error(&Refusal{Reason: r}); !errors.Is(err, r) {
			t.Errorf("%s is not found in %v", r, err)
		}
	}
}

func TestAlias(t *testing.T) {
	for name, want := range map[string]string{
		"Tai Man CHAN": "tai-man.chan", "CHAN Tai Man": "tai-man.chan", "Ada Lovelace": "ada.lovelace", "Madonna": "madonna", "CHAN": "chan",
		"Tai Man CHAN 2": "tai-man.chan-2", "CHAN Tai Man 2": "tai-man.chan-2", "AU YEUNG Ka Ho": "ka-ho.au-yeung", "Mary A SMITH": "mary-a.smith",
		"Anne-Marie  O": "anne-marie.o", "ADA LOVELACE": "ada.lovelace", "R2 D2": "r2.d2", "A--B C": "c.a-b", "x9 2": "x9-2",
	} {
		n, err := ParseName(name)
		if err != nil || n.Alias != want {
			t.Errorf("%s: %s, %v; want %s", name, n.Alias, err, want)
		}
	}
}

// aliasForm is the local part of an address that every mail server takes.
var aliasForm = regexp.MustCompile(`^[a-z0-9]+([-.][a-z0-9]+)*$`)

// FuzzParseName: whatever is taken has an alias that is an address, and stays the
// same when it is read again.
func FuzzParseName(f *testing.F) {
	for _, s := range []string{"Tai Man CHAN", "CHAN Tai Man 2", "A-B", "-", "a\x00b", "A - - B", "陳大文", strings.Repeat("a ", 40), "1 A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		n, err := ParseName(typed)
		if err != nil {
			if !errors.Is(err, NameForm) {
				t.Error(err)
			}
			return
		}
		if !aliasForm.MatchString(n.Alias) || len(n.Alias) > 64 {
			t.Errorf("%q gives the alias %q", typed, n.Alias)
		}
		if again, err := ParseName(n.Display); err != nil || again != n {
			t.Errorf("%q is %+v and then %+v, %v", typed, n, again, err)
		}
	})
}

// FuzzAddress: whatever is taken is one address, without anything that a mail's
// header would read otherwise.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"a@example.org", " A@Example.ORG ", "A <a@b.c>", "a@b", "\"a b\"@c.d", "a@b.c\r\nBcc: d@e.f", "a@@b.c", "a@b.c.", "大@例.org", strings.Repeat("a", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		a, err := address(typed)
		if err != nil {
			if !errors.Is(err, AddressForm) {
				t.Error(err)
			}
			return
		}
		if strings.ContainsAny(a, "\r\n \t<>,;\"") || strings.Count(a, "@") < 1 || len(a) > 254 {
			t.Errorf("%q is %q", typed, a)
		}
		if again, err := address(a); err != nil || again != a {
			t.Errorf("%q is %q and then %q, %v", typed, a, again, err)
		}
	})
}
