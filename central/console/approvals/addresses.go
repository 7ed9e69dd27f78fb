package approvals

import (
	"errors"
	"net/http"
	"net/url"

	"turnstile/central/console"
	"turnstile/central/office"
)

// addressesPage is the changes of mail addresses that wait.
type addressesPage struct {
	base
	Rows  []addressRow
	Gone  string // what was decided about one that does not wait any more
	Again string // the change whose form is shown again
	Typed string
	Wrong string
}

// addressRow is one of them.
type addressRow struct {
	office.AddressChange
	Path       string
	PersonPath string // "": whoever looks may not see the register
	Waited     string
}

func (s *desk) addresses(r *console.Request) error {
	return s.showAddresses(r, http.StatusOK, &addressesPage{})
}

func (s *desk) showAddresses(r *console.Request, status int, p *addressesPage) error {
	p.base = newBase()
	list, err := s.Addresses.Waiting(r.Context())
	if err != nil {
		return err
	}
	for _, c := range list {
		p.Rows = append(p.Rows, addressRow{c, console.Base + "/approvals/addresses/" + url.PathEscape(c.ID), console.Base + "/register/at/" + url.PathEscape(c.Person), duration(r, r.Now().Sub(c.Asked))})
	}
	return r.PageStatus(status, pages, "addresses.html", "Email addresses", p)
}

func (s *desk) approveAddress(r *console.Request) error { return s.decideAddress(r, true) }
func (s *desk) refuseAddress(r *console.Request) error  { return s.decideAddress(r, false) }

func (s *desk) decideAddress(r *console.Request, approve bool) error {
	text, wrong, err := reason(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	if text == "" && !approve {
		wrong = say(r, "Give a reason: the holder is told.")
	}
	if wrong != "" && !approve {
		return s.showAddresses(r, http.StatusUnprocessableEntity, &addressesPage{Again: id, Typed: text, Wrong: wrong})
	}
	err = s.Addresses.Decide(r.Context(), r.By(), office.AddressDecision{ID: id, Approve: approve, Reason: text})
	if x, ok := errors.AsType[*office.Refusal](err); ok && errors.Is(err, office.ErrConflict) {
		return s.showAddresses(r, http.StatusConflict, &addressesPage{Gone: r.Told(pages, x)})
	}
	if err != nil {
		return err
	}
	if approve {
		r.Flash(say(r, "Approved. It takes effect after a delay, and the old address is told how to stop it."))
	} else {
		r.Flash(say(r, "Refused. Both addresses are told."))
	}
	return r.Redirect("/approvals/addresses")
}
