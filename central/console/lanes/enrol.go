package lanes

import (
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/symbol"
)

// enrolView is the form for a new lane controller.
type enrolView struct {
	filled
	Entrances []option
}

func (s *desk) enrolForm(r *console.Request) error {
	return s.showEnrol(r, http.StatusOK, newFilled(map[string]string{"entrance": r.URL.Query().Get("entrance")}))
}

func (s *desk) showEnrol(r *console.Request, status int, f filled) error {
	choice, err := s.entranceChoice(r, f.Values["entrance"])
	if err != nil {
		return err
	}
	return r.PageStatus(status, pages, "enrol.html", "Enrol a lane", enrolView{f, choice})
}

// entranceChoice lists the entrances, and none, for a form.
func (s *desk) entranceChoice(r *console.Request, chosen string) ([]option, error) {
	list, err := s.Places.Entrances(r.Context())
	if err != nil {
		return nil, err
	}
	w := newScribe(r, &office.Board{})
	choice := []option{{"", say(r, "At no entrance yet"), chosen == ""}}
	for _, e := range list {
		choice = append(choice, option{e.ID, w.entrance(e), chosen == e.ID})
	}
	return choice, nil
}

// enrol makes the token of a new controller and puts it in its place.
func (s *desk) enrol(r *console.Request) error {
	values, err := form(r, "id", "name", "name_zh", "entrance", "position")
	if err != nil {
		return err
	}
	f := newFilled(values)
	p := s.checkPlace(r, f, office.Place{Lane: values["id"]})
	if !link.ValidID(values["id"]) {
		f.Wrong["id"] = say(r, "An id is 1 to 32 letters, digits, _ and -.")
	}
	if len(f.Wrong) == 0 {
		if known, err := s.known(r, p.Lane); err != nil {
			return err
		} else if known {
			f.Wrong["id"] = say(r, "There is a lane controller of this id. On its page you can invite it again.")
		}
	}
	if len(f.Wrong) > 0 {
		return s.showEnrol(r, http.StatusUnprocessableEntity, f)
	}
	i, err := s.Lanes.Invite(r.Context(), r.By(), p.Lane)
	if err != nil {
		return err
	}
	if err := s.Places.SetPlace(r.Context(), r.By(), p); err != nil {
		return err
	}
	return s.showToken(r, p.Lane, i)
}

func (s *desk) known(r *console.Request, id string) (bool, error) {
	all, err := s.Lanes.List(r.Context())
	for _, l := range all {
		if l.ID == id {
			return true, nil
		}
	}
	return false, err
}

// invite makes a token for a controller that there is, for new hardware.
func (s *desk) invite(r *console.Request) error {
	id, err := laneID(r)
	if err != nil {
		return err
	}
	if _, err := s.Fleet.Dossier(r.Context(), id); err != nil {
		return err
	}
	i, err := s.Lanes.Invite(r.Context(), r.By(), id)
	if err != nil {
		return err
	}
	return s.showToken(r, id, i)
}

// tokenView shows an enrolment token, once.
type tokenView struct {
	base
	ID      string
	Token   string
	Picture template.URL // QR symbol of the token
	Expires office.Invitation
	Command string
	Write   string // the command that keeps the token in a file
}

// qrModule is the size of a module of the token's symbol in pixels.
const qrModule = 8

func (s *desk) showToken(r *console.Request, id string, i office.Invitation) error {
	drawn, err := symbol.Draw(i.Token)
	if err != nil {
		return fmt.Errorf("draw enrolment token: %w", err)
	}
	picture, err := drawn.PNG(qrModule)
	if err != nil {
		return fmt.Errorf("draw enrolment token: %w", err)
	}
	return r.Page(pages, "token.html", "Enrol this lane now", tokenView{
		base: newBase(), ID: id, Token: i.Token, Expires: i, Picture: template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(picture)),
		Command: "sudo -u turnstile agent enroll --central " + s.Enrol() + " --token-file -",
	})
}

// placeForm is where a controller stands and what it and its lanes are called.
type placeForm struct {
	filled
	Lanes     []laneField
	Entrances []option
}

// laneField is the names of one lane.
type laneField struct {
	Number  uint8
	Told    string // what the controller calls it
	English string // names of the two fields
	Chinese string
}

func newPlaceForm(w *scribe, l *office.BoardLane) placeForm {
	p := l.Place
	f := placeForm{filled: newFilled(map[string]string{"name": p.Name, "name_zh": p.NameZH, "position": strconv.Itoa(p.Position), "entrance": p.Entrance})}
	for _, n := range p.Lanes {
		f.Values[fmt.Sprintf("name_%d", n.Number)], f.Values[fmt.Sprintf("name_zh_%d", n.Number)] = n.Name, n.NameZH
	}
	if l.State != nil {
		for _, i := range l.State.Lanes {
			f.Lanes = append(f.Lanes, laneField{i.Number, i.Name, fmt.Sprintf("name_%d", i.Number), fmt.Sprintf("name_zh_%d", i.Number)})
		}
	}
	f.Entrances = []option{{"", w.say("At no entrance yet"), p.Entrance == ""}}
	for _, e := range w.board.Entrances {
		f.Entrances = append(f.Entrances, option{e.ID, w.entrance(e), p.Entrance == e.ID})
	}
	return f
}

