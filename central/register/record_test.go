package register_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/register"
	"turnstile/central/register/registertest"
	"turnstile/central/sheet"
)

func rules() register.Rules {
	return register.Rules{Key: key, Institutions: institutions, Today: "2026-11-22"}
}

// good is a good row of each kind.
func good(k register.Kind) map[string]string {
	switch k {
	case register.Persons:
		return map[string]string{"id": "P1", "surname": "Chan", "given": "Tai Man", "name_zh": "陳大文", "born": "1988-04-30", "personal_id": "A123456(7)", "email": "chan@mail.example", "phone": "+852 5123-4567"}
	case register.Cards:
		return map[string]string{"person": "P1", "kind": "Student", "number": " 2100 0001d", "from": "2024-09-01", "until": "2028-08-31"}
	case register.Degrees:
		return map[string]string{"person": "P1", "award": "BSc", "programme": "Surveying", "institution": "University", "graduated": "2011-11-01"}
	}
	return map[string]string{"person": "P1", "netid": "21000001D"}
}

func TestGoodRows(t *testing.T) {
	r, faults := rules().Parse(register.Persons, good(register.Persons))
	if faults != nil || r.Key != "P1" || r.Person != "P1" || r.Values["phone"] != "+85251234567" || r.Values["personal_id"] != hex.EncodeToString(key.Personal("A1234567")) {
		t.Errorf("%+v, %v", r, faults)
	}
	if r, faults = rules().Parse(register.Cards, good(register.Cards)); faults != nil || r.Key != "student 21000001D" || r.Values["kind"] != "student" {
		t.Errorf("%+v, %v", r, faults)
	}
	if r, faults = rules().Parse(register.Degrees, good(register.Degrees)); faults != nil || len(r.Key) != 32 || r.Values["institution"] != "university" {
		t.Errorf("%+v, %v", r, faults)
	}
	if r, faults = rules().Parse(register.NetIDs, good(register.NetIDs)); faults != nil || r.Key != "21000001d" {
		t.Errorf("%+v, %v", r, faults)
	}
	if r, faults = rules().Parse(register.Persons, map[string]string{"id": "P1", "email": ""}); faults != nil || len(r.Values) != 2 {
		t.Errorf("what a row has not is not in it: %+v, %v", r, faults)
	}
}

