package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"turnstile/central/database"
)

// Viewer is who sees a field of a profile beside its holder.
type Viewer string

// The viewers; each sees what the ones after it see.
const (
	OnlyMe    Viewer = "me"
	TheOffice Viewer = "office"
	AllAlumni Viewer = "alumni"
)

// Field is a part of a profile that is shown or hidden as a whole.
type Field string

// The fields.
const (
	Phone        Field = "phone"
	Postal       Field = "address"
	Career       Field = "career"
	Education    Field = "education"
	Achievements Field = "achievements"
)

// Fields lists the fields with who sees them until the holder says otherwise.
func Fields() map[Field]Viewer {
	return map[Field]Viewer{Phone: TheOffice, Postal: TheOffice, Career: OnlyMe, Education: OnlyMe, Achievements: OnlyMe}
}

// Profile is what a holder wrote. Degrees stand in the register, and not here.
type Profile struct {
	Phone      string           `json:"phone,omitempty"`
	Address    string           `json:"address,omitempty"`     // lines of a postal address
	PostalCode string           `json:"postal_code,omitempty"` // where there are such
	Country    string           `json:"country,omitempty"`
	Career     []Post           `json:"career,omitempty"`
	Education  []Study          `json:"education,omitempty"` // elsewhere
	Achieved   []Achievement    `json:"achievements,omitempty"`
	Sees       map[Field]Viewer `json:"sees,omitempty"`

	// Changed is when it was stored (Unix ms), 0 for never: it goes back with the next
	// version, so that two windows do not undo each other's work.
	Changed int64 `json:"-"`
}

// Post is one of a career. Years are as typed, "" if open.
type Post struct {
	Employer string `json:"employer"`
	Title    string `json:"title,omitempty"`
	From     string `json:"from,omitempty"`
	Until    string `json:"until,omitempty"`
}

// Study is one elsewhere.
type Study struct {
	Institution string `json:"institution"`
	Award       string `json:"award,omitempty"`
	Year        string `json:"year,omitempty"`
}

// Achievement is something to be proud of.
type Achievement struct {
	What string `json:"what"`
	Year string `json:"year,omitempty"`
}

// Bounds of a profile.
const (
	maxLine    = 120 // characters
	maxLines   = 400
	maxEntries = 20
	maxBody    = 64 << 10 // bytes of the whole, encoded
)

// ContactComplete reports whether the contact is good enough for an eCard.
func (p Profile) ContactComplete() bool {
	return p.Phone != "" && p.Address != "" && p.Country != ""
}

// Viewer is who sees a field.
func (p Profile) Viewer(f Field) Viewer {
	if v := p.Sees[f]; v != "" {
		return v
	}
	return Fields()[f]
}

// SeenBy returns the profile without what a viewer may not see.
func (p Profile) SeenBy(v Viewer) Profile {
	out := p
	hidden := func(f Field) bool {
		switch p.Viewer(f) {
		case AllAlumni:
			return false
		case TheOffice:
			return v == AllAlumni
		}
		return v != OnlyMe
	}
	if hidden(Phone) {
		out.Phone = ""
	}
	if hidden(Postal) {
		out.Address, out.PostalCode, out.Country = "", "", ""
	}
	if hidden(Career) {
		out.Career = nil
	}
	if hidden(Education) {
		out.Education = nil
	}
	if hidden(Achievements) {
		out.Achieved = nil
	}
	return out
}

// Fault is what is wrong with a field of a form. Row is the entry's, from 0; -1 for
// none.
type Fault struct {
	Field string
	Row   int
	Why   error
}

// What can be wrong with a field.
var (
	ErrEmpty    = errors.New("it is empty")
	ErrLong     = errors.New("it is too long")
	ErrText     = errors.New("it has characters that are no text")
	ErrPhone    = errors.New("this is no telephone number")
	ErrYear     = errors.New("this is no year")
	ErrMany     = errors.New("there are too many entries")
	ErrViewer   = errors.New("nobody of that kind sees profiles")
	ErrOutdated = errors.New("it was changed in another window meanwhile")
)

// FaultError refuses a profile with all that is wrong with it.
type FaultError struct{ Faults []Fault }

func (e *FaultError) Error() string { return fmt.Sprintf("%d faults in the profile", len(e.Faults)) }

// judge is what is wrong with a profile, in the order of the page.
type judge struct{ faults []Fault }

