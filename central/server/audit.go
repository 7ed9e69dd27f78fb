package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/central/audit"
	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
)

// auditLog is the API's office.Audit.
type auditLog struct{ *central }

func (s auditLog) Page(ctx context.Context, f office.AuditFilter) ([]audit.Entry, error) {
	g := database.AuditFilter{By: f.By, Action: f.Action, Subject: f.Subject, Before: f.Before, Limit: f.Limit}
	if !f.From.IsZero() {
		g.From = f.From.UnixMilli()
	}
	if !f.To.IsZero() {
		g.To = f.To.UnixMilli()
	}
	rows, err := s.db.AuditPage(ctx, g)
	if err != nil {
		return nil, fmt.Errorf("read audit: %w", err)
	}
	return rows, nil
}

func (s auditLog) Actions(ctx context.Context) ([]string, error) {
	list, err := s.db.AuditActions(ctx)
	if err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}
	return list, nil
}

func (s auditLog) Heading(context.Context) (audit.Heading, error) {
	h := audit.Heading{Version: 1, Site: s.config.Site, At: s.config.Now().UnixMilli()}
	for _, k := range s.issuer.StatusKeys() {
		h.Keys = append(h.Keys, k)
	}
	return h, nil
}

func (s auditLog) Walk(ctx context.Context, by string, entry func(audit.Entry) error, anchor func([]byte) error) error {
	if err := s.db.Audit(ctx, s.config.Now().UnixMilli(), by, "audit_export", "", ""); err != nil {
		return fmt.Errorf("note an export: %w", err)
	}
	return walkAudit(ctx, s.db, entry, anchor)
}

// auditPage is how many entries are read at once.
const auditPage = 500

// walkAudit hands the log over up to the entry that is the newest now.
func walkAudit(ctx context.Context, db *database.DB, entry func(audit.Entry) error, anchor func([]byte) error) error {
	head, err := db.AuditHead(ctx)
	if err != nil {
		return fmt.Errorf("read audit: %w", err)
	}
	var heads anchors
	for last := int64(0); last < head.Number; {
		rows, err := db.AuditAfter(ctx, last, auditPage)
		if err != nil {
			return fmt.Errorf("read audit: %w", err)
		}
		if len(rows) == 0 {
			return nil // what is missing, the reader finds
		}
		for _, e := range rows {
			if e.Number > head.Number {
				return nil
			}
			if err := entry(e); err != nil {
				return err
			}
			if err := heads.at(ctx, db, e.Number, anchor); err != nil {
				return err
			}
			last = e.Number
		}
	}
	return nil
}

// anchors hands out signed heads beside the entries. The zero value begins at the
// first.
type anchors struct {
	list  []database.Anchor
	above int64
	ended bool
}

func (a *anchors) at(ctx context.Context, db *database.DB, number int64, each func([]byte) error) (err error) {
	if len(a.list) == 0 && !a.ended {
		if a.list, err = db.Anchors(ctx, a.above, auditPage); err != nil {
			return fmt.Errorf("read signed heads: %w", err)
		}
		a.ended = len(a.list) == 0
	}
	for len(a.list) > 0 && a.list[0].Number <= number {
		next := a.list[0]
		a.list, a.above = a.list[1:], next.Number
		if err := each(next.Sealed); err != nil {
			return err
		}
	}
	return nil
}

// progressEvery is after how many entries a verification says how far it is.
const progressEvery = 1000

func (s auditLog) Verify(ctx context.Context, by string, progress func(int64)) (office.AuditReport, error) {
	if err := s.db.Audit(ctx, s.config.Now().UnixMilli(), by, "audit_verify", "", ""); err != nil {
		return office.AuditReport{}, fmt.Errorf("note a verification: %w", err)
	}
	c := audit.NewChecker(s.config.Site, s.issuer.StatusKeys())
	err := walkAudit(ctx, s.db, func(e audit.Entry) error {
		if err := c.Add(e); err != nil {
			return err
		}
		if progress != nil && c.Number%progressEvery == 0 {
			progress(c.Number)
		}
		return nil
	}, c.Anchor)
	if err == nil {
		err = s.headStands(ctx, c)
	}
	r := office.AuditReport{Entries: c.Number, Head: c.Head, Erased: c.Erased, Anchors: c.Anchors, Anchored: c.Anchored}
	if c.AnchorAt != 0 {
		r.AnchorAt = time.UnixMilli(c.AnchorAt)
	}
	if fault, ok := errors.AsType[*audit.Fault](err); ok {
		r.Fault = fault
		return r, s.alarmAudit(ctx, fault)
	}
	return r, err
}

// headStands looks for signed heads of entries that are gone from the end.
func (s auditLog) headStands(ctx context.Context, c *audit.Checker) error {
	more, err := s.db.Anchors(ctx, c.Number, 1)
	if err != nil {
		return fmt.Errorf("read signed heads: %w", err)
	}
	for _, a := range more {
		if now, err := s.db.AuditHead(ctx); err != nil || now.Number < a.Number {
			return errors.Join(&audit.Fault{Number: c.Number + 1, Reason: fmt.Sprintf("missing, although a head up to %d was signed", a.Number)}, err)
		}
	}
	return nil
}

func (s auditLog) alarmAudit(ctx context.Context, f *audit.Fault) error {
	const next = "Somebody changed the database by hand. Take an export now, compare it with earlier exports and with the heads in central's log, and find out who can write the database."
	if err := s.alarms.Raise(ctx, "audit_broken", "", fmt.Sprint(f.Number), f.Error(), next); err != nil {
		return fmt.Errorf("store alarm: %w", err)
	}
	return nil
}

// headEvery is how often the audit's head is signed.
const headEvery = time.Hour

// signHeads signs the audit's head once an hour, and tells it to the log, which
// may be kept elsewhere.
func (s *central) signHeads(ctx context.Context) error {
	t := time.NewTicker(headEvery)
	defer t.Stop()
	for {
		if err := s.signHead(ctx); err != nil && ctx.Err() == nil {
			s.config.Log.Error("sign the audit's head", "cause", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (s *central) signHead(ctx context.Context) error {
	head, err := s.db.AuditHead(ctx)
	if err != nil || head.Number == 0 {
		return err
	}
	last, err := s.db.Anchors(ctx, head.Number-1, 1)
	if err != nil || len(last) > 0 {
		return err // nothing is new, or another central did it
	}
	now := s.config.Now().UnixMilli()
	sealed, err := audit.SealAnchor(s.issuer.Status(), s.config.Site, audit.Anchor{Number: head.Number, At: now, Head: link.Hash(head.Hash)})
	if err != nil {
		return err
	}
	if err := s.db.AddAnchor(ctx, head.Number, now, sealed); err != nil {
		return err
	}
	s.config.Log.Info("audit head", "number", head.Number, "hash", head.Hash.String())
	return nil
}
