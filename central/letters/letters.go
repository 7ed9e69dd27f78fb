// Package letters has the words of every mail that central sends, in English and
// Traditional Chinese.
//
// A letter is made by a function of its own from just what it says. Each is plain
// text with the same in simple HTML beside it: no remote picture, nothing that
// tells central that it was read. Where a code is to be typed there is no link, so
// that nobody learns to press links in such mails; and no letter has the birth
// date, the personal id, the password or the whole of another address in it.
//
// A letter waits in the outbox sealed (Seal) and is erased there when it was sent:
// who reads the database reads no code.
package letters

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"turnstile/central/database"
)

// Language is what a letter is written in.
type Language string

// The languages. Both is for somebody who chose none: English, then Chinese.
const (
	English Language = "en"
	Chinese Language = "zh-Hant"
	Both    Language = ""
)

// Letter is what a mail says.
type Letter struct {
	Kind    string    `json:"kind"` // such as one_time, for the outbox and its figures
	Lang    Language  `json:"lang"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`           // plain, an empty line between paragraphs
	HTML    string    `json:"html"`           // the same, a whole document
	PNG     []byte    `json:"png,omitempty"`  // a symbol that HTML shows, nil for none
	Name    string    `json:"name,omitempty"` // of the picture as a file
	Until   time.Time `json:"until,omitzero"` // it is useless later, and not sent then; zero: never
}

// Box seals what waits in the database.
type Box interface {
	Seal(purpose string, secret []byte) []byte
	Open(purpose string, sealed []byte) ([]byte, error)
}

// purpose binds a sealed letter to its row.
func purpose(id string) string { return "letter " + id }

// Seal makes the row of the outbox of a letter to an address. by names who or what
// had it sent, for those who look after the outbox.
func Seal(box Box, l Letter, address, by string, now time.Time) (database.Letter, error) {
	row := database.Letter{ID: rand.Text(), Kind: l.Kind, Lang: string(l.Lang), Address: address, By: by, At: now.UnixMilli()}
	if !l.Until.IsZero() {
		row.Until = l.Until.UnixMilli()
	}
	text, err := json.Marshal(l)
	if err != nil {
		return row, fmt.Errorf("encode letter: %w", err)
	}
	row.Sealed = box.Seal(purpose(row.ID), text)
	return row, nil
}

// ErrUnreadable tells that a row's letter cannot be read: another key, or another
// row's.
var ErrUnreadable = errors.New("the letter in the outbox cannot be opened with this central's key")

// Open reads the letter of a row of the outbox.
func Open(box Box, id string, sealed []byte) (l Letter, err error) {
	text, err := box.Open(purpose(id), sealed)
	if err != nil {
		return l, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return l, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return l, nil
}