func (j *judge) that(field string, row int, why error) {
	if why != nil {
		j.faults = append(j.faults, Fault{field, row, why})
	}
}

// Check returns a *FaultError, or nil. It takes the space off the ends of texts.
func (p *Profile) Check() error {
	j := &judge{}
	j.that("phone", -1, phone(&p.Phone))
	j.that("address", -1, text(&p.Address, maxLines, true))
	j.that("postal_code", -1, text(&p.PostalCode, maxLine, false))
	j.that("country", -1, text(&p.Country, maxLine, false))
	for field, n := range map[string]int{"career": len(p.Career), "education": len(p.Education), "achievements": len(p.Achieved)} {
		if n > maxEntries {
			j.that(field, -1, ErrMany)
			return &FaultError{j.faults}
		}
	}
	for i := range p.Career {
		e := &p.Career[i]
		j.that("employer", i, needed(&e.Employer))
		j.that("title", i, text(&e.Title, maxLine, false))
		j.that("from", i, year(&e.From))
		j.that("until", i, year(&e.Until))
	}
	for i := range p.Education {
		e := &p.Education[i]
		j.that("institution", i, needed(&e.Institution))
		j.that("award", i, text(&e.Award, maxLine, false))
		j.that("year", i, year(&e.Year))
	}
	for i := range p.Achieved {
		e := &p.Achieved[i]
		j.that("what", i, needed(&e.What))
		j.that("year", i, year(&e.Year))
	}
	for f, v := range p.Sees {
		if _, known := Fields()[f]; !known || v != OnlyMe && v != TheOffice && v != AllAlumni {
			j.that("sees", -1, ErrViewer)
		}
	}
	if len(j.faults) > 0 {
		return &FaultError{j.faults}
	}
	return nil
}

// text judges a text of so many characters.
func text(s *string, most int, lines bool) error {
	*s = strings.TrimSpace(strings.ReplaceAll(*s, "\r\n", "\n"))
	if !utf8.ValidString(*s) || strings.ContainsFunc(*s, func(r rune) bool { return !unicode.IsPrint(r) && !(lines && r == '\n') }) {
		return ErrText
	}
	if utf8.RuneCountInString(*s) > most {
		return ErrLong
	}
	return nil
}

func needed(s *string) error {
	if err := text(s, maxLine, false); err != nil || *s != "" {
		return err
	}
	return ErrEmpty
}

// phone is as people write numbers: +852 2766 0000, (02) 1234-5678.
func phone(s *string) error {
	if err := text(s, 40, false); err != nil || *s == "" {
		return err
	}
	digits := 0
	for i, r := range *s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '+' && i == 0, strings.ContainsRune(" -()./", r):
		default:
			return ErrPhone
		}
	}
	if digits < 5 || digits > 20 {
		return ErrPhone
	}
	return nil
}

func year(s *string) error {
	if *s = strings.TrimSpace(*s); *s == "" {
		return nil
	}
	if len(*s) != 4 || strings.Trim(*s, "0123456789") != "" || *s < "1900" || *s > "2199" {
		return ErrYear
	}
	return nil
}

// Profile returns what a person wrote, empty if that is nothing.
func (a *Accounts) Profile(ctx context.Context, person string) (Profile, error) {
	row, err := a.config.DB.Profile(ctx, person)
	if errors.Is(err, database.ErrNotFound) {
		return Profile{}, nil
	}
	if err != nil {
		return Profile{}, fmt.Errorf("find profile: %w", err)
	}
	p, err := decodeProfile(row.Body)
	p.Changed = row.Changed
	return p, err
}

func decodeProfile(body string) (p Profile, err error) {
	if len(body) > maxBody {
		return p, fmt.Errorf("decode profile: %w", ErrLong)
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		return Profile{}, fmt.Errorf("decode profile: %w", err)
	}
	return p, nil
}

// SetProfile stores a profile whole, in place of the version that p.Changed names.
// *FaultError, ErrOutdated, ErrNotYours without an account.
func (a *Accounts) SetProfile(ctx context.Context, person string, p Profile) error {
	if err := p.Check(); err != nil {
		return err
	}
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode profile: %w", err)
	}
	err = a.config.DB.SetProfile(ctx, database.Profile{Person: person, Body: string(body), Changed: a.now()}, p.Changed)
	if errors.Is(err, database.ErrConflict) {
		return ErrOutdated
	}
	return owned(err)
}
