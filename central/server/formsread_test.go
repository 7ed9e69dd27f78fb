package server

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// webForm is a form as a page has it.
type webForm struct {
	method, action string // POST or GET; path with its query
	multipart      bool
	fields         []webField // in the order of the page, each name once
}

// webField is what a browser would send of a form.
type webField struct {
	name, kind string // kind: the type of an input; textarea, select
	values     []string
}

// typed reports whether a person writes it with the keyboard.
func (f *webField) typed() bool {
	return slices.Contains([]string{"text", "search", "textarea", "number", "date", "time", "datetime-local", "email"}, f.kind)
}

// webPage is what a browser makes of an answer, as far as a test asks.
type webPage struct {
	lang     string
	forms    []*webForm
	links    []string
	messages []string // what is said with role=alert, or beside a field
}

// readPage reads HTML as the console writes it.
func readPage(t *testing.T, body string) *webPage {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(body))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	r := pageReader{page: &webPage{}}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return r.page
		}
		if err != nil {
			t.Errorf("a page that is no HTML: %v", err)
			return r.page
		}
		switch x := token.(type) {
		case xml.StartElement:
			r.begin(x)
		case xml.EndElement:
			r.end(x.Name.Local)
		case xml.CharData:
			r.text(string(x))
		}
	}
}

// pageReader is where the reading of a page is.
type pageReader struct {
	page    *webPage
	depth   int
	form    *webForm
	other   []*webForm
	area    *webField // textarea or option that is open
	option  bool
	chosen  bool
	told    int // depth of the element whose text is a message; 0: none
	message strings.Builder
}

func attr(x xml.StartElement, name string) (string, bool) {
	for _, a := range x.Attr {
		if a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

func (r *pageReader) begin(x xml.StartElement) {
	r.depth++
	get := func(name string) string { v, _ := attr(x, name); return v }
	_, hidden := attr(x, "hidden")
	if classes := strings.Fields(get("class")); r.told == 0 && !hidden && (get("role") == "alert" || slices.Contains(classes, "problem") || x.Name.Local == "span" && slices.Contains(classes, "wrong") || x.Name.Local == "small" && slices.Contains(classes, "no")) {
		r.told = r.depth
		r.message.Reset()
	}
	switch x.Name.Local {
	case "html":
		r.page.lang = get("lang")
	case "a":
		if href, ok := attr(x, "href"); ok {
			r.page.links = append(r.page.links, href)
		}
	case "form":
		r.form = &webForm{method: strings.ToUpper(get("method")), action: get("action"), multipart: get("enctype") == "multipart/form-data"}
		if _, script := attr(x, "data-passkey"); !script {
			r.page.forms = append(r.page.forms, r.form)
		}
	case "input", "button", "textarea", "select", "option":
		r.control(x, get)
	}
}

func (r *pageReader) control(x xml.StartElement, get func(string) string) {
	if r.form == nil {
		return // a control of a form that stands elsewhere is read where the form has its own
	}
	name, kind := get("name"), get("type")
	_, checked := attr(x, "checked")
	switch x.Name.Local {
	case "input":
		if kind == "" {
			kind = "text"
		}
		on := kind != "checkbox" && kind != "radio" || checked
		r.form.add(name, kind, get("value"), on)
	case "button":
		if to := get("formaction"); to != "" {
			r.other = append(r.other, &webForm{method: http.MethodPost, action: to})
		}
		r.form.add(name, "button", get("value"), true)
	case "textarea":
		r.area = r.form.add(name, "textarea", "", true)
	case "select":
		r.area = r.form.add(name, "select", "", false)
	case "option":
		_, selected := attr(x, "selected")
		if r.area != nil && (selected || len(r.area.values) == 0) {
			r.area.values = []string{get("value")}
		}
	}
}

// add notes a control; on tells whether the browser sends its value.
func (f *webForm) add(name, kind, value string, on bool) *webField {
	if name == "" {
		return nil
	}
	i := slices.IndexFunc(f.fields, func(x webField) bool { return x.name == name })
	if i < 0 {
		i = len(f.fields)
		f.fields = append(f.fields, webField{name: name, kind: kind})
	} else if kind == "button" {
		return &f.fields[i] // one of several buttons is pressed: the first
	}
	if on {
		f.fields[i].values = append(f.fields[i].values, value)
	}
	return &f.fields[i]
}

func (r *pageReader) text(text string) {
	if r.told != 0 {
		r.message.WriteString(text)
	}
	if r.area != nil && r.area.kind == "textarea" {
		r.area.values = []string{strings.TrimPrefix(text, "\n")}
	}
}

func (r *pageReader) end(name string) {
	switch name {
	case "form":
		for _, f := range r.other { // buttons that send the form elsewhere
			f.fields = r.form.fields
			r.page.forms = append(r.page.forms, f)
		}
		r.form, r.other = nil, nil
	case "textarea", "select":
		r.area = nil
	}
	if r.told == r.depth {
		if text := strings.TrimSpace(r.message.String()); text != "" {
			r.page.messages = append(r.page.messages, text)
		}
		r.told = 0
	}
	r.depth--
}

// find returns the forms of an action.
func (p *webPage) find(method, action string) (list []*webForm) {
	for _, f := range p.forms {
		if f.method == method && f.action == action {
			list = append(list, f)
		}
	}
	return list
}

// value returns what a field of a form has, as one text.
func (f *webForm) value(name string) string {
	for _, x := range f.fields {
		if x.name == name {
			return strings.Join(x.values, "\n")
		}
	}
	return ""
}
