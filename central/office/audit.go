package office

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"turnstile/central/audit"
	"turnstile/central/rights"
)

// Audit reads the log of who did what; nobody can write it but with a deed.
type Audit interface {
	// Page returns entries that fit, the newest first.
	Page(ctx context.Context, f AuditFilter) ([]audit.Entry, error)
	// Actions lists the actions that there are.
	Actions(ctx context.Context) ([]string, error)
	// Heading says whose log it is, for an export.
	Heading(ctx context.Context) (audit.Heading, error)
	// Walk writes down that by takes the log away, and hands over all entries in
	// order, and behind an entry the signed head that it has.
	Walk(ctx context.Context, by string, entry func(audit.Entry) error, anchor func(sealed []byte) error) error
	// Verify goes along the whole chain; progress is told now and then how far.
	Verify(ctx context.Context, by string, progress func(number int64)) (AuditReport, error)
}

// AuditFilter selects entries; zero fields select all.
type AuditFilter struct {
	By       string // begins with it
	Action   string // exactly
	Subject  string // contains it
	From, To time.Time
	Before   int64 // number; 0: from the newest
	Limit    int   // 1..500
}

// AuditReport is what a verification found.
type AuditReport struct {
	Entries  int64
	Head     audit.Hash // of the last one
	Erased   int64      // without subject and detail
	Anchors  int64      // signed heads, all good
	Anchored int64      // number of the last of them; 0: none
	AnchorAt time.Time
	Fault    *audit.Fault // nil: nothing was changed
}

// AuditBody is an entry.
type AuditBody struct {
	Number  int64     `json:"number"`
	At      time.Time `json:"at"`
	By      string    `json:"by" example:"user:chan"`
	Action  string    `json:"action" example:"person_roles"`
	Subject string    `json:"subject"`
	Detail  string    `json:"detail"`
	Erased  bool      `json:"erased,omitempty" doc:"Subject and detail were erased."`
	Hash    string    `json:"hash" doc:"SHA-256 over the entry and the one before; see central/audit/FORMAT.md."`
}

