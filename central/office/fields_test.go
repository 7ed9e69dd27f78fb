package office_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"turnstile/central/office"
)

// TestEveryField goes through every field of every body: left out, of another type,
// too long, twice, with control characters, script-bearing, and written from right
// to left. What is wrong is refused with its place, nothing makes central fail,
// and no answer is a page.
func TestEveryField(t *testing.T) {
	doc, operations := readOpenAPI(t, newDesk(t))
	told := tell(t)
	bodies, fields := 0, 0
	for _, op := range operations {
		if op.RequestBody == nil {
			continue
		}
		e := told[op.OperationID]
		schema := doc.resolve(op.RequestBody.Content["application/json"].Schema)
		var good map[string]any
		if err := json.Unmarshal(e.Request, &good); err != nil {
			t.Errorf("%s: %v", op.OperationID, err)
			continue
		}
		bodies++
		f := fieldTest{t, campus(t), op, e, schema, good}
		properties, _ := schema["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			p, _ := properties[name].(map[string]any)
			if p["readOnly"] == true {
				continue
			}
			f.try(name, doc.resolve(p))
			fields++
		}
		f.send("another key", f.with("surprise", 1), 422, "#/surprise")
		f.send("no object", []byte(`[1]`), 422, "#")
		f.send("no JSON", []byte(`{"`), 400, "#")
		f.send("half a character", append([]byte(`{"`), 0xff, '"', ':', '1', '}'), 422, "")
	}
	if bodies < 20 || fields < 60 {
		t.Errorf("only %d fields of %d bodies", fields, bodies)
	}
}

type fieldTest struct {
	*testing.T
	desk   *desk
	op     *openOperation
	e      shown
	schema map[string]any
	good   map[string]any
}

// with returns the good body with another value of one field.
func (f *fieldTest) with(name string, v any) []byte {
	body := maps.Clone(f.good)
	body[name] = v
	return f.encode(body)
}

func (f *fieldTest) encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// send sends a body and wants a status and, if there is one, the place of a fault.
// Status 0 is any that is no failure of central's.
func (f *fieldTest) send(what string, body []byte, status int, pointer string) {
	f.Helper()
	w := bearer(f.desk, f.e.Role+"-secret", f.e.Method, strings.TrimPrefix(f.e.Path, office.Base), string(body))
	kind := w.Header().Get("Content-Type")
	if w.Code >= 500 || status != 0 && w.Code != status || kind != "" && kind != "application/json" && kind != "application/problem+json" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		f.Errorf("%s, %s: %d %s %s, want %d", f.op.OperationID, what, w.Code, kind, w.Body, status)
		return
	}
	if status < 400 || pointer == "" {
		return
	}
	var p office.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || !slices.ContainsFunc(p.Errors, func(x office.Fault) bool { return strings.HasPrefix(x.Pointer, pointer) }) {
		f.Errorf("%s, %s: %s, want a fault at %s", f.op.OperationID, what, w.Body, pointer)
	}
}

// try goes through what can be wrong with one field.
func (f *fieldTest) try(name string, schema map[string]any) {
	at := "#/" + name
	required, _ := f.schema["required"].([]any)
	if slices.Contains(required, any(name)) {
		body := maps.Clone(f.good)
		delete(body, name)
		f.send(name+" missing", f.encode(body), 422, "#")
	}
	wrong := any(map[string]any{"x": 1})
	if ofType(schema["type"], wrong) {
		wrong = "x"
	}
	f.send(name+" of another type", f.with(name, wrong), 422, at)
	if _, there := f.good[name]; there {
		twice := bytes.TrimSuffix(f.encode(f.good), []byte("}"))
		f.send(name+" twice", fmt.Appendf(twice, `,%q:%s}`, name, f.encode(f.good[name])), 400, "#")
	}
	if ofType(schema["type"], "x") {
		f.tryText(name, at, schema)
	}
}

// tryText goes through what can be wrong with a text.
func (f *fieldTest) tryText(name, at string, schema map[string]any) {
	if longest, ok := schema["maxLength"].(float64); ok {
		f.send(name+" too long", f.with(name, strings.Repeat("x", int(longest)+1)), 422, at)
	} else if schema["enum"] == nil && schema["pattern"] == nil && schema["format"] == nil && schema["contentEncoding"] == nil {
		f.Errorf("%s: %s has no bound", f.op.OperationID, name)
	}
	if schema["enum"] != nil {
		f.send(name+" none of its values", f.with(name, "surprise"), 422, at)
		return
	}
	for _, text := range []string{"\u0000", "a\nb", "bell\u0007", "\u009bevil", "\ufffd"} {
		f.send(fmt.Sprintf("%s %q", name, text), f.with(name, text), 422, "")
	}
	for _, text := range []string{"<script>alert(1)</script>", "محمد", "\u202eevil", "陳", "'; DROP TABLE passes; --", "{{.}}"} {
		f.send(fmt.Sprintf("%s %q", name, text), f.with(name, text), 0, "")
	}
}
