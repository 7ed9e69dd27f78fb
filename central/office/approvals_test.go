package office_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/jpeg"
	"maps"
	"strings"
	"testing"

	"turnstile/central/office"
)

func portrait(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 150, 200)), nil); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func card(t testing.TB) m {
	return m{"kind": "ecard", "holder": "A1", "name": "First Last", "facts": []m{{"name": "Degree", "value": "BSc 2014"}}, "photo": portrait(t), "photo_type": "image/jpeg"}
}

func guests() m {
	return m{"kind": "guests", "holder": "A1", "name": "First Last", "guests": []string{"One", "二"}, "visit": m{"day": "2026-11-21", "purpose": "lecture"}}
}

func TestApplications(t *testing.T) {
	d := newDesk(t)
	a := ask[office.ApplicationBody](t, d, "issuer", "POST", "/api/v1/applications", card(t), 201)
	if a.Number != 1 || a.State != "open" || !a.Photo || len(a.Facts) != 1 {
		t.Errorf("%+v", a)
	}
	ask[problem](t, d, "issuer", "POST", "/api/v1/applications", card(t), 409)
	if w := d.do(t, "approver", "GET", "/api/v1/applications/1/photo", nil); w.Code != 200 || w.Header().Get("Content-Type") != "image/jpeg" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("photo: %d %v", w.Code, w.Header())
	}
	ask[problem](t, d, "approver", "POST", "/api/v1/applications/1/reject", m{}, 422) // without a reason
	a = ask[office.ApplicationBody](t, d, "approver", "POST", "/api/v1/applications/1/approve", m{}, 200)
	if a.State != "approved" || a.DecidedBy != "approver" || a.Photo {
		t.Errorf("%+v", a)
	}
	ask[problem](t, d, "approver", "POST", "/api/v1/applications/1/reject", m{"reason": "blurred"}, 409)
	if w := d.do(t, "approver", "GET", "/api/v1/applications/1/photo", nil); w.Code != 404 {
		t.Errorf("the photo of a decided one: %d", w.Code)
	}
	ask[office.ApplicationBody](t, d, "issuer", "POST", "/api/v1/applications", guests(), 201)
	a = ask[office.ApplicationBody](t, d, "admin", "POST", "/api/v1/applications/2/approve", m{}, 200)
	if len(a.Passes) != 2 || a.Day != "2026-11-21" {
		t.Errorf("%+v", a)
	}
	if p := ask[office.PassBody](t, d, "viewer", "GET", "/api/v1/passes/"+a.Passes[1], nil, 200); p.Kind != "guest" || p.GuestName != "二" || p.Holder != "A1" || p.Purpose != "lecture" {
		t.Errorf("%+v", p)
	}
	list := ask[office.ApplicationList](t, d, "auditor", "GET", "/api/v1/applications?state=approved&limit=1", nil, 200)
	if len(list.Applications) != 1 || list.Next == "" {
		t.Fatalf("%+v", list)
	}
	list = ask[office.ApplicationList](t, d, "auditor", "GET", "/api/v1/applications?state=approved&limit=1&cursor="+list.Next, nil, 200)
	if len(list.Applications) != 1 || list.Applications[0].Number != 2 || list.Next != "" {
		t.Errorf("%+v", list)
	}
}

// TestApprovalPolicy: what nobody has to approve is approved at once.
func TestApprovalPolicy(t *testing.T) {
	d := newDesk(t)
	if p := ask[office.Policy](t, d, "admin", "PUT", "/api/v1/approval-policy", m{"version": 0, "ecards": false, "guests": true}, 200); p.ECards || !p.Guests {
		t.Errorf("%+v", p)
	}
	if a := ask[office.ApplicationBody](t, d, "issuer", "POST", "/api/v1/applications", card(t), 201); a.State != "approved" || a.DecidedBy != "policy" {
		t.Errorf("%+v", a)
	}
	if a := ask[office.ApplicationBody](t, d, "issuer", "POST", "/api/v1/applications", guests(), 201); a.State != "open" {
		t.Errorf("%+v", a)
	}
}

