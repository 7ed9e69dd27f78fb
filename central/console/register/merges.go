package register

import (
	"errors"
	"net/http"

	"turnstile/central/console"
	"turnstile/central/office"
	"turnstile/central/register"
)

// merge is a merge as pages show it.
type merge struct {
	register.Merge
	KeptPath, UndoPath string
	Stands             bool
}

func newMerge(m register.Merge) merge {
	m.By, m.UndoneBy = office.PlainName(m.By), office.PlainName(m.UndoneBy)
	return merge{m, personPath(m.Kept), console.Base + "/register/merges/" + m.ID + "/undo", m.Undone.IsZero()}
}

// suggestion is a pair that may be one human being.
type suggestion struct {
	A, B       found
	PersonalID bool
}

// mergesPage is the pairs, the form, and what was done.
type mergesPage struct {
	Suggestions        []suggestion
	Merges             []merge
	Apart              []apart
	Kept, Gone, Reason string // the form that merges
	A, B, WhyApart     string // the one that keeps apart; without A nothing is wrong there
	Wrong              string
}

// apart is a pair that was kept apart.
type apart struct {
	register.Apart
	PathA, PathB string
}

func (s *desk) merges(r *console.Request) error {
	in, err := fields(r, "kept", "gone", "a", "b")
	if err != nil {
		return err
	}
	return s.showMerges(r, http.StatusOK, &mergesPage{Kept: short(in["kept"]), Gone: short(in["gone"]), A: short(in["a"]), B: short(in["b"])})
}

// short bounds what is shown again of what was typed.
func short(s string) string {
	if list := []rune(s); len(list) > 200 {
		return string(list[:200])
	}
	return s
}

func (s *desk) showMerges(r *console.Request, status int, p *mergesPage) error {
	pairs, err := s.Merges.Suggestions(r.Context(), shown)
	if err != nil {
		return err
	}
	for _, x := range pairs {
		p.Suggestions = append(p.Suggestions, suggestion{newFound(r, x.A), newFound(r, x.B), x.PersonalID})
	}
	done, err := s.Merges.Merges(r.Context(), "", shown)
	if err != nil {
		return err
	}
	for _, m := range done {
		p.Merges = append(p.Merges, newMerge(m))
	}
	kept, err := s.Apart.Kept(r.Context(), shown)
	if err != nil {
		return err
	}
	for _, x := range kept {
		x.By = office.PlainName(x.By)
		p.Apart = append(p.Apart, apart{x, personPath(x.A), personPath(x.B)})
	}
	return r.PageStatus(status, pages, "merges.html", "One person of two", p)
}

func (s *desk) merge(r *console.Request) error {
	in, err := fields(r, "kept", "gone", "reason")
	if err != nil {
		return err
	}
	m, err := s.Merges.Merge(r.Context(), r.By(), in["kept"], in["gone"], in["reason"])
	if err == nil {
		r.Flash(say(r, "%s is now an alias of %s.", m.Gone, m.Kept))
		return r.Redirect("/register/merges")
	}
	if wrong := told(r, err); wrong != "" && !errors.Is(err, office.ErrUnavailable) {
		return s.showMerges(r, http.StatusUnprocessableEntity, &mergesPage{Kept: short(in["kept"]), Gone: short(in["gone"]), Reason: short(in["reason"]), Wrong: wrong})
	}
	return err
}

func (s *desk) apart(r *console.Request) error {
	in, err := fields(r, "a", "b", "reason")
	if err != nil {
		return err
	}
	err = s.Apart.Keep(r.Context(), r.By(), in["a"], in["b"], in["reason"])
	if err == nil {
		r.Flash(say(r, "%s and %s stay two persons.", in["a"], in["b"]))
		return r.Redirect("/register/merges")
	}
	if wrong := told(r, err); wrong != "" && !errors.Is(err, office.ErrUnavailable) {
		return s.showMerges(r, http.StatusUnprocessableEntity, &mergesPage{A: short(in["a"]), B: short(in["b"]), WhyApart: short(in["reason"]), Wrong: wrong})
	}
	return err
}

func (s *desk) undo(r *console.Request) error {
	if err := s.Merges.Undo(r.Context(), r.By(), r.PathValue("id")); err != nil {
		return err
	}
	r.Flash(say(r, "They are two persons again."))
	return r.Redirect("/register/merges")
}
