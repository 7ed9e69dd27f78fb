package passkey

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"turnstile/central/database"
	"turnstile/central/passkey/passkeytest"
	"turnstile/central/seal"
)

func nowhere() time.Time { return time.Unix(1795233600, 0) }

func open(t testing.TB, origin string) *Passkeys {
	t.Helper()
	box, err := seal.New([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(Config{Origin: u, Name: "campus", States: seal.States{Box: box, Now: nowhere}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestNone: where browsers offer none, every step says so.
func TestNone(t *testing.T) {
	for origin, want := range map[string]bool{"https://a.example": true, "http://localhost:8080": true, "http://a.example": false, "https://192.0.2.1": false} {
		p := open(t, origin)
		if (p != nil) != want {
			t.Errorf("%s: %v", origin, p != nil)
		}
		if _, _, err := p.BeginGet(); errors.Is(err, ErrNone) == want {
			t.Errorf("%s: %v", origin, err)
		}
	}
	var none *Passkeys
	if _, err := none.Get(t.Context(), "", nil, nil); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	if _, _, err := none.BeginNew(User{}, ""); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	if _, _, err := none.New(t.Context(), User{}, "", "", nil); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}

// TestAuthenticator registers and signs in with one, and refuses a copy and
// whatever lies.
func TestAuthenticator(t *testing.T) {
	ctx := t.Context()
	p := open(t, "https://a.example")
	p.config.States.Spent = &spent{}
	phone := passkeytest.New(t, "https", "a.example")
	u := User{Handle: "handle-1", Name: "chan"}
	options, state, err := p.BeginNew(u, "chan")
	if err != nil {
		t.Fatal(err)
	}
	id, record, err := p.New(ctx, u, "chan", state, phone.Create(options))
	if err != nil || string(id) != string(phone.ID) || string(phone.Handle) != "handle-1" {
		t.Fatalf("%q %v", phone.Handle, err)
	}
	u.Records = [][]byte{record}
	find := func(_ context.Context, id []byte, handle string) (User, error) {
		if handle != u.Handle || string(id) != string(phone.ID) {
			return User{}, ErrRefused
		}
		return u, nil
	}
	try := func(change func()) error {
		options, state, err := p.BeginGet()
		if err != nil {
			t.Fatal(err)
		}
		change()
		answer := phone.Get(options)
		record, err := p.Get(ctx, state, answer, find)
		if err == nil {
			u.Records = [][]byte{record}
			if _, again := p.Get(ctx, state, answer, find); again == nil {
				t.Error("an answer is good twice")
			}
		}
		return err
	}
	if err := try(func() {}); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(){
		"a counter that went back": func() { phone.Counter = 0 }, "another site": func() { phone.Origin = "https://a.example.evil" },
		"another handle": func() { phone.Handle = []byte("handle-2") }, "another host": func() { phone.Host = "b.example" },
	} {
		was := *phone
		if err := try(change); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		*phone = was
	}
	if err := try(func() { phone.Counter += 100 }); err != nil {
		t.Error(err)
	}
}

// spent is a seal.Spender in memory.
type spent struct{ list []string }

func (s *spent) Spend(_ context.Context, hash []byte, _ int64) error {
	if slices.Contains(s.list, string(hash)) {
		return database.ErrConflict
	}
	s.list = append(s.list, string(hash))
	return nil
}

// TestBound: a challenge is for one person, and of one kind of site.
func TestBound(t *testing.T) {
	p := open(t, "https://a.example")
	_, state, err := p.BeginNew(User{Handle: "x", Name: "x"}, "chan")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.New(t.Context(), User{Handle: "x", Name: "x"}, "lee", state, nil); !errors.Is(err, seal.ErrState) {
		t.Errorf("for another person: %v", err)
	}
	if _, _, err := p.New(t.Context(), User{Handle: "x", Name: "x"}, "chan", state, []byte(strings.Repeat("x", maxAnswer+1))); !errors.Is(err, ErrRefused) {
		t.Errorf("long: %v", err)
	}
	other := open(t, "https://a.example")
	other.config.Kind = "holder "
	_, get, err := p.BeginGet()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Get(t.Context(), get, nil, nil); !errors.Is(err, seal.ErrState) {
		t.Errorf("of another site: %v", err)
	}
}

// FuzzAnswer takes whatever as the answer of an authenticator.
func FuzzAnswer(f *testing.F) {
	p := open(f, "https://a.example")
	_, state, err := p.BeginGet()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AAAA","signature":"AAAA","userHandle":"AAAA"}}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oGA"}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		var begun webauthn.SessionData
		if _, err := p.config.States.Open(sealedGet, state, &begun); err != nil {
			t.Fatal(err)
		}
		find := func(context.Context, []byte, string) (User, error) { return User{}, nil }
		if _, err := p.verify(t.Context(), begun, answer, find); err == nil {
			t.Error("a stranger is signed in")
		}
		if parsed, err := protocol.ParseCredentialCreationResponseBytes(answer); err == nil {
			if _, err := p.site.CreateCredential(owner{}, begun, parsed); err == nil {
				t.Error("a stranger registers")
			}
		}
		if _, err := p.create(User{}, begun, answer); err == nil {
			t.Error("a stranger registers")
		}
	})
}

// FuzzLabel takes whatever as the name of a passkey.
func FuzzLabel(f *testing.F) {
	f.Add("My phone")
	f.Add("\x00\u202e\xff<script>")
	f.Fuzz(func(t *testing.T, in string) {
		if out := Label(in); !utf8.ValidString(out) || strings.ContainsAny(out, "\x00\r\n") || utf8.RuneCountInString(out) > maxLabel || out == "" {
			t.Errorf("%q becomes %q", in, out)
		}
	})
}
