// Package audit is the console's pages about the log of who did what: search,
// verification and export.
package audit

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	log "turnstile/central/audit"
	"turnstile/central/console"
	"turnstile/central/office"
	"turnstile/central/rights"
)

//go:embed pages/*.html
var files embed.FS

var pages = console.MustParse(sub(), words)

func sub() fs.FS {
	f, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err)
	}
	return f
}

// desk serves the pages.
type desk struct{ log office.Audit }

// Routes returns the pages. An export needs a recent sign-in: it takes what all
// people did away.
func Routes(a office.Audit) []console.Route {
	s := &desk{a}
	return []console.Route{
		{Method: http.MethodGet, Pattern: "/audit", Need: rights.AuditRead, Handle: s.list},
		{Method: http.MethodPost, Pattern: "/audit/verify", Need: rights.AuditRead, Slow: true, Handle: s.verify},
		{Method: http.MethodPost, Pattern: "/audit/export", Need: rights.AuditRead, Recent: true, Slow: true, Handle: s.export},
	}
}

// perPage is how many entries a page has.
const perPage = 100

// listData is one page of the log.
type listData struct {
	Entries                       []row
	Actions                       []action
	By, Action, Subject, From, To string
	Older                         string // path of the next page, "" on the last
	Newest                        bool
}

// row is an entry with its time.
type row struct {
	log.Entry
	At     time.Time
	Erased bool
	What   action
}

// list shows entries by who, what and when.
func (s *desk) list(r *console.Request) error {
	q := r.URL.Query()
	d := listData{By: q.Get("by"), Action: q.Get("action"), Subject: q.Get("subject"), From: q.Get("from"), To: q.Get("to"), Newest: q.Get("before") == ""}
	f, err := s.filter(r, q, &d)
	if err != nil {
		return err
	}
	rows, err := s.log.Page(r.Context(), f)
	if err != nil {
		return err
	}
	codes, err := s.log.Actions(r.Context())
	if err != nil {
		return err
	}
	for _, code := range codes {
		d.Actions = append(d.Actions, named(r, code))
	}
	slices.SortStableFunc(d.Actions, func(a, b action) int { return strings.Compare(a.Text, b.Text) })
	for _, e := range rows {
		d.Entries = append(d.Entries, row{e, time.UnixMilli(e.At), e.Erased(), named(r, e.Action)})
	}
	if len(rows) == perPage {
		q.Set("before", strconv.FormatInt(rows[len(rows)-1].Number, 10))
		d.Older = "/audit?" + q.Encode()
	}
	return r.Page(pages, "audit.html", "Audit", d)
}

// maxField bounds what is searched for, in bytes.
const maxField = 100

func (s *desk) filter(r *console.Request, q url.Values, d *listData) (f office.AuditFilter, err error) {
	f = office.AuditFilter{By: d.By, Action: d.Action, Subject: d.Subject, Limit: perPage}
	if len(d.By) > maxField || len(d.Action) > maxField || len(d.Subject) > maxField {
		return f, r.Wrong(r.Say(pages, "Search for at most 100 characters."))
	}
	if f.From, err = day(r, d.From, 0); err != nil {
		return f, err
	}
	if f.To, err = day(r, d.To, 1); err != nil { // the whole of the last day
		return f, err
	}
	if text := q.Get("before"); text != "" {
		if f.Before, err = strconv.ParseInt(text, 10, 64); err != nil || f.Before < 1 {
			return f, r.Wrong(r.Say(pages, "This page of the log does not exist; begin at the first."))
		}
	}
	return f, nil
}

// day reads a campus day; zero for none.
func day(r *console.Request, text string, later int) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, r.Zone())
	if err != nil || t.Year() < 2000 || t.Year() > 3000 {
		return t, r.Wrong(r.Say(pages, "A day is written as 2026-11-21."))
	}
	return t.AddDate(0, 0, later), nil
}

// export sends the log as a file.
func (s *desk) export(r *console.Request) error {
	f := office.NDJSON
	if r.PostFormValue("format") == string(office.CSV) {
		f = office.CSV
	}
	h, err := s.log.Heading(r.Context())
	if err != nil {
		return err
	}
	if err := office.SendAudit(r.Request, r.Writer, s.log, r.By(), h, f, r.Zone()); err != nil {
		panic(http.ErrAbortHandler) // so that nobody takes a part for the whole
	}
	return nil
}

// verify goes along the whole log while the page is being sent: it says how far
// it is without a script, and stops when the browser goes away.
func (s *desk) verify(r *console.Request) error {
	page, err := r.Stream(pages, "verify.html", "Verification of the audit", nil)
	if err != nil {
		return err
	}
	// A browser that went away ends the verification by the request's context.
	say := func(l line) { _ = page.Part("line", l) }
	report, err := s.log.Verify(r.Context(), r.By(), func(n int64) { say(line{"", r.Say(pages, "%d entries are good so far", n)}) })
	if err != nil {
		say(line{"no", r.Say(pages, "Central could not read the log to its end; its log has the cause. Try again.")})
		return page.End()
	}
	for _, l := range result(r, report) {
		say(l)
	}
	return page.End()
}

// line is one finding.
type line struct{ Class, Text string }

func result(r *console.Request, report office.AuditReport) []line {
	if report.Fault != nil {
		return []line{{"no", r.Say(pages, "The log was changed at entry %d: %s", report.Fault.Number, report.Fault.Reason)},
			{"", r.Say(pages, "Take an export now, compare it with earlier ones and with the heads in central's log, and find out who can write the database.")}}
	}
	list := []line{{"ok", r.Say(pages, "All %d entries are as they were written, and none is missing.", report.Entries)}}
	if report.Erased > 0 {
		list = append(list, line{"", r.Say(pages, "Subject and detail of %d were erased.", report.Erased)})
	}
	if report.Anchors > 0 {
		list = append(list, line{"ok", r.Say(pages, "Central signed %d heads on the way, the last of entry %d at %s.", report.Anchors, report.Anchored, report.AnchorAt.In(r.Zone()).Format(time.DateTime))})
	}
	return append(list, line{"", r.Say(pages, "Head, to be noted elsewhere: %s", fmt.Sprintf("%d:%s", report.Entries, report.Head))})
}
