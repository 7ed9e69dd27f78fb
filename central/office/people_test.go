package office_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"turnstile/central/audit"
	"turnstile/central/office"
	"turnstile/central/rights"
)

// TestPeopleOverTheAPI invites, changes and ends, and finds it all in the audit.
func TestPeopleOverTheAPI(t *testing.T) {
	d := newDesk(t)
	made := ask[office.AccountInvitationBody](t, d, "admin", "POST", "/api/v1/people", m{"name": "chan", "roles": []string{"issuer", "auditor"}}, 201)
	if made.Name != "chan" || !strings.Contains(made.URL, "/office/join?token=") {
		t.Errorf("%+v", made)
	}
	for what, body := range map[string]m{
		"no role": {"name": "lee", "roles": []string{}}, "an unknown role": {"name": "lee", "roles": []string{"root"}}, "a role twice": {"name": "lee", "roles": []string{"viewer", "viewer"}},
		"a name": {"name": "Lee Tai", "roles": []string{"viewer"}}, "a long name": {"name": strings.Repeat("x", 33), "roles": []string{"viewer"}}, "more": {"name": "lee", "roles": []string{"viewer"}, "password": "x"},
	} {
		if w := d.do(t, "admin", "POST", "/api/v1/people", body); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	if w := d.do(t, "admin", "POST", "/api/v1/people", m{"name": "chan", "roles": []string{"viewer"}}); w.Code != http.StatusConflict {
		t.Errorf("twice: %d", w.Code)
	}
	if w := d.do(t, "admin", "PUT", "/api/v1/people/chan/roles", m{"roles": []string{"viewer"}}); w.Code != http.StatusNoContent {
		t.Errorf("roles: %d %s", w.Code, w.Body)
	}
	ask[office.AccountInvitationBody](t, d, "admin", "POST", "/api/v1/people/chan/invite", nil, 201)
	list := ask[office.AccountList](t, d, "auditor", "GET", "/api/v1/people", nil, 200)
	if len(list.People) != 1 || list.People[0].Roles[0] != "viewer" || list.People[0].Invited == nil {
		t.Errorf("%+v", list)
	}
	if w := d.do(t, "admin", "DELETE", "/api/v1/people/chan", nil); w.Code != http.StatusNoContent {
		t.Errorf("end: %d", w.Code)
	}
	if w := d.do(t, "admin", "DELETE", "/api/v1/people/chan", nil); w.Code != http.StatusNotFound {
		t.Errorf("end twice: %d", w.Code)
	}
	log := ask[office.AuditList](t, d, "auditor", "GET", "/api/v1/audit?limit=2", nil, 200)
	if len(log.Entries) != 2 || log.Entries[0].Action != "person_end" || log.Entries[0].By != "admin" || log.Next == "" {
		t.Errorf("%+v", log)
	}
	older := ask[office.AuditList](t, d, "auditor", "GET", "/api/v1/audit?limit=2&cursor="+log.Next, nil, 200)
	if len(older.Entries) != 2 || older.Entries[0].Number != log.Entries[1].Number-1 {
		t.Errorf("%+v", older)
	}
	if r := ask[office.AuditReportBody](t, d, "auditor", "POST", "/api/v1/audit/verify", nil, 200); !r.Good || r.Entries < 5 {
		t.Errorf("%+v", r)
	}
	w := d.do(t, "auditor", "GET", "/api/v1/audit/export", nil)
	c, _, err := audit.Check(bytes.NewReader(w.Body.Bytes()), nil, nil)
	if err != nil || c.Number < 6 || w.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%+v %v", c, err)
	}
}

// TestNobodyHandsOnMore keeps a token from making, or becoming, somebody who may
// do more than it.
func TestNobodyHandsOnMore(t *testing.T) {
	d := newDesk(t)
	ask[office.AccountInvitationBody](t, d, "admin", "POST", "/api/v1/people", m{"name": "boss", "roles": []string{"admin"}}, 201)
	ask[office.AccountInvitationBody](t, d, "admin", "POST", "/api/v1/people", m{"name": "clerk", "roles": []string{"viewer"}}, 201)
	scopes := []string{string(rights.PeopleManage)}
	for _, p := range rights.Viewer.Permissions() {
		scopes = append(scopes, string(p))
	}
	half := ask[office.TokenSecretBody](t, d, "admin", "POST", "/api/v1/tokens", m{"name": "half", "scopes": scopes}, 201)
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/people", `{"name":"me","roles":["admin"]}`, 403}, {"POST", "/people", `{"name":"me","roles":["viewer","issuer"]}`, 403},
		{"PUT", "/people/clerk/roles", `{"roles":["admin"]}`, 403}, {"POST", "/people/boss/invite", "", 403},
		{"POST", "/people", `{"name":"me","roles":["viewer"]}`, 201}, {"POST", "/people/clerk/invite", "", 201},
	} {
		if w := bearer(d, half.Secret, c.method, c.path, c.body); w.Code != c.want {
			t.Errorf("%s %s %s: %d %s, want %d", c.method, c.path, c.body, w.Code, w.Body, c.want)
		}
	}
}
