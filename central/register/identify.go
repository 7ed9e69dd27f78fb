package register

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"slices"
)

// Facts are what somebody states about themselves, as typed. Surname, Given and
// Born are needed, and PersonalID or Card or both.
type Facts struct {
	Surname, Given string
	Born           string // YYYY-MM-DD
	PersonalID     string // in any spelling
	Card           *Card  // Kind and Number alone count
}

// maxFact bounds each fact in bytes: what is longer matches nobody.
const maxFact = 200

// candidates is how many persons are looked at, always: as many rows can have one
// personal id as the registry made mistakes.
const candidates = 4

// Identify returns the one person of whom every fact is true; of several rows of
// one human being the oldest. Everything else is ErrNoMatch, which comes with the
// same work: as many look-ups and comparisons are made whether somebody is there or
// not, and whichever fact was wrong.
func (r *Register) Identify(ctx context.Context, f Facts) (Person, error) {
	personal, card := r.wanted(f)
	found, err := r.config.Store.RegisterCandidates(ctx, personal, card.Kind, card.Number, candidates)
	if err != nil {
		return Person{}, err
	}
	found = append(found, make([]Person, candidates)...)
	match, today := "", r.Today()
	for i := range found[:candidates] {
		if r.fits(&found[i], f, personal, card, today) && match == "" {
			match = found[i].ID
		}
	}
	// Nobody has the id "", and looking for that takes what looking for one takes.
	p, err := r.Person(ctx, match)
	if errors.Is(err, ErrNotFound) {
		return Person{}, ErrNoMatch
	}
	return p, err
}

// wanted returns what is looked for; what was not stated is something that nobody
// has.
func (r *Register) wanted(f Facts) (personal []byte, card Card) {
	stated := f.PersonalID
	if stated == "" || len(stated) > maxFact {
		stated = rand.Text()
	}
	card = Card{Kind: "-", Number: "-"}
	if f.Card != nil && len(f.Card.Number) <= maxFact && slices.Contains(CardKinds(), f.Card.Kind) {
		card = Card{Kind: f.Card.Kind, Number: CardNumber(f.Card.Number)}
	}
	return r.config.Key.Personal(stated), card
}

// fits compares every fact, and ends no earlier for one that is wrong.
func (r *Register) fits(p *Person, f Facts, personal []byte, card Card, today string) bool {
	bounded := len(f.Surname) <= maxFact && len(f.Given) <= maxFact && len(f.Born) <= maxFact && len(f.PersonalID) <= maxFact
	if !bounded {
		f.Surname, f.Given = "", ""
	}
	name := sameName(p, f.Surname, f.Given)
	born := subtle.ConstantTimeCompare([]byte(p.Born), []byte(f.Born)) == 1 && f.Born != ""
	id := subtle.ConstantTimeCompare(p.PersonalID, personal) == 1
	valid := slices.ContainsFunc(p.Cards, func(c Card) bool { return c.Kind == card.Kind && c.Number == card.Number && c.Valid(today) })
	stated := f.PersonalID != "" || f.Card != nil
	return bounded && name && born && stated && (id || f.PersonalID == "") && (valid || f.Card == nil) && p.ID != ""
}
