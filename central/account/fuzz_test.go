package account

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"turnstile/central/seal"
)

// FuzzAddress reads whatever as a mail address.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"a@b.c", " A@B.C ", "a@b", "<a@b.c>", "A <a@b.c>", "a@b.c\r\nBcc: x@y.z", "a@[1.2.3.4]", "陳@例子.香港", "\"a b\"@c.d", strings.Repeat("a", 300) + "@b.c", "a@b.c\u200b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		address, folded, err := parseAddress(in)
		if err != nil {
			if !errors.Is(err, ErrAddress) || address != "" {
				t.Errorf("%q: %q %v", in, address, err)
			}
			return
		}
		if len(address) > 254 || !utf8.ValidString(address) || strings.ContainsAny(address, " \r\n\t<>,;") || folded != strings.ToLower(address) || !strings.Contains(address, "@") {
			t.Errorf("%q becomes %q", in, address)
		}
		if m := mask(address); strings.Count(m, "***") != 2 || !utf8.ValidString(m) {
			t.Errorf("%q is masked as %q", address, m)
		}
		if again, same, err := parseAddress(address); again != address || same != folded || err != nil {
			t.Errorf("%q is not read again: %q %v", address, again, err)
		}
	})
}

// FuzzProfile judges whatever as a profile, as it is stored and as it is sent.
func FuzzProfile(f *testing.F) {
	f.Add(`{"phone":"12345678","sees":{"phone":"alumni"}}`, "x")
	f.Add(`{"career":[{"employer":"x"}]}`, "\x00")
	f.Add(`[]`, "\u202e")
	f.Fuzz(func(t *testing.T, body, line string) {
		p, err := decodeProfile(body)
		if err != nil {
			return
		}
		p.Address = line
		if err := p.Check(); err != nil {
			return
		}
		if utf8.RuneCountInString(p.Address) > maxLines || strings.ContainsAny(p.Address+p.Phone+p.Country, "\x00\u202e") || len(p.Career) > maxEntries {
			t.Errorf("%+v is good", p)
		}
		if o := p.SeenBy(AllAlumni); p.Viewer(Phone) != AllAlumni && o.Phone != "" {
			t.Errorf("alumni see %+v", o)
		}
	})
}

// FuzzStates takes whatever as what a browser brings back.
func FuzzStates(f *testing.F) {
	box, err := seal.New([32]byte{7})
	if err != nil {
		f.Fatal(err)
	}
	a, err := Open(Config{Box: box, URL: portalURL, Now: func() time.Time { return time.Unix(1795233600, 0) }, Location: time.UTC})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("x", "y")
	f.Add("AAAA", strings.Repeat("A", 26))
	f.Fuzz(func(t *testing.T, state, cookie string) {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Cookie", a.cookieName()+"="+cookie+"; "+a.browsers.Name()+"="+cookie)
		if _, err := a.RegisterAddress(httptest.NewRecorder(), r, state, "a@b.c", false, ""); !errors.Is(err, ErrState) {
			t.Errorf("%q: %v", state, err)
		}
		if err := a.RequestLink(httptest.NewRecorder(), r, state, "a@b.c", ""); !errors.Is(err, ErrState) {
			t.Errorf("%q: %v", state, err)
		}
		if _, ok := a.browsers.Known(r, "p-chan"); ok {
			t.Errorf("%q is a browser that is known", cookie)
		}
		if b := a.browser(httptest.NewRecorder(), r); len(b) != 32 || len(a.known(r)) != 32 {
			t.Error("no name of a browser")
		}
	})
}
