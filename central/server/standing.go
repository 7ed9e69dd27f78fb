package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/office"
)

// standing is an office.Keeper over a document.
type standing[T any] struct {
	*central
	name  string // of the document
	first T      // until somebody sets another
	// check returns an office.Refusal for rules that nobody can keep.
	check func(T) error
}

func (s standing[T]) Current(ctx context.Context) (office.Standing[T], error) {
	list, err := s.Versions(ctx, 0, 1)
	if err != nil || len(list) == 0 {
		return office.Standing[T]{Rules: s.first}, err
	}
	return list[0], nil
}

func (s standing[T]) Versions(ctx context.Context, before uint64, limit int) ([]office.Standing[T], error) {
	rows, err := s.db.DocumentVersions(ctx, s.name, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", s.name, err)
	}
	out := make([]office.Standing[T], 0, len(rows))
	for _, row := range rows {
		v := office.Standing[T]{Version: row.Version, Rules: s.first, At: time.UnixMilli(row.At), By: row.By, Reason: row.Reason}
		if err := json.Unmarshal([]byte(row.Body), &v.Rules); err != nil {
			return nil, fmt.Errorf("read %s version %d: %w: %w", s.name, row.Version, database.ErrDamaged, err)
		}
		out = append(out, v)
	}
	return out, nil
}

func (s standing[T]) Set(ctx context.Context, c office.Change[T]) (out office.Standing[T], err error) {
	if c.Reason = strings.TrimSpace(c.Reason); c.Reason == "" || !office.OneLine(c.Reason, office.MaxReason) {
		return out, office.Refuse(office.ErrInvalid, "Give a reason of at most %d characters on one line: it stays with the version.", office.MaxReason)
	}
	if err := s.check(c.Rules); err != nil {
		return out, err
	}
	now, err := s.Current(ctx)
	if err != nil {
		return out, err
	}
	body, err := json.Marshal(c.Rules)
	if err != nil {
		return out, fmt.Errorf("encode %s: %w", s.name, err)
	}
	out = office.Standing[T]{Version: c.Version + 1, Rules: c.Rules, At: time.UnixMilli(s.config.Now().UnixMilli()), By: c.By, Reason: c.Reason}
	if now.Version == c.Version {
		err = s.db.ChangeDocument(ctx, s.name, out.Version, string(body), out.At.UnixMilli(), database.Deed{
			By: c.By, Action: "set_" + s.name, Subject: fmt.Sprintf("version %d", out.Version), Detail: string(body) + " " + c.Reason, Reason: c.Reason,
		})
	}
	if now.Version != c.Version || errors.Is(err, database.ErrConflict) {
		return out, office.Refuse(office.ErrConflict, "Somebody changed these rules meanwhile; look at them again and repeat the change.")
	}
	if err != nil {
		return out, fmt.Errorf("store %s: %w", s.name, err)
	}
	return out, nil
}
