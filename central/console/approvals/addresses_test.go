package approvals_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/rights"
)

// addresses are changes that wait.
type addresses struct {
	list []office.AddressChange
	done []office.AddressDecision
}

func (a *addresses) Waiting(context.Context) ([]office.AddressChange, error) { return a.list, nil }

func (a *addresses) Decide(_ context.Context, _ string, d office.AddressDecision) error {
	i := slices.IndexFunc(a.list, func(c office.AddressChange) bool { return c.ID == d.ID })
	if i < 0 {
		return office.Refuse(office.ErrConflict, "This address change does not wait any more; look at the list again.")
	}
	a.list, a.done = slices.Delete(a.list, i, i+1), append(a.done, d)
	return nil
}

// TestAddresses: changes of addresses are listed, approved, and refused with a reason.
func TestAddresses(t *testing.T) {
	d := newDesk(t)
	if w := d.send("GET", "/approvals/addresses", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "No change of an address waits.") {
		t.Errorf("none: %d", w.Code)
	}
	asked := noon.Add(-3 * time.Hour)
	d.addresses.list = []office.AddressChange{{ID: "ONE", Person: "P1", Name: "<b>Chan</b>", Old: "c…@old.example", New: "c…@new.example", Asked: asked}, {ID: "TWO", Person: "P2", New: "l…@new.example", Asked: asked}}
	page := d.send("GET", "/approvals/addresses", nil).Body.String()
	for _, want := range []string{"&lt;b&gt;Chan", "c…@old.example", "c…@new.example", "/office/register/at/P1", "/approvals/addresses/TWO/refuse", "3 h", ">none<"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if list := d.send("GET", "/approvals", nil).Body.String(); !strings.Contains(list, `<span class="chip wait">2</span>`) {
		t.Error("the list does not say how many wait")
	}
	for _, reason := range []string{"", "two\nlines", strings.Repeat("x", 201)} {
		if w := d.send("POST", "/approvals/addresses/ONE/refuse", url.Values{"reason": {reason}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `id="wrong-ONE"`) {
			t.Errorf("reason %.10q: %d", reason, w.Code)
		}
	}
	if w := d.send("POST", "/approvals/addresses/ONE/refuse", url.Values{"reason": {"Not at the counter."}}); w.Code != http.StatusSeeOther {
		t.Errorf("refuse: %d", w.Code)
	}
	if w := d.send("POST", "/approvals/addresses/ONE/approve", nil); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "does not wait any more") {
		t.Errorf("what was refused: %d", w.Code)
	}
	d.as("hui", rights.Auditor)
	if page := d.send("GET", "/approvals/addresses", nil).Body.String(); strings.Contains(page, "<form method=\"post\" action=\"/office/approvals/addresses") {
		t.Error("an auditor has forms")
	}
	if w := d.send("POST", "/approvals/addresses/TWO/approve", nil); w.Code != http.StatusForbidden {
		t.Errorf("an auditor approves: %d", w.Code)
	}
	d.as("lee", rights.Approver)
	if w := d.send("POST", "/approvals/addresses/TWO/approve", nil); w.Code != http.StatusSeeOther {
		t.Errorf("approve: %d", w.Code)
	}
	want := []office.AddressDecision{{ID: "ONE", Reason: "Not at the counter."}, {ID: "TWO", Approve: true}}
	if !slices.Equal(d.addresses.done, want) {
		t.Errorf("%+v", d.addresses.done)
	}
}

// FuzzAddressForms sends the forms whatever it is given.
func FuzzAddressForms(f *testing.F) {
	f.Add("reason=Not+here.")
	f.Add("reason=a&reason=b&choice=%00")
	f.Add("%zz=&;")
	d := newDesk(f)
	f.Fuzz(func(t *testing.T, form string) {
		d.addresses.list = []office.AddressChange{{ID: "ONE", Person: "P1", New: "c…@new.example", Asked: noon}}
		for _, verb := range []string{"refuse", "approve"} {
			r := httptest.NewRequest("POST", "http://office.example/office/approvals/addresses/ONE/"+verb, strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			if d.console.ServeHTTP(w, r); w.Code >= 500 {
				t.Errorf("%s %q: %d", verb, form, w.Code)
			}
		}
	})
}
