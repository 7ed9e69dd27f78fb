package netid

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"

	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/register"
	"turnstile/central/throttle"
)

// Applicant is what somebody states who wants a NetID, or has forgotten it.
type Applicant struct {
	Surname, Given string
	Born           string // YYYY-MM-DD
	PersonalID     string
	Card           *register.Card // nil: a graduate
	Email          string         // personal; not asked of who has forgotten a NetID
	Lang           letters.Language
	From           net.IP
}

// identify finds the person of whom all that is true. NoMatch; *throttle.Wait. The
// subjects are what the try was counted for.
func (d *Directory) identify(ctx context.Context, a Applicant) (p register.Person, subjects []string, err error) {
	facts := register.Normal(a.PersonalID) // as it is compared: another spelling is no other try
	if a.Card != nil {
		facts += "\x00" + string(a.Card.Kind) + "\x00" + register.CardNumber(a.Card.Number)
	}
	subjects = []string{throttle.Named(byFacts, facts), throttle.Network(byNetwork, a.From)}
	if err := d.tries.Try(ctx, subjects...); err != nil {
		return p, nil, err
	}
	p, err = d.config.Register.Identify(ctx, register.Facts{Surname: a.Surname, Given: a.Given, Born: a.Born, PersonalID: a.PersonalID, Card: a.Card})
	if errors.Is(err, register.ErrNoMatch) {
		return p, nil, &Refusal{Reason: NoMatch}
	}
	if err != nil {
		return p, nil, fmt.Errorf("identify: %w", err)
	}
	return p, subjects, nil
}

// limitMails counts mails to an address: *throttle.Wait beyond some within a day.
func (d *Directory) limitMails(ctx context.Context, addresses ...string) error {
	for _, a := range addresses {
		if err := d.tries.Try(ctx, throttle.Named(byMail, register.Mailbox(a))); err != nil {
			return err
		}
	}
	return nil
}

// Begin begins the registration of a NetID. Codes go to the address that was typed
// in and, where another is known of the person, to that one too: with the details
// of somebody else alone nobody gets a NetID. The token is for Confirm. AddressForm,
// NoMatch, *throttle.Wait.
func (d *Directory) Begin(ctx context.Context, a Applicant) (token string, err error) {
	typed, err := address(a.Email)
	if err != nil {
		return "", err
	}
	p, subjects, err := d.identify(ctx, a)
	if err != nil {
		return "", err
	}
	if err := d.tries.Succeeded(ctx, subjects...); err != nil {
		return "", err
	}
	known, err := d.known(ctx, p)
	if err != nil {
		return "", err
	}
	to := []posting{{typed, letters.ConfirmAddress}}
	if known != "" && !register.SameAddress(known, typed) {
		to = append(to, posting{known, letters.ConfirmAddress})
		err = d.limitMails(ctx, typed, known)
	} else {
		err = d.limitMails(ctx, typed)
	}
	if err != nil {
		return "", err
	}
	return d.begin(ctx, flow{Kind: Registration, Person: p.ID, Card: a.Card, Email: typed, Lang: a.Lang, subject: database.PersonSubject(p.ID)}, to...)
}

// known is an address that is the person's for certain, "" if there is none: that
// of the latest NetID, else the one that is registered at the portal, else the
// register's. Whoever reads it agrees to a NetID, which opens the portal.
func (d *Directory) known(ctx context.Context, p register.Person) (string, error) {
	have, err := d.Of(ctx, p.ID)
	if err != nil {
		return "", err
	}
	if len(have) > 0 {
		return have[len(have)-1].Email, nil
	}
	for _, id := range append([]string{p.ID}, p.Aliases...) {
		a, err := d.config.DB.Account(ctx, id)
		if err != nil && !errors.Is(err, database.ErrNotFound) {
			return "", fmt.Errorf("look for the account: %w", err)
		}
		if a.Address != "" {
			return a.Address, nil
		}
	}
	return p.Email, nil
}

// card is the kind that a NetID is stored with.
func (f *flow) card() string {
	if f.Card == nil {
		return Alumni
	}
	return string(f.Card.Kind)
}

