package page

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"turnstile/central/office"
)

// Exchange is a request for a page or a deed, and its answer. Handlers answer it
// with exactly one of Page, Fragment, Redirect, or their own writing to Writer; or
// return an error, which the site shows.
type Exchange struct {
	*http.Request
	Writer http.ResponseWriter

	site  *Site
	dress func(*View) any
	wish  string // the language of the person's account
	lang  Language
	hole  string // of the page that is streamed
}

// Dress gives templates what f makes of a view in its place: a surface adds what
// its layout shows.
func (x *Exchange) Dress(f func(*View) any) { x.dress = f }

// Now is the time of central's clock.
func (x *Exchange) Now() time.Time { return x.site.Now() }

// Zone is the campus clock.
func (x *Exchange) Zone() *time.Location { return x.site.Zone }

// Fragmentary reports whether htmx asked for a part of a page.
func (x *Exchange) Fragmentary() bool { return x.Header.Get("HX-Request") == "true" }

// Wrong returns a refusal of what the person sent; detail is shown to them,
// translated if the words have it.
func (x *Exchange) Wrong(detail string, args ...any) error {
	return office.Refuse(office.ErrInvalid, "%s", x.T(detail, args...))
}

// Missing returns the refusal of a page that does not exist, or not for this person.
func (x *Exchange) Missing() error {
	return office.Refuse(office.ErrNotFound, "%s", x.T("There is no such page."))
}

// Page answers with a whole page of the templates.
func (x *Exchange) Page(t *Templates, name, title string, data any) error {
	return x.PageStatus(http.StatusOK, t, name, title, data)
}

// PageStatus is Page with another status, for a form that is shown again.
func (x *Exchange) PageStatus(status int, t *Templates, name, title string, data any) error {
	return x.write(status, t, name, "layout", title, data)
}

// Fragment answers with one named template of a page's file.
func (x *Exchange) Fragment(t *Templates, name, part string, data any) error {
	return x.write(http.StatusOK, t, name, part, "", data)
}

func (x *Exchange) write(status int, t *Templates, name, part, title string, data any) error {
	set := t.pages[name]
	if set == nil {
		return fmt.Errorf("show page: there is no template %s", name)
	}
	var out bytes.Buffer
	v := &View{Exchange: x, Title: title, Data: data, of: t}
	if part == "layout" {
		v.Flash = x.takeFlash()
	}
	if err := set.ExecuteTemplate(&out, part, x.dressed(v)); err != nil {
		return fmt.Errorf("show page %s: %w", name, err)
	}
	x.Writer.Header().Set("Content-Type", "text/html; charset=utf-8")
	x.Writer.Header().Set("Content-Language", string(x.Lang()))
	x.Writer.WriteHeader(status)
	x.Writer.Write(whole(out.Bytes())) // a browser that went away is no fault of ours
	return nil
}

func (x *Exchange) dressed(v *View) any {
	if x.dress == nil {
		return v
	}
	return x.dress(v)
}

// whole makes a page text, also where it shows again what was none: a page in two
// encodings is read differently by each browser.
func whole(page []byte) []byte { return bytes.ToValidUTF8(page, []byte("\uFFFD")) }

// Style serves a page's own style sheet, at an address that changes with it.
func (x *Exchange) Style(css []byte) error {
	h := x.Writer.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	x.Writer.Write(css) // who does not take it has gone
	return nil
}

// ReadForm reads the fields of a form before the page does, so that none of them
// takes a form that broke off, or is too large, for an empty one.
func (x *Exchange) ReadForm() error {
	if !office.IsText(x.URL) {
		return x.Wrong("This address has characters that are no text. Go back and type it again.")
	}
	if x.Method != http.MethodPost || !strings.HasPrefix(x.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return nil
	}
	err := x.ParseForm()
	if large := (*http.MaxBytesError)(nil); err != nil && !errors.As(err, &large) {
		return x.Wrong("The browser sent something that is no form. Reload the page and try again.")
	}
	return err
}

// Redirect sends the browser to a path below Base, as after every deed: a reload
// does not repeat it.
func (x *Exchange) Redirect(path string) error {
	if x.Fragmentary() {
		x.Writer.Header().Set("HX-Redirect", x.site.Base+path)
		return nil
	}
	http.Redirect(x.Writer, x.Request, x.site.Base+path, http.StatusSeeOther)
	return nil
}

// flashCookie carries one short message over a redirect. It never holds a secret.
const (
	flashCookie = "_flash"
	maxFlash    = 1024
)

// Flash shows a message, translated, on the next page.
func (x *Exchange) Flash(text string, args ...any) {
	message := x.T(text, args...)
	if len(message) > maxFlash {
		message = strings.ToValidUTF8(message[:maxFlash], "")
	}
	http.SetCookie(x.Writer, &http.Cookie{Name: x.site.Cookie + flashCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(message)),
		Path: x.site.cookiePath(), MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: x.TLS != nil})
}

func (x *Exchange) takeFlash() string {
	c, err := x.Cookie(x.site.Cookie + flashCookie)
	if err != nil {
		return ""
	}
	http.SetCookie(x.Writer, &http.Cookie{Name: c.Name, Path: x.site.cookiePath(), MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: x.TLS != nil})
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(text) > maxFlash {
		return ""
	}
	return strings.ToValidUTF8(string(text), "")
}

// SignInPath is where a sign-in page stands, below Base; back is a whole path, and
// again asks who is signed in already to prove it once more.
func SignInPath(back string, again bool) string {
	q := url.Values{"next": {back}}
	if again {
		q.Set("again", "1")
	}
	return "/sign-in?" + q.Encode()
}

// NewExchange returns an exchange as the handlers of a site get it.
func NewExchange(s *Site, w http.ResponseWriter, r *http.Request) *Exchange {
	return &Exchange{Request: r, Writer: w, site: s}
}
