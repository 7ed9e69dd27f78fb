package page

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"turnstile/central/office"
	"turnstile/central/requestlog"
)

// What stands between a person and a page: the site leads to the sign-in and back.
var (
	ErrSignIn = errors.New("not signed in")
	ErrAgain  = errors.New("the sign-in is not recent")
)

// Problem is what the error page shows. As an error of a handler it is shown as it
// stands.
type Problem struct {
	Status int
	Detail string // in the person's language
}

func (p *Problem) Error() string { return http.StatusText(p.Status) + ": " + p.Detail }

// fail answers with what went wrong and what to do next.
func (x *Exchange) fail(err error) {
	if errors.Is(err, ErrSignIn) || errors.Is(err, ErrAgain) {
		x.askSignIn(errors.Is(err, ErrAgain))
		return
	}
	if errors.Is(err, errLeft) {
		return
	}
	p := x.problem(err)
	if x.wantsJSON() {
		x.Writer.Header().Set("Content-Type", "application/problem+json")
		x.Writer.WriteHeader(p.Status)
		json.NewEncoder(x.Writer).Encode(map[string]any{"status": p.Status, "detail": p.Detail, "request_id": requestlog.ID(x.Context())})
		return
	}
	if x.Fragmentary() {
		// htmx swaps only good answers; the status stands in the text.
		err = x.write(http.StatusOK, x.site.Frame.own, "problem.html", "problem", "", p)
	} else {
		err = x.write(p.Status, x.site.Frame.own, "problem.html", "layout", heading(p.Status), p)
	}
	if err != nil {
		x.site.Log.Error("show a problem", "cause", err)
	}
}

// headings are what people read above a problem.
var headings = map[int]string{
	http.StatusForbidden: "That is not allowed", http.StatusNotFound: "There is nothing here", http.StatusConflict: "That does not fit any more",
	http.StatusRequestEntityTooLarge: "That is too large", http.StatusUnprocessableEntity: "That cannot be taken", http.StatusServiceUnavailable: "Not just now",
}

func heading(status int) string {
	if text := headings[status]; text != "" {
		return text
	}
	return "That did not work"
}

func (x *Exchange) wantsJSON() bool { return x.Header.Get("Accept") == "application/json" }

// problem maps an error to what its person is told.
func (x *Exchange) problem(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Problem{http.StatusRequestEntityTooLarge, x.T("That is too large: at most %d KB.", large.Limit>>10)}
	}
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, office.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, office.ErrConflict):
		status = http.StatusConflict
	case errors.Is(err, office.ErrInvalid):
		status = http.StatusUnprocessableEntity
	case errors.Is(err, office.ErrUnavailable):
		status = http.StatusServiceUnavailable
	default:
		if !x.left(err) {
			x.site.Log.Error("page failed", "request", requestlog.ID(x.Context()), "cause", err)
		}
		return &Problem{status, x.T(x.site.Broken)}
	}
	refusal, ok := errors.AsType[*office.Refusal](err)
	if !ok {
		return &Problem{status, x.T(heading(status))}
	}
	return &Problem{status, x.Told(nil, refusal)}
}

// left reports that an error is only that the browser did not wait for the answer.
func (x *Exchange) left(err error) bool {
	return errors.Is(err, context.Canceled) && errors.Is(x.Context().Err(), context.Canceled)
}

// askSignIn leads to the sign-in and back.
func (x *Exchange) askSignIn(again bool) {
	base := x.site.Base
	if slices.ContainsFunc(x.site.Hidden, func(p string) bool { return x.URL.Path == base+p }) || x.wantsJSON() {
		x.Writer.WriteHeader(http.StatusUnauthorized)
		return
	}
	back := base + "/"
	if x.Method == http.MethodGet && !x.Fragmentary() {
		back = x.URL.RequestURI()
	} else if again {
		back = base + x.site.Local(pathOf(x.Referer()), "/")
	}
	x.Redirect(SignInPath(back, again))
}
