package office_test

import (
	"strings"
	"testing"

	"turnstile/central/office"
)

// TestRegisterRows: bad rows are named by their place, nothing of them is in, and
// nothing repeats a personal id.
func TestRegisterRows(t *testing.T) {
	d := newDesk(t)
	rows := []m{{"id": "P1", "surname": "Chan"}, {"id": "P2", "surname": "Lee", "born": "never", "personal_id": "SECRET*"}, {"id": "P1"}}
	w := d.do(t, "admin", "POST", "/api/v1/register/rows", m{"kind": "persons", "rows": rows})
	wantKind(t, "bad rows", w, 422, "invalid")
	for _, want := range []string{"#/rows/1/born", "#/rows/1/personal_id", "#/rows/2", "same as line 1"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in %s", want, w.Body)
		}
	}
	if strings.Contains(w.Body.String(), "SECRET") || strings.Contains(d.log.String(), "SECRET") {
		t.Error("a personal id is told")
	}
	put := m{"kind": "persons", "rows": rows[:1]}
	if all := ask[office.RegisterBody](t, d, "issuer", "GET", "/api/v1/register", nil, 200); all.Persons != 0 {
		t.Errorf("%+v", all)
	}
	for i, want := range []string{`"added":1`, `"same":1`} {
		if w := d.do(t, "admin", "POST", "/api/v1/register/rows", put); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("time %d: %d %s", i, w.Code, w.Body)
		}
	}
	put["kind"] = "dogs"
	wantKind(t, "dogs", d.do(t, "admin", "POST", "/api/v1/register/rows", put), 422, "invalid")
	wantKind(t, "an unknown sync", d.do(t, "admin", "GET", "/api/v1/register/syncs/none/rows", nil), 404, "not-found")
	wantKind(t, "a letter", d.do(t, "admin", "GET", "/api/v1/register/persons?words=x", nil), 422, "unfulfillable")
}