// TestFaults: each fault is named by its column, and no fault repeats a personal id.
func TestFaults(t *testing.T) {
	tried := 0
	for _, x := range []struct {
		kind          register.Kind
		column, value string
	}{
		{register.Persons, "id", ""}, {register.Persons, "id", "P 1"}, {register.Persons, "id", "P/1"}, {register.Persons, "id", strings.Repeat("P", 65)}, {register.Persons, "id", "陳"},
		{register.Persons, "surname", strings.Repeat("x", 81)}, {register.Persons, "given", "a\nb"}, {register.Persons, "given", "\xff"}, {register.Persons, "name_zh", strings.Repeat("陳", 41)}, {register.Persons, "surname", "a\x00"},
		{register.Persons, "born", "30/4/1988"}, {register.Persons, "born", "1988-02-30"}, {register.Persons, "born", "2026-11-23"}, {register.Persons, "born", "1800-01-01"}, {register.Persons, "born", "1988-4-30"},
		{register.Persons, "personal_id", "A1"}, {register.Persons, "personal_id", "SECRET*1234"}, {register.Persons, "personal_id", strings.Repeat("SECRET", 9)},
		{register.Persons, "email", "Bo <bo@mail.example>"}, {register.Persons, "email", "bo"}, {register.Persons, "email", "bo@mail.example\r\nBcc: x@y.z"}, {register.Persons, "phone", "call me"}, {register.Persons, "pin", "1234"},
		{register.Cards, "person", ""}, {register.Cards, "kind", "library"}, {register.Cards, "kind", ""}, {register.Cards, "number", ""}, {register.Cards, "number", "=1+1"}, {register.Cards, "number", strings.Repeat("1", 33)},
		{register.Cards, "from", "soon"}, {register.Cards, "until", "2024-08-31"}, {register.Cards, "until", "2300-01-01"},
		{register.Degrees, "award", ""}, {register.Degrees, "award", strings.Repeat("x", 121)}, {register.Degrees, "programme", strings.Repeat("x", 201)}, {register.Degrees, "institution", "elsewhere"}, {register.Degrees, "institution", ""},
		{register.Degrees, "graduated", ""}, {register.Degrees, "graduated", "2011"}, {register.Degrees, "graduated", "2027-01-01"},
		{register.NetIDs, "person", "a b"}, {register.NetIDs, "netid", ""}, {register.NetIDs, "netid", "a@b"}, {register.NetIDs, "netid", strings.Repeat("x", 65)},
	} {
		row := good(x.kind)
		row[x.column] = x.value
		r, faults := rules().Parse(x.kind, row)
		if len(faults) != 1 || faults[0].Column != x.column || r.Key != "" {
			t.Errorf("%s %s %.30q: %+v, %+v", x.kind, x.column, x.value, r, faults)
		}
		for _, f := range faults {
			if strings.Contains(f.Text+f.Arg, "SECRET") {
				t.Errorf("a fault repeats a personal id: %+v", f)
			}
		}
		tried++
	}
	if tried < 40 {
		t.Errorf("%d faults tried", tried)
	}
	if _, faults := rules().Parse(register.Persons, map[string]string{"id": "", "born": "never", "email": "none", "phone": "x"}); len(faults) != 4 {
		t.Errorf("all at once: %+v", faults)
	}
	if _, faults := rules().Parse("dogs", good(register.NetIDs)); len(faults) == 0 {
		t.Error("there are rows of dogs")
	}
}

func TestCompare(t *testing.T) {
	r, _ := rules().Parse(register.Persons, good(register.Persons))
	stands := maps.Clone(r.Values)
	if e, columns, fault := register.Compare(stands, r); e != register.Same || columns != nil || fault != nil {
		t.Error(e, columns, fault)
	}
	stands["email"], stands["born"] = "old@mail.example", ""
	if e, columns, fault := register.Compare(stands, r); e != register.Changes || !slices.Equal(columns, []string{"born", "email"}) || fault != nil {
		t.Error(e, columns, fault)
	}
	if e, _, fault := register.Compare(nil, r); e != register.Adds || fault != nil {
		t.Error(e, fault)
	}
	short, _ := rules().Parse(register.Persons, map[string]string{"id": "P1", "email": ""})
	if e, columns, fault := register.Compare(stands, short); e != register.Changes || !slices.Equal(columns, []string{"email"}) || fault != nil {
		t.Error(e, columns, fault)
	}
	if _, _, fault := register.Compare(nil, short); fault == nil || fault.Column != "surname" {
		t.Error(fault)
	}
}

func read(text string, kind register.Kind) (rows []register.Row, err error) {
	return rows, rules().Read(strings.NewReader(text), kind, func(r register.Row) error { rows = append(rows, r); return nil })
}

