package office

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/guests"
	"turnstile/central/rights"
)

// GuestRules keeps how many guests a host may have, and how early and late they
// can be asked for. They hold for requests that are handed in and for guests'
// passes that somebody issues; what a person approves was counted when it was
// handed in.
type GuestRules interface {
	Keeper[guests.Rules]
	// PreviewGuests asks rules again about what was asked for since a time. progress
	// gets how much is done, 0..1, now and then; it may be nil. ErrInvalid as Set.
	PreviewGuests(ctx context.Context, proposed guests.Rules, since time.Time, progress func(float64)) (guests.Report, error)
}

// MaxGuestPreview bounds how many guests' passes and requests a preview looks at.
const MaxGuestPreview = 300_000

// RefuseGuest words why a host may not have guests of a day; nil for none.
func RefuseGuest(v guests.Verdict, day string) error {
	switch v.Rule {
	case guests.Ahead:
		return Refuse(ErrInvalid, "Guests for %s can be asked for from %s on: ask again then, or take an earlier day.", day, v.When)
	case guests.Notice:
		return Refuse(ErrInvalid, "Guests for %s could be asked for until %s: take a later day, or ask the office's approvers for an exception.", day, v.When)
	case guests.PerDay:
		return Refuse(ErrConflict, "This host has %d of %d guests on %s: ask for fewer, take another day, or ask the office's approvers for an exception.", v.Has, v.Limit, day)
	case guests.Upcoming:
		return Refuse(ErrConflict, "This host has %d of %d guests from today on: ask for fewer, wait until one of their days is over, or ask the office's approvers for an exception.", v.Has, v.Limit)
	case guests.Waiting:
		return Refuse(ErrConflict, "This host has %d requests that wait for a decision, and %d are allowed: ask again when one is decided.", v.Has, v.Limit)
	}
	return nil
}

// GuestFault is RefuseGuest for a row of a file.
func GuestFault(v guests.Verdict) RowFault {
	switch v.Rule {
	case guests.Ahead:
		return RowFault{"day", "guests for this day can be asked for from %s on", v.When}
	case guests.Notice:
		return RowFault{"day", "guests for this day could be asked for until %s", v.When}
	case guests.PerDay:
		return RowFault{"holder", "this host has all guests that a day can have: %s", decimal(v.Limit)}
	case guests.Upcoming:
		return RowFault{"holder", "this host has all guests that are allowed from today on: %s", decimal(v.Limit)}
	}
	return RowFault{"holder", "the rules for guests do not allow this: %s", v.Rule.String()}
}

// GuestPreviewBody asks what rules for guests would have refused.
type GuestPreviewBody struct {
	Rules guests.Rules `json:"rules"`
	Days  int          `json:"days,omitempty" minimum:"1" maximum:"31" default:"30" doc:"How many days back."`
}

// GuestPreviewReport is the answer.
type GuestPreviewReport struct {
	Asks    int               `json:"asks" doc:"Requests, and guests' passes that were issued without one."`
	Guests  int               `json:"guests" doc:"Of these."`
	Erased  int               `json:"erased" doc:"Not looked at: requests that the retention erased."`
	Cut     bool              `json:"cut" doc:"There was more than a preview looks at; the newest are missing."`
	Refused []GuestRuleCount  `json:"refused" doc:"How many of the asks each rule would have refused."`
	First   []GuestRefusedAsk `json:"first" doc:"The first 200 of them."`
}

// GuestRuleCount counts what one rule would have refused.
type GuestRuleCount struct {
	Rule     string `json:"rule" enum:"ahead,notice,per_day,upcoming,waiting"`
	Proposed int    `json:"proposed" doc:"By the rules proposed."`
	InForce  int    `json:"in_force" doc:"By the rules in force."`
}

// GuestRefusedAsk is one that would have been refused.
type GuestRefusedAsk struct {
	Time        time.Time `json:"time"`
	Day         string    `json:"day" format:"date"`
	Guests      int       `json:"guests"`
	Rule        string    `json:"rule" enum:"ahead,notice,per_day,upcoming,waiting"`
	Application int64     `json:"application,omitempty" doc:"Number of the request."`
	Pass        string    `json:"pass,omitempty" doc:"Of one that was issued without a request." example:"2026-11-21/004711"`
}

func (a *api) guestRoutes(h huma.API) {
	s := standing[guests.Rules]{a, a.Guests, "guest-rules", func(guests.Rules, guests.Rules, bool) error { return nil }}
	s.routes(h, "guests")
	huma.Register(h, operation(rights.RulesRead, "preview-guest-rules", http.MethodPost, "/guest-rules/preview", "Show what rules for guests would have refused"), a.previewGuests)
}

func (a *api) previewGuests(ctx context.Context, in *struct{ Body GuestPreviewBody }) (*struct{ Body GuestPreviewReport }, error) {
	r, err := a.Guests.PreviewGuests(ctx, in.Body.Rules, a.now().AddDate(0, 0, -in.Body.Days), nil)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := GuestPreviewReport{Asks: r.Asks, Guests: r.Guests, Erased: r.Erased, Cut: r.Cut, Refused: []GuestRuleCount{}, First: []GuestRefusedAsk{}}
	for _, rule := range guests.All() {
		out.Refused = append(out.Refused, GuestRuleCount{rule.String(), r.Refused[rule], r.InForce[rule]})
	}
	for _, x := range r.Rows {
		row := GuestRefusedAsk{Time: a.at(time.UnixMilli(x.At)), Day: x.Day.String(), Guests: x.Count, Rule: x.Rule.String(), Application: x.Application}
		if x.Application == 0 {
			row.Pass = x.Pass.String()
		}
		out.First = append(out.First, row)
	}
	return &struct{ Body GuestPreviewReport }{out}, nil
}
