package database

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/central/register"
)

const registeredColumns = `id, head, surname, given, name_zh, born, personal_id, email, phone, since, changed`

// registered is a person's own row.
type registered struct {
	register.Person
	head string // "": itself
}

func scanRegistered(r rowScanner) (p registered, err error) {
	var personal string
	var since, changed int64
	err = r.Scan(&p.ID, &p.head, &p.Surname, &p.Given, &p.NameZH, &p.Born, &personal, &p.Email, &p.Phone, &since, &changed)
	p.Since, p.Changed = time.UnixMilli(since), time.UnixMilli(changed)
	if err == nil && personal != "" {
		if p.PersonalID, err = hex.DecodeString(personal); err != nil {
			err = fmt.Errorf("read person %s: %w: %w", p.ID, ErrDamaged, err)
		}
	}
	return p, err
}

// first is whom the row is about.
func (p *registered) first() string {
	if p.head != "" {
		return p.head
	}
	return p.ID
}

func scanText(r rowScanner) (s string, err error) { return s, r.Scan(&s) }

// registeredRow returns a person's own row; sql.ErrNoRows if there is none.
func registeredRow(ctx context.Context, q querier, id string) (registered, error) {
	return scanRegistered(q.QueryRowContext(ctx, `SELECT `+registeredColumns+` FROM register_persons WHERE id = $1`, id))
}

// RegisterPerson implements register.Store. An id that nobody has takes the same
// statements as one that somebody has.
func (d *DB) RegisterPerson(ctx context.Context, id string) (register.Person, error) {
	asked, err := registeredRow(ctx, d.sql, id)
	unknown := errors.Is(err, sql.ErrNoRows)
	if err != nil && !unknown {
		return register.Person{}, named(err)
	}
	p, err := registeredRow(ctx, d.sql, asked.first())
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return register.Person{}, named(err)
	}
	if err := fillPerson(ctx, d.sql, &p.Person); err != nil {
		return register.Person{}, err
	}
	if unknown || err != nil {
		return register.Person{}, register.ErrNotFound
	}
	return p.Person, nil
}

// fillPerson reads what a person has under every id.
func fillPerson(ctx context.Context, q querier, p *register.Person) (err error) {
	const theirs = ` WHERE person IN (SELECT id FROM register_persons WHERE id = $1 UNION SELECT id FROM register_persons WHERE head = $1 AND head <> '') `
	if p.Aliases, err = all(ctx, q, scanText, `SELECT id FROM register_persons WHERE head = $1 AND head <> '' ORDER BY since, id`, p.ID); err != nil {
		return err
	}
	if p.Cards, err = all(ctx, q, scanCard, `SELECT kind, number, from_day, until_day FROM register_cards`+theirs+`ORDER BY from_day DESC, key`, p.ID); err != nil {
		return err
	}
	p.Degrees, err = all(ctx, q, func(r rowScanner) (g register.Degree, err error) {
		return g, r.Scan(&g.Award, &g.Programme, &g.Institution, &g.Graduated)
	}, `SELECT award, programme, institution, graduated FROM register_degrees`+theirs+`ORDER BY graduated, key`, p.ID)
	if err != nil {
		return err
	}
	p.NetIDs, err = all(ctx, q, scanText, `SELECT netid FROM register_netids`+theirs+`ORDER BY netid`, p.ID)
	return err
}

func scanCard(r rowScanner) (c register.Card, err error) {
	return c, r.Scan(&c.Kind, &c.Number, &c.From, &c.Until)
}

// RegisterCandidates implements register.Store.
func (d *DB) RegisterCandidates(ctx context.Context, personal []byte, kind register.CardKind, number string, limit int) ([]register.Person, error) {
	rows, err := all(ctx, d.sql, scanRegistered, `SELECT `+registeredColumns+` FROM register_persons WHERE personal_id = $1 AND personal_id <> '' ORDER BY since, id LIMIT $2`,
		hex.EncodeToString(personal), limit-1)
	if err != nil {
		return nil, err
	}
	key := string(kind) + " " + number
	cards, err := all(ctx, d.sql, scanCard, `SELECT kind, number, from_day, until_day FROM register_cards WHERE key = $1`, key)
	if err != nil {
		return nil, err
	}
	holders, err := all(ctx, d.sql, scanRegistered, `SELECT `+registeredColumns+` FROM register_persons WHERE id IN (SELECT person FROM register_cards WHERE key = $1)`, key)
	if err != nil {
		return nil, err
	}
	var list []register.Person
	for _, p := range rows {
		if len(holders) == 1 && p.first() == holders[0].first() {
			p.Cards = cards
		}
		list = append(list, p.Person)
	}
	for _, p := range holders {
		p.Cards = cards
		if !slices.ContainsFunc(list, func(x register.Person) bool { return x.ID == p.ID }) {
			list = append(list, p.Person)
		}
	}
	return list, nil
}

