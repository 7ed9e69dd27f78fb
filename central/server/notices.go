package server

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/office"
	"turnstile/central/portal"
	"turnstile/central/portal/card"
	"turnstile/central/portal/guests"
)

// toHolder seals a letter to the registered address of a holder. It is none if there
// is no portal, nothing to mail with, or no address.
func (s *central) toHolder(ctx context.Context, person, by string, write func(letters.Language) letters.Letter) ([]database.Letter, error) {
	a, err := s.accountOf(ctx, person)
	if err != nil || a.Address == "" {
		return nil, err
	}
	box, err := s.box()
	if err != nil {
		return nil, err
	}
	row, err := letters.Seal(box, write(letters.Language(a.Lang)), a.Address, by, s.config.Now())
	return []database.Letter{row}, err
}

// accountOf is the account of a person, by any id; one without an address if no
// letter can come there.
func (s *central) accountOf(ctx context.Context, person string) (a database.Account, err error) {
	if s.portalURL() == "" || s.config.Mail.Host == "" {
		return a, nil
	}
	id, err := s.head(ctx, person)
	if err != nil {
		return a, err
	}
	a, err = s.db.Account(ctx, id)
	if errors.Is(err, database.ErrNotFound) {
		return database.Account{}, nil
	}
	if err != nil {
		return a, fmt.Errorf("find account: %w", err)
	}
	return a, nil
}

// decisionOf names a decision as the sender of its letter.
func decisionOf(number int64) string { return fmt.Sprintf("application %d", number) }

// decided are the letters that go with a decision: none where the holder is looking
// at it, or where a visit's day is over.
func (s approvals) decided(ctx context.Context, by string, a *office.Application, d office.Decision) ([]database.Letter, error) {
	expired := by == byRetention
	if by == byPolicy || by == portal.By(a.Holder) || a.State != office.ApplicationOpen || expired && a.Kind == office.ApplyGuests {
		return nil, nil
	}
	return s.toHolder(ctx, a.Holder, decisionOf(a.Number), func(lang letters.Language) letters.Letter {
		cardPage, visit := s.portalURL()+card.Path, fmt.Sprintf("%s%s/%d", s.portalURL(), guests.Path, a.Number)
		day, _ := s.campusDay(a.Order.Day)
		switch {
		case expired:
			return letters.CardExpired(lang, cardPage)
		case a.Kind == office.ApplyECard && d.Approve:
			return letters.CardReady(lang, cardPage)
		case a.Kind == office.ApplyECard:
			return letters.CardRejected(lang, d.Reason, cardPage)
		case d.Approve:
			return letters.GuestsApproved(lang, day, visit)
		}
		return letters.GuestsRejected(lang, day, d.Reason, visit)
	})
}

// lettersKnown is how many letters to one address are looked through.
const lettersKnown = 50

// told is the letter about a decision, nil if there is none that central knows of.
func (s approvals) told(ctx context.Context, a *office.Application) (*office.Told, error) {
	if a.Holder == "" {
		return nil, nil // erased
	}
	account, err := s.accountOf(ctx, a.Holder)
	if err != nil || account.Address == "" {
		return nil, err
	}
	list, err := s.db.LettersTo(ctx, account.Address, lettersKnown)
	if err != nil {
		return nil, fmt.Errorf("find letters: %w", err)
	}
	n := slices.IndexFunc(list, func(m database.Mail) bool { return m.By == decisionOf(a.Number) })
	if n < 0 {
		return nil, nil
	}
	return &office.Told{To: letters.Mask(account.Address), Sent: list[n].State == database.MailSent, Failed: list[n].State == database.MailFailed}, nil
}

// cardLetters tell a holder that the eCard was withdrawn, for a reason, or with ""
// that it was given back.
func (s ecards) cardLetters(ctx context.Context, holder, reason string) ([]database.Letter, error) {
	return s.toHolder(ctx, holder, "eCard", func(lang letters.Language) letters.Letter {
		if reason == "" {
			return letters.CardReturned(lang, s.portalURL()+card.Path)
		}
		return letters.CardWithdrawn(lang, reason, s.config.Portal.Office)
	})
}