func TestBadApplications(t *testing.T) {
	d := newDesk(t)
	for name, x := range map[string]struct {
		base     m
		key      string
		value    any
		location string
	}{
		"no photo":        {card(t), "photo", nil, "body.photo"},
		"not base64":      {card(t), "photo", "<script>", "body"},
		"kind":            {card(t), "kind", "king", "body.kind"},
		"type":            {card(t), "photo_type", "image/svg+xml", "body.photo_type"},
		"long name":       {card(t), "name", strings.Repeat("x", 121), "body.name"},
		"control":         {card(t), "holder", "a\x00b", "body.name"},
		"guests of card":  {card(t), "guests", []string{"One"}, "body.guests"},
		"many facts":      {card(t), "facts", make([]m, 21), "body.facts"},
		"no guests":       {guests(), "guests", nil, "body.guests"},
		"many guests":     {guests(), "guests", strings.Split(strings.Repeat("x ", 21), " "), "body.guests"},
		"guest twice":     {guests(), "guests", []string{"One", "One"}, "body.guests[1]"},
		"empty guest":     {guests(), "guests", []string{""}, "body.guests[0]"},
		"no visit":        {guests(), "visit", nil, "body.visit"},
		"day":             {guests(), "visit", m{"day": "2026-02-30"}, "body"},
		"photo of guests": {guests(), "photo", portrait(t), "body.photo"},
	} {
		body := maps.Clone(x.base)
		if body[x.key] = x.value; x.value == nil {
			delete(body, x.key)
		}
		p := ask[problem](t, d, "issuer", "POST", "/api/v1/applications", body, 422)
		if len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Location, x.location) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if w := d.do(t, "issuer", "POST", "/api/v1/applications", `{"kind":"ecard","photo":"`+strings.Repeat("A", office.MaxUpload)+`"}`); w.Code != 413 {
		t.Errorf("a huge photo: %d", w.Code)
	}
	if list := ask[office.ApplicationList](t, d, "approver", "GET", "/api/v1/applications", nil, 200); len(list.Applications) != 0 {
		t.Errorf("%d were stored", len(list.Applications))
	}
}

func TestBulkChanges(t *testing.T) {
	d := newDesk(t)
	var ids []string
	for i := range 6 {
		o := order()
		o["holder"] = fmt.Sprint("P", i%2)
		ids = append(ids, ask[office.PassBody](t, d, "issuer", "POST", "/api/v1/passes", o, 201).ID)
	}
	done := ask[office.BulkBody](t, d, "issuer", "POST", "/api/v1/bulk-changes", m{"status": "revoked", "holder": "P0", "reason": "left"}, 200)
	if done.State != "done" || done.Changed != 3 || done.RefusedBy == nil || done.Expires != nil {
		t.Errorf("%+v", done)
	}
	for _, id := range ids[:2] {
		ask[office.PassBody](t, d, "issuer", "POST", "/api/v1/passes/"+id+"/release", m{}, 200)
	}
	d2 := ask[office.BulkBody](t, d, "issuer", "POST", "/api/v1/bulk-changes", m{"status": "held", "day": "2026-11-21", "zone": 0, "reason": "water"}, 200)
	if d2.State != "proposed" || d2.Passes != 4 || d2.Expires == nil {
		t.Fatalf("%+v", d2)
	}
	if list := ask[office.BulkList](t, d, "viewer", "GET", "/api/v1/bulk-changes?open=true", nil, 200); len(list.Changes) != 1 || list.Changes[0].ID != d2.ID {
		t.Errorf("%+v", list)
	}
	// Who confirms is a person at the console: no token can.
	if w := d.do(t, "admin", "POST", "/api/v1/bulk-changes/"+d2.ID+"/confirm", m{}); w.Code != 404 {
		t.Errorf("confirmed by a token: %d", w.Code)
	}
	if w := ask[office.BulkBody](t, d, "issuer", "POST", "/api/v1/bulk-changes/"+d2.ID+"/withdraw", nil, 200); w.State != "withdrawn" {
		t.Errorf("%+v", w)
	}
	ask[problem](t, d, "issuer", "POST", "/api/v1/bulk-changes/"+d2.ID+"/withdraw", nil, 409)
	for name, body := range map[string]m{
		"nothing selected": {"status": "held", "holder": "nobody", "reason": "x"}, "no reason": {"status": "held", "holder": "P0"}, "status": {"status": "gone", "holder": "P0", "reason": "x"},
		"id": {"status": "held", "passes": []string{"7"}, "reason": "x"}, "both": {"status": "held", "passes": ids, "holder": "P0", "reason": "x"}, "day": {"status": "held", "day": "never", "reason": "x"},
	} {
		if w := d.do(t, "issuer", "POST", "/api/v1/bulk-changes", body); w.Code != 422 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestMailCode(t *testing.T) {
	d := newDesk(t)
	p := ask[office.PassBody](t, d, "issuer", "POST", "/api/v1/passes", order(), 201)
	at := "/api/v1/passes/" + p.ID + "/mail"
	if w := d.do(t, "issuer", "POST", at, m{"address": "a@example.org"}); w.Code != 202 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, bad := range []string{"", "nobody", "a@example.org\r\nBcc: b@example.org", "A <a@example.org>", strings.Repeat("x", 255) + "@example.org"} {
		if w := d.do(t, "issuer", "POST", at, m{"address": bad}); w.Code != 422 {
			t.Errorf("%.40q: %d", bad, w.Code)
		}
	}
	ask[office.PassBody](t, d, "issuer", "POST", "/api/v1/passes/"+p.ID+"/revoke", m{}, 200)
	if w := d.do(t, "issuer", "POST", at, m{"address": "a@example.org"}); w.Code != 409 {
		t.Errorf("a revoked one: %d", w.Code)
	}
}
