package throttle

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"turnstile/central/seal"
)

// Browsers remember in which browser a person has signed in before: that one is
// counted by itself, so that nobody can lock somebody else out by guessing.
type Browsers struct {
	Box     seal.Box
	Cookie  string // name; Secure puts __Host- before it
	Purpose string // tells one site's from another's
	Secure  bool   // browsers come over HTTPS
	Now     func() time.Time
}

// browserTime is how long a browser is remembered.
const browserTime = 180 * 24 * time.Hour

// maxCookie bounds the cookie as it comes back, in bytes.
const maxCookie = 1024

type browser struct {
	Person string `json:"person"`
	Nonce  string `json:"nonce"`
	Until  int64  `json:"until"` // Unix ms
}

// Name is the name of the cookie, with its prefix.
func (b Browsers) Name() string {
	if b.Secure {
		return "__Host-" + b.Cookie
	}
	return b.Cookie
}

// Remember sets the cookie of a person who has signed in.
func (b Browsers) Remember(w http.ResponseWriter, person string) error {
	data, err := json.Marshal(browser{person, rand.Text(), b.Now().Add(browserTime).UnixMilli()})
	if err != nil {
		return fmt.Errorf("encode cookie: %w", err)
	}
	http.SetCookie(w, &http.Cookie{Name: b.Name(), Value: base64.RawURLEncoding.EncodeToString(b.Box.Seal(b.Purpose, data)),
		Path: "/", MaxAge: int(browserTime / time.Second), HttpOnly: true, Secure: b.Secure, SameSite: http.SameSiteStrictMode})
	return nil
}

// Forget takes the cookie away.
func (b Browsers) Forget(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: b.Name(), Path: "/", MaxAge: -1, HttpOnly: true, Secure: b.Secure, SameSite: http.SameSiteStrictMode})
}

// Known returns what the browser is counted by, if the person has signed in in it.
func (b Browsers) Known(r *http.Request, person string) (nonce string, ok bool) {
	c, err := r.Cookie(b.Name())
	if err != nil || len(c.Value) > maxCookie || person == "" {
		return "", false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return "", false
	}
	data, err := b.Box.Open(b.Purpose, sealed)
	var v browser
	if err != nil || json.Unmarshal(data, &v) != nil || v.Until < b.Now().UnixMilli() || v.Person != person {
		return "", false
	}
	return v.Nonce, true
}
