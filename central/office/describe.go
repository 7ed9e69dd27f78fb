package office

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/rights"
)

// describe completes the OpenAPI document with what holds for every operation:
// the problem behind each status, idempotency keys, rate limits, and an example
// from a real request. Validation goes by the operations alone and is not changed.
func describe(doc *huma.OpenAPI, schemas huma.Registry) {
	problem := schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	seen := map[string]bool{}
	for path, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete} {
			if op == nil {
				continue
			}
			area, _, _ := strings.Cut(strings.TrimPrefix(path, Base+"/"), "/")
			op.Tags = []string{area}
			if seen[area] = true; op.Method != http.MethodGet {
				describeKey(op)
			}
			op.Responses["503"] = &huma.Response{}
			describeAnswers(op, problem)
			need, _ := op.Metadata[needKey].(rights.Permission)
			op.Extensions = map[string]any{"x-permission": string(need)}
		}
	}
	for area := range seen {
		doc.Tags = append(doc.Tags, &huma.Tag{Name: area})
	}
	slices.SortFunc(doc.Tags, func(a, b *huma.Tag) int { return strings.Compare(a.Name, b.Name) })
	delete(schemas.Map(), "ErrorModel") // no answer has these
	delete(schemas.Map(), "ErrorDetail")
	addExamples(doc)
}

// describeKey adds the Idempotency-Key and its problems.
func describeKey(op *huma.Operation) {
	longest := maxKeyText
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: keyHeader, In: "header", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &longest, Pattern: "^[!-~]+$"}, Example: "0b9d6a52-5c0e-4f57-9f7e-6f1d3c1a2b4d",
		Description: "A random text for this request. Sent again with the same one within 24 hours, the request is not done twice: it is answered as before.",
	})
	for _, status := range []int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity} {
		if text := strconv.Itoa(status); op.Responses[text] == nil {
			op.Responses[text] = &huma.Response{}
		}
	}
}

// describeAnswers gives each answer the headers and the problems that it has.
func describeAnswers(op *huma.Operation, problem *huma.Schema) {
	for text, r := range op.Responses {
		status, err := strconv.Atoi(text)
		if err != nil {
			continue
		}
		if r.Headers == nil {
			r.Headers = map[string]*huma.Param{}
		}
		r.Headers["RateLimit"] = header(`"token";r=1999;t=1`, "Requests left, and in how many seconds all are back.")
		r.Headers["RateLimit-Policy"] = header(`"token";q=2000;w=10`, "Requests in so many seconds.")
		if status < 300 {
			continue
		}
		var kinds []string
		for _, k := range problemKinds() {
			if k.status == status && meets(op, k) {
				kinds = append(kinds, k.title+" ("+problemsPath+"#"+k.name+")")
			}
		}
		r.Description = strings.Join(kinds, "; ")
		r.Content = map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}
		if status == http.StatusTooManyRequests || status == http.StatusConflict && op.Method != http.MethodGet {
			r.Headers["Retry-After"] = header("2", "Seconds to wait before the same request is worth sending again.")
		}
	}
}

func header(example, description string) *huma.Param {
	return &huma.Param{Schema: &huma.Schema{Type: huma.TypeString}, Example: example, Description: description}
}

// meets reports whether an operation can end with a kind of problem.
func meets(op *huma.Operation, k *problemKind) bool {
	switch k {
	case problemOrigin, problemRunning, problemUnsure, problemGone, problemReused, problemKeys:
		return op.Method != http.MethodGet
	case problemCursor:
		return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == "cursor" })
	}
	return true
}

// example is a request to a real API and its answer.
type example struct {
	ID      string          `json:"id"` // of the operation
	Role    string          `json:"role"`
	Method  string          `json:"method"`
	Path    string          `json:"path"` // with query
	Request json.RawMessage `json:"request,omitempty"`
	Status  int             `json:"status"`
	Type    string          `json:"type,omitempty"` // of the answer
	Answer  json.RawMessage `json:"answer,omitempty"`
	Text    string          `json:"text,omitempty"` // of an answer that is not JSON
}

// addExamples gives operations the examples that the tests wrote down.
func addExamples(doc *huma.OpenAPI) {
	var list []example
	if err := json.Unmarshal(examples, &list); err != nil {
		return // a test refuses such a file
	}
	byID := map[string]example{}
	for _, e := range list {
		byID[e.ID] = e
	}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete} {
			if op == nil {
				continue
			}
			e := byID[op.OperationID]
			if len(e.Request) > 0 && op.RequestBody != nil {
				setExample(op.RequestBody.Content["application/json"], e.Request)
			}
			if r := op.Responses[strconv.Itoa(e.Status)]; r != nil && len(e.Answer) > 0 {
				setExample(r.Content["application/json"], e.Answer)
			}
		}
	}
}

func setExample(m *huma.MediaType, text json.RawMessage) {
	var v any
	if m != nil && json.Unmarshal(text, &v) == nil {
		m.Example = v
	}
}
