package otp

import (
	"strings"
	"testing"
)

func TestNew(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		n, err := New()
		if err != nil || len(n) != Digits || Plain(n) != n {
			t.Fatalf("%q, %v", n, err)
		}
		seen[n] = true
	}
	if len(seen) < 99 { // two of a hundred are the same once in 20,000 times
		t.Errorf("%d of 100 are different", len(seen))
	}
}

// FuzzPlain reads whatever as a one-time password.
func FuzzPlain(f *testing.F) {
	for typed, want := range map[string]string{"1234 5678": "12345678", "１２３４ー５６７８": "12345678", "1234-5678\r\n": "12345678", "": "", strings.Repeat("1", 1000): ""} {
		f.Add(typed)
		if got := Plain(typed); got != want {
			f.Errorf("%q is read as %q, want %q", typed, got, want)
		}
	}
	f.Fuzz(func(t *testing.T, typed string) {
		if out := Plain(typed); strings.Trim(out, "0123456789") != "" || len(out) > 4*maxTyped {
			t.Errorf("%q becomes %q", typed, out)
		}
	})
}
