// Package registertest invents the people of a campus, for tests and for the demo:
// the same ones for the same seed. They are made by rule of common surnames and
// syllables, and are nobody.
package registertest

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"turnstile/central/register"
)

// Invented is a person as files state one, with the personal id in clear: it
// belongs to nobody.
type Invented struct {
	register.Person
	Document string // personal id
}

// Institutions are the parts of the invented campus.
func Institutions() []register.Institution {
	return []register.Institution{
		{ID: "university", Name: "University", NameZH: "大學", KeepsNetID: true},
		{ID: "community-college", Name: "Community College", NameZH: "社區學院"},
		{ID: "professional-school", Name: "School of Professional Education", NameZH: "專業進修學院"},
	}
}

// surnames and syllables, each with a character that is read so.
var (
	surnames  = []string{"Chan 陳", "Wong 黃", "Lee 李", "Cheung 張", "Lau 劉", "Ho 何", "Ng 吳", "Leung 梁", "Lam 林", "Yip 葉", "Tsang 曾", "Kwok 郭", "Fung 馮", "Tang 鄧", "Au-Yeung 歐陽"}
	syllables = []string{"Tai 大", "Man 文", "Siu 小", "Ming 明", "Ka 家", "Wai 慧", "Yee 儀", "Chi 志", "Keung 強", "Mei 美", "Ling 玲", "Hoi 海", "Lok 樂", "Sum 心", "Kit 傑", "Fai 輝"}
	forenames = []string{"", "", "", "Alex", "Bo", "Chris", "Dana", "Robin", "Sam", "Zoë"}
	awards    = []string{"BSc", "BEng", "BA", "BBA", "MSc", "MA", "PhD"}
	subjects  = []string{"Surveying", "Nursing", "Civil Engineering", "Design", "Accountancy", "Computing", "Hotel Management", "Social Work"}
)

// maker draws from one source.
type maker struct {
	*rand.Rand
	today time.Time
}

// People invents n persons. Of every hundred some 60 are graduates, before and
// after 2011 and of each institution, 15 students, 15 staff of each kind, and 10
// visitors, retirees and emeriti. today is the campus day: cards end around it.
func People(n int, seed uint64, today time.Time) []Invented {
	m := maker{rand.New(rand.NewPCG(seed, 0x7475726e)), today}
	list := make([]Invented, n)
	for i := range list {
		list[i] = m.person(i)
	}
	return list
}

func pick[T any](m maker, list []T) T { return list[m.IntN(len(list))] }

func (m maker) person(i int) Invented {
	sur, zh, _ := strings.Cut(pick(m, surnames), " ")
	one, oneZH, _ := strings.Cut(pick(m, syllables), " ")
	two, twoZH, _ := strings.Cut(pick(m, syllables), " ")
	given := strings.TrimSpace(one + " " + two + " " + pick(m, forenames))
	if m.IntN(4) == 0 {
		given = one + "-" + strings.ToLower(two)
	}
	p := Invented{Person: register.Person{ID: fmt.Sprintf("P%06d", i+1), Surname: sur, Given: given, NameZH: zh + oneZH + twoZH}}
	born := time.Date(1945, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, m.IntN(58*365))
	p.Born = born.Format(time.DateOnly)
	p.Document = fmt.Sprintf("%c%06d(%d)", 'A'+rune(m.IntN(26)), 100000+i%900000, m.IntN(10))
	p.Email = fmt.Sprintf("%s.%d@mail.example", strings.ToLower(strings.ReplaceAll(sur, "-", "")), i+1)
	p.Phone = fmt.Sprintf("+8525%07d", i%10_000_000)
	m.role(&p, i, born)
	return p
}

