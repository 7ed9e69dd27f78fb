package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/central/database"
	"turnstile/central/ecard"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/photo"
	"turnstile/central/portal"
	"turnstile/central/portal/card"
)

// ecardDocument is where the rules of the day's codes are kept.
const ecardDocument = "ecards"

// ecardRules is the API's office.Keeper of them.
func ecardRules(s *central) standing[ecard.CodeRules] {
	return standing[ecard.CodeRules]{s, ecardDocument, ecard.Default(), func(r ecard.CodeRules) error {
		if err := r.Check(s.knownZones()); err != nil {
			return office.Refuse(office.ErrInvalid, "Nobody can keep these rules: %s.", err)
		}
		return nil
	}}
}

// knownZones are the zones of the rules in force, bit z for zone z.
func (s *central) knownZones() (known uint16) {
	for _, z := range s.feed.View().Rules.Zones {
		known |= 1 << z.ID
	}
	return known
}

// campusDay returns when a campus day begins and ends.
func (s *central) campusDay(d pass.Day) (begin, end time.Time) {
	y, m, day := time.Unix(d.UTC(), 0).UTC().Date()
	return time.Date(y, m, day, 0, 0, 0, 0, s.location), time.Date(y, m, day+1, 0, 0, 0, 0, s.location)
}

// cards is the portal's card.Cards.
type cards struct{ *central }

func (s cards) Card(ctx context.Context, person string, lang portal.Language) (c card.Card, err error) {
	if c.Contact, err = s.holders.contactComplete(ctx, person); err != nil {
		return c, fmt.Errorf("look at contact information: %w", err)
	}
	if c.Name, c.Lines, err = s.holders.describeHolder(ctx, person, lang); err != nil {
		return c, fmt.Errorf("describe holder: %w", err)
	}
	if gone, err := s.db.WithdrawnECard(ctx, person); !errors.Is(err, database.ErrNotFound) {
		c.State, c.Reason = card.Withdrawn, gone.Reason
		return c, err
	}
	c.State = card.None
	row, err := s.db.ECard(ctx, person)
	switch {
	case err == nil:
		c.State, c.Since = card.Active, time.UnixMilli(row.Since)
	case !errors.Is(err, database.ErrNotFound):
		return c, fmt.Errorf("find eCard: %w", err)
	}
	if c.State == card.Active {
		if _, err := s.db.Photo(ctx, person); err == nil {
			c.Photo = true
		} else if !errors.Is(err, database.ErrNotFound) {
			return c, fmt.Errorf("find photo: %w", err)
		}
	}
	return c, s.newest(ctx, person, &c)
}

// newest fills in what became of the holder's last application.
func (s cards) newest(ctx context.Context, person string, c *card.Card) error {
	last, err := s.db.LastApplication(ctx, person, database.ApplicationECard)
	if errors.Is(err, database.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find application: %w", err)
	}
	switch last.State {
	case database.ApplicationOpen:
		c.Newest = card.Waiting
	case database.ApplicationRejected:
		c.Newest, c.Reason = card.Rejected, last.Reason
		if last.DecidedBy == byRetention {
			c.Newest, c.Reason = card.Expired, ""
		}
	}
	if c.State == card.None && c.Newest != "" {
		c.State = c.Newest
	}
	return nil
}

func (s cards) HandIn(ctx context.Context, person string, u card.Upload) (card.State, error) {
	complete, err := s.holders.contactComplete(ctx, person)
	if err != nil {
		return "", fmt.Errorf("look at contact information: %w", err)
	}
	if !complete {
		return "", office.Refuse(office.ErrInvalid, "Complete your contact information first.")
	}
	square, err := s.photos.Square(ctx, u.Data, u.Type)
	if err != nil {
		return "", photoRefused(err)
	}
	name, lines, err := s.holders.describeHolder(ctx, person, portal.English)
	if err != nil {
		return "", fmt.Errorf("describe holder: %w", err)
	}
	x := office.Submission{Kind: office.ApplyECard, Holder: person, Name: name, Photo: square, PhotoType: photo.JPEG, Facts: []office.Fact{}}
	for _, line := range lines[:min(len(lines), office.MaxFacts)] {
		x.Facts = append(x.Facts, office.Fact{Name: "Degree", Value: line})
	}
	a, err := approvals{s.central}.HandIn(ctx, portal.By(person), x)
	if err != nil {
		return "", err
	}
	if a.State == office.ApplicationApproved {
		return card.Active, nil
	}
	return card.Waiting, nil
}

