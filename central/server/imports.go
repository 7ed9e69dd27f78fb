package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"turnstile/central/database"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/roster"
)

// imports is the API's office.Imports.
type imports struct{ *central }

// importBatch is how many rows one transaction stores or issues: others wait for
// it, and so it is short.
const (
	storeBatch  = 1000
	importBatch = 100
)

// importedRow is a good row as it is stored.
type importedRow struct {
	Order office.Order
	Email string
}

func (s imports) Preview(ctx context.Context, by, name string, file io.Reader) (office.Import, error) {
	i := database.Import{ID: rand.Text(), Name: fileName(name), By: by, At: s.config.Now().UnixMilli()}
	if err := s.db.AddImport(ctx, i); err != nil {
		return office.Import{}, fmt.Errorf("store import: %w", err)
	}
	w := rowWriter{db: s.db, id: i.ID, mail: s.chores.mail != nil}
	err := roster.Read(file, s.rosterRules(ctx), func(r roster.Row) error { return w.add(ctx, r) })
	if err == nil {
		err = w.flush(ctx)
	}
	if err != nil {
		// The rows that stand already go with the next tidying.
		return office.Import{}, err
	}
	if err := s.db.MoveImport(ctx, i.ID, database.ImportReading, database.ImportPreview, by, i.At); err != nil {
		return office.Import{}, fmt.Errorf("store import: %w", err)
	}
	return s.Find(ctx, i.ID)
}

