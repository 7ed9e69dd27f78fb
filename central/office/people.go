package office

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/rights"
)

// People keeps the accounts of the office's people. The argument by is who does
// it, for the audit.
type People interface {
	// List returns everybody by name, also those whose access ended.
	List(ctx context.Context) ([]Account, error)
	// Add makes an account that nobody can sign in to before it is invited.
	// ErrInvalid: name or roles; ErrConflict: the name stands, also of somebody whose
	// access ended.
	Add(ctx context.Context, by, name string, roles []rights.Role) error
	// Invite makes a link to register with, once, in place of earlier ones. Used, it
	// ends what the person signed in with before, and gives access back to one whose
	// access ended. ErrNotFound.
	Invite(ctx context.Context, by, name string) (AccountInvitation, error)
	// SetRoles changes what a person may do, from the next request on. ErrNotFound;
	// ErrConflict: nobody else is an admin, or a provider decides.
	SetRoles(ctx context.Context, by, name string, roles []rights.Role) error
	// End takes access, sessions and credentials away at once. ErrNotFound, also for
	// one whose access ended; ErrConflict: nobody else is an admin.
	End(ctx context.Context, by, name string) error
}

// Account is a staff account without anything to sign in with.
type Account struct {
	Name      string
	Roles     []rights.Role
	Managed   string // OpenID issuer whose claims decide on Roles; "": admins do
	Created   time.Time
	CreatedBy string
	Seen      time.Time // last sign-in; zero: never
	Invited   time.Time // until when the invitation is good; zero: there is none
	Ended     time.Time // zero: has access
}

// AccountInvitation is a link to register with: a secret.
type AccountInvitation struct {
	URL     string
	Expires time.Time
}

// AccountBody is a staff account.
type AccountBody struct {
	Name      string     `json:"name" example:"chan"`
	Roles     []string   `json:"roles" enum:"viewer,issuer,approver,security,auditor,admin"`
	Managed   string     `json:"managed,omitempty" doc:"The OpenID issuer whose claims decide on the roles."`
	Created   time.Time  `json:"created"`
	CreatedBy string     `json:"created_by"`
	Seen      *time.Time `json:"seen,omitempty" doc:"Last sign-in; missing: never."`
	Invited   *time.Time `json:"invited,omitempty" doc:"Until when the invitation is good; missing: there is none."`
	Ended     *time.Time `json:"ended,omitempty" doc:"When access ended; missing: has access."`
}

