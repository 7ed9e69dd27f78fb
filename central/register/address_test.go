package register

import (
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	for typed, want := range map[string]string{
		" Tai.Man+x@Mail.EXAMPLE.org ": "Tai.Man+x@mail.example.org", "o'neill@example.org": "o'neill@example.org",
		"chan@localhost": "", "chan@example.org.": "", "chan@[192.0.2.1]": "", "chan": "", "": "", "@example.org": "", "Chan <chan@example.org>": "", `"c h"@example.org`: "", "chan@example.org (home)": "",
		"chan@exa\tmple.org": "", "chan@example.org\r\nBcc: x@y.z": "", "chan\x00@example.org": "", "chan@example.org,lee@example.org": "",
		"chan@ex\u0430mple.org": "", "chan\u212a@example.org": "", "james\u017f@example.org": "", "chan@example.org\u202e": "", "\u9673@example.org": "", strings.Repeat("a", 250) + "@b.org": "",
	} {
		if got, ok := ParseAddress(typed); got != want || ok != (want != "") {
			t.Errorf("%.40q: %q %v, want %q", typed, got, ok, want)
		}
	}
	for pair, want := range map[[2]string]bool{
		{"Chan@Example.org", "chan@example.ORG"}: true, {"chan@example.org", "chan+x@example.org"}: false, {"chank@example.org", "chan\u212a@example.org"}: false, {"", ""}: false, {"x", "x"}: false,
	} {
		if got := SameAddress(pair[0], pair[1]); got != want {
			t.Errorf("%q: %v", pair, got)
		}
	}
	if a, b := Mailbox("Chan+1@Example.org"), Mailbox("chan+2+3@example.org"); a != b || a != "chan@example.org" || Mailbox("+x@b.c") != "@b.c" || Mailbox("lee@example.org") == a {
		t.Errorf("%q %q", a, b)
	}
}
