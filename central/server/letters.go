package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"turnstile/central/letters"
	"turnstile/central/portal"
	"turnstile/central/register"
)

// openLetters lets the portal send mail, if there is a server to send it with.
func (s *central) openLetters(context.Context) error {
	if s.config.Mail.Host != "" && s.holders.mailGuest == nil {
		s.holders.mailGuest = s.mailGuest
	}
	return nil
}

// mailGuest puts a guest's link into the outbox.
func (s *central) mailGuest(ctx context.Context, m GuestMail) error {
	lang := letters.Language(m.Lang)
	p, err := s.campus.Person(ctx, strings.TrimPrefix(m.By, portal.By("")))
	if err != nil && !errors.Is(err, register.ErrNotFound) {
		return fmt.Errorf("read the register: %w", err)
	}
	host := p.Name(string(lang))
	if host == "" {
		host = s.campusName()
	}
	box, err := s.box()
	if err != nil {
		return err
	}
	row, err := letters.Seal(box, letters.GuestCode(lang, letters.Guest{Host: host, Link: m.Link, From: m.Day}), m.Address, m.By, s.config.Now())
	if err != nil {
		return err
	}
	if err := s.db.AddLetters(ctx, row); err != nil {
		return fmt.Errorf("put a letter into the outbox: %w", err)
	}
	s.posted()
	return nil
}
