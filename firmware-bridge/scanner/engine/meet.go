package engine

import (
	"errors"
	"fmt"
	"time"

	"turnstile/firmware-bridge/scanner/engine/dialect"
)

// listening is how long an engine that answers at no rate is listened to before
// its port is opened anew: its scans may still arrive.
const listening = 5 * time.Second

// meet finds the engine at one of rates and sets it up. The error wraps
// dialect.ErrSilent if one is expected and none answers.
func (s *Scanner) meet(w *wire, rates []int) (dialect.Identity, error) {
	id, err := s.search(w, rates)
	if err == nil {
		id, err = s.configure(w, id)
	}
	if err == nil || !errors.Is(err, dialect.ErrSilent) || w.ctx.Err() != nil {
		return id, err
	}
	w.speaks = nil
	if s.config.Family == Auto && (s.known.family == "" || w.proven != 0) {
		return s.plain(w)
	}
	return id, s.forlorn(w, err)
}

// configure sets the engine up and remembers its rate, whatever came of it, and
// its family if it could be set up: who it is, a print may have said.
func (s *Scanner) configure(w *wire, id dialect.Identity) (dialect.Identity, error) {
	err := w.speaks.Configure(w, s.config.settings(), &id)
	s.known.baud, id.Baud = w.Baud(), w.Baud()
	if err == nil {
		s.known.family = id.Family
	}
	return id, err
}

// search asks the configured families at rates, first the one found before. A
// scan that arrives in good order proves the rate: no other is tried after it.
func (s *Scanner) search(w *wire, rates []int) (id dialect.Identity, err error) {
	for _, baud := range rates {
		if err := w.SetBaud(baud); err != nil {
			return id, err
		}
		for _, f := range s.candidates() {
			w.speaks = f.new()
			if id, err = w.speaks.Identify(w); !errors.Is(err, dialect.ErrSilent) {
				return id, err
			}
		}
		if w.proven != 0 {
			return id, err
		}
	}
	return id, err
}

// candidates are the families to ask, the one found before first.
func (s *Scanner) candidates() []family {
	var first, others []family
	for _, f := range families {
		switch {
		case s.config.Family != Auto && s.config.Family != f.name:
		case f.name == s.known.family:
			first = append(first, f)
		default:
			others = append(others, f)
		}
	}
	return append(first, others...)
}

// plain reads lines from an engine that answers to nothing.
func (s *Scanner) plain(w *wire) (dialect.Identity, error) {
	baud := s.config.Port.Baud
	if w.proven != 0 {
		baud, s.known.baud = w.proven, w.proven
	}
	if err := w.SetBaud(baud); err != nil {
		return dialect.Identity{}, err
	}
	id := dialect.Identity{Family: Line, Baud: w.Baud()}
	id.Warn(fmt.Sprintf("no known engine answers; plain lines are read at %d baud: check that the scanner's receive line is connected, "+
		"set its mode and rate by the maker's codes, and switch its set-up codes off, else a visitor reprograms it with a print", id.Baud))
	return id, nil
}

// forlorn listens to an engine that should answer and does not, and then says
// so.
func (s *Scanner) forlorn(w *wire, err error) error {
	if w.proven != 0 {
		s.known.baud = w.proven // where the next search begins, too
	}
	rates := s.config.rates(s.known.baud)
	if setErr := w.SetBaud(rates[0]); setErr != nil {
		return setErr
	}
	if restErr := w.Rest(listening); restErr != nil {
		return restErr
	}
	return fmt.Errorf("scanner %s: no engine of family %s at %v baud: %w: check its power, its receive line, and that it is not in USB keyboard mode",
		s.config.Port.Path, s.config.Family, rates, err)
}
