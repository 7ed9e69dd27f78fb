package passes

import (
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"turnstile/central/console"
	"turnstile/central/office"
	"turnstile/central/roster"
)

// importPage is the form for a file.
type importPage struct {
	base
	Wrong   string
	Columns []columnHelp
	Recent  []filePart
	MaxRows int
	MaxMB   int
}

type columnHelp struct {
	Name, Help string
	Needed     bool
}

// filePart is how far a file has come.
type filePart struct {
	office.Import
	Path    string
	Percent int
	Running bool
	Preview bool
	Done    bool
}

func newFile(i office.Import) filePart {
	p := filePart{Import: i, Path: console.Base + "/passes/import/" + i.ID}
	p.By = office.PlainName(i.By)
	p.Running, p.Preview, p.Done = i.State == office.ImportRunning, i.State == office.ImportPreview, i.State == office.ImportDone
	if i.Good > 0 {
		p.Percent = (i.Issued + i.Failed) * 100 / i.Good
	}
	return p
}

// filePage is the page of one file.
type filePage struct {
	base
	File   filePart
	Good   []goodRow // the first
	Faulty []faultyRow
	More   string // address of the next faulty rows
	After  int
	Issued []row
	Sheet  string
}

type goodRow struct {
	office.ImportRow
	KindText string
}

type faultyRow struct {
	Line   int
	Faults []faultPart
}

type faultPart struct{ Column, Text string }

// How many rows a page shows.
const (
	goodShown   = 5
	faultyShown = 200
	issuedShown = 20
)

func (s *desk) importForm(r *console.Request) error {
	return s.showImportForm(r, http.StatusOK, "")
}

func (s *desk) showImportForm(r *console.Request, status int, wrong string) error {
	p := importPage{base: newBase(), Wrong: wrong, MaxRows: roster.MaxRows, MaxMB: roster.MaxFile >> 20, Columns: []columnHelp{
		{"kind", say(r, "ecard, guest, staff or test"), true}, {"holder", say(r, "id of the person who answers for the pass, 64 characters at most"), true},
		{"day", say(r, "campus day, such as 2026-11-22"), true}, {"guest_name", say(r, "of a guest's pass"), false}, {"purpose", say(r, "200 characters at most"), false},
		{"zones", say(r, "numbers or names with semicolons between; empty: the first zone"), false}, {"start", say(r, "campus time; empty: 00:00"), false},
		{"length", say(r, "10m to 25h in steps of 10 minutes; empty: 24h"), false}, {"entries", say(r, "how often it lets in; empty: without limit"), false},
		{"live", say(r, "yes: only valid as a live code"), false}, {"escort", say(r, "yes: only right after a staff pass"), false},
		{"passback_exempt", say(r, "yes: anti-passback does not apply"), false}, {"email", say(r, "the code is mailed there"), false},
	}}
	recent, err := s.Imports.List(r.Context(), 10)
	if err != nil {
		return err
	}
	for _, i := range recent {
		p.Recent = append(p.Recent, newFile(i))
	}
	return r.PageStatus(status, pages, "import.html", "Issue many passes", &p)
}

// templateFile is an empty file with a header and an example.
func (s *desk) templateFile(r *console.Request) error {
	download(r, "passes.csv")
	w := csv.NewWriter(r.Writer)
	w.Write(office.OrderFields())
	w.Write([]string{"guest", "A1234567", "Guest One", "lecture", today(r).String(), "0", "08:00", "12h", "", "", "", "", ""})
	w.Flush()
	return w.Error()
}

// download makes the answer a CSV file; spreadsheets know UTF-8 by its mark.
func download(r *console.Request, name string) {
	h := r.Writer.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	io.WriteString(r.Writer, "\xef\xbb\xbf")
}

// upload reads a file as it comes in; nothing of it is kept but its rows.
func (s *desk) upload(r *console.Request) error {
	parts, err := r.MultipartReader()
	if err != nil {
		return s.showImportForm(r, http.StatusUnprocessableEntity, say(r, "The form could not be read; load the page again."))
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) || err == nil && part.FormName() == "file" && part.FileName() == "" {
			return s.showImportForm(r, http.StatusUnprocessableEntity, say(r, "Choose a file."))
		}
		if err != nil {
			return badUpload(r, err)
		}
		if part.FormName() != "file" {
			continue
		}
		i, err := s.Imports.Preview(r.Context(), r.By(), part.FileName(), part)
		if err != nil {
			if why := refusal(r, err); why != "" {
				return s.showImportForm(r, http.StatusUnprocessableEntity, why)
			}
			return badUploadOr(r, err)
		}
		return r.Redirect("/passes/import/" + i.ID)
	}
}

// badUploadOr tells a line that broke from a fault of central.
func badUploadOr(r *console.Request, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return badUpload(r, err)
	}
	return err
}

func (s *desk) findFile(r *console.Request) (office.Import, error) {
	i, err := s.Imports.Find(r.Context(), r.PathValue("id"))
	if errors.Is(err, office.ErrNotFound) {
		return i, refuse(r, office.ErrNotFound, "There is no such file; it may have been erased. Upload it again.")
	}
	return i, err
}

func (s *desk) file(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	i, err := s.findFile(r)
	if err != nil {
		return err
	}
	text, err := field(r, "after")
	if err != nil {
		return err
	}
	after, err := strconv.Atoi(text)
	if err != nil || after < 0 {
		after = 0
	}
	p := filePage{base: newBase(), File: newFile(i), After: after}
	if err := s.fillFile(r, &p); err != nil {
		return err
	}
	return r.Page(pages, "file.html", "File of passes", &p)
}

