// Package card is the portal's pages of a holder's own card: activating it with a
// photo, showing it as identification, and the day's campus access code, which a
// phone shows without a network too.
package card

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/photo"
	"turnstile/central/portal"
)

//go:embed pages/*.html
var files embed.FS

var pages = portal.MustParse(sub(), words)

func sub() fs.FS {
	f, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err)
	}
	return f
}

// State is how far a card has come.
type State string

// The states of a card.
const (
	None     State = "none"     // never applied for
	Waiting  State = "waiting"  // somebody of the office looks at the photo
	Rejected State = "rejected" // and found a reason against it
	Expired  State = "expired"  // nobody came to it in time, and the photo is erased
	Active   State = "active"
	// Withdrawn is a card that the office took back.
	Withdrawn State = "withdrawn"
)

// Card is a holder's card.
type Card struct {
	State   State
	Name    string   // of the holder, as the office knows them
	Lines   []string // what makes them a holder: degrees, in the page's language
	Newest  State    // of the last application: Waiting, Rejected or Expired; "": nothing is to be said
	Reason  string   // of a rejection or a withdrawal
	Since   time.Time
	Contact bool // the contact information is complete
	Photo   bool // there is one to show
}

// Upload is a photo as it was sent.
type Upload struct {
	Data []byte // JPEG or PNG, at most photo.MaxUpload
	Type string // what the sender says it is; "": nothing
}

// Standing is what becomes of a card's code.
type Standing string

// The standings.
const (
	Good    Standing = "good"
	Revoked Standing = "revoked" // the office took it back
	Held    Standing = "held"    // the office stopped it for now
	Off     Standing = "off"     // the card is not active
	Gone    Standing = "gone"    // the office took the card itself back
)

// Code is the code of one campus day.
type Code struct {
	Pass       pass.Pass
	Signature  []byte
	Begin, End time.Time     // of the campus day
	Live       *pass.LiveKey // of a live code; the phone makes the tags itself
}

// Codes are what a phone has to have: the code of this campus day, and from some
// hour on that of the next.
type Codes struct {
	Standing Standing
	List     []Code // none unless Good
}

// Cards keeps the cards. Errors are office.Refusals where a holder can do
// something about them.
type Cards interface {
	// Card returns where a holder's card stands; lang is that of its lines.
	Card(ctx context.Context, person string, lang portal.Language) (Card, error)
	// HandIn applies for a card, or for another photo. ErrInvalid: the photo, or the
	// contact information is not complete; ErrConflict: an application waits.
	HandIn(ctx context.Context, person string, u Upload) (State, error)
	// Photo returns the JPEG of an active card, or office.ErrNotFound.
	Photo(ctx context.Context, person string) ([]byte, error)
	// Codes returns the codes, which are issued with this call unless they are there:
	// the same ones to each browser, once a holder and day.
	Codes(ctx context.Context, person string) (Codes, error)
}

// Path is that of the card.
const Path = "/card"

// The paths of the other pages.
const (
	photoPath = "/card/photo"
	codePath  = "/card/code"
	codesPath = "/card/codes"
)

// desk serves the pages.
type desk struct{ cards Cards }

// Routes returns the pages.
func Routes(cards Cards) []portal.Route {
	s := &desk{cards}
	return []portal.Route{
		{Method: http.MethodGet, Pattern: Path, Handle: s.card},
		{Method: http.MethodGet, Pattern: photoPath, Handle: s.photoPage},
		{Method: http.MethodPost, Pattern: photoPath, MaxBody: photo.MaxUpload + portal.MaxBody, Slow: true, Handle: s.handIn},
		{Method: http.MethodGet, Pattern: photoPath + ".jpg", Hidden: true, Handle: s.picture},
		{Method: http.MethodGet, Pattern: codePath, Handle: s.code},
		{Method: http.MethodGet, Pattern: codesPath, Hidden: true, Handle: s.codes},
	}
}

// Icon is the card in the menu.
const Icon = "M3 6h18v12H3zM7 15c0-3 5-3 5 0M9.500 10.500v.1M15 10h3M15 13h3"

// cardData is the identification.
type cardData struct {
	Card
	Zone string // IANA name, for the clock
}

func (s *desk) card(r *portal.Request) error {
	c, err := s.cards.Card(r.Context(), r.Who.Person, r.Lang())
	if err != nil {
		return err
	}
	switch c.State {
	case Active:
		return r.Page(pages, "card.html", "My card", cardData{c, r.Zone().String()})
	case Withdrawn:
		return r.Page(pages, "withdrawn.html", "My card", c)
	}
	return r.Page(pages, "activate.html", "Activate the card", c)
}

func (s *desk) photoPage(r *portal.Request) error {
	c, err := s.cards.Card(r.Context(), r.Who.Person, r.Lang())
	if err != nil {
		return err
	}
	if !c.Contact || c.Newest == Waiting || c.State == Withdrawn {
		return r.Redirect(Path)
	}
	return r.Page(pages, "photo.html", "Your photo", photoData{})
}

// photoData is the form, perhaps shown again.
type photoData struct{ Problem string }

func (s *desk) handIn(r *portal.Request) error {
	u, err := readUpload(r)
	if err == nil {
		var state State
		if state, err = s.cards.HandIn(r.Context(), r.Who.Person, u); err == nil {
			if state == Active {
				r.Flash(r.Say(pages, "Your card is active."))
			}
			return r.Redirect(Path)
		}
	}
	refusal, ok := errors.AsType[*office.Refusal](err)
	if !ok {
		return err
	}
	return r.PageStatus(http.StatusUnprocessableEntity, pages, "photo.html", "Your photo", photoData{told(r, refusal)})
}

// told words for a holder what the office's services refuse.
func told(r *portal.Request, x *office.Refusal) string {
	if own := plain[x.Text]; own != "" {
		return r.Say(pages, own, x.Args...)
	}
	return r.Told(pages, x)
}

// plain are refusals in words for the holder, by the words for the office.
var plain = map[string]string{
	"This holder has an open eCard application; it has to be decided first.": "The office still looks at your last photo. Wait for its answer.",
	"The eCard of this holder is withdrawn. The office can give it back.":    "Your card is withdrawn; ask the office.",
}

func (s *desk) picture(r *portal.Request) error {
	jpeg, err := s.cards.Photo(r.Context(), r.Who.Person)
	if err != nil {
		return err
	}
	r.Writer.Header().Set("Content-Type", photo.JPEG)
	r.Writer.Write(jpeg)
	return nil
}
