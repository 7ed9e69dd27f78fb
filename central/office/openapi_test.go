package office_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"turnstile/central/office"
	"turnstile/central/rights"
)

// whole are the lists that come whole, and why.
var whole = map[string]string{
	"get-rules":              "the rules are one document",
	"put-rules":              "the rules are one document",
	"get-feed":               "three open days and a few keys",
	"get-occupancy":          "one row a zone",
	"get-muster":             "who is inside, at one moment: a page later it is another one",
	"count-passages":         "counts of one period, bounded by its hours",
	"count-passages-by-lane": "one row a lane",
	"explain-passage":        "one passage; its scans are bounded",
	"list-entrances":         "a campus has a few dozen, shown in their order",
	"list-places":            "drawn as one map",
	"list-retired-lanes":     "a few a year",
	"list-commands":          "the newest, for the board; the audit has all",
	"list-bulk-changes":      "the newest, for the desk; the audit has all",
	"list-syncs":             "the newest, for the desk; the audit has all",
	"list-merges":            "the newest, or those of one person",
	"mail-code":              "the mails of one pass, which are bounded",
}

// TestOpenAPI checks the document's structure, and that every operation says what
// it is called, who may call it, how it fails, and what it looks like.
func TestOpenAPI(t *testing.T) {
	d := newDesk(t)
	doc, operations := readOpenAPI(t, d)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || doc.Info.Title == "" || doc.Info.Version == "" || len(doc.Components.SecuritySchemes) != 1 || len(operations) < 50 {
		t.Errorf("OpenAPI %s of %s %s, %d operations", doc.OpenAPI, doc.Info.Title, doc.Info.Version, len(operations))
	}
	ids, areas := map[string]bool{}, map[string]bool{}
	for _, tag := range doc.Tags {
		areas[tag.Name] = true
	}
	for _, op := range operations {
		if ids[op.OperationID] || op.OperationID == "" || len(op.Summary) < 8 || strings.HasSuffix(op.Summary, ".") {
			t.Errorf("%s %s: id %q, summary %q", op.method, op.path, op.OperationID, op.Summary)
		}
		ids[op.OperationID] = true
		if !slices.Contains(rights.All(), rights.Permission(op.Permission)) || len(op.Security) != 1 || op.Security[0]["token"] == nil || len(op.Tags) != 1 || !areas[op.Tags[0]] {
			t.Errorf("%s: permission %q, security %v, tags %v", op.OperationID, op.Permission, op.Security, op.Tags)
		}
		checkParameters(t, op)
		checkAnswers(t, &doc, op)
	}
	var raw any
	raw = ask[any](t, d, "", "GET", "/openapi.json", nil, 200)
	if n := checkSchemas(t, &doc, "#", raw); n < 300 {
		t.Errorf("only %d schemas seen", n)
	}
}

var template = regexp.MustCompile(`\{([a-z]+)\}`)

func checkParameters(t *testing.T, op *openOperation) {
	var inPath, declared []string
	for _, m := range template.FindAllStringSubmatch(op.path, -1) {
		inPath = append(inPath, m[1])
	}
	keyed := false
	for _, p := range op.Parameters {
		if p.In == "path" {
			declared = append(declared, p.Name)
			if !p.Required {
				t.Errorf("%s: %s is in the path and not required", op.OperationID, p.Name)
			}
		}
		if !slices.Contains([]string{"path", "query", "header"}, p.In) || p.Schema == nil {
			t.Errorf("%s: parameter %+v", op.OperationID, p)
		}
		keyed = keyed || p.Name == "Idempotency-Key" && p.In == "header"
	}
	slices.Sort(inPath)
	slices.Sort(declared)
	if !slices.Equal(inPath, declared) || keyed == (op.method == "GET") || !strings.HasPrefix(op.path, office.Base+"/") {
		t.Errorf("%s %s: parameters %v, with a key %v", op.method, op.path, declared, keyed)
	}
}

// checkAnswers wants one success with an example that fits, and problems.
func checkAnswers(t *testing.T, doc *openAPI, op *openOperation) {
	successes := 0
	for status, r := range op.Responses {
		if r.Description == "" {
			t.Errorf("%s %s: no description", op.OperationID, status)
		}
		if status >= "400" {
			if c, ok := r.Content["application/problem+json"]; !ok || c.Schema["$ref"] != "#/components/schemas/Problem" {
				t.Errorf("%s %s: no problem", op.OperationID, status)
			}
			continue
		}
		successes++
		for kind, c := range r.Content {
			if kind == "application/json" && len(r.Content) == 1 {
				checkExample(t, doc, op.OperationID+" "+status, c.Schema, c.Example)
				checkPages(t, doc, op, c.Schema)
			}
		}
	}
	if op.RequestBody != nil {
		c := op.RequestBody.Content["application/json"]
		checkExample(t, doc, op.OperationID+" request", c.Schema, c.Example)
	}
	for _, status := range []string{"401", "403", "429", "500", "503"} {
		if op.Responses[status] == nil {
			t.Errorf("%s does not tell of %s", op.OperationID, status)
		}
	}
	if successes != 1 {
		t.Errorf("%s has %d answers that are successes", op.OperationID, successes)
	}
}

