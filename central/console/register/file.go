package register

import (
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"

	"turnstile/central/console"
	"turnstile/central/office"
	"turnstile/central/register"
)

// kindPart is a kind of file to choose.
type kindPart struct {
	Kind    register.Kind
	Name    string
	Columns []columnPart
	Chosen  bool
}

type columnPart struct {
	Name, Help string
	Needed     bool
}

// importPage is the form for a file.
type importPage struct {
	Wrong          string
	Kinds          []kindPart
	Full           bool
	MaxRows, MaxMB int
	Recent         []filePart
}

// filePart is how far a file has come.
type filePart struct {
	register.Sync
	Path, KindName                    string
	Reading, Preview, Running, IsDone bool
	Percent, ToDo, DoneRows           int
	Rows                              string // address of its rows as a file
}

func newFile(r *console.Request, s register.Sync) filePart {
	p := filePart{Sync: s, Path: console.Base + "/register/import/" + s.ID, KindName: say(r, kindNames()[s.Kind])}
	p.By, p.ConfirmedBy = office.PlainName(s.By), office.PlainName(s.ConfirmedBy)
	p.Reading, p.Preview, p.Running, p.IsDone = s.State == register.SyncReading, s.State == register.SyncPreview, s.State == register.SyncRunning, s.State == register.SyncDone
	p.ToDo, p.DoneRows = s.Adds+s.Alters+s.Removes, s.Added+s.Changed+s.Taken+s.Failed
	p.Rows = p.Path + "/rows.csv?which="
	if p.ToDo > 0 {
		p.Percent = p.DoneRows * 100 / p.ToDo
	}
	return p
}

func kindNames() map[register.Kind]string {
	return map[register.Kind]string{register.Persons: "Persons", register.Cards: "Cards", register.Degrees: "Degrees", register.NetIDs: "NetIDs"}
}

// columnHelps say what stands in each column.
func columnHelps() map[string]string {
	return map[string]string{
		"id": "id of the person, for good: passes are issued to it", "surname": "in Latin letters", "given": "in Latin letters", "name_zh": "in Chinese characters",
		"born": "such as 1988-04-30", "personal_id": "identity card or passport; a keyed hash of it is kept and nothing else", "email": "as the registry has it", "phone": "with the country's code",
		"person": "id of a person of the register", "kind": "student, staff, cpce, ptec, visitor, retiree or emeritus", "number": "as it stands on the card", "from": "first day; empty: always",
		"until": "last day; empty: without end", "award": "such as BSc", "programme": "such as Surveying", "institution": "id of a part of the campus, as central's configuration has them",
		"graduated": "day of the award", "netid": "as the campus knows it",
	}
}

func kindParts(r *console.Request, chosen string) (list []kindPart) {
	for _, k := range register.Kinds() {
		p := kindPart{Kind: k, Name: say(r, kindNames()[k]), Chosen: string(k) == chosen}
		for _, c := range k.Columns() {
			p.Columns = append(p.Columns, columnPart{c, say(r, columnHelps()[c]), slices.Contains(k.Needed(), c)})
		}
		list = append(list, p)
	}
	return list
}

func (s *desk) importForm(r *console.Request) error {
	return s.showImport(r, http.StatusOK, importPage{Kinds: kindParts(r, string(register.Persons))})
}

func (s *desk) showImport(r *console.Request, status int, p importPage) error {
	p.MaxRows, p.MaxMB = register.MaxRows, register.MaxFile>>20
	recent, err := s.History.List(r.Context(), 10)
	if err != nil {
		return err
	}
	for _, x := range recent {
		if x.State != register.SyncReading {
			p.Recent = append(p.Recent, newFile(r, x))
		}
	}
	return r.PageStatus(status, pages, "import.html", "Bring a file into the register", &p)
}

// template is an empty file with a header.
func (s *desk) template(r *console.Request) error {
	in, err := fields(r, "kind")
	if err != nil {
		return err
	}
	kind := register.Kind(in["kind"])
	if !slices.Contains(register.Kinds(), kind) {
		return refuse(r, office.ErrNotFound, "There are files of persons, cards, degrees and NetIDs.")
	}
	w := download(r, string(kind)+".csv")
	w.Write(kind.Columns())
	w.Flush()
	return nil // a browser that went away is no fault of ours
}

