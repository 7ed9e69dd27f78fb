package page

import (
	"fmt"
	"net/http"

	"golang.org/x/text/language"

	"turnstile/central/office"
)

// Language is a language of the pages.
type Language string

// The languages.
const (
	English Language = "en"
	Chinese Language = "zh-Hant"
)

const languageCookie = "_language"

// Words translates English texts into Traditional Chinese. The English text is
// the key: a template can be read without the table.
type Words map[string]string

// Prefer says which language the person's account asks for; "" for none.
func (x *Exchange) Prefer(lang string) { x.wish = lang }

// Lang returns the language of a request: this browser's choice, else the
// account's, else what the browser asks for.
func (x *Exchange) Lang() Language {
	if x.lang == "" {
		x.lang = x.chooseLang()
	}
	return x.lang
}

func (x *Exchange) chooseLang() Language {
	if l := Chosen(x.Request, x.site.Cookie); l != "" {
		return l
	}
	if l := Language(x.wish); l == English || l == Chinese {
		return l
	}
	return Asked(x.Header.Get("Accept-Language"))
}

// Chosen returns the language that a person chose in this browser on the pages of the
// site with this Cookie; "" if they did not.
func Chosen(r *http.Request, cookie string) Language {
	c, err := r.Cookie(cookie + languageCookie)
	if err != nil || c.Value != string(English) && c.Value != string(Chinese) {
		return ""
	}
	return Language(c.Value)
}

// maxWish bounds the wish that is parsed.
const maxWish = 256

// Asked returns the language of a wish, as Accept-Language has it: that of the pages'
// which somebody wants first. Any Chinese is Chinese. language.Matcher would take an
// English that fits exactly before the zh-HK in front of it.
func Asked(wish string) Language {
	tags, _, err := language.ParseAcceptLanguage(wish[:min(len(wish), maxWish)])
	if err != nil {
		return English
	}
	for _, tag := range tags {
		switch base, _ := tag.Base(); base.String() {
		case "zh", "yue":
			return Chinese
		case "en":
			return English
		}
	}
	return English
}

// T translates a text of the frame's own words.
func (x *Exchange) T(text string, args ...any) string {
	return x.site.Frame.translate(x.Lang(), nil, text, args)
}

// Say translates a text with a page's words.
func (x *Exchange) Say(t *Templates, text string, args ...any) string {
	return t.frame.translate(x.Lang(), t.words, text, args)
}

// Told returns what a service refused for, translated with a page's words (nil:
// the frame's alone).
func (x *Exchange) Told(t *Templates, r *office.Refusal) string {
	var words Words
	if t != nil {
		words = t.words
	}
	if x.Lang() != Chinese || r.Text == "" {
		return r.Detail
	}
	return x.site.Frame.translate(Chinese, words, r.Text, r.Args)
}

func (f *Frame) translate(lang Language, words Words, text string, args []any) string {
	if lang == Chinese {
		if zh := f.chinese(words, text); zh != "" {
			text = zh
		}
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// chinese looks a text up in a page's words, the frame's, and those of this package.
func (f *Frame) chinese(words Words, text string) string {
	if zh := words[text]; zh != "" {
		return zh
	}
	for _, w := range f.words {
		if zh := w[text]; zh != "" {
			return zh
		}
	}
	return ownWords[text]
}

// Translated reports whether a text has Chinese, in the words or in the frame's.
func (f *Frame) Translated(words Words, text string) bool { return f.chinese(words, text) != "" }

// ownWords are the texts that this package shows.
var ownWords = Words{
	"There is no such page.": "沒有此頁面。",
	"The browser sent something that is no form. Reload the page and try again.": "瀏覽器傳送的內容不是表格。請重新載入頁面再試。",
	"This address has characters that are no text. Go back and type it again.":   "此網址含有不是文字的字元。請返回重新輸入。",
	"There are English and Traditional Chinese.":                                 "只有英文及繁體中文。",
	"That is too large: at most %d KB.":                                          "檔案太大：最多 %d KB。",
	"There is nothing here":                                                      "此處沒有內容",
	"That is not allowed":                                                        "不允許此操作",
	"That does not fit any more":                                                 "情況已改變",
	"That cannot be taken":                                                       "內容有誤",
	"Not just now":                                                               "暫時無法使用",
	"That did not work":                                                          "操作未能完成",
	"That is too large":                                                          "內容過大",
}
