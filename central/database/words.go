package database

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"turnstile/central/pass"
)

// ErrBroad is for a search that too much fits, or nothing certain is asked for.
var ErrBroad = errors.New("too many passes fit: give more of the name, or fewer days")

// maxMatches bounds the passes that a search by words looks through.
const maxMatches = 2000

// Bounds of what is kept of one pass's names.
const (
	maxWord  = 48 // bytes
	maxWords = 24
)

// wordsOf returns what a pass is found by: the holder's id, the words of the
// guest's name, their parts between marks (O'Brien, Brien), and of a word in
// Chinese, Japanese or Korean script each end of it, since nothing parts names
// there. Case and width of letters do not matter.
func wordsOf(holder, guest string) (list [][]byte) {
	add := func(w string) {
		if b := cutWord(w); len(b) > 0 && len(list) < maxWords && !slices.ContainsFunc(list, func(x []byte) bool { return bytes.Equal(x, b) }) {
			list = append(list, b)
		}
	}
	for _, w := range fold(holder) {
		add(w)
	}
	for _, w := range fold(guest) {
		add(w)
		parts := strings.FieldsFunc(w, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
		for _, p := range parts {
			add(p)
			for i, r := range p {
				if i > 0 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) {
					add(p[i:])
				}
			}
		}
	}
	return list
}

// fold returns the words between spaces in the form that words are compared in.
func fold(s string) []string { return strings.Fields(strings.ToLower(norm.NFKC.String(s))) }

// cutWord returns at most maxWord bytes that are whole runes.
func cutWord(w string) []byte {
	w = strings.ToValidUTF8(w, "")
	for len(w) > maxWord {
		_, n := utf8.DecodeLastRuneInString(w)
		w = w[:len(w)-n]
	}
	return []byte(w)
}

// insertWords stores what a pass is found by.
func insertWords(ctx context.Context, tx *sql.Tx, id pass.ID, holder, guest string) error {
	for _, w := range wordsOf(holder, guest) {
		_, err := tx.ExecContext(ctx, `INSERT INTO pass_words (word, day, idx) VALUES ($1, $2, $3) ON CONFLICT (word, day, idx) DO NOTHING`, w, id.Day, id.Index)
		if err != nil {
			return named(err)
		}
	}
	return nil
}

// deleteWords forgets what a pass was found by.
func deleteWords(ctx context.Context, tx *sql.Tx, id pass.ID, holder, guest string) error {
	for _, w := range wordsOf(holder, guest) {
		if _, err := tx.ExecContext(ctx, `DELETE FROM pass_words WHERE word = $1 AND day = $2 AND idx = $3`, w, id.Day, id.Index); err != nil {
			return named(err)
		}
	}
	return nil
}

// behind returns the first bytes that sort behind all that begin with prefix,
// which is valid UTF-8 and not empty: 0xff is no byte of it.
func behind(prefix []byte) []byte {
	end := slices.Clone(prefix)
	end[len(end)-1]++
	return end
}

// days is a range of pass days, both ends in it.
type days struct{ first, last pass.Day }

var allDays = days{0, 1<<16 - 1}

// prefixesOf returns what each word of text has to begin with; ErrBroad if the
// longest is a single letter.
func prefixesOf(text string) ([][]byte, error) {
	var list [][]byte
	long := false
	for _, w := range fold(text) {
		b := cutWord(w)
		list, long = append(list, b), long || len(b) > 1
	}
	if !long {
		return nil, ErrBroad
	}
	return list, nil
}

// fits selects the passes that a word fits. One more than there may be tells that
// there are too many.
const fits = `SELECT DISTINCT day, idx FROM pass_words WHERE word >= $1 AND word < $2 AND day >= $3 AND day <= $4 LIMIT $5`

func fitting(prefix []byte, within days) []any {
	return []any{prefix, behind(prefix), within.first, within.last, maxMatches + 1}
}

// rarest returns fits' parameters for the word that fits the fewest passes, the
// given name rather than the family's. ErrBroad if each fits too many.
func (d *DB) rarest(ctx context.Context, prefixes [][]byte, within days) (args []any, err error) {
	fewest := maxMatches + 1
	for _, p := range prefixes {
		if len(p) < 2 {
			continue
		}
		var n int
		if err := d.sql.QueryRowContext(ctx, `SELECT COUNT(*) FROM (`+fits+`) w`, fitting(p, within)...).Scan(&n); err != nil {
			return nil, named(err)
		}
		if n < fewest {
			fewest, args = n, fitting(p, within)
		}
	}
	if args == nil {
		return nil, ErrBroad
	}
	return args, nil
}

// match returns the passes of which each word of text begins one. ErrBroad if
// each word fits more than maxMatches, or the longest is a single letter.
func (d *DB) match(ctx context.Context, text string, within days) ([]pass.ID, error) {
	prefixes, err := prefixesOf(text)
	if err != nil {
		return nil, err
	}
	args, err := d.rarest(ctx, prefixes, within)
	if err != nil {
		return nil, err
	}
	type called struct {
		pass.ID
		holder, guest string
	}
	// CROSS JOIN keeps SQLite from beginning with the passes.
	found, err := all(ctx, d.sql, func(r rowScanner) (c called, err error) { return c, r.Scan(&c.Day, &c.Index, &c.holder, &c.guest) },
		`SELECT p.day, p.idx, p.holder, p.guest_name FROM (`+fits+`) w CROSS JOIN passes p WHERE p.day = w.day AND p.idx = w.idx`, args...)
	if err != nil {
		return nil, err
	}
	var ids []pass.ID
	for _, c := range found {
		if hasAll(wordsOf(c.holder, c.guest), prefixes) {
			ids = append(ids, c.ID)
		}
	}
	return ids, nil
}

func hasAll(words, prefixes [][]byte) bool {
	for _, p := range prefixes {
		if !slices.ContainsFunc(words, func(w []byte) bool { return bytes.HasPrefix(w, p) }) {
			return false
		}
	}
	return true
}

// in adds a condition that (day, idx) is one of ids; columns names the two.
func (c *conditions) in(columns string, ids []pass.ID) {
	if len(ids) == 0 {
		c.parts = append(c.parts, "1 = 0")
		return
	}
	pairs := make([]string, len(ids))
	for i, id := range ids {
		// Numbers, not parameters: thousands of those cost more than the search.
		pairs[i] = fmt.Sprintf("(%d,%d)", id.Day, id.Index)
	}
	c.parts = append(c.parts, columns+" IN (VALUES "+strings.Join(pairs, ",")+")")
}
