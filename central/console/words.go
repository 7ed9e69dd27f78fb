package console

import (
	"fmt"
	"net/http"

	"golang.org/x/text/language"

	"turnstile/central/office"
)

// Language is a language of the console.
type Language string

// The languages.
const (
	English Language = "en"
	Chinese Language = "zh-Hant"
)

const languageCookie = "turnstile_language"

// Words translates English texts into Traditional Chinese. The English text is
// the key: a template can be read without the table.
type Words map[string]string

var matcher = language.NewMatcher([]language.Tag{language.English, language.TraditionalChinese})

// Lang returns the language of a request: the account's, else this browser's
// choice, else what the browser asks for.
func (r *Request) Lang() Language {
	if r.lang == "" {
		r.lang = r.chooseLang()
	}
	return r.lang
}

func (r *Request) chooseLang() Language {
	if c, err := r.Cookie(languageCookie); err == nil && (c.Value == string(English) || c.Value == string(Chinese)) {
		return Language(c.Value)
	}
	if l := Language(r.Who.Lang); l == English || l == Chinese {
		return l
	}
	tags, _, err := language.ParseAcceptLanguage(bounded(r.Header))
	if err != nil {
		return English
	}
	if _, i, _ := matcher.Match(tags...); i == 1 {
		return Chinese
	}
	return English
}

// maxWish bounds the header that is parsed.
const maxWish = 256

func bounded(h http.Header) string {
	wish := h.Get("Accept-Language")
	return wish[:min(len(wish), maxWish)]
}

// T translates a text of the frame's own words.
func (r *Request) T(text string, args ...any) string { return translate(r.Lang(), nil, text, args) }

// Say translates a text with a page's words.
func (r *Request) Say(t *Templates, text string, args ...any) string {
	return translate(r.Lang(), t.words, text, args)
}

// Told returns what a service refused for, translated with a page's words (nil:
// the frame's alone).
func (r *Request) Told(t *Templates, x *office.Refusal) string {
	var words Words
	if t != nil {
		words = t.words
	}
	if r.Lang() != Chinese || x.Text == "" {
		return x.Detail
	}
	return translate(Chinese, words, x.Text, x.Args)
}

func translate(lang Language, words Words, text string, args []any) string {
	if lang == Chinese {
		for _, w := range []Words{words, frameWords, refusalWords} {
			if zh := w[text]; zh != "" {
				text = zh
				break
			}
		}
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// SignInPath is where the sign-in page stands, below Base; back is a whole path.
func SignInPath(back string, again bool) string { return signInPath(back, again) }

// frameWords are the words of the frame and those that all pages share.
var frameWords = Words{
	"Skip to the content":    "跳至內容",
	"Central office":         "中央辦公室",
	"Passes":                 "通行證",
	"Approvals":              "審批",
	"Lanes":                  "閘道",
	"Passages":               "通行紀錄",
	"Rules":                  "規則",
	"People":                 "人員",
	"Audit":                  "稽核",
	"My account":             "我的帳戶",
	"Sign out":               "登出",
	"Sign in":                "登入",
	"Menu":                   "選單",
	"Language":               "語言",
	"Reason":                 "原因",
	"Save":                   "儲存",
	"Cancel":                 "取消",
	"Search":                 "搜尋",
	"Next page":              "下一頁",
	"First page":             "第一頁",
	"Back":                   "返回",
	"Day":                    "日期",
	"Zone":                   "區域",
	"Lane":                   "閘道",
	"Holder":                 "持有人",
	"Guest":                  "訪客",
	"Status":                 "狀態",
	"Time":                   "時間",
	"There is no such page.": "沒有此頁面。",
	"The browser sent something that is no form. Reload the page and try again.":     "瀏覽器傳送的內容不是表格。請重新載入頁面再試。",
	"This address has characters that are no text. Go back and type it again.":       "此網址含有不是文字的字元。請返回重新輸入。",
	"There are English and Traditional Chinese.":                                     "只有英文及繁體中文。",
	"Your role does not allow this. An admin can give you another one under People.": "您的角色不允許此操作。管理員可在「人員」頁為您更改角色。",
	"That is too large: at most %d KB.":                                              "檔案太大：最多 %d KB。",
	"Central could not do this; its log has the cause.":                              "中央系統未能完成此操作；原因已記錄在日誌中。",
	"viewer":                   "檢視員",
	"issuer":                   "簽發員",
	"approver":                 "審批員",
	"security":                 "保安員",
	"auditor":                  "稽核員",
	"admin":                    "管理員",
	"Not Found":                "找不到",
	"Forbidden":                "不允許",
	"Conflict":                 "衝突",
	"Unprocessable Entity":     "內容有誤",
	"Service Unavailable":      "暫時無法使用",
	"Internal Server Error":    "系統錯誤",
	"Request Entity Too Large": "內容過大",
}

// Translated reports whether a text has Chinese, in the words or in the frame's.
func Translated(words Words, text string) bool {
	return words[text] != "" || frameWords[text] != "" || refusalWords[text] != ""
}
