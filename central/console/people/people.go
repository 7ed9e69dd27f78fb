// Package people is the console's pages about the people of the office: who may
// do what, invitations, and the end of access.
package people

import (
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"turnstile/central/console"
	"turnstile/central/office"
	"turnstile/central/rights"
)

//go:embed pages/*.html
var files embed.FS

var pages = console.MustParse(sub(), words)

func sub() fs.FS {
	f, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err)
	}
	return f
}

// desk serves the pages.
type desk struct{ people office.People }

// Routes returns the pages. Every change needs a recent sign-in: whoever finds a
// screen unlocked must not be able to let others in.
func Routes(people office.People) []console.Route {
	s := &desk{people}
	change := func(pattern string, handle func(*console.Request) error) console.Route {
		return console.Route{Method: http.MethodPost, Pattern: "/people" + pattern, Need: rights.PeopleManage, Recent: true, Handle: handle}
	}
	return []console.Route{
		{Method: http.MethodGet, Pattern: "/people", Need: rights.PeopleRead, Handle: s.list},
		{Method: http.MethodGet, Pattern: "/people/at/{name}", Need: rights.PeopleRead, Handle: s.person},
		change("", s.add), change("/at/{name}/roles", s.roles), change("/at/{name}/invite", s.invite), change("/at/{name}/end", s.end),
	}
}

// choice is one role to tick.
type choice struct {
	Role   rights.Role
	Name   string
	Text   string
	Chosen bool
}

// roleTexts say what each role is for, in the order of rights.Roles.
func roleTexts() map[rights.Role]string {
	return map[rights.Role]string{
		rights.Viewer:   "looks at passes, lanes, passages and rules",
		rights.Issuer:   "issues, shows, revokes and holds passes",
		rights.Approver: "judges applications, is the second person of a bulk revocation",
		rights.Security: "revokes and holds passes, opens lanes, changes modes, sees a holder's photo",
		rights.Auditor:  "reads everything, exports, verifies the audit; changes nothing",
		rights.Admin:    "does everything, invites people",
	}
}

func choices(r *console.Request, have []rights.Role) (list []choice) {
	texts := roleTexts()
	for _, role := range rights.Roles() {
		list = append(list, choice{role, r.Say(pages, string(role)), r.Say(pages, texts[role]), slices.Contains(have, role)})
	}
	return list
}

// listData is everybody.
type listData struct {
	People  []office.Account
	Choices []choice
	Name    string
	Problem string
}

func (s *desk) list(r *console.Request) error { return s.listPage(r, http.StatusOK, "", nil, "") }

func (s *desk) listPage(r *console.Request, status int, name string, have []rights.Role, problem string) error {
	all, err := s.people.List(r.Context())
	if err != nil {
		return err
	}
	for i := range all {
		all[i].CreatedBy = office.PlainName(all[i].CreatedBy)
	}
	return r.PageStatus(status, pages, "people.html", "People", listData{all, choices(r, have), name, problem})
}

// maxName bounds what is shown again of a name that was refused.
const maxName = 64

// add makes an account and shows the link, once.
func (s *desk) add(r *console.Request) error {
	if err := r.ParseForm(); err != nil {
		return unreadable(r, err)
	}
	name := r.PostForm.Get("name")
	roles := ticked(r)
	err := s.people.Add(r.Context(), r.By(), name, roles)
	if refusal, ok := errors.AsType[*office.Refusal](err); ok {
		return s.listPage(r, http.StatusUnprocessableEntity, strings.ToValidUTF8(name[:min(len(name), maxName)], ""), roles, worded(r, refusal))
	}
	if err != nil {
		return err
	}
	return s.show(r, name)
}

// unreadable words a form that is none.
func unreadable(r *console.Request, err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return err
	}
	return office.Refuse(office.ErrInvalid, "%s", r.Say(pages, "The browser sent something that is no form. Reload the page and try again."))
}

// worded translates what the service refuses for.
func worded(r *console.Request, refusal *office.Refusal) string {
	switch {
	case errors.Is(refusal, office.ErrConflict):
		return r.Say(pages, "There is an account of this name, perhaps with ended access. Invite that one, or take another name.")
	case errors.Is(refusal, office.ErrInvalid):
		return r.Say(pages, "A name is 1 to 32 of a-z 0-9 . _ -, and begins with a letter or a digit; and at least one role is needed.")
	}
	return r.Told(pages, refusal)
}

func ticked(r *console.Request) (roles []rights.Role) {
	for _, role := range rights.Roles() {
		if slices.Contains(r.PostForm["role"], string(role)) {
			roles = append(roles, role)
		}
	}
	return roles
}

// linkData is an invitation.
type linkData struct {
	office.AccountInvitation
	Name string
}

// show invites a person and shows the link: now, and never again.
func (s *desk) show(r *console.Request, name string) error {
	i, err := s.people.Invite(r.Context(), r.By(), name)
	if err != nil {
		return err
	}
	return r.Page(pages, "invited.html", "Invitation", linkData{i, name})
}

// personData is one account.
type personData struct {
	office.Account
	Choices []choice
}

func (s *desk) person(r *console.Request) error {
	all, err := s.people.List(r.Context())
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	i := slices.IndexFunc(all, func(p office.Account) bool { return p.Name == name })
	if i < 0 {
		return office.Refuse(office.ErrNotFound, "%s", r.Say(pages, "There is no such person."))
	}
	all[i].CreatedBy = office.PlainName(all[i].CreatedBy)
	return r.Page(pages, "person.html", "Person", personData{all[i], choices(r, all[i].Roles)})
}

func (s *desk) roles(r *console.Request) error {
	if err := r.ParseForm(); err != nil {
		return unreadable(r, err)
	}
	name := r.PathValue("name")
	if err := s.people.SetRoles(r.Context(), r.By(), name, ticked(r)); err != nil {
		return refused(r, err)
	}
	r.Flash(r.Say(pages, "The roles of %s are in force.", name))
	return r.Redirect("/people/at/" + name)
}

// refused translates what a change is refused for.
func refused(r *console.Request, err error) error {
	switch {
	case errors.Is(err, office.ErrConflict):
		return office.Refuse(office.ErrConflict, "%s", r.Say(pages, "Nobody else who has signed in is an admin, or another service decides on the roles. Make another admin first."))
	case errors.Is(err, office.ErrNotFound):
		return office.Refuse(office.ErrNotFound, "%s", r.Say(pages, "There is no such person."))
	case errors.Is(err, office.ErrInvalid):
		return office.Refuse(office.ErrInvalid, "%s", r.Say(pages, "Choose at least one role."))
	}
	return err
}

func (s *desk) invite(r *console.Request) error {
	if err := s.show(r, r.PathValue("name")); err != nil {
		return refused(r, err)
	}
	return nil
}

func (s *desk) end(r *console.Request) error {
	name := r.PathValue("name")
	if err := s.people.End(r.Context(), r.By(), name); err != nil {
		return refused(r, err)
	}
	r.Flash(r.Say(pages, "The access of %s has ended, in every browser.", name))
	return r.Redirect("/people")
}
