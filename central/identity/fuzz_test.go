package identity

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"turnstile/central/openid"
	"turnstile/central/seal"
)

func nowhere() time.Time { return time.Unix(1795233600, 0) }

// FuzzCookie takes whatever as the cookies that central sets.
func FuzzCookie(f *testing.F) {
	f.Add("x")
	f.Add("A.A")
	box, err := seal.New([32]byte{1})
	if err != nil {
		f.Fatal(err)
	}
	i, err := Open(Config{Box: box, URL: "https://a.example", Now: nowhere, OpenID: []Provider{{Provider: openid.Provider{
		ID: "staff", Name: "Staff", Issuer: "https://id.example.edu", Client: "x", SecretFile: "y"}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", i.browsers.Name()+"="+value+"; "+journeyCookie+"="+value)
		if _, ok := i.browsers.Known(r, "chan"); ok {
			t.Errorf("%q is a browser that is known", value)
		}
		if _, err := i.openid.Finish(httptest.NewRecorder(), r, "staff"); !errors.Is(err, ErrState) {
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