func (s cards) Photo(ctx context.Context, person string) ([]byte, error) {
	if err := s.notWithdrawn(ctx, person); err != nil {
		return nil, err
	}
	p, err := s.db.Photo(ctx, person)
	if errors.Is(err, database.ErrNotFound) {
		return nil, office.Refuse(office.ErrNotFound, "There is no such page.")
	}
	return p.JPEG, err
}

func (s cards) Codes(ctx context.Context, person string) (out card.Codes, err error) {
	if _, err := s.db.WithdrawnECard(ctx, person); err == nil {
		return card.Codes{Standing: card.Gone}, nil
	} else if !errors.Is(err, database.ErrNotFound) {
		return out, fmt.Errorf("find eCard: %w", err)
	}
	if _, err := s.db.ECard(ctx, person); errors.Is(err, database.ErrNotFound) {
		return card.Codes{Standing: card.Off}, nil
	} else if err != nil {
		return out, fmt.Errorf("find eCard: %w", err)
	}
	v, err := ecardRules(s.central).Current(ctx)
	if err != nil {
		return out, err
	}
	today := s.feed.Today()
	if out, err = s.codeOf(ctx, person, today, v.Rules); err != nil || out.Standing != card.Good {
		return out, err
	}
	if !v.Rules.Ahead(s.config.Now().In(s.location)) {
		return out, nil
	}
	next, err := s.codeOf(ctx, person, today+1, v.Rules)
	if err != nil {
		// Today's code is what somebody stands at a gate for.
		s.config.Log.Warn("issue tomorrow's code ahead", "cause", err)
		return out, nil
	}
	out.List = append(out.List, next.List...)
	return out, nil
}

// codeOf returns the code of a day, which it issues unless it is there.
func (s cards) codeOf(ctx context.Context, person string, day pass.Day, r ecard.CodeRules) (out card.Codes, err error) {
	p, err := s.db.CardPass(ctx, person, day)
	if errors.Is(err, database.ErrNotFound) {
		p, err = s.issue(ctx, person, day, r)
	}
	switch {
	case errors.Is(err, database.ErrNotFound):
		return card.Codes{Standing: card.Off}, nil
	case errors.Is(err, database.ErrDayFull):
		return out, office.Refuse(office.ErrUnavailable, "All codes of %s are given out. Ask the office.", day)
	case err != nil:
		return out, signerAway(fmt.Errorf("issue code: %w", err))
	case p.Status == link.Revoked:
		return card.Codes{Standing: card.Revoked}, nil
	case p.Status == link.Held:
		return card.Codes{Standing: card.Held}, nil
	}
	c := card.Code{Pass: p.Pass, Signature: p.Signature}
	c.Begin, c.End = s.campusDay(day)
	if p.Flags&pass.LiveRequired != 0 {
		key, err := s.issuer.LiveKey(&p.Pass)
		if err != nil {
			return out, signerAway(fmt.Errorf("make live key: %w", err))
		}
		c.Live = &key
	}
	return card.Codes{Standing: card.Good, List: []card.Code{c}}, nil
}

func (s cards) issue(ctx context.Context, person string, day pass.Day, r ecard.CodeRules) (p database.Pass, err error) {
	o := office.Order{Kind: pass.ECard, Holder: person, Day: day, Zones: r.Mask(s.knownZones())}
	o.Start, o.Length = r.Window(s.campusDay(day))
	if r.Live {
		o.Flags = pass.LiveRequired
	}
	draft, err := (passes{s.central}).prepare(portal.By(person), o)
	if err != nil {
		return p, err
	}
	return s.db.IssueCardPass(ctx, person, draft, s.config.Capacity)
}
