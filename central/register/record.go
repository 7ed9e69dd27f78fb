package register

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Kind is what a file or a batch has rows of.
type Kind string

// The kinds of rows.
const (
	Persons Kind = "persons"
	Cards   Kind = "cards"
	Degrees Kind = "degrees"
	NetIDs  Kind = "netids"
)

// Kinds lists the kinds of rows in the order in which they are imported: the
// others are of persons.
func Kinds() []Kind { return []Kind{Persons, Cards, Degrees, NetIDs} }

// Columns returns the columns that rows of a kind can have.
func (k Kind) Columns() []string {
	switch k {
	case Persons:
		return []string{"id", "surname", "given", "name_zh", "born", "personal_id", "email", "phone"}
	case Cards:
		return []string{"person", "kind", "number", "from", "until"}
	case Degrees:
		return []string{"person", "award", "programme", "institution", "graduated"}
	case NetIDs:
		return []string{"person", "netid"}
	}
	return nil
}

// Needed returns the columns that every row of a kind has.
func (k Kind) Needed() []string {
	switch k {
	case Persons:
		return []string{"id"}
	case Cards:
		return []string{"person", "kind", "number"}
	case Degrees:
		return []string{"person", "award", "institution", "graduated"}
	case NetIDs:
		return []string{"person", "netid"}
	}
	return nil
}

// Record is one row in the form in which rows are stored and compared.
type Record struct {
	Kind   Kind
	Key    string            // what it is about; two rows of one key are about the same
	Person string            // id
	Values map[string]string // by column, those that the row has: what it has not stays as it is. Of personal_id the keyed hash in hex
}

// Fault is what is wrong with one column of a row. Text is English with at most
// one %s, for which Arg stands: pages translate it. Neither has a personal id.
type Fault struct {
	Column string `json:"column"` // "" for the row as a whole
	Text   string `json:"text"`   // what would be right
	Arg    string `json:"arg,omitempty"`
}

// Rules are what rows are held to.
type Rules struct {
	Key          Key
	Institutions []Institution
	Today        string // YYYY-MM-DD
}

// Parse reads a row of text by column. All faults are named, at most one of each
// column.
func (rules Rules) Parse(kind Kind, values map[string]string) (Record, []Fault) {
	p := parser{rules: rules, in: values, record: Record{Kind: kind, Values: map[string]string{}}}
	switch kind {
	case Persons:
		p.person()
	case Cards:
		p.card()
	case Degrees:
		p.degree()
	case NetIDs:
		p.netid()
	default:
		p.wrong("", true, "there are no rows of this kind", "")
	}
	for column := range values {
		p.wrong(shorten(column), !slices.Contains(kind.Columns(), column), "there is no such column", "")
	}
	if len(p.faults) > 0 {
		return Record{}, p.faults
	}
	return p.record, nil
}

// parser reads one row.
type parser struct {
	rules  Rules
	in     map[string]string
	record Record
	faults []Fault
}

func (p *parser) wrong(column string, bad bool, text, arg string) {
	bad = bad && !slices.ContainsFunc(p.faults, func(f Fault) bool { return f.Column == column })
	if bad {
		p.faults = append(p.faults, Fault{column, text, arg})
	}
}

// text takes a column of at most so many characters, without space around it, in
// NFC. It returns "" for one that is missing.
func (p *parser) text(column string, most int) string {
	s, there := p.in[column]
	s = norm.NFC.String(strings.TrimSpace(s))
	p.wrong(column, utf8.RuneCountInString(s) > most, "is too long: at most %s characters", strconv.Itoa(most))
	p.wrong(column, !utf8.ValidString(s), "is not UTF-8 text", "")
	p.wrong(column, strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }), "has a line break or a control character", "")
	p.wrong(column, s == "" && slices.Contains(p.record.Kind.Needed(), column), "is missing", "")
	if there {
		p.record.Values[column] = s
	}
	return s
}

// day takes a column with a date; it returns "" for none.
func (p *parser) day(column, earliest, latest string) string {
	s := p.text(column, 40)
	if s == "" {
		return s
	}
	_, err := time.Parse(time.DateOnly, s)
	p.wrong(column, err != nil, "want a date such as 1988-04-30", "")
	p.wrong(column, s < earliest || s > latest, "is a date that cannot be", "")
	if err != nil {
		return ""
	}
	return s
}

// Bounds of dates.
const (
	firstDay = "1880-01-01"
	lastDay  = "2199-12-31"
)

