package identity

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// FuzzAnswer takes whatever as the answer of an authenticator.
func FuzzAnswer(f *testing.F) {
	w, err := newWebAuthn(parsed("https://a.example"), "campus")
	if err != nil {
		f.Fatal(err)
	}
	box, err := NewBox([32]byte{1})
	if err != nil {
		f.Fatal(err)
	}
	i := &Identity{config: Config{Box: box, Now: nowhere, Log: slog.New(slog.DiscardHandler)}, webauthn: w}
	_, state, err := i.BeginPasskey()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AAAA","signature":"AAAA","userHandle":"AAAA"}}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oGA"}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		var session webauthn.SessionData
		if _, err := i.openState(sealedGet, state, &session); err != nil {
			t.Fatal(err)
		}
		if parsed, err := protocol.ParseCredentialRequestResponseBytes(answer); err == nil {
			find := func([]byte, []byte) (webauthn.User, error) { return holder{}, nil }
			if _, _, err := w.ValidatePasskeyLogin(find, session, parsed); err == nil {
				t.Error("a stranger is signed in")
			}
		}
		if parsed, err := protocol.ParseCredentialCreationResponseBytes(answer); err == nil {
			if _, err := w.CreateCredential(holder{}, session, parsed); err == nil {
				t.Error("a stranger registers")
			}
		}
	})
}

func nowhere() time.Time { return time.Unix(1795233600, 0) }

func parsed(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}

// FuzzState reads what a browser may bring back as a state.
func FuzzState(f *testing.F) {
	box, err := NewBox([32]byte{1})
	if err != nil {
		f.Fatal(err)
	}
	i := &Identity{config: Config{Box: box, Now: nowhere}}
	text, err := i.sealState("a", "value")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, in string) {
		var v string
		_, err := i.openState("a", in, &v)
		if err == nil && v != "value" {
			t.Errorf("%q opens as %q", in, v)
		}
		if err != nil && !errors.Is(err, ErrState) {
			t.Error(err)
		}
		if _, err := i.openState("b", in, &v); !errors.Is(err, ErrState) {
			t.Errorf("%q opens for another purpose: %v", in, err)
		}
	})
}

// FuzzPassword judges whatever as a new password.
func FuzzPassword(f *testing.F) {
	for _, s := range []string{good, "", "\xff\xfe", "ﬁﬁﬁﬁﬁﬁﬁﬁﬁﬁﬁﬁ", strings.Repeat("\u0300", 200), "password1234"} {
		f.Add(s, "chan")
	}
	f.Fuzz(func(t *testing.T, password, account string) {
		if err := check(password, account); err == nil && (utf8.RuneCountInString(password) > 4*MaxPassword || len(password) < MinPassword/4) {
			t.Errorf("%q is good", password)
		}
	})
}

// FuzzText takes what a browser calls itself, and the label of a passkey.
func FuzzText(f *testing.F) {
	f.Add("Mozilla/5.0")
	f.Add("\x00\u202e\xff<script>")
	f.Fuzz(func(t *testing.T, in string) {
		for _, out := range []string{agent(in), passkeyLabel(in)} {
			if !utf8.ValidString(out) || strings.ContainsAny(out, "\x00\r\n") || len(out) > maxAgent+len("Passkey") {
				t.Errorf("%q becomes %q", in, out)
			}
		}
	})
}

// FuzzCookie takes whatever as the cookies that central sets.
func FuzzCookie(f *testing.F) {
	f.Add("x")
	f.Add("A.A")
	box, err := NewBox([32]byte{1})
	if err != nil {
		f.Fatal(err)
	}
	i := &Identity{config: Config{Box: box, Now: nowhere}, origin: parsed("https://a.example")}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", i.browserCookie()+"="+value+"; "+i.journeyCookie("", 0).Name+"="+value)
		if b := i.knownBrowser(r); b != nil {
			t.Errorf("%q is a browser that is known", value)
		}
		if _, err := i.arrive(httptest.NewRecorder(), r, "staff"); !errors.Is(err, ErrState) {
			t.Errorf("%q: %v", value, err)
		}
	})
}

// FuzzInvitation takes whatever as a token.
func FuzzInvitation(f *testing.F) {
	f.Add("ABCDEFGHIJKL.x")
	f.Add("....")
	f.Fuzz(func(t *testing.T, token string) {
		id, secret, ok := splitToken(token)
		if ok && (len(id) != invitationID || len(secret) > 64 || id+"."+secret != token) {
			t.Errorf("%q is read as %q and %q", token, id, secret)
		}
	})
}
