package portal

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"

	"turnstile/central/page"
)

//go:embed layout/*.html
var layout embed.FS

// frame is the layout of the portal's pages.
var frame = page.MustFrame(layout, frameWords)

// What pages are made of.
type (
	// Templates are the pages of one package and their words in Chinese.
	Templates = page.Templates
	// Words translates English texts into Traditional Chinese.
	Words = page.Words
	// Language is a language of the portal.
	Language = page.Language
)

// The languages.
const (
	English = page.English
	Chinese = page.Chinese
)

// MustParse parses the templates of an embedded folder. It panics on a template
// that does not parse, as it is part of the program.
func MustParse(files fs.FS, words Words) *Templates { return frame.MustParse(files, words) }

// Translated reports whether a text has Chinese, in the words or in the frame's.
func Translated(words Words, text string) bool { return frame.Translated(words, text) }

// View is what a template sees: that of its page, and who is signed in.
type View struct {
	*page.View
	Who    Holder
	portal *Portal
}

// With is a View of another value, for a template that is called for a part:
// {{template "row" ($.With .)}}.
func (v *View) With(data any) *View { return &View{v.View.With(data), v.Who, v.portal} }

// Menu lists the entries of the menu; nobody who is not signed in has one.
func (v *View) Menu() []Nav {
	if v.Who.Person == "" {
		return nil
	}
	return v.portal.options.Nav
}

// Whose names the holder to the scripts on a phone: of what it keeps nothing is shown to
// another one. "": nobody is signed in.
func (v *View) Whose() string { return Whose(v.Who.Person) }

// Whose is a person's name for the scripts on a phone, which tells nothing else.
func Whose(person string) string {
	if person == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("turnstile phone " + person))
	return hex.EncodeToString(sum[:8])
}

// Office says who helps; "" if the configuration does not.
func (v *View) Office() string { return v.portal.options.Office }

func encode(value any) ([]byte, error) { return json.Marshal(value) }