// TestRead reads what spreadsheets write.
func TestRead(t *testing.T) {
	const header = "id,surname,given,email"
	for name, text := range map[string]string{
		"plain": header + "\nP1,\"Ng, O’Neill \"\"Bo\"\"\",Ka,bo@mail.example\n", "Excel's": "\xef\xbb\xbf" + header + "\r\nP1,\"Ng, O’Neill \"\"Bo\"\"\",Ka,bo@mail.example\r\n\r\n",
		"semicolon": strings.ReplaceAll(header, ",", ";") + "\nP1;\"Ng, O’Neill \"\"Bo\"\"\";Ka;bo@mail.example", "tabs": strings.ReplaceAll(header, ",", "\t") + "\nP1\t\"Ng, O’Neill \"\"Bo\"\"\"\tKa\tbo@mail.example",
		"spelling": "Id, Surname ,GIVEN,email\nP1,\"Ng, O’Neill \"\"Bo\"\"\", Ka ,bo@mail.example",
	} {
		rows, err := read(text, register.Persons)
		if err != nil || len(rows) != 1 || rows[0].Faults != nil || rows[0].Line != 2 || rows[0].Record.Values["surname"] != `Ng, O’Neill "Bo"` || rows[0].Record.Values["given"] != "Ka" {
			t.Errorf("%s: %+v, %v", name, rows, err)
		}
	}
	rows, err := read("id,surname\nP1,A\nP2,\"B\nP3\nP4,A,B\nP5,\xff\nP6,C\n", register.Persons)
	if err != nil || len(rows) != 6 {
		t.Fatal(rows, err)
	}
	var bad []int
	for _, r := range rows {
		if len(r.Faults) > 0 {
			bad = append(bad, r.Line)
		}
	}
	if !slices.Equal(bad, []int{3, 4, 5, 6}) {
		t.Errorf("bad lines %v", bad)
	}
	for name, text := range map[string]string{"empty": "", "alone": "id,surname\n", "unknown": "id,pin\nx", "twice": "id,ID\nx,x", "no id": "surname\nx", "workbook": "PK\x03\x04", "UTF-16": "\xff\xfei\x00"} {
		if _, err := read(text, register.Persons); !errors.Is(err, sheet.ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInvented: the invented campus is read back without a fault, is the same each
// time, and has one of each.
func TestInvented(t *testing.T) {
	today := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	people := registertest.People(400, 7, today)
	r := register.Rules{Key: key, Institutions: registertest.Institutions(), Today: "2026-11-22"}
	for _, k := range register.Kinds() {
		file := registertest.CSV(people, k)
		if again := registertest.CSV(registertest.People(400, 7, today), k); !bytes.Equal(file, again) {
			t.Errorf("%s differ", k)
		}
		seen, n := register.Seen{}, 0
		if err := r.Read(bytes.NewReader(file), k, func(row register.Row) error {
			seen.Check(&row)
			for _, f := range row.Faults {
				t.Errorf("%s line %d: %+v", k, row.Line, f)
			}
			n++
			return nil
		}); err != nil || n < 150 {
			t.Errorf("%s: %d rows, %v", k, n, err)
		}
	}
	kinds, early, late, college := map[register.CardKind]int{}, 0, 0, 0
	for _, p := range people {
		for _, c := range p.Cards {
			kinds[c.Kind]++
		}
		for _, d := range p.Degrees {
			switch {
			case d.Institution != "university":
				college++
			case d.Graduated < "2011":
				early++
			default:
				late++
			}
			if d.Graduated[:4] < p.Born[:4] {
				t.Errorf("%s graduated before birth", p.ID)
			}
		}
	}
	if len(kinds) != len(register.CardKinds()) || early < 20 || late < 40 || college < 20 {
		t.Errorf("%v, %d before 2011, %d after, %d of the college", kinds, early, late, college)
	}
}

// FuzzRead: whatever the file, each row is good or says why not, and no fault is
// said of a good one.
func FuzzRead(f *testing.F) {
	f.Add("id,surname,personal_id\nP1,Chan,A1234567\n", "persons")
	f.Add("\xef\xbb\xbfperson;kind;number\r\nP1;staff;7\r\n", "cards")
	f.Add("person\taward\tinstitution\tgraduated\nP1\tBSc\tuniversity\t2011-11-01", "degrees")
	f.Add("person,netid\n\"P1\",\"a\nb\"", "netids")
	f.Fuzz(func(t *testing.T, text, kind string) {
		last := 1
		rows := 0
		err := rules().Read(strings.NewReader(text), register.Kind(kind), func(r register.Row) error {
			if rows++; r.Line <= last && rows > 1 || len(r.Faults) == 0 && (r.Record.Key == "" || r.Record.Person == "") {
				t.Errorf("%q: %+v behind line %d", text, r, last)
			}
			last = r.Line
			return nil
		})
		if err != nil && !errors.Is(err, sheet.ErrFile) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