// download makes the answer a CSV file; spreadsheets know UTF-8 by its mark.
func download(r *console.Request, name string) *csv.Writer {
	h := r.Writer.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	io.WriteString(r.Writer, "\xef\xbb\xbf")
	return csv.NewWriter(r.Writer)
}

// maxField bounds a field of the upload's form, in bytes.
const maxField = 64

// upload reads a file as it comes in; what it is of stands before it in the form.
func (s *desk) upload(r *console.Request) error {
	parts, err := r.MultipartReader()
	if err != nil {
		return s.wrongUpload(r, register.Sync{}, say(r, "The form could not be read; load the page again."))
	}
	var x register.Sync
	for range 8 {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) || err == nil && part.FormName() == "file" && part.FileName() == "" {
			break
		}
		if err != nil {
			return s.broken(r, x, err)
		}
		if part.FormName() == "file" {
			x.Name = part.FileName()
			return s.take(r, x, part)
		}
		value, err := io.ReadAll(io.LimitReader(part, maxField))
		if err != nil {
			return s.broken(r, x, err)
		}
		switch part.FormName() {
		case "kind":
			x.Kind = register.Kind(value)
		case "full":
			x.Full = string(value) == "yes"
		}
	}
	return s.wrongUpload(r, x, say(r, "Choose a file."))
}

// take previews the file.
func (s *desk) take(r *console.Request, x register.Sync, file io.Reader) error {
	if !slices.Contains(register.Kinds(), x.Kind) {
		return s.wrongUpload(r, x, say(r, "Say what the file has: persons, cards, degrees or NetIDs."))
	}
	in := &incoming{Reader: file}
	done, err := s.Syncs.Upload(r.Context(), r.By(), x, in)
	if err == nil {
		return r.Redirect("/register/import/" + done.ID)
	}
	if in.failed != nil {
		return s.broken(r, x, in.failed)
	}
	if why := told(r, err); why != "" {
		return s.wrongUpload(r, x, why)
	}
	return err
}

func (s *desk) wrongUpload(r *console.Request, x register.Sync, why string) error {
	return s.showImport(r, http.StatusUnprocessableEntity, importPage{Wrong: why, Kinds: kindParts(r, string(x.Kind)), Full: x.Full})
}

// broken answers an upload that came to no end, or was no form: whatever reading it
// failed with came from the browser or the line.
func (s *desk) broken(r *console.Request, x register.Sync, err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return err
	}
	return s.wrongUpload(r, x, say(r, "The upload broke off; try again."))
}

// incoming remembers what reading a file failed with, to tell it from a fault of
// central's.
type incoming struct {
	io.Reader
	failed error
}

func (f *incoming) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.failed = err
	}
	return n, err
}

// filePage is the page of one file.
type filePage struct {
	File  filePart
	Lists []rowList
}

// rowList is the first rows of a kind.
type rowList struct {
	Which register.RowKind
	Title string
	Rows  []rowPart
	More  bool
	File  string // all of them
}

type rowPart struct {
	Line    int
	What    string // whom or what it is about
	Columns []string
	Faults  []faultPart
}

type faultPart struct{ Column, Text string }

// How many rows of each kind a page shows, and a file reads at a time.
const (
	rowsShown = 20
	rowsRead  = 500
)

