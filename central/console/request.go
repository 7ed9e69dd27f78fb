package console

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"turnstile/central/office"
	"turnstile/central/requestlog"
)

// Request is a request of a person for a page or a deed. Handlers answer it with
// exactly one of Page, Fragment, Redirect, or their own writing to Writer; or
// return an error, which the frame shows.
type Request struct {
	*http.Request
	Writer http.ResponseWriter
	Who    Principal // zero on a public route without a session

	console *Console
	lang    Language
	hole    string // of the page that is streamed
}

// By names the person for the audit.
func (r *Request) By() string { return "user:" + r.Who.Name }

// Now is the time of central's clock.
func (r *Request) Now() time.Time { return r.console.options.Now() }

// Zone is the campus clock.
func (r *Request) Zone() *time.Location { return r.console.options.Zone }

// Fragmentary reports whether htmx asked for a part of a page.
func (r *Request) Fragmentary() bool { return r.Header.Get("HX-Request") == "true" }

// Wrong returns a refusal of what the person sent; detail is shown to them,
// translated if the words have it.
func (r *Request) Wrong(detail string, args ...any) error {
	return office.Refuse(office.ErrInvalid, "%s", r.T(detail, args...))
}

// Page answers with a whole page of the templates.
func (r *Request) Page(t *Templates, name, title string, data any) error {
	return r.PageStatus(http.StatusOK, t, name, title, data)
}

// PageStatus is Page with another status, for a form that is shown again.
func (r *Request) PageStatus(status int, t *Templates, name, title string, data any) error {
	return r.write(status, t, name, "layout", title, data)
}

// Fragment answers with one named template of a page's file.
func (r *Request) Fragment(t *Templates, name, part string, data any) error {
	return r.write(http.StatusOK, t, name, part, "", data)
}

func (r *Request) write(status int, t *Templates, name, part, title string, data any) error {
	set := t.pages[name]
	if set == nil {
		return fmt.Errorf("show page: there is no template %s", name)
	}
	var out bytes.Buffer
	v := &View{Request: r, Title: title, Data: data, words: t.words}
	if part == "layout" {
		v.Flash = r.takeFlash()
	}
	if err := set.ExecuteTemplate(&out, part, v); err != nil {
		return fmt.Errorf("show page %s: %w", name, err)
	}
	r.Writer.Header().Set("Content-Type", "text/html; charset=utf-8")
	r.Writer.WriteHeader(status)
	r.Writer.Write(whole(out.Bytes())) // a browser that went away is no fault of ours
	return nil
}

// whole makes a page text, also where it shows again what was none: a page in two
// encodings is read differently by each browser.
func whole(page []byte) []byte { return bytes.ToValidUTF8(page, []byte("\uFFFD")) }

// Style serves a page's own style sheet, at an address that changes with it.
func (r *Request) Style(css []byte) error {
	h := r.Writer.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	r.Writer.Write(css) // who does not take it has gone
	return nil
}

// readForm reads the fields of a form before the page does, so that none of them
// takes a form that broke off, or is too large, for an empty one.
func (r *Request) readForm() error {
	if !office.IsText(r.URL) {
		return r.Wrong("This address has characters that are no text. Go back and type it again.")
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return nil
	}
	err := r.ParseForm()
	if large := (*http.MaxBytesError)(nil); err != nil && !errors.As(err, &large) {
		return r.Wrong("The browser sent something that is no form. Reload the page and try again.")
	}
	return err
}

// Redirect sends the browser to a path below Base, as after every deed: a reload
// does not repeat it.
func (r *Request) Redirect(path string) error {
	if r.Fragmentary() {
		r.Writer.Header().Set("HX-Redirect", Base+path)
		return nil
	}
	http.Redirect(r.Writer, r.Request, Base+path, http.StatusSeeOther)
	return nil
}

// flashCookie carries one short message over a redirect. It never holds a secret.
const (
	flashCookie = "turnstile_flash"
	maxFlash    = 1024
)

// Flash shows a message, translated, on the next page.
func (r *Request) Flash(text string, args ...any) {
	message := r.T(text, args...)
	if len(message) > maxFlash {
		message = strings.ToValidUTF8(message[:maxFlash], "")
	}
	http.SetCookie(r.Writer, &http.Cookie{Name: flashCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(message)),
		Path: Base, MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
}

func (r *Request) takeFlash() string {
	c, err := r.Cookie(flashCookie)
	if err != nil {
		return ""
	}
	http.SetCookie(r.Writer, &http.Cookie{Name: flashCookie, Path: Base, MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(text) > maxFlash {
		return ""
	}
	return strings.ToValidUTF8(string(text), "")
}

// problem is what the error page shows.
type problem struct {
	Status int
	Detail string
}

func (r *Request) missing() error {
	return office.Refuse(office.ErrNotFound, "%s", r.T("There is no such page."))
}

// fail answers with what went wrong and what to do next.
func (r *Request) fail(err error) {
	if errors.Is(err, errSignIn) || errors.Is(err, errAgain) {
		r.askSignIn(errors.Is(err, errAgain))
		return
	}
	p := r.problem(err)
	if r.Header.Get("Accept") == "application/json" {
		r.Writer.Header().Set("Content-Type", "application/problem+json")
		r.Writer.WriteHeader(p.Status)
		json.NewEncoder(r.Writer).Encode(map[string]any{"status": p.Status, "detail": p.Detail, "request_id": requestlog.ID(r.Context())})
		return
	}
	if r.Fragmentary() {
		// htmx swaps only good answers; the status stands in the text.
		p.Status = http.StatusOK
		err = r.write(p.Status, r.console.frame, "problem.html", "problem", "", p)
	} else {
		err = r.write(p.Status, r.console.frame, "problem.html", "layout", http.StatusText(p.Status), p)
	}
	if err != nil {
		r.console.options.Log.Error("show a problem", "cause", err)
	}
}

// problem maps an error to what its person is told.
func (r *Request) problem(err error) problem {
	var refusal *office.Refusal
	var large *http.MaxBytesError
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, errRight):
		return problem{http.StatusForbidden, r.T("Your role does not allow this. An admin can give you another one under People.")}
	case errors.As(err, &large):
		return problem{http.StatusRequestEntityTooLarge, r.T("That is too large: at most %d KB.", large.Limit>>10)}
	case errors.Is(err, office.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, office.ErrConflict):
		status = http.StatusConflict
	case errors.Is(err, office.ErrInvalid):
		status = http.StatusUnprocessableEntity
	case errors.Is(err, office.ErrUnavailable):
		status = http.StatusServiceUnavailable
	default:
		r.console.options.Log.Error("page failed", "request", requestlog.ID(r.Context()), "cause", err)
		return problem{status, r.T("Central could not do this; its log has the cause.")}
	}
	if !errors.As(err, &refusal) {
		return problem{status, r.T(http.StatusText(status))}
	}
	return problem{status, r.Told(nil, refusal)}
}

// askSignIn leads to the sign-in and back.
func (r *Request) askSignIn(again bool) {
	if r.URL.Path == Base+"/live" || r.Header.Get("Accept") == "application/json" {
		r.Writer.WriteHeader(http.StatusUnauthorized)
		return
	}
	back := Base + "/"
	if r.Method == http.MethodGet && !r.Fragmentary() {
		back = r.URL.RequestURI()
	} else if again {
		back = Base + Local(pathOf(r.Referer()), "/")
	}
	r.Redirect(SignInPath(back, again))
}

// pathOf returns path and query of a URL of ours.
func pathOf(referer string) string {
	_, rest, ok := strings.Cut(referer, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return ""
}
