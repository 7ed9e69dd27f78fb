package office

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestUniqueKeys(t *testing.T) {
	for text, twice := range map[string]bool{
		`{}`: false, `[]`: false, `1`: false, `"a"`: false, `null`: false, `{"a":1,"b":1}`: false, `{"a":{"a":{"a":1}}}`: false, `[{"a":1},{"a":1}]`: false,
		`{"a":"a","b":"a"}`: false, `{"a":["a","a"],"b":{"a":"b"}}`: false, `{"a":[],"b":{},"c":[{}]}`: false,
		`{"a":1,"a":1}`: true, `{"a":{},"a":{}}`: true, `{"x":{"a":1,"b":[],"a":2}}`: true, `[[{"a":1},{"b":1,"b":2}]]`: true, `{"a":1,"\u0061":2}`: true, `{"":1,"":2}`: true,
	} {
		if err := uniqueKeys([]byte(text)); errors.Is(err, errTwice) != twice || err != nil && !twice {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzUniqueKeys: what was written from a map has each key once, and the check ends
// without a fault on all that is JSON.
func FuzzUniqueKeys(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":null},1.5,"c"],"d":{}}`))
	f.Add([]byte(`[[[[[]]]]]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if json.Unmarshal(data, &v) != nil {
			return
		}
		if err := uniqueKeys(data); err != nil && !errors.Is(err, errTwice) {
			t.Errorf("%s: %v", data, err)
		}
		again, err := json.Marshal(v)
		if err != nil {
			return
		}
		if err := uniqueKeys(again); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}
