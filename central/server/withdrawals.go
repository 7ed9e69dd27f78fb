package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/status"
)

// ecards is the API's office.Cards.
type ecards struct{ *central }

// notWithdrawn refuses what somebody asks for whose eCard the office took back.
func (s *central) notWithdrawn(ctx context.Context, holder string) error {
	_, err := s.db.WithdrawnECard(ctx, holder)
	switch {
	case errors.Is(err, database.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("find eCard: %w", err)
	}
	return office.Refuse(office.ErrInvalid, "The eCard of this holder is withdrawn. The office can give it back.")
}

// refuseWithdrawn says why no eCard pass of a holder is issued or released.
func (s *central) refuseWithdrawn(ctx context.Context, holder string) error {
	c, err := ecards{s}.Find(ctx, holder)
	if err != nil {
		return err
	}
	return office.Refuse(office.ErrConflict, "The eCard of this holder is withdrawn (%s): give it back first.", c.Reason)
}

// head is the id of a person that an id or an alias names; of nobody in the register
// it is the id itself.
func (s *central) head(ctx context.Context, person string) (string, error) {
	p, err := registry{s}.Person(ctx, person)
	if errors.Is(err, office.ErrNotFound) {
		return person, nil
	}
	return p.ID, err
}

func (s ecards) Find(ctx context.Context, person string) (office.Card, error) {
	id, err := s.head(ctx, person)
	if err != nil {
		return office.Card{}, err
	}
	row, err := s.db.WithdrawnECard(ctx, id)
	if errors.Is(err, database.ErrNotFound) {
		row, err = s.db.ECard(ctx, id)
	}
	if errors.Is(err, database.ErrNotFound) {
		return office.Card{}, office.Refuse(office.ErrNotFound, "This person has no eCard.")
	}
	if err != nil {
		return office.Card{}, fmt.Errorf("find eCard: %w", err)
	}
	c := office.Card{Holder: row.Holder, Name: row.Name, Since: time.UnixMilli(row.Since), By: row.By, WithdrawnBy: row.WithdrawnBy, Reason: row.Reason}
	if row.Withdrawn != 0 {
		c.Withdrawn = time.UnixMilli(row.Withdrawn)
	}
	return c, nil
}

// reasonOf returns a reason as it is kept.
func reasonOf(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" || !office.OneLine(text, maxReasonText) {
		return "", office.Refuse(office.ErrInvalid, "Give a reason of at most 200 characters: the holder reads it.")
	}
	return text, nil
}

func (s ecards) Withdraw(ctx context.Context, by string, w office.CardWithdrawal) (office.Card, error) {
	reason, err := reasonOf(w.Reason)
	if err != nil {
		return office.Card{}, err
	}
	c, err := s.Find(ctx, w.Person)
	if err != nil {
		return c, err
	}
	list, err := s.cardLetters(ctx, c.Holder, reason)
	if err != nil {
		return c, err
	}
	changed, err := s.feed.Together(ctx, func(tx *database.FeedTx, now int64) ([]status.Change, error) {
		if err := tx.WithdrawECard(database.Withdrawal{Holder: c.Holder, By: by, At: now, Reason: reason}); err != nil {
			return nil, err
		}
		if err := tx.AddLetters(list); err != nil {
			return nil, err
		}
		rows, err := tx.PassesOf(c.Holder, s.feed.Today(), w.Guests)
		// What is held for itself stays so, also when the card is given back.
		good := slices.DeleteFunc(rows, func(p database.Pass) bool { return p.Status != link.Good })
		return changesOf(good, link.Revoked, by, reason), err
	})
	switch {
	case errors.Is(err, database.ErrConflict):
		return c, office.Refuse(office.ErrConflict, "This eCard is withdrawn already; look at it again.")
	case errors.Is(err, database.ErrNotFound):
		return c, office.Refuse(office.ErrNotFound, "This person has no eCard.")
	case err != nil:
		return c, fmt.Errorf("withdraw eCard: %w", err)
	}
	s.posted()
	c, err = s.Find(ctx, c.Holder)
	c.Passes = len(changed)
	return c, err
}

func (s ecards) Return(ctx context.Context, by, person string) (office.Card, error) {
	c, err := s.Find(ctx, person)
	if err != nil {
		return c, err
	}
	list, err := s.cardLetters(ctx, c.Holder, "")
	if err != nil {
		return c, err
	}
	changed, err := s.feed.Together(ctx, func(tx *database.FeedTx, now int64) ([]status.Change, error) {
		at, err := tx.ReturnECard(c.Holder, by, now)
		if err != nil {
			return nil, err
		}
		if err := tx.AddLetters(list); err != nil {
			return nil, err
		}
		rows, err := tx.RevokedAt(c.Holder, s.feed.Today(), at)
		return changesOf(rows, link.Good, by, "the eCard was given back"), err
	})
	switch {
	case errors.Is(err, database.ErrConflict):
		return c, office.Refuse(office.ErrConflict, "This eCard is not withdrawn; look at it again.")
	case err != nil:
		return c, fmt.Errorf("give eCard back: %w", err)
	}
	s.posted()
	c, err = s.Find(ctx, c.Holder)
	c.Passes = len(changed)
	return c, err
}

func changesOf(rows []database.Pass, to link.Status, by, reason string) (list []status.Change) {
	for i := range rows {
		if rows[i].Status != to {
			list = append(list, status.Change{ID: rows[i].ID(), Status: to, By: by, Reason: reason})
		}
	}
	return list
}
