package register

import (
	"errors"
	"net/http"
	"net/url"

	"turnstile/central/console"
	"turnstile/central/office"
	"turnstile/central/register"
)

// ecard is the person's eCard, with the form that takes it back or gives it back.
type ecard struct {
	office.Card
	Gone         bool
	WithdrawPath string
	ReturnPath   string
}

// netID is one of the person's NetIDs.
type netID struct {
	office.NetID
	KindName string
	Over     bool
	Never    bool // no NetPassword was set
	EndPath  string
}

// typed is what somebody typed into a form of the page that is shown again.
type typed struct {
	Form   string // withdraw, or the NetID; "": none that is still there
	Reason string
	Guests bool
	Wrong  string
}

// holder fills in what stands of a person as a holder.
func (s *desk) holder(r *console.Request, p *personPage) error {
	path := personPath(p.ID)
	c, err := s.Cards.Find(r.Context(), p.ID)
	switch {
	case err == nil:
		c.By, c.WithdrawnBy = office.PlainName(c.By), office.PlainName(c.WithdrawnBy)
		p.ECard = &ecard{c, !c.Withdrawn.IsZero(), path + "/ecard/withdraw", path + "/ecard/return"}
	case !errors.Is(err, office.ErrNotFound):
		return err
	}
	there := p.Typed.Form == "withdraw" && p.ECard != nil && !p.ECard.Gone
	list, err := s.NetIDs.Of(r.Context(), p.ID)
	for _, n := range list {
		there = there || p.Typed.Form == n.ID && n.Ended.IsZero()
		kind := cardNames()[register.CardKind(n.Card)]
		if kind == "" {
			kind = "Alumni"
		}
		p.Registered = append(p.Registered, netID{n, say(r, kind), !n.Ended.IsZero(), n.Changed.IsZero(), path + "/netids/" + url.PathEscape(n.ID) + "/end"})
	}
	if !there {
		p.Typed.Form = "" // what is wrong stands above
	}
	return err
}

func (s *desk) withdraw(r *console.Request) error {
	in, err := fields(r, "reason", "guests")
	if err != nil {
		return err
	}
	c, err := s.Cards.Withdraw(r.Context(), r.By(), office.CardWithdrawal{Person: r.PathValue("person"), Reason: in["reason"], Guests: in["guests"] == "yes"})
	if err != nil {
		return s.again(r, typed{Form: "withdraw", Reason: in["reason"], Guests: in["guests"] == "yes"}, err)
	}
	r.Flash(say(r, "The eCard is withdrawn; %d passes are revoked.", c.Passes))
	return r.Redirect("/register/at/" + url.PathEscape(c.Holder))
}

func (s *desk) giveBack(r *console.Request) error {
	if _, err := fields(r); err != nil {
		return err
	}
	c, err := s.Cards.Return(r.Context(), r.By(), r.PathValue("person"))
	if err != nil {
		return s.again(r, typed{}, err)
	}
	r.Flash(say(r, "The eCard is given back; %d passes are good again.", c.Passes))
	return r.Redirect("/register/at/" + url.PathEscape(c.Holder))
}

func (s *desk) endNetID(r *console.Request) error {
	in, err := fields(r, "reason")
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := s.NetIDs.End(r.Context(), r.By(), r.PathValue("person"), id, in["reason"]); err != nil {
		return s.again(r, typed{Form: id, Reason: in["reason"]}, err)
	}
	r.Flash(say(r, "NetID %s has ended.", id))
	return r.Redirect("/register/at/" + url.PathEscape(r.PathValue("person")))
}

// again shows the person with what is wrong beside the form.
func (s *desk) again(r *console.Request, t typed, err error) error {
	if t.Wrong = told(r, err); t.Wrong == "" || errors.Is(err, office.ErrUnavailable) || errors.Is(err, office.ErrNotFound) {
		return err
	}
	if errors.Is(err, office.ErrConflict) { // its form is gone
		return s.showPerson(r, http.StatusConflict, typed{Wrong: t.Wrong})
	}
	t.Reason = short(t.Reason)
	return s.showPerson(r, http.StatusUnprocessableEntity, t)
}