var (
	goodID     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@:-]*$`)
	goodPhone  = regexp.MustCompile(`^\+?[0-9]{3,20}$`)
	goodNetID  = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	goodNumber = regexp.MustCompile(`^[A-Z0-9][A-Z0-9/-]*$`)
	goodSecret = regexp.MustCompile(`^[\p{L}\p{N}/.]{4,32}$`)
)

func (p *parser) id(column string) {
	s := p.text(column, 64)
	p.wrong(column, s != "" && !goodID.MatchString(s), "want letters, digits and . _ @ : - without spaces", "")
	p.record.Person = s
}

func (p *parser) person() {
	p.id("id")
	p.record.Key = p.record.Person
	p.text("surname", 80)
	p.text("given", 120)
	p.text("name_zh", 40)
	p.day("born", firstDay, p.rules.Today)
	p.personal("personal_id")
	email := p.text("email", 254)
	p.wrong("email", email != "" && !mailable(email), "want an address such as name@example.org", "")
	phone := strings.NewReplacer(" ", "", "-", "", "(", "", ")", "").Replace(p.text("phone", 32))
	p.wrong("phone", phone != "" && !goodPhone.MatchString(phone), "want a number such as +852 2345 6789", "")
	p.set("phone", phone)
}

// personal takes a personal id and keeps its keyed hash alone.
func (p *parser) personal(column string) {
	s := Normal(p.text(column, 60))
	p.wrong(column, s != "" && !goodSecret.MatchString(s), "want 4 to 32 letters and digits", "")
	if s != "" {
		s = hex.EncodeToString(p.rules.Key.Personal(s))
	}
	p.set(column, s)
}

// set puts the normal form of a column in its place, if the row has the column.
func (p *parser) set(column, value string) {
	if _, there := p.in[column]; there {
		p.record.Values[column] = value
	}
}

func (p *parser) card() {
	p.id("person")
	kind := strings.ToLower(p.text("kind", 16))
	p.wrong("kind", kind != "" && !slices.Contains(CardKinds(), CardKind(kind)), "want student, staff, cpce, ptec, visitor, retiree or emeritus", "")
	number := CardNumber(p.text("number", 32))
	p.wrong("number", number != "" && !goodNumber.MatchString(number), "want letters, digits and hyphens", "")
	p.set("kind", kind)
	p.set("number", number)
	from, until := p.day("from", firstDay, lastDay), p.day("until", firstDay, lastDay)
	p.wrong("until", from != "" && until != "" && until < from, "is before the day in from", "")
	p.record.Key = kind + " " + number
}

// CardNumber returns a card's number in the form that is kept.
func CardNumber(s string) string {
	return strings.ToUpper(strings.Join(strings.Fields(norm.NFKC.String(s)), ""))
}

func (p *parser) degree() {
	p.id("person")
	award, programme := p.text("award", 120), p.text("programme", 200)
	where := strings.ToLower(p.text("institution", 64))
	p.wrong("institution", where != "" && !slices.ContainsFunc(p.rules.Institutions, func(x Institution) bool { return x.ID == where }),
		"there is no institution %s; register.institutions in central's configuration has those that there are", shorten(where))
	p.set("institution", where)
	p.day("graduated", firstDay, p.rules.Today)
	sum := sha256.Sum256([]byte(strings.Join([]string{p.record.Person, where, award, programme}, "\x00")))
	p.record.Key = hex.EncodeToString(sum[:16])
}

func (p *parser) netid() {
	p.id("person")
	s := strings.ToLower(p.text("netid", 64))
	p.wrong("netid", s != "" && !goodNetID.MatchString(s), "want letters, digits and . _ -", "")
	p.set("netid", s)
	p.record.Key = s
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) > 20 {
		return string([]rune(s)[:20]) + "…"
	}
	return s
}

func mailable(address string) bool {
	_, ok := ParseAddress(address)
	return ok
}

// Effect is what a row does to the register.
type Effect string

// The effects of a row.
const (
	Adds    Effect = "add"
	Changes Effect = "change"
	Same    Effect = "same"
	Removes Effect = "remove"
)

// Compare says what a row does to the values that stand, nil for none, and which
// columns it changes. A new person needs more than a row that changes one has.
func Compare(stands map[string]string, r Record) (e Effect, columns []string, fault *Fault) {
	if stands == nil {
		if r.Kind == Persons && r.Values["surname"] == "" && r.Values["name_zh"] == "" {
			return "", nil, &Fault{"surname", "is missing: a new person needs a surname or a Chinese name", ""}
		}
		return Adds, nil, nil
	}
	for _, column := range r.Kind.Columns() {
		if v, there := r.Values[column]; there && v != stands[column] {
			columns = append(columns, column)
		}
	}
	if len(columns) == 0 {
		return Same, nil, nil
	}
	return Changes, columns, nil
}