func (s *desk) file(r *console.Request) error {
	x, err := s.History.Find(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	p := filePage{File: newFile(r, x)}
	titles := map[register.RowKind]string{register.RowsFaulty: "Bad rows", register.RowsRemoved: "To be removed", register.RowsChanged: "To be changed", register.RowsAdded: "To be added"}
	for _, which := range []register.RowKind{register.RowsFaulty, register.RowsRemoved, register.RowsChanged, register.RowsAdded} {
		rows, err := s.History.Rows(r.Context(), x.ID, which, 0, rowsShown+1)
		if err != nil {
			return err
		}
		l := rowList{Which: which, Title: say(r, titles[which]), More: len(rows) > rowsShown, File: p.File.Rows + string(which)}
		for _, row := range rows[:min(len(rows), rowsShown)] {
			l.Rows = append(l.Rows, newRow(r, row))
		}
		if len(rows) > 0 {
			p.Lists = append(p.Lists, l)
		}
	}
	return r.Page(pages, "file.html", "File for the register", &p)
}

func newRow(r *console.Request, x register.SyncRow) rowPart {
	p := rowPart{Line: x.Line, What: about(x.Record), Columns: x.Columns}
	for _, f := range x.Faults {
		column := f.Column
		if column == "" {
			column = say(r, "the whole row")
		}
		p.Faults = append(p.Faults, faultPart{column, faultText(r, f)})
	}
	return p
}

func faultText(r *console.Request, f register.Fault) string {
	if f.Arg == "" {
		return say(r, f.Text)
	}
	return say(r, f.Text, f.Arg)
}

// about names what a row is about, in the words of the row.
func about(x register.Record) string {
	v := x.Values
	text := x.Person
	for _, column := range []string{"surname", "given", "name_zh", "kind", "number", "award", "programme", "netid"} {
		if v[column] != "" {
			text += " " + v[column]
		}
	}
	return text
}

// fileNow is the fragment with how far a file has come.
func (s *desk) fileNow(r *console.Request) error {
	x, err := s.History.Find(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if p := newFile(r, x); p.Running {
		return r.Fragment(pages, "file.html", "progress", &p)
	}
	return r.Redirect("/register/import/" + x.ID) // the rest of the page is another one now
}

func (s *desk) settle(r *console.Request) error {
	in, err := fields(r, "what", "removals")
	if err != nil {
		return err
	}
	if in["what"] != "confirm" && in["what"] != "discard" {
		return refuse(r, office.ErrInvalid, "Bring the file into the register, or discard it.")
	}
	x, err := s.Syncs.Settle(r.Context(), r.By(), r.PathValue("id"), in["what"] == "confirm", in["removals"] == "yes")
	if err != nil {
		return err
	}
	if in["what"] == "discard" {
		r.Flash(say(r, "The file is discarded; nothing was changed."))
		return r.Redirect("/register/import")
	}
	return r.Redirect("/register/import/" + x.ID)
}

// rowsFile is every row of a kind, as a file. No personal id is in it.
func (s *desk) rowsFile(r *console.Request) error {
	in, err := fields(r, "which")
	if err != nil {
		return err
	}
	which := register.RowKind(in["which"])
	if which == "" {
		which = register.RowsFaulty
	}
	if !slices.Contains([]register.RowKind{register.RowsAdded, register.RowsChanged, register.RowsRemoved, register.RowsFaulty}, which) {
		return refuse(r, office.ErrNotFound, "There are rows that are added, changed, removed or bad.")
	}
	x, err := s.History.Find(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	w := download(r, string(which)+".csv")
	w.Write([]string{"line", "column", "what"})
	for after, n := 0, rowsRead; n == rowsRead; {
		rows, err := s.History.Rows(r.Context(), x.ID, which, after, rowsRead)
		if err != nil {
			return err
		}
		n = len(rows)
		for _, row := range rows {
			after = row.Line
			writeRow(r, w, row)
		}
		if w.Flush(); w.Error() != nil {
			return nil // the browser went away
		}
	}
	return nil
}

func writeRow(r *console.Request, w *csv.Writer, row register.SyncRow) {
	line := strconv.Itoa(max(row.Line, 0))
	for _, f := range row.Faults {
		w.Write([]string{line, f.Column, office.Inert(faultText(r, f))})
	}
	for _, c := range row.Columns {
		w.Write([]string{line, c, office.Inert(about(row.Record))})
	}
	if len(row.Faults)+len(row.Columns) == 0 {
		w.Write([]string{line, "", office.Inert(about(row.Record))})
	}
}