// checkPlace reads a place from a form and notes what is wrong with it.
func (s *desk) checkPlace(r *console.Request, f filled, p office.Place) office.Place {
	p.Name, p.NameZH, p.Entrance = f.Values["name"], f.Values["name_zh"], f.Values["entrance"]
	for _, name := range []string{"name", "name_zh"} {
		if wrong := wrongName(r, f.Values[name]); wrong != "" {
			f.Wrong[name] = wrong
		}
	}
	if p.Entrance != "" && !link.ValidID(p.Entrance) {
		f.Wrong["entrance"] = say(r, "Choose one of the entrances.")
	}
	p.Position = checkPosition(r, f)
	return p
}

func checkPosition(r *console.Request, f filled) int {
	if f.Values["position"] == "" {
		return 0
	}
	n, err := strconv.Atoi(f.Values["position"])
	if err != nil || n < 0 || n > office.MaxPosition {
		f.Wrong["position"] = say(r, "A number from 0 to %d.", office.MaxPosition)
	}
	return n
}

// place renames a controller and moves it.
func (s *desk) place(r *console.Request) error {
	v, err := s.laneView(r)
	if err != nil {
		return err
	}
	fields := []string{"name", "name_zh", "entrance", "position"}
	for _, l := range v.Place.Lanes {
		fields = append(fields, l.English, l.Chinese)
	}
	values, err := form(r, fields...)
	if err != nil {
		return err
	}
	v.Place.filled = newFilled(values)
	p := s.checkPlace(r, v.Place.filled, office.Place{Lane: v.ID})
	for _, l := range v.Place.Lanes {
		for _, name := range []string{l.English, l.Chinese} {
			if wrong := wrongName(r, values[name]); wrong != "" {
				v.Place.Wrong[name] = wrong
			}
		}
		p.Lanes = append(p.Lanes, office.LaneName{Number: l.Number, Name: values[l.English], NameZH: values[l.Chinese]})
	}
	for i := range v.Place.Entrances {
		v.Place.Entrances[i].Chosen = v.Place.Entrances[i].Value == p.Entrance
	}
	if len(v.Place.Wrong) > 0 {
		return r.PageStatus(http.StatusUnprocessableEntity, pages, "lane.html", v.Name, v)
	}
	if err := s.Places.SetPlace(r.Context(), r.By(), p); err != nil {
		return err
	}
	r.Flash("%s", say(r, "Saved."))
	return r.Redirect("/lanes/at/" + v.ID)
}

// retire takes a controller's rights away for good.
func (s *desk) retire(r *console.Request) error {
	return s.end(r, "retire", func(id, reason string) error {
		if err := s.Fleet.Retire(r.Context(), r.By(), id, reason); err != nil {
			return err
		}
		r.Flash("%s", say(r, "%s is retired: it has no rights any more, its history stays.", id))
		return nil
	})
}

// revoke takes a controller's certificate away.
func (s *desk) revoke(r *console.Request) error {
	return s.end(r, "revoke", func(id, reason string) error {
		if err := s.Fleet.Revoke(r.Context(), r.By(), id, reason); err != nil {
			return err
		}
		r.Flash("%s", say(r, "The certificate of %s is revoked. Enrol its hardware again, or retire it.", id))
		return nil
	})
}

// end asks for a reason and does a deed that ends something.
func (s *desk) end(r *console.Request, what string, deed func(id, reason string) error) error {
	id, err := laneID(r)
	if err != nil {
		return err
	}
	values, err := form(r, "reason")
	if err != nil {
		return err
	}
	if wrong := wrongReason(r, values["reason"]); wrong != "" {
		v, err := s.laneView(r)
		if err != nil {
			return err
		}
		v.Reason = filled{base: newBase(), Values: map[string]string{what: values["reason"]}, Wrong: map[string]string{what: wrong}}
		return r.PageStatus(http.StatusUnprocessableEntity, pages, "lane.html", v.Name, v)
	}
	if err := deed(id, values["reason"]); err != nil {
		return err
	}
	return r.Redirect("/lanes/at/" + id)
}

func wrongReason(r *console.Request, reason string) string {
	switch {
	case reason == "":
		return say(r, "Give a reason: it stands in the audit.")
	case !office.OneLine(reason, office.MaxReason):
		return say(r, "At most %d characters on one line.", office.MaxReason)
	}
	return ""
}
