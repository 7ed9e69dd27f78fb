package roster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

var zones = []link.Zone{{ID: 0, Name: "Main", NameZH: "正門"}, {ID: 3, Name: "Library", NameZH: "圖書館"}}

// closed is what the tests' Check refuses.
var closed = office.RowFault{Column: "day", Text: "is over"}

func rules() Rules {
	return Rules{zones, func(o office.Order) *office.RowFault {
		if o.Day < 2517 { // 2026-11-22
			return &closed
		}
		return nil
	}}
}

func read(t *testing.T, text string) ([]Row, error) {
	t.Helper()
	var rows []Row
	err := Read(strings.NewReader(text), rules(), func(r Row) error { rows = append(rows, r); return nil })
	return rows, err
}

func TestGoodRows(t *testing.T) {
	day, err := pass.ParseDay("2026-11-23")
	if err != nil {
		t.Fatal(err)
	}
	want := office.Order{Kind: pass.Guest, Holder: "A1", GuestName: "Ng, O’Neill \"Bo\"", Purpose: "講座", Day: day, Zones: 1<<0 | 1<<3,
		Start: 8*time.Hour + 30*time.Minute, Length: 90 * time.Minute, Entries: 2, Flags: pass.Escort}
	const header = "kind,holder,guest_name,purpose,day,zones,start,length,entries,escort,email"
	const row = `guest,A1,"Ng, O’Neill ""Bo""",講座,2026-11-23,"0;圖書館",08:30,1h30m,2,yes,bo@example.org`
	for name, text := range map[string]string{
		"plain":     header + "\n" + row + "\n",
		"no end":    header + "\n" + row,
		"Excel's":   "\xef\xbb\xbf" + header + "\r\n" + row + "\r\n\r\n",
		"semicolon": strings.ReplaceAll(header, ",", ";") + "\n" + `guest;A1;"Ng, O’Neill ""Bo""";講座;2026-11-23;"0,library";08:30;1h30m;2;x;bo@example.org`,
		"tabs":      strings.ReplaceAll(header, ",", "\t") + "\n" + "guest\tA1\t\"Ng, O’Neill \"\"Bo\"\"\"\t講座\t2026-11-23\tLIBRARY|0\t08:30\t1h30m\t2\ttrue\tbo@example.org",
		"spelling":  "Kind, Holder ,Guest-Name,Purpose,DAY,zones,start,length,entries,escort,email\n" + row,
	} {
		rows, err := read(t, text)
		if err != nil || len(rows) != 1 || len(rows[0].Faults) > 0 {
			t.Errorf("%s: %+v, %v", name, rows, err)
			continue
		}
		if rows[0].Order != want || rows[0].Email != "bo@example.org" || rows[0].Line != 2 {
			t.Errorf("%s: %+v", name, rows[0])
		}
	}
	rows, err := read(t, "day,holder,kind\n2026-11-23,A1,ecard\n")
	if err != nil || len(rows) != 1 || rows[0].Order != (office.Order{Kind: pass.ECard, Holder: "A1", Day: day, Zones: 1, Length: 24 * time.Hour}) {
		t.Errorf("the least: %+v, %v", rows, err)
	}
}

func TestRefusedFiles(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "header alone": "kind,holder,day\n", "blank lines alone": "kind,holder,day\n\n\r\n", "no header": "ecard,A1,2026-11-23\n",
		"unknown column": "kind,holder,day,pin\nx", "column twice": "kind,holder,day,Holder\nx", "no day": "kind,holder\necard,A1\n",
		"UTF-16": "\xff\xfek\x00i\x00n\x00d\x00\n", "a workbook": "PK\x03\x04\x14\x00\n", "an old workbook": "\xd0\xcf\x11\xe0\xa1\xb1\n", "Latin-1": "kind,holder,day,\xe9\n", "a picture": "\x89PNG\r\n\x1a\n",
		"open quote": "kind,\"holder,day\nx", "endless header": strings.Repeat("kind,", 2000),
	} {
		if rows, err := read(t, text); !errors.Is(err, office.ErrInvalid) || len(rows) > 0 {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
		}
	}
}

func TestFaults(t *testing.T) {
	const header = "kind,holder,guest_name,purpose,day,zones,start,length,entries,live,email\n"
	good := []string{"ecard", "A1", "", "", "2026-11-23", "", "", "", "", "", ""}
	columns := strings.Split(strings.TrimSpace(header), ",")
	for name, x := range map[string]struct {
		column, value string
	}{
		"unknown kind": {"kind", "king"}, "no kind": {"kind", ""}, "no holder": {"holder", " "}, "long holder": {"holder", strings.Repeat("x", 65)},
		"control": {"holder", "a\x07b"}, "guest of a card": {"guest_name", "Bo"}, "long purpose": {"purpose", strings.Repeat("講", 201)},
		"no such day": {"day", "2026-02-30"}, "local day": {"day", "23/11/2026"}, "over": {"day", "2026-11-21"}, "no zone": {"zones", "Moon"},
		"zone twice as long": {"zones", strings.Repeat("0;", 17)}, "start": {"start", "7:30"}, "length": {"length", "26h"}, "odd length": {"length", "15m"},
		"entries": {"entries", "16"}, "minus": {"entries", "-1"}, "live": {"live", "maybe"}, "address": {"email", "Bo <bo@example.org>"}, "two addresses": {"email", "a@example.org;b@example.org"},
	} {
		values := slices.Clone(good)
		values[slices.Index(columns, x.column)] = x.value
		rows, err := read(t, header+strings.Join(values, ",")+"\n")
		if err != nil || len(rows) != 1 || len(rows[0].Faults) != 1 || rows[0].Faults[0].Column != x.column {
			t.Errorf("%s: %+v, %v", name, rows, err)
		}
	}
	rows, err := read(t, header+"king,,x,\"\x01\",never,Moon,25:00,1m,99,perhaps,none\n")
	if err != nil || len(rows) != 1 || len(rows[0].Faults) != 11-1 { // of a king nobody knows whether he may bring guests
		t.Errorf("all at once: %d faults: %+v, %v", len(rows[0].Faults), rows, err)
	}
}

