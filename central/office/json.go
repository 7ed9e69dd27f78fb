package office

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/danielgtaylor/huma/v2"
)

var errTwice = errors.New("stands twice")

// jsonFormat is JSON whose objects have each key once: of two the library would
// take the last, and whoever looked at the request before it perhaps the first.
// What is written is not escaped for HTML; its media type and the policy of each
// answer keep browsers from taking it for a page.
func jsonFormat() huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, v any) error { return writeJSON(w, v) },
		Unmarshal: func(data []byte, v any) error {
			if err := json.Unmarshal(data, v); err != nil {
				return err
			}
			return uniqueKeys(data)
		},
	}
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// uniqueKeys returns an error if an object of a valid document has a key twice.
func uniqueKeys(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var open []*object // nil: an array
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'):
			open = append(open, &object{keys: map[string]bool{}})
			continue
		case json.Delim('['):
			open = append(open, nil)
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		default:
			if key, ok := isKey(open, t); ok {
				if open[len(open)-1].add(key) {
					return fmt.Errorf("the key %.60q %w", key, errTwice)
				}
				continue
			}
		}
		if n := len(open); n > 0 && open[n-1] != nil {
			open[n-1].value = false // its value is complete
		}
	}
}

// object is a JSON object whose end has not come yet.
type object struct {
	keys  map[string]bool
	value bool // the next token is a value
}

// isKey reports whether a token is a key of the innermost open object.
func isKey(open []*object, t json.Token) (string, bool) {
	if len(open) == 0 || open[len(open)-1] == nil || open[len(open)-1].value {
		return "", false
	}
	key, ok := t.(string)
	return key, ok
}

// add notes a key, and reports whether it was there.
func (o *object) add(key string) (twice bool) {
	twice = o.keys[key]
	o.keys[key], o.value = true, true
	return twice
}
