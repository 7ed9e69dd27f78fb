package register_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"turnstile/central/office"
	"turnstile/central/register"
	"turnstile/central/rights"
)

// names are the NetIDs of one person.
type names struct {
	list   []office.NetID
	reason string
}

func (n *names) Of(_ context.Context, person string) ([]office.NetID, error) {
	if person != "P1" {
		return nil, nil
	}
	return n.list, nil
}

func (n *names) End(_ context.Context, _, person, id, reason string) error {
	if reason == "" {
		return office.Refuse(office.ErrInvalid, "Give a reason of at most 200 characters: it is written down.")
	}
	for i := range n.list {
		if person == "P1" && n.list[i].ID == id && n.list[i].Ended.IsZero() {
			n.list[i].Ended, n.reason = noon, reason
			return nil
		}
	}
	return office.Refuse(office.ErrNotFound, "This person has no such NetID in use; look at the list again.")
}

// holder makes a person of the register with an eCard and two NetIDs.
func (d *desk) holder(t testing.TB) {
	t.Helper()
	if _, bad, err := d.services.Register.Put(t.Context(), "test", register.Persons, []map[string]string{{"id": "P1", "surname": "Chan"}, {"id": "P2", "surname": "Lee"}}, false); err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 150, 200))); err != nil {
		t.Fatal(err)
	}
	a, err := d.services.Approvals.HandIn(t.Context(), "portal", office.Submission{Kind: office.ApplyECard, Holder: "P1", Name: "Chan", Photo: b.Bytes()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.services.Approvals.Decide(t.Context(), "user:lee", office.Decision{Number: a.Number, Approve: true}); err != nil {
		t.Fatal(err)
	}
	d.names.list = []office.NetID{{ID: "chan", Card: "student", Name: "<b>Chan</b>", Email: "c…@example.org", Created: noon}, {ID: "chan2", Card: "alumni", Name: "Chan", Created: noon, Changed: noon}}
}

// TestWithdraw: the office takes an eCard back with a reason, and gives it back.
func TestWithdraw(t *testing.T) {
	d := newDesk(t)
	d.holder(t)
	if w := d.get("/register/at/P2"); w.Code != 200 || strings.Contains(w.Body.String(), "ecard") || strings.Contains(w.Body.String(), "netids") {
		t.Errorf("who is no holder: %d", w.Code)
	}
	page := d.get("/register/at/P1").Body.String()
	for _, want := range []string{"/register/at/P1/ecard/withdraw", "/register/at/P1/netids/chan/end", "&lt;b&gt;Chan", "none yet", "Alumni"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	const at = "/register/at/P1/ecard/"
	for _, x := range []struct {
		what, path, reason string
		guests             bool
		code               int
		says               string
	}{
		{"return what is active", "return", "", false, 409, "not withdrawn"},
		{"no reason", "withdraw", " ", true, 422, "Give a reason"},
		{"too long", "withdraw", strings.Repeat("x", 300), false, 422, "Give a reason"},
		{"withdraw", "withdraw", "Lent <to> somebody", true, 303, ""},
		{"again", "withdraw", "again", false, 409, "already"},
		{"return", "return", "", false, 303, ""},
	} {
		form := url.Values{}
		if x.reason != "" {
			form.Set("reason", x.reason)
		}
		if x.guests {
			form.Set("guests", "yes")
		}
		w := d.post(at+x.path, form)
		if w.Code != x.code || !strings.Contains(w.Body.String(), x.says) {
			t.Errorf("%s: %d %.3000s", x.what, w.Code, w.Body)
		}
		if x.what == "no reason" && !strings.Contains(w.Body.String(), `value="yes" checked`) {
			t.Error("what was ticked is lost")
		}
		if page := d.get("/register/at/P1").Body.String(); x.what == "withdraw" && (!strings.Contains(page, "Lent &lt;to&gt; somebody") || !strings.Contains(page, at+"return")) {
			t.Errorf("the withdrawn card: %s", page)
		}
	}
	if w := d.post("/register/at/P2/ecard/withdraw", url.Values{"reason": {"x"}}); w.Code != http.StatusNotFound {
		t.Errorf("who has none: %d", w.Code)
	}
	d.role = rights.Auditor
	if page := d.get("/register/at/P1").Body.String(); strings.Contains(page, at) || strings.Contains(page, "/end") {
		t.Error("an auditor has forms")
	}
}

// TestEndNetID: a NetID ends with a reason, and only that of the person whose page it is.
func TestEndNetID(t *testing.T) {
	d := newDesk(t)
	d.holder(t)
	if w := d.post("/register/at/P1/netids/chan/end", url.Values{}); w.Code != 422 || !strings.Contains(w.Body.String(), "Give a reason") {
		t.Errorf("without a reason: %d", w.Code)
	}
	if w := d.post("/register/at/P2/netids/chan/end", url.Values{"reason": {"left"}}); w.Code != http.StatusNotFound || !d.names.list[0].Ended.IsZero() {
		t.Errorf("somebody else's: %d", w.Code)
	}
	if w := d.post("/register/at/P1/netids/chan/end", url.Values{"reason": {"left"}}); w.Code != 303 || d.names.reason != "left" {
		t.Errorf("%d %q", w.Code, d.names.reason)
	}
	if page := d.get("/register/at/P1").Body.String(); strings.Contains(page, "netids/chan/end") || !strings.Contains(page, "netids/chan2/end") || !strings.Contains(page, "ended") {
		t.Error("the ended one has a form still, or the other none")
	}
	if w := d.post("/register/at/P1/netids/chan/end", url.Values{"reason": {"left"}}); w.Code != http.StatusNotFound {
		t.Errorf("again: %d", w.Code)
	}
}