// AuditList is one page of the log, the newest first.
type AuditList struct {
	Entries []AuditBody `json:"entries"`
	Next    string      `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

// AuditReportBody is what a verification found.
type AuditReportBody struct {
	Good     bool       `json:"good"`
	Entries  int64      `json:"entries"`
	Head     string     `json:"head" doc:"Hash of the last entry: note it elsewhere."`
	Erased   int64      `json:"erased"`
	Anchors  int64      `json:"anchors" doc:"Signed heads."`
	Anchored int64      `json:"anchored" doc:"Number of the last entry with a signed head."`
	AnchorAt *time.Time `json:"anchor_at,omitempty"`
	Fault    string     `json:"fault,omitempty" doc:"Where the log was changed."`
}

func (a *api) auditRoutes(h huma.API) {
	huma.Register(h, operation(rights.AuditRead, "list-audit", http.MethodGet, "/audit", "Read who did what, the newest first"), a.listAudit)
	huma.Register(h, operation(rights.AuditRead, "verify-audit", http.MethodPost, "/audit/verify", "Verify the whole audit log"), a.verifyAudit)
	export := operation(rights.AuditRead, "export-audit", http.MethodGet, "/audit/export", "Take the audit log away as a file that can be verified elsewhere")
	huma.Register(h, export, a.exportAudit)
}

type auditInput struct {
	By      string    `query:"by" maxLength:"100" doc:"Begins with it, such as user:chan."`
	Action  string    `query:"action" maxLength:"100"`
	Subject string    `query:"subject" maxLength:"100" doc:"Contains it."`
	From    time.Time `query:"from" doc:"Not before."`
	To      time.Time `query:"to" doc:"Before."`
	Before  int64     `query:"before" minimum:"0" doc:"Only lower numbers."`
	Limit   int       `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Cursor  string    `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}

func (a *api) listAudit(ctx context.Context, in *auditInput) (*paged[AuditList], error) {
	before, err := numberAfter(ctx, "audit", in.Cursor, in.Before)
	if err != nil {
		return nil, err
	}
	rows, err := a.Audit.Page(ctx, AuditFilter{By: in.By, Action: in.Action, Subject: in.Subject, From: in.From, To: in.To, Before: before, Limit: in.Limit + 1})
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	rows, next := pageByNumber(ctx, "audit", in.Limit, rows, func(e audit.Entry) int64 { return e.Number })
	out := AuditList{Entries: make([]AuditBody, 0, len(rows)), Next: next}
	for _, e := range rows {
		out.Entries = append(out.Entries, AuditBody{e.Number, a.at(time.UnixMilli(e.At)), e.By, e.Action, e.Subject, e.Detail, e.Erased(), e.Hash.String()})
	}
	return answerPage(ctx, out, next), nil
}

func (a *api) verifyAudit(ctx context.Context, _ *struct{}) (*struct{ Body AuditReportBody }, error) {
	r, err := a.Audit.Verify(ctx, caller(ctx), nil)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := AuditReportBody{Good: r.Fault == nil, Entries: r.Entries, Head: r.Head.String(), Erased: r.Erased, Anchors: r.Anchors, Anchored: r.Anchored, AnchorAt: a.maybe(r.AnchorAt)}
	if r.Fault != nil {
		out.Fault = r.Fault.Error()
	}
	return &struct{ Body AuditReportBody }{out}, nil
}

type auditExportInput struct {
	Format string `query:"format" enum:"ndjson,csv" default:"ndjson" doc:"ndjson can be verified with: central audit verify FILE; csv is for a spreadsheet."`
}

func (a *api) exportAudit(ctx context.Context, in *auditExportInput) (*huma.StreamResponse, error) {
	h, err := a.Audit.Heading(ctx)
	if err != nil {
		return nil, a.problem(ctx, err) // while there is still a way to say so
	}
	by := caller(ctx)
	return &huma.StreamResponse{Body: func(c huma.Context) {
		r, w := humago.Unwrap(c)
		if err := SendAudit(r, w, a.Audit, by, h, Format(in.Format), a.zone); err != nil {
			a.log.Warn("export audit", "by", by, "cause", err)
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// SendAudit answers a request with the log as a file. If it fails in the middle
// the caller has to break the connection off.
func SendAudit(r *http.Request, w http.ResponseWriter, log Audit, by string, h audit.Heading, f Format, zone *time.Location) error {
	name := fmt.Sprintf("audit-%s-%s.%s", h.Site, time.UnixMilli(h.At).In(zone).Format("2006-01-02-1504"), f)
	w.Header().Set("Content-Type", f.ContentType())
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep a large file on its disk first
	out := bufio.NewWriterSize(Patient{w}, exportBuffer)
	write := writeAudit
	if f == CSV {
		write = writeAuditCSV
	}
	if err := write(r.Context(), out, log, by, h, zone); err != nil {
		return err
	}
	return out.Flush()
}

func writeAudit(ctx context.Context, w io.Writer, log Audit, by string, h audit.Heading, _ *time.Location) error {
	out, err := audit.NewWriter(w, h)
	if err != nil {
		return err
	}
	var end audit.End
	err = log.Walk(ctx, by, func(e audit.Entry) error {
		end = audit.End{Number: e.Number, Head: e.Hash}
		return out.Entry(e)
	}, out.Anchor)
	if err != nil {
		return err
	}
	return out.End(end)
}

func writeAuditCSV(ctx context.Context, w io.Writer, log Audit, by string, _ audit.Heading, zone *time.Location) error {
	out := csv.NewWriter(w)
	out.Write([]string{"number", "at", "by", "action", "subject", "detail", "hash"}) // an error comes up at the end
	err := log.Walk(ctx, by, func(e audit.Entry) error {
		return out.Write([]string{strconv.FormatInt(e.Number, 10), time.UnixMilli(e.At).In(zone).Format(time.RFC3339), Inert(e.By), Inert(e.Action), Inert(e.Subject), Inert(e.Detail), e.Hash.String()})
	}, func([]byte) error { return nil })
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}