// fileName returns the last part of a file's name, short and printable.
func fileName(name string) string {
	name = path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, ""), `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, name)
	if utf8.RuneCountInString(name) > 80 {
		name = string([]rune(name)[:80])
	}
	return name
}

// rosterRules are what rows are held to at this moment.
func (s imports) rosterRules(ctx context.Context) roster.Rules {
	rows, cards := passes{s.central}.guestRows(), cardRows{imports: s}
	return roster.Rules{Zones: s.feed.View().Rules.Zones, Check: func(o office.Order) *office.RowFault {
		_, err := rows.check(o)
		var fault *office.RowFault
		if err == nil {
			fault, err = rows.fault(ctx, o)
		}
		if err == nil && fault == nil {
			fault, err = cards.fault(ctx, o)
		}
		if err != nil {
			return orderFault(err)
		}
		return fault
	}}
}

func withdrawnFault() office.RowFault {
	return office.RowFault{Column: "holder", Text: "the eCard of this holder is withdrawn: give it back first"}
}

// cardRows looks ahead for rows whose holder's eCard is withdrawn. What counts is
// asked again when a row is issued.
type cardRows struct {
	imports
	gone map[string]bool // nil: not read yet
}

func (r *cardRows) fault(ctx context.Context, o office.Order) (*office.RowFault, error) {
	if o.Kind != pass.ECard {
		return nil, nil
	}
	if r.gone == nil {
		list, err := r.db.WithdrawnHolders(ctx)
		if err != nil {
			return nil, fmt.Errorf("list withdrawn eCards: %w", err)
		}
		r.gone = map[string]bool{}
		for _, id := range list {
			r.gone[id] = true
		}
	}
	if !r.gone[o.Holder] {
		return nil, nil
	}
	f := withdrawnFault()
	return &f, nil
}

func orderFault(err error) *office.RowFault {
	if r, ok := errors.AsType[*office.Refusal](err); ok {
		return &office.RowFault{Text: r.Detail}
	}
	return &office.RowFault{Text: "cannot be issued"}
}

// rowWriter stores rows, many at a time.
type rowWriter struct {
	db    *database.DB
	id    string
	mail  bool // is set up
	good  int
	batch []database.ImportRow
}

func (w *rowWriter) add(ctx context.Context, r roster.Row) error {
	if r.Email != "" && !w.mail && len(r.Faults) == 0 {
		r.Faults = append(r.Faults, office.RowFault{Column: "email", Text: "mail is not set up here: leave it empty"})
	}
	row := database.ImportRow{Line: r.Line}
	var err error
	if len(r.Faults) > 0 {
		row.Faults, err = faultsText(r.Faults...)
	} else {
		w.good++
		row.Position = w.good
		row.Request, err = text(importedRow{r.Order, r.Email})
	}
	if err != nil {
		return err
	}
	if w.batch = append(w.batch, row); len(w.batch) < storeBatch {
		return nil
	}
	return w.flush(ctx)
}

func faultsText(faults ...office.RowFault) (string, error) { return text(faults) }

// text is JSON as it is stored.
func text(v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode row: %w", err)
	}
	return string(data), nil
}

func (w *rowWriter) flush(ctx context.Context) error {
	if len(w.batch) == 0 {
		return nil
	}
	err := w.db.AddImportRows(ctx, w.id, w.batch)
	w.batch = w.batch[:0]
	if err != nil {
		return fmt.Errorf("store rows: %w", err)
	}
	return nil
}

func (s imports) Settle(ctx context.Context, by, id string, confirm bool) (office.Import, error) {
	i, err := s.Find(ctx, id)
	if err != nil {
		return i, err
	}
	if confirm && i.Good == 0 {
		return i, office.Refuse(office.ErrInvalid, "The file has no good row; mend it and upload it again.")
	}
	to := database.ImportDiscarded
	if confirm {
		to = database.ImportRunning
	}
	err = s.db.MoveImport(ctx, id, database.ImportPreview, to, by, s.config.Now().UnixMilli())
	if errors.Is(err, database.ErrConflict) {
		return i, office.Refuse(office.ErrConflict, "Somebody decided about this file already.")
	}
	if err != nil {
		return i, fmt.Errorf("settle import: %w", err)
	}
	s.chores.wake()
	return s.Find(ctx, id)
}

func (s imports) Find(ctx context.Context, id string) (office.Import, error) {
	row, err := s.db.Import(ctx, id)
	if errors.Is(err, database.ErrNotFound) || err == nil && row.State == database.ImportReading {
		return office.Import{}, office.Refuse(office.ErrNotFound, "There is no such file; it may have been erased. Upload it again.")
	}
	if err != nil {
		return office.Import{}, fmt.Errorf("find import: %w", err)
	}
	return officeImport(&row), nil
}

func officeImport(row *database.Import) office.Import {
	i := office.Import{ID: row.ID, Name: row.Name, State: office.ImportState(row.State), By: row.By, At: time.UnixMilli(row.At), ConfirmedBy: row.ConfirmedBy,
		Good: row.Good, Bad: row.Bad, Issued: row.Issued, Failed: row.Failed}
	if row.Confirmed != 0 {
		i.Confirmed = time.UnixMilli(row.Confirmed)
	}
	if row.Ended != 0 {
		i.Ended = time.UnixMilli(row.Ended)
	}
	return i
}

func (s imports) List(ctx context.Context, limit int) ([]office.Import, error) {
	rows, err := s.db.Imports(ctx, "", limit)
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	var out []office.Import
	for i := range rows {
		if rows[i].State != database.ImportReading {
			out = append(out, officeImport(&rows[i]))
		}
	}
	return out, nil
}

func (s imports) Rows(ctx context.Context, id string, which office.RowKind, after, limit int) ([]office.ImportRow, error) {
	var rows []database.ImportRow
	var err error
	if which == office.RowsGood {
		rows, err = s.db.FirstImportRows(ctx, id, limit)
	} else {
		rows, err = s.db.ImportRows(ctx, id, which == office.RowsFaulty, after, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read import: %w", err)
	}
	out := make([]office.ImportRow, 0, len(rows))
	for _, r := range rows {
		row, err := s.row(ctx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}

func (s imports) row(ctx context.Context, r database.ImportRow) (office.ImportRow, error) {
	out := office.ImportRow{Line: r.Line}
	if r.Faults != "" {
		if err := json.Unmarshal([]byte(r.Faults), &out.Faults); err != nil {
			return out, fmt.Errorf("read row %d: %w: %w", r.Line, database.ErrDamaged, err)
		}
	}
	if r.Request != "" {
		var x importedRow
		if err := json.Unmarshal([]byte(r.Request), &x); err != nil {
			return out, fmt.Errorf("read row %d: %w: %w", r.Line, database.ErrDamaged, err)
		}
		out.Order, out.Email = x.Order, x.Email
	}
	if r.Pass != nil {
		p, err := s.db.Pass(ctx, *r.Pass)
		if err == nil {
			found := officePass(p)
			out.Pass = &found
		} else if !errors.Is(err, database.ErrNotFound) { // erased since
			return out, fmt.Errorf("find pass of row %d: %w", r.Line, err)
		}
	}
	return out, nil
}

// issueImport issues the rest of a running import.
func (c *chores) issueImport(ctx context.Context, i database.Import) error {
	for more := true; more; {
		if err := c.pace.WaitN(ctx, importBatch); err != nil {
			return err
		}
		var err error
		more, err = c.db.IssueImport(ctx, i.ID, importBatch, c.config.Capacity, c.config.Now().UnixMilli(), func(r database.ImportRow) (database.ImportDraft, error) {
			return c.importDraft(i.ConfirmedBy, r)
		})
		if err != nil {
			return fmt.Errorf("issue rows: %w", err)
		}
	}
	if c.mail != nil {
		c.mail.Wake()
	}
	return nil
}

func (c *chores) importDraft(by string, r database.ImportRow) (out database.ImportDraft, err error) {
	var x importedRow
	if err := json.Unmarshal([]byte(r.Request), &x); err != nil {
		return out, fmt.Errorf("read row %d: %w: %w", r.Line, database.ErrDamaged, err)
	}
	if out.Full, err = faultsText(office.RowFault{Column: "day", Text: "all passes of %s are issued", Arg: x.Order.Day.String()}); err != nil {
		return out, err
	}
	if out.Gone, err = faultsText(withdrawnFault()); err != nil {
		return out, err
	}
	out.Draft, err = (passes{c.central}).prepare(by, x.Order)
	out.Claims = (passes{c.central}).rowClaims(x.Order)
	if errors.Is(err, office.ErrInvalid) {
		text, err := faultsText(*orderFault(err))
		if err != nil {
			return out, err
		}
		return out, &database.ErrRow{Faults: text}
	}
	if x.Email != "" && c.mail != nil {
		out.Mail = &database.Mail{ID: rand.Text(), Address: x.Email, By: by, At: c.config.Now().UnixMilli()}
	}
	return out, err
}