// AccountList is one page of people.
type AccountList struct {
	People []AccountBody `json:"people"`
	Next   string        `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

// AccountInvitationBody is a link to register with.
type AccountInvitationBody struct {
	Name    string    `json:"name" example:"chan"`
	URL     string    `json:"url" doc:"Register with this link, once. It is shown here and never again."`
	Expires time.Time `json:"expires"`
}

func (a *api) peopleRoutes(h huma.API) {
	huma.Register(h, operation(rights.PeopleRead, "list-people", http.MethodGet, "/people", "List the staff accounts"), a.listPeople)
	add := operation(rights.PeopleManage, "add-person", http.MethodPost, "/people", "Make a staff account and invite its person", http.StatusConflict)
	add.DefaultStatus = http.StatusCreated
	huma.Register(h, add, a.addPerson)
	invite := operation(rights.PeopleManage, "invite-person", http.MethodPost, "/people/{name}/invite", "Invite a person anew; what they signed in with ends when they register", http.StatusNotFound)
	invite.DefaultStatus = http.StatusCreated
	huma.Register(h, invite, a.invitePerson)
	huma.Register(h, operation(rights.PeopleManage, "set-roles", http.MethodPut, "/people/{name}/roles", "Change what a person may do", http.StatusNotFound, http.StatusConflict), a.setRoles)
	end := operation(rights.PeopleManage, "end-person", http.MethodDelete, "/people/{name}", "Take a person's access away at once", http.StatusNotFound, http.StatusConflict)
	huma.Register(h, end, a.endPerson)
}

type peopleInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}

func (a *api) listPeople(ctx context.Context, in *peopleInput) (*paged[AccountList], error) {
	all, err := a.People.List(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	page, next, err := pageByKey(ctx, "people", in.Cursor, in.Limit, all, func(p Account) string { return p.Name })
	if err != nil {
		return nil, err
	}
	out := AccountList{People: make([]AccountBody, 0, len(page)), Next: next}
	for _, p := range page {
		b := AccountBody{Name: p.Name, Managed: p.Managed, Created: a.at(p.Created), CreatedBy: p.CreatedBy, Seen: a.maybe(p.Seen), Invited: a.maybe(p.Invited), Ended: a.maybe(p.Ended), Roles: []string{}}
		for _, r := range p.Roles {
			b.Roles = append(b.Roles, string(r))
		}
		out.People = append(out.People, b)
	}
	return answerPage(ctx, out, next), nil
}

// RolesBody is what a person may do. It is exported because huma overlooks
// embedded structs that are not.
type RolesBody struct {
	Roles []string `json:"roles" minItems:"1" maxItems:"6" uniqueItems:"true" enum:"viewer,issuer,approver,security,auditor,admin"`
}

// grantable returns the roles if the caller's token may do all that they may:
// nobody makes an account that can do more.
func grantable(ctx context.Context, words []string) ([]rights.Role, error) {
	have := callOf(ctx).token.Permissions()
	roles := make([]rights.Role, 0, len(words))
	for _, w := range words {
		r := rights.Role(w)
		if i := slices.IndexFunc(r.Permissions(), func(p rights.Permission) bool { return !have.Has(p) }); i >= 0 {
			return nil, problemForbidden.say("The role " + w + " has " + string(r.Permissions()[i]) + ", which the token has not.")
		}
		roles = append(roles, r)
	}
	return roles, nil
}

type addPersonInput struct {
	Body struct {
		Name string `json:"name" pattern:"^[a-z0-9][a-z0-9._-]{0,31}$" patternDescription:"1 to 32 of a-z 0-9 . _ -" example:"chan" doc:"Stands in the audit, and is never given to anybody else."`
		RolesBody
	}
}

func (a *api) addPerson(ctx context.Context, in *addPersonInput) (*struct{ Body AccountInvitationBody }, error) {
	roles, err := grantable(ctx, in.Body.Roles)
	if err != nil {
		return nil, err
	}
	if err := a.People.Add(ctx, caller(ctx), in.Body.Name, roles); err != nil {
		return nil, a.problem(ctx, err)
	}
	return a.invitation(ctx, in.Body.Name)
}

func (a *api) invitation(ctx context.Context, name string) (*struct{ Body AccountInvitationBody }, error) {
	i, err := a.People.Invite(ctx, caller(ctx), name)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body AccountInvitationBody }{AccountInvitationBody{name, i.URL, a.at(i.Expires)}}, nil
}

// PersonPath names a person in a path.
type PersonPath struct {
	Name string `path:"name" maxLength:"32" example:"chan"`
}

// invitePerson refuses for somebody who may do more than the token: the link makes
// whoever has it that person.
func (a *api) invitePerson(ctx context.Context, in *PersonPath) (*struct{ Body AccountInvitationBody }, error) {
	all, err := a.People.List(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	for _, p := range all {
		if p.Name != in.Name {
			continue
		}
		words := make([]string, len(p.Roles))
		for i, r := range p.Roles {
			words[i] = string(r)
		}
		if _, err := grantable(ctx, words); err != nil {
			return nil, err
		}
	}
	return a.invitation(ctx, in.Name)
}

type setRolesInput struct {
	PersonPath
	Body RolesBody
}

func (a *api) setRoles(ctx context.Context, in *setRolesInput) (*struct{}, error) {
	roles, err := grantable(ctx, in.Body.Roles)
	if err != nil {
		return nil, err
	}
	if err := a.People.SetRoles(ctx, caller(ctx), in.Name, roles); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}

func (a *api) endPerson(ctx context.Context, in *PersonPath) (*struct{}, error) {
	if err := a.People.End(ctx, caller(ctx), in.Name); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}
