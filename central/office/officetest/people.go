package officetest

import (
	"context"
	"slices"
	"time"

	"turnstile/central/audit"
	"turnstile/central/office"
	"turnstile/central/rights"
)

// people is the fake's office.People.
type people struct{ *Fake }

func (s people) List(context.Context) ([]office.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accounts), nil
}

func (s people) index(name string) int {
	return slices.IndexFunc(s.accounts, func(a office.Account) bool { return a.Name == name })
}

func (s people) Add(ctx context.Context, by, name string, roles []rights.Role) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index(name) >= 0 {
		return office.Refuse(office.ErrConflict, "There is a person %s.", name)
	}
	s.accounts = append(s.accounts, office.Account{Name: name, Roles: roles, Created: s.Now(), CreatedBy: by})
	s.deed(by, "person_add", name)
	return nil
}

func (s people) Invite(ctx context.Context, by, name string) (office.AccountInvitation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(name)
	if i < 0 {
		return office.AccountInvitation{}, office.ErrNotFound
	}
	s.accounts[i].Invited = s.Now().Add(48 * time.Hour)
	s.deed(by, "person_invite", name)
	return office.AccountInvitation{URL: "http://localhost:8080/office/join?token=ABCDEFGHIJKL.ABCDEFGHIJKLMNOPQRSTUVWXYZ", Expires: s.accounts[i].Invited}, nil
}

func (s people) SetRoles(ctx context.Context, by, name string, roles []rights.Role) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(name)
	if i < 0 {
		return office.ErrNotFound
	}
	s.accounts[i].Roles = roles
	s.deed(by, "person_roles", name)
	return nil
}

func (s people) End(ctx context.Context, by, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(name)
	if i < 0 || !s.accounts[i].Ended.IsZero() {
		return office.ErrNotFound
	}
	s.accounts[i].Ended = s.Now()
	s.deed(by, "person_end", name)
	return nil
}

// deed appends to the fake's audit. Called with mu held.
func (f *Fake) deed(by, action, subject string) {
	var head audit.Hash
	if n := len(f.deeds); n > 0 {
		head = f.deeds[n-1].Hash
	}
	f.deeds = append(f.deeds, audit.Next(head, audit.Entry{Number: int64(len(f.deeds) + 1), At: f.Now().UnixMilli(), By: by, Action: action, Subject: subject}))
}

// log is the fake's office.Audit: of what was done to accounts.
type log struct{ *Fake }

func (s log) Page(_ context.Context, f office.AuditFilter) (list []audit.Entry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Backward(s.deeds) {
		if (f.Before == 0 || e.Number < f.Before) && (f.Action == "" || f.Action == e.Action) && len(list) < f.Limit {
			list = append(list, e)
		}
	}
	return list, nil
}

func (s log) Actions(context.Context) ([]string, error) {
	return []string{"person_add", "person_end", "person_invite", "person_roles"}, nil
}

func (s log) Heading(context.Context) (audit.Heading, error) {
	return audit.Heading{Version: 1, Site: "campus", At: s.Now().UnixMilli()}, nil
}

func (s log) Walk(_ context.Context, by string, entry func(audit.Entry) error, _ func([]byte) error) error {
	s.mu.Lock()
	s.deed(by, "audit_export", "")
	list := slices.Clone(s.deeds)
	s.mu.Unlock()
	for _, e := range list {
		if err := entry(e); err != nil {
			return err
		}
	}
	return nil
}

func (s log) Verify(context.Context, string, func(int64)) (office.AuditReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := office.AuditReport{Entries: int64(len(s.deeds))}
	if n := len(s.deeds); n > 0 {
		r.Head = s.deeds[n-1].Hash
	}
	return r, nil
}
