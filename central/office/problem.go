package office

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/requestlog"
)

// Problem is every answer of the API that is no success (RFC 9457).
type Problem struct {
	Type   string  `json:"type" format:"uri-reference" example:"/api/v1/problems#invalid" doc:"Names the kind of problem, for programs, and where it is explained. It stays the same."`
	Title  string  `json:"title" example:"The request is not as described" doc:"The kind in words; the same each time."`
	Status int     `json:"status" example:"422"`
	Detail string  `json:"detail" example:"validation failed" doc:"What is wrong this time and what to do next."`
	Errors []Fault `json:"errors,omitempty" doc:"Each fault of the request with its place; at most 50."`
	// RequestID is that of the answer's header X-Request-Id.
	RequestID string `json:"request_id,omitempty" example:"7WQVJ3LZ5ZQ2M4N6P7R3S5T2UA" doc:"The request in central's log."`
}

// Fault is one fault of a request.
type Fault struct {
	Message  string `json:"message" example:"expected length <= 64"`
	Location string `json:"location,omitempty" example:"body.zones[0]" doc:"body, query, path or header, and the place in it."`
	Pointer  string `json:"pointer,omitempty" example:"#/zones/0" doc:"Of a fault in the body: the place as a JSON Pointer (RFC 6901)."`
	Value    any    `json:"value,omitempty" doc:"What stood there, if it is short."`
}

// Error returns the problem in words.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType makes the answer application/problem+json.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// problemKind is a kind of problem as the page of problems explains it.
type problemKind struct {
	name   string // the fragment of its type
	status int
	title  string
	why    string
	remedy string
}

// The kinds. Append; programs go by their names.
var (
	problemMalformed = &problemKind{"malformed", 400, "The request cannot be read", "The body is no JSON, has a key twice, or is missing; or a header is not as it should be.", "Send what the call describes."}
	problemToken     = &problemKind{"no-token", 401, "No valid token", "The request has no token, or one that is unknown, revoked or expired.", "Send Authorization: Bearer TOKEN with a good one."}
	problemForbidden = &problemKind{"forbidden", 403, "The token may not do this", "The token's role or scopes lack the permission that the call needs, or it would hand on more than it has.", "Use a token with that permission."}
	problemLanes     = &problemKind{"other-lane", 403, "The token is limited to other lanes", "The token is limited to some lane controllers, and the request is not about one of them.", "Name one of these lane controllers, or use another token."}
	problemOrigin    = &problemKind{"cross-site", 403, "The request comes from another site", "A browser sent it on behalf of a page of another site.", "Call the API from a program, or from central's own pages."}
	problemMissing   = &problemKind{"not-found", 404, "There is no such thing", "Nothing has this id, or nothing stands at this path.", "List what there is; /openapi.json lists the calls."}
	problemMethod    = &problemKind{"no-method", 405, "There is no such call", "The path has other methods.", "See the header Allow, and /openapi.json."}
	problemTimeout   = &problemKind{"too-slow", 408, "The request came too slowly", "The body did not arrive in time.", "Send it again, over a better line."}
	problemConflict  = &problemKind{"conflict", 409, "It is in another state", "What the request is about is not in the state that it takes; nothing was changed.", "Read it again and decide anew."}
	problemRunning   = &problemKind{"request-running", 409, "The same request is running", "A request with this Idempotency-Key is being worked on.", "Wait as long as Retry-After says and send the same request again."}
	problemUnsure    = &problemKind{"outcome-unknown", 409, "Nobody knows how the request came out", "An earlier attempt with this Idempotency-Key broke off in the middle; it may have been done.", "Look whether it was done. If not, send it with another key."}
	problemGone      = &problemKind{"answer-gone", 409, "It was done; its answer is not kept", "An earlier attempt with this Idempotency-Key was done, but its answer was too long to keep, or the token was rotated since.", "Read what it made with a GET."}
	problemTooLarge  = &problemKind{"too-large", 413, "The request is too large", "The body is longer than the call takes.", "Send less at once."}
	problemMedia     = &problemKind{"media-type", 415, "The body's media type is not taken", "The API takes JSON.", "Send Content-Type: application/json."}
	problemInvalid   = &problemKind{"invalid", 422, "The request is not as described", "Values are missing, of another type, or out of their bounds; errors names each with its place.", "Mend what errors names."}
	problemRefused   = &problemKind{"unfulfillable", 422, "The request cannot be fulfilled", "Each value is fine by itself, but central cannot do this: a zone does not exist, a day is over.", "The detail says what to change."}
	problemCursor    = &problemKind{"foreign-cursor", 422, "The cursor is of another list", "A cursor is good for the list and the filters that it came with.", "Begin without a cursor."}
	problemReused    = &problemKind{"key-reused", 422, "The idempotency key was used for another request", "Another request of this token came with the same Idempotency-Key in the last 24 hours.", "Make a new random key for each request."}
	problemRate      = &problemKind{"too-many-requests", 429, "Too many requests", "The token or the address asks faster than it may.", "Wait as long as Retry-After says; RateLimit says how much is left."}
	problemGuessing  = &problemKind{"too-many-bad-tokens", 429, "Too many bad tokens", "Somebody at this address tries tokens.", "Wait a few seconds and check the token."}
	problemKeys      = &problemKind{"too-many-keys", 429, "Too many idempotency keys", "The token has used as many keys as are kept in 24 hours.", "Use the call for many at once, or wait."}
	problemInternal  = &problemKind{"internal", 500, "Central failed", "Something is wrong at central; its log has the cause.", "Tell an operator; with an Idempotency-Key the request can be sent again."}
	problemAway      = &problemKind{"unavailable", 503, "Not possible at the moment", "The database, the signer or the broker does not answer, or the request was broken off.", "Try again in a few seconds."}
)