// TestBrokenLines: a broken line spoils itself and no other, and is named by its number.
func TestBrokenLines(t *testing.T) {
	const ok = "ecard,A%d,2026-11-23"
	lines := []string{"kind,holder,day"}
	for i := range 12 {
		lines = append(lines, fmt.Sprintf(ok, i))
	}
	lines[2] = `ecard,"A1,2026-11-23`
	lines[4] = `ecard,A"3,2026-11-23`
	lines[6] = "ecard,A5"
	lines[7] = "ecard,A6,2026-11-23,more"
	lines[8] = "ecard,\xff,2026-11-23"
	lines[9] = "ecard," + strings.Repeat("long", 4<<10) + ",2026-11-23"
	lines[11] = lines[10] // twice
	rows, err := read(t, strings.Join(lines, "\n"))
	if err != nil || len(rows) != 12 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	var bad []int
	for _, r := range rows {
		if len(r.Faults) > 0 {
			bad = append(bad, r.Line)
		}
	}
	if !slices.Equal(bad, []int{3, 5, 7, 8, 9, 10, 12}) {
		t.Errorf("bad lines %v", bad)
	}
	if f := rows[10].Faults[0]; f.Arg != "11" {
		t.Errorf("line 12 is called %+v", f)
	}
}

// endless is rows without end, every tenth of them with faults.
type endless struct {
	buffer bytes.Buffer
	n      int
}

func (e *endless) Read(p []byte) (int, error) {
	for e.buffer.Len() < len(p) {
		if e.n == 0 {
			e.buffer.WriteString("kind,holder,day,guest_name,purpose\r\n")
		}
		if e.n++; e.n%10 == 0 {
			e.buffer.WriteString("king,,yesterday,\"open," + strings.Repeat("x", 60) + "\r\n")
			continue
		}
		fmt.Fprintf(&e.buffer, "guest,H%d,2026-11-23,Guest number %d,%s\r\n", e.n, e.n, strings.Repeat("y", 60))
	}
	return e.buffer.Read(p)
}

// TestLargest: 100,000 rows with 10,000 faults are read in little memory; one
// more, or a file of one endless line, is refused.
func TestLargest(t *testing.T) {
	var peak uint64
	rows, bad := 0, 0
	count := func(r Row) error {
		if rows++; len(r.Faults) > 0 {
			bad++
		}
		if rows%5000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
		return nil
	}
	err := Read(&endless{}, rules(), count)
	if !errors.Is(err, office.ErrInvalid) || rows != MaxRows || bad != MaxRows/10 {
		t.Errorf("%d rows, %d bad, %v", rows, bad, err)
	}
	if peak > 64<<20 {
		t.Errorf("%d MB in use while reading", peak>>20)
	}
	line := io.MultiReader(strings.NewReader("kind,holder,day\n"), io.LimitReader(neverEnds{}, 1<<40))
	if err := Read(line, rules(), count); !errors.Is(err, office.ErrInvalid) {
		t.Errorf("an endless line: %v", err)
	}
}

type neverEnds struct{}

func (neverEnds) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// FuzzRead: whatever the file, each row is good or says why not.
func FuzzRead(f *testing.F) {
	f.Add("kind,holder,day\necard,A1,2026-11-23\n")
	f.Add("\xef\xbb\xbfkind;holder;day;zones;email\r\nguest;A1;2026-11-23;0,3;a@example.org\r\n")
	f.Add("kind,holder,day\n\"ecard\",\"A\n1\",2026-11-23")
	f.Add("kind\tholder\tday\tlive\tescort\tpassback_exempt\nstaff\t<script>\t2199-06-06\tyes\t是\t0")
	f.Fuzz(func(t *testing.T, text string) {
		last := 1
		err := Read(strings.NewReader(text), rules(), func(r Row) error {
			if r.Line <= last && last != 1 || len(r.Faults) == 0 && (r.Order.Holder == "" || r.Order.Day < 2517 || r.Order.Zones == 0) {
				t.Errorf("%q: %+v behind line %d", text, r, last)
			}
			last = r.Line
			return nil
		})
		if err != nil && !errors.Is(err, office.ErrInvalid) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
