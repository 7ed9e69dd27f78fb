package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"turnstile/central/identity"
	"turnstile/central/office"
	"turnstile/central/rights"
)

// TestBegin signs a person in by hand and finds them again behind the cookie.
func TestBegin(t *testing.T) {
	ctx := context.Background()
	people, db, err := OpenPeople(ctx, Config{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := people.Add(ctx, "test", "chan", []rights.Role{rights.Issuer, rights.Auditor}); err != nil {
		t.Fatal(err)
	}
	if err := people.Add(ctx, "test", "chan", []rights.Role{rights.Admin}); !errors.Is(err, office.ErrConflict) {
		t.Errorf("a name twice: %v", err)
	}
	for _, name := range []string{"", "Chan", "a b", "-a", "陳", "a/../b"} {
		if err := people.Add(ctx, "test", name, []rights.Role{rights.Admin}); !errors.Is(err, office.ErrInvalid) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if err := people.Add(ctx, "test", "lee", nil); !errors.Is(err, office.ErrInvalid) {
		t.Errorf("no role: %v", err)
	}
	cookie, err := people.Begin(ctx, "chan")
	if err != nil {
		t.Fatal(err)
	}
	who, err := identity.Open(identity.Config{DB: people.db, URL: "http://localhost:8080"})
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]bool{cookie: true, cookie + "x": false, "": false} {
		known, name := false, ""
		h := who.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, ok := who.Principal(r)
			known, name = ok, p.Name
			if ok && (!p.Permissions.Has(rights.AuditRead) || !p.Permissions.Has(rights.PassesIssue) || p.Permissions.Has(rights.PeopleManage) || !slices.Contains(p.Roles, rights.Issuer)) {
				t.Errorf("may %v", p.Permissions)
			}
		}))
		r := httptest.NewRequest("GET", "/office/", nil)
		r.AddCookie(&http.Cookie{Name: who.CookieName(), Value: value})
		h.ServeHTTP(httptest.NewRecorder(), r)
		if known != want || want && name != "chan" {
			t.Errorf("cookie %.5s...: known %v as %q, want %v", value, known, name, want)
		}
	}
}