// problemKinds lists all of them in the order of their page.
func problemKinds() []*problemKind {
	return []*problemKind{problemMalformed, problemToken, problemForbidden, problemLanes, problemOrigin, problemMissing, problemMethod, problemTimeout,
		problemConflict, problemRunning, problemUnsure, problemGone, problemTooLarge, problemMedia, problemInvalid, problemRefused, problemCursor,
		problemReused, problemRate, problemGuessing, problemKeys, problemInternal, problemAway}
}

// problemsPath is where the kinds are explained, a fragment each.
const problemsPath = Base + "/problems"

// say returns a problem of the kind.
func (k *problemKind) say(detail string, faults ...Fault) *Problem {
	return &Problem{Type: problemsPath + "#" + k.name, Title: k.title, Status: k.status, Detail: detail, Errors: faults}
}

// kindOf returns the kind of a status that nobody named a kind for.
func kindOf(status int, faults int) *problemKind {
	if status == http.StatusUnprocessableEntity && faults == 0 {
		return problemRefused
	}
	for _, k := range problemKinds() {
		if k.status == status {
			return k
		}
	}
	return &problemKind{name: fmt.Sprintf("status-%d", status), status: status, title: http.StatusText(status)}
}

// Bounds of what a problem tells back of a request.
const (
	maxFaults = 50
	maxValue  = 80 // bytes of a text; other values are told back only if they are plain
)

// explain turns the library's errors into problems before they are written.
func explain(ctx huma.Context, _ string, v any) (any, error) {
	if p, ok := v.(*Problem); ok {
		p.RequestID = requestlog.ID(ctx.Context())
	}
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := kindOf(m.Status, len(m.Errors)).say(m.Detail)
	p.RequestID = requestlog.ID(ctx.Context())
	for _, e := range m.Errors {
		if e != nil && len(p.Errors) < maxFaults {
			p.Errors = append(p.Errors, faultOf(e))
		}
	}
	return p, nil
}

func faultOf(e *huma.ErrorDetail) Fault {
	f := Fault{Message: cut(e.Message, 4*maxValue), Location: cut(e.Location, 4*maxValue), Pointer: cut(pointer(e.Location), 4*maxValue)}
	switch v := e.Value.(type) {
	case string:
		if len(v) <= maxValue {
			f.Value = v
		}
	case bool, float64, int, int64:
		f.Value = v
	}
	return f
}

// cut bounds what came from the caller.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}

var indexPart = regexp.MustCompile(`\[(\d+)\]`)

// pointer returns the JSON Pointer of a place in the body, "" for other places.
func pointer(location string) string {
	rest, ok := strings.CutPrefix(location, "body")
	if !ok || rest != "" && rest[0] != '.' && rest[0] != '[' {
		return ""
	}
	rest = strings.NewReplacer("~", "~0", "/", "~1").Replace(rest)
	return "#" + strings.ReplaceAll(indexPart.ReplaceAllString(rest, ".$1"), ".", "/")
}

// problems maps what services refuse to a kind and, where the refusal came
// without words, to a detail.
var problems = []struct {
	cause  error
	kind   *problemKind
	detail string
}{
	{ErrNotFound, problemMissing, "There is none with this id; list them to see which there are."},
	{ErrConflict, problemConflict, "It has changed meanwhile; read it again and decide anew."},
	{ErrInvalid, problemRefused, "The request cannot be fulfilled as it is."},
	{ErrUnavailable, problemAway, "Not possible at the moment; try again in a few seconds."},
	{context.Canceled, problemAway, "The request was broken off."},
	{context.DeadlineExceeded, problemAway, "It took too long; try again, and look at central's load if it stays so."},
}

// problem returns err as an answer. The text of an error that no service meant
// for the caller goes to the log alone.
func (a *api) problem(ctx context.Context, err error) error {
	for _, p := range problems {
		if !errors.Is(err, p.cause) {
			continue
		}
		detail := p.detail
		if r, ok := errors.AsType[*Refusal](err); ok {
			detail = r.Detail
		}
		return p.kind.say(detail)
	}
	a.log.Error("request failed", "request", requestlog.ID(ctx), "by", caller(ctx), "cause", err)
	return problemInternal.say("Central could not do this; its log has the cause.")
}

// wrong returns a validation problem at one place of the request.
func wrong(location, message string, value any) error {
	return problemInvalid.say("validation failed", faultOf(&huma.ErrorDetail{Location: location, Message: message, Value: value}))
}

// printableFields returns a problem for the first of some fields of the body, each
// with its text behind it, that has control characters.
func printableFields(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if !printable(pairs[i+1]) {
			return wrong("body."+pairs[i], "has control characters", nil)
		}
	}
	return nil
}

// refuse answers a request that gets no further.
func (a *api) refuse(ctx huma.Context, k *problemKind, detail string) {
	ctx.SetHeader("Content-Type", "application/problem+json")
	ctx.SetStatus(k.status)
	p := k.say(detail)
	p.RequestID = requestlog.ID(ctx.Context())
	writeJSON(ctx.BodyWriter(), p)
}
