package office

import (
	_ "embed"
	"html/template"
	"net/http"
)

// docsPath is where the description of the API for people is.
const docsPath = Base + "/docs"

// docs is written by the tests from requests to a real API and their answers.
//
//go:embed API.md
var docs []byte

// examples is written with it.
//
//go:embed examples.json
var examples []byte

func docsPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/markdown; charset=utf-8")
	w.Write(docs)
}

var problemTemplate = template.Must(template.New("problems").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Problems of the Turnstile API</title>
<h1>Problems of the API</h1>
<p>Every answer that is no success is a problem (RFC 9457). Its <code>type</code> names one of these kinds.</p>
<dl>{{range .}}
<dt id="{{.Name}}"><strong>{{.Title}}</strong> <code>{{.Name}}</code>, status {{.Status}}</dt>
<dd>{{.Why}} {{.Remedy}}</dd>{{end}}
</dl>
</html>
`))

// problemPage explains each kind under the fragment that its type has.
func problemPage(w http.ResponseWriter, _ *http.Request) {
	type row struct {
		Name, Title string
		Status      int
		Why, Remedy string
	}
	var rows []row
	for _, k := range problemKinds() {
		rows = append(rows, row{k.name, k.title, k.status, k.why, k.remedy})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	problemTemplate.Execute(w, rows) // fails only if the caller is gone
}
