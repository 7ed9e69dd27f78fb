// Package register knows the people of a campus as its registry states them: who
// they are, their cards, degrees and NetIDs. It reads files of them, compares and
// identifies; FORMAT.md says how.
//
// It knows no SQL and no HTTP. Of a personal id (identity card, passport) it sees
// the text once and keeps a keyed hash.
package register

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// What a caller can branch on.
var (
	ErrNotFound = errors.New("no such person in the register")
	// ErrNoMatch is the one answer to all that does not identify a person: it tells
	// neither whether there is such a person nor which fact was wrong.
	ErrNoMatch = errors.New("the facts identify nobody")
)

// CardKind is a kind of campus card.
type CardKind string

// The kinds of cards.
const (
	StudentCard  CardKind = "student"
	StaffCard    CardKind = "staff"
	CPCECard     CardKind = "cpce" // staff of the college of professional and continuing education
	PTECCard     CardKind = "ptec" // staff of the practice and training centre
	VisitorCard  CardKind = "visitor"
	RetireeCard  CardKind = "retiree" // of long service
	EmeritusCard CardKind = "emeritus"
)

// CardKinds lists the kinds of cards.
func CardKinds() []CardKind {
	return []CardKind{StudentCard, StaffCard, CPCECard, PTECCard, VisitorCard, RetireeCard, EmeritusCard}
}

// Person is one human being. Its ID is the holder id of passes and eCards.
type Person struct {
	ID                     string
	Surname, Given, NameZH string
	Born                   string // YYYY-MM-DD, "" if it is not known
	PersonalID             []byte // keyed hash, see Key.Personal; empty if it is not known
	Email, Phone           string // as the registry has them; "" for none
	Cards                  []Card
	Degrees                []Degree
	NetIDs                 []string
	// Aliases are the other ids of this person, after the office merged them.
	Aliases []string
	Since   time.Time // in the register
	Changed time.Time
}

// Card is a campus card. Its days are YYYY-MM-DD and both good, "" is open.
type Card struct {
	Kind        CardKind
	Number      string
	From, Until string
}

// Valid reports whether the card is good on a day (YYYY-MM-DD).
func (c Card) Valid(day string) bool {
	return (c.From == "" || c.From <= day) && (c.Until == "" || day <= c.Until)
}

// Degree is an award of this campus.
type Degree struct {
	Award, Programme string
	Institution      string // Institution.ID
	Graduated        string // YYYY-MM-DD
	KeepsNetID       bool   // the institution's students have NetIDs that graduates keep; of Register's answers alone
}

// keepsSince is the first day of graduation from which a student NetID stays with
// its graduate.
const keepsSince = "2011-01-01"

// Graduate reports whether the person has a degree of this campus.
func (p Person) Graduate() bool { return len(p.Degrees) > 0 }

// KeepsStudentNetID reports whether the person's student NetID is the alumni
// NetID too: by a degree of 2011 or later, of an institution whose students have
// one.
func (p Person) KeepsStudentNetID() bool {
	return slices.ContainsFunc(p.Degrees, func(d Degree) bool { return d.KeepsNetID && d.Graduated >= keepsSince })
}

// Name returns the name in a language (BCP 47) as far as it is known: in Chinese
// the Chinese one, else surname and given name.
func (p Person) Name(lang string) string {
	if western := strings.TrimSpace(p.Surname + " " + p.Given); western != "" && (p.NameZH == "" || !strings.HasPrefix(lang, "zh")) {
		return western
	}
	return p.NameZH
}

// Institution is a part of the campus that gives degrees.
type Institution struct {
	ID         string `yaml:"id"` // in files: 1 to 32 of a-z 0-9 -
	Name       string `yaml:"name"`
	NameZH     string `yaml:"name_zh"`
	KeepsNetID bool   `yaml:"keeps_netid"` // its students have NetIDs that graduates of 2011 or later keep
}

// Store is where the persons are. Safe for concurrent use.
type Store interface {
	// RegisterPerson returns the person that an id or an alias names, whole; or
	// ErrNotFound.
	RegisterPerson(ctx context.Context, id string) (Person, error)
	// RegisterCandidates returns at most limit persons of the keyed hash, and that of
	// the card if there is one, the oldest first, each with nothing but its own row,
	// under the id that its own row has, and of the cards that which was asked for.
	RegisterCandidates(ctx context.Context, personal []byte, kind CardKind, number string, limit int) ([]Person, error)
}

// Config is what a Register stands on; every field is needed.
type Config struct {
	Store        Store
	Key          Key
	Institutions []Institution
	Location     *time.Location // campus clock
	Now          func() time.Time
}

// Register answers who is who. Safe for concurrent use.
type Register struct{ config Config }

// New returns a Register.
func New(c Config) *Register { return &Register{c} }

// Person returns the person that an id names, or an alias of somebody who was
// merged; or ErrNotFound: nobody, or somebody who left the register.
func (r *Register) Person(ctx context.Context, id string) (Person, error) {
	p, err := r.config.Store.RegisterPerson(ctx, id)
	if err != nil {
		return Person{}, err
	}
	return r.marked(p), nil
}

// marked fills in what the institutions say.
func (r *Register) marked(p Person) Person {
	for i, d := range p.Degrees {
		p.Degrees[i].KeepsNetID = slices.ContainsFunc(r.config.Institutions, func(x Institution) bool { return x.ID == d.Institution && x.KeepsNetID })
	}
	return p
}

// Institutions returns the parts of the campus that give degrees.
func (r *Register) Institutions() []Institution { return slices.Clone(r.config.Institutions) }

// Today is the campus day, YYYY-MM-DD.
func (r *Register) Today() string { return r.config.Now().In(r.config.Location).Format(time.DateOnly) }

// Rules are what rows are held to at this moment.
func (r *Register) Rules() Rules {
	return Rules{Key: r.config.Key, Institutions: r.config.Institutions, Today: r.Today()}
}