// RegisterSize counts what the register holds.
func (d *DB) RegisterSize(ctx context.Context) (s register.Size, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM register_persons), (SELECT COUNT(*) FROM register_cards), (SELECT COUNT(*) FROM register_degrees), (SELECT COUNT(*) FROM register_netids)`).
		Scan(&s.Persons, &s.Cards, &s.Degrees, &s.NetIDs)
	return s, named(err)
}

// RegisterKnows reports whether an id or alias stands in the register, and whether
// anybody does.
func (d *DB) RegisterKnows(ctx context.Context, id string) (known, used bool, err error) {
	var k, u int
	err = d.sql.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM register_persons WHERE id = $1), (SELECT COUNT(*) FROM (SELECT 1 FROM register_persons LIMIT 1) x)`, id).Scan(&k, &u)
	return k > 0, u > 0, named(err)
}

// SearchRegister returns persons by name in any script, id, card number or NetID,
// under the ids that their rows have: those of a name from the skipped ones on, at
// most limit; more tells that there are more. ErrBroad for a single letter.
func (d *DB) SearchRegister(ctx context.Context, text string, skip, limit int) (list []register.Person, more bool, err error) {
	exact, err := all(ctx, d.sql, scanRegistered, `SELECT `+registeredColumns+` FROM register_persons WHERE id IN
		(SELECT person FROM register_cards WHERE number = $1 UNION SELECT person FROM register_netids WHERE key = $2) ORDER BY id`,
		register.CardNumber(text), strings.ToLower(strings.TrimSpace(text)))
	if err != nil {
		return nil, false, err
	}
	rows, err := d.registeredByWords(ctx, text, skip, limit+1)
	if err != nil && (len(exact) == 0 || !errors.Is(err, ErrBroad)) {
		return nil, false, err
	}
	more = len(rows) > limit
	rows = slices.DeleteFunc(rows[:min(len(rows), limit)], func(p registered) bool {
		return slices.ContainsFunc(exact, func(x registered) bool { return x.ID == p.ID })
	})
	if skip == 0 {
		rows = append(exact, rows...)
	}
	for _, p := range rows {
		list = append(list, p.Person)
	}
	return list, more, nil
}

// registeredByWords returns persons of whom each word of a text begins one, by name.
// ErrBroad if the longest word is a single letter. Of more than maxCounted that there
// are, some maxCounted are put in order: nobody turns so many pages.
func (d *DB) registeredByWords(ctx context.Context, text string, skip, limit int) ([]registered, error) {
	prefixes, err := prefixesOf(text)
	if err != nil {
		return nil, err
	}
	rarest, err := d.rarestWord(ctx, prefixes)
	if err != nil {
		return nil, err
	}
	var c conditions
	c.add("w.word >= ?", rarest)
	c.add("w.word < ?", behind(rarest))
	for _, p := range prefixes[:min(len(prefixes), maxWords)] {
		c.add("EXISTS (SELECT 1 FROM register_words x WHERE x.person = w.person AND x.word >= ? AND x.word < ?)", p, behind(p))
	}
	where := c.where()
	return all(ctx, d.sql, scanRegistered, `SELECT `+registeredColumns+` FROM register_persons WHERE id IN
		(SELECT DISTINCT w.person FROM register_words w `+where+` LIMIT `+c.parameter(maxCounted)+`) ORDER BY surname, given, id LIMIT `+c.parameter(limit)+` OFFSET `+c.parameter(skip), c.args...)
}

// personWords is what a person is found by.
func personWords(p *register.Person) [][]byte {
	return wordsOf(p.ID, p.Surname+" "+p.Given+" "+p.NameZH)
}

// maxCounted bounds how far a word's persons are counted.
const maxCounted = 50_000

// rarestWord returns the prefix that the fewest persons have, as far as they are
// counted.
func (d *DB) rarestWord(ctx context.Context, prefixes [][]byte) (rarest []byte, err error) {
	fewest := maxCounted + 1
	for _, p := range prefixes {
		var n int
		if err := d.sql.QueryRowContext(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM register_words WHERE word >= $1 AND word < $2 LIMIT $3) w`, p, behind(p), maxCounted).Scan(&n); err != nil {
			return nil, named(err)
		}
		if n < fewest {
			fewest, rarest = n, p
		}
	}
	return rarest, nil
}
