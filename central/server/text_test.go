package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"turnstile/central/database/postgrestest"
	"turnstile/central/office"
	"turnstile/central/rights"
)

// parameter is one of an operation's in the OpenAPI document.
type parameter struct {
	Name   string `json:"name"`
	In     string `json:"in"`
	Schema schema `json:"schema"`
}

type schema struct {
	Type       any               `json:"type"`
	Ref        string            `json:"$ref"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
}

type operationDoc struct {
	Parameters  []parameter `json:"parameters"`
	RequestBody struct {
		Content map[string]struct {
			Schema schema `json:"schema"`
		} `json:"content"`
	} `json:"requestBody"`
}

// TestTextThatPostgresRefuses: NUL and bytes that are no UTF-8, in whatever a client
// can send as text, are the client's error or do nothing. SQLite would take them.
func TestTextThatPostgresRefuses(t *testing.T) {
	c := configure(t)
	c.Database = postgrestest.URL(t)
	s := openCentral(t, c)
	defer s.stop()
	secret, err := s.services().Tokens.Create(t.Context(), "test", office.NewToken{Name: "text", Role: rights.Admin})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths      map[string]map[string]operationDoc `json:"paths"`
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(s.surfaceOf("GET", "/openapi.json", func(*http.Request) {}).Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	asked, sent := 0, 0
	try := func(method, path, body string) {
		w := s.surfaceOf(method, path, func(r *http.Request) {
			if body != "" {
				*r = *httptest.NewRequest(method, path, strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
			}
			r.Header.Set("Authorization", "Bearer "+secret)
		})
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s %s %s: %d %.200s", method, path, body, w.Code, w.Body)
		}
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			method := strings.ToUpper(method)
			for _, p := range op.Parameters {
				for _, text := range []string{"ab%00cd", "ab%ff%fe"} {
					switch p.In {
					case "query":
						asked++
						try(method, somewhere(path)+"?"+p.Name+"="+text, "")
					case "path":
						asked++
						try(method, strings.ReplaceAll(path, "{"+p.Name+"}", text), "")
					}
				}
			}
			body := op.RequestBody.Content["application/json"].Schema
			if name := body.Ref[strings.LastIndex(body.Ref, "/")+1:]; name != "" {
				body = doc.Components.Schemas[name]
			}
			for name, p := range body.Properties {
				if p.Type != "string" || name == "$schema" {
					continue
				}
				sent++
				try(method, somewhere(path), filled(body, name))
			}
		}
	}
	t.Logf("%d parameters, %d fields", asked, sent)
	if asked < 100 || sent < 40 {
		t.Errorf("only %d parameters and %d fields were tried", asked, sent)
	}
}

// filled returns a body with what is required, and NUL in one field.
func filled(of schema, name string) string {
	fields := map[string]any{name: "ab\x00cd"}
	for _, other := range of.Required {
		if _, there := fields[other]; there {
			continue
		}
		switch of.Properties[other].Type {
		case "string":
			fields[other] = "2026-11-22"
		case "integer", "number":
			fields[other] = 1
		case "boolean":
			fields[other] = true
		case "array":
			fields[other] = []any{}
		default:
			fields[other] = map[string]any{}
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err) // of plain values
	}
	return string(text)
}