// checkPages: what answers with a list has limit, cursor and next.
func checkPages(t *testing.T, doc *openAPI, op *openOperation, schema map[string]any) {
	properties, _ := doc.resolve(schema)["properties"].(map[string]any)
	rows := false
	for _, p := range properties {
		s, _ := p.(map[string]any)
		items, _ := s["items"].(map[string]any)
		rows = rows || items != nil && items["$ref"] != nil
	}
	named := func(name string) bool {
		return slices.ContainsFunc(op.Parameters, func(p openParameter) bool { return p.Name == name })
	}
	if paged := named("limit") && named("cursor") && properties["next"] != nil; op.method == "GET" && rows && !paged && whole[op.OperationID] == "" && strings.HasPrefix(op.OperationID, "list-") {
		t.Errorf("%s is a list without pages", op.OperationID)
	}
}

// resolve follows a reference.
func (doc *openAPI) resolve(schema map[string]any) map[string]any {
	ref, ok := schema["$ref"].(string)
	if !ok {
		return schema
	}
	return doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
}

// checkSchemas walks the document: references lead somewhere, types are JSON
// Schema's, and nothing of OpenAPI 3.0 is left.
func checkSchemas(t *testing.T, doc *openAPI, at string, v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && doc.resolve(v) == nil {
			t.Errorf("%s: %s leads nowhere", at, ref)
		}
		if kind, ok := v["type"].(string); ok && !strings.Contains(at, "/example") && !strings.Contains(at, "/properties/type") && !strings.HasSuffix(at, "/properties") && !strings.Contains(at, "securitySchemes") {
			if n++; !slices.Contains([]string{"string", "integer", "number", "boolean", "array", "object"}, kind) {
				t.Errorf("%s: type %s", at, kind)
			}
		}
		if _, ok := v["nullable"]; ok {
			t.Errorf("%s: nullable is of OpenAPI 3.0", at)
		}
		for k, x := range v {
			n += checkSchemas(t, doc, at+"/"+k, x)
		}
	case []any:
		for i, x := range v {
			n += checkSchemas(t, doc, fmt.Sprint(at, "/", i), x)
		}
	}
	return n
}

// checkExample holds an example to its schema.
func checkExample(t *testing.T, doc *openAPI, what string, schema map[string]any, v any) {
	if v == nil && schema != nil {
		t.Errorf("%s has no example", what)
		return
	}
	for _, fault := range doc.faults("", schema, v) {
		t.Errorf("%s: the example%s", what, fault)
	}
}

// faults lists where a value differs from a schema, as far as the keywords go
// that this API uses.
func (doc *openAPI) faults(at string, schema map[string]any, v any) (list []string) {
	schema = doc.resolve(schema)
	if !ofType(schema["type"], v) {
		return []string{fmt.Sprintf("%s is no %v: %v", at, schema["type"], v)}
	}
	if allowed, ok := schema["enum"].([]any); ok && !slices.ContainsFunc(allowed, func(x any) bool { return reflect.DeepEqual(x, v) }) {
		list = append(list, fmt.Sprintf("%s is none of %v: %v", at, allowed, v))
	}
	switch v := v.(type) {
	case string:
		if p, ok := schema["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			list = append(list, fmt.Sprintf("%s does not match %s: %q", at, p, v))
		}
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i, x := range v {
			list = append(list, doc.faults(fmt.Sprint(at, "/", i), items, x)...)
		}
	case map[string]any:
		list = append(list, doc.objectFaults(at, schema, v)...)
	}
	return list
}

func (doc *openAPI) objectFaults(at string, schema, v map[string]any) (list []string) {
	properties, _ := schema["properties"].(map[string]any)
	for name, x := range v {
		p, ok := properties[name].(map[string]any)
		if !ok {
			if schema["additionalProperties"] == false {
				list = append(list, at+"/"+name+" is not described")
			}
			continue
		}
		list = append(list, doc.faults(at+"/"+name, p, x)...)
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := v[fmt.Sprint(name)]; !ok {
			list = append(list, fmt.Sprint(at, "/", name, " is missing"))
		}
	}
	return list
}

// ofType reports whether a value has a type, or one of several.
func ofType(want, v any) bool {
	if several, ok := want.([]any); ok {
		return slices.ContainsFunc(several, func(one any) bool { return ofType(one, v) })
	}
	switch v := v.(type) {
	case nil:
		return want == "null" || want == nil
	case string:
		return want == "string" || want == nil
	case bool:
		return want == "boolean" || want == nil
	case float64:
		return want == "number" || want == nil || want == "integer" && v == float64(int64(v))
	case []any:
		return want == "array" || want == nil
	case map[string]any:
		return want == "object" || want == nil
	}
	return false
}

// TestExamplesCanFail: the check of examples sees what does not fit.
func TestExamplesCanFail(t *testing.T) {
	doc := openAPI{}
	schema := map[string]any{"type": "object", "additionalProperties": false, "required": []any{"a"}, "properties": map[string]any{
		"a": map[string]any{"type": "string", "enum": []any{"x", "y"}}, "b": map[string]any{"type": []any{"array", "null"}, "items": map[string]any{"type": "integer"}},
	}}
	for text, want := range map[string]int{`{"a":"x"}`: 0, `{"a":"x","b":null}`: 0, `{"a":"z"}`: 1, `{}`: 1, `{"a":"x","c":1}`: 1, `{"a":"x","b":[1,2.5]}`: 1, `{"a":"x","b":"1"}`: 1, `[]`: 1} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if got := doc.faults("", schema, v); len(got) != want {
			t.Errorf("%s: %v, want %d faults", text, got, want)
		}
	}
}