// judge tells a person who is identified whether there can be a NetID, and ends the
// flow if not.
func (d *Directory) judge(ctx context.Context, f flow) ([]Name, error) {
	p, err := d.config.Register.Person(ctx, f.Person)
	if err != nil {
		return nil, fmt.Errorf("read the register: %w", err)
	}
	have, err := d.Of(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range have {
		names = append(names, e.NetID)
	}
	refused := &Refusal{NetIDs: names}
	switch {
	case slices.ContainsFunc(have, func(e Entry) bool { return e.Card == f.card() }):
		refused.Reason = Already
	case f.Card == nil && p.KeepsStudentNetID():
		if refused, err = d.keeps(ctx, p, f, names); err != nil {
			return nil, err
		}
	case f.Card == nil && !p.Graduate():
		refused.Reason = NotGraduate
	default:
		return d.proposed(ctx, p)
	}
	if err := d.config.DB.EndFlow(ctx, f.id); err != nil {
		return nil, fmt.Errorf("end flow: %w", err)
	}
	return nil, refused
}

// keeps refuses a graduate who goes on with the NetID of a student: with those that
// are in use, or with StudentLost where there is none to go on with.
func (d *Directory) keeps(ctx context.Context, p register.Person, f flow, have []string) (*Refusal, error) {
	if err := d.adopt(ctx, p, f, have); err != nil {
		return nil, err
	}
	list, err := d.Of(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return &Refusal{Reason: StudentLost}, nil
	}
	refused := &Refusal{Reason: KeepsStudent}
	for _, e := range list {
		refused.NetIDs = append(refused.NetIDs, e.NetID)
	}
	return refused, nil
}

// adopt takes in the student NetIDs that the register has of a graduate and that
// were never registered here, so that Forgot NetPassword works for them.
func (d *Directory) adopt(ctx context.Context, p register.Person, f flow, have []string) error {
	for _, id := range p.NetIDs {
		if slices.Contains(have, id) {
			continue
		}
		proposed, err := d.proposed(ctx, p)
		if err != nil {
			return err
		}
		name := Name{id, id} // by itself: nobody else can have it
		if len(proposed) > 0 {
			name = proposed[0]
		}
		err = d.config.DB.AdoptNetID(ctx, database.NetID{ID: id, Person: p.ID, Card: string(register.StudentCard), Name: name.Display, NameKey: name.key(), Alias: name.Alias,
			Email: f.Email, Lang: string(f.Lang), Created: d.now()})
		if err != nil {
			return fmt.Errorf("adopt NetID: %w", err)
		}
	}
	return nil
}

// Complete makes the NetID, under a display name and with a NetPassword, and mails
// it. NameForm, NameTaken or AliasTaken with others that are free, the reasons of a
// password; Over; Already.
func (d *Directory) Complete(ctx context.Context, token, display, typed string) (Entry, error) {
	f, err := d.confirmed(ctx, token, Registration)
	if err != nil {
		return Entry{}, err
	}
	name, err := ParseName(display)
	if err != nil {
		return Entry{}, err
	}
	if err := d.free(ctx, name); err != nil {
		return Entry{}, err
	}
	p, err := d.config.Register.Person(ctx, f.Person)
	if err != nil {
		return Entry{}, fmt.Errorf("read the register: %w", err)
	}
	hash, err := d.newHash(ctx, database.NetID{Name: name.Display}, typed)
	if err != nil {
		return Entry{}, err
	}
	now := d.config.Now()
	n := database.NetID{Person: p.ID, Card: f.card(), Name: name.Display, NameKey: name.key(), Alias: name.Alias, Email: f.Email, Lang: string(f.Lang),
		Password: hash, Changed: now.UnixMilli(), Due: d.quarter(now, 1).UnixMilli(), Created: now.UnixMilli()}
	n.ID, err = d.config.DB.AddNetID(ctx, f.id, n, ids(p, f.Card), func(id string) (database.Letter, error) {
		return d.letter(letters.NetIDDone(f.Lang, id, d.address(n.Alias), d.page("/")), n.Email)
	})
	switch {
	case errors.Is(err, database.ErrNameTaken), errors.Is(err, database.ErrAliasTaken): // a moment ago
		return Entry{}, cmp.Or(d.free(ctx, name), error(&Refusal{Reason: NameTaken}))
	case errors.Is(err, database.ErrHasNetID):
		return Entry{}, &Refusal{Reason: Already}
	case err != nil:
		return Entry{}, finished("register NetID", err)
	}
	d.posted()
	return d.entry(n), nil
}

// Find mails a person's NetIDs to their personal addresses. The answer is the same
// whether the details are right or not, and so is what is counted; only *throttle.Wait
// is told.
func (d *Directory) Find(ctx context.Context, a Applicant) error {
	p, _, err := d.identify(ctx, a)
	if errors.Is(err, NoMatch) {
		p, err = register.Person{ID: rand.Text()}, nil // for whom all of it is done, and nothing sent
	}
	if err != nil {
		return err
	}
	have, err := d.Of(ctx, p.ID)
	if err != nil {
		return err
	}
	names := slices.Clone(p.NetIDs)
	addresses := []string{}
	for _, e := range have {
		names, addresses = append(names, e.NetID), append(addresses, e.Email)
	}
	if len(addresses) == 0 {
		addresses = append(addresses, cmp.Or(p.Email, nobody(a.PersonalID)))
	}
	return d.tell(ctx, a.Lang, distinct(names), distinct(addresses))
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// tell mails which NetIDs there are. An address that had enough mails gets none,
// and nobody learns that.
func (d *Directory) tell(ctx context.Context, lang letters.Language, names, addresses []string) error {
	said := letters.NetIDForgotten(lang, names, d.page("/"))
	if len(names) == 0 {
		said = letters.NetIDNone(lang, d.page("/netid/register"))
	}
	var mails []database.Letter
	for _, to := range addresses {
		err := d.limitMails(ctx, to)
		if errors.Is(err, throttle.ErrWait) {
			continue
		}
		if err != nil {
			return err
		}
		l, err := d.letter(said, to)
		if err != nil {
			return err
		}
		mails = append(mails, l)
	}
	if err := d.config.DB.AddLetters(ctx, mails...); err != nil {
		return fmt.Errorf("mail NetIDs: %w", err)
	}
	d.posted()
	return nil
}
