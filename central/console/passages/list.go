package passages

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"turnstile/central/console"
	"turnstile/central/office"
)

// pageRows is how many rows a page has, freshRows how many are looked through to
// count new ones, and maxTrail how many pages back "newer" leads.
const (
	pageRows  = 50
	freshRows = 100
	maxTrail  = 40
)

// listPage is what the page of passages shows.
type listPage struct {
	Filter  *filter
	Choices choices
	Rows    []row
	Newest  string // path of the first page
	Older   string // path of the next page, "" on the last one
	Newer   string // path of the page before, "" on the first one
	Live    bool   // the list follows what comes in
	Follow  string // path that switches that
	Fresh   string // path that tells how many are new
	Here    string // path of the rows of this page
	Self    string // path of the filter's first page
	Count   int    // new ones; more than freshRows are "100+"
	More    bool
	Top     int64 // the highest number on the page
	Today   string
}

func (d *desk) list(r *console.Request) error {
	n, err := d.names(r)
	if err != nil {
		return err
	}
	f := readFilter(r, r.URL.Query(), n)
	p, err := d.listPage(r, f, n)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(f.Wrong) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return r.PageStatus(status, pages, "list.html", "Passages", p)
}

// find turns the form into an address that can be kept: without empty fields, and
// with a pass's number in place of its code.
func (d *desk) find(r *console.Request) error {
	n, err := d.names(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	f := readFilter(r, r.PostForm, n)
	if len(f.Wrong) == 0 {
		return r.Redirect(f.path("/passages", "live", r.PostForm.Get("live")))
	}
	p, err := d.listPage(r, f, n)
	if err != nil {
		return err
	}
	return r.PageStatus(http.StatusUnprocessableEntity, pages, "list.html", "Passages", p)
}

// listPage finds the rows; none for a form with mistakes.
func (d *desk) listPage(r *console.Request, f *filter, n *names) (*listPage, error) {
	q := r.URL.Query()
	cursor, trail := q.Get("cursor"), splitTrail(q.Get("trail"))
	p := &listPage{Filter: f, Choices: d.choices(r, n), Live: q.Get("live") == "1" && cursor == "", Today: r.Now().In(r.Zone()).Format("2006-01-02")}
	p.Newest, p.Self = f.path("/passages"), f.path("/passages")
	if p.Live {
		p.Follow = f.path("/passages")
	} else {
		p.Follow = f.path("/passages", "live", "1")
	}
	p.Here = f.path("/passages/rows", "live", "1")
	if len(f.Wrong) > 0 {
		return p, nil
	}
	s := f.search
	s.Limit, s.Cursor = pageRows, cursor
	found, err := d.Ledger.Search(r.Context(), s)
	if refusal := (*office.Refusal)(nil); errors.As(err, &refusal) && f.Name != "" && cursor == "" {
		f.wrong("name", r.Say(pages, "Too many people fit: give more of the name, or fewer days."))
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	for i := range found.Passages {
		p.Rows = append(p.Rows, d.row(r, n, &found.Passages[i]))
		p.Top = max(p.Top, found.Passages[i].Number)
	}
	if found.Next != "" {
		p.Older = f.path("/passages", "cursor", found.Next, "trail", joinTrail(trail, cursor))
	}
	if cursor != "" {
		p.Newer = f.path("/passages")
		if k := len(trail) - 1; k >= 0 {
			p.Newer = f.path("/passages", "cursor", trail[k], "trail", strings.Join(trail[:k], ","))
		}
		return p, nil
	}
	p.Fresh = f.path("/passages/fresh", "after", strconv.FormatInt(p.Top, 10))
	return p, nil
}

// splitTrail and joinTrail keep the cursors of the pages before, the oldest first.
func splitTrail(text string) []string {
	if text == "" || len(text) > maxTrail*48 {
		return nil
	}
	return strings.Split(text, ",")
}

func joinTrail(trail []string, cursor string) string {
	if cursor == "" {
		return ""
	}
	trail = append(trail, cursor)
	return strings.Join(trail[max(0, len(trail)-maxTrail):], ",")
}

// rows answers with the newest rows, for a page that follows what comes in.
func (d *desk) rows(r *console.Request) error {
	n, err := d.names(r)
	if err != nil {
		return err
	}
	f := readFilter(r, r.URL.Query(), n)
	p, err := d.listPage(r, f, n)
	if err != nil {
		return err
	}
	return r.Fragment(pages, "list.html", "rows", p)
}

// fresh answers how many rows came in since the page was loaded.
func (d *desk) fresh(r *console.Request) error {
	after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if err != nil || after < 0 {
		return r.Wrong("There is no such page.")
	}
	n := &names{} // open pages ask this twice a second: names are read only if they are needed
	if r.URL.Query().Get("entrance") != "" {
		if n, err = d.names(r); err != nil {
			return err
		}
	}
	f := readFilter(r, r.URL.Query(), n)
	p := &listPage{Filter: f, Self: f.path("/passages"), Fresh: f.path("/passages/fresh", "after", strconv.FormatInt(after, 10))}
	if len(f.Wrong) == 0 {
		s := f.search
		s.Limit = freshRows
		found, err := d.Ledger.Search(r.Context(), s)
		if err != nil {
			return err
		}
		for _, x := range found.Passages {
			if x.Number > after {
				p.Count++
			}
		}
		p.More = p.Count == freshRows
	}
	return r.Fragment(pages, "list.html", "fresh", p)
}

// export answers with a file of all that the filter finds.
func (d *desk) export(r *console.Request) error {
	n, err := d.names(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	f := readFilter(r, r.PostForm, n)
	for _, text := range f.Wrong {
		return office.Refuse(office.ErrInvalid, "%s", text)
	}
	x := office.Exporter{Format: office.Format(r.PostForm.Get("format")), Zone: r.Zone(), Names: seesNames(r)}
	if x.Format == "spreadsheet" {
		x.Format, x.Mark = office.CSV, true
	}
	if x.Format != office.CSV && x.Format != office.JSON && x.Format != office.NDJSON {
		return r.Wrong("There is no such page.")
	}
	first := f.search
	first.Limit = 1
	if _, err := d.Ledger.Search(r.Context(), first); err != nil {
		return err // while there is still a way to say so
	}
	rows := func(each func(*office.Passage) error) error {
		return d.Ledger.Export(r.Context(), r.By(), f.search, each)
	}
	if err := office.SendExport(r.Request, r.Writer, office.ExportName(d.Site, f.search, x.Format, r.Zone()), x, rows); err != nil {
		panic(http.ErrAbortHandler) // the file broke off: the browser must not take it for whole
	}
	return nil
}
