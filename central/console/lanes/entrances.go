package lanes

import (
	"net/http"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
)

// entrancesView is the list of entrances with a form for each and a new one.
type entrancesView struct {
	base
	Entrances []entranceForm
	New       filled
}

// entranceForm is one entrance.
type entranceForm struct {
	filled
	ID    string
	Lanes int // controllers that stand there
}

func (s *desk) entrances(r *console.Request) error {
	v, err := s.entrancesView(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "entrances.html", "Entrances", v)
}

func (s *desk) entrancesView(r *console.Request) (*entrancesView, error) {
	b, err := s.Fleet.Board(r.Context())
	if err != nil {
		return nil, err
	}
	standing := map[string]int{}
	for _, l := range b.Lanes {
		standing[l.Place.Entrance]++
	}
	v := &entrancesView{base: newBase(), New: newFilled(map[string]string{})}
	for _, e := range b.Entrances {
		v.Entrances = append(v.Entrances, entranceForm{newFilled(map[string]string{"name": e.Name, "name_zh": e.NameZH, "position": itoa(e.Position)}), e.ID, standing[e.ID]})
	}
	return v, nil
}

// setEntrance makes an entrance or changes one.
func (s *desk) setEntrance(r *console.Request) error {
	values, err := form(r, "id", "name", "name_zh", "position", "new")
	if err != nil {
		return err
	}
	f := newFilled(values)
	e := office.Entrance{ID: values["id"], Name: values["name"], NameZH: values["name_zh"], Position: checkPosition(r, f)}
	if !link.ValidID(e.ID) {
		f.Wrong["id"] = say(r, "An id is 1 to 32 letters, digits, _ and -.")
	}
	if e.Name == "" {
		f.Wrong["name"] = say(r, "Give a name.")
	}
	for _, name := range []string{"name", "name_zh"} {
		if wrong := wrongName(r, values[name]); wrong != "" {
			f.Wrong[name] = wrong
		}
	}
	v, err := s.entrancesView(r)
	if err != nil {
		return err
	}
	if values["new"] != "" && v.has(e.ID) {
		f.Wrong["id"] = say(r, "There is an entrance of this id.")
	}
	if len(f.Wrong) > 0 {
		v.show(f)
		return r.PageStatus(http.StatusUnprocessableEntity, pages, "entrances.html", "Entrances", v)
	}
	if err := s.Places.SetEntrance(r.Context(), r.By(), e); err != nil {
		return err
	}
	r.Flash("%s", say(r, "Saved."))
	return r.Redirect("/lanes/entrances")
}

func (v *entrancesView) has(id string) bool {
	for _, e := range v.Entrances {
		if e.ID == id {
			return true
		}
	}
	return false
}

// show puts a form with mistakes where it came from.
func (v *entrancesView) show(f filled) {
	for i := range v.Entrances {
		if f.Values["new"] == "" && v.Entrances[i].ID == f.Values["id"] {
			v.Entrances[i].filled = f
			return
		}
	}
	v.New = f
}

func (s *desk) removeEntrance(r *console.Request) error {
	values, err := form(r, "id")
	if err != nil {
		return err
	}
	if err := s.Places.RemoveEntrance(r.Context(), r.By(), values["id"]); err != nil {
		return err
	}
	r.Flash("%s", say(r, "The entrance is removed."))
	return r.Redirect("/lanes/entrances")
}