// role gives a person what makes them one of the campus; i decides, so that a small
// campus has one of each.
func (m maker) role(p *Invented, i int, born time.Time) {
	switch kind := i % 20; {
	case kind < 12:
		m.graduate(p, i, born)
	case kind < 15:
		p.card(register.StudentCard, i, m.day(-2), m.day(2))
		p.NetIDs = []string{fmt.Sprintf("%08dd", 20000000+i)}
	case kind == 15:
		p.card(register.StaffCard, i, m.day(-5), "")
		p.NetIDs = []string{fmt.Sprintf("st%05d", i)}
	case kind == 16:
		p.card(register.CPCECard, i, m.day(-4), "")
	case kind == 17:
		p.card(register.PTECCard, i, m.day(-3), "")
	case kind == 18:
		p.card(register.VisitorCard, i, m.day(-1), m.day(1))
	case i%40 == 19:
		p.card(register.RetireeCard, i, m.day(-6), "")
	default:
		p.card(register.EmeritusCard, i, m.day(-1), "")
	}
}

// day is a day so many years from today.
func (m maker) day(years int) string { return m.today.AddDate(years, 0, 0).Format(time.DateOnly) }

func (p *Invented) card(kind register.CardKind, i int, from, until string) {
	p.Cards = append(p.Cards, register.Card{Kind: kind, Number: fmt.Sprintf("%s%07d", strings.ToUpper(string(kind[:2])), i+1), From: from, Until: until})
}

// graduate gives a degree: every third before 2011, every fourth of another
// institution, every sixth a second one.
func (m maker) graduate(p *Invented, i int, born time.Time) {
	year := max(2011+m.IntN(14), born.Year()+21)
	if i%3 == 0 {
		if born.Year() > 1985 {
			born = born.AddDate(-30, 0, 0)
			p.Born = born.Format(time.DateOnly)
		}
		year = min(max(1975+m.IntN(35), born.Year()+21), 2010)
	}
	year = min(year, m.today.Year()-1)
	where := Institutions()[0].ID
	if i%4 == 1 {
		where = Institutions()[1+m.IntN(2)].ID
	}
	d := register.Degree{Award: pick(m, awards[:4]), Programme: pick(m, subjects), Institution: where, Graduated: fmt.Sprintf("%d-%02d-%02d", year, 10+m.IntN(2), 1+m.IntN(28))}
	p.Degrees = append(p.Degrees, d)
	if year >= 2011 && where == Institutions()[0].ID {
		p.NetIDs = []string{fmt.Sprintf("%02d%06dd", year%100, i)}
	}
	if i%6 == 5 && year+2 < m.today.Year() {
		p.Degrees = append(p.Degrees, register.Degree{Award: pick(m, awards[4:]), Programme: pick(m, subjects), Institution: Institutions()[0].ID, Graduated: fmt.Sprintf("%d-11-15", year+2)})
	}
}

// Rows returns the people's rows of a kind by column.
func Rows(people []Invented, kind register.Kind) (rows []map[string]string) {
	for _, p := range people {
		switch kind {
		case register.Persons:
			rows = append(rows, map[string]string{"id": p.ID, "surname": p.Surname, "given": p.Given, "name_zh": p.NameZH, "born": p.Born, "personal_id": p.Document, "email": p.Email, "phone": p.Phone})
		case register.Cards:
			for _, c := range p.Cards {
				rows = append(rows, map[string]string{"person": p.ID, "kind": string(c.Kind), "number": c.Number, "from": c.From, "until": c.Until})
			}
		case register.Degrees:
			for _, d := range p.Degrees {
				rows = append(rows, map[string]string{"person": p.ID, "award": d.Award, "programme": d.Programme, "institution": d.Institution, "graduated": d.Graduated})
			}
		case register.NetIDs:
			for _, n := range p.NetIDs {
				rows = append(rows, map[string]string{"person": p.ID, "netid": n})
			}
		}
	}
	return rows
}

// CSV returns the people's rows of a kind as a file.
func CSV(people []Invented, kind register.Kind) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write(kind.Columns())
	for _, row := range Rows(people, kind) {
		line := make([]string, 0, len(row))
		for _, column := range kind.Columns() {
			line = append(line, row[column])
		}
		w.Write(line)
	}
	w.Flush() // to memory: nothing can fail
	return b.Bytes()
}
