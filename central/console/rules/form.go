package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// Bounds of a form; link.Rules has its own on top.
const (
	maxZones    = 16
	maxHours    = 32
	maxHolidays = 366
	maxName     = 60 // characters
)

// form is the form of all rules, as it is typed.
type form struct {
	Version   string
	Zones     []zoneForm
	Kinds     []kindForm
	TestPass  bool
	Escort    string            // seconds
	Repeat    string            // milliseconds
	Problems  map[string]string // by field
	Passbacks []string
	Aparts    []string
	Actions   []string
	Days      []string
	Ages      []string
}

type zoneForm struct {
	Key          string // prefix of its fields: z0, z1 ...
	ID           string
	Name, NameZH string
	Hours        []hoursForm
	Holidays     string // one day a line
	Passback     int
	Exit         int
	Back         string // minutes
	Apart        int
	Short        bool
	Remove       bool
}

type hoursForm struct {
	Key         string
	Days        [7]bool
	Open, Close string
}

type kindForm struct {
	Key       string
	Kind      pass.Kind
	Name      string
	Ages      [4]int
	Untrusted bool
}

func emptyForm() *form {
	return &form{Problems: map[string]string{}, Passbacks: passbackWords, Aparts: apartWords, Actions: actionWords, Days: dayWords, Ages: ageWords}
}

// newForm shows rules.
func newForm(r link.Rules) *form {
	f := emptyForm()
	f.Version, f.TestPass = fmt.Sprint(r.Version), r.TestPass
	f.Escort, f.Repeat = fmt.Sprint(r.EscortSec), fmt.Sprint(r.RepeatMS)
	for i, z := range r.Zones {
		f.Zones = append(f.Zones, newZone(i, &z, r.Short&(1<<z.ID) != 0))
	}
	for _, k := range []pass.Kind{pass.ECard, pass.Guest, pass.Staff, pass.Test} {
		p := r.Policy(k)
		row := kindForm{Key: fmt.Sprintf("k%d", k), Kind: k, Name: kindWords[k], Untrusted: p.Untrusted}
		for i, a := range p.Ages {
			row.Ages[i] = int(a)
		}
		f.Kinds = append(f.Kinds, row)
	}
	return f
}

func newZone(i int, z *link.Zone, short bool) zoneForm {
	out := zoneForm{Key: fmt.Sprintf("z%d", i), ID: fmt.Sprint(z.ID), Name: z.Name, NameZH: z.NameZH, Passback: int(z.Passback), Exit: int(z.Exit),
		Back: fmt.Sprint(z.BackMinutes), Apart: int(z.Apart), Short: short}
	for k, h := range z.Hours {
		row := hoursForm{Key: fmt.Sprintf("%s.h%d", out.Key, k), Open: clock(h.Open), Close: clock(h.Close)}
		for d := range row.Days {
			row.Days[d] = h.Weekdays&(1<<d) != 0
		}
		out.Hours = append(out.Hours, row)
	}
	var days []string
	for _, d := range z.Holidays {
		days = append(days, d.String())
	}
	out.Holidays = strings.Join(days, "\n")
	return out
}

// add appends an empty zone ("zone") or an empty period of a zone ("z1").
func (f *form) add(what string) {
	if what == "zone" && len(f.Zones) < maxZones {
		f.Zones = append(f.Zones, zoneForm{Key: fmt.Sprintf("z%d", len(f.Zones)), ID: fmt.Sprint(f.freeID()), Back: "0"})
	}
	for i := range f.Zones {
		if z := &f.Zones[i]; z.Key == what && len(z.Hours) < maxHours {
			z.Hours = append(z.Hours, hoursForm{Key: fmt.Sprintf("%s.h%d", z.Key, len(z.Hours)), Open: "07:00", Close: "22:00"})
		}
	}
}

func (f *form) freeID() int {
	for id := range maxZones {
		if !slices.ContainsFunc(f.Zones, func(z zoneForm) bool { return z.ID == strconv.Itoa(id) }) {
			return id
		}
	}
	return 0
}

// readForm reads what was typed, whatever it is.
func readForm(r *console.Request) (*form, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	in, f := r.PostForm, emptyForm()
	f.Version, f.Escort, f.Repeat, f.TestPass = in.Get("version"), in.Get("escort"), in.Get("repeat"), in.Get("test") != ""
	for i := 0; i < maxZones && in.Has(fmt.Sprintf("z%d.id", i)); i++ {
		key := fmt.Sprintf("z%d", i)
		get := func(name string) string { return in.Get(key + "." + name) }
		z := zoneForm{Key: key, ID: get("id"), Name: get("name"), NameZH: get("name_zh"), Holidays: get("holidays"), Back: get("back"),
			Passback: choice(get("passback"), passbackWords), Exit: choice(get("exit"), passbackWords), Apart: choice(get("apart"), apartWords),
			Short: get("short") != "", Remove: get("remove") != ""}
		for k := 0; k < maxHours && in.Has(fmt.Sprintf("%s.h%d.open", key, k)); k++ {
			row := hoursForm{Key: fmt.Sprintf("%s.h%d", key, k)}
			row.Open, row.Close = in.Get(row.Key+".open"), in.Get(row.Key+".close")
			for _, d := range in[row.Key+".day"] {
				if n, err := strconv.Atoi(d); err == nil && n >= 0 && n < 7 {
					row.Days[n] = true
				}
			}
			z.Hours = append(z.Hours, row)
		}
		f.Zones = append(f.Zones, z)
	}
	for _, k := range []pass.Kind{pass.ECard, pass.Guest, pass.Staff, pass.Test} {
		row := kindForm{Key: fmt.Sprintf("k%d", k), Kind: k, Name: kindWords[k]}
		for i := range row.Ages {
			row.Ages[i] = choice(in.Get(fmt.Sprintf("%s.a%d", row.Key, i)), actionWords)
		}
		row.Untrusted = in.Get(row.Key+".untrusted") != ""
		f.Kinds = append(f.Kinds, row)
	}
	return f, nil
}

// choice reads the number of a word; what no menu offers is 0, the strictest.
func choice(text string, words []string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n >= len(words) {
		return 0
	}
	return n
}
