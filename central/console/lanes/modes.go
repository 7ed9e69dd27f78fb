package lanes

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
)

// modesView is the zones with their standing modes, and a form for each.
type modesView struct {
	base
	Zones  []modeForm
	Locked bool // all of them
}

// modeForm is one zone.
type modeForm struct {
	filled
	modeView
	Choice []option // of modes
	Causes []option
}

func (s *desk) modes(r *console.Request) error {
	v, err := s.modesView(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "modes.html", "Modes of the zones", v)
}

func (s *desk) modesView(r *console.Request) (*modesView, error) {
	b, err := s.Fleet.Board(r.Context())
	if err != nil {
		return nil, err
	}
	list := newScribe(r, b).modes()
	v := &modesView{base: newBase(), Locked: locked(list)}
	for _, m := range list {
		f := modeForm{filled: newFilled(map[string]string{}), modeView: m, Causes: causeChoice(r, "")}
		f.Suffix = fmt.Sprint("-", m.Zone)
		for _, mode := range []link.Mode{link.Normal, link.Lockdown, link.FreePassage} {
			_, text := modeWords(r, mode)
			f.Choice = append(f.Choice, option{strconv.Itoa(int(mode)), text, mode == m.Mode})
		}
		v.Zones = append(v.Zones, f)
	}
	return v, nil
}

// setMode sets one zone's standing mode.
func (s *desk) setMode(r *console.Request) error {
	values, err := form(r, "zone", "mode", "cause", "note")
	if err != nil {
		return err
	}
	f := newFilled(values)
	_, reason := why(r, f)
	mode, err := strconv.ParseUint(values["mode"], 10, 8)
	if err != nil || link.Mode(mode) > link.FreePassage {
		f.Wrong["mode"] = say(r, "Choose a mode.")
	}
	v, err := s.modesView(r)
	if err != nil {
		return err
	}
	for i := range v.Zones {
		if strconv.Itoa(int(v.Zones[i].Zone)) != values["zone"] {
			continue
		}
		if len(f.Wrong) > 0 {
			v.Zones[i].again(r, f)
			return r.PageStatus(http.StatusUnprocessableEntity, pages, "modes.html", "Modes of the zones", v)
		}
		if _, err := s.Modes.SetModes(r.Context(), r.By(), []uint8{v.Zones[i].Zone}, link.Mode(mode), reason); err != nil {
			return err
		}
		_, text := modeWords(r, link.Mode(mode))
		r.Flash("%s", say(r, "%s: %s. Lanes take it over as they are told; see below which have.", v.Zones[i].Name, text))
		return r.Redirect("/lanes/modes")
	}
	return office.Refuse(office.ErrNotFound, "%s", say(r, "There is no such zone; load the page again."))
}

// again shows a zone's form as it was sent.
func (z *modeForm) again(r *console.Request, f filled) {
	f.Suffix = z.Suffix
	z.filled, z.Causes = f, causeChoice(r, f.Values["cause"])
	for i := range z.Choice {
		z.Choice[i].Chosen = z.Choice[i].Value == f.Values["mode"]
	}
}

// lockdownView asks once more before everything is locked down.
type lockdownView struct {
	filled
	Zones  []modeView
	Causes []option
}

func (s *desk) lockdownForm(r *console.Request) error {
	return s.showLockdown(r, http.StatusOK, newFilled(map[string]string{"cause": "incident"}))
}

func (s *desk) showLockdown(r *console.Request, status int, f filled) error {
	b, err := s.Fleet.Board(r.Context())
	if err != nil {
		return err
	}
	v := lockdownView{f, newScribe(r, b).modes(), causeChoice(r, f.Values["cause"])}
	return r.PageStatus(status, pages, "lockdown.html", "Lock everything down", v)
}

// lockdown locks all zones down, those too that came meanwhile: all, or none.
func (s *desk) lockdown(r *console.Request) error {
	values, err := form(r, "cause", "note")
	if err != nil {
		return err
	}
	f := newFilled(values)
	_, reason := why(r, f)
	if len(f.Wrong) > 0 {
		return s.showLockdown(r, http.StatusUnprocessableEntity, f)
	}
	if _, err := s.Modes.SetModes(r.Context(), r.By(), nil, link.Lockdown, reason); err != nil {
		f.Wrong["zones"] = say(r, "Nothing was locked down. Try again.") + " " + s.cause(r, err)
		return s.showLockdown(r, http.StatusConflict, f)
	}
	r.Flash("%s", say(r, "All zones are locked down. Lanes take it over as they are told; see below which have."))
	return r.Redirect("/lanes/modes")
}

// cause is what a person is told of a lockdown that failed.
func (s *desk) cause(r *console.Request, err error) string {
	if refusal, ok := errors.AsType[*office.Refusal](err); ok {
		return r.Told(pages, refusal)
	}
	s.Log.Error("lock everything down", "cause", err)
	return r.T("Central could not do this; its log has the cause.")
}
