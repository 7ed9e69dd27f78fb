package profile

import (
	"net/http"

	"turnstile/central/account"
	"turnstile/central/portal"
)

// section is a part of a profile that has rows.
type section struct {
	name    string // in the path
	title   string
	field   account.Field
	columns []column
	read    func(p *account.Profile) [][]string
	write   func(p *account.Profile, rows [][]string)
}

// column is a field of a row.
type column struct {
	Name  string
	Label string
	Year  bool
}

// spare is how many empty rows a form has: without a script there is no button that
// adds one.
const spare = 2

// maxRows bounds what is read of a form.
const maxRows = 30

var sections = []section{
	{
		name: "career", title: "Career", field: account.Career,
		columns: []column{{"employer", "Employer", false}, {"title", "Position", false}, {"from", "From (year)", true}, {"until", "Until (year)", true}},
		read: func(p *account.Profile) (rows [][]string) {
			for _, e := range p.Career {
				rows = append(rows, []string{e.Employer, e.Title, e.From, e.Until})
			}
			return rows
		},
		write: func(p *account.Profile, rows [][]string) {
			p.Career = nil
			for _, c := range rows {
				p.Career = append(p.Career, account.Post{Employer: c[0], Title: c[1], From: c[2], Until: c[3]})
			}
		},
	},
	{
		name: "education", title: "Education elsewhere", field: account.Education,
		columns: []column{{"institution", "Institution", false}, {"award", "Award", false}, {"year", "Year", true}},
		read: func(p *account.Profile) (rows [][]string) {
			for _, e := range p.Education {
				rows = append(rows, []string{e.Institution, e.Award, e.Year})
			}
			return rows
		},
		write: func(p *account.Profile, rows [][]string) {
			p.Education = nil
			for _, c := range rows {
				p.Education = append(p.Education, account.Study{Institution: c[0], Award: c[1], Year: c[2]})
			}
		},
	},
	{
		name: "achievements", title: "Achievements", field: account.Achievements,
		columns: []column{{"what", "Achievement", false}, {"year", "Year", true}},
		read: func(p *account.Profile) (rows [][]string) {
			for _, e := range p.Achieved {
				rows = append(rows, []string{e.What, e.Year})
			}
			return rows
		},
		write: func(p *account.Profile, rows [][]string) {
			p.Achieved = nil
			for _, c := range rows {
				p.Achieved = append(p.Achieved, account.Achievement{What: c[0], Year: c[1]})
			}
		},
	},
}

// rowsData is the form of a section.
type rowsData struct {
	Action  string
	Columns []column
	Rows    [][]cell
	Sees    []choice
	Name    string // of the field of who sees it
	Changed int64
	Problem string
}

// cell is a field of the form.
type cell struct {
	column
	Value, Wrong string
	Row          int
}

func (d *desk) rowsPage(r *portal.Request, s section, status int, p account.Profile, problem string, wrong faults) error {
	data := rowsData{Action: home + "/" + s.name, Columns: s.columns, Sees: seen(&p, s.field), Name: "sees_" + string(s.field), Changed: p.Changed, Problem: problem}
	rows := s.read(&p)
	for range spare {
		rows = append(rows, make([]string, len(s.columns)))
	}
	for n, row := range rows {
		var cells []cell
		for i, c := range s.columns {
			cells = append(cells, cell{c, row[i], wrong.At(c.Name, n), n + 1})
		}
		data.Rows = append(data.Rows, cells)
	}
	return r.PageStatus(status, pages, "rows.html", s.title, data)
}

func (d *desk) rows(s section) func(*portal.Request) error {
	return func(r *portal.Request) error {
		p, err := d.Accounts.Profile(r.Context(), r.Who.Person)
		if err != nil {
			return err
		}
		return d.rowsPage(r, s, http.StatusOK, p, "", nil)
	}
}

// readRows returns the rows of a form that have something in them.
func readRows(r *portal.Request, columns []column) (rows [][]string) {
	for n := range maxRows {
		row, any := make([]string, len(columns)), false
		for i, c := range columns {
			if values := r.PostForm[c.Name]; n < len(values) {
				row[i] = clean(values[n])
				any = any || row[i] != ""
			}
		}
		if any {
			rows = append(rows, row)
		}
	}
	return rows
}

func (d *desk) setRows(s section) func(*portal.Request) error {
	return func(r *portal.Request) error {
		p, err := d.Accounts.Profile(r.Context(), r.Who.Person)
		if err != nil {
			return err
		}
		takeVersion(r, &p)
		s.write(&p, readRows(r, s.columns))
		takeSees(r, &p, s.field)
		problem, wrong, err := d.store(r, p)
		if err != nil {
			return err
		}
		if problem != "" {
			return d.rowsPage(r, s, http.StatusUnprocessableEntity, p, problem, wrong)
		}
		r.Flash("%s", r.Say(pages, "Saved."))
		return r.Redirect(home)
	}
}
