package netid

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"turnstile/central/database"
	"turnstile/central/register"
)

// Name is a display name and the alias that it gives.
type Name struct{ Display, Alias string }

// Bounds of a display name in characters.
const (
	minName = 2
	maxName = 60
)

// nameForm is what a display name may be: letters, digits, hyphen and space. An
// alias is made from it, and mail servers elsewhere take no other letters.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 -]*[A-Za-z0-9]$`)

// ParseName returns a display name in its normal form, with its alias. NameForm.
func ParseName(typed string) (Name, error) {
	if len(typed) > 4*maxName {
		return Name{}, &Refusal{Reason: NameForm}
	}
	name := strings.Join(strings.Fields(typed), " ")
	letter := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
	if len(name) < minName || len(name) > maxName || !nameForm.MatchString(name) || !strings.ContainsFunc(name, letter) {
		return Name{}, &Refusal{Reason: NameForm}
	}
	return Name{name, alias(name)}, nil
}

// key is what of a display name must be unique.
func (n Name) key() string { return strings.ToLower(n.Display) }

// alias makes the alias of a display name: given names, a dot and the surname, in
// small letters. The surname are the words in capitals at the end or at the
// beginning, else the last word; a number behind it belongs to it.
//
//	Tai Man CHAN   tai-man.chan
//	CHAN Tai Man   tai-man.chan
//	Ada Lovelace   ada.lovelace
func alias(name string) string {
	words := strings.Fields(name)
	given, surname := parted(words)
	join := func(words []string) string { return strings.ToLower(strings.Join(words, "-")) }
	out := join(surname)
	if len(given) > 0 {
		out = join(given) + "." + out
	}
	return tidy(out)
}

// doubled are hyphens and dots that stand beside each other.
var doubled = regexp.MustCompile(`[-.]*\.[-.]*|-+`)

// tidy makes the local part of an address of it: no two marks in a row.
func tidy(text string) string {
	return strings.Trim(doubled.ReplaceAllStringFunc(text, func(s string) string {
		if strings.Contains(s, ".") {
			return "."
		}
		return "-"
	}), "-.")
}

func parted(words []string) (given, surname []string) {
	last := len(words)
	for last > 1 && number(words[last-1]) {
		last--
	}
	from := last
	for from > 0 && capitals(words[from-1]) {
		from--
	}
	if from > 0 && from < last {
		return words[:from], words[from:]
	}
	until := 0
	for until < last && capitals(words[until]) {
		until++
	}
	if until > 0 && until < last {
		return words[until:last], append(append([]string{}, words[:until]...), words[last:]...)
	}
	return words[:last-1], words[last-1:]
}

// capitals tells a word in capitals from an initial.
func capitals(word string) bool {
	return len(word) > 1 && !strings.ContainsFunc(word, unicode.IsLower) && strings.ContainsFunc(word, unicode.IsUpper)
}

func number(word string) bool {
	return !strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsDigit(r) })
}

// offices are words of which an address is taken for the campus, or for those who
// run its machines (RFC 2142), speaking.
var offices = strings.Fields(`abuse account accounts admin administrator admissions alumni billing campus card central chancellor daemon desk dev do ecard finance ftp
	help helpdesk host hostmaster info it library mail mailer marketing master mx netid no noc noreply not office ops portal post postmaster president registrar
	registry reply root sales security service services staff support sysadmin system team the turnstile university usenet uucp web webmaster www`)

// official reports whether an alias has nothing but such words, in any order, with
// whatever numbers and marks: admin, admin-2, no.reply, support.it.
func official(alias string) bool {
	words := strings.FieldsFunc(alias, func(r rune) bool { return r < 'a' || r > 'z' })
	return len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(offices, w) })
}

// free tells whether a name can be had: NameTaken or AliasTaken, with names that can.
func (d *Directory) free(ctx context.Context, n Name) error {
	err := d.looked(ctx, n)
	if errors.Is(err, NameTaken) || errors.Is(err, AliasTaken) {
		reason := NameTaken
		if errors.Is(err, AliasTaken) {
			reason = AliasTaken
		}
		others, err := d.others(ctx, n)
		if err != nil {
			return err
		}
		return &Refusal{Reason: reason, Names: others}
	}
	return err
}

func (d *Directory) looked(ctx context.Context, n Name) error {
	if official(n.Alias) {
		return AliasTaken
	}
	switch err := d.config.DB.NameFree(ctx, n.key(), n.Alias); {
	case errors.Is(err, database.ErrNameTaken):
		return NameTaken
	case errors.Is(err, database.ErrAliasTaken):
		return AliasTaken
	case err != nil:
		return fmt.Errorf("look for a name: %w", err)
	}
	return nil
}

// suggested is how many free names a person is offered.
const suggested = 3

// others returns names like n that are free.
func (d *Directory) others(ctx context.Context, n Name) (list []Name, err error) {
	for i := 2; i < 100 && len(list) < suggested; i++ {
		o, err := ParseName(fmt.Sprintf("%s %d", n.Display, i))
		if err != nil {
			return list, nil // too long for one more
		}
		switch err := d.looked(ctx, o); {
		case err == nil:
			list = append(list, o)
		case !errors.Is(err, NameTaken) && !errors.Is(err, AliasTaken):
			return nil, err
		}
	}
	return list, nil
}

// latin keeps what an alias can have.
func latin(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == ' ':
			return r
		}
		return -1
	}, text)
}

// proposed is the display name that the register gives, if it can be had, and
// others otherwise.
func (d *Directory) proposed(ctx context.Context, p register.Person) ([]Name, error) {
	n, err := ParseName(latin(p.Given) + " " + strings.ToUpper(latin(p.Surname)))
	if err != nil {
		return nil, nil // the person thinks of one
	}
	err = d.free(ctx, n)
	var taken *Refusal
	if errors.As(err, &taken) {
		return taken.Names, nil
	}
	return []Name{n}, err
}

// maxTaken is how many persons can have the same initials and surname.
const maxTaken = 500

// ids are the NetIDs that a person may get, the first first: a student the number
// of the card, everybody else initials and surname.
func ids(p register.Person, card *register.Card) (list []string) {
	if card != nil && card.Kind == register.StudentCard {
		list = append(list, strings.ToLower(strings.ReplaceAll(latin(register.CardNumber(card.Number)), " ", "")))
	}
	base := ""
	for _, word := range strings.Fields(latin(p.Given)) {
		base += word[:1]
	}
	base += strings.ReplaceAll(latin(p.Surname), " ", "")
	base = strings.Trim(strings.ToLower(base[:min(len(base), 20)]), "-")
	if len(base) < 2 {
		base = "user" + base
	}
	list = append(list, base)
	for i := 2; i < maxTaken; i++ {
		list = append(list, fmt.Sprintf("%s%d", base, i))
	}
	return list
}
