package netid

import (
	"net/http"
	"slices"

	directory "turnstile/central/netid"
	"turnstile/central/portal"
	"turnstile/central/throttle"
)

// selfData is a page about a NetID of who is signed in.
type selfData struct {
	Problem *problem
	Mine    []directory.Entry
	NetID   string // of the form
	Email   string
}

// mine reads the holder's NetIDs.
func (d *desk) mine(r *portal.Request) (selfData, error) {
	list, err := d.Self.Of(r.Context(), r.Who.Person)
	return selfData{Mine: list}, err
}

func (d *desk) home(r *portal.Request) error {
	data, err := d.mine(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "home.html", "NetID", data)
}

// chosen reads which of the holder's NetIDs a form is about; one that is not theirs
// is as one that does not exist.
func (d *desk) chosen(r *portal.Request) (selfData, error) {
	data, err := d.mine(r)
	if err != nil {
		return data, err
	}
	data.NetID, data.Email = field(r, "netid"), field(r, "email")
	if !slices.ContainsFunc(data.Mine, func(e directory.Entry) bool { return e.NetID == data.NetID }) {
		return data, &directory.Refusal{Reason: directory.Unknown}
	}
	return data, nil
}

func (d *desk) changePage(r *portal.Request) error {
	data, err := d.mine(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "password.html", "Change the NetPassword", data)
}

func (d *desk) change(r *portal.Request) error {
	data, err := d.chosen(r)
	if err == nil {
		err = d.Self.ChangePassword(r.Context(), data.NetID, r.PostFormValue("present"), r.PostFormValue("password"), throttle.Address(r.Request))
	}
	if err == nil {
		return r.Page(pages, "changed.html", "Your NetPassword is changed", resetData{NetID: data.NetID})
	}
	if data.Problem, err = told(r, err); err != nil {
		return err
	}
	return r.PageStatus(http.StatusUnprocessableEntity, pages, "password.html", "Change the NetPassword", data)
}

func (d *desk) addressPage(r *portal.Request) error {
	data, err := d.mine(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "email.html", "Change the personal address", data)
}

func (d *desk) changeAddress(r *portal.Request) error {
	data, err := d.chosen(r)
	token := ""
	if err == nil {
		token, err = d.Self.ChangeEmail(r.Context(), data.NetID, data.Email)
	}
	if err == nil {
		d.remember(r, token)
		return r.Redirect(codes)
	}
	if data.Problem, err = told(r, err); err != nil {
		return err
	}
	return r.PageStatus(http.StatusUnprocessableEntity, pages, "email.html", "Change the personal address", data)
}