func (s *desk) fillFile(r *console.Request, p *filePage) (err error) {
	ctx, id := r.Context(), p.File.ID
	if p.File.Preview {
		good, err := s.Imports.Rows(ctx, id, office.RowsGood, 0, goodShown)
		if err != nil {
			return err
		}
		for _, x := range good {
			p.Good = append(p.Good, goodRow{x, kindName(r, x.Order.Kind)})
		}
	}
	if p.File.Done {
		if err := s.fillIssued(r, p); err != nil {
			return err
		}
	}
	faulty, err := s.Imports.Rows(ctx, id, office.RowsFaulty, p.After, faultyShown+1)
	if err != nil {
		return err
	}
	if len(faulty) > faultyShown {
		faulty = faulty[:faultyShown]
		p.More = p.File.Path + "?after=" + strconv.Itoa(faulty[faultyShown-1].Line) + "#bad"
	}
	for _, f := range faulty {
		x := faultyRow{Line: f.Line}
		for _, fault := range f.Faults {
			x.Faults = append(x.Faults, faultPart{columnText(r, fault.Column), faultText(r, fault)})
		}
		p.Faulty = append(p.Faulty, x)
	}
	return nil
}

func (s *desk) fillIssued(r *console.Request, p *filePage) error {
	rules, err := s.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	issued, err := s.Imports.Rows(r.Context(), p.File.ID, office.RowsIssued, 0, issuedShown)
	if err != nil {
		return err
	}
	for _, x := range issued {
		if x.Pass != nil {
			p.Issued = append(p.Issued, newRow(r, x.Pass, rules.Zones))
		}
	}
	p.Sheet = console.Base + "/passes/sheet?import=" + url.QueryEscape(p.File.ID)
	return nil
}

// fileNow is the fragment with how far a file has come.
func (s *desk) fileNow(r *console.Request) error {
	i, err := s.findFile(r)
	if err != nil {
		return err
	}
	if p := newFile(i); p.Running {
		return r.Fragment(pages, "file.html", "progress", &p)
	}
	return r.Redirect("/passes/import/" + i.ID) // the rest of the page is another one now
}

func (s *desk) settleFile(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	what, err := field(r, "what")
	if err != nil {
		return err
	}
	if what != "issue" && what != "discard" {
		return refuse(r, office.ErrInvalid, "Issue the passes of the file, or discard it.")
	}
	i, err := s.Imports.Settle(r.Context(), r.By(), r.PathValue("id"), what == "issue")
	if err != nil {
		return err
	}
	if what == "discard" {
		r.Flash(say(r, "The file is discarded; nothing was issued."))
		return r.Redirect("/passes/import")
	}
	return r.Redirect("/passes/import/" + i.ID)
}

// faultsFile is every bad row of a file, as a file.
func (s *desk) faultsFile(r *console.Request) error {
	i, err := s.findFile(r)
	if err != nil {
		return err
	}
	download(r, "faults.csv")
	w := csv.NewWriter(r.Writer)
	w.Write([]string{"line", "column", "reason"})
	for after, n := 0, faultyShown; n == faultyShown; {
		rows, err := s.Imports.Rows(r.Context(), i.ID, office.RowsFaulty, after, faultyShown)
		if err != nil {
			return err
		}
		n = len(rows)
		for _, x := range rows {
			after = x.Line
			for _, f := range x.Faults {
				w.Write([]string{lineText(x.Line), f.Column, office.Inert(faultText(r, f))})
			}
		}
		w.Flush()
		if w.Error() != nil {
			return nil // the browser went away
		}
	}
	return nil
}

// sheetRows is how many passes a sheet has.
const sheetRows = 48

// sheetPasses returns the passes of a sheet and the address of the next one.
func (s *desk) sheetPasses(r *console.Request) (list []office.Pass, next string, err error) {
	file, err := field(r, "import")
	if err != nil {
		return nil, "", err
	}
	if file != "" {
		return s.sheetOfFile(r, file)
	}
	q, err := readSearch(r)
	if err != nil {
		return nil, "", err
	}
	f, err := q.filter(r)
	if err != nil {
		return nil, "", err
	}
	f.Limit = sheetRows
	found, err := s.Passes.List(r.Context(), f)
	if err != nil || found.Next == "" {
		return found.Passes, "", err
	}
	v := q.values()
	v.Set("cursor", found.Next)
	return found.Passes, console.Base + "/passes/sheet?" + v.Encode(), nil
}

func (s *desk) sheetOfFile(r *console.Request, id string) (list []office.Pass, next string, err error) {
	text, err := field(r, "after")
	if err != nil {
		return nil, "", err
	}
	after, err := strconv.Atoi(text)
	if err != nil {
		after = 0
	}
	rows, err := s.Imports.Rows(r.Context(), id, office.RowsIssued, after, sheetRows+1)
	if err != nil {
		return nil, "", err
	}
	if len(rows) > sheetRows {
		rows = rows[:sheetRows]
		next = console.Base + "/passes/sheet?" + url.Values{"import": {id}, "after": {strconv.Itoa(rows[sheetRows-1].Line)}}.Encode()
	}
	for _, x := range rows {
		if x.Pass != nil {
			list = append(list, *x.Pass)
		}
	}
	return list, next, nil
}
